"""Wiring: names, blocks, sharing, and everything that means nothing and is refused."""

import copy
import pickle
import re
import sys

import numpy as np
import pytest
from oddities import close, custom, equal, fed, gradients

import minigraph as mg
from minigraph.costs import Quadratic, SoftmaxCrossEntropy
from minigraph.errors import GraphError, ShapeError
from minigraph.layers import Add, Concat, Dense, Flatten, Identity, Input, Multiply, StopGradient, Subtract


@pytest.fixture
def g():
    return mg.Graph("first", seed=0)


def here():
    """This file and the caller's line, as messages put it."""
    return f"test_graph.py:{sys._getframe(1).f_lineno}"


# ---- names ----

HOSTILE = [
    'a:b <c> {d} | "e"',
    "δ",
    "",
    " ",
    "two\nlines",
    "nul\0",
    "tab\tand\rreturn",
    "x" * 500,
    "\ud800",
    "{0} %s {name}",
    "../x",
    "self",
    "name",
    "0",
    "dense.w",
    "dense_1",
]


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_any_text_is_a_name(g, name):
    x = g.input("x", 3)
    node = Dense(2, "tanh")(x, name=name)
    cost = g.cost(Quadratic(), node, target=f"t{name}", name=f"{name}!")
    run = g.forward({"x": fed(0)["x"], f"t{name}": fed(0)["t"]}).backward()
    assert g[name] is node
    assert g[f"{name}!"] is cost
    assert np.array_equal(run[name].a, np.tanh(run[name].z))
    assert run.edge("x", name).a.shape == (4, 3)
    assert f"{name}.w" in g.params
    assert run.grad(node.layer.w, per="use").keys() == {name}
    assert run.costs.keys() == {f"{name}!"}
    assert repr(name) in repr(node)
    twin = pickle.loads(pickle.dumps(copy.deepcopy(g)))
    assert twin[name].name == name
    assert len(g.summary().splitlines()) == len(g.nodes) + 5
    assert g.forward({"x": fed(0)["x"]}, until=name)[name].a.shape == (4, 2)
    for attempt in (lambda: Dense(2)(x, name=name), lambda: g.input(name, 2), lambda: g.add(Add(), x, node, name="x")):
        with pytest.raises(GraphError, match=f"names are unique, and there is node {re.escape(repr(name))}|'x'"):
            attempt()
    with pytest.raises(GraphError, match=re.escape(repr(name + "?"))):
        g[name + "?"]
    with pytest.raises(ShapeError, match=re.escape(repr(name + "'"))):
        Add()(x, node, name=name + "'")


def test_names_are_made_up_where_none_is_given(g):
    x = g.input("x", 3)
    shared = Dense(3, name="tower")
    nodes = [Dense(3)(x), Dense(3)(x), shared(x), shared(x), Dense(3)(x, name="dense_3"), Dense(3)(x), Dense(3)(x)]
    assert [node.name for node in nodes] == ["dense", "dense_1", "tower", "tower_1", "dense_3", "dense_2", "dense_4"]
    assert StopGradient()(x).name == "stop_gradient"
    label = g.input("softmax_cross_entropy", 3)
    assert g.cost(SoftmaxCrossEntropy(), x, target=label).name == "softmax_cross_entropy_1"


def test_names_are_made_up_by_the_class_and_are_the_same_every_time():
    names = [[node.name for node in mg.Sequential(3, *(Dense(2) for _ in range(4))).nodes] for _ in range(2)]
    assert names[0] == names[1] == ["x", "dense", "dense_1", "dense_2", "dense_3"]


def test_a_taken_name_says_by_whom(g):
    x, line = g.input("x", 3), here()
    for again in (lambda: g.input("x", 3), lambda: Dense(2)(x, name="x"), lambda: Dense(2, name="x")(x)):
        with pytest.raises(GraphError, match=rf"there is node 'x' \(added at {re.escape(line)}\) already"):
            again()
    mg.Sequential(3, Dense(2), name="block")(x, name="block")
    with pytest.raises(GraphError, match="there is a block 'block' already"):
        g.input("block", 3)
    with pytest.raises(GraphError, match="no node 'block'"):
        g["block"]
    for name in (5, None, b"x", x):
        with pytest.raises(GraphError, match="text"):
            g.input(name, 3)


