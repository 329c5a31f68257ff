"""Failure classes of other frameworks that no test elsewhere is about: docs/reliability.md has all of them.

The number in a name is the row there.
"""

import gc
import tracemalloc
from itertools import product

import numpy as np
import pytest
from cases import CASES
from oddities import equal

import minigraph as mg
from minigraph.blocks import transformer_encoder
from minigraph.costs import Quadratic
from minigraph.errors import FeedError
from minigraph.layers import (
    LSTM,
    Add,
    BatchNorm,
    Conv2D,
    Dense,
    Divide,
    Dropout,
    Flatten,
    MaxPool2D,
    Mean,
    PositionalEncoding,
)

# ---- 2 ----


def test_02_the_error_of_a_sum_is_not_spoiled_for_one_input_by_what_else_comes_to_the_other():
    g = mg.Graph()
    x, y = g.input("x", 3), g.input("y", 3)
    g.output(Divide(name="p")(x, Add()(x, y)))
    feeds = {name: np.random.default_rng(i).uniform(1, 2, (4, 3)) for i, name in enumerate("xy")}
    run = mg.Run(g)
    for k in range(4):  # from the third sweep on they are made as numpy's calls alone
        a, b = feeds["x"] + k, feeds["y"]
        run.forward(x=a, y=b).backward("p", np.ones((4, 3)), wrt=["x", "y"])
        np.testing.assert_allclose(run["x"].error, b / (a + b) ** 2, rtol=1e-14)
        np.testing.assert_allclose(run["y"].error, -a / (a + b) ** 2, rtol=1e-14)


# ---- 20 ----


def test_20_a_batch_of_nothing_reaches_no_layer_and_no_running_statistics():
    g = mg.Sequential((2, 3), BatchNorm(name="bn"), Flatten(), Dense(1), cost=Quadratic(), seed=0)
    x, t = np.random.default_rng(0).normal(size=(4, 2, 3)), np.ones((4, 1))
    nothing, bn = {"x": x[:0], "t": t[:0]}, g["bn"].layer
    run = mg.Run(g, training=True).forward(x=x, t=t).backward()

    def fit(data, **options):
        mg.fit(g, data, optimizer=mg.SGD(0.1), epochs=1, progress=False, **options)

    held = [bn.mean, bn.variance, *(param.value for param in g.params.values())]
    before = [array.copy() for array in held]
    for call in (
        lambda: g.forward(nothing, training=True),
        lambda: run.forward(nothing),
        lambda: fit(nothing, batch_size=2),
        lambda: fit({"x": x, "t": t}, batch_size=2, validation=nothing),
        lambda: fit([nothing]),
        lambda: mg.evaluate(g, nothing),
        lambda: mg.predict(g, {"x": x[:0]}),
        lambda: mg.check(g, nothing),
    ):
        with pytest.raises(FeedError, match="takes at least one example, got an empty batch"):
            call()
        assert bn.mean is held[0]
        equal(held, before)


# ---- 26, 28: every layer ----

SIZES = (1e4, 1e3, 745.0, 709.0, 104.0, 88.0, 20.0, 3.0, 0.5, 1e-8, 1e-30, 1e-40, 0.0)
EDGES = [sign * size for size in SIZES for sign in (1, -1)]
CHOSEN = {"Exp", "Log", "Sqrt", "Power", "Divide"}
"""Layers that compute what numpy does, out of bounds too."""
MIXING = {"MultiHeadAttention", "ScaledDotProductAttention"}
"""What these hide still meets 0 · NaN, as the docstring says."""
FLAT = {"LayerNorm-1", "GroupNorm-1", "Softmax-1", "LogSoftmax-1", "SoftmaxCrossEntropy-1", "KLDivergence-0"}
FLAT |= {"SoftmaxCrossEntropy-1-position", "Conv2D-relu", "RNN-relu", "TripletMargin", "TripletMargin-4-norm"}
"""Rows whose output may be the same whatever a number is, as long as it is one."""
ROWS: dict[str, list] = {}
for case in CASES:
    ROWS.setdefault(case.id.partition("-")[0], []).append(case)


