"""Activations as layers of their own."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from .. import activations
from ..errors import GraphError, ShapeError
from ..initializers import Initial
from ..layer import Layer
from ..numbers import is_real, is_whole
from ..param import Array, Param, Shape
from ..record import Record
from .axes import found


@dataclass(eq=False)
class Activation(Layer):
    """An elementwise function of its input.

        a = σ(x)                             x, a (m, *shape)
        error to the input = error ⊙ σ'(x)

    `kind` is what `Dense` takes as `activation`; a list has one for each element along `axis`, which counts the
    samples' axes: the last for neurons, 0 for the channels of images (c, h, w).
    """

    kind: activations.Spec
    axis: int = -1
    sigma: activations.Activation = field(init=False, repr=False)

    steady: ClassVar[bool] = True

    def __post_init__(self) -> None:
        axis = _batch_axis(self.axis, "Activation")
        self.sigma = activations.resolve(self.kind, taker="Activation", axis=axis)

    def build(self, shape: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples of any shape, which stays."""
        if isinstance(self.sigma, activations.PerNeuron):
            kinds, axis, sizes = len(self.sigma.kinds), self.sigma.axis, (0, *shape)
            if not -len(sizes) <= axis < len(sizes) or sizes[axis] != kinds:
                along = axis if axis < 0 else axis - 1
                raise ShapeError(f"has {kinds} activations for axis {along}, got samples of shape {shape}")
        return shape

    def forward(self, at: Record, x: Array) -> Array:
        """a = σ(x)."""
        at.a = self.sigma(x, out=at.a)
        return at.a

    def backward(self, at: Record, error: Array) -> Array:
        """error ⊙ σ'(x)."""
        at.sent = self.sigma.backward(error, at.inputs[0], at.a, out=at.sent)
        return at.sent

    def describe(self) -> str:
        """The activation's name."""
        return f"{type(self).__name__} {self.sigma}"


@dataclass(eq=False)
class Function(Activation):
    """Any other elementwise function, given with its slope.

        a = f(x)                               x, a (m, *shape)
        error to the input = error ⊙ slope(x)

    `f` and `slope` take an array, which they must not write into, and return one of its shape, or a number.
    """

    kind: activations.Spec = field(init=False, repr=False)
    axis: int = field(init=False, repr=False, default=-1)
    f: Callable[[Array], Any]
    slope: Callable[[Array], Any]

    def __post_init__(self) -> None:
        if not callable(self.f) or not callable(self.slope):
            raise GraphError(f"Function takes two functions of an array, f and slope, got {self.f!r}, {self.slope!r}")
        self.kind = self.sigma = activations.Function(self.f, self.slope)