def test_a_name_that_is_not_there_is_answered_with_near_ones(g):
    g.input("image", 3) >> Dense(3, name="hidden 1") >> Dense(3, name="hidden 2")
    with pytest.raises(
        GraphError, match=r"no node 'hiden 1' in graph 'first': did you mean 'hidden 1' or 'hidden 2'\?"
    ):
        g["hiden 1"]
    with pytest.raises(GraphError, match=r"no node 'zzz' in graph 'first'$"):
        g["zzz"]
    for name in (5, None, ["image"], Dense(2)):
        with pytest.raises(GraphError, match="no node"):
            g[name]


# ---- what is refused when wiring ----


def test_layers_and_nodes_are_not_mixed_up(g):
    x = g.input("x", 3)
    cases = [
        (lambda: Add()(x, Dense(3)), "Add takes nodes, got the layer Dense: call it first, Dense(…)(node)"),
        (lambda: g.add(Add(), Dense(3), x), "call it first, Dense(…)(node)"),
        (lambda: g.add(Dense, x), "got the class Dense: call it first, Dense(…)"),
        (lambda: g.add(mg.Graph, x), "got <class"),
        (lambda: x >> Add, "call it first, Add(…)"),
        (lambda: x >> Dense, "call it first, Dense(…)"),
        (lambda: x >> 5, "takes a layer or a graph, got 5"),
        (lambda: g.add("dense", x), "takes a layer or a graph, got 'dense'"),
        (lambda: g.add(x, x), "takes a layer or a graph, got <Node 'x'"),
        (lambda: Dense(2)(), "is called with the nodes it takes"),
        (lambda: g.add(Dense(2)), f"takes the nodes that feed it, got none (at {here()})"),
        (lambda: Dense(2)("x"), "takes nodes, got 'x': a node is what g.input(…) or layer(node) returns"),
        (lambda: Add()([x, x]), "takes nodes, got [<Node 'x'"),
        (lambda: Dense(2)(np.ones(3)), "takes nodes, got array("),
        (lambda: g.cost(Quadratic, x), "takes a cost from minigraph.costs, got <class"),
        (lambda: g.cost(Dense(2), x), "g.add takes other layers"),
        (lambda: g.cost(Quadratic(), "x"), "takes nodes, got 'x'"),
        (lambda: g.cost(Quadratic(), x, target=Dense(3)), "got the layer Dense"),
        (lambda: g.cost(Quadratic(), x, target=5), "takes nodes, got 5"),
        (lambda: g.output("nowhere"), "no node 'nowhere'"),
        (lambda: g.add(Input((3,)), x), "takes 0 inputs, got 1"),
        (lambda: g.add(Input((3,))), "takes the nodes that feed it"),
    ]
    for attempt, said in cases:
        edition = g.edition
        with pytest.raises(GraphError, match=re.escape(said)):
            attempt()
        assert (g.nodes, g.edition) == ([x], edition)


ARITY = [
    (Dense(2), 2, "Dense 'dense' takes 1 input, got 2"),
    (Flatten(), 3, "takes 1 input, got 3"),
    (Add(), 1, "Add 'add' takes two or more inputs, got 1"),
    (Multiply(), 1, "takes two or more inputs, got 1"),
    (Subtract(), 1, "takes two inputs, got 1"),
    (Subtract(), 3, "takes two inputs, got 3"),
    (Quadratic(), 1, "takes an output and its target, got 1 input"),
    (custom(build=lambda self, a, b, **_: a), 1, "Custom 'custom' takes 2 inputs, got 1"),
]


@pytest.mark.parametrize(("layer", "count", "said"), ARITY)
def test_the_number_of_inputs_is_checked(g, layer, count, said):
    x = g.input("x", 3)
    with pytest.raises(GraphError, match=said + r".*test_graph\.py:\d+"):
        g.add(layer, *[x] * count)
    assert g.nodes == [x]


def test_nodes_of_two_graphs_are_not_mixed(g):
    x, here_x = g.input("x", 3), here()
    other = mg.Graph("second")
    y, here_y = other.input("y", 3), here()
    said = f"'x' is in 'first' (added at {here_x}), 'y' is in 'second' (added at {here_y})"
    for attempt in (
        lambda: Add()(x, y),
        lambda: g.add(Add(), x, y),
        lambda: g.add(Dense(2), y),
        lambda: (x, y) >> Concat(),
        lambda: g.cost(Quadratic(), x, target=y),
        lambda: mg.Sequential(3, Dense(2))(x, y),
        lambda: g[y],
        lambda: g.output(y),
        lambda: g.forward(x=np.ones(3), until=y),
    ):
        with pytest.raises(GraphError, match=re.escape(said)):
            attempt()
    with pytest.raises(GraphError, match="'y' is in 'second'"):
        other.add(Add(), y, x)
    with pytest.raises(GraphError, match="of graph 'first', not of 'empty'"):
        mg.Graph("empty").add(Dense(2), x)
    assert (g.nodes, other.nodes) == ([x], [y])


