"""Memory: predicted against measured, inference that holds what is alive, blocks that are computed again."""

import gc
import pickle
import tracemalloc

import numpy as np
import pytest
from oddities import equal

import minigraph as mg
from minigraph.blocks import residual, transformer_encoder
from minigraph.costs import (
    BinaryCrossEntropy,
    BinaryCrossEntropyOnProbabilities,
    Hinge,
    KLDivergence,
    Quadratic,
    SoftmaxCrossEntropy,
)
from minigraph.errors import GraphError, NotComputedError
from minigraph.inference import Inference
from minigraph.layers import (
    GRU,
    LSTM,
    Add,
    BatchNorm,
    Concat,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Layer,
    MaxPool2D,
    Subtract,
)
from minigraph.memory import memory

# ---- nets ----


def mlp(dtype="float32", cost=SoftmaxCrossEntropy):
    return mg.Sequential(400, Dense(100, "sigmoid"), Dense(10), cost=cost(), seed=0, dtype=dtype)


def cnn(dtype):
    layers = Conv2D(6, 5, padding=2, activation="relu"), MaxPool2D(2), Conv2D(8, 5), MaxPool2D(2), Flatten(), Dense(10)
    return mg.Sequential((1, 20, 20), *layers, cost=SoftmaxCrossEntropy(), seed=0, dtype=dtype)


def lstm(dtype):
    layers = LSTM(48, returns="last"), Dense(10)
    return mg.Sequential((20, 24), *layers, cost=SoftmaxCrossEntropy(), seed=0, dtype=dtype)


def built(dtype, shape, put, last=10):
    """A graph with what `put` puts behind its input, and a softmax of `last` classes."""
    g = mg.Graph(seed=0, dtype=dtype)
    g.cost(SoftmaxCrossEntropy(), put(g, g.input("x", shape)) >> Flatten() >> Dense(last), target="t")
    return g


def transformer(dtype):
    return built(dtype, (16, 64), lambda g, x: x >> transformer_encoder(x, 4, 128))


def resnet(dtype):
    def put(g, x):
        h = x >> residual(x, 8)
        return h >> residual(h, 16, stride=2)

    return built(dtype, (3, 16, 16), put)


def shared(dtype):
    layer = Dense(128, "tanh")
    return built(dtype, 128, lambda g, x: Concat()(layer(layer(x)), layer(x)))


def forks(dtype):
    def put(g, h):
        for _ in range(6):
            h = Add()(h, h >> Dense(96, "tanh"), h)
        return h

    return built(dtype, 96, put)


def chain(n, width=128, dtype="float32", recompute=True):
    """A block of n Dense layers, which is computed again or isn't."""
    block, g = mg.Graph("chain", seed=0, dtype=dtype), mg.Graph(seed=0, dtype=dtype)
    h = block.input("x", width)
    for _ in range(n):
        h = h >> Dense(width, "tanh")
    g.cost(Quadratic(), g.block(block, g.input("x", width), name="b", recompute=recompute), target="t")
    return g


def recomputed(dtype):
    return chain(25, 64, dtype=dtype)


def feeds_for(g, m, seed=0):
    rng = np.random.default_rng(seed)
    whole = {node.name for node in g.inputs if node.dtype.kind == "i"}
    return {
        node.name: rng.integers(1, 3, (m, *node.shape))
        if node.name in whole
        else rng.standard_normal((m, *node.shape)).astype(node.dtype)
        for node in g.inputs
    }


# ---- predicted and measured ----


def peak(work):
    """The most bytes that something takes beyond what is there, when it is done a second time."""
    work()
    gc.collect()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def trained(make, feeds, optimizer, steps=4):
    def work():
        g = make()
        gc.collect()
        tracemalloc.reset_peak() if tracemalloc.is_tracing() else None
        run, moves = mg.Run(g, training=True, guard=False), optimizer and optimizer()
        for _ in range(steps):
            run.forward(feeds).backward()
            if moves:
                moves.step(run)

    return work


