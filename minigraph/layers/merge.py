"""Layers that make one array of several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import GraphError, ShapeError
from ..layer import Layer
from ..numbers import is_whole
from ..param import Array, Shape
from ..record import Record


@dataclass(eq=False)
class Add(Layer):
    """Sum of two or more inputs of one shape.

    a = Σ_i x_i,   error to each input = error          x_i, a (m, *shape)
    """

    def build(self, *shapes: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples of equal shapes, which stay."""
        return _alike(shapes)

    def forward(self, at: Record, *inputs: Array) -> Array:
        """Σ_i x_i."""
        at.a = np.add(inputs[0], inputs[1], out=at.a)
        for x in inputs[2:]:
            np.add(at.a, x, out=at.a)
        return at.a

    def backward(self, at: Record, error: Array) -> tuple[Array, ...]:
        """The error, to each."""
        return (error,) * len(at.inputs)


@dataclass(eq=False)
class Subtract(Layer):
    """Difference of two inputs of one shape.

    a = x_1 − x_2,   errors to the inputs = error, −error          x_i, a (m, *shape)
    """

    def build(self, *shapes: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples of equal shapes, which stay."""
        return _alike(shapes, exactly=True)

    def forward(self, at: Record, x1: Array, x2: Array) -> Array:
        """x_1 − x_2."""
        at.a = np.subtract(x1, x2, out=at.a)
        return at.a

    def backward(self, at: Record, error: Array) -> tuple[Array, Array | None]:
        """The error and its negative."""
        if at.needs[1]:
            at.sent = np.negative(error, out=at.sent)
        return error, at.sent


@dataclass(eq=False)
class Multiply(Layer):
    """Elementwise (Hadamard) product of two or more inputs of one shape.

    a = Π_i x_i,   error to input i = error ⊙ Π_{k≠i} x_k          x_i, a (m, *shape)
    """

    def build(self, *shapes: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples of equal shapes, which stay."""
        return _alike(shapes)

    def forward(self, at: Record, *inputs: Array) -> Array:
        """Π_i x_i."""
        at.a = np.multiply(inputs[0], inputs[1], out=at.a)
        for x in inputs[2:]:
            np.multiply(at.a, x, out=at.a)
        return at.a

    def backward(self, at: Record, error: Array) -> list[Array]:
        """The error times all other inputs: those before i gathered on the way up, those after on the way down."""
        sent = [at.buffer(f"sent {i}", error.shape) for i in range(len(at.inputs))]
        sent[0][...] = error
        for i in range(1, len(sent)):
            np.multiply(sent[i - 1], at.inputs[i - 1], out=sent[i])
        after = at.buffer("after", error.shape)
        after[...] = at.inputs[-1]
        for i in range(len(sent) - 2, -1, -1):
            np.multiply(sent[i], after, out=sent[i])
            np.multiply(after, at.inputs[i], out=after)
        return sent


@dataclass(eq=False)
class Concat(Layer):
    """Inputs put behind each other along one axis of their samples.

        a = (x_1, x_2, …),   errors to the inputs = the parts of the error

    x_i (m, …, k_i, …) -> a (m, …, Σ k_i, …). `axis` counts the samples' axes, without the batch axis.
    """

    axis: int = -1

    def __post_init__(self) -> None:
        if not is_whole(self.axis):
            raise GraphError(f"Concat takes a whole number as axis, got {self.axis!r}")

    def build(self, *shapes: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples whose shapes are equal but for the axis."""
        _several(shapes)
        rank = len(shapes[0])
        if not -rank <= self.axis < rank:
            raise ShapeError(f"joins axis {self.axis}, got samples of shape {shapes[0]}")
        axis = self.axis % rank
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


def _alike(shapes: tuple[Shape, ...], exactly: bool = False) -> Shape:
    _several(shapes, exactly)
    if any(s != shapes[0] for s in shapes):
        raise ShapeError(f"takes inputs of one shape, got {_listed(shapes)}: nothing is broadcast")
    return shapes[0]


def _several(shapes: tuple[Shape, ...], exactly: bool = False) -> None:
    if len(shapes) < 2 or (exactly and len(shapes) > 2):
        raise ShapeError(f"takes two {'' if exactly else 'or more '}inputs, got {len(shapes)}")


def _listed(shapes: tuple[Shape, ...]) -> str:
    return " and ".join(map(str, shapes))