@pytest.mark.parametrize("shape", [0, -1, (3, 0), 2.5, (2.5,), "3", None, True, (3, None), [[3]]], ids=repr)
def test_inputs_have_shapes_of_positive_whole_numbers(g, shape):
    with pytest.raises(GraphError, match=r"input 'x' takes a shape of positive whole numbers, got"):
        g.input("x", shape)
    assert g.nodes == []


def test_inputs_have_floats_of_the_graph_or_integers():
    for dtype in ("float32", "float64"):
        g = mg.Graph(dtype=dtype)
        assert g.input("plain", 2).dtype == dtype
        assert g.input("float", (np.int64(2), 3), dtype=float).shape == (2, 3)
        assert g.input("label", (), dtype=np.int32).dtype == np.int64
        for kind in (bool, complex, str, object, "junk"):
            with pytest.raises(GraphError, match="takes floats or integers"):
                g.input("other", 2, dtype=kind)
    for kind in ("float16", "int64", int, "junk", None, complex):
        with pytest.raises(GraphError, match="dtype float64 or float32"):
            mg.Graph(dtype=kind)
        if kind is not None:
            with pytest.raises(GraphError, match="dtype float64 or float32"):
                g.copy(dtype=kind)


def test_a_cost_that_fails_leaves_nothing_behind(g):
    image, x = g.input("image", (2, 3)), g.input("x", 3)
    nodes = list(g.nodes)
    for attempt in (
        lambda: g.cost(SoftmaxCrossEntropy(), image),
        lambda: g.cost(Quadratic(), x, name="x"),
        lambda: g.cost(Quadratic(), x, target="image"),
        lambda: g.cost(Quadratic(), x, target="new", name="new"),
    ):
        with pytest.raises(GraphError):
            attempt()
        assert g.nodes == nodes
        assert g.names.nodes.keys() == {"image", "x"}
    assert g.cost(Quadratic(), image).inputs[1].shape == (2, 3)


# ---- spellings ----


def test_add_call_and_arrow_are_spellings_of_one_thing():
    graphs = []
    for spelling in range(3):
        g = mg.Graph(seed=0)
        x, y = g.input("x", 3), g.input("y", 3)
        if spelling == 0:
            h = g.add(Dense(2, "tanh"), g.add(Add(), x, y), name="end")
        elif spelling == 1:
            h = Dense(2, "tanh")(Add()(x, y), name="end")
        else:
            h = (x, y) >> Add() >> Dense(2, "tanh", name="end")
        g.cost(Quadratic(), h)
        graphs.append(g)
    feeds = {"x": fed(0)["x"], "y": fed(1)["x"], "t": fed(0)["t"]}
    assert repr(graphs[0].nodes) == repr(graphs[1].nodes) == repr(graphs[2].nodes)
    for other in graphs[1:]:
        equal(gradients(other.forward(feeds).backward()), gradients(graphs[0].forward(feeds).backward()))


def test_sequential_is_a_plain_graph():
    g = mg.Sequential((2, 3), Flatten(), Dense(4, "tanh"), Dense(2), cost=Quadratic(), name="net", seed=3)
    assert type(g) is mg.Graph
    assert [node.name for node in g.nodes] == ["x", "flatten", "dense", "dense_1", "t", "quadratic"]
    assert [(edge.source.name, edge.target.name, edge.slot) for edge in g.edges] == [
        ("x", "flatten", 0), ("flatten", "dense", 0), ("dense", "dense_1", 0), ("dense_1", "quadratic", 0),
        ("t", "quadratic", 1),
    ]  # fmt: skip
    by_hand = mg.Graph(seed=3)
    by_hand.cost(Quadratic(), by_hand.input("x", (2, 3)) >> Flatten() >> Dense(4, "tanh") >> Dense(2))
    for name, param in g.params.items():
        assert np.array_equal(param.value, by_hand.params[name].value)
    assert mg.Sequential(3, dtype="float32").dtype == np.float32


