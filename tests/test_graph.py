"""Wiring: its spellings, what it makes, and everything that means nothing and is refused."""

import copy
import pickle
import re
import sys
from dataclasses import dataclass

import numpy as np
import pytest
from oddities import custom, equal, fed, gradients

import minigraph as mg
from minigraph.costs import Quadratic, SoftmaxCrossEntropy
from minigraph.errors import GraphError
from minigraph.layers import Add, Concat, Dense, Flatten, Input, Multiply, Subtract


@pytest.fixture
def g():
    return mg.Graph("first", seed=0)


def here():
    """This file and the caller's line, as messages put it."""
    return f"test_graph.py:{sys._getframe(1).f_lineno}"


# ---- what is refused when wiring ----


def test_layers_and_nodes_are_not_mixed_up(g):
    x = g.input("x", 3)
    cases = [
        (lambda: Add()(x, Dense(3)), "Add takes nodes, got the layer Dense: call it first, Dense(…)(node)"),
        (lambda: g.add(Add(), Dense(3), x), "call it first, Dense(…)(node)"),
        (lambda: g.add(Dense, x), "got the class Dense: call it first, Dense(…)"),
        (lambda: g.add(mg.Graph, x), "got the class Graph"),
        (lambda: x >> Add, "call it first, Add(…)"),
        (lambda: x >> Dense, "call it first, Dense(…)"),
        (lambda: x >> 5, "takes a layer or a graph, got 5"),
        (lambda: g.add("dense", x), "takes a layer or a graph, got 'dense'"),
        (lambda: g.add(x, x), "takes a layer or a graph, got <Node 'x'"),
        (lambda: Dense(2)(), "is called with the nodes it takes"),
        (lambda: g.add(Dense(2)), f"takes the nodes that feed it, got none (at {here()})"),
        (lambda: Dense(2)("x"), "takes nodes, got 'x': a node is what g.input(…) or layer(node) returns"),
        (lambda: Add()([x, x]), "takes nodes, got a list of 2: a node is what"),
        (lambda: Dense(2)(np.ones(3)), "takes nodes, got an array of shape (3,) float64"),
        (
            lambda: g.cost(Quadratic, x),
            "takes a cost from minigraph.costs, got the class Quadratic: make one of it, Quadratic(…)",
        ),
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
        lambda: g.cost(SoftmaxCrossEntropy(axis=3), image),
        lambda: g.cost(Quadratic(), x, name="x"),
        lambda: g.cost(Quadratic(), x, target="new", weights="image"),
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
    assert (g["dense"] >> Dense(3)).name == "dense_1"
    assert g.copy().next_seed() == g.next_seed()


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


def test_a_graph_is_a_collection_of_its_nodes(g):
    x = g.input("x", 3)
    h = Dense(2)(x)
    assert list(g) == [x, h]
    assert len(g) == 2
    assert "x" in g
    assert h in g
    assert "h" not in g
    assert mg.Graph().input("x", 3) not in g
    assert bool(mg.Graph())


def test_params_in_lists_dicts_and_inner_layers_are_trained():
    @dataclass(eq=False)
    class Nested(mg.Layer):
        def build(self, shape, *, rng, dtype):
            self.inner = Dense(shape[0])
            self.inner.build(shape, rng=rng, dtype=dtype)
            self.scales = [mg.Param(np.full(shape, 2.0, dtype), "scale")]
            self.shifts = {"one": mg.Param(np.ones(shape, dtype), "shift")}
            return shape

        def forward(self, at, x):
            return x @ self.inner.w.value.T * self.scales[0].value + self.shifts["one"].value

        def backward(self, at, error):
            x = at.inputs[0]
            scaled = error * self.scales[0].value
            at.grad[self.inner.w] = scaled.T @ x
            at.grad[self.inner.b] = np.zeros(self.inner.b.shape)
            at.grad[self.scales[0]] = (error * (x @ self.inner.w.value.T)).sum(0)
            at.grad[self.shifts["one"]] = error.sum(0)
            return scaled @ self.inner.w.value

    g = mg.Sequential(3, Nested(name="nested"), cost=Quadratic())
    assert list(g.params) == ["nested.inner.w", "nested.inner.b", "nested.scales.0", "nested.shifts.one"]
    assert mg.check(g, x=np.ones((2, 3)), t=np.zeros((2, 3)))


def test_a_run_says_what_to_copy_instead(g):
    g.input("x", 3)
    run = g.forward(x=np.ones((2, 3)), until="x")
    for way in (copy.deepcopy, pickle.dumps):
        with pytest.raises(GraphError, match=r"pickle its graph, and make a run with g\.forward"):
            way(run)
