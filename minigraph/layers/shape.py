"""Layers that pass values on, in the same or another shape."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..errors import GraphError, ShapeError
from ..layer import Layer
from ..numbers import is_whole
from ..param import Array, Shape
from ..record import Record


@dataclass(eq=False)
class Identity(Layer):
    """The input as it is: a = x, error to the input = error. A place to give a name to."""

    def build(self, shape: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples of any shape, which stays."""
        return shape

    def forward(self, at: Record, x: Array) -> Array:
        """The input itself."""
        return x

    def backward(self, at: Record, error: Array) -> Array:
        """The error itself."""
        return error


@dataclass(eq=False)
class StopGradient(Layer):
    """The input as it is, with no error sent back: what stands before counts as a constant."""

    constant_inputs: ClassVar[frozenset[int]] = frozenset({0})

    def build(self, shape: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples of any shape, which stays."""
        return shape

    def forward(self, at: Record, x: Array) -> Array:
        """The input itself."""
        return x

    def backward(self, at: Record, error: Array) -> None:
        """Nothing."""


@dataclass(eq=False)
class Reshape(Layer):
    """The same elements in another shape, in row-major order.

        a = x reshaped,   error to the input = error reshaped back        x (m, *old) -> a (m, *shape)

    `shape` leaves the batch axis out; one of its sizes may be −1: what remains.
    """

    shape: Shape

    def __post_init__(self) -> None:
        sizes = tuple(self.shape) if isinstance(self.shape, Iterable) else (self.shape,)
        if any(not is_whole(n) or n < -1 or n == 0 for n in sizes) or sizes.count(-1) > 1:
            raise GraphError(f"Reshape takes positive whole numbers, and -1 for what remains, got {self.shape!r}")
        self.shape = tuple(int(n) for n in sizes)

    def build(self, shape: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples with as many elements as the new shape has."""
        try:
            return np.empty(shape, bool).reshape(self.shape).shape
        except ValueError:
            size = math.prod(shape)
            raise ShapeError(f"makes samples of shape {self.shape}, got {shape} with {size} elements") from None

    def forward(self, at: Record, x: Array) -> Array:
        """The elements in the new shape."""
        at.old = x.shape
        return x.reshape(at.m, *self.shape)

    def backward(self, at: Record, error: Array) -> Array:
        """The error in the input's shape."""
        return error.reshape(at.old)


@dataclass(eq=False)
class Flatten(Layer):
    """Each sample as one vector, in row-major order.

    a = x reshaped,   error to the input = error reshaped back        x (m, *shape) -> a (m, Π shape)
    """

    def build(self, shape: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples of any shape."""
        return (math.prod(shape),)

    def forward(self, at: Record, x: Array) -> Array:
        """The elements in a row."""
        at.old = x.shape
        return x.reshape(at.m, math.prod(x.shape[1:]))

    def backward(self, at: Record, error: Array) -> Array:
        """The error in the input's shape."""
        return error.reshape(at.old)
