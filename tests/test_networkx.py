"""Graphs as networkx sees them: nodes, edges, what they say, and what networkx finds out about them."""

import json
import math
import sys

import numpy as np
import pytest
from wirings import ROWS, wired

import minigraph as mg
from minigraph.costs import L2, Quadratic, SoftmaxCrossEntropy
from minigraph.errors import NotComputedError, StaleError
from minigraph.layers import Add, Dense, Embedding, Flatten
from minigraph.measures import rms
from minigraph.schedule import levels

nx = pytest.importorskip("networkx", reason="networkx, of the extra networkx, is not installed")


@pytest.mark.parametrize("name", ROWS)
def test_nodes_and_edges_are_the_graphs(name):
    row = wired(name)
    g, found = row.graph, row.graph.to_networkx()
    assert type(found) is nx.MultiDiGraph
    assert list(found) == [node.name for node in g.nodes]
    assert sorted(found.edges(keys=True)) == sorted((e.source.name, e.target.name, e.slot) for e in g.edges)
    for node in g.nodes:
        incoming = sorted(found.in_edges(node.name, data="slot"), key=lambda edge: edge[2])
        assert [source for source, _, _ in incoming] == [source.name for source in node.inputs]
        data = found.nodes[node.name]
        assert (data["id"], data["shape"], data["dtype"]) == (node.id, node.shape, node.dtype.name)
        assert data["uses"] == tuple(other.name for other in g.nodes if other.layer is node.layer)
        assert (data["layer"], data["description"]) == (type(node.layer).__name__, node.layer.describe())
        assert (data["block"], data["frozen"]) == (node.block, node.layer.frozen)
        assert data["params"] == sum(p.size for p in node.layer.params.values())


@pytest.mark.parametrize("name", ROWS)
def test_longest_path_of_weighted_nodes_is_l(name):
    """1 + the longest path, where an edge weighs 1 if it ends in a node with Params."""
    g = wired(name).graph
    found = g.to_networkx()
    assert nx.is_directed_acyclic_graph(found)
    place = {name: i for i, name in enumerate(nx.topological_sort(found))}
    assert all(place[edge.source.name] < place[edge.target.name] for edge in g.edges)
    for node, data in found.nodes(data=True):
        before = found.subgraph(nx.ancestors(found, node) | {node}).copy()
        for _, target, edge in before.edges(data=True):
            edge["weight"] = int(before.nodes[target]["params"] > 0)
        longest = 1 + nx.dag_longest_path_length(before)
        assert data.get("l", longest) == longest
        assert ("l" in data) == (data["role"] in ("input", "layer"))
        assert levels(g.nodes)[g[node]] == longest


def test_a_value_used_twice_is_two_edges():
    g = mg.Graph("twice")
    x = g.input("x", 2)
    Add()(x, x, x >> Dense(2, name="h"))
    found = g.to_networkx()
    assert found.number_of_edges("x", "add") == 2
    assert found["x"]["add"] == {0: {"slot": 0, "differentiable": True}, 1: {"slot": 1, "differentiable": True}}
    assert found.in_degree("add") == 3


def test_what_a_graph_and_its_nodes_say():
    g = mg.Graph("said", seed=3, dtype="float32")
    tower = Dense(4, "tanh", name="tower")
    h = g.input("symbols", 2, dtype=int) >> Embedding(7, 3) >> Flatten()
    two = mg.Sequential(6, tower, dtype="float32", name="block")
    a, b = g.add(two, h), g.add(two, h)
    g.cost(SoftmaxCrossEntropy(), Add()(a, b), target="label")
    g.cost(L2(0.1, "*.w"))
    g.freeze(Embedding)
    found = g.to_networkx()
    assert found.graph == {"name": "said", "dtype": "float32", "seed": 3}
    assert mg.Graph("free").to_networkx().graph == {"name": "free", "dtype": "float64"}
    assert found.nodes["symbols"] == {
        "id": 0,
        "layer": "Input",
        "description": "Input",
        "role": "input",
        "shape": (2,),
        "dtype": "int64",
        "params": 0,
        "frozen": False,
        "block": (),
        "uses": ("symbols",),
        "l": 1,
    }
    embedded, used = found.nodes["embedding"], found.nodes["block_1/tower"]
    assert (embedded["frozen"], embedded["params"], embedded["shape"], embedded["l"]) == (True, 21, (2, 3), 2)
    assert (used["block"], used["uses"], used["l"]) == (("block_1",), ("block/tower", "block_1/tower"), 3)
    roles = [found.nodes[name]["role"] for name in ("label", "softmax_cross_entropy", "l2")]
    assert roles == ["target", "cost", "cost"]
    assert found.in_degree("l2") == 0
    open_ = dict(found["embedding"]["flatten"][0]), dict(found["label"]["softmax_cross_entropy"][1])
    assert open_ == ({"slot": 0, "differentiable": True}, {"slot": 1, "differentiable": False})
    assert not found["symbols"]["embedding"][0]["differentiable"]