OPTIMIZERS = {
    "none": None,
    "sgd": lambda: mg.SGD(0.01),
    "momentum": lambda: mg.SGD(0.01, momentum=0.9),
    "adam": lambda: mg.Adam(),
    "two": lambda: mg.Adam(weight_decay=0.1, groups={"*.b": {"weight_decay": 0}}),
}


@pytest.mark.parametrize(
    ("make", "dtype", "m", "optimizer"),
    [
        (mlp, "float32", 16, "sgd"),
        (mlp, "float64", 128, "adam"),
        (mlp, "float32", 64, "two"),
        (cnn, "float32", 32, "momentum"),
        (lstm, "float32", 64, "adam"),
        (transformer, "float64", 16, "adam"),
        (resnet, "float32", 32, "momentum"),
        (shared, "float32", 64, "adam"),
        (forks, "float64", 16, "none"),
        (recomputed, "float32", 64, "sgd"),
    ],
)
def test_training_takes_what_was_predicted(make, dtype, m, optimizer):
    optimizer, g = OPTIMIZERS[optimizer], make(dtype)
    measured = peak(trained(lambda: make(dtype), feeds_for(g, m), optimizer))
    assert memory(g, m, optimizer=optimizer and optimizer()).total == pytest.approx(measured, rel=0.1)


@pytest.mark.parametrize("dtype", ["float32"])
@pytest.mark.parametrize("make", [mlp, cnn, lstm, transformer, resnet, shared, forks, recomputed])
def test_inference_takes_what_was_predicted(make, dtype):
    feeds = feeds_for(make(dtype), 64)

    def work():
        g = make(dtype)
        given = {node.name: feeds[node.name].copy() for node in g.free_inputs}
        gc.collect()
        tracemalloc.reset_peak() if tracemalloc.is_tracing() else None
        Inference(g, g.outputs).outputs(given)

    assert memory(make(dtype), 64, training=False).total == pytest.approx(peak(work), rel=0.1)


def test_prediction_needs_no_more_than_the_largest_node():
    g = chain(40, 64, recompute=False)
    largest = max(part.total for part in memory(g, 256).nodes.values())
    assert peak(lambda: memory(g, 256)) < 5 * largest < memory(g, 256).total / 5


def test_prediction_leaves_the_graph_as_it_is():
    g = mg.Sequential(6, Dense(4), BatchNorm(), Dropout(0.5), Dense(2), cost=Quadratic(), seed=0)
    adam = mg.Adam()
    before = pickle.dumps(g)
    memory(g, 5, optimizer=adam)
    memory(g, 5, training=False)
    assert pickle.dumps(g) == before
    assert adam.taken == 0
    again = mg.Sequential(6, Dense(4), BatchNorm(), Dropout(0.5), Dense(2), cost=Quadratic(), seed=0)
    assert g.next_seed() == again.next_seed()


def test_bytes_by_what_they_are_for():
    g = mg.Sequential(5, Dense(3, "sigmoid"), Dense(3, "sigmoid"), cost=Quadratic(), seed=0)
    m, params = 7, 8 * (5 * 3 + 3 + 3 * 3 + 3)
    found = memory(g, m, optimizer=mg.SGD(0.1, momentum=0.5))
    assert found.weights >= params
    assert found.feeds == 8 * m * (5 + 3)
    assert found.gradients == params
    assert found.optimizer >= 2 * params
    first, second = found.nodes["dense"], found.nodes["dense_1"]
    assert first.activations == 8 * m * (3 + 3)  # z, a
    assert first.errors == 8 * m * 3  # δ; nobody wants an error of x
    assert second.errors == 8 * m * (3 + 3)  # δ, and the error to the layer before
    assert first.gradients == 8 * (5 * 3 + 3)
    assert found.total == sum(
        (found.weights, found.feeds, found.activations, found.errors, found.gradients, found.optimizer, found.other)
    )


def test_frozen_layers_have_no_gradients_and_send_nothing_on():
    g = mg.Sequential(5, Dense(3, "sigmoid"), Dense(3, "sigmoid"), cost=Quadratic(), seed=0)
    g.freeze("dense")
    found = memory(g, 7, optimizer=mg.Adam())
    assert found.gradients == 8 * (3 * 3 + 3)
    assert found.optimizer == 4 * found.gradients or found.optimizer == 5 * found.gradients
    assert found.nodes["dense"].errors == 0
    assert found.nodes["dense_1"].errors == 8 * 7 * 3


