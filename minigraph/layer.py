"""Layer, Node and Neurons: the contract between a piece of mathematics and the graph it stands in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np

from . import initializers
from .activations import Activation
from .caller import user_line
from .errors import GraphError, NotBuiltError, ShapeError
from .gist import gist
from .initializers import Initial
from .param import Array, Param, Shape, Transposed, moment
from .record import Record

if TYPE_CHECKING:
    from .block import Block
    from .graph import Graph

    Operand: TypeAlias = "Node | float | Array"


@dataclass(eq=False)
class Layer:
    """The mathematics of a node and its hyper-parameters. It keeps nothing about any run.

    A layer of one's own is a dataclass (`@dataclass(eq=False)`) with three methods:

        build(self, *shapes, rng, dtype) -> shape   check the samples' shapes (no batch axis), create the Params once
        forward(self, at, *inputs) -> array         m rows in, m rows out; save what backward needs on `at`
        backward(self, at, error) -> array(s)       one error an input, None where nothing can flow; set at.grad[param]

    `error` is Σ_x ∂C_x/∂(output). Never write into an array that was handed in. A `frozen` layer's Params count as
    constants: its uses add nothing to the gradient of a Param that it shares with other layers.
    """

    name: str | None = field(default=None, kw_only=True)
    frozen: bool = field(default=False, kw_only=True)

    mixes_examples: ClassVar[bool] = False
    """Whether a row of the output depends on other rows of the input."""
    constant_inputs: ClassVar[frozenset[int]] = frozenset()
    """Inputs that no error flows to and that may be integers: targets, indices."""
    statistics: ClassVar[tuple[str, ...]] = ()
    """Attributes with arrays that training moves without a gradient: running means and the like."""

    steady: ClassVar[bool] = False
    """Whether forward and backward make the same numpy calls with the same arrays in every sweep, whatever the numbers.

    From the third sweep on, a run makes these calls without the layer. It holds for the class that says so, not for
    those derived from it: layers of one's own are always called.
    """

    edition: ClassVar[int] = 0
    """Another number whenever a layer is frozen, thawed, given another Param or, a steady one, changed: runs notice."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "frozen" and not isinstance(value, (bool, np.bool_)):
            raise GraphError(f"{type(self).__name__} takes frozen as True or False, got {value!r}")
        before = self.__dict__.get(name, self)
        object.__setattr__(self, name, value)
        changed = before is not self and before is not value
        if changed and (name == "frozen" or Param in (type(before), type(value)) or "steady" in vars(type(self))):
            Layer.edition = moment()  # a number that no other thread gives it

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            kind = type(self)
            field_ = kind.__dataclass_fields__.get(name)
            if field_ is not None and not field_.init:
                raise NotBuiltError(f"{kind.__name__} has no {name} yet: its first use, g.add(…), creates it")
            raise AttributeError(f"{kind.__name__!r} object has no attribute {name!r}")

    def build(self, *shapes: Any, **context: Any) -> Shape:
        """Check the inputs' sample shapes, create the Params once, and return the output's sample shape."""
        raise NotImplementedError(f"{type(self).__name__} has no build(self, *shapes, rng, dtype)")

    def forward(self, at: Record, *inputs: Any, **_: Any) -> Array:
        """Compute the output, m rows, from inputs of m rows each."""
        raise NotImplementedError(f"{type(self).__name__} has no forward(self, at, *inputs)")

    def backward(self, at: Record, error: Array) -> Any:
        """Compute the error for each input and set at.grad[param] for each Param."""
        raise NotImplementedError(f"{type(self).__name__} has no backward(self, at, error)")

    def constants(self, shapes: Sequence[Shape]) -> frozenset[int]:
        """Which of its inputs no error flows to in a use with samples of these shapes: `constant_inputs`."""
        return self.constant_inputs

    def fixed(self, name: str) -> Any:
        """Where in its Param of that name no gradient goes, though outputs depend on it: an index. None: nowhere."""
        return None

    def commit(self, at: Record) -> None:
        """Take over what a training sweep left on `at` (running statistics); called once a training step."""

    @property
    def params(self) -> dict[str, Param]:
        """The layer's Params by attribute name; those in a list, a dict or a layer of its own as "ws.0", "inner.w".

        A Param with several names, as one that was handed in as initial value, goes by the last.
        """
        found: dict[Param, str] = {}
        for name, value in vars(self).items():
            if isinstance(value, Param):
                found[value] = name
            elif isinstance(value, (Layer, list, tuple, dict)):
                found.update((param, inner) for inner, param in _params_in(name, value))
        return {name: param for param, name in found.items()}

    def param(
        self,
        name: str,
        shape: Shape,
        initial: Initial,
        *,
        rng: np.random.Generator | None,
        dtype: np.dtype[Any],
    ) -> Param:
        """Create the Param of that name or, if it is there or handed in as `initial`, check that it fits.

        Raises ShapeError when this use needs another shape, GraphError when it needs another dtype, and for a Param to
        create without a generator, as when a file is loaded.
        """
        there: Param | None = getattr(self, name, None)
        if isinstance(initial, Param):
            there = initial if there is None else there
        elif there is None:
            if isinstance(initial, (Transposed, Layer)):
                hint = "no transposed weights" if isinstance(initial, Transposed) else "no layer, but its Param"
                raise GraphError(f"takes {hint} as initial {name}: share a Param, weights=other.w")
            if rng is None:
                raise GraphError(f"has no {name} of shape {shape} yet")
            values = np.asarray(initializers.resolve(initial)(shape, rng))
            if values.dtype.kind not in "fiu":
                raise ShapeError(f"needs float initial values for {name}, got {values.dtype}")
            if values.shape != shape:
                raise ShapeError(f"needs initial values of shape {shape} for {name}, got {values.shape}")
            return Param(values.astype(dtype), name)
        if there.shape != shape:
            raise ShapeError(
                f"has {name} of shape {there.shape} already, but this input needs {shape}: "
                f"use another {type(self).__name__} here"
            )
        if there.dtype != dtype:
            said = f"has {name} of {there.dtype}, but this graph computes in {dtype}"
            raise GraphError(f"{said}: give both graphs one dtype")
        return there

    def describe(self) -> str:
        """A few words for tables and drawings: the layer and what sets it apart."""
        return type(self).__name__

    def __call__(self, *nodes: Node, name: str | None = None) -> Node:
        """Use the layer on nodes: the short way to write `graph.add(layer, *nodes)`."""
        kind = type(self).__name__
        if not nodes:
            raise GraphError(f"{kind}() is called with the nodes it takes: {kind}()(node) (at {user_line()})")
        node: Node = graph_of(nodes, kind).add(self, *nodes, name=name)
        return node

    def __rrshift__(self, nodes: Sequence[Node]) -> Node:
        """`(u, v) >> layer`: the same as layer(u, v)."""
        return self(*nodes)


