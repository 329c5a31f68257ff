"""The sums of convolution, as matrix products."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ..param import Array, Shape
from ..record import Record
from .windows import Window, counts


class Sums:
    """The sums of convolution and their adjoints, as matrix products, for images and weights of given shapes.

        z_fij = Σ_cuv w_fcuv x_c,is+ud,js+vd        x (m, c, h, w), padded   w (f, c / groups, k, k)   z (m, f, i, j)

    A part of the examples at a time lies side by side, one wide image per channel, where neighbors share the padding
    between them. What stands there at (u, v) in all windows is one long run of numbers, and becomes a row of a matrix
    of columns: z = w columns, the error of the columns is wᵀ δ, and ∂C/∂w = δ columnsᵀ. Windows that reach from one
    example into the next are computed with the others and left out; so there are a whole number of strides from one to
    the next. Columns are gathered again on the way back: that costs less than to keep those of all examples.
    """

    part = 2**12
    """How many windows, more or less, are computed together: long runs for numpy, small matrices for the cache."""

    def __init__(self, window: Window, images: Shape, weights: Shape):
        self.window = window
        m, self.channels, h, w = images
        self.filters, self.groups = weights[0], self.channels // weights[1]
        (top, bottom), (left, right) = window.margins
        self.inside = (slice(None), slice(top, top + h), slice(None), slice(left, left + w))
        self.height = h + top + bottom
        self.found = counts((self.height, w + left + right), *window[:3])
        # windows from one example to the next; no margin before an image is wider than that behind it
        self.across = max(self.found[1], -(-(w + right) // window.stride[1]))
        parts = max(1, min(m, round(m * self.found[0] * self.across / self.part)))
        self.parts = [slice(*ends) for ends in pairwise(m * k // parts for k in range(parts + 1))]
        self.most = -(-m // parts)

    def forward(self, at: Record, x: Array, w: Array, b: Array | None, z: Array) -> None:
        """Write the sums, and b added to each, into z."""
        weights = self._matrices(w)
        for part in self.parts:
            room = self._room(at, part)
            room.gather(x[part])
            np.matmul(weights, room.columns, out=room.sums)
            if b is not None:
                np.add(room.sums, b.reshape(self.groups, -1, 1), out=room.sums)
            np.copyto(z[part], room.found)

    def backward(
        self, at: Record, delta: Array, w: Array, x: Array, grad: Array | None = None, sent: Array | None = None
    ) -> None:
        """For an error δ of the sums of x, write the weights' gradient into `grad` and the error of x into `sent`."""
        weights = self._matrices(w)
        for part in self.parts:
            room = self._room(at, part)
            room.sums.fill(0)
            np.copyto(room.found, delta[part])
            if grad is not None:
                room.gather(x[part])
                self._gradient(at, room, self._matrices(grad), part.start == 0)
            if sent is not None:
                product = np.multiply if weights.shape[1] == 1 else np.matmul
                product(weights.swapaxes(1, 2), room.sums, out=room.columns)
                room.scatter(sent[part])

    def _gradient(self, at: Record, room: Room, grad: Array, first: bool) -> None:
        """Add δ columnsᵀ to the gradient, or write the first one there."""
        error, columns = room.sums, room.columns
        if grad.shape[1] < 128:  # BLAS is faster with the larger matrix in front, until it costs more to transpose
            error, columns, grad = columns, error, grad.swapaxes(1, 2)
        share = at.buffer("share", grad.shape)
        np.matmul(error, columns.swapaxes(1, 2), out=share)
        np.copyto(grad, share) if first else np.add(grad, share, out=grad)

    def _matrices(self, w: Array) -> Array:
        """Weights as a matrix for each group."""
        return w.reshape(self.groups, self.filters // self.groups, -1)

    def _room(self, at: Record, part: slice) -> Room:
        n, height, (i, j) = part.stop - part.start, self.height, self.found
        (down, right), (u, v) = self.window.stride, self.window.dilation
        row, run = n * self.across * right, n * self.across
        wide = self._buffer(at, "wide", n, self.channels * height * row, (self.window.kernel[1] - 1) * v)
        columns = self._buffer(at, "columns", n, self.channels * math.prod(self.window.kernel) * i * run)
        sums = self._buffer(at, "sums", n, self.filters * i * run)
        lying = wide[: self.channels * height * row].reshape(self.channels, height, n, -1)
        places = columns.reshape(self.channels, *self.window.kernel, i, run)
        strides = [wide.itemsize * step for step in (height * row, u * row, v, down * row, right)]
        return Room(
            wide,
            lying[self.inside].transpose(2, 0, 1, 3),
            np.ndarray(places.shape, wide.dtype, wide, 0, strides),
            places,
            columns.reshape(self.groups, -1, i * run),
            sums.reshape(self.groups, -1, i * run),
            sums.reshape(self.filters, i, n, -1)[..., :j].transpose(2, 0, 1, 3),
        )

    def _buffer(self, at: Record, name: str, n: int, size: int, tail: int = 0) -> Array:
        """A buffer of a size for n examples, and a tail; it has room for any part."""
        return at.buffer(name, (size // n * self.most + tail,))[: size + tail]


class Room(NamedTuple):
    """Views of scratch for n examples side by side."""

    wide: Array
    """All of the wide, padded images, and what the last windows reach behind them, as one row."""
    images: Array
    """The examples in them: (n, c, h, w), without padding."""
    windows: Array
    """What stands in them at each position of all windows: (c, u, v, i, n j). Windows overlap, positions don't."""
    places: Array
    """Room for a copy of that."""
    columns: Array
    """The same as a matrix for each group."""
    sums: Array
    """The sums of each group's windows: (groups, f / groups, i n j)."""
    found: Array
    """Those of windows within one example: (n, f, i, j)."""

    def gather(self, x: Array) -> None:
        """Copy what the windows of x see to the columns."""
        self.wide.fill(0)
        np.copyto(self.images, x)
        np.copyto(self.places, self.windows)

    def scatter(self, x: Array) -> None:
        """Add up the columns where windows see them, and copy that to x."""
        self.wide.fill(0)
        for u, v in np.ndindex(self.places.shape[1:3]):
            np.add(self.windows[:, u, v], self.places[:, u, v], out=self.windows[:, u, v])
        np.copyto(x, self.images)
