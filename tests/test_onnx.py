"""ONNX files: they say what `forward` computes in inference, for every row of the table and for whole graphs."""

import re
from pathlib import Path

import numpy as np
import pytest
from cases import CASES
from onnx_session import assert_near, assert_says, fed, onnx, session
from test_layers import prepared
from wirings import ROWS, wired

import minigraph as mg
from minigraph import costs, layers
from minigraph.blocks import residual, transformer_decoder, transformer_encoder, unroll
from minigraph.costs import L1, L2, SoftmaxCrossEntropy
from minigraph.interop.onnx import EXPORTED
from minigraph.interop.onnx.registry import RULES
from minigraph.layers import (
    GRU,
    LSTM,
    RNN,
    Activation,
    BatchNorm,
    Concat,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    GaussianNoise,
    GlobalAvgPool,
    LayerNorm,
    LSTMCell,
    MaxPool2D,
    PositionalEncoding,
    Slice,
    UpSample2D,
)

ONLY_FLOAT32 = {"Conv", "ConvTranspose", "RNN", "GRU", "LSTM", "Erf"}
"""What onnxruntime has no float64 for, as the docstring of `to_onnx` says."""
ABSTRACT = {layers.Cell, costs.Cost, layers.Input, layers.Layer, layers.Neurons, costs.Penalty, layers.Recurrent}


# ---- every row ----


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_row_says_what_it_computes(case, tmp_path):
    for dtype in ("float32", "float64"):
        node, _, _ = prepared(case, 4, dtype)
        path = node.graph.to_onnx(tmp_path / f"{dtype}.onnx", until="node")
        model = onnx.load(path)
        assert_graph_is_the_same(model, node.graph)
        if dtype == "float64" and ONLY_FLOAT32 & {op.op_type for op in model.graph.node}:
            continue
        theirs = session(path)
        for m in (1, 3):
            inputs = case.inputs(np.random.default_rng(m), m)
            expected = node.graph.forward({f"x{i}": x for i, x in enumerate(inputs)})["node"].a
            [got] = theirs.run(None, fed(theirs, inputs, dtype))
            assert_near(got, np.asarray(expected), dtype)


def assert_graph_is_the_same(model, graph):
    onnx.checker.check_model(model, full_check=True)
    there = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    used = dict(graph.params)
    if type(graph["node"].layer) in (layers.RNNCell, LSTMCell) and len(graph.inputs) == 1:
        del used["node.u"]  # without a state nothing is multiplied by it
    for name, param in used.items():
        np.testing.assert_array_equal(there[name], param.value)
    assert [given.name for given in model.graph.input] == [node.name for node in graph.inputs]
    assert model.graph.node[-1].name == "node"
    shape = [dim.dim_param or dim.dim_value for dim in model.graph.output[0].type.tensor_type.shape.dim]
    assert shape == ["m", *graph["node"].shape]


def test_all_layers_and_costs_are_exported():
    everything = {getattr(module, name) for module in (layers, costs) for name in module.__all__}
    kinds = {kind for kind in everything if isinstance(kind, type) and issubclass(kind, layers.Layer)}
    assert kinds - EXPORTED == ABSTRACT
    assert kinds >= EXPORTED
    rows = {type(case.node().layer) for case in CASES}
    assert EXPORTED - rows == {L1, L2}  # which test_penalties_count_once_for_each_example exports
    assert {type(kind) for kind in mg.activations.NAMED.values()} <= RULES.keys()


def test_the_documentation_lists_what_is_exported():
    page = (Path(__file__).parents[1] / "docs/interchange.md").read_text(encoding="utf-8")
    [table] = re.findall(r"### What is exported\n.*?\n\n(\|.*?)\n\n", page, re.DOTALL)
    assert sorted(re.findall(r"`(\w+)`", table)) == sorted(kind.__name__ for kind in EXPORTED)


def test_penalties_count_once_for_each_example(tmp_path):
    g = mg.Graph("penalized", seed=0)
    h = g.input("x", 3) >> Dense(2, "tanh", name="h", frozen=True) >> Dense(2, name="out")
    g.cost(L1(0.3, "*.w", weight=2.0), name="l1")
    g.cost(L2(0.5, ["h.*", "out.b"]), name="l2")
    for param in g.params.values():
        param.value = np.random.default_rng(1).normal(size=param.shape)
    feeds = {"x": np.ones((3, 3))}
    assert_says(g, tmp_path / "g.onnx", ["out", "l1", "l2"], lambda m: {"x": feeds["x"][:m]}, "float64")
    g.to_onnx(tmp_path / "alone.onnx", until="l2")
    [alone] = session(tmp_path / "alone.onnx").run(None, {})
    np.testing.assert_allclose(alone, g.forward(feeds)["l2"].a[:1])
    assert h.name == "out"


# ---- whole graphs ----


