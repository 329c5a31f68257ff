"""Large graphs: nothing recurses, nothing costs more than nodes and edges, nothing is kept. Promise 17."""

import contextlib
import copy
import gc
import hashlib
import multiprocessing
import pickle
import subprocess
import sys
import time
import tracemalloc
import weakref

import numpy as np
import pytest
from oddities import Scale, close, deep, fed, lines_run

import minigraph as mg
from minigraph.costs import (
    BinaryCrossEntropyOnProbabilities,
    Hinge,
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
    Quadratic,
    SmoothL1,
)
from minigraph.errors import GraphError
from minigraph.layer import Node
from minigraph.layers import (
    AdaptiveAvgPool2D,
    Add,
    AvgPool2D,
    BatchNorm,
    Conv2D,
    Dense,
    Flatten,
    GlobalAvgPool,
    GroupNorm,
    Identity,
    LayerNorm,
    Max,
    Mean,
    RMSNorm,
    Sum,
)
from minigraph.schedule import topological
from minigraph.symbols import Symbols


@contextlib.contextmanager
def shallow(depth=150):
    """So little stack that a recursion as deep as the graph is noticed at once."""
    before, frame, used = sys.getrecursionlimit(), sys._getframe(), 0
    while frame is not None:
        frame, used = frame.f_back, used + 1
    sys.setrecursionlimit(used + depth)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


class Counted(Scale):
    """a = x p², counting what is asked of it."""

    def __init__(self):
        super().__init__()
        self.calls = {"forward": 0, "backward": 0}

    def forward(self, at, x):
        self.calls["forward"] += 1
        return super().forward(at, x)

    def backward(self, at, error):
        self.calls["backward"] += 1
        return super().backward(at, error)


def long_chain(count):
    g = mg.Graph(seed=0)
    node, layer = g.input("x", 2), Scale()
    for i in range(count):
        node = (layer if i % 2 else Identity())(node)
    g.cost(Quadratic(), node, name="cost")
    return g


