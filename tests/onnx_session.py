"""ONNX files run by ONNX Runtime, and held against what the graph computes."""

import os

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="onnx, of the extra onnx, is not installed")
runtime = pytest.importorskip("onnxruntime", reason="onnxruntime, of the extra test, is not installed")

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