@pytest.mark.parametrize("name", ROWS)
def test_wirings_say_what_they_compute(name, tmp_path):
    row = wired(name)
    g = row.graph
    until = list(row.until or [*(node.name for node in g.outputs), *(node.name for node in g.costs)])
    assert_says(g, tmp_path / "g.onnx", until, lambda m: wired(name, m=m).feeds, "float64")


def classes(rng, m, shape=(), k=3):
    return rng.integers(0, k, (m, *shape))


def residual_net(g, rng):
    h = g.input("image", (1, 12, 12)) >> Conv2D(4, 3, stride=2, padding=1, bias=False, name="stem")
    h = h >> BatchNorm() >> Activation("relu")
    for i in (1, 2):
        h = h >> residual(h, 4, name=f"block {i}")
    g.cost(SoftmaxCrossEntropy(), h >> GlobalAvgPool() >> Dense(3, name="digit"), target="label")
    return lambda m: {"image": rng.random((m, 1, 12, 12)), "label": classes(rng, m)}


def u_net(g, rng):
    fine = g.input("image", (1, 8, 8)) >> Conv2D(3, 3, padding="same", activation="relu", name="fine")
    coarse = fine >> MaxPool2D(2) >> Conv2D(4, 3, padding="same", activation="elu", name="coarse")
    up = Concat(axis=0)(fine, coarse >> UpSample2D(2)) >> Conv2D(3, 1, name="class")
    g.cost(SoftmaxCrossEntropy(axis=0), up, target="pixels")
    return lambda m: {"image": rng.random((m, 1, 8, 8)), "pixels": classes(rng, m, (8, 8))}


def transformer(g, rng):
    h = g.input("text", 6, dtype=int) >> Embedding(9, 8, name="symbols") >> PositionalEncoding()
    for i in (1, 2):
        h = h >> transformer_encoder(h, 2, 16, norm_first=True, causal=True, dropout=0.5, name=f"block {i}")
    logits = h >> LayerNorm() >> Dense(9, name="logits", bias=False, weights=g["symbols"].layer.w)
    g.cost(SoftmaxCrossEntropy(), logits, target="next")
    return lambda m: {"text": classes(rng, m, (6,), 9), "next": classes(rng, m, (6,), 9)}


def decoder(g, rng):
    x, memory = g.input("x", (4, 6)), g.input("memory", (5, 6))
    g.output(g.add(transformer_decoder(x, memory, 3, 12, activation="silu"), x, memory))
    return lambda m: {"x": rng.normal(size=(m, 4, 6)), "memory": rng.normal(size=(m, 5, 6))}


def lstm_unrolled_and_whole(g, rng):
    cell, x = LSTMCell(4), g.input("x", (5, 3))
    h = unroll(cell, x, returns="last")
    whole = LSTM(4, weights=cell.w, recurrent=cell.u, biases=cell.b, returns="last")(x)
    g.output(Concat()(h, whole), GRU(3, reverse=True)(x), RNN(2, activation="relu")(x))
    return lambda m: {"x": rng.normal(size=(m, 5, 3))}


@pytest.mark.parametrize("make", [residual_net, u_net, transformer, decoder, lstm_unrolled_and_whole])
def test_architectures_say_what_they_compute(make, tmp_path):
    g, rng = mg.Graph(make.__name__, seed=3, dtype="float32"), np.random.default_rng(2)
    feeds_of = make(g, rng)
    for param in g.params.values():
        param.value = param.value + rng.normal(scale=0.2, size=param.shape)
    for node in g.find(BatchNorm):
        node.layer.mean = rng.normal(size=node.layer.mean.shape).astype(np.float32)
        node.layer.variance = rng.uniform(0.5, 2.0, node.layer.variance.shape).astype(np.float32)
    until = [node.name for node in (*g.outputs, *g.costs)]
    model = assert_says(g, tmp_path / "g.onnx", until, feeds_of, "float32")
    names = {tensor.name for tensor in model.graph.initializer}
    assert names >= g.params.keys()  # those shared are there once, as names are unique


def test_what_is_random_in_training_passes_values_on(tmp_path):
    g = mg.Sequential(4, Dropout(0.5), Dropout(1.0), GaussianNoise(3.0), name="noise")
    assert_says(g, tmp_path / "g.onnx", ["gaussian_noise"], lambda m: {"x": np.ones((m, 4))}, "float64")


def test_slices_and_lengths_of_all_kinds(tmp_path):
    """Steps back, axes taken away and added, which the rows don't all have."""
    g = mg.Graph("slices")
    x = g.input("x", (4, 5, 3))
    picks = [
        (slice(None, None, -1),),
        (slice(3, None, -2), slice(-4, -1), 1),
        (..., None, slice(2, 0, -1)),
        (-1, None, ..., -2),
        (slice(-1, -5, -3), 2),
        (None, ...),
    ]
    g.output(*(Slice(pick)(x) for pick in picks))
    names = [node.name for node in g.outputs]
    values = np.random.default_rng(0).normal(size=(3, 4, 5, 3))
    assert_says(g, tmp_path / "g.onnx", names, lambda m: {"x": values[:m]}, "float64")
