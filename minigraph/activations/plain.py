"""The activations of the first chapters: linear, sigmoid, tanh, and the rectifiers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..errors import GraphError
from ..numbers import is_real
from ..param import Array
from .pieces import in_pieces, level

_TOP = {np.dtype("float32"): 88.0, np.dtype("float64"): 709.0}  # e^z overflows above


@dataclass(frozen=True)
class Identity:
    """σ(z) = z,   σ'(z) = 1: linear neurons. Returns what it is given and never writes into `out`."""

    steady: ClassVar[bool] = True

    def __call__(self, z: Array, out: Array | None = None) -> Array:
        """σ(z)."""
        return z

    def backward(self, error: Array, z: Array, a: Array, out: Array | None = None) -> Array:
        """error ⊙ 1."""
        return error

    def __str__(self) -> str:
        return "identity"


@dataclass(frozen=True)
class Sigmoid:
    """σ(z) = 1 / (1 + e^−z) = e^z / (1 + e^z),   σ'(z) = a (1 − a)."""

    steady: ClassVar[bool] = True

    def __call__(self, z: Array, out: Array | None = None) -> Array:
        """σ(z)."""
        return in_pieces(self._forward, z, out=out, scratch=1)

    def _forward(self, z: Array, out: Array | None, scratch: Array | None) -> Array:
        e = np.minimum(z, level(z, _TOP.get(z.dtype, 709.0)), out=out)
        np.exp(e, out=e)
        return np.divide(e, np.add(e, level(e, 1.0), out=scratch), out=e)

    def backward(self, error: Array, z: Array, a: Array, out: Array | None = None) -> Array:
        """error ⊙ a (1 − a)."""
        out = np.subtract(level(a, 1.0), a, out=out)
        np.multiply(out, a, out=out)
        return np.multiply(out, error, out=out)

    def __str__(self) -> str:
        return "sigmoid"


@dataclass(frozen=True)
class Tanh:
    """σ(z) = tanh z,   σ'(z) = 1 − a²."""

    steady: ClassVar[bool] = True

    def __call__(self, z: Array, out: Array | None = None) -> Array:
        """σ(z)."""
        return np.tanh(z, out=out)

    def backward(self, error: Array, z: Array, a: Array, out: Array | None = None) -> Array:
        """error ⊙ (1 − a²)."""
        out = np.multiply(a, a, out=out)
        np.subtract(1.0, out, out=out)
        return np.multiply(out, error, out=out)

    def __str__(self) -> str:
        return "tanh"


@dataclass(frozen=True)
class ReLU:
    """σ(z) = max(z, 0),   σ'(z) = 1 where z > 0, else 0 (also at the kink z = 0)."""

    steady: ClassVar[bool] = True

    def __call__(self, z: Array, out: Array | None = None) -> Array:
        """σ(z)."""
        return in_pieces(_above_zero, z, out=out)

    def backward(self, error: Array, z: Array, a: Array, out: Array | None = None) -> Array:
        """error where z > 0, else 0."""
        out = np.empty_like(error) if out is None else out
        bits = f"i{error.itemsize}"  # a masked copy takes ten times as long, and 0 · error isn't 0 for infinite errors
        mask = out.view(bits)
        np.less_equal(z, 0.0, out=mask)
        np.subtract(mask, 1, out=mask)  # 0 becomes −1, which lets all bits pass
        np.bitwise_and(error.view(bits), mask, out=mask)
        return out

    def __str__(self) -> str:
        return "relu"


def _above_zero(z: Array, out: Array | None) -> Array:
    return np.maximum(z, level(z, 0.0), out=out)


@dataclass(frozen=True)
class LeakyReLU:
    """σ(z) = z where z > 0, else slope · z,   σ'(z) = 1 where z > 0, else slope (also at z = 0)."""

    slope: float = 0.01
    steady: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not is_real(self.slope) or not math.isfinite(self.slope):
            raise GraphError(f"leaky ReLU takes a finite slope, got {self.slope!r}")
        object.__setattr__(self, "slope", float(self.slope))  # numpy's own numbers would have it compute in float64

    def __call__(self, z: Array, out: Array | None = None) -> Array:
        """σ(z)."""
        return in_pieces(self._forward, z, out=out, scratch=1)

    def backward(self, error: Array, z: Array, a: Array, out: Array | None = None) -> Array:
        """error where z > 0, else slope · error."""
        above = np.greater(z, 0.0, out=np.empty_like(z) if out is None else out)
        below = np.subtract(1.0, above)
        np.multiply(below, self.slope, out=below)
        slope = np.add(above, below, out=above)
        return np.multiply(slope, error, out=slope)

    def _forward(self, z: Array, out: Array | None, scratch: Array | None) -> Array:
        out = np.minimum(z, level(z, 0.0), out=out)
        np.multiply(out, self.slope, out=out)
        return np.add(out, np.maximum(z, level(z, 0.0), out=scratch), out=out)

    def __str__(self) -> str:
        return "leaky_relu" if self.slope == 0.01 else f"leaky_relu({self.slope:g})"


@dataclass(frozen=True)
class Softplus:
    """σ(z) = ln(1 + e^z) = max(z, 0) + ln(1 + e^−|z|),   σ'(z) = 1 / (1 + e^−z) = 1 − e^−a.

    PyTorch's Softplus takes z itself where z > 20, which is less by up to 2·10⁻⁹.
    """

    steady: ClassVar[bool] = True

    def __call__(self, z: Array, out: Array | None = None) -> Array:
        """σ(z)."""
        return in_pieces(self._forward, z, out=out, scratch=1)

    def backward(self, error: Array, z: Array, a: Array, out: Array | None = None) -> Array:
        """error ⊙ (1 − e^−a)."""
        out = np.negative(a, out=out)
        np.expm1(out, out=out)
        np.negative(out, out=out)
        return np.multiply(out, error, out=out)

    def _forward(self, z: Array, out: Array | None, scratch: Array | None) -> Array:
        out = np.abs(z, out=out)
        np.negative(out, out=out)
        np.exp(out, out=out)
        np.log1p(out, out=out)
        return np.add(out, np.maximum(z, level(z, 0.0), out=scratch), out=out)

    def __str__(self) -> str:
        return "softplus"