def test_optimizers_of_some_params():
    g = mg.Sequential(5, Dense(3), Dense(2), cost=Quadratic(), seed=0)
    w = 8 * 5 * 3
    one, two = mg.SGD(0.1, momentum=0.5, params="dense.w"), mg.Adam(params="dense.w")
    assert memory(g, 4, optimizer=one).optimizer == 2 * w
    assert memory(g, 4, optimizer=[one, two]).optimizer == 2 * w + memory(g, 4, optimizer=two).optimizer


COSTS = [Quadratic, BinaryCrossEntropy, BinaryCrossEntropyOnProbabilities, KLDivergence, Hinge, SoftmaxCrossEntropy]


@pytest.mark.parametrize("cost", COSTS, ids=lambda cost: cost.__name__)
def test_targets_that_costs_take_are_found(cost):
    g = mlp("float64", cost)
    assert memory(g, 3).nodes[g.costs[0].name].activations >= 3 * 8


def test_lengths_and_indices_are_found():
    g = mg.Graph(seed=0)
    tokens, lengths = g.input("tokens", (4,), dtype=int), g.input("lengths", (), dtype=int)
    h = GRU(3, returns="last")(tokens >> Embedding(5, 2), lengths)
    g.cost(SoftmaxCrossEntropy(), h, target="t")
    assert memory(g, 6).total > memory(g, 3).total


class Picky(Layer):
    def build(self, shape, *, rng, dtype):
        return shape

    def forward(self, at, x):
        raise ValueError("only primes")


def test_layer_that_refuses_all():
    g = mg.Sequential(3, Picky(), Dense(2), cost=Quadratic(), seed=0)
    with pytest.raises(GraphError, match=r"what Picky 'picky' \(added at test_memory.py:\d+\) needs .* only primes"):
        memory(g, 2)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: memory(mlp(), 0), "positive whole number of examples in a batch, got 0"),
        (lambda: memory(mlp(), 8, optimizer="adam"), "takes minigraph's optimizers.* got 'a'"),
        (lambda: memory(mg.Sequential(3, Dense(2)), 8), "has no cost to train by"),
        (lambda: memory(mlp(), 8).table("color"), "by 'node' or by 'layer', got 'color'"),
    ],
)
def test_what_means_nothing(call, said):
    with pytest.raises(GraphError, match=said):
        call()


def test_tables():
    g = mg.Sequential(1000, Dense(500), Dense(500), cost=Quadratic(), seed=0, name="net")
    found = memory(g, 100, optimizer=mg.SGD(0.1, momentum=0.9))
    lines = str(found).splitlines()
    assert lines[0] == "net, training in batches of 100: MB"
    assert [line.split()[0] for line in lines[1:]] == (
        ["weights", "feeds", "activations", "errors", "gradients", "optimizer", "other", "total"]
    )
    assert float(lines[-1].split()[1]) == pytest.approx(found.total / 1e6, abs=0.001)
    head, *rows = (line.split() for line in found.table().splitlines())
    assert [row[0] for row in rows] == ["x", "t", "dense", "dense_1", "quadratic"]
    layers = {
        row[0]: dict(zip(head, row, strict=True)) for row in (r.split() for r in found.table("layer").splitlines())
    }
    assert float(layers["Dense"]["gradients"]) == pytest.approx(8e-6 * (1001 + 501) * 500, abs=0.001)
    alive = memory(g, 100, training=False)
    assert str(alive).startswith("net, inference in batches of 100: MB")
    assert "errors" not in str(alive) + alive.table("layer")


# ---- inference ----


def test_inference_holds_three_layers_at_most():
    width, m, n = 64, 256, 100
    g = mg.Sequential(width, *(Dense(width, "sigmoid") for _ in range(n)), seed=0, dtype="float32")
    feeds = feeds_for(g, m)
    layer = 2 * 4 * m * width  # z and a
    inference = Inference(g, g.outputs)
    result = 4 * m * width
    assert peak(lambda: inference.outputs(feeds)) <= 3 * layer + result
    equal(inference.outputs(feeds)[g.outputs[0]], g.forward(feeds)[g.outputs[0]].a)


