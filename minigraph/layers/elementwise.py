"""Functions of single numbers, as layers: each output element depends on the input element in its place."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..errors import GraphError
from ..layer import Layer
from ..numbers import is_real
from ..param import Array, Shape
from ..record import Record


def _same_shape(self: Layer, shape: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
    """Samples of any shape, which stays."""
    return shape


@dataclass(eq=False)
class Exp(Layer):
    """Exponential function.

    a = e^x,   error to the input = error ⊙ a          x, a (m, *shape)

    Where e^x is larger than any float, a is inf, and numpy warns of the overflow.
    """

    steady: ClassVar[bool] = True

    build = _same_shape

    def forward(self, at: Record, x: Array) -> Array:
        """e^x."""
        at.a = np.exp(x, out=at.a)
        return at.a

    def backward(self, at: Record, error: Array) -> Array:
        """error ⊙ a."""
        at.sent = np.multiply(error, at.a, out=at.sent)
        return at.sent


@dataclass(eq=False)
class Log(Layer):
    """Natural logarithm.

    a = ln x,   error to the input = error / x          x, a (m, *shape)

    At 0, a is −inf and the slope inf, below 0 a is NaN, as in PyTorch; numpy warns of either, and where x is so
    near to 0 that 1 / x is larger than any float.
    """

    steady: ClassVar[bool] = True

    build = _same_shape

    def forward(self, at: Record, x: Array) -> Array:
        """ln x."""
        at.a = np.log(x, out=at.a)
        return at.a

    def backward(self, at: Record, error: Array) -> Array:
        """error / x."""
        at.sent = np.divide(error, at.inputs[0], out=at.sent)
        return at.sent


@dataclass(eq=False)
class Sqrt(Layer):
    """Square root.

    a = √x,   error to the input = error / 2a          x, a (m, *shape)

    At 0, the slope is inf, below 0 a is NaN, as in PyTorch; numpy warns of either. Where x may be 0, put Bias, with a
    small positive number, before it.
    """

    steady: ClassVar[bool] = True

    build = _same_shape

    def forward(self, at: Record, x: Array) -> Array:
        """√x."""
        at.a = np.sqrt(x, out=at.a)
        return at.a

    def backward(self, at: Record, error: Array) -> Array:
        """error / 2a."""
        at.sent = np.divide(error, at.a, out=at.sent)
        at.sent *= 0.5
        return at.sent


@dataclass(eq=False)
class Square(Layer):
    """Square.

    a = x²,   error to the input = error ⊙ 2x          x, a (m, *shape)

    Where x² is larger than any float, a is inf, and numpy warns of the overflow.
    """

    steady: ClassVar[bool] = True

    build = _same_shape

    def forward(self, at: Record, x: Array) -> Array:
        """x²."""
        at.a = np.multiply(x, x, out=at.a)
        return at.a

    def backward(self, at: Record, error: Array) -> Array:
        """error ⊙ 2x."""
        at.sent = np.multiply(at.inputs[0], 2.0, out=at.sent)
        at.sent *= error
        return at.sent


@dataclass(eq=False)
class Abs(Layer):
    """Absolute value.

    a = |x|,   error to the input = error ⊙ sign x, which is 0 at 0          x, a (m, *shape)
    """

    steady: ClassVar[bool] = True

    build = _same_shape

    def forward(self, at: Record, x: Array) -> Array:
        """|x|."""
        at.a = np.abs(x, out=at.a)
        return at.a

    def backward(self, at: Record, error: Array) -> Array:
        """error ⊙ sign x."""
        at.sent = np.sign(at.inputs[0], out=at.sent)
        at.sent *= error
        return at.sent


@dataclass(eq=False)
class Sin(Layer):
    """Sine.

    a = sin x,   error to the input = error ⊙ cos x          x, a (m, *shape)
    """

    steady: ClassVar[bool] = True

    build = _same_shape

    def forward(self, at: Record, x: Array) -> Array:
        """sin x."""
        at.a = np.sin(x, out=at.a)
        return at.a

    def backward(self, at: Record, error: Array) -> Array:
        """error ⊙ cos x."""
        at.sent = np.cos(at.inputs[0], out=at.sent)
        at.sent *= error
        return at.sent


@dataclass(eq=False)
class Power(Layer):
    """Power with a fixed exponent.

    a = x^p,   error to the input = error ⊙ p x^(p−1)          x, a (m, *shape)

    `exponent` is p, any finite number. With p = 0, a is 1 and the slope 0 everywhere. As in PyTorch, negative x with a
    fractional p give NaN, and x = 0 gives inf where its exponent, p or p − 1, is negative; what is larger than any
    float is inf, too. numpy warns of all three.
    """

    exponent: float

    steady: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not is_real(self.exponent) or not math.isfinite(self.exponent):
            raise GraphError(f"Power takes a finite number as exponent, got {self.exponent!r}")
        self.exponent = float(self.exponent)  # numpy's own numbers would turn float32 into float64

    build = _same_shape

    def forward(self, at: Record, x: Array) -> Array:
        """x^p."""
        at.a = np.power(x, self.exponent, out=at.a)
        return at.a

    def backward(self, at: Record, error: Array) -> Array:
        """error ⊙ p x^(p−1)."""
        p = self.exponent
        at.sent = np.power(at.inputs[0], p - 1 if p else 0.0, out=at.sent)
        at.sent *= p
        at.sent *= error
        return at.sent

    def describe(self) -> str:
        """The layer and its exponent."""
        return f"Power {self.exponent:g}"


@dataclass(eq=False)
class Negative(Layer):
    """Negative.

    a = −x,   error to the input = −error          x, a (m, *shape)
    """

    steady: ClassVar[bool] = True

    build = _same_shape

    def forward(self, at: Record, x: Array) -> Array:
        """−x."""
        at.a = np.negative(x, out=at.a)
        return at.a

    def backward(self, at: Record, error: Array) -> Array:
        """−error."""
        at.sent = np.negative(error, out=at.sent)
        return at.sent
