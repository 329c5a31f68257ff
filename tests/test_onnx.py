"""ONNX files: they say what `forward` computes in inference, for every row of the table and for whole graphs."""

import errno
import os
import re
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from cases import CASES
from test_layers import prepared
from wirings import ROWS, wired

import minigraph as mg
from minigraph import costs, layers
from minigraph.blocks import residual, transformer_decoder, transformer_encoder, unroll
from minigraph.costs import L1, L2, Quadratic, SoftmaxCrossEntropy
from minigraph.errors import GraphError
from minigraph.interop.onnx import EXPORTED, Model, register
from minigraph.interop.onnx.registry import RULES
from minigraph.layers import (
    GRU,
    LSTM,
    RNN,
    Activation,
    Add,
    BatchNorm,
    Concat,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    GaussianNoise,
    GlobalAvgPool,
    Identity,
    LayerNorm,
    LSTMCell,
    MaxPool2D,
    PositionalEncoding,
    Scale,
    Slice,
    StopGradient,
    UpSample2D,
)

onnx = pytest.importorskip("onnx", reason="onnx, of the extra onnx, is not installed")
runtime = pytest.importorskip("onnxruntime", reason="onnxruntime, of the extra test, is not installed")

ONLY_FLOAT32 = {"Conv", "ConvTranspose", "RNN", "GRU", "LSTM", "Erf"}
"""What onnxruntime has no float64 for, as the docstring of `to_onnx` says."""
ABSTRACT = {layers.Cell, costs.Cost, layers.Input, layers.Layer, layers.Neurons, costs.Penalty, layers.Recurrent}
OPTIONS = runtime.SessionOptions()
OPTIONS.intra_op_num_threads = 1
OPTIONS.log_severity_level = 4
OPTIONS.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_BASIC
"""As docs/interchange.md says: 1.23 makes float64 operators into some that it has for float32 only, 1.32 doesn't."""


def session(path):
    return runtime.InferenceSession(os.fspath(path), OPTIONS, providers=["CPUExecutionProvider"])


def fed(theirs, feeds, dtype):
    """Feeds by the names that the file has for them, in its order."""
    values = [x if x.dtype.kind == "i" else x.astype(dtype) for x in map(np.asarray, feeds)]
    return {given.name: x for given, x in zip(theirs.get_inputs(), values, strict=True)}


def assert_near(got, expected, dtype):
    assert (got.shape, got.dtype) == (expected.shape, np.dtype(dtype))
    np.testing.assert_allclose(got, expected, **{"float32": {"rtol": 1e-5, "atol": 1e-5}}.get(dtype, {"rtol": 1e-10}))


def assert_says(graph, path, until, feeds_of, dtype, batches=(1, 3)):
    """A graph's file passes the checks, and gives what the graph's nodes compute, for several batch sizes."""
    graph.to_onnx(path, until=until)
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert [op.domain for op in model.opset_import] == [""]
    theirs = session(path)
    wanted = [graph[name] for name in until]
    needed = [node.name for node in graph.until(until).inputs]
    for m in batches:
        feeds = feeds_of(m)
        run = graph.forward({name: feeds[name] for name in needed}, until=until)
        found = theirs.run(None, fed(theirs, [feeds[name] for name in needed], dtype))
        for node, a in zip(wanted, found, strict=True):
            assert_near(a, np.asarray(run[node].a), dtype)
    return model


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


# ---- names, outputs, dtypes ----


def test_outputs_are_those_of_predict_by_default(tmp_path):
    g = mg.Sequential(3, Dense(2, "tanh", name="h"), Dense(2, name="out"), cost=Quadratic(), name="net", seed=0)
    model = onnx.load(g.to_onnx(tmp_path / "g.onnx"))
    assert [given.name for given in model.graph.input] == ["x"]
    assert [found.name for found in model.graph.output] == ["out"]
    x = np.random.default_rng(0).normal(size=(5, 3))
    [got] = session(tmp_path / "g.onnx").run(None, {"x": x})
    np.testing.assert_allclose(got, mg.predict(g, x=x), rtol=1e-12)
    assert (model.producer_name, model.graph.name) == ("minigraph", "net")
    assert model.producer_version
    assert (model.ir_version, model.opset_import[0].version) == (8, 17)
    assert [op.doc_string for op in model.graph.node if op.name in g] == ["Dense tanh", "Dense identity"]


