"""Pooling: each window of an image, or each whole image, in one number."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any, ClassVar

import numpy as np

from ..errors import GraphError, ShapeError
from ..layer import Layer
from ..param import Array, Shape
from ..record import Record
from ..trace import noted
from .flags import check_flags
from .sides import Side, fold, over, spread
from .windows import Sizes, sizes


@dataclass(eq=False)
class MaxPool2D(Layer):
    """The largest element of each window, per channel.

        a_ij = max_uv x_(i s + u − p)(j s + v − p)           x (m, c, h, w) -> a (m, c, h', w'),   0 ≤ u, v < k
        error to x_kl = Σ error_ij over the windows ij that x_kl won, 0 if it won none

    `pool_size` k, `stride` s (k unless given) and `padding` p on each side, at most k / 2, are numbers or pairs for the
    two axes. Padding never wins. The first of several equal elements, row by row, wins; NaN wins over all others.
    h' = ⌊(h + 2 p − k) / s⌋ + 1; with `ceil_mode` ⌈…⌉, but no window starts behind the image. It is torch.nn.MaxPool2d.
    """

    pool_size: Sizes
    stride: Sizes | None = None
    padding: Sizes = 0
    ceil_mode: bool = False
    sides: tuple[Side, Side] = field(init=False, repr=False)

    steady: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.sides = _sides(self)

    def build(self, shape: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Images (c, h, w) -> (c, h', w')."""
        return _pooled(self.sides, shape)

    def forward(self, at: Record, x: Array) -> Array:
        """The largest so far, position by position; the last one to exceed all before it, or to be NaN, wins."""
        down, right = over(self.sides, x.shape)
        a = at.a = at.buffer("a", (*x.shape[:2], down.windows, right.windows))
        if at.winner is None:
            at.winner = np.empty(a.shape, np.int32)  # where in its window, in steps along a row of x
            first = np.add.outer(np.maximum(-down.starts(), 0) * right.n, np.maximum(-right.starts(), 0))
            at.first = (first if first.any() else np.zeros(())).astype(np.int32)
            at.start = np.add.outer(down.starts() * right.n, right.starts())
            at.image = np.arange(0, x.size, down.n * right.n).reshape(*x.shape[:2], 1, 1)
        a.fill(-np.inf)
        np.copyto(at.winner, at.first)
        for k, there in self._positions(at, x):
            at.wins = np.greater(there, a, out=at.wins)
            at.nan = np.isnan(there, out=at.nan)
            np.logical_or(at.wins, at.nan, out=at.wins)
            at.k = np.multiply(at.wins, k, out=at.k, dtype=np.int32)
            np.maximum(at.winner, at.k, out=at.winner)
            np.maximum(a, there, out=a)
        return a

    def backward(self, at: Record, error: Array) -> Array:
        """Each window's error, to its winner."""
        place = at.place = np.add(at.winner, at.start, out=at.place)
        np.add(place, at.image, out=place)
        sent = at.buffer("sent", at.inputs[0].shape, zero=True)
        _add_at(sent, place, error)
        return sent

    def _positions(self, at: Record, x: Array) -> Iterator[tuple[int, Array]]:
        """For each position in a window, in steps along a row of x, what stands there; −∞ where nothing does."""
        down, right = over(self.sides, x.shape)
        there = at.buffer("there", at.a.shape)
        for (u, i, rows), (v, j, columns) in product(down.steps(), right.steps()):
            part = there[..., i, j]
            if part.size < there.size:
                there.fill(-np.inf)
            np.copyto(part, x[..., rows, columns])
            yield u * right.n + v, there

    def describe(self) -> str:
        """The layer and its windows."""
        return f"{type(self).__name__} {by(side.k for side in self.sides)}"


@noted
def _add_at(sent: Array, place: Array, error: Array) -> None:
    """Add each error at its place in `sent`, counted along all axes."""
    np.add.at(sent.reshape(-1), place.reshape(-1), error.reshape(-1))