def test_algorithms_of_networkx_work_on_it():
    row = wired("block_with_several_inputs_and_outputs")
    found = row.graph.to_networkx()
    simple = nx.DiGraph(found)
    assert nx.is_weakly_connected(simple)
    assert nx.shortest_path(simple, "start", "concat")[0] == "start"
    assert len(list(nx.topological_generations(simple))) > 3
    assert nx.dag_longest_path(simple)[-1] == row.graph.costs[-1].name
    again = json.loads(json.dumps(nx.adjacency_data(found)))
    assert [node["id"] for node in again["nodes"]] == list(found)
    found.clear()
    assert len(row.graph.nodes) > 5


def test_a_long_chain_and_awkward_names():
    layer = Dense(2, "tanh")
    g = mg.Sequential(2, *[layer] * 2000)
    found = g.to_networkx()
    assert nx.dag_longest_path_length(found) == 2000
    last = found.nodes["dense_1999"]
    assert (last["l"], len(last["uses"])) == (2001, 2000)
    assert last["uses"] is found.nodes["dense"]["uses"]
    odd = mg.Graph("\0")
    names = ['a:b <c> {d} | "e"', "δ", "\\N", "x/y", "node_for_adding", "\ud800"]
    for name in names:
        odd.input(name, 2)
    assert list(odd.to_networkx()) == names


def test_the_edges_of_a_run_have_the_size_of_its_gradients():
    row = wired("same_input_twice")
    run = row.forward()
    assert {state for *_, state in run.to_networkx().edges(data="state")} == {"not yet", "no path"}
    run.backward()
    found = run.to_networkx()
    sizes = 0
    for source, target, slot, data in found.edges(keys=True, data=True):
        assert data["state"] == ("computed" if "gradient" in data else "no path" if source == "t" else "not asked")
        if "gradient" in data:
            grad = run.edge(source, target, slot).grad
            assert math.isclose(data["gradient"], np.sqrt(np.mean(grad**2)), rel_tol=1e-12)
            assert data["gradient"] == rms(grad)
            sizes += 1
    assert sizes == len(row.graph.edges) - 2  # that of the target, and that of the input, for which nobody asks


def test_runs_of_a_part_and_runs_without_numbers():
    row = wired("run_of_a_part")
    found = row.forward().backward().to_networkx()
    assert found["never fed"]["concat"][1]["state"] == "not run"
    assert "gradient" not in found["never fed"]["concat"][1]
    assert found["u"]["wanted"][0]["state"] == "computed"
    g = mg.Sequential(2, Dense(2), cost=Quadratic())
    with pytest.raises(NotComputedError, match="nothing is computed yet"):
        mg.Run(g).to_networkx()
    run = g.forward(x=np.ones((1, 2)), t=np.ones((1, 2)))
    g.insert(Dense(2), between=("x", "dense"))
    with pytest.raises(StaleError):
        run.to_networkx()


def test_without_networkx_an_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "networkx", None)
    with pytest.raises(ImportError, match=r"takes the package networkx: pip install 'minigraph\[networkx\]'"):
        mg.Graph("g").to_networkx()
