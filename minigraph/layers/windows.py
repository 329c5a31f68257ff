"""What convolution and pooling need of sliding windows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..errors import GraphError
from ..numbers import is_whole
from ..param import Array, Shape
from ..record import Record

Sizes: TypeAlias = "int | Sequence[int]"
"""One whole number for all axes of a window, or one for each."""
Margins: TypeAlias = tuple[tuple[int, int], ...]
"""What padding puts before and behind each axis of a window."""


class Window(NamedTuple):
    """How windows lie over images: two numbers each, for height and width."""

    kernel: Shape
    stride: Shape
    dilation: Shape
    margins: Margins


def sizes(value: Any, axes: int, taker: str, what: str, least: int = 1) -> Shape:
    """A whole number for each axis, from one number for all of them or from a sequence.

    Raises GraphError, in the taker's name, for other things and for numbers below `least`.
    """
    several = tuple(value) if isinstance(value, (tuple, list, np.ndarray)) else (value,) * axes
    if len(several) != axes or not all(is_whole(n) and n >= least for n in several):
        kind = "positive whole number" if least == 1 else f"whole number of {least} or more"
        pair = "" if axes == 1 else f", or {axes} of them," if axes != 2 else ", or a pair of them,"
        raise GraphError(f"{taker} takes a {kind}{pair} as {what}, got {value!r}")
    return tuple(int(n) for n in several)


def same_padding(kernel: Shape, dilation: Shape) -> Margins:
    """Margins that keep the sizes at stride 1: d (k − 1) in all, half before (rounded down) and the rest behind."""
    totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    return tuple((total // 2, total - total // 2) for total in totals)


def counts(lengths: Shape, kernel: Shape, stride: Shape, dilation: Shape) -> Shape:
    """How many windows fit along each axis of padded lengths: ⌊(n − d (k − 1) − 1) / s⌋ + 1; less than 1 for none."""
    return tuple((n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(lengths, kernel, stride, dilation, strict=True))


def padded(x: Array, margins: Margins, out: Array | None, fill: float = 0.0) -> Array:
    """x with margins of `fill` around its last axes, in an array `out` that a former call with these returned.

    Without any margin, x itself.
    """
    if not any(map(any, margins)):
        return x
    lead = x.ndim - len(margins)
    if out is None:
        out = np.full(
            (*x.shape[:lead], *(n + sum(margin) for n, margin in zip(x.shape[lead:], margins, strict=True))),
            fill,
            x.dtype,
        )
    inner(out, margins)[...] = x
    return out


def inner(x: Array, margins: Margins) -> Array:
    """A view of what stands between the margins: where the error of a padded input belongs to the input."""
    lengths = x.shape[-len(margins) :]
    cut: Any = (..., *(slice(before, n - behind) for n, (before, behind) in zip(lengths, margins, strict=True)))
    view: Array = x[cut]
    return view


def windows(x: Array, kernel: Shape, stride: Shape, dilation: Shape) -> Array:
    """Read-only view of all windows over the last axes of x: (m, c, h, w) -> (m, c, i, j, u, v).

    Element (i, j, u, v) is x[..., i s_h + u d_h, j s_w + v d_w]; nothing is copied, and windows may overlap.
    """
    axes = len(kernel)
    lead, lengths, steps = x.shape[:-axes], x.shape[-axes:], x.strides[-axes:]
    along = tuple(step * s for step, s in zip(steps, stride, strict=True))
    within = tuple(step * d for step, d in zip(steps, dilation, strict=True))
    shape = (*lead, *counts(lengths, kernel, stride, dilation), *kernel)
    return as_strided(x, shape, (*x.strides[:-axes], *along, *within), writeable=False)


def at_position(x: Array, position: Shape, found: Shape, stride: Shape, dilation: Shape) -> Array:
    """View of the elements that stand at one position of all windows: (m, c, h, w) -> (m, c, i, j) for (u, v).

    No element stands there twice, so it may be added to: that is the way back from windows, one position at a time.
    """
    starts = [u * d for u, d in zip(position, dilation, strict=True)]
    steps = zip(starts, found, stride, strict=True)
    there: Any = (..., *(slice(start, start + (n - 1) * s + 1, s) for start, n, s in steps))
    view: Array = x[there]
    return view


class Sums:
    """The sums of convolution and their adjoints, as matrix products, for images and weights of given shapes.

        z_fij = Σ_cuv w_fcuv x_c,is+ud,js+vd        x (m, c, h, w), padded   w (f, c / groups, k, k)   z (m, f, i, j)

    A kernel's columns v are gathered: what stands there in each window is copied to a column of a matrix, which the
    product then sums over. Its rows u are gathered, too, or scattered: products for every row of x are added up
    afterwards, each u shifted by u d. This takes a stride of 1 along h, and copies less where channels are many. `at`
    keeps the columns for the way back, and scratch for one part of the batch at a time, so that it stays in the cache.
    """

    part = 2**19
    """How many numbers of scratch, more or less, fit into the cache."""

    def __init__(self, window: Window, images: Shape, weights: Shape):
        channels, height, width = images
        self.images, self.filters, self.groups = images, weights[0], channels // weights[1]
        self.stride, self.dilation = window.stride, window.dilation
        self.found = counts((height, width), *window[:3])
        rows, columns = window.kernel
        gathered = 2 * weights[1] * rows * columns * self.found[0]  # numbers copied; in short runs, at twice the cost
        scattered = (2 * weights[1] * columns + self.filters // self.groups * rows) * height
        self.scattered = rows if window.stride[0] == 1 and scattered < gathered else 1
        self.gathered = (rows // self.scattered, columns)
        self.grid = (height if self.scattered > 1 else self.found[0], self.found[1])

    def forward(self, at: Record, x: Array, w: Array, z: Array, b: Array | None) -> None:
        """Write the sums, and b added to each, into z."""
        matrix = self._matrix(w)
        for part, scratch, step in self._parts(len(x)):
            columns = self._columns(at, "columns", part, len(x))
            seen = windows(x[part], self.gathered, self.stride, self.dilation)  # (m, c, i, j, u, v)
            columns[...] = seen.transpose(1, 4, 5, 0, 2, 3)
            products = self._products(at, scratch, step)
            np.matmul(matrix, self._flat(columns), out=self._flat(products))
            out = z[part].swapaxes(0, 1)  # (f, m, i, j)
            for u, rows in enumerate(self._shifts()):
                if u:
                    np.add(out, products[:, u, :, rows], out=out)
                elif b is None:
                    out[...] = products[:, u, :, rows]
                else:
                    np.add(products[:, u, :, rows], b[:, None, None, None], out=out)

    def backward(self, at: Record, z: Array, w: Array, x: Array | None, grad: Array | None) -> None:
        """For an error z of the sums, add that of the images to x, and write that of the weights into grad.

        Either may be None. The latter needs the columns that forward left.
        """
        matrix = self._matrix(w)
        total = np.zeros_like(matrix)
        for part, scratch, step in self._parts(len(z)):
            products = self._products(at, scratch, step)
            for u, rows in enumerate(self._shifts()):
                products[:, u, :, : rows.start] = 0
                products[:, u, :, rows] = z[part].swapaxes(0, 1)
                products[:, u, :, rows.stop :] = 0
            error = self._flat(products)
            if grad is not None:
                columns = self._columns(at, "columns", part, len(z))
                total += np.matmul(error, self._flat(columns).swapaxes(1, 2))
            if x is not None:
                back = self._columns(at, "back", scratch, step)
                np.matmul(matrix.swapaxes(1, 2), error, out=self._flat(back))
                for u, v in np.ndindex(self.gathered):
                    there = at_position(x[part], (u, v), self.grid, self.stride, self.dilation)
                    np.add(there, back[:, u, v].swapaxes(0, 1), out=there)
        if grad is not None:
            kernels = self._kernels(grad)
            kernels[...] = total.reshape(kernels.shape)

    def _parts(self, m: int) -> Iterator[tuple[slice, slice, int]]:
        """Examples that are computed together, the same counted from 0, and the largest number of them."""
        step = max(1, min(m, self.part // (self.filters * self.scattered * math.prod(self.grid))))
        for start in range(0, m, step):
            stop = min(start + step, m)
            yield slice(start, stop), slice(0, stop - start), step

    def _columns(self, at: Record, name: str, part: slice, m: int) -> Array:
        """A part of a buffer for m examples as (c, u, v, part, i, j)."""
        return self._room(at, name, (self.images[0], *self.gathered), part, m)

    def _products(self, at: Record, part: slice, m: int) -> Array:
        """A part of a buffer for m examples as (f, u, part, i, j)."""
        return self._room(at, "products", (self.filters, self.scattered), part, m)

    def _room(self, at: Record, name: str, lead: Shape, part: slice, m: int) -> Array:
        each = math.prod((*lead, *self.grid))
        flat = at.buffer(name, (m * each,))[part.start * each : part.stop * each]
        return flat.reshape(*lead, part.stop - part.start, *self.grid)

    def _shifts(self) -> list[slice]:
        """For each scattered u, the rows of the products that belong to the rows i of z."""
        return [slice(u * self.dilation[0], u * self.dilation[0] + self.found[0]) for u in range(self.scattered)]

    def _kernels(self, w: Array) -> Array:
        """View of weights as (g, f / g, scattered u, c / g, gathered u, v)."""
        apart = w.reshape(self.groups, self.filters // self.groups, w.shape[1], self.scattered, *self.gathered)
        return apart.transpose(0, 1, 3, 2, 4, 5)

    def _matrix(self, w: Array) -> Array:
        rows = self.filters // self.groups * self.scattered
        return self._kernels(w).reshape(self.groups, rows, w.shape[1] * math.prod(self.gathered))

    def _flat(self, array: Array) -> Array:
        """Columns or products as a matrix for each group, with all that stands in one row of it behind each other."""
        return array.reshape(self.groups, -1, math.prod(array.shape[-3:]))
