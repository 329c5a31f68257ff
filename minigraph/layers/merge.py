"""Layers that make one array of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..errors import GraphError, ShapeError
from ..layer import Layer
from ..numbers import is_whole
from ..param import Array, Shape
from ..record import Record
from .axes import found
from .broadcasting import common, each_summed_back, in_line, summed_back


@dataclass(eq=False)
class Add(Layer):
    """Sum of two or more inputs, whose samples broadcast by numpy's rules.

    a = Σ_i x_i                                    x_i (m, *shape_i) -> a (m, *shape)
    error to each input = error, summed over the axes along which the input was broadcast
    """

    steady: ClassVar[bool] = True

    def build(self, *shapes: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples of shapes that broadcast to one."""
        return _broadcast(shapes)

    def forward(self, at: Record, *inputs: Array) -> Array:
        """Σ_i x_i."""
        xs = in_line(inputs)
        at.a = np.add(xs[0], xs[1], out=_room(at, xs))
        for x in xs[2:]:
            np.add(at.a, x, out=at.a)
        return at.a

    def backward(self, at: Record, error: Array) -> list[Array | None]:
        """The error, to each."""
        return each_summed_back(at, [error] * len(at.inputs))


@dataclass(eq=False)
class Subtract(Layer):
    """Difference of two inputs, whose samples broadcast by numpy's rules.

    a = x_1 − x_2                                  x_i (m, *shape_i) -> a (m, *shape)
    errors to the inputs = error, −error, summed over the axes along which the input was broadcast
    """

    steady: ClassVar[bool] = True

    def build(self, *shapes: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples of shapes that broadcast to one."""
        return _broadcast(shapes, exactly=True)

    def forward(self, at: Record, x1: Array, x2: Array) -> Array:
        """x_1 − x_2."""
        x1, x2 = in_line((x1, x2))
        at.a = np.subtract(x1, x2, out=at.a)
        return at.a

    def backward(self, at: Record, error: Array) -> tuple[Array | None, Array | None]:
        """The error and its negative."""
        x1, x2 = at.inputs
        if at.needs[1]:
            at.sent = np.negative(summed_back(at, "sum 1", error, x2.shape), out=at.sent)
        return summed_back(at, "sum 0", error, x1.shape) if at.needs[0] else None, at.sent


@dataclass(eq=False)
class Multiply(Layer):
    """Elementwise (Hadamard) product of two or more inputs, whose samples broadcast by numpy's rules.

    a = Π_i x_i                                    x_i (m, *shape_i) -> a (m, *shape)
    error to input i = error ⊙ Π_{k≠i} x_k, summed over the axes along which the input was broadcast
    """

    steady: ClassVar[bool] = True

    def build(self, *shapes: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples of shapes that broadcast to one."""
        return _broadcast(shapes)

    def forward(self, at: Record, *inputs: Array) -> Array:
        """Π_i x_i."""
        xs = in_line(inputs)
        at.a = np.multiply(xs[0], xs[1], out=_room(at, xs))
        for x in xs[2:]:
            np.multiply(at.a, x, out=at.a)
        return at.a

    def backward(self, at: Record, error: Array) -> list[Array | None]:
        """The error times all other inputs: those before i gathered on the way up, those after on the way down."""
        xs, last = in_line(at.inputs), len(at.inputs) - 1
        sent = [error] * len(xs)
        for i in range(last if at.needs[last] else last - 1):
            sent[i + 1] = np.multiply(sent[i], xs[i], out=at.buffer(f"sent {i + 1}", error.shape))
        after = xs[last]
        for i in range(last - 1, -1, -1):
            if at.needs[i]:
                sent[i] = np.multiply(sent[i], after, out=at.buffer(f"sent {i}", error.shape))
            if i > 0:
                after = np.multiply(after, xs[i], out=at.buffer("after", error.shape))
        return each_summed_back(at, sent)


@dataclass(eq=False)
class Divide(Layer):
    """Elementwise quotient of two inputs, whose samples broadcast by numpy's rules.

        a = x_1 / x_2                                  x_i (m, *shape_i) -> a (m, *shape)
        errors to the inputs = error / x_2, −error ⊙ a / x_2, summed over the axes along which the input was broadcast

    Where x_2 is 0, or the quotient larger than any float, a is infinite, and NaN for 0 / 0; numpy warns of either.
    """

    steady: ClassVar[bool] = True

    def build(self, *shapes: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples of shapes that broadcast to one."""
        return _broadcast(shapes, exactly=True)

    def forward(self, at: Record, x1: Array, x2: Array) -> Array:
        """x_1 / x_2."""
        x1, x2 = in_line((x1, x2))
        at.a = np.divide(x1, x2, out=at.a)
        return at.a

    def backward(self, at: Record, error: Array) -> list[Array | None]:
        """error / x_2 and −error ⊙ a / x_2."""
        _, x2 = in_line(at.inputs)
        at.above = np.divide(error, x2, out=at.above)
        if at.needs[1]:
            at.below = np.multiply(at.above, at.a, out=at.below)
            np.negative(at.below, out=at.below)
        return each_summed_back(at, (at.above, at.below))


@dataclass(eq=False)
class MatMul(Layer):
    """Product of two inputs' samples as matrices, as `np.matmul` and `@` take them.

        a = x_1 x_2                            x_1 (m, …, p, q)   x_2 (m, …, q, r)   a, error (m, …, p, r)
        errors to the inputs = error x_2ᵀ, x_1ᵀ error, summed over the axes along which the input was broadcast

    Axes before the matrices' broadcast by numpy's rules. Samples that are vectors are a row as x_1, a column as x_2,
    and a is without that axis.
    """

    steady: ClassVar[bool] = True

    def build(self, first: Shape, second: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples (…, p, q) and (…, q, r)."""
        p, r = first[-2:-1], second[1:][-1:]
        try:
            if first[-1] == second[-len(r) - 1]:
                return (*np.broadcast_shapes(first[:-2], second[:-2]), *p, *r)
        except (IndexError, ValueError):
            pass  # single numbers, or axes before the matrices that don't broadcast
        raise ShapeError(f"takes matrices (…, p, q) and (…, q, r), or vectors in their place, got {first} and {second}")

    def forward(self, at: Record, x1: Array, x2: Array) -> Array:
        """x_1 x_2."""
        left, right = _matrices(x1, x2)
        product: Array = np.matmul(left, right, out=at.product)
        at.product = product
        *before, p, r = product.shape
        return product.reshape(*before, *(p,) * (x1.ndim > 2), *(r,) * (x2.ndim > 2))

    def backward(self, at: Record, error: Array) -> list[Array | None]:
        """error x_2ᵀ and x_1ᵀ error."""
        (x1, x2), error = _matrices(*at.inputs), error.reshape(at.product.shape)
        if at.needs[0]:
            at.left = np.matmul(error, x2.swapaxes(-1, -2), out=at.left)
        if at.needs[1]:
            at.right = np.matmul(x1.swapaxes(-1, -2), error, out=at.right)
        ends = zip(at.inputs, (x1, x2), (at.left, at.right), at.needs, strict=True)
        return [
            summed_back(at, f"sum {i}", e, x.shape).reshape(given.shape) if needed else None
            for i, (given, x, e, needed) in enumerate(ends)
        ]


@dataclass(eq=False)
class Concat(Layer):
    """Inputs put behind each other along one axis of their samples.

        a = (x_1, x_2, …),   errors to the inputs = the parts of the error

    x_i (m, …, k_i, …) -> a (m, …, Σ k_i, …). `axis` counts the samples' axes, without the batch axis.
    """

    steady: ClassVar[bool] = True

    axis: int = -1

    def __post_init__(self) -> None:
        if not is_whole(self.axis):
            raise GraphError(f"Concat takes a whole number as axis, got {self.axis!r}")

    def build(self, *shapes: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples whose shapes are equal but for the axis."""
        _several(shapes)
        (axis,) = found((self.axis,), shapes[0], "joins")
        rank = len(shapes[0])
        if any(len(s) != rank or s[:axis] + s[axis + 1 :] != shapes[0][:axis] + shapes[0][axis + 1 :] for s in shapes):
            raise ShapeError(f"takes shapes that are equal but for axis {axis}, got {_listed(shapes)}")
        return (*shapes[0][:axis], sum(s[axis] for s in shapes), *shapes[0][axis + 1 :])

    def forward(self, at: Record, *inputs: Array) -> Array:
        """(x_1, x_2, …)."""
        at.axis = self.axis % (inputs[0].ndim - 1) + 1
        at.a = np.concatenate(inputs, axis=at.axis, out=at.a)
        return at.a

    def backward(self, at: Record, error: Array) -> list[Array]:
        """Each input's part of the error, as a view."""
        ends = np.cumsum([x.shape[at.axis] for x in at.inputs])
        return np.split(error, ends[:-1], axis=at.axis)


@dataclass(eq=False)
class Stack(Layer):
    """Inputs of one shape put beside each other along a new axis of their samples.

        a = (x_1, x_2, …, x_n),   errors to the inputs = the parts of the error

    x_i (m, *shape) -> a (m, …, n, …). `axis` is the place of the new axis in a, without the batch axis; n may be 1.
    """

    steady: ClassVar[bool] = True

    axis: int = 0

    def __post_init__(self) -> None:
        if not is_whole(self.axis):
            raise GraphError(f"Stack takes a whole number as axis, got {self.axis!r}")

    def build(self, *shapes: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples of equal shapes."""
        shape, rank = shapes[0], len(shapes[0]) + 1
        if any(s != shape for s in shapes):
            raise ShapeError(f"takes inputs of one shape, got {_listed(shapes)}")
        if not -rank <= self.axis < rank:
            raise ShapeError(f"makes a new axis {self.axis}, got samples of shape {shape}")
        axis = self.axis % rank
        return (*shape[:axis], len(shapes), *shape[axis:])

    def forward(self, at: Record, *inputs: Array) -> Array:
        """(x_1, x_2, …)."""
        at.axis = self.axis % inputs[0].ndim + 1
        at.a = np.stack(inputs, axis=at.axis, out=at.a)
        return at.a

    def backward(self, at: Record, error: Array) -> Any:
        """Each input's part of the error, as a view."""
        parts = list(np.moveaxis(error, at.axis, 0))
        return parts if len(parts) > 1 else parts[0]


def _broadcast(shapes: tuple[Shape, ...], exactly: bool = False) -> Shape:
    _several(shapes, exactly)
    return common(shapes)


def _several(shapes: tuple[Shape, ...], exactly: bool = False) -> None:
    if len(shapes) < 2 or (exactly and len(shapes) > 2):
        raise ShapeError(f"takes two {'' if exactly else 'or more '}inputs, got {len(shapes)}")


def _listed(shapes: tuple[Shape, ...]) -> str:
    return " and ".join(map(str, shapes))


def _room(at: Record, xs: Sequence[Array]) -> Array:
    """Where the output goes: an array as large as all of them together make it."""
    return np.empty(np.broadcast_shapes(*(x.shape for x in xs)), at.dtype) if at.a is None else at.a


def _matrices(x1: Array, x2: Array) -> Sequence[Array]:
    """Both as batches of matrices of one rank; a vector is a row as x_1, a column as x_2."""
    return in_line((x1[:, None, :] if x1.ndim == 2 else x1, x2[:, :, None] if x2.ndim == 2 else x2))
