"""The export: which nodes are written, in which order, and into which file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ... import costs, layers
from ...assembly import float_dtype
from ...errors import GraphError
from ...graph import Graph
from ...layer import Input, Layer
from ...saving.files import store
from ...schedule import ancestors
from . import activations, arithmetic, attention, losses, neurons, norms, pictures, recurrent, sequences, shapes
from .model import Model
from .registry import RULES

_FAMILIES = activations, arithmetic, attention, losses, neurons, norms, pictures, recurrent, sequences, shapes
"""Importing them fills the rules."""

EXPORTED: frozenset[type[Layer]] = frozenset(
    kind for module in (layers, costs) for name in module.__all__ if (kind := getattr(module, name)) in RULES
)
"""The layers and costs of minigraph that have a rule."""


def to_onnx(graph: Graph, path: str | Path, *, until: Any = None, dtype: Any = None) -> Path:
    """Write the forward graph in inference mode as an ONNX model, and return its path.

    Its outputs are what `mg.predict` gives, or with `until` the named nodes, costs and their targets among them. Its
    inputs are those that they depend on, by their names, as far as ONNX takes them: letters, digits, underscores. The
    batch axis is free and called "m". Weights are initializers by their names in `g.params`, each Param once; running
    statistics are beside them. Dropout and noise pass values on.

    `dtype` is that of the file, "float32" or "float64"; by default the graph's. ONNX Runtime, as of 1.32, has no
    float64 for Conv, ConvTranspose, RNN, GRU, LSTM, Erf (of gelu) and some functions of numpy: write such graphs with
    dtype="float32". All else is put into operators that it has in both. What layers refuse (labels out of range, masks
    that are none) isn't checked in the file.

    The model is of opset 17, passes `onnx.checker`, and is written whole or not at all. Raises ImportError without the
    package onnx, GraphError for a node that has no rule (layers and functions of one's own, see
    `minigraph.interop.onnx.register`) and for weights of more than 2 GiB, OSError where the disk says no.
    """
    wanted = list(dict.fromkeys(graph.outputs if until is None else graph.resolve(until)))
    if not wanted:
        raise GraphError(f"graph {graph.name!r} has no outputs to write: add nodes, or name some, until=…")
    kind = graph.dtype if dtype is None else float_dtype(dtype, "to_onnx")
    needed = ancestors(wanted)
    order = [node for node in graph.nodes if node in needed]
    model = Model(graph, kind, [node for node in order if isinstance(node.layer, Input)], wanted)
    for node in order:
        if not isinstance(node.layer, Input):
            model.write(node)
    return store(path, model.finished().SerializeToString(deterministic=True))