@dataclass(eq=False)
class AvgPool2D(Layer):
    """The average of each window, per channel.

        a_ij = 1/d_ij Σ_uv x_(i s + u − p)(j s + v − p)      x (m, c, h, w) -> a (m, c, h', w'),   0 ≤ u, v < k
        error to x_kl = Σ error_ij / d_ij over the windows ij that hold x_kl

    Sizes are as for MaxPool2D; padding counts as 0. d_ij is the number of elements in the window, with the padding
    unless `count_include_pad` is False, but never with what `ceil_mode` adds beyond. It is torch.nn.AvgPool2d.
    """

    pool_size: Sizes
    stride: Sizes | None = None
    padding: Sizes = 0
    ceil_mode: bool = False
    count_include_pad: bool = True
    sides: tuple[Side, Side] = field(init=False, repr=False)

    steady: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.sides = _sides(self, "count_include_pad")

    def build(self, shape: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Images (c, h, w) -> (c, h', w')."""
        return _pooled(self.sides, shape)

    def forward(self, at: Record, x: Array) -> Array:
        """Sums of sums along the windows' sides, divided."""
        down, right = over(self.sides, x.shape)
        at.a = fold(np.add, 0.0, fold(np.add, 0.0, x, down, 2, at, "rows"), right, 3, at, "a")
        if at.d is None:
            at.d = np.outer(*(side.lengths(self.count_include_pad) for side in (down, right))).astype(x.dtype)
        np.divide(at.a, at.d, out=at.a)
        return at.a

    def backward(self, at: Record, error: Array) -> Array:
        """Each window's error in equal shares to its elements."""
        down, right = over(self.sides, at.inputs[0].shape)
        at.share = np.divide(error, at.d, out=at.share)
        return spread(spread(at.share, right, 3, at, "sent rows"), down, 2, at, "sent")

    def describe(self) -> str:
        """The layer and its windows."""
        return f"{type(self).__name__} {by(side.k for side in self.sides)}"


@dataclass(eq=False)
class GlobalAvgPool(Layer):
    """The average of each channel.

        a = 1/n Σ_i x_i,   error to each x_i = error / n         x (m, c, *rest) -> a (m, c),   n = Π rest

    Of images it is torch.nn.AdaptiveAvgPool2d(1), flattened.
    """

    steady: ClassVar[bool] = True

    def build(self, shape: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples (c, *rest) -> (c,)."""
        if not shape:
            raise ShapeError("takes samples (channels, …), got single numbers: put Reshape(1) before it")
        return shape[:1]

    def forward(self, at: Record, x: Array) -> Array:
        """The mean over all axes behind the channels."""
        at.a = np.add.reduce(x, axis=tuple(range(2, x.ndim)), out=at.a)
        return np.divide(at.a, float(math.prod(x.shape[2:])), out=at.a)

    def backward(self, at: Record, error: Array) -> Array:
        """The error in equal shares."""
        shape = at.inputs[0].shape
        sent = at.buffer("sent", shape)
        at.share = np.divide(error, float(math.prod(shape[2:])), out=at.share)
        np.copyto(sent, at.share.reshape(*error.shape, *[1] * (len(shape) - 2)))
        return sent


@dataclass(eq=False)
class AdaptiveAvgPool2D(Layer):
    """The average of each of the windows that cut an image into a given number, per channel.

        a_ij = mean of x_kl over ⌊i h / h'⌋ ≤ k < ⌈(i + 1) h / h'⌉ and l alike      x (m, c, h, w) -> a (m, c, h', w')
        error to x_kl = Σ error_ij / (elements of ij) over the windows ij that hold x_kl

    `output_size` is (h', w'), or one number for both. Where sizes don't divide, windows overlap by an element; where
    h' > h, elements repeat. It is torch.nn.AdaptiveAvgPool2d.
    """

    steady: ClassVar[bool] = True

    output_size: Sizes
    counts: Shape = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.counts = sizes(self.output_size, 2, "AdaptiveAvgPool2D", "output_size")

    def build(self, shape: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Images (c, h, w) -> (c, h', w')."""
        return (image(shape)[0], *self.counts)

    def forward(self, at: Record, x: Array) -> Array:
        """Means of means along the windows' sides."""
        m, c, h, w = x.shape
        rows, at.a = at.buffer("rows", (m, c, self.counts[0], w)), at.buffer("a", (m, c, *self.counts))
        for i, k, end in cuts(h, self.counts[0]):
            np.add.reduce(x[:, :, k:end], axis=2, out=rows[:, :, i])
            rows[:, :, i] /= end - k
        for j, k, end in cuts(w, self.counts[1]):
            np.add.reduce(rows[..., k:end], axis=3, out=at.a[..., j])
            at.a[..., j] /= end - k
        return at.a

    def backward(self, at: Record, error: Array) -> Array:
        """Each window's error in equal shares to its elements."""
        m, c, h, w = at.inputs[0].shape
        rows = at.buffer("sent rows", (m, c, self.counts[0], w), zero=True)
        for j, k, end in cuts(w, self.counts[1]):
            rows[..., k:end] += error[..., j : j + 1] / (end - k)
        sent = at.buffer("sent", (m, c, h, w), zero=True)
        for i, k, end in cuts(h, self.counts[0]):
            sent[:, :, k:end] += rows[:, :, i : i + 1] / (end - k)
        return sent

    def describe(self) -> str:
        """The layer and its output's size."""
        return f"AdaptiveAvgPool2D {by(self.counts)}"


def cuts(n: int, o: int) -> list[tuple[int, int, int]]:
    """Number, start and end of each of the o windows that an axis of n elements is cut into."""
    return [(i, i * n // o, -(-(i + 1) * n // o)) for i in range(o)]


def image(shape: Shape) -> Shape:
    """The shape of an image, checked."""
    if len(shape) != 3:
        raise ShapeError(f"takes images (channels, height, width), got samples of shape {shape}")
    return shape


def by(numbers: Iterable[int]) -> str:
    """Sizes, as 2×3."""
    return "×".join(map(str, numbers))


def _sides(layer: MaxPool2D | AvgPool2D, *flags: str) -> tuple[Side, Side]:
    kind = type(layer).__name__
    k = sizes(layer.pool_size, 2, kind, "pool_size")
    s = k if layer.stride is None else sizes(layer.stride, 2, kind, "stride")
    p = sizes(layer.padding, 2, kind, "padding", least=0)
    if 2 * p[0] > k[0] or 2 * p[1] > k[1]:
        raise GraphError(f"{kind} takes padding of at most half its pool_size {by(k)}, got {layer.padding!r}")
    check_flags(layer, "ceil_mode", *flags)
    return Side(k[0], s[0], p[0], layer.ceil_mode), Side(k[1], s[1], p[1], layer.ceil_mode)


def _pooled(sides: tuple[Side, Side], shape: Shape) -> Shape:
    down, right = over(sides, image(shape))
    if down.windows < 1 or right.windows < 1:
        raise ShapeError(f"takes images that hold its windows of {by(side.k for side in sides)}, got {shape}")
    return (shape[0], down.windows, right.windows)
