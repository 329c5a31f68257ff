"""Names: any text, unique, made up where none is given, and answered with near ones where there is none."""

import copy
import pickle
import re

import numpy as np
import pytest
from oddities import fed

import minigraph as mg
from minigraph.costs import Quadratic, SoftmaxCrossEntropy
from minigraph.errors import GraphError, ShapeError
from minigraph.layers import Add, Dense, StopGradient


@pytest.fixture
def g():
    return mg.Graph("first", seed=0)


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
    x = g.input("x", 3)
    line = x.source
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
    with pytest.raises(GraphError, match=r"no node 'zzz' in graph 'first', which has 'image', 'hidden 1', 'hidden 2'$"):
        g["zzz"]
    for name in (5, None, ["image"], Dense(2)):
        with pytest.raises(GraphError, match="no node"):
            g[name]