def swept(node, inputs, training=False):
    """Both sweeps of a row of the table: output, errors of the inputs, gradients."""
    run = mg.Run(node.graph, training=training, seed=1).forward({f"x{i}": x for i, x in enumerate(inputs)})
    slots = [i for i in range(len(inputs)) if i not in node.constant_inputs]
    error = np.random.default_rng(5).normal(size=run["node"].a.shape)
    run.backward("node", error, wrt=[f"x{i}" for i in slots])
    errors, gradients = [run.edge(f"x{i}", "node").grad for i in slots], map(run.grad, node.layer.params.values())
    return run["node"].a, errors, list(gradients)


@pytest.mark.parametrize("kind", sorted(ROWS.keys() - CHOSEN))
def test_26_no_layer_or_cost_overflows_or_divides_by_zero_at_the_edges(kind):
    for case, dtype in product(ROWS[kind], ("float32", "float64")):
        node, rng = case.node(dtype), np.random.default_rng(3)
        inputs, bounded = case.inputs(rng, 5), "OnProbabilities" in kind
        for i, x in enumerate(inputs):
            if x.dtype.kind == "f" and i not in node.constant_inputs:
                rows = [rng.choice(EDGES, x.shape[1:]), *(np.full(x.shape[1:], v) for v in (1e4, -1e4, 0.0, 1e-40))]
                inputs[i] = np.clip(rows, 0.0, 1.0) if bounded else np.array(rows)
        alike = [x[[1, 1, 1]] for x in inputs]  # no variance, whatever is normalized
        for training in (False, True)[: 1 + case.modes_differ]:
            for arrays in (inputs, alike) if node.layer.mixes_examples else (inputs,):
                a, sent, gradients = swept(node, arrays, training)
                assert all(np.isfinite(array).all() for array in (a, *sent, *gradients)), case.id


@pytest.mark.parametrize("kind", ROWS)
def test_28_nan_is_neither_swallowed_nor_spread(kind):
    bounded = kind in CHOSEN | {"BinaryCrossEntropyOnProbabilities"}
    for case in ROWS[kind]:
        node, rng, others = case.node(), np.random.default_rng(3), [0, 2]
        inputs = case.inputs(rng, 3)
        a, errors, _ = swept(node, inputs)
        for slot, x in enumerate(inputs):
            if x.dtype.kind != "f" or slot in node.constant_inputs:
                continue
            place = (1, *(int(rng.integers(n)) for n in x.shape[1:]))
            spoilt, sent, _ = swept(node, put(inputs, slot, place, np.nan))
            if not node.layer.mixes_examples:
                for got, expected in zip((spoilt, *sent), (a, *errors), strict=True):
                    assert np.array_equal(got[others], expected[others]), case.id
            counts = np.zeros(a.shape, bool)
            for value in (0.9 * x[place],) if bounded else (x[place] + 50.0, x[place] - 50.0):
                counts |= swept(node, put(inputs, slot, place, value))[0] != a
            assert np.isnan(spoilt[counts]).all(), case.id
            if kind not in MIXING and case.id not in FLAT:
                assert np.array_equal(spoilt[~counts], a[~counts]), case.id


@pytest.mark.parametrize("kind", ROWS)
def test_28_a_batch_of_nan_leaves_nothing_behind_for_the_next(kind):
    for case in ROWS[kind]:
        node, rng = case.node(), np.random.default_rng(4)
        inputs, run = case.inputs(rng, 2), mg.Run(case.node().graph)
        free = [i for i, x in enumerate(inputs) if x.dtype.kind == "f" and i not in node.constant_inputs]
        right = None
        for good in (True, True, True, False, True):  # from the third on, sweeps are numpy's calls alone
            batch = [x if good or i not in free else x * np.nan for i, x in enumerate(inputs)]
            run.forward({f"x{i}": x for i, x in enumerate(batch)})
            run.backward("node", np.ones((2, *node.shape)), wrt=[f"x{i}" for i in free])
            got = [run["node"].a, *(run.edge(f"x{i}", "node").grad for i in free)]
            got += [run.grad(param) for param in run.graph["node"].layer.params.values()]
            right = right or [array.copy() for array in got]
        assert all(map(np.array_equal, got, right)), case.id


