"""Order, what runs for which outputs, who wants an error: on graphs small enough to say by hand what is right."""

import random

import numpy as np
import pytest
from oddities import lines_run
from wirings import ROWS, wired

import minigraph as mg
from minigraph.costs import Quadratic
from minigraph.errors import GraphError
from minigraph.layers import Add, Dense, Identity, StopGradient
from minigraph.schedule import ancestors, consumers, errands, levels, reaches, topological


def names(nodes):
    return [node.name for node in nodes]


@pytest.fixture
def g():
    """x -> h -> (u, v), v takes a stopped u too; a cost of v; `dead` behind u."""
    g = mg.Graph(seed=0)
    x = g.input("x", 2)
    h = Dense(2, "tanh", name="h")(x)
    u = Dense(2, "tanh", name="u")(h)
    v = Add(name="v")(h, StopGradient(name="stop")(u), h)
    Dense(2, name="dead")(u)
    g.cost(Quadratic(), v, name="cost")
    return g


@pytest.mark.parametrize("name", [*ROWS, *range(20)])
def test_every_node_stands_behind_its_inputs_whatever_the_order_given(name):
    nodes = wired(name).graph.nodes
    for seed in range(5):
        mixed = random.Random(seed).sample(nodes, len(nodes))
        order = topological(mixed)
        assert len(order) == len(nodes)
        assert set(order) == set(nodes)
        place = {node: i for i, node in enumerate(order)}
        assert all(place[source] < place[node] for node in nodes for source in node.inputs)


@pytest.mark.parametrize(("first", "second"), [("u", "u"), ("h", "u"), ("u", "v")])
def test_a_cycle_is_named_and_never_runs_forever(g, first, second):
    g[first].inputs = (g[second],)
    if first != second:
        g[second].inputs = (g[first],)
    with pytest.raises(GraphError, match="cycle") as caught:
        topological(g.nodes)
    said = str(caught.value).partition(": ")[2].split(" -> ")
    assert said[0] == said[-1]
    assert set(said) == {first, second}
    g.warned = g.edition
    for walk in (lambda: g.forward(x=np.ones((1, 2)), t=np.ones((1, 2))), lambda: levels(g.nodes), g.summary):
        with pytest.raises(GraphError, match="cycle"):
            lines_run(walk, most=10_000)


def test_consumers_come_with_their_slots(g):
    users = consumers(g.nodes)
    assert [(node.name, slot) for node, slot in users[g["h"]]] == [("u", 0), ("v", 0), ("v", 2)]
    assert users[g["cost"]] == []


def test_ancestors(g):
    assert set(names(ancestors([g["u"]]))) == {"x", "h", "u"}
    assert set(names(ancestors([g["v"], g["dead"]]))) == {"x", "h", "u", "stop", "v", "dead"}
    assert ancestors([]) == set()


def test_levels_count_weighted_nodes_on_the_longest_path(g):
    level = levels(g.nodes)
    assert {node.name: level[node] for node in g.nodes} == {
        **{"x": 1, "h": 2, "u": 3, "stop": 3, "v": 3, "dead": 4, "t": 1, "cost": 3}
    }
    deep = mg.Graph()
    node = deep.input("x", 1)
    skipped = node
    for _ in range(3):
        node = Dense(1)(Identity()(node))
    end = Add()(node, skipped)
    assert levels(deep.nodes)[end] == 4


def test_who_takes_part_in_a_backward_sweep_and_what_is_wanted(g):
    plan = errands(topological(g.nodes), [g["cost"]], [])
    told = {e.node.name: (sorted((node.name, slot) for node, slot in e.sources), e.seeded, e.needs) for e in plan}
    assert told == {
        "cost": ([], True, (True, False)),
        "v": ([("cost", 0)], False, (True, False, True)),  # the stopped slot wants none: nothing trains behind it
        "h": ([("v", 0), ("v", 2)], False, (False,)),
    }
    assert names(e.node for e in plan) == ["cost", "v", "h"]


def test_wishes_seeds_and_frozen_layers_change_who_takes_part(g):
    order = topological(g.nodes)
    wish = {e.node.name: e.needs for e in errands(order, [g["cost"]], [g["x"]])}
    assert wish == {"cost": (True, False), "v": (True, False, True), "h": (True,), "x": ()}
    both = {e.node.name: e.seeded for e in errands(order, [g["cost"], g["u"]], [])}
    assert both == {"cost": True, "v": False, "u": True, "h": False}
    g["h"].layer.frozen = True
    assert errands(order, [g["cost"]], []) == []
    assert names(e.node for e in errands(order, [g["dead"]], [])) == ["dead", "u"]


def test_reaches_stops_where_gradients_stop(g):
    assert set(names(reaches([g["cost"]]))) == {"cost", "v", "stop", "h", "x"}
    assert set(names(reaches([g["u"]]))) == {"u", "h", "x"}


# ---- problems ----


def test_no_problem_no_report(g):
    g.output("dead")
    assert g.validate() == []
    assert g.validate({"x": 1, "t": 1}) == []


def test_problems_are_told_by_name_and_by_the_line_that_added_the_node(g):
    line = int(g["h"].source.split(":")[1])
    g.input("loose", 3)
    told = {problem.name: problem for problem in g.validate({"x": 1, "y": 1})}
    assert told["dead"].kind == "dead node"
    assert f"test_schedule.py:{line + 3}" in told["dead"].message
    assert "g.output('dead')" in told["dead"].message
    assert told["loose"].kind == "missing feed"
    assert told["t"].kind == "missing feed"
    assert "the target of 'cost'" in told["t"].message
    assert "until=" in told["t"].message
    assert told["y"].kind == "unknown feed"
    assert "'x', 't', 'loose'" in told["y"].message
    assert [problem.kind for problem in g.validate()] == ["dead node", "dangling input"]
    assert "is used by nothing" in g.validate()[1].message


def test_an_input_that_leads_nowhere_dangles_too(g):
    Dense(2, name="also dead")(g.input("loose", 3))
    assert [(p.kind, p.name) for p in g.validate()][1:] == [("dangling input", "loose"), ("dead node", "also dead")]
    assert "leads to no output and no cost" in g.validate()[1].message


def test_a_partial_run_asks_only_for_what_it_needs(g):
    assert [p.kind for p in g.validate(["x"], until="u")] == ["dead node"]
    assert [p.name for p in g.validate([], until="u")] == ["dead", "x"]
    assert [p.kind for p in g.validate(["x"], until=["u", "cost"])] == ["dead node", "missing feed"]


def test_an_empty_graph():
    assert [problem.kind for problem in mg.Graph().validate()] == ["empty graph"]
    with pytest.raises(GraphError, match="no nodes"):
        mg.Graph().forward()
