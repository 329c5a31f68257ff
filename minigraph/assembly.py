"""Assembly: putting layers, inputs and costs together, everything checked where it is added."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .block import Block
from .caller import user_line
from .costs import Cost
from .errors import GraphError, LayerError, MinigraphError, ShapeError
from .gist import gist
from .layer import Input, Layer, Node, graph_of
from .layers import StopGradient
from .numbers import is_whole
from .param import Arena, Shape, moment
from .record import whole
from .wiring import Wiring

MOST_ELEMENTS = 1 << 59
"""Of float64, so many fit into the largest arrays that numpy knows."""
_NO_ARRAY_SO_LARGE = "Unable to allocate", "Maximum allowed dimension exceeded", "array is too big", "int too large"


class Assembly(Wiring):
    """A wiring that layers are added to: it knows the dtype they compute in and draws their initial weights."""

    def __init__(self, name: str = "graph", *, seed: int | None = None, dtype: str = "float64"):
        super().__init__(name)
        self.dtype = float_dtype(dtype, f"graph {name!r}")
        self.seed = seed
        self._entropy = np.random.SeedSequence(None if seed is None else whole(seed, f"graph {name!r}")).entropy
        self.rng = np.random.default_rng(self._entropy)
        self._runs = 0
        self._arena = Arena()
        self.warned: int | None = None

    @property
    def _draws(self) -> dict[str, Any]:
        """What decides all random numbers to come, of weights and of runs."""
        seed = None if self.seed is None else int(self.seed)
        state = self.rng.bit_generator.state
        return {"seed": seed, "entropy": self._entropy, "generator": state, "runs": self._runs}

    @_draws.setter
    def _draws(self, found: Mapping[str, Any]) -> None:
        self.seed, self._entropy, self._runs = found["seed"], found["entropy"], found["runs"]
        self.rng.bit_generator.state = found["generator"]

    def input(self, name: str, shape: int | Iterable[int], dtype: Any = None) -> Node:
        """Add an input for samples of a shape (without the batch axis; () for single numbers) and return its node.

        `dtype=int` is for labels and indices; else the graph's dtype. Raises GraphError for a bad shape or dtype.
        """
        sizes = tuple(shape) if isinstance(shape, Iterable) else (shape,)
        said, line = f"input {name!r}", user_line()
        if any(not is_whole(n) or n < 1 for n in sizes):
            raise GraphError(f"{said} takes a shape of positive whole numbers, got {gist(shape)} (at {line})")
        if math.prod(int(n) for n in sizes) > MOST_ELEMENTS:
            raise GraphError(f"{said} takes fewer elements, got shape {gist(shape)}: no array has so many (at {line})")
        try:
            kind = np.dtype(self.dtype if dtype is None else dtype)
        except TypeError:
            raise GraphError(f"{said} takes floats or integers (dtype=int), got dtype {dtype!r} (at {line})") from None
        if kind.kind not in "fi":
            raise GraphError(f"{said} takes floats or integers (dtype=int), got dtype {kind} (at {line})")
        kind = np.dtype(np.int64) if kind.kind == "i" else self.dtype
        layer = Input(tuple(int(n) for n in sizes))
        return self.append(layer, self.names.claim(name), (), layer.shape, kind, source=line)

    def add(self, layer: Layer | Block, *inputs: Node, name: str | None = None) -> Any:
        """Use a layer on nodes of this graph and return the new node; a graph is inlined as a block of nodes.

        Inlining shares the layers and with them the Params; costs and their targets stay outside. It returns the
        block's output node, or a tuple of them. Raises GraphError and ShapeError with the node, what its layer takes,
        what it got and the line that added it.
        """
        if isinstance(layer, type) and issubclass(layer, Layer):
            kind = layer.__name__
            raise GraphError(f"g.add takes a layer, got the class {kind}: call it first, {kind}(…) (at {user_line()})")
        if not isinstance(layer, (Layer, Block)):
            raise GraphError(f"g.add takes a layer or a graph, got {gist(layer)} (at {user_line()})")
        where = type(layer).__name__
        if not inputs and not (isinstance(layer, Cost) and layer.judged == 0):
            raise GraphError(f"g.add({where}) takes the nodes that feed it, got none (at {user_line()})")
        if inputs and graph_of(inputs, where) is not self:
            graph_of((*self.nodes[:1], *inputs), where)  # names both graphs
            raise GraphError(f"{where} was given nodes of graph {inputs[0].graph.name!r}, not of {self.name!r}")
        if isinstance(layer, Block):
            return layer.inline(self, inputs, name)
        full = self.names.claim(name) if name is not None else self.names.suggest(layer)
        line, before, known = user_line(), moment(), set(layer.params.values())
        shape = self.built(layer, inputs, f"{where} {full!r}", line, self.rng)
        for param in layer.params.values():
            if param not in known and param.version > before:
                self._arena.settle(param)
        return self.append(layer, full, inputs, shape, self.dtype, source=line)

    def built(
        self, layer: Layer, inputs: tuple[Node, ...], said: str, line: str, rng: np.random.Generator | None = None
    ) -> Shape:
        """Have a layer built for these inputs and return its output's shape; what it says no to names it as `said`.

        New Params are drawn from the generator. None draws none: the layer has to have its Params.
        """
        before, state = layer.params, dict(vars(layer))
        try:
            self._check_kinds(layer, inputs)
            shape = layer.build(*(node.shape for node in inputs), rng=rng, dtype=self.dtype)
            if before and not set(before.values()) <= set(layer.params.values()):
                vars(layer).clear()
                vars(layer).update(state)
                raise LayerError(
                    f"made new Params in the place of its {', '.join(before)[:80]}: build is called for each use, and "
                    "creates Params once, as in: if not self.ws: …"
                )
        except MinigraphError as fault:
            raise type(fault)(f"{said} {fault} (added at {line})") from None
        except Exception as fault:
            if _too_large(fault):
                raise ShapeError(
                    f"{said} needs more memory than there is: {fault}: take smaller sizes (added at {line})"
                ) from fault
            takes = _arity(layer)
            if takes is None or takes == len(inputs):
                raise LayerError(
                    f"{said}: build failed with {type(fault).__name__}: {fault} (added at {line})"
                ) from fault
            count = "1 input" if takes == 1 else f"{takes} inputs"
            remedy = ": join them first, as by Concat()" if takes < len(inputs) else ""
            raise ShapeError(f"{said} takes {count}, got {len(inputs)}{remedy} (added at {line})") from None
        if not isinstance(shape, tuple) or not all(isinstance(n, (int, np.integer)) and n > 0 for n in shape):
            raise LayerError(f"{said}: build must return a sample shape, a tuple, got {gist(shape)} (added at {line})")
        if math.prod(map(int, shape)) > MOST_ELEMENTS:
            raise ShapeError(
                f"{said} makes samples of shape {shape}, larger than any array: take smaller sizes (added at {line})"
            )
        return tuple(int(n) for n in shape)

    def cost(
        self,
        layer: Cost,
        *outputs: Node,
        target: str | Node | None = None,
        weights: str | Node | None = None,
        name: str | None = None,
    ) -> Node:
        """Add a cost of outputs and return its node; a target, "t" unless named, that is a new name becomes an input.

        `weights` is an input with a number for each example, by which its C_x counts; a new name becomes an input, too.
        Raises GraphError for a target where the cost takes none, and what `add` raises; then nothing is added.
        """
        line = user_line()
        if not isinstance(layer, Cost):
            a_class = isinstance(layer, type) and issubclass(layer, Cost)
            remedy = f"make one of it, {layer.__name__}(…)" if a_class else "g.add takes other layers"
            raise GraphError(f"g.cost takes a cost from minigraph.costs, got {gist(layer)}: {remedy} (at {line})")
        kind = type(layer).__name__
        if target is not None and not layer.takes_target:
            raise GraphError(f"{kind} takes no target, got {gist(target)}: leave it out (at {line})")
        layer.choose(self)
        sides = [target or "t"] if layer.takes_target else []
        sides += [] if weights is None else [weights]
        graph_of((*self.nodes[:1], *outputs, *(side for side in sides if not isinstance(side, str))), kind)
        if len(outputs) != layer.judged:
            remedy = "give each output a cost of its own" if layer.judged == 1 < len(outputs) else "name them all"
            raise ShapeError(
                f"{kind} judges {layer.judged} of a graph's outputs, got {len(outputs)}: {remedy} (at {line})"
            )
        new = 0
        try:
            for side in sides:
                if isinstance(side, str) and side not in self.names.nodes:
                    is_target = layer.takes_target and side is sides[0]
                    shape, dtype = layer.target(*(node.shape for node in outputs)) if is_target else ((), float)
                    self.input(side, shape, dtype=int if dtype is int else None)
                    new += 1
            node: Node = self.add(layer, *outputs, *(self[side] for side in sides), name=name)
        except MinigraphError:
            for _ in range(new):
                self.drop_last()
            raise
        return node

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_arena": Arena()}  # copies of Params lie elsewhere

    def recast(self, kind: np.dtype[Any]) -> None:
        """Compute in another float dtype from now on, with Params and running statistics converted to it."""
        for param in self.params.values():
            param.recast(kind)
        for layer in {node.layer for node in self.nodes}:
            for name in layer.statistics:
                if getattr(layer, name, None) is not None:
                    setattr(layer, name, getattr(layer, name).astype(kind))
        for node in self.nodes:
            node.dtype = kind if node.dtype.kind == "f" else node.dtype
        self.dtype = kind

    def _check_kinds(self, layer: Layer, inputs: tuple[Node, ...]) -> None:
        constant = layer.constants([node.shape for node in inputs])
        for slot, node in enumerate(inputs):
            floats = slot not in constant or isinstance(layer, StopGradient)
            if floats and node.dtype.kind != "f":
                raise ShapeError(
                    f"takes floats, got the integers of {node.name!r}: declare it without dtype=int, or put Embedding "
                    "before it"
                )
            fixed = isinstance(node.layer, (Input, StopGradient))
            if isinstance(layer, Cost) and slot in constant and not fixed and layer.judged:
                role = "target" if layer.takes_target and slot == layer.judged else "weights of the examples"
                raise GraphError(
                    f"takes an input as its {role}, got the computed {node.name!r}, to which no error would flow: "
                    f"put StopGradient() between if that is meant"
                )


def _too_large(fault: Exception) -> bool:
    """Whether numpy says that an array is larger than memory, or than any array can be."""
    return any(words in str(fault) for words in _NO_ARRAY_SO_LARGE)


def _arity(layer: Layer) -> int | None:
    """How many shapes the layer's `build` takes; None when it takes any number."""
    kinds = [p.kind for p in inspect.signature(layer.build).parameters.values()]
    return None if inspect.Parameter.VAR_POSITIONAL in kinds else kinds.count(inspect.Parameter.POSITIONAL_OR_KEYWORD)


def float_dtype(dtype: Any, taker: str) -> np.dtype[Any]:
    """The dtype meant, if it is float64 or float32; else raises GraphError."""
    for kind in (np.dtype("float64"), np.dtype("float32")):
        if dtype in (kind.name, kind.type):
            return kind
    raise GraphError(f"{taker} takes dtype float64 or float32, got {dtype!r}")
