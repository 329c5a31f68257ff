"""Windows along one axis of images after the other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..param import Array, Shape
from ..record import Record


class Side(NamedTuple):
    """Windows along one axis: k elements each, s apart, the first p before the start of the axis's n elements."""

    k: int
    s: int
    p: int = 0
    ceil_mode: bool = False
    n: int = 0

    @property
    def windows(self) -> int:
        """How many windows there are; less than 1 where they don't fit in."""
        room = self.n + 2 * self.p - self.k
        steps = -(-room // self.s)
        return steps + (steps * self.s < self.n + self.p) if self.ceil_mode else room // self.s + 1

    def steps(self) -> list[tuple[int, slice, slice]]:
        """Positions in a window at which there are elements: the position, the windows that have some, the elements."""
        s, steps = self.s, []
        for u in range(max(0, self.p - (self.windows - 1) * s), min(self.k, self.p + self.n)):
            start = u - self.p
            first, end = max(0, -(start // s)), min(self.windows, (self.n - 1 - start) // s + 1)
            if first < end:
                steps.append((u, slice(first, end), slice(first * s + start, (end - 1) * s + start + 1, s)))
        return steps

    def starts(self) -> Array:
        """Where each window starts, below 0 in the padding."""
        return np.arange(-self.p, self.windows * self.s - self.p, self.s)

    def lengths(self, padded: bool) -> Array:
        """How many elements each window has, those in the padding with the others if asked."""
        margin, starts = self.p if padded else 0, self.starts()
        lengths: Array = np.minimum(starts + self.k, self.n + margin) - np.maximum(starts, -margin)
        return lengths


def fold(ufunc: np.ufunc, start: float, x: Array, side: Side, axis: int, at: Record, name: str) -> Array:
    """The elements of each window along an axis joined by a ufunc, in a buffer of that name."""
    lead = (slice(None),) * axis
    out = at.buffer(name, (*x.shape[:axis], side.windows, *x.shape[axis + 1 :]))
    out.fill(start)
    for _, windows, elements in side.steps():
        part = out[(*lead, windows)]
        ufunc(part, x[(*lead, elements)], out=part)
    return out


def spread(error: Array, side: Side, axis: int, at: Record, name: str) -> Array:
    """The error of each window along an axis sent to each of its elements and added up, in a buffer of that name."""
    lead = (slice(None),) * axis
    out = at.buffer(name, (*error.shape[:axis], side.n, *error.shape[axis + 1 :]), zero=True)
    for _, windows, elements in side.steps():
        part, came = out[(*lead, elements)], error[(*lead, windows)]
        np.copyto(part, came) if side.s >= side.k else np.add(part, came, out=part)
    return out


def over(sides: tuple[Side, Side], shape: Shape) -> tuple[Side, Side]:
    """The windows' sides along the axes of images of a shape (…, h, w)."""
    return sides[0]._replace(n=shape[-2]), sides[1]._replace(n=shape[-1])
