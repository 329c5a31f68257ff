"""Relatives of the rectifier that bend smoothly and go slightly below zero."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import GraphError
from ..numbers import is_real
from ..param import Array
from .normal import normal_cdf
from .plain import two_slopes


@dataclass(frozen=True)
class ELU:
    """σ(z) = z where z > 0, else α (e^z − 1),   σ'(z) = 1 where z > 0, else α e^z (also at z = 0).

    Clevert, Unterthiner and Hochreiter 2015.
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        if not is_real(self.alpha) or not np.isfinite(self.alpha):
            raise GraphError(f"ELU takes a finite alpha, got {self.alpha!r}")
        object.__setattr__(self, "alpha", float(self.alpha))  # numpy's own numbers would have it compute in float64

    def __call__(self, z: Array, out: Array | None = None) -> Array:
        """σ(z)."""
        return _elu(z, 1.0, self.alpha, out)

    def backward(self, error: Array, z: Array, a: Array, out: Array | None = None) -> Array:
        """error where z > 0, else error ⊙ α e^z."""
        return _elu_backward(error, z, 1.0, self.alpha, out)

    def __str__(self) -> str:
        return "elu" if self.alpha == 1.0 else f"elu({self.alpha:g})"


_ALPHA, _SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


@dataclass(frozen=True)
class SELU:
    """σ(z) = λ z where z > 0, else λα (e^z − 1),   σ'(z) = λ where z > 0, else λα e^z (also at z = 0).

    λ = 1.0507… and α = 1.6732… keep mean 0 and variance 1: Klambauer, Unterthiner, Mayr and Hochreiter 2017.
    """

    def __call__(self, z: Array, out: Array | None = None) -> Array:
        """σ(z)."""
        return _elu(z, _SCALE, _SCALE * _ALPHA, out)

    def backward(self, error: Array, z: Array, a: Array, out: Array | None = None) -> Array:
        """error · λ where z > 0, else error ⊙ λα e^z."""
        return _elu_backward(error, z, _SCALE, _SCALE * _ALPHA, out)

    def __str__(self) -> str:
        return "selu"


def _elu(z: Array, above: float, below: float, out: Array | None) -> Array:
    out = np.minimum(z, 0.0, out=out)
    np.expm1(out, out=out)
    np.multiply(out, below, out=out)
    positive = np.maximum(z, 0.0)
    return np.add(out, np.multiply(positive, above, out=positive), out=out)


def _elu_backward(error: Array, z: Array, above: float, below: float, out: Array | None) -> Array:
    out = np.minimum(z, 0.0, out=out)
    np.exp(out, out=out)
    np.multiply(out, two_slopes(z, above, below), out=out)
    return np.multiply(out, error, out=out)


@dataclass(frozen=True)
class GELU:
    """σ(z) = z Φ(z),   σ'(z) = Φ(z) + z φ(z),   Φ(z) = (1 + erf(z / √2)) / 2,   φ(z) = e^(−z²/2) / √(2π).

    Hendrycks and Gimpel 2016.
    """

    def __call__(self, z: Array, out: Array | None = None) -> Array:
        """σ(z)."""
        return _in_blocks(self._forward, z, out=out)

    def backward(self, error: Array, z: Array, a: Array, out: Array | None = None) -> Array:
        """error ⊙ (Φ(z) + z φ(z))."""
        return _in_blocks(self._backward, z, error, out=out)

    def _forward(self, z: Array, out: Array) -> None:
        normal_cdf(z, out)
        out *= np.maximum(z, _LOW)

    def _backward(self, z: Array, error: Array, out: Array) -> None:
        normal_cdf(z, out)
        t = _clipped(z)
        density = np.multiply(t, t)
        density *= -0.5
        np.exp(density, out=density)
        density *= 1 / math.sqrt(2 * math.pi)
        density *= t
        out += density
        out *= error

    def __str__(self) -> str:
        return "gelu"


_C, _CUBIC = 2 * math.sqrt(2 / math.pi), 0.044715


