"""Parts of samples, as nodes of their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..block import Block
from ..caller import user_line
from ..errors import GraphError, ShapeError
from ..layer import Layer, Node
from ..numbers import is_whole
from ..param import Array, Shape
from ..record import Record
from .axes import found


@dataclass(eq=False)
class Slice(Layer):
    """A part of each sample, by numpy's basic indexing: whole numbers, slices, `...` and None for a new axis.

        a = x[:, *index],   error to the input = error at [:, *index], 0 elsewhere

    x (m, *shape) -> a (m, *shape of the part). `Slice(3)`, `Slice((slice(1, 3), ...))`; `node[1:3, ...]` for short.
    """

    steady: ClassVar[bool] = True

    index: Any

    def __post_init__(self) -> None:
        parts = self.index if isinstance(self.index, tuple) else (self.index,)
        if not all(map(_is_basic, parts)) or sum(part is Ellipsis for part in parts) > 1:
            raise GraphError(
                f"Slice takes whole numbers, slices, None and at most one ..., got {self.index!r}: "
                f"it picks no elements by arrays"
            )
        self.index = tuple(int(part) if is_whole(part) else part for part in parts)

    def build(self, shape: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples that have such a part."""
        part: Shape
        try:
            part = np.shape(np.broadcast_to(False, shape)[self.index])
        except IndexError:
            part = (0,)
        if 0 in part:
            raise ShapeError(f"takes the part {_shown(self.index)}, got samples of shape {shape}, which have none such")
        return part

    def forward(self, at: Record, x: Array) -> Array:
        """The part, as a view."""
        return x[(slice(None), *self.index)]

    def backward(self, at: Record, error: Array) -> Array:
        """The error in its place among zeros."""
        if at.sent is None:
            at.sent = np.zeros_like(at.inputs[0], order="C")  # what lies outside the part stays 0 ever after
        at.sent[(slice(None), *self.index)] = error
        return at.sent

    def describe(self) -> str:
        """The layer and its index."""
        return f"Slice {_shown(self.index)}"


@dataclass(eq=False)
class Split(Block):
    """Parts of the samples along one axis, one node each: a block of Slices named `name/0`, `name/1`, …

        a_0, a_1, … = parts of x,   error to the input = theirs, in their places

    x (m, …, Σ k_i, …) -> a_i (m, …, k_i, …). `sections` is the number of equal parts, or a list of the sizes k_i.
    `Split(2)(node)` and `node >> Split(2)` return the nodes as a tuple.
    """

    sections: Any
    axis: int = -1
    name: str = "split"

    def __post_init__(self) -> None:
        sizes = tuple(self.sections) if isinstance(self.sections, Iterable) else (self.sections,)
        if not sizes or any(not is_whole(n) or n < 1 for n in sizes):
            raise GraphError(f"Split takes a positive number of parts, or a list of their sizes, got {self.sections!r}")
        if not is_whole(self.axis):
            raise GraphError(f"Split takes a whole number as axis, got {self.axis!r}")
        if not isinstance(self.name, str):
            raise GraphError(f"Split takes text as its name, got {self.name!r}")

    def inline(self, graph: Any, inputs: Sequence[Node], name: str | None) -> tuple[Node, ...]:
        """Add the Slices and return them; raises ShapeError, and adds nothing, where the sizes don't fit."""
        prefix = graph.names.unique(self.name) if name is None else graph.names.claim(name)
        try:
            slices = self._slices(inputs)
        except ShapeError as fault:
            raise ShapeError(f"Split {prefix!r} {fault} (added at {user_line()})") from None
        graph.names.nodes[prefix] = None
        return tuple(
            graph.append(layer, graph.names.unique(f"{prefix}/{i}"), (inputs[0],), shape, graph.dtype, (prefix,))
            for i, (layer, shape) in enumerate(slices)
        )

    def _slices(self, inputs: Sequence[Node]) -> list[tuple[Slice, Shape]]:
        """The layers that cut the parts out, each with the shape of its part."""
        if len(inputs) != 1:
            raise ShapeError(f"takes 1 input, got {len(inputs)}")
        source, shape = inputs[0], inputs[0].shape
        if source.dtype.kind != "f":
            raise ShapeError(f"takes floats, got the integers of {source.name!r}")
        (axis,) = found((self.axis,), shape, "cuts")
        before, behind, total = shape[:axis], shape[axis + 1 :], shape[axis]
        if isinstance(self.sections, Iterable):
            sizes = [int(n) for n in self.sections]
        else:
            sizes = [total // self.sections] * self.sections
        if sum(sizes) != total:
            parts = f"sizes {sizes}" if isinstance(self.sections, Iterable) else f"{self.sections} equal parts"
            raise ShapeError(f"cuts axis {axis} into {parts}, got samples of shape {shape}")
        ends = np.cumsum(sizes).tolist()
        whole = (slice(None),) * axis
        return [
            (Slice((*whole, slice(end - n, end))), (*before, n, *behind)) for n, end in zip(sizes, ends, strict=True)
        ]


def _is_basic(part: Any) -> bool:
    if isinstance(part, slice):
        return part.step != 0 and all(n is None or is_whole(n) for n in (part.start, part.stop, part.step))
    return part is None or part is Ellipsis or is_whole(part)


def _shown(index: tuple[Any, ...]) -> str:
    """[1:3, ..., 0], as it is written behind an array."""
    return f"[{', '.join(_part(part) for part in index)}]"


def _part(part: Any) -> str:
    if not isinstance(part, slice):
        return "..." if part is Ellipsis else repr(part)
    step = "" if part.step is None else f":{part.step}"
    return f"{'' if part.start is None else part.start}:{'' if part.stop is None else part.stop}{step}"