def test_a_graph_without_a_name_and_numbers_beyond_float32(tmp_path):
    g = mg.Graph("")
    g.output(Scale(1e300)(g.input("x", 2)))
    theirs = session(g.to_onnx(tmp_path / "g.onnx"))
    assert (theirs.run(None, {"x": np.full((1, 2), 1e-300)})[0] == 1.0).all()
    with pytest.raises(GraphError, match=r"Scale 'scale' .* has numbers beyond float32: write it in float64"):
        g.to_onnx(tmp_path / "g.onnx", dtype="float32")


def test_awkward_names_make_valid_files(tmp_path):
    g = mg.Graph('a:b <c> {d} | "e"\0')
    one, two = g.input("δ 1", 2), g.input("δ_1", 2)
    h = Add()(one, two, two) >> Dense(2, "tanh", name="9/δ\ud800")
    g.output(Identity(name="h/Gemm")(h), h >> Dense(2, name="__1"), one)
    path = tmp_path / "odd.onnx"
    x, y = np.random.default_rng(1).normal(size=(2, 3, 2))
    names = [node.name for node in g.outputs]
    model = assert_says(g, path, names, lambda m: {"δ 1": x[:m], "δ_1": y[:m]}, "float64")
    values = [*model.graph.input, *model.graph.output, *model.graph.value_info]
    assert all(value.name.isascii() and value.name.isidentifier() for value in values)
    assert len({op.name for op in model.graph.node}) == len(model.graph.node)
    assert {"9/δ\\ud800", "h/Gemm", "__1"} <= {op.name for op in model.graph.node}


def test_a_value_used_twice_and_an_input_as_output(tmp_path):
    g = mg.Graph("odd")
    x = g.input("x", 2)
    labels = g.input("labels", (), dtype=int)
    g.output(Add()(x, x), x, labels, StopGradient()(x))
    theirs = session(g.to_onnx(tmp_path / "g.onnx"))
    both, same, whole, stopped = theirs.run(None, {"x": np.ones((1, 2)), "labels": np.array([7])})
    assert (both == 2.0).all()
    assert (same == 1.0).all()
    assert (whole.item(), whole.dtype) == (7, np.int64)
    assert (stopped == 1.0).all()


def test_a_file_has_the_dtype_that_is_asked_for(tmp_path):
    g = mg.Sequential((2, 4, 4), Conv2D(2, 3, activation="gelu"), seed=1)
    path = g.to_onnx(tmp_path / "g.onnx", dtype="float32")
    x = np.random.default_rng(0).normal(size=(2, 2, 4, 4))
    [got] = session(path).run(None, {"x": x.astype(np.float32)})
    assert_near(got, mg.predict(g, x=x), "float32")
    with pytest.raises(GraphError, match="to_onnx takes dtype float64 or float32, got 'float16'"):
        g.to_onnx(path, dtype="float16")
    g.params["conv2d.w"].value[0, 0, 0, 0] = 1e300
    with pytest.raises(GraphError, match=r"Conv2D 'conv2d' .* has numbers beyond float32: write it in float64"):
        g.to_onnx(path, dtype="float32")


def test_a_deep_chain_is_written(tmp_path):
    layer = Dense(2, "tanh", name="h")
    g = mg.Sequential(2, *[layer] * 2000, dtype="float32")
    model = onnx.load(g.to_onnx(tmp_path / "g.onnx"))
    assert len(model.graph.initializer) == 2
    assert len(model.graph.node) == 4000


# ---- what can't be written ----


class Twice(mg.Layer):
    def build(self, shape, *, rng, dtype):
        return shape

    def forward(self, at, x):
        return 2.0 * x

    def backward(self, at, error):
        return 2.0 * error


class Cubed:
    def __call__(self, z, out=None):
        return z**3

    def backward(self, error, z, a, out=None):
        return error * 3 * z**2


class Own(Dense):
    pass


def bump(z):
    return np.exp(-z * z)


@dataclass
class Bump:
    """A function that, as it can be compared, has no hash."""

    width: float

    def __call__(self, z):
        return np.exp(-z * z / self.width)


def slope(z):
    return -2.0 * z * np.exp(-z * z)