def walked(count):
    """Do everything to a chain that walks along it, and return how long it took."""
    began = time.perf_counter()
    with shallow():
        g = long_chain(count)
        feeds = {"x": np.full((2, 2), 0.5), "t": np.zeros((2, 2))}
        assert len(topological(g.nodes)) == count + 3
        run = g.forward(feeds).backward(wrt="x")
        assert np.array_equal(run["x"].delta, np.full((2, 2), 0.5))
        p = g.nodes[2].layer.p
        close(run.grad(p), np.full(2, 0.5 * 0.5 * 2.0 * (count // 2)))
        mg.SGD(1e-9).step(run)
        run.forward(feeds).backward()
        assert g.validate(feeds) == []
        assert len(g.summary().splitlines()) == count + 8
        assert len(g.edges) == count + 2
        assert repr(run["cost"])
        for twin in (g.copy(), pickle.loads(pickle.dumps(g))):
            assert len(twin.nodes) == count + 3
            assert twin.nodes[-2].layer is twin.nodes[-2].layer
            twin_p = next(iter(twin.params.values()))
            assert twin_p is not p
            assert all(node.layer.p is twin_p for node in twin.nodes[2:-2:2])
        node = pickle.loads(pickle.dumps(g["cost"]))
        assert node is node.graph["cost"]
        assert node is not copy.deepcopy(node)
        block = mg.Graph("outer")
        g.output(g.nodes[-3])
        block.output(g(block.input("x", 2)))
        assert len(block.nodes) == count + 1
        with pytest.raises(GraphError, match="no node"):
            g["nowhere at all"]
        del g, run, twin, block
        gc.collect()
    return time.perf_counter() - began


def test_promise_17_a_chain_of_20_000_nodes_is_walked_without_recursion():
    walked(20_000)


@pytest.mark.slow
def test_promise_17_a_chain_of_100_000_nodes_takes_ten_times_as_long_as_one_of_10_000():
    walked(1000)
    short, long = min(walked(10_000) for _ in range(2)), walked(100_000)
    assert long < 30 * short


def tower(count):
    """As many nodes, half of them layers of their own, the others sums with what came before."""
    g = mg.Graph(seed=0)
    before = node = g.input("x", 2)
    for i in range(count // 2):
        before, node = node, Add()(Dense(2, "tanh", name=f"h{i}")(node), before)
    g.cost(Quadratic(), node, name="cost")
    return g


def told(g):
    """What tells a graph from others: its nodes, and the cost and the gradients of a run, to the last bit."""
    with shallow():
        run = g.forward(x=[[0.1, -0.2]], t=[[0.3, 0.4]]).backward()
        digest = hashlib.sha256(b"".join(run.grad(param).tobytes() for param in g.params.values()))
        return len(g.nodes), run.cost, digest.hexdigest()


def told_elsewhere(g):
    """The same in another process, and the graph as it comes back from there."""
    return told(g), g


def travels(count):
    g = tower(count)
    expected = told(g)
    assert expected[0] == count + 3
    with shallow():
        twin = copy.deepcopy(g)
    assert told(twin) == expected
    assert twin["h0"].layer.w is not g["h0"].layer.w
    del twin
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found, back = pool.apply(told_elsewhere, (g,))
    assert found == told(back) == expected


def test_promise_17_a_graph_of_2_000_nodes_is_copied_and_goes_to_another_process():
    travels(2000)


@pytest.mark.slow
def test_promise_17_a_graph_of_100_000_nodes_is_copied_and_goes_to_another_process():
    travels(100_000)


def doublings(count):
    g = mg.Graph(seed=0)
    node = g.input("x", ())
    for _ in range(count):
        node = Add()(node, node)
    g.output(node)
    return g, node


def test_promise_17_thirty_doublings_are_right_and_instant():
    def everything():
        g, node = doublings(30)  # 2^30 paths
        run = g.forward(x=3.0)
        assert run[node].a == 3.0 * 2**30
        assert run.backward(node, 1.0, wrt="x")["x"].delta == 2**30
        assert "31 nodes, 60 edges" in g.summary()
        assert g.validate(["x"], until=node) == []
        outer = mg.Graph()
        assert g(outer.input("x", ())).name == "graph/add_29"

    assert lines_run(everything, most=100_000) > 1000


@pytest.mark.parametrize("shape", ["chain", "doublings", "diamonds", "wide"])
def test_promise_17_each_node_is_called_once_a_sweep(shape):
    g, layers = mg.Graph(seed=0), []

    def counted(node):
        layers.append(Counted())
        return layers[-1](node)

    h = counted(g.input("x", 2))
    if shape == "wide":
        h = Add()(*(counted(h) for _ in range(200)))
    for _ in range(30):
        if shape == "chain":
            h = counted(h)
        elif shape == "doublings":
            h = counted(Add()(h, h))
        elif shape == "diamonds":
            h = Add()(counted(h), counted(h))
    g.cost(Quadratic(), h)

    def sweeps():
        run = mg.Run(g)
        for sweep in (1, 2, 3):
            run.forward(x=np.zeros((2, 2)), t=np.zeros((2, 2))).backward()
            assert {tuple(layer.calls.values()) for layer in layers} == {(sweep, sweep)}

    assert lines_run(sweeps, most=200_000) > 1000
    with shallow():
        copy.deepcopy((g, g.nodes[-1]))
        pickle.loads(pickle.dumps((g.nodes[-1], g)))
    assert {tuple(layer.calls.values()) for layer in layers} == {(3, 3)}


def star(count):
    """As many inputs, all through one layer, all into one sum, and each into a cost of its own with one target."""
    g, layer = mg.Graph(seed=0), Scale()
    nodes = [layer(g.input(f"x{i}", 2)) for i in range(count)]
    g.cost(Quadratic(), Add()(*nodes), name="cost")
    for node in nodes:
        g.cost(Quadratic(), node)
    return g


def ones(g, m=1):
    return {node.name: np.ones((m, 2)) for node in g.inputs}


WALKS = {
    "build": lambda g, run: (long_chain if len(g.inputs) == 2 else star)(len(g.nodes) // 3),
    "forward": lambda g, run: g.forward(ones(g)),
    "again": lambda g, run: run.forward(ones(g)),
    "another batch size": lambda g, run: run.forward(ones(g, 2)),
    "backward": lambda g, run: run.backward(wrt=g.inputs[0]),
    "gradient": lambda g, run: run.grad(g.params.popitem()[1]),
    "per use": lambda g, run: run.grad(g.params.popitem()[1], per="use"),
    "per example": lambda g, run: run.grad(g.params.popitem()[1], per="example"),
    "records": lambda g, run: [(view.a, view.state) for view in run],
    "validate": lambda g, run: g.validate(["t"], until="cost"),
    "summary": lambda g, run: g.summary(),
    "copy": lambda g, run: g.copy(),
    "pickle": lambda g, run: pickle.loads(pickle.dumps(g)),
    "pickle nodes": lambda g, run: pickle.loads(pickle.dumps(g.nodes)),
    "block": lambda g, run: g(*map(mg.Graph("outer").input, g.names.nodes, [2] * len(g.free_inputs))),
    "step": lambda g, run: mg.SGD(0.1).step(run),
    "lists": lambda g, run: (g.edges, g.inputs, g.targets, g.costs, g.outputs, g.params),
    "outputs": lambda g, run: g.output(*g.nodes),
    "each node asked for": lambda g, run: run.backward(wrt=g.nodes),
    "symbols": lambda g, run: [symbols.cost(node) + symbols[node] for symbols in [Symbols(g)] for node in g],
    "network": lambda g, run: g.picture().dot,
    "flow": lambda g, run: run.picture().dot,
}


COUNTS = dict.fromkeys(("network", "flow"), (20, 40, 80))
"""Of what runs many lines a node, fewer nodes."""


@pytest.mark.parametrize("walk", WALKS)
@pytest.mark.parametrize("build", [long_chain, star])
def test_promise_17_costs_grow_with_nodes_and_edges_and_no_faster(build, walk):
    costs = []
    for count in (2, *COUNTS.get(walk, (50, 100, 200))):  # the first time, modules may be imported
        g = build(count)
        run = g.forward(ones(g)).backward()
        costs.append(lines_run(lambda g=g, run=run: WALKS[walk](g, run)))
    assert costs[3] - costs[2] <= 2.1 * (costs[2] - costs[1]) + 10


@pytest.mark.parametrize("walk", ["forward", "backward", "each node asked for", "outputs", "copy", "network"])
def test_promise_17_no_list_of_nodes_is_searched(walk, monkeypatch):
    compared = 0

    def equal(node, other):
        nonlocal compared
        compared += 1
        return node is other

    g = star(60)
    run = g.forward(ones(g)).backward()
    hashed = Node.__hash__
    monkeypatch.setattr(Node, "__eq__", equal)
    monkeypatch.setattr(Node, "__hash__", hashed)
    WALKS[walk](g, run)
    assert compared < 2 * len(g.nodes)  # node in [nodes] would compare some 60² times


@pytest.mark.parametrize("build", [long_chain, star])
def test_promise_17_what_is_written_grows_with_the_nodes(build):
    sizes = {}
    for count in (50, 100, 200):
        g = build(count)
        g.cost(Quadratic(), Add()(*g.nodes[2:-1]), name="of the sum")  # many inputs are many letters
        run = g.forward(ones(g)).backward()
        lines = g.summary().splitlines()
        written = {
            "table": len(lines) * max(map(len, lines[:-1])),  # cells are as wide as the widest
            "network": len(g.picture().dot),
            "flow": len(run.picture(numbers=False).dot),
        }
        for name, size in written.items():
            sizes.setdefault(name, []).append(size)
    for name, (small, middle, large) in sizes.items():
        assert large - middle <= 2.3 * (middle - small), name


def test_params_are_seen_wherever_they_were_put():
    inner, layer = Dense(2), Dense(2)
    mg.Sequential(2, inner, layer, seed=0)
    own = layer.params
    assert list(own) == ["w", "b"]
    layer.more = [inner.w]
    layer.parts = {"one": Dense(1)}
    assert list(layer.params) == ["w", "b", "more.0"]
    layer.more.append((inner.b,))
    layer.parts["two"] = inner  # nothing was set on the layer itself
    assert layer.params == {**own, "parts.two.w": inner.w, "parts.two.b": inner.b}
    layer.parts["two"] = layer.parts["one"]
    layer.more.pop(0)
    assert layer.params == {**own, "more.0.0": inner.b}
    layer.w = inner.w
    assert layer.params == {"w": inner.w, "b": own["b"], "more.0.0": inner.b}


# ---- imports ----

LATE = ("graphviz", "tqdm", "matplotlib", "pygraphviz", "xml", "html", "http", "subprocess", "uuid", "gzip", "json")


def modules_after(code):
    """The modules that a fresh Python has imported after some code, numpy's own left out."""
    code = f"import numpy, sys; before = set(sys.modules); {code}; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_minigraph_imports_nothing_that_only_some_need():
    found = modules_after("import minigraph")
    assert not {name.partition(".")[0] for name in found} & set(LATE)
    assert not {name for name in found if name.startswith(("minigraph.render", "minigraph.explain"))}
    assert len(found) < 200


def test_what_is_imported_late_is_there_all_the_same():
    used = "import minigraph as mg; mg.Style(); mg.datasets.mnist; mg.style('print'); from minigraph import *; Picture"
    assert {"graphviz", "minigraph.render.picture", "minigraph.datasets"} <= modules_after(used)
    assert set(mg.__all__) <= set(dir(mg))
    assert all(getattr(mg, name) is not None for name in mg.__all__)
    with pytest.raises(AttributeError, match="'minigraph' has no attribute 'nothing'"):
        mg.nothing  # noqa: B018


# ---- memory ----


@pytest.fixture
def no_gc():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_a_run_dies_with_its_last_reference(no_gc):
    g = deep()
    dead = []
    for _ in range(100):
        run = g.forward(fed(0), observe=lambda node, view: view.a).backward(
            wrt="x", observe=lambda node, view: view.delta
        )
        view, edge, layers = run["y"], run.edge("x", "again"), [record.state for record in run]
        run.grad(g.params["y.w"], per="example")
        dead.append(weakref.ref(run))
        del run, view, edge, layers
        assert dead[-1]() is None
    assert len(dead) == 100


def test_a_failed_run_dies_too(no_gc):
    g = deep()
    run = g.forward(fed(0))
    dead = weakref.ref(run)
    with contextlib.suppress(GraphError):
        run.backward("nowhere")
    with contextlib.suppress(ValueError):
        run.forward(x=1.0)
    del run
    assert dead() is None


def test_a_hundred_training_steps_do_not_grow(no_gc):
    g = mg.Sequential(20, Dense(50, "tanh"), Dense(20), cost=Quadratic(), seed=0)
    x = np.ones((100, 20))
    run, sgd = mg.Run(g, training=True), mg.SGD(0.01, momentum=0.9)

    def steps(count, fresh):
        for _ in range(count):
            sgd.step((g.forward(x=x, t=x) if fresh else run.forward(x=x, t=x)).backward())

    for fresh in (False, True):
        steps(10, fresh)
        tracemalloc.start()
        try:
            steps(5, fresh)
            before = tracemalloc.get_traced_memory()[0]
            steps(100, fresh)
            grown = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        assert grown < 60_000  # one array of the hidden layer for each step would be 4,000,000
        assert not gc.garbage


def test_a_graph_dies_when_nobody_holds_it():
    g = deep()
    g.forward(fed(0)).backward()
    dead = weakref.ref(g)
    del g
    gc.collect()
    assert dead() is None


# ---- many elements ----

LARGE = (1, 300, 300)  # numpy 1 took integers beyond 65,535 for reasons to go over to float64


@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
@pytest.mark.parametrize(
    "make",
    [
        Sum, Mean, Max, BatchNorm, lambda: LayerNorm(3), lambda: GroupNorm(1), lambda: RMSNorm(3), GlobalAvgPool,
        lambda: AvgPool2D(300), lambda: AdaptiveAvgPool2D(1), Flatten, lambda: Conv2D(1, 3),
    ],
)  # fmt: skip
def test_float32_stays_float32_with_many_elements(make, training):
    g = mg.Graph(seed=0, dtype="float32")
    g.output(make()(g.input("x", LARGE), name="y"))
    run = g.forward(x=np.ones((2, *LARGE)), training=training)
    run.backward("y", np.ones(run["y"].a.shape), wrt="x")  # the first sweep is held to the dtype
    assert all(run.grad(param).dtype == np.float32 for param in g.params.values())


@pytest.mark.parametrize(
    "cost", [MeanSquaredError, MeanAbsoluteError, Huber, SmoothL1, Hinge, BinaryCrossEntropyOnProbabilities]
)
def test_costs_of_many_elements_and_gradients_of_many_examples_stay_float32(cost):
    g = mg.Graph(seed=0, dtype="float32")
    g.cost(cost(), g.input("x", LARGE))
    assert g.forward(x=np.full((1, *LARGE), 0.5), t=np.ones((1, *LARGE))).backward(wrt="x").cost > 0
    g = mg.Sequential(1, Dense(1), cost=cost(), dtype="float32", seed=0)
    if cost is not BinaryCrossEntropyOnProbabilities:
        run = g.forward(x=np.ones((70_000, 1)), t=np.ones((70_000, 1))).backward()
        for param in g.params.values():
            assert run.grad(param).dtype == run.grad(param, per="use")["dense"].dtype == np.float32
