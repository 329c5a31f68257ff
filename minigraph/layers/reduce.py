"""Layers that reduce samples along some of their axes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..layer import Layer
from ..param import Array, Shape
from ..record import Record
from .axes import chosen, found
from .flags import check_flags


class _Reduction:
    """What reductions share: the axes they reduce, which are all, some, or one of the samples', never the batch's."""

    axes: Any
    keepdims: bool

    def __post_init__(self) -> None:
        self.axes = None if self.axes is None else chosen(self.axes, type(self).__name__)
        check_flags(self, "keepdims")

    def build(self, shape: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples with these axes, which become 1 or, without `keepdims`, go."""
        axes = self._places(shape)
        if self.keepdims:
            return tuple(1 if k in axes else n for k, n in enumerate(shape))
        return tuple(n for k, n in enumerate(shape) if k not in axes)

    def _places(self, shape: Shape) -> tuple[int, ...]:
        if self.axes is None:
            return tuple(range(len(shape)))
        return found(self.axes, shape, "reduces")

    def _prepare(self, at: Record, shape: Shape) -> None:
        """Find, once a run, the axes with the batch axis counted, and the shape of the output with all axes kept."""
        if at.axes is None:
            at.axes = tuple(k + 1 for k in self._places(shape[1:]))
            at.kept = tuple(1 if k in at.axes else n for k, n in enumerate(shape))
            # a float: numpy 1 divides float32 by large integers in float64
            at.count = float(math.prod(shape[k] for k in at.axes))


@dataclass(eq=False)
class Sum(_Reduction, Layer):
    """Sum over axes of the samples.

        a = Σ x over the axes                          x (m, …, k, …) -> a (m, …) or, with `keepdims`, (m, …, 1, …)
        error to the input = error, to each element

    `axes` is one or several of the samples' axes, the batch axis not counted; without it, all.
    """

    axes: Any = None
    keepdims: bool = False

    steady: ClassVar[bool] = True

    def forward(self, at: Record, x: Array) -> Array:
        """Σ x."""
        self._prepare(at, x.shape)
        at.a = np.add.reduce(x, axis=at.axes, keepdims=self.keepdims, out=at.a)
        return at.a

    def backward(self, at: Record, error: Array) -> Array:
        """The error, to each element."""
        return np.broadcast_to(error.reshape(at.kept), at.inputs[0].shape)


@dataclass(eq=False)
class Mean(_Reduction, Layer):
    """Mean over axes of the samples.

        a = Σ x / k over the axes, with k elements     x (m, …, k, …) -> a (m, …) or, with `keepdims`, (m, …, 1, …)
        error to the input = error / k, to each element

    `axes` is one or several of the samples' axes, the batch axis not counted; without it, all.
    """

    axes: Any = None
    keepdims: bool = False

    steady: ClassVar[bool] = True

    def forward(self, at: Record, x: Array) -> Array:
        """Σ x / k."""
        self._prepare(at, x.shape)
        at.a = np.add.reduce(x, axis=at.axes, keepdims=self.keepdims, out=at.a)
        np.divide(at.a, at.count, out=at.a)
        return at.a

    def backward(self, at: Record, error: Array) -> Array:
        """error / k, to each element."""
        at.share = np.divide(error, at.count, out=at.share)
        return np.broadcast_to(at.share.reshape(at.kept), at.inputs[0].shape)


@dataclass(eq=False)
class Max(_Reduction, Layer):
    """Largest element over axes of the samples.

        a = max x over the axes                        x (m, …, k, …) -> a (m, …) or, with `keepdims`, (m, …, 1, …)
        error to the input = error / n where x = a, else 0,   n elements of the sample tie with a

    It equals torch.amax, where several largest elements share the error evenly, too. `axes` is one or several of the
    samples' axes, the batch axis not counted; without it, all.
    """

    steady: ClassVar[bool] = True

    axes: Any = None
    keepdims: bool = False

    def forward(self, at: Record, x: Array) -> Array:
        """max x."""
        self._prepare(at, x.shape)
        # without out=, with which numpy 1 errs where x runs backward in memory
        at.a = x.max(axis=at.axes, keepdims=self.keepdims)
        return at.a

    def backward(self, at: Record, error: Array) -> Array:
        """The error, shared by the largest elements."""
        x = at.inputs[0]
        at.sent = np.equal(x, at.a.reshape(at.kept), out=at.buffer("sent", x.shape))
        ties = np.add.reduce(at.sent, axis=at.axes, keepdims=True, out=at.buffer("ties", at.kept))
        with np.errstate(divide="ignore", invalid="ignore"):  # where a is NaN no element equals it: 0 / 0 all over
            np.divide(error.reshape(at.kept), ties, out=ties)
            np.multiply(at.sent, ties, out=at.sent)
        return at.sent
