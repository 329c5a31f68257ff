"""ONNX files: names, outputs, dtypes, what can't be written, and files on a disk."""

import errno
import os
import sys
import warnings
from dataclasses import dataclass

import numpy as np
import pytest
from onnx_session import assert_near, assert_says, onnx, session

import minigraph as mg
from minigraph import layers
from minigraph.costs import Quadratic
from minigraph.errors import GraphError
from minigraph.interop.onnx import Model, register
from minigraph.interop.onnx.registry import RULES
from minigraph.layers import (
    Add,
    Conv2D,
    Dense,
    Identity,
    Scale,
    StopGradient,
)

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


def test_nothing_is_said_by_the_way(tmp_path, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mg.Sequential(3, Dense(2)).to_onnx(tmp_path / "g.onnx")
    assert capsys.readouterr() == ("", "")
