"""The superscripts of the book's letters: l where one node has it, else a name."""

import pytest
from test_drawing import two_towers
from wirings import ROWS, wired

import minigraph as mg
from minigraph.costs import L2, Quadratic
from minigraph.layers import Add, Dense, Dropout, Identity, Input, StopGradient
from minigraph.symbols import Symbols


def chain():
    return mg.Sequential(3, Dense(4, name="h"), Dropout(0.5, name="drop"), Dense(2, name="y"), cost=Quadratic())


def penalized():
    g = chain()
    g.cost(L2(0.1, "*.w"), name="small")
    return g


def skipping():
    """Two weighted nodes with l = 2, then one whose longest path goes by way of another with l = 3."""
    g = mg.Graph("skipping", seed=0)
    x = g.input("x", 3)
    one, other = Dense(3)(x, name="one"), Dense(3)(x, name="other")
    long = Dense(3)(one, name="long")
    g.add(Dense(2), g.add(Add(), other, g.add(Identity(), long, name="same"), name="sum"), name="y")
    return g


def judged():
    """A target that is computed by a weighted node."""
    g = mg.Graph("judged", seed=0)
    x = g.input("x", 3)
    target = g.add(StopGradient(), g.add(Dense(2), x, name="teacher"), name="stop")
    g.cost(Quadratic(), g.add(Dense(2), x, name="y"), target=target)
    return g


@pytest.mark.parametrize(
    ("make", "above"),
    [
        (chain, {"x": "1", "h": "2", "drop": "drop", "y": "3", "t": "t", "quadratic": "quadratic"}),
        (penalized, {"x": "1", "h": "2", "y": "3", "small": "small"}),
        (skipping, {"one": "one", "other": "other", "long": "3", "same": "same", "sum": "sum", "y": "4"}),
        (judged, {"x": "1", "y": "2", "teacher": "teacher", "stop": "stop"}),
        (lambda: two_towers()[0], {"left": "left", "u": "u", "dense": "dense", "dense_1": "3", "out": "4"}),
    ],
)  # fmt: skip
def test_a_node_has_its_l_if_no_other_has_it(make, above):
    g = make()
    symbols = Symbols(g)
    assert {name: symbols[name] for name in above} == above
    assert {name: symbols[g[name]] for name in above} == above
    assert {name for name in above if symbols.is_numbered(name)} == {name for name in above if above[name].isdigit()}


@pytest.mark.parametrize("name", [*ROWS, *range(30)])
def test_no_two_nodes_have_the_same_superscript(name):
    g = wired(name).graph
    symbols, level = Symbols(g), {}
    for node in g.nodes:  # nodes stand in an order in which they can be computed
        level[node] = max((level[source] for source in node.inputs), default=1) + (len(node.layer.params) > 0)
    above = [symbols[node] for node in g.nodes]
    assert len(set(above)) == len(above)
    for node in g.nodes:
        assert symbols[node] == (str(level[node]) if symbols.is_numbered(node) else node.name)
        if symbols.is_numbered(node):
            assert node.layer.params or isinstance(node.layer, Input)


def test_costs_go_by_their_names_where_there_are_several():
    g = chain()
    assert Symbols(g).cost("quadratic") == Symbols(g).cost(g["quadratic"]) == ""
    g.cost(Quadratic(), g["h"], target="u", name="other")
    assert [Symbols(g).cost(name) for name in ("quadratic", "other")] == ["quadratic", "other"]