# ---- computed again ----


def draws(g, x):
    h = x
    for i in range(9):
        h = h >> Dense(5, "tanh")
        h = h >> Dropout(0.4) if i % 2 else h
    return h


def norms(g, x):
    h = x
    for _ in range(6):
        h = h >> Dense(5, "relu") >> BatchNorm()
    return h


def jumps(g, x):
    h = x
    for _ in range(7):
        h = Add()(h, h >> Dense(5, "tanh") >> Dropout(0.2))
    return h


def same_weights(g, x):
    layer, h = Dense(5, "tanh"), x
    for i in range(8):
        h = layer(h) if i % 2 else h >> Dense(5)
    return h


def block_of(put, inputs=("x",), outputs=1, seed=1):
    b = mg.Graph("part", seed=seed)
    found = put(b, *(b.input(name, 5) for name in inputs))
    if outputs > 1:
        b.output(*found)
    return b


def plain(put):
    def build(g, x, recompute):
        return g.block(block_of(put), x, name="b", recompute=recompute)

    return build


def nested(g, x, recompute):
    """Blocks computed again inside a block that isn't."""
    outer = mg.Graph("outer", seed=2)
    h = outer.input("x", 5)
    for i in range(3):
        h = outer.block(block_of(jumps, seed=i), h, name=f"in {i}", recompute=recompute)
    return g.block(outer, x >> Dense(5, "tanh"), name="b")


def in_both(g, x, recompute):
    """Blocks in a block, and all of them are computed again."""
    outer = mg.Graph("outer", seed=2)
    h = outer.block(block_of(norms), outer.input("x", 5), name="in", recompute=recompute)
    outer.block(block_of(draws), h >> Dense(5), name="in 2")
    return g.block(outer, x, name="b", recompute=recompute)


def twice(g, x, recompute):
    b = block_of(draws)
    h = g.block(b, x, name="first", recompute=recompute)
    return g.block(b, Subtract()(h, x), name="second", recompute=recompute)


def several(g, x, recompute):
    def put(b, x, y):
        h = Add()(x >> Dense(5, "tanh"), y) >> Dense(5, "tanh")
        k = Add()(h >> Dense(5, "relu"), x)
        return h, k >> Dense(5, "tanh")

    u, v = g.block(block_of(put, ("x", "y"), 2), x, x >> Dense(5, "tanh"), name="b", recompute=recompute)
    return Add()(u, v, x)


MARKED = {
    "draws": plain(draws),
    "norms": plain(norms),
    "jumps": plain(jumps),
    "same weights": plain(same_weights),
    "nested": nested,
    "in both": in_both,
    "twice": twice,
    "several": several,
}
marked = pytest.mark.parametrize("put", MARKED.values(), ids=MARKED)


def around(put, recompute=True):
    g = mg.Graph("around", seed=0)
    x = g.input("x", 5)
    g.cost(Quadratic(), put(g, x, recompute) >> Dense(3, name="last"), target="t")
    return g


def left_by(g, steps=4, **how):
    """Params, running statistics and the last gradients and costs of a training in a loop."""
    run, sgd = mg.Run(g, training=True, guard=False, seed=3, **how), mg.SGD(0.1, momentum=0.5)
    costs = []
    for i in range(steps):
        run.forward(feeds_for(g, 6, seed=i)).backward()
        costs.append(run.cost)
        grads = {name: run.grad(param) for name, param in g.params.items()}
        sgd.step(run)
    values = {name: param.value for name, param in g.params.items()}
    moved = {(n.name, name): getattr(n.layer, name) for n in g.nodes for name in n.layer.statistics}
    return {**grads, **{("value", k): v for k, v in values.items()}, **moved, "costs": np.array(costs)}, run


def forgetful(run):
    return [view.node.name for view in run if run.swept().records[view.node].forgotten]