@dataclass(eq=False)
class PReLU(Layer):
    """Rectified linear values whose slope below 0 is trained: He, Zhang, Ren and Sun 2015.

        a = x where x > 0, else w x                           x, a (m, c, …)   w (1,), or (c,) with `channels`
        ∂C/∂w = Σ error ⊙ min(x, 0), over all that share w
        error to the input = error where x > 0, else w · error (also at x = 0)

    PyTorch's PReLU, whose `weight` is w. The channels are axis 0 of the samples: of images (c, h, w), of vectors (c,).
    `slope` is what w starts as: a number, or what `Dense` takes as `weights`.
    """

    channels: bool = False
    slope: float | Initial = 0.25
    w: Param = field(init=False, repr=False)

    steady: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not isinstance(self.channels, bool):
            raise GraphError(f"PReLU takes channels=True or False, got {self.channels!r}: it counts them itself")
        if is_real(self.slope) and math.isfinite(self.slope):
            self.slope = float(self.slope)
        elif not isinstance(self.slope, (str, Param)) and not callable(self.slope):
            raise GraphError(f"PReLU takes a finite number, or initial weights, as slope, got {self.slope!r}")

    def build(self, shape: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples of any shape, which stays."""
        if self.channels and not shape:
            raise ShapeError("takes samples whose axis 0 is the channels, got single numbers: leave channels=True out")
        slope = self.slope
        initial: Initial = (lambda size, rng: np.full(size, slope)) if isinstance(slope, float) else slope
        self.w = self.param("w", shape[:1] if self.channels else (1,), initial, rng=rng, dtype=dtype)
        return shape

    def forward(self, at: Record, x: Array) -> Array:
        """max(x, 0) + w min(x, 0)."""
        at.low = np.minimum(x, 0.0, out=at.low)
        at.high = np.maximum(x, 0.0, out=at.high)
        at.a = np.multiply(at.low, self._along(x), out=at.a)
        at.a += at.high
        return at.a

    def backward(self, at: Record, error: Array) -> Array | None:
        """The slope's gradient, and error ⊙ (1 where x > 0, else w)."""
        if not self.frozen:
            at.product = np.multiply(error, at.low, out=at.product)
            sharing = at.product.reshape(at.m, self.w.size, -1)
            at.grad[self.w] = np.add.reduce(sharing, axis=(0, 2), out=at.grad.get(self.w))
        if at.needs[0]:
            x = at.inputs[0]
            positive = np.greater(x, 0.0, out=at.buffer("positive", x.shape))
            at.sent = np.subtract(1.0, positive, out=at.sent)
            at.sent *= self._along(x)
            at.sent += positive
            at.sent *= error
            return at.sent
        return None

    def _along(self, x: Array) -> Array:
        """The slopes (c,) as (c, 1, …), to go with x (m, c, …)."""
        return self.w.value.reshape(-1, *(1,) * (x.ndim - 2)) if self.channels else self.w.value


@dataclass(eq=False)
class Softmax(Layer):
    """Probabilities from weighted inputs, along one axis. Not elementwise: a_j depends on every x_k.

        a_j = e^x_j / Σ_k e^x_k                                    x, a (m, …, k, …)
        error to the input = a ⊙ (error − Σ_j error_j a_j) = Jᵀ · error,   J_jk = a_j (δ_jk − a_k)

    `axis` counts the samples' axes, without the batch axis. Where x is −inf, as behind a mask, a is 0; where all k
    are −inf, there is nothing to choose from: a is NaN, as in PyTorch, and numpy warns.
    """

    axis: int = -1

    steady: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _batch_axis(self.axis, "Softmax")

    def build(self, shape: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples (…, k, …), which stay."""
        return _with_axis(self.axis, shape)

    def forward(self, at: Record, x: Array) -> Array:
        """e^x / Σ e^x, shifted by the largest x so that nothing overflows."""
        axis = _batch_axis(self.axis)
        top = np.maximum.reduce(x, axis=axis, keepdims=True)  # without out=: see Max
        at.a = np.subtract(x, top, out=at.a)
        np.exp(at.a, out=at.a)
        at.total = np.add.reduce(at.a, axis=axis, keepdims=True, out=at.total)
        np.divide(at.a, at.total, out=at.a)
        return at.a

    def backward(self, at: Record, error: Array) -> Array:
        """a ⊙ (error − Σ error a)."""
        at.sent = np.multiply(error, at.a, out=at.sent)
        at.product = np.add.reduce(at.sent, axis=_batch_axis(self.axis), keepdims=True, out=at.product)
        np.subtract(error, at.product, out=at.sent)
        np.multiply(at.sent, at.a, out=at.sent)
        return at.sent


@dataclass(eq=False)
class LogSoftmax(Layer):
    """Logarithms of the probabilities that Softmax gives, along one axis.

        a_j = x_j − ln Σ_k e^x_k                              x, a (m, …, k, …)
        error to the input = error − e^a Σ_j error_j

    `axis` counts the samples' axes, without the batch axis. Where x is −inf, a is −inf, and e^a is 0; where all k are
    −inf, a is NaN, as in PyTorch, and numpy warns.
    """

    axis: int = -1

    steady: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _batch_axis(self.axis, "LogSoftmax")

    def build(self, shape: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples (…, k, …), which stay."""
        return _with_axis(self.axis, shape)

    def forward(self, at: Record, x: Array) -> Array:
        """x − ln Σ e^x, shifted by the largest x so that nothing overflows."""
        axis = _batch_axis(self.axis)
        top = np.maximum.reduce(x, axis=axis, keepdims=True)  # without out=: see Max
        at.a = np.subtract(x, top, out=at.a)
        at.powers = np.exp(at.a, out=at.powers)
        at.total = np.add.reduce(at.powers, axis=axis, keepdims=True, out=at.total)
        np.subtract(at.a, np.log(at.total, out=at.total), out=at.a)
        return at.a

    def backward(self, at: Record, error: Array) -> Array:
        """error − e^a Σ error."""
        at.sent = np.exp(at.a, out=at.sent)
        at.sum = np.add.reduce(error, axis=_batch_axis(self.axis), keepdims=True, out=at.sum)
        np.multiply(at.sent, at.sum, out=at.sent)
        np.subtract(error, at.sent, out=at.sent)
        return at.sent


def _batch_axis(axis: int, taker: str = "") -> int:
    """An axis of samples as one of batches."""
    if not is_whole(axis):
        raise GraphError(f"{taker} takes a whole number as axis, got {axis!r}")
    return axis if axis < 0 else axis + 1


def _with_axis(axis: int, shape: Shape) -> Shape:
    if not shape:
        raise ShapeError("takes samples with at least one axis, got single numbers")
    found((axis,), shape, "works along")
    return shape