def test_outputs_are_declared_or_judged_or_last(g):
    h = g.input("x", 3) >> Dense(2, name="h")
    u, v = Dense(2, name="u")(h), Dense(2, name="v")(h)
    assert g.outputs == [u, v]
    g.cost(Quadratic(), u)
    assert g.outputs == [u]
    g.output("v", h, v)
    assert g.outputs == [v, h]
    assert g.validate() == []


# ---- blocks ----


def cell(name="cell"):
    """A block of two inputs and two outputs, with a cost of its own."""
    block = mg.Graph(name, seed=1)
    u, v = block.input("u", 3), block.input("v", 2)
    h = Dense(3, "tanh", name="h")(Concat()(u, v))
    out = Dense(2, name="out")(h)
    block.cost(Quadratic(), out, target="own target", name="own cost")
    block.output(h, out)
    return block


def test_a_block_is_inlined_without_its_costs_and_shares_its_params(g):
    block = cell()
    first = block(g.input("x", 3), g.input("y", 2))
    second = g.add(block, *first, name="again")
    third = (first[0], second[1]) >> block
    assert [node.name for node in (*first, *second, *third)] == [
        *("cell/h", "cell/out", "again/h", "again/out", "cell_1/h", "cell_1/out")
    ]
    assert [node.name for node in g.nodes] == [
        *("x", "y", "cell/concat", "cell/h", "cell/out", "again/concat", "again/h", "again/out"),
        *("cell_1/concat", "cell_1/h", "cell_1/out"),
    ]
    assert g["again/h"].block == ("again",)
    assert g["x"].block == ()
    assert list(g.params) == ["cell/h.w", "cell/h.b", "cell/out.w", "cell/out.b"]
    for name in ("h", "out"):
        assert g[f"cell/{name}"].layer is g[f"again/{name}"].layer is block[name].layer
    assert g.costs == []
    assert g.free_inputs == [g["x"], g["y"]]
    assert len(block.nodes) == 7
    g.cost(Quadratic(), third[1])
    run = g.forward(x=fed(0)["x"], y=fed(1)["t"], t=fed(0)["t"]).backward()
    parts = run.grad(block["out"].layer.w, per="use")
    assert parts.keys() == {"cell/out", "again/out", "cell_1/out"}
    close(run.grad(block["out"].layer.w), sum(parts.values()))


def test_blocks_nest_and_training_the_whole_trains_the_block(g):
    inner = mg.Sequential(3, Dense(3, "tanh"), name="inner", seed=1)
    outer = mg.Sequential(3, inner, Dense(3), inner, name="outer", seed=2)
    out = g.input("x", 3) >> outer >> inner
    assert [node.name for node in g.nodes] == [
        *("x", "outer/inner/dense", "outer/dense", "outer/inner_1/dense", "inner/dense")
    ]
    assert g["outer/inner/dense"].block == ("outer", "inner")
    g.cost(Quadratic(), out)
    before = inner.forward(x=np.ones(3))["dense"].a.copy()
    mg.SGD(0.5).step(g.forward(x=fed(0)["x"], t=fed(1)["x"]).backward())
    assert not np.isclose(before, inner.forward(x=np.ones(3))["dense"].a).any()


def test_a_block_alone_computes_what_it_computes_inlined(g):
    block = cell()
    h, out = block(g.input("x", 3), g.input("y", 2))
    x, y = fed(0)["x"], fed(1)["t"]
    alone, inlined = block.forward(u=x, v=y, until=["h", "out"]), g.forward(x=x, y=y)
    equal([inlined[h].a, inlined[out].a], [alone["h"].a, alone["out"].a])


def test_blocks_that_do_not_fit_are_refused_and_nothing_is_added(g):
    x, y = g.input("x", 3), g.input("y", 2)
    block, single = cell(), mg.Sequential(3, Dense(2), dtype="float32", name="single")
    loop = mg.Graph("loop")
    loop.output(loop.cost(Quadratic(), loop.input("u", 3) >> Dense(3)))
    nodes, names = list(g.nodes), dict(g.names.nodes)
    cases = [
        (
            lambda: block(x),
            r"block 'cell' \(graph 'cell', added at test_graph\.py:\d+\) takes 2 inputs \('u', 'v'\), got 1",
        ),
        (lambda: block(x, y, y), "takes 2 inputs .*got 3"),
        (lambda: block(y, x), r"takes samples of shape \(3,\) float64 as 'u', got 'y' of shape \(2,\)"),
        (lambda: single(x), "computes in float32, but graph 'first' in float64"),
        (lambda: g.add(g, x), "can't be a block of itself"),
        (lambda: loop(x), "no output but behind its costs"),
        (lambda: mg.Graph("empty")(x), "takes 0 inputs"),
        (lambda: block(x, y, name="x"), "names are unique"),
        (lambda: block(g.input("label", 3, dtype=int), y), "float64 as 'u', got 'label' .* int64"),
    ]
    for attempt, said in cases:
        with pytest.raises(GraphError, match=said):
            attempt()
        if "label" in g.names.nodes:
            nodes.append(g["label"])
            names["label"] = g["label"]
        assert g.nodes == nodes
        assert g.names.nodes == names


