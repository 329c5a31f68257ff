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
from .axes import MOST_AXES, chosen, found, said
from .broadcasting import common, lifted, summed_back


@dataclass(eq=False)
class Identity(Layer):
    """The input as it is, a place to give a name to.

    a = x,   error to the input = error        x, a (m, *shape)
    """

    steady: ClassVar[bool] = True

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
    """The input as it is, with no error sent back: what stands before counts as a constant.

    a = x,   no error to the input        x, a (m, *shape)
    """

    constant_inputs: ClassVar[frozenset[int]] = frozenset({0})

    def build(self, shape: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples of any shape, which stays."""
        return shape

    def forward(self, at: Record, x: Array) -> Array:
        """The input itself."""
        return x

    def backward(self, at: Record, error: Array) -> None:
        """Nothing."""


class _Reshaping:
    """Both directions of a layer that keeps the elements in row-major order and changes their shape."""

    def reshaped(self, shape: Shape) -> Shape:
        raise NotImplementedError

    def build(self, shape: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """The new shape of samples of this one, if they have it."""
        return self.reshaped(shape)

    def forward(self, at: Record, x: Array) -> Array:
        """The elements in the new shape."""
        if at.new is None:
            at.new = self.reshaped(x.shape[1:])
        return x.reshape(at.m, *at.new)

    def backward(self, at: Record, error: Array) -> Array:
        """The error in the input's shape."""
        return error.reshape(at.inputs[0].shape)


@dataclass(eq=False)
class Reshape(_Reshaping, Layer):
    """The same elements in another shape, in row-major order.

        a = x reshaped,   error to the input = error reshaped back        x (m, *old) -> a (m, *shape)

    `shape` leaves the batch axis out; one of its sizes may be −1: what remains.
    """

    steady: ClassVar[bool] = True

    shape: Shape

    def __post_init__(self) -> None:
        sizes = tuple(self.shape) if isinstance(self.shape, Iterable) else (self.shape,)
        if any(not is_whole(n) or n < -1 or n == 0 for n in sizes) or sizes.count(-1) > 1:
            raise GraphError(f"Reshape takes positive whole numbers, and -1 for what remains, got {self.shape!r}")
        self.shape = tuple(int(n) for n in sizes)

    def reshaped(self, shape: Shape) -> Shape:
        """The declared shape, if samples have as many elements."""
        size, known = math.prod(shape), math.prod(n for n in self.shape[:MOST_AXES] if n > 0)
        new = tuple(size // known if n < 0 else n for n in self.shape[:MOST_AXES])
        if len(new) == MOST_AXES or math.prod(new) != size:
            raise ShapeError(f"makes samples of shape {self.shape}, got {shape} with {size} elements")
        return new


@dataclass(eq=False)
class Flatten(_Reshaping, Layer):
    """Each sample as one vector, in row-major order.

    a = x reshaped,   error to the input = error reshaped back        x (m, *shape) -> a (m, Π shape)
    """

    steady: ClassVar[bool] = True

    def reshaped(self, shape: Shape) -> Shape:
        """One axis for all elements."""
        return (math.prod(shape),)


@dataclass(eq=False)
class Squeeze(_Reshaping, Layer):
    """Samples without their axes of size 1: without those given, else without any.

        a = x reshaped,   error to the input = error reshaped back        x (m, …, 1, …) -> a (m, …)

    `axis` is one or several of the samples' axes, the batch axis not counted. As numpy, and unlike torch.squeeze, it
    refuses an axis of another size.
    """

    steady: ClassVar[bool] = True

    axis: Any = None

    def __post_init__(self) -> None:
        self.axis = None if self.axis is None else chosen(self.axis, "Squeeze")

    def reshaped(self, shape: Shape) -> Shape:
        """The sizes that stay."""
        ones = {k for k, n in enumerate(shape) if n == 1}
        axes = ones if self.axis is None else set(found(self.axis, shape, "takes away"))
        if not axes <= ones:
            raise ShapeError(f"takes away {said(self.axis)} of size 1, got samples of shape {shape}")
        return tuple(n for k, n in enumerate(shape) if k not in axes)


@dataclass(eq=False)
class ExpandDims(_Reshaping, Layer):
    """Samples with a new axis of size 1.

        a = x reshaped,   error to the input = error reshaped back        x (m, …) -> a (m, …, 1, …)

    `axis` is the place of the new axis in a, the batch axis not counted. It equals torch.unsqueeze.
    """

    steady: ClassVar[bool] = True

    axis: int

    def __post_init__(self) -> None:
        if not is_whole(self.axis):
            raise GraphError(f"ExpandDims takes a whole number as axis, got {self.axis!r}")

    def reshaped(self, shape: Shape) -> Shape:
        """A 1 at the axis."""
        rank = len(shape) + 1
        if not -rank <= self.axis < rank:
            raise ShapeError(f"makes a new axis {self.axis}, got samples of shape {shape}")
        axis = self.axis % rank
        return (*shape[:axis], 1, *shape[axis:])


@dataclass(eq=False)
class Transpose(Layer):
    """Samples with their axes in another order.

        a = x permuted,   error to the input = error permuted back

    Axis k of a is axis `axes[k]` of x, the batch axis not counted; without `axes` their order is reversed.
    """

    steady: ClassVar[bool] = True

    axes: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        self.axes = None if self.axes is None else chosen(self.axes, "Transpose")

    def build(self, shape: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples with as many axes as are permuted."""
        return tuple(shape[k] for k in self._order(shape))

    def forward(self, at: Record, x: Array) -> Array:
        """The axes in their new order, as a view."""
        if at.order is None:
            at.order = (0, *(k + 1 for k in self._order(x.shape[1:])))
        return x.transpose(at.order)

    def backward(self, at: Record, error: Array) -> Array:
        """The axes in their old order, as a view."""
        return error.transpose(np.argsort(at.order))

    def _order(self, shape: Shape) -> tuple[int, ...]:
        if self.axes is None:
            return tuple(range(len(shape)))[::-1]
        if len(self.axes) != len(shape):
            raise ShapeError(f"permutes {said(self.axes)}, got samples of shape {shape}")
        return found(self.axes, shape, "permutes")


@dataclass(eq=False)
class Broadcast(Layer):
    """Samples repeated along axes of size 1, and along new ones in front, until they have a shape: numpy's rules.

        a = x broadcast,   error to the input = error, summed over the axes along which x was broadcast

    x (m, *old) -> a (m, *shape).
    """

    steady: ClassVar[bool] = True

    shape: Shape

    def __post_init__(self) -> None:
        sizes = tuple(self.shape) if isinstance(self.shape, Iterable) else (self.shape,)
        if any(not is_whole(n) or n < 1 for n in sizes):
            raise GraphError(f"Broadcast takes a shape of positive whole numbers, got {self.shape!r}")
        self.shape = tuple(int(n) for n in sizes)

    def build(self, shape: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples that broadcast to the shape."""
        if common((shape, self.shape)) != self.shape:
            raise ShapeError(f"makes samples of shape {self.shape}, got the larger {shape}")
        return self.shape

    def forward(self, at: Record, x: Array) -> Array:
        """The repeated samples, as a view."""
        return np.broadcast_to(lifted(x, len(self.shape)), (at.m, *self.shape))

    def backward(self, at: Record, error: Array) -> Array:
        """The error, summed."""
        return summed_back(at, "sent", error, at.inputs[0].shape)
