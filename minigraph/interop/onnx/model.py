"""An ONNX model being written: values go by names, each made by an operator or kept as an array."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from ...errors import GraphError
from ...gist import gist
from ...graph import Graph
from ...layer import Input, Node
from ...param import Array, Param, Shape
from .registry import RULES

OPSET, IR_VERSION = 17, 8
"""Old enough for most readers; LayerNormalization came with 17."""

MOST_BYTES = 2**31 - 2**20
"""An ONNX file is one message, of less than 2 GiB; some room is left for the wiring."""


class Model:
    """What the rules of the export write: `op` adds an operator, `constant` and `param` name arrays.

    `node` is the node that is being written, `dtype` that of the file.
    """

    def __init__(self, graph: Graph, dtype: np.dtype[Any], inputs: Sequence[Node], wanted: Sequence[Node]):
        self.onnx = package()
        self.dtype = dtype
        self.node: Node = wanted[0]
        self.values: dict[Node, str] = {}
        """The name of what each node gives."""
        self._graph = graph
        self._params = {param: name for name, param in graph.params.items()}
        self._taken: dict[str, int] = {}
        self._titles: dict[str, int] = {}
        self._arrays: dict[Any, str] = {}
        self._tensors: list[Any] = []
        self._bytes = 0
        self._protos: list[Any] = []
        self._infos: list[Any] = []
        self._pending: list[tuple[str, list[str], list[str], dict[str, Any]]] = []
        self._examples = ""
        self._inputs = list(inputs)
        for node in self._inputs:
            self.values[node] = self._free(_identifier(node.name))
        self._outputs = {node: self._free(_identifier(node.name)) for node in wanted}

    # ---- what rules use ----

    def op(self, kind: str, *inputs: str | None, **attributes: Any) -> str:
        """Add an operator of opset 17 and return the name of its output; an input of None is left out."""
        return self.ops(kind, 1, *inputs, **attributes)[0]

    def ops(self, kind: str, outputs: int, *inputs: str | None, **attributes: Any) -> list[str]:
        """Add an operator of several outputs and return their names."""
        made = [self._free(f"{_identifier(self.node.name)}_{kind}") for _ in range(outputs)]
        self._pending.append((kind, [value or "" for value in inputs], made, attributes))
        return made

    def constant(self, value: Any) -> str:
        """The name of a number or an array: floats in the file's dtype, integers as int64, booleans as they are."""
        array = np.asarray(value)
        if array.dtype.kind == "f":
            array = self._cast(array)
        elif array.dtype.kind != "b":
            array = array.astype(np.int64)
        key = array.dtype.name, array.shape, array.tobytes()
        if key not in self._arrays:
            self._arrays[key] = self._stored(array, self._free("constant"))
        return self._arrays[key]

    def param(self, param: Param) -> str:
        """The name of a Param, which is in the file once, however often it is used."""
        if param not in self._arrays:
            name = self._params.get(param, param.name)
            self._arrays[param] = self._stored(self._cast(param.value), self._free(_text(name)))
        return self._arrays[param]

    def statistic(self, name: str) -> str:
        """The name of a running statistic of the layer being written."""
        key = self.node.layer, name
        if key not in self._arrays:
            array = self._cast(np.asarray(getattr(self.node.layer, name)))
            self._arrays[key] = self._stored(array, self._free(_text(f"{self.node.name}.{name}")))
        return self._arrays[key]

    def activated(self, sigma: Any, z: str) -> str:
        """σ(z) of an activation, by its rule."""
        rule = RULES.get(type(sigma))
        if rule is None:
            raise self.unfit(f"there is no rule for its activation {type(sigma).__name__}", type(sigma).__name__)
        return rule(self, sigma, z)

    def reshaped(self, x: str, shape: Shape) -> str:
        """Examples (m, …) as (m, *shape)."""
        return self.op("Reshape", x, self.constant(np.array([-1, *shape], np.int64)))

    def lifted(self, x: str, slot: int, rank: int) -> str:
        """The input of that slot, with new axes of size 1 in front of its samples', up to a rank."""
        shape = self.node.inputs[slot].shape
        return x if len(shape) == rank else self.reshaped(x, (*(1,) * (rank - len(shape)), *shape))

    def floats(self, x: str, slot: int) -> str:
        """The input of that slot as floats: targets may be integers."""
        return x if self.node.inputs[slot].dtype.kind == "f" else self.cast(x)

    def cast(self, x: str) -> str:
        """Integers or booleans as floats."""
        return self.op("Cast", x, to=self._kind(self.dtype))

    def examples(self) -> str:
        """The number of examples, m, as an array of one integer."""
        if not self._examples:
            x = next((self.values[node] for node in self._inputs), None)
            self._examples = self.constant([1]) if x is None else self.op("Shape", x, start=0, end=1)
        return self._examples

    def exact(self, number: float) -> bool:
        """Whether an operator's attribute, which is a float32, says the number as well as the file's dtype does."""
        return self.dtype == np.float32 or float(np.float32(number)) == number

    def unfit(self, why: str, teach: str) -> GraphError:
        """The error that says why the node can't be written, and what to teach."""
        kind, name, line = type(self.node.layer).__name__, self.node.name, self.node.source
        return GraphError(
            f"{kind} {name!r} (added at {line}) can't be written as ONNX, as {why}: give it one, "
            f"@minigraph.interop.onnx.register({teach})"
        )

    # ---- what the export uses ----

    def write(self, node: Node) -> None:
        """Write a node that isn't an input, by the rule of its layer."""
        self.node = node
        rule = RULES.get(type(node.layer))
        if rule is None:
            raise self.unfit("there is no rule for its layer", type(node.layer).__name__)
        found: object = rule(self, node.layer, *(self.values[source] for source in node.inputs))
        if not isinstance(found, str):
            raise self.unfit(f"its rule returned {gist(found)}, no name of a value", type(node.layer).__name__)
        self.values[node] = self._settled(found, self._outputs.get(node) or self._free(_identifier(node.name)))
        self._infos.append(self._info(self.values[node], node))

    def finished(self) -> Any:
        """The ModelProto, checked."""
        helper, outputs = self.onnx.helper, []
        for node, name in self._outputs.items():
            if isinstance(node.layer, Input):  # ONNX has no output that is an input
                self.node = node
                self._settled(self.values[node], name)
            outputs.append(self._info(name, node))
        inputs = [self._info(self.values[node], node) for node in self._inputs]
        graph = helper.make_graph(
            self._protos, _text(self._graph.name) or "graph", inputs, outputs, self._tensors, value_info=self._infos
        )
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION, producer_name="minigraph")
        model.producer_version = version("minigraph")
        self.onnx.checker.check_model(model)
        return model

    def _settled(self, found: str, name: str) -> str:
        """Take over the operators of one node: the one that gives the result gets the node's name, in the file too."""
        if not any(found in made for _, _, made, _ in self._pending):
            found = self.op("Identity", found)  # a name of its own for what is passed on
        title = _text(self.node.name)
        for kind, inputs, made, attributes in self._pending:
            inputs, outputs = ([name if value == found else value for value in row] for row in (inputs, made))
            label = _unique(title if found in made else f"{title}/{kind}", self._titles)
            said = self.node.layer.describe() if found in made else None
            proto = self.onnx.helper.make_node(kind, inputs, outputs, label, _text(said or "") or None, **attributes)
            self._protos.append(proto)
        self._pending = []
        return name

    def _info(self, name: str, node: Node) -> Any:
        dtype = np.dtype(np.int64) if node.dtype.kind == "i" else self.dtype
        return self.onnx.helper.make_tensor_value_info(name, self._kind(dtype), ["m", *node.shape])

    def _stored(self, array: Array, name: str) -> str:
        self._bytes += array.nbytes
        if self._bytes > MOST_BYTES:
            raise GraphError(f"graph {self._graph.name!r} has weights of more than 2 GiB, the most of an ONNX file")
        self._tensors.append(self.onnx.numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name))
        return name

    def _cast(self, array: Array) -> Array:
        with np.errstate(over="ignore"):
            found: Array = array.astype(self.dtype)
        if not np.array_equal(np.isfinite(found), np.isfinite(array)):
            kind, name, line = type(self.node.layer).__name__, self.node.name, self.node.source
            raise GraphError(
                f"{kind} {name!r} (added at {line}) has numbers beyond float32: write it in float64, dtype='float64'"
            )
        return found

    def _kind(self, dtype: np.dtype[Any]) -> int:
        return int(self.onnx.helper.np_dtype_to_tensor_dtype(dtype))

    def _free(self, name: str) -> str:
        return _unique(name, self._taken)


def package() -> Any:
    """The package onnx; raises ImportError that says how to install it."""
    try:
        import onnx
    except ImportError:
        raise ImportError("writing ONNX takes the package onnx: pip install 'minigraph[onnx]'") from None
    return onnx


def _identifier(name: str) -> str:
    """A name of letters, digits and underscores, as ONNX wants for values."""
    plain = re.sub(r"\W", "_", name, flags=re.ASCII)
    return plain if plain and not plain[0].isdigit() else f"_{plain}"


def _text(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()


def _unique(name: str, taken: dict[str, int]) -> str:
    free = name
    while free in taken:
        taken[name] += 1
        free = f"{name}_{taken[name]}"
    taken[free] = 0
    return free