def test_a_block_with_something_behind_its_cost_or_a_computed_target(g):
    block = mg.Graph("b", seed=0)
    h = block.input("u", 3) >> Dense(3, name="h")
    target = StopGradient(name="stopped")(Identity(name="copied")(h))
    cost = block.cost(Quadratic(), h, target=target, name="c")
    Identity(name="behind")(cost)
    block.output(h)
    assert block(g.input("x", 3)).name == "b/h"
    assert "b/c" not in g.names.nodes
    assert "b/behind" not in g.names.nodes
    assert g.validate() == []


# ---- sharing ----


def test_a_shared_layer_has_one_set_of_params_and_fits_one_shape(g):
    tower = Dense(2, name="tower")
    x, y, z = g.input("x", 3), g.input("y", 3), g.input("z", 4)
    tower(x)
    w = tower.w
    tower(y)
    assert tower.w is w
    with pytest.raises(
        ShapeError, match=r"Dense 'tower_2' shares w of shape \(2, 3\) with its other uses, but .*\(2, 4\)"
    ):
        tower(z)
    assert [node.name for node in g.nodes] == ["x", "y", "z", "tower", "tower_1"]
    other = mg.Graph(dtype="float32")
    with pytest.raises(GraphError, match="has w of float64, but this graph computes in float32"):
        tower(other.input("x", 3))


def test_a_layer_used_in_two_graphs_is_one_layer(g):
    tower, other = Dense(2), mg.Graph("second", seed=9)
    g.cost(Quadratic(), g.input("x", 3) >> tower)
    other.output(other.input("x", 3) >> tower)
    before = other.forward(x=np.ones(3))["dense"].a.copy()
    mg.SGD(0.1).step(g.forward(fed(0)).backward())
    assert not np.isclose(before, other.forward(x=np.ones(3))["dense"].a).any()


# ---- seeds and copies ----


def test_the_seed_decides_the_weights():
    def weights(seed):
        return [p.value for p in mg.Sequential(3, Dense(4), Dense(2), seed=seed).params.values()]

    equal(weights(1), weights(1))
    assert not np.isclose(weights(1)[0], weights(2)[0]).any()
    assert not np.isclose(weights(None)[0], weights(None)[0]).any()


def test_a_copy_grows_and_draws_on_its_own(g):
    g.output(g.input("x", 3) >> Dense(3))
    for twin in (g.copy(), copy.deepcopy(g), pickle.loads(pickle.dumps(g)), copy.copy(g)):
        twin["dense"] >> Dense(3)
        assert [node.name for node in twin.nodes] == ["x", "dense", "dense_1"]
        assert [node.name for node in g.nodes] == ["x", "dense"]
        assert g.next_seed.__self__ is g
    assert np.array_equal(g.copy().next_seed(), g.next_seed())


def test_what_a_graph_says_of_itself(g):
    g.cost(Quadratic(), g.input("x", 3) >> Dense(2, "tanh", name="h"))
    assert repr(g) == "<Graph 'first': 4 nodes, 8 parameters>"
    assert repr(g["h"]) == "<Node 'h': Dense tanh, samples of shape (2,)>"
    assert str(g) == g.summary()
    assert g["h"].id == 1
    assert [node.id for node in g.nodes] == [0, 1, 2, 3]


def test_the_source_of_a_node_is_the_users_line_however_it_was_added(g):
    x, line = g.input("x", 3), here()
    assert x.source == line
    a, b, c, line = x >> Dense(2), Dense(2)(x), g.add(Dense(2), x), here()
    assert {a.source, b.source, c.source} == {line}
    cost, line = g.cost(Quadratic(), a), here()
    assert {cost.source, g["t"].source} == {line}
    block, line = mg.Sequential(3, Dense(2), Dense(2), cost=Quadratic()), here()
    assert {node.source for node in block.nodes} == {line}
    inlined, line = x >> block, here()
    assert inlined.source == line