@dataclass(frozen=True)
class GELUTanh:
    """GELU's approximation by tanh.

    σ(z) = z (1 + tanh u) / 2 = z s,   s = 1 / (1 + e^−2u),   u = √(2/π) (z + 0.044715 z³)
    σ'(z) = s + z s (1 − s) 2u'(z)
    """

    def __call__(self, z: Array, out: Array | None = None) -> Array:
        """σ(z)."""
        return _in_blocks(self._forward, z, out=out)

    def backward(self, error: Array, z: Array, a: Array, out: Array | None = None) -> Array:
        """error ⊙ (s + z s (1 − s) 2u'(z))."""
        return _in_blocks(self._backward, z, error, out=out)

    def _forward(self, z: Array, out: Array) -> None:
        t = _clipped(z, 10.0)  # e^2u is near the largest float32 there
        np.multiply(t, t, out=out)
        out *= _C * _CUBIC
        out += _C
        out *= t
        _times_logistic(z, out)

    def _backward(self, z: Array, error: Array, out: Array) -> None:
        t = _clipped(z, 10.0)
        e = np.multiply(t, t)
        slope = np.multiply(e, 3 * _C * _CUBIC, out=out)
        slope += _C
        slope *= t  # z 2u'(z)
        e *= _C * _CUBIC
        e += _C
        e *= t  # 2u
        _logistic_slope(e, slope, error, out)

    def __str__(self) -> str:
        return "gelu_tanh"


@dataclass(frozen=True)
class SiLU:
    """σ(z) = z s,   s = 1 / (1 + e^−z),   σ'(z) = s + z s (1 − s): also called swish.

    Elfwing, Uchibe and Doya 2017.
    """

    def __call__(self, z: Array, out: Array | None = None) -> Array:
        """σ(z)."""
        return _in_blocks(self._forward, z, out=out)

    def backward(self, error: Array, z: Array, a: Array, out: Array | None = None) -> Array:
        """error ⊙ (s + z s (1 − s))."""
        return _in_blocks(self._backward, z, error, out=out)

    def _forward(self, z: Array, out: Array) -> None:
        np.minimum(z, _HIGH, out=out)
        _times_logistic(z, out)

    def _backward(self, z: Array, error: Array, out: Array) -> None:
        t = _clipped(z)
        _logistic_slope(t, t, error, out)

    def __str__(self) -> str:
        return "silu"


def _times_logistic(z: Array, u: Array) -> None:
    """Write z / (1 + e^−u) over u."""
    e = np.exp(u, out=u)
    d = np.add(e, 1.0)
    e /= d
    e *= np.maximum(z, _LOW, out=d)


def _logistic_slope(u: Array, factor: Array, error: Array, out: Array) -> None:
    """Error ⊙ s (1 + factor (1 − s)) with s = 1 / (1 + e^−u) and 1 − s = 1 / (1 + e^u), into `out`."""
    e = np.exp(u)
    d = np.add(e, 1.0)
    e /= d
    np.divide(factor, d, out=out)
    out += 1.0
    out *= e
    out *= error


@dataclass(frozen=True)
class Mish:
    """σ(z) = z tanh(ln(1 + e^z)) = z w / (w + 2),   w = e^z (e^z + 2): Misra 2019.

    σ'(z) = (w + z 4e^z (e^z + 1) / (w + 2)) / (w + 2)
    """

    def __call__(self, z: Array, out: Array | None = None) -> Array:
        """σ(z)."""
        return _in_blocks(self._forward, z, out=out)

    def backward(self, error: Array, z: Array, a: Array, out: Array | None = None) -> Array:
        """error ⊙ σ'(z)."""
        return _in_blocks(self._backward, z, error, out=out)

    def _forward(self, z: Array, out: Array) -> None:
        t = _clipped(z)
        e = np.exp(t, out=t)
        np.add(e, 2.0, out=out)
        out *= e  # w
        out /= np.add(out, 2.0, out=t)
        out *= np.maximum(z, _LOW, out=t)

    def _backward(self, z: Array, error: Array, out: Array) -> None:
        t = _clipped(z)
        e = np.exp(t)
        w = np.add(e, 2.0)
        w *= e
        np.add(e, 1.0, out=out)
        out *= e
        out *= t
        out *= 4.0
        d = np.add(w, 2.0)
        out /= d
        out += w
        out /= d
        out *= error

    def __str__(self) -> str:
        return "mish"


# below, e^z is 0, and so is the function; above, e^z / (1 + e^z) is 1, and the square of e^z is a float32
_LOW, _HIGH = -1000.0, 41.0
_BLOCK = 16384  # elements that stay in the cache, with what is computed in between


def _clipped(z: Array, high: float = _HIGH) -> Array:
    t = np.maximum(z, _LOW)
    return np.minimum(t, high, out=t)


def _in_blocks(f: Callable[..., None], *arrays: Array, out: Array | None) -> Array:
    """Let f(*arrays, out) write into `out`, a block at a time where there are many elements."""
    out = np.empty_like(arrays[0]) if out is None else out
    arrays += (out,)
    if out.size <= _BLOCK or not all(array.flags.c_contiguous for array in arrays):
        f(*arrays)
        return out
    flat = [array.reshape(-1) for array in arrays]
    for start in range(0, out.size, _BLOCK):
        f(*(array[start : start + _BLOCK] for array in flat))
    return out