@pytest.fixture
def rules(monkeypatch):
    """Rules that end with the test."""
    for thing in (Twice, Cubed, bump):
        monkeypatch.setitem(RULES, thing, None)
        monkeypatch.delitem(RULES, thing)


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (
            Twice(),
            r"Twice 'node' \(added at .*\) can't be written as ONNX, as there is no rule for its layer.*Twice",
        ),
        (Own(2), r"Own 'node' .* no rule for its layer: .*onnx.register\(Own\)"),
        (Dense(2, Cubed()), r"Dense 'node' .* no rule for its activation Cubed: .*onnx.register\(Cubed\)"),
        (Dense(2, (bump, slope)), r"Dense 'node' .* no rule for its function bump: .*onnx.register\(bump\)"),
        (Dense(2, ["tanh", (bump, slope)]), "no rule for its function bump"),
        (Dense(2, (Bump(1.0), slope)), "no rule for its function"),
        (layers.Function(bump, slope), "Function 'node' .* no rule for its function bump"),
    ],
    ids=["layer", "derived", "activation", "function", "per neuron", "no hash", "Function"],
)
def test_what_has_no_rule_is_named(layer, said, tmp_path, rules):
    g = mg.Sequential(3, name="own")
    g.add(layer, g["x"], name="node")
    with pytest.raises(GraphError, match=said):
        g.to_onnx(tmp_path / "g.onnx")
    assert not list(tmp_path.iterdir())


def test_the_export_can_be_taught(tmp_path, rules):
    @register(Twice)
    def twice(model: Model, layer, x):
        return model.op("Mul", x, model.constant(2.0))

    @register(Cubed)
    def cubed(model, sigma, z):
        return model.op("Pow", z, model.constant(3.0))

    @register(bump)
    def bumped(model, f, z):
        return model.op("Exp", model.op("Neg", model.op("Mul", z, z)))

    g = mg.Sequential(3, Twice(), Dense(4, ["tanh", Cubed(), (bump, slope), "tanh"], name="out"), seed=2)
    x = np.random.default_rng(1).normal(size=(3, 3))
    assert_says(g, tmp_path / "g.onnx", ["out"], lambda m: {"x": x[:m]}, "float64")
    for wrong in ((), (3,), ([],)):
        with pytest.raises(GraphError, match=r"onnx\.register takes"):
            register(*wrong)
    register(Twice)(lambda model, layer, x: None)
    with pytest.raises(GraphError, match="its rule returned None, no name of a value"):
        g.to_onnx(tmp_path / "g.onnx")


def test_a_graph_without_outputs_has_no_file(tmp_path):
    with pytest.raises(GraphError, match="graph 'empty' has no outputs to write"):
        mg.Graph("empty").to_onnx(tmp_path / "g.onnx")


def test_without_onnx_an_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"takes the package onnx: pip install 'minigraph\[onnx\]'"):
        mg.Sequential(3, Dense(2)).to_onnx(tmp_path / "g.onnx")


def test_weights_beyond_a_file_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("minigraph.interop.onnx.model.MOST_BYTES", 100)
    with pytest.raises(GraphError, match="graph 'big' has weights of more than 2 GiB"):
        mg.Sequential(5, Dense(5), name="big").to_onnx(tmp_path / "g.onnx")


# ---- files ----


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    g, path = mg.Sequential(3, Dense(2), seed=0), tmp_path / "g.onnx"
    assert g.to_onnx(str(path)) == path
    assert path.read_bytes() == g.to_onnx(tmp_path / "again.onnx").read_bytes()
    before = path.read_bytes()
    link = tmp_path / "link.onnx"
    link.symlink_to(path)
    g["dense"].layer.w.value = np.ones((2, 3))
    g.to_onnx(link)
    assert link.is_symlink()
    assert path.read_bytes() != before
    before = path.read_bytes()

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device.*g\.onnx"):
        g.to_onnx(path)
    assert path.read_bytes() == before
    assert {file.name for file in tmp_path.iterdir()} == {"g.onnx", "again.onnx", "link.onnx"}
    for wrong, kind in ((tmp_path, IsADirectoryError), (tmp_path / "none" / "g.onnx", FileNotFoundError)):
        with pytest.raises(kind):
            g.to_onnx(wrong)


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


def test_nothing_is_said_by_the_way(tmp_path, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mg.Sequential(3, Dense(2)).to_onnx(tmp_path / "g.onnx")
    assert capsys.readouterr() == ("", "")