def _params_in(name: str, value: Any) -> Iterator[tuple[str, Param]]:
    if isinstance(value, Param):
        yield name, value
    elif isinstance(value, Layer):
        yield from ((f"{name}.{inner}", param) for inner, param in value.params.items())
    elif isinstance(value, (list, tuple, dict)):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _params_in(f"{name}.{key}", part)


@dataclass(eq=False)
class Neurons(Layer):
    """Layers of neurons, with a weighted input z, an activation a = σ(z) and an error δ = ∂C/∂z.

    A subclass sets `sigma` and has `weigh` and `backward`; forward weighs, then activates.
    """

    sigma: Activation = field(init=False, repr=False)

    def weigh(self, at: Record, a: Array) -> Array:
        """Compute the weighted input z of the neurons from the activations a of those before."""
        raise NotImplementedError(f"{type(self).__name__} has no weigh(self, at, a)")

    def forward(self, at: Record, a: Array) -> Array:
        """Weigh, then activate."""
        at.z = self.weigh(at, a)
        at.a = self.sigma(at.z, out=at.a)
        return at.a

    def describe(self) -> str:
        """The layer and its activation."""
        return f"{type(self).__name__} {self.sigma}"


@dataclass(eq=False)
class Input(Layer):
    """Where arrays come in: samples of a declared shape, of the graph's dtype or of integers."""

    shape: Shape = ()

    def build(self, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Return the declared shape."""
        return self.shape

    def backward(self, at: Record, error: Array) -> tuple[()]:
        """Nothing stands before an input."""
        return ()


class Node:
    """One use of a layer in one graph.

    Its `name` is unique there, `inputs` are nodes in order, `shape` and `dtype` those of a sample of its output,
    `block` the names of the blocks around it, `source` the line that added it. Operators make nodes: u + v, u[0], −u.
    """

    __slots__ = ("block", "constant_inputs", "dtype", "graph", "id", "inputs", "layer", "name", "shape", "source")

    def __init__(
        self,
        graph: Graph,
        id: int,
        layer: Layer,
        name: str,
        inputs: tuple[Node, ...],
        shape: Shape,
        dtype: np.dtype[Any],
        block: tuple[str, ...],
        source: str,
    ):
        self.graph = graph
        self.id = id
        self.layer = layer
        self.name = name
        self.inputs = inputs
        self.shape = shape
        self.constant_inputs = layer.constants([source.shape for source in inputs])
        self.dtype = dtype
        self.block = block
        self.source = source

    def __rshift__(self, then: Layer | Block) -> Any:
        """`node >> layer`: the same as layer(node); a graph is inlined as a block."""
        if isinstance(then, type) or not callable(then):
            hint = f": call it first, {then.__name__}(…)" if isinstance(then, type) else ""
            raise GraphError(f"{self.name!r} >> takes a layer or a graph, got {gist(then)}{hint} (at {user_line()})")
        return then(self)

    # numpy's arrays leave `array + node` to the node; a node has parts, node[0], but is no sequence of them
    __array_ufunc__ = None
    __iter__ = None

    if TYPE_CHECKING:  # layers/operators.py defines them, out of layers

        def __add__(self, other: Operand) -> Node: ...

        __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __add__

        def __matmul__(self, other: Node) -> Node: ...
        def __pow__(self, exponent: float) -> Node: ...
        def __neg__(self) -> Node: ...
        def __getitem__(self, index: Any) -> Node: ...

    def __repr__(self) -> str:
        return f"<Node {self.name!r}: {self.layer.describe()}, samples of shape {self.shape}>"

    def __reduce__(self) -> tuple[Any, ...]:
        graph_of([self], "a copy")
        return _node_of, (self.graph, self.name)


def _node_of(graph: Graph, name: str) -> Node:
    return graph[name]


def graph_of(nodes: Sequence[Any], taker: str) -> Graph:
    """The one graph that all nodes belong to; raises GraphError naming both graphs when there are two."""
    for node in nodes:
        if isinstance(node, Layer):
            kind = type(node).__name__
            fault = f"takes nodes, got the layer {kind}: call it first, {kind}(…)(node)"
        elif not isinstance(node, Node):
            fault = f"takes nodes, got {gist(node)}: a node is what g.input(…) or layer(node) returns"
        elif node.id < 0:
            fault = f"can't use {node.name!r}, which was taken out of its graph"
        elif node.graph is not nodes[0].graph:
            u, v = (f"{n.name!r} is in {n.graph.name!r} (added at {n.source})" for n in (nodes[0], node))
            fault = f"can't mix nodes of two graphs: {u}, {v}: put one graph into the other, g.add(graph, …)"
        else:
            continue
        raise GraphError(f"{taker} {fault} (at {user_line()})")
    graph: Graph = nodes[0].graph
    return graph
