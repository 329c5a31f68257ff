"""Layers that enlarge samples: elements repeated, margins added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from ..errors import GraphError, ShapeError
from ..layer import Layer
from ..numbers import is_real, is_whole
from ..param import Array, Shape
from ..record import Record
from .pool import by, image
from .sides import Side, fold, spread
from .windows import Margins, Sizes, inner, padded, sizes


@dataclass(eq=False)
class UpSample2D(Layer):
    """An image enlarged by whole factors, each element repeated: nearest neighbors.

        a_ij = x_⌊i/f⌋⌊j/g⌋,   error to x_kl = Σ error_ij over its f g copies       x (m, c, h, w) -> a (m, c, f h, g w)

    `size` is (f, g), or one number for both. It is torch.nn.Upsample(scale_factor=size).
    """

    steady: ClassVar[bool] = True

    size: Sizes
    factors: Shape = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.factors = sizes(self.size, 2, "UpSample2D", "size")

    def build(self, shape: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Images (c, h, w) -> (c, f h, g w)."""
        c, h, w = image(shape)
        return (c, h * self.factors[0], w * self.factors[1])

    def forward(self, at: Record, x: Array) -> Array:
        """Columns, then rows repeated."""
        f, g = self.factors
        down, right = Side(f, f, n=f * x.shape[2]), Side(g, g, n=g * x.shape[3])
        at.a = spread(spread(x, right, 3, at, "rows"), down, 2, at, "a")
        return at.a

    def backward(self, at: Record, error: Array) -> Array:
        """The errors of all copies, added up."""
        f, g = self.factors
        down, right = Side(f, f, n=error.shape[2]), Side(g, g, n=error.shape[3])
        return fold(np.add, 0.0, fold(np.add, 0.0, error, down, 2, at, "sent rows"), right, 3, at, "sent")

    def describe(self) -> str:
        """The layer and its factors."""
        return f"UpSample2D {by(self.factors)}"


@dataclass(eq=False)
class Pad(Layer):
    """Samples with margins along their last axes.

        a = x between margins              x (m, …, n, …) -> a (m, …, before + n + after, …)
        error to the input = the inner part of the error, plus each margin's error at the element that it repeats

    `widths` has a pair (before, after) for each of the last axes: ((1, 1), (0, 2)) pads the last but one by one element
    on both sides, the last by two at its end. A whole number goes on both sides of every axis but the first, that of
    the channels. The margins are `value` ("constant"), the sample mirrored at its outermost elements, which aren't
    repeated ("reflect": margins are narrower than the axis), or its outermost elements repeated ("edge"). The modes are
    those of numpy.pad and, with "replicate" for "edge", of torch.nn.functional.pad.
    """

    steady: ClassVar[bool] = True

    widths: int | Sequence[tuple[int, int]]
    mode: str = "constant"
    value: float = 0.0

    def __post_init__(self) -> None:
        if not _are_widths(self.widths):
            raise GraphError(
                f"Pad takes a whole number of 0 or more as widths, or a pair (before, after) of them for each of the "
                f"last axes, got {self.widths!r}"
            )
        if not isinstance(self.mode, str) or self.mode not in ("constant", "reflect", "edge"):
            raise GraphError(f"Pad takes the mode 'constant', 'reflect' or 'edge', got {self.mode!r}")
        if not is_real(self.value) or (self.value != 0 and self.mode != "constant"):
            raise GraphError(f"Pad takes a real number as value, in the mode 'constant' only, got {self.value!r}")

    def build(self, shape: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples with as many axes as there are pairs, or with an axis behind that of the channels."""
        margins = self._margins(len(shape))
        if not margins or len(margins) > len(shape):
            least = f"{len(margins)} axes or more" if margins else "an axis behind the channels'"
            raise ShapeError(f"takes samples with {least}, got {shape}: give a pair of widths for each axis to pad")
        lead, last = shape[: -len(margins)], shape[-len(margins) :]
        if self.mode == "reflect" and any(max(margin) >= n for n, margin in zip(last, margins, strict=True)):
            raise ShapeError(f"takes axes longer than the margins {margins} that reflect them, got samples of {shape}")
        return (*lead, *(n + sum(margin) for n, margin in zip(last, margins, strict=True)))

    def forward(self, at: Record, x: Array) -> Array:
        """The sample put between the margins, which are then filled axis by axis."""
        margins = self._margins(x.ndim - 1)
        at.a = padded(x, margins, at.a, self.value)
        for _, margin, repeated in self._repeats(at.a.shape, margins):
            at.a[margin] = at.a[repeated]
        return at.a

    def backward(self, at: Record, error: Array) -> Array:
        """The inner part, after each margin's error was added to the elements that it repeats."""
        margins = self._margins(error.ndim - 1)
        repeats = self._repeats(error.shape, margins)
        if repeats:
            given, error = error, at.buffer("gathered", error.shape)
            error[...] = given
        for axis, margin, repeated in repeats:
            part = error[margin]
            error[repeated] += part.sum(axis=axis, keepdims=True) if self.mode == "edge" else part
        return inner(error, margins)

    def _margins(self, axes: int) -> Margins:
        """Widths (before, after) for each of the last of a sample's axes."""
        if isinstance(self.widths, Sequence):
            return tuple((int(before), int(after)) for before, after in self.widths)
        return ((int(self.widths),) * 2,) * (axes - 1)

    def _repeats(self, shape: Shape, margins: Margins) -> list[tuple[int, Any, Any]]:
        """For each margin that repeats elements: its axis, its place and theirs, in an array with margins."""
        repeats: list[tuple[int, Any, Any]] = []
        for axis, (before, after) in enumerate(margins, len(shape) - len(margins)):
            end, last, lead = shape[axis], shape[axis] - after - 1, (slice(None),) * axis
            if self.mode == "edge":
                left = slice(before), slice(before, before + 1)
                right = slice(last + 1, end), slice(last, last + 1)
            else:
                left = slice(before - 1, None, -1), slice(before + 1, 2 * before + 1)
                right = slice(end - 1, last, -1), slice(last - after, last)
            for width, (margin, repeated) in ((before, left), (after, right)):
                if width and self.mode != "constant":
                    repeats.append((axis, (*lead, margin), (*lead, repeated)))
        return repeats

    def describe(self) -> str:
        """The layer and what its margins are."""
        return f"Pad {self.value:g}" if self.mode == "constant" else f"Pad {self.mode}"


def _are_widths(widths: Any) -> bool:
    if is_whole(widths):
        return widths >= 0
    if not isinstance(widths, (tuple, list)) or not widths:
        return False
    pairs = (tuple(pair) if isinstance(pair, (tuple, list)) else () for pair in widths)
    return all(len(pair) == 2 and all(is_whole(n) and n >= 0 for n in pair) for pair in pairs)