def same(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        equal(found[name], array)


@marked
def test_same_gradients_weights_and_statistics_bit_for_bit(put):
    found, run = left_by(around(put))
    expected, kept = left_by(around(put, recompute=False))
    assert len(forgetful(run)) > len(run.graph.nodes) / 3
    assert not forgetful(kept)
    same(found, expected)


@marked
def test_kept_when_asked_to(put):
    found, run = left_by(around(put), keep=True)
    assert not forgetful(run)
    same(found, left_by(around(put))[0])


def test_backward_again_gives_the_same():
    g = around(MARKED["in both"])
    run = mg.Run(g, training=True, guard=False, seed=3).forward(feeds_for(g, 6))
    first = {name: run.backward().grad(param).copy() for name, param in g.params.items()}
    for name, param in g.params.items():
        equal(run.backward().grad(param), first[name])


@pytest.mark.parametrize(
    "twin",
    [
        lambda g: g.copy(),
        lambda g: g.copy(share=True),
        lambda g: pickle.loads(pickle.dumps(g)),
        lambda g: g.between("x", g.costs[0].name),
        lambda g: g.until(g.costs[0].name),
    ],
    ids=["copy", "shared copy", "pickle", "between", "until"],
)
def test_mark_stays_on_copies_and_parts(twin):
    g = around(MARKED["in both"])
    expected, run = left_by(twin(around(MARKED["in both"], recompute=False)))
    found, run = left_by(twin(g))
    assert len(forgetful(run)) > 15
    same(found, expected)


def test_mark_stays_when_a_graph_becomes_a_block():
    inner = mg.Graph("inner", seed=1)
    inner.block(block_of(jumps), inner.input("x", 5), name="deep", recompute=True)
    g = around(lambda g, x, recompute: g.add(inner, x, name="outer"))
    names = forgetful(left_by(g)[1])
    assert names
    assert all(name.startswith("outer/deep/") for name in names)


@pytest.mark.parametrize(("n", "recompute", "low", "high"), [(16, True, 1.0, 2.6), (16, False, 3.5, 4.5)])
def test_memory_of_a_chain_grows_with_its_root(n, recompute, low, high):
    def activations(n):
        """Beyond what is there with one example."""
        g = chain(n, 32, recompute=recompute)
        many, one = (peak(trained(lambda: g, feeds_for(g, m), None, steps=2)) for m in (128, 1))
        return many - one

    assert low < activations(4 * n) / activations(n) < high


# ---- looking at what isn't kept ----


@pytest.fixture(autouse=True)
def _frozen():
    """What is there before a test costs no time when garbage is collected in it."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def run():
    g = around(
        plain(lambda g, x: x >> Dense(5, "tanh", name="h1") >> Dense(5, "tanh", name="h2") >> Dense(5, name="h3"))
    )
    run = mg.Run(g, training=True, guard=False, seed=3)
    return run.forward(feeds_for(g, 6))


LOOKS = ["a", "z", "inputs", "delta", "error", "grad", "activated"]


@pytest.mark.parametrize("attribute", LOOKS)
@pytest.mark.parametrize("backward", [False, True])
def test_what_is_not_kept_says_so(run, attribute, backward):
    if backward:
        run.backward()
    with pytest.raises(NotComputedError, match=r"Dense 'b/h1' is in a block that training recomputes"):
        getattr(run["b/h1"], attribute)


def test_edges_into_and_inside_a_block(run):
    run.backward()
    for edge in (run.edge("x", "b/h1"), run.edge("b/h1", "b/h2")):
        with pytest.raises(NotComputedError, match="recompute"):
            _ = edge.a
        with pytest.raises(NotComputedError, match="recompute"):
            _ = edge.grad
        assert edge.state == "not asked"
    assert run.edge("b/h3", "last").grad.shape == run.edge("b/h3", "last").a.shape == (6, 5)


def test_gradients_can_be_asked_for(run):
    run.backward()
    kept = mg.Run(run.graph, training=True, guard=False, seed=3, keep=True).forward(feeds_for(run.graph, 6)).backward()
    w = run.graph["b/h1"].layer.w
    equal(run.grad(w), kept.grad(w))
    equal(run.grad(w, per="use")["b/h1"], kept.grad(w, per="use")["b/h1"])
    with pytest.raises(NotComputedError, match=r"no gradient per example: .* is recomputed in training"):
        run.grad(w, per="example")
    assert run.costs == kept.costs


LOOKERS = {
    "diagnose": lambda run, path: run.diagnose(),
    "picture": lambda run, path: run.picture(),
    "draw": lambda run, path: run.draw(path / "flow.svg"),
    "explore": lambda run, path: run.explore(path / "flow.html"),
}


@pytest.mark.parametrize("look", LOOKERS.values(), ids=LOOKERS)
@pytest.mark.parametrize("backward", [False, True])
def test_who_looks_at_everything_hears_that_it_is_not_kept(run, tmp_path, look, backward):
    if backward:
        run.backward()
    with pytest.raises(NotComputedError, match="training recomputes" if backward else "recomputes|run.backward"):
        look(run, tmp_path)
    kept = mg.Run(run.graph, training=True, guard=False, keep=True).forward(feeds_for(run.graph, 6)).backward()
    if look is not LOOKERS["draw"]:
        look(kept, tmp_path)


def test_a_node_outside_the_block_is_explained(run):
    assert "last" in str(run.backward().explain("last"))


def test_a_node_inside_the_block_is_explained_in_letters_and_says_why(run):
    text = str(run.backward().explain("b/h2"))
    assert "σ" in text or "tanh" in text
    assert "Run(…, keep=True)" in text


def test_observers_see_nodes_before_they_are_forgotten(run):
    seen = []
    feeds = feeds_for(run.graph, 6)
    run.forward(feeds, observe=lambda node, record: seen.append((node.name, record.a.shape)))
    run.backward(observe=lambda node, record: seen.append((node.name, record.delta.shape)))
    assert ("b/h1", (6, 5)) in seen
    assert seen.count(("b/h2", (6, 5))) == 2


def test_history_of_a_graph_that_is_computed_again():
    g = around(MARKED["draws"])
    history = mg.GradientHistory()
    feeds = feeds_for(g, 12)
    mg.fit(g, feeds, optimizer=mg.SGD(0.1), epochs=1, batch_size=6, watch=[history], progress=False)
    assert len(history.steps) == 2


# ---- no growth ----


def test_no_growth_over_many_steps():
    g = mg.Sequential(8, Dense(4, "sigmoid"), Dense(3, "sigmoid"), cost=Quadratic(), seed=0)
    feeds, run, sgd = feeds_for(g, 5), mg.Run(g, training=True, guard=False), mg.SGD(0.1)

    def steps(n):
        for _ in range(n):
            run.forward(feeds).backward()
            sgd.step(run)

    steps(10)
    gc.collect()
    tracemalloc.start()
    try:
        steps(20)
        before = tracemalloc.get_traced_memory()[0]
        steps(3000)
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - before < 4096
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", [mg.SGD(0.1), mg.Adam(0.001)], ids=["SGD", "Adam"])
def test_no_growth_over_ten_thousand_steps(optimizer):
    dropout = [Dropout(0.3)] if isinstance(optimizer, mg.Adam) else []
    layers = Dense(30, "sigmoid"), *dropout, Dense(10, "sigmoid")
    g = mg.Sequential(784, *layers, cost=Quadratic(), seed=0)
    run, batches = mg.Run(g, training=True, guard=False), [feeds_for(g, 10) for _ in range(3)]

    def steps(n):
        for k in range(n):
            optimizer.step(run.forward(batches[k % 3]).backward())
        gc.collect()

    steps(10)
    tracemalloc.start()
    try:
        steps(20)
        before, objects = tracemalloc.get_traced_memory()[0], len(gc.get_objects())
        steps(10_000)
        grown = tracemalloc.get_traced_memory()[0] - before
        assert grown < 100_000  # 10 bytes a step
        assert len(gc.get_objects()) - objects < 1000
    finally:
        tracemalloc.stop()


def test_runs_that_are_over_leave_nothing_behind():
    g = transformer("float32")
    feeds = feeds_for(g, 16)
    work = trained(lambda: g, feeds, None)
    work()
    gc.collect()
    tracemalloc.start()
    try:
        work()
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        work()
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - before < 2**15
    finally:
        tracemalloc.stop()
