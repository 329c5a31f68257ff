"""Graphs as blocks of other graphs, and layers shared between nodes and graphs."""

import numpy as np
import pytest
from oddities import close, equal, fed

import minigraph as mg
from minigraph.costs import Quadratic
from minigraph.errors import GraphError, ShapeError
from minigraph.layers import Concat, Dense, Identity, StopGradient


@pytest.fixture
def g():
    return mg.Graph("first", seed=0)


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
            r"block 'cell' \(graph 'cell', added at test_inlining\.py:\d+\) takes 2 inputs \('u', 'v'\), got 1",
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
    with pytest.raises(ShapeError, match=r"Dense 'tower_2' has w of shape \(2, 3\) already, but .*\(2, 4\)"):
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