def put(inputs, slot, place, value):
    arrays = [x.copy() for x in inputs]
    arrays[slot][place] = value
    return arrays


# ---- 30 ----


@pytest.mark.parametrize("recompute", [False, True])
def test_30_the_mode_does_not_stop_at_the_edge_of_a_block(recompute):
    inner = mg.Sequential(6, Dropout(0.5), BatchNorm(), name="inner")
    middle = mg.Sequential(6, inner, Dense(6, "tanh"), name="middle", seed=1)
    g = mg.Graph(seed=0)
    h = g.block(middle, g.input("x", 6), recompute=recompute) if recompute else middle(g.input("x", 6))
    g.cost(Quadratic(), h)
    x, t = np.random.default_rng(0).normal(size=(2, 50, 6))
    (bn,) = {node.layer for node in g.nodes if isinstance(node.layer, BatchNorm)}
    (dropout,) = (node for node in g.nodes if isinstance(node.layer, Dropout))
    run, still = mg.Run(g, training=True), [bn.mean, bn.variance]
    for training in (True, False, True, False):
        run.forward(x=x, t=t, training=training).backward()
        if not recompute:  # else it isn't kept
            assert (run[dropout].a == 0).any() == training
        assert bn.mean is still[0]
        mg.SGD(0.0).step(run)
        assert np.array_equal(bn.mean, still[0]) == np.array_equal(bn.variance, still[1]) == (not training)
        still = [bn.mean, bn.variance]
    alone = g.forward(x=x[:1], t=t[:1]).cost
    several = g.forward(x=x, t=t)
    assert alone == pytest.approx(float(several[g.costs[0]].a[0]), rel=1e-12)


# ---- 40 ----


def attending():
    return mg.Sequential((6, 4), PositionalEncoding(), transformer_encoder((6, 4), 2, 8, dropout=0.25), Mean(0)), 4


def convolving():
    layers = Conv2D(3, 3, activation="gelu"), BatchNorm(), MaxPool2D(2), Flatten(), Dense(4, "mish"), Dropout(0.25)
    return mg.Sequential((2, 6, 6), *layers), 4


def recurrent():
    return mg.Sequential((6, 4), LSTM(4, returns="last")), 4


@pytest.mark.parametrize("make", [attending, convolving, recurrent])
def test_40_training_steps_do_not_pile_up_memory_that_waits_for_the_garbage_collector(make):
    g, width = make()
    g.cost(Quadratic(), g.outputs[0])
    x, t = np.ones((20, *g["x"].shape)), np.ones((20, width))
    run, adam = mg.Run(g, training=True), mg.Adam(0.01)

    def steps(n):
        for k in range(n):
            adam.step(run.forward(x=x, t=t).backward())
            if k % 5 == 0:
                g.forward(x=x, t=t).backward()  # and a run that is thrown away

    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        steps(16)
        before, held = tracemalloc.get_traced_memory()[0], len(gc.get_objects())
        steps(40)
        assert tracemalloc.get_traced_memory()[0] - before < 60_000  # one of its arrays for each step would be 150,000
        assert len(gc.get_objects()) - held < 20
    finally:
        tracemalloc.stop()
        gc.enable()


# ---- 49 ----


@pytest.mark.parametrize("name", ["two words", "$(touch x)", "a;touch x", "`touch x`", "-Tpng", "ü 'quoted' \"so\""])
@pytest.mark.parametrize("suffix", [".svg", ".gv"])
def test_49_no_path_is_read_by_a_shell_or_as_an_option(name, suffix, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    g = mg.Sequential(2, Dense(1), seed=0)
    assert g.draw(name + suffix).name == name + suffix
    assert [path.name for path in tmp_path.iterdir()] == [name + suffix]
