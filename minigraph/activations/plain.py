"""The activations of the first chapters: linear, sigmoid, tanh, and the rectifiers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import GraphError
from ..numbers import is_real
from ..param import Array

# arrays of no axis, of the dtype at hand: numpy takes them faster than Python's numbers
_ONE = {np.dtype(kind): np.array(1, kind) for kind in ("float32", "float64")}
_TOP = {np.dtype("float32"): np.array(88, "float32"), np.dtype("float64"): np.array(709, "float64")}


@dataclass(frozen=True)
class Identity:
    """σ(z) = z,   σ'(z) = 1: linear neurons. Returns what it is given and never writes into `out`."""

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

    def __call__(self, z: Array, out: Array | None = None) -> Array:
        """σ(z)."""
        e = np.minimum(z, _TOP.get(z.dtype, 709.0), out=out)  # e^z overflows above; σ there is 1 anyway
        np.exp(e, out=e)
        return np.divide(e, np.add(e, _ONE.get(e.dtype, 1.0)), out=e)

    def backward(self, error: Array, z: Array, a: Array, out: Array | None = None) -> Array:
        """error ⊙ a (1 − a)."""
        out = np.subtract(_ONE.get(a.dtype, 1.0), a, out=out)
        np.multiply(out, a, out=out)
        return np.multiply(out, error, out=out)

    def __str__(self) -> str:
        return "sigmoid"


@dataclass(frozen=True)
class Tanh:
    """σ(z) = tanh z,   σ'(z) = 1 − a²."""

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

    def __call__(self, z: Array, out: Array | None = None) -> Array:
        """σ(z)."""
        return np.maximum(z, 0.0, out=out)

    def backward(self, error: Array, z: Array, a: Array, out: Array | None = None) -> Array:
        """error where z > 0, else 0."""
        bits = f"i{error.itemsize}"  # a masked copy takes ten times as long, and 0 · error isn't 0 for infinite errors
        mask = np.less_equal(z, 0.0).astype(bits)
        mask -= 1
        out = np.empty_like(error) if out is None else out
        np.bitwise_and(error.view(bits), mask, out=out.view(bits))
        return out

    def __str__(self) -> str:
        return "relu"


@dataclass(frozen=True)
class LeakyReLU:
    """σ(z) = z where z > 0, else slope · z,   σ'(z) = 1 where z > 0, else slope (also at z = 0)."""

    slope: float = 0.01

    def __post_init__(self) -> None:
        if not is_real(self.slope) or not np.isfinite(self.slope):
            raise GraphError(f"leaky ReLU takes a finite slope, got {self.slope!r}")
        object.__setattr__(self, "slope", float(self.slope))  # numpy's own numbers would have it compute in float64

    def __call__(self, z: Array, out: Array | None = None) -> Array:
        """σ(z)."""
        out = np.minimum(z, 0.0, out=out)
        np.multiply(out, self.slope, out=out)
        return np.add(out, np.maximum(z, 0.0), out=out)

    def backward(self, error: Array, z: Array, a: Array, out: Array | None = None) -> Array:
        """error where z > 0, else slope · error."""
        out = two_slopes(z, 1.0, self.slope, out)
        return np.multiply(out, error, out=out)

    def __str__(self) -> str:
        return "leaky_relu" if self.slope == 0.01 else f"leaky_relu({self.slope:g})"


@dataclass(frozen=True)
class Softplus:
    """σ(z) = ln(1 + e^z) = max(z, 0) + ln(1 + e^−|z|),   σ'(z) = 1 / (1 + e^−z) = 1 − e^−a.

    PyTorch's Softplus takes z itself where z > 20, which is less by up to 2·10⁻⁹.
    """

    def __call__(self, z: Array, out: Array | None = None) -> Array:
        """σ(z)."""
        out = np.abs(z, out=out)
        np.negative(out, out=out)
        np.exp(out, out=out)
        np.log1p(out, out=out)
        return np.add(out, np.maximum(z, 0.0), out=out)

    def backward(self, error: Array, z: Array, a: Array, out: Array | None = None) -> Array:
        """error ⊙ (1 − e^−a)."""
        out = np.negative(a, out=out)
        np.expm1(out, out=out)
        np.negative(out, out=out)
        return np.multiply(out, error, out=out)

    def __str__(self) -> str:
        return "softplus"


def two_slopes(z: Array, above: float, below: float, out: Array | None = None) -> Array:
    """`above` where z > 0, else `below`: by arithmetic, which is faster than a masked copy."""
    out = np.greater(z, 0.0, out=np.empty_like(z) if out is None else out)
    rest = np.subtract(1.0, out)
    rest *= below
    out *= above
    out += rest
    return out
