"""Relatives of the rectifier that bend smoothly and go slightly below zero."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..errors import GraphError
from ..numbers import is_real
from ..param import Array
from .normal import FAR, upper_tail
from .pieces import in_pieces, level


@dataclass(frozen=True)
class ELU:
    """σ(z) = z where z > 0, else α (e^z − 1),   σ'(z) = 1 where z > 0, else α e^z (also at z = 0).

    Clevert, Unterthiner and Hochreiter 2015.
    """

    alpha: float = 1.0
    steady: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not is_real(self.alpha) or not math.isfinite(self.alpha):
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


ALPHA, SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


@dataclass(frozen=True)
class SELU:
    """σ(z) = λ z where z > 0, else λα (e^z − 1),   σ'(z) = λ where z > 0, else λα e^z (also at z = 0).

    λ = 1.0507… and α = 1.6732… keep mean 0 and variance 1: Klambauer, Unterthiner, Mayr and Hochreiter 2017.
    """

    steady: ClassVar[bool] = True

    def __call__(self, z: Array, out: Array | None = None) -> Array:
        """σ(z)."""
        return _elu(z, SCALE, SCALE * ALPHA, out)

    def backward(self, error: Array, z: Array, a: Array, out: Array | None = None) -> Array:
        """error · λ where z > 0, else error ⊙ λα e^z."""
        return _elu_backward(error, z, SCALE, SCALE * ALPHA, out)

    def __str__(self) -> str:
        return "selu"


def _elu(z: Array, above: float, below: float, out: Array | None) -> Array:
    def forward(z: Array, out: Array | None, high: Array | None) -> Array:
        out = np.minimum(z, level(z, 0.0), out=out)
        np.expm1(out, out=out)
        if below != 1.0:
            np.multiply(out, below, out=out)
        high = np.maximum(z, level(z, 0.0), out=high)
        if above != 1.0:
            np.multiply(high, above, out=high)
        return np.add(out, high, out=out)

    return in_pieces(forward, z, out=out, scratch=1)


def _elu_backward(error: Array, z: Array, above: float, below: float, out: Array | None) -> Array:
    def backward(z: Array, error: Array, out: Array | None, positive: Array | None) -> Array:
        out = np.minimum(z, level(z, 0.0), out=out)
        np.exp(out, out=out)
        if not above == below == 1.0:  # above · [z > 0] + below · (e^min(z,0) − [z > 0])
            positive = np.greater(z, 0.0, out=np.empty_like(z) if positive is None else positive)
            np.subtract(out, positive, out=out)
            np.multiply(out, below, out=out)
            np.multiply(positive, above, out=positive)
            np.add(out, positive, out=out)
        return np.multiply(out, error, out=out)

    return in_pieces(backward, z, error, out=out, scratch=1)


@dataclass(frozen=True)
class GELU:
    """σ(z) = z Φ(z),   σ'(z) = Φ(z) + z φ(z),   Φ(z) = (1 + erf(z / √2)) / 2,   φ(z) = e^(−z²/2) / √(2π).

    Hendrycks and Gimpel 2016.
    """

    steady: ClassVar[bool] = True

    def __call__(self, z: Array, out: Array | None = None) -> Array:
        """σ(z) = max(z, 0) − |z| Φ(−|z|)."""
        return in_pieces(self._forward, z, out=out, scratch=2)

    def backward(self, error: Array, z: Array, a: Array, out: Array | None = None) -> Array:
        """error ⊙ (Φ(z) + z φ(z)), where Φ(z) is a / z."""
        return in_pieces(self._backward, z, a, error, out=out, scratch=2)

    def _forward(self, z: Array, out: Array | None, u: Array | None, scratch: Array | None) -> Array:
        u = np.abs(z, out=u)
        np.minimum(u, level(z, FAR), out=u)
        out = upper_tail(u, out, scratch)
        np.multiply(out, u, out=out)
        high = np.maximum(z, level(z, 0.0), out=u)
        return np.subtract(high, out, out=out)

    def _backward(
        self, z: Array, a: Array, error: Array, out: Array | None, t: Array | None, square: Array | None
    ) -> Array:
        t = _clipped(z, -FAR, FAR, t)
        square = np.multiply(t, t, out=square)
        tiny = _TINY[z.dtype]
        out = np.minimum(a, level(a, FAR), out=out)
        np.multiply(out, t, out=out)
        np.add(out, 0.5 * tiny, out=out)
        np.add(square, tiny, out=square)
        np.divide(out, square, out=out)  # a / z, and Φ(0) = 1/2 where both are 0
        density = np.multiply(square, -0.5, out=square)
        np.exp(density, out=density)
        np.multiply(density, 1 / math.sqrt(2 * math.pi), out=density)
        np.multiply(density, t, out=density)
        np.add(out, density, out=out)
        return np.multiply(out, error, out=out)

    def __str__(self) -> str:
        return "gelu"


_TINY = {np.dtype("float32"): 1e-37, np.dtype("float64"): 1e-307}
_C, _CUBIC = 2 * math.sqrt(2 / math.pi), 0.044715


@dataclass(frozen=True)
class GELUTanh:
    """GELU's approximation by tanh.

    σ(z) = z (1 + tanh u) / 2 = z s,   s = 1 / (1 + e^−2u),   u = √(2/π) (z + 0.044715 z³)
    σ'(z) = s + z s (1 − s) 2u'(z)
    """

    steady: ClassVar[bool] = True

    def __call__(self, z: Array, out: Array | None = None) -> Array:
        """σ(z)."""
        return in_pieces(self._forward, z, out=out, scratch=1)

    def backward(self, error: Array, z: Array, a: Array, out: Array | None = None) -> Array:
        """error ⊙ (s + z s (1 − s) 2u'(z))."""
        return in_pieces(self._backward, z, error, out=out, scratch=2)

    def _forward(self, z: Array, out: Array | None, t: Array | None) -> Array:
        t = _clipped(z, _LOW, 10.0, t)  # e^2u is near the largest float32 there
        u = np.multiply(t, t, out=out)
        np.multiply(u, _C * _CUBIC, out=u)
        np.add(u, _C, out=u)
        np.multiply(u, t, out=u)  # 2u
        return _times_logistic(z, u, t)

    def _backward(self, z: Array, error: Array, out: Array | None, t: Array | None, u: Array | None) -> Array:
        t = _clipped(z, _LOW, 10.0, t)
        u = np.multiply(t, t, out=u)
        slope = np.multiply(u, 3 * _C * _CUBIC, out=out)
        np.add(slope, _C, out=slope)
        np.multiply(slope, t, out=slope)  # z 2u'(z)
        np.multiply(u, _C * _CUBIC, out=u)
        np.add(u, _C, out=u)
        np.multiply(u, t, out=u)  # 2u
        e = np.exp(u, out=u)
        return _logistic_slope(e, slope, error, np.add(e, 1.0, out=t), slope)

    def __str__(self) -> str:
        return "gelu_tanh"


@dataclass(frozen=True)
class SiLU:
    """σ(z) = z s,   s = 1 / (1 + e^−z),   σ'(z) = s + z s (1 − s): also called swish.

    Elfwing, Uchibe and Doya 2017.
    """

    steady: ClassVar[bool] = True

    def __call__(self, z: Array, out: Array | None = None) -> Array:
        """σ(z)."""
        return in_pieces(self._forward, z, out=out, scratch=1)

    def backward(self, error: Array, z: Array, a: Array, out: Array | None = None) -> Array:
        """error ⊙ (s + z s (1 − s))."""
        return in_pieces(self._backward, z, error, out=out, scratch=2)

    def _forward(self, z: Array, out: Array | None, scratch: Array | None) -> Array:
        return _times_logistic(z, np.minimum(z, level(z, _HIGH), out=out), scratch)

    def _backward(self, z: Array, error: Array, out: Array | None, t: Array | None, e: Array | None) -> Array:
        t = _clipped(z, _LOW, _HIGH, t)
        e = np.exp(t, out=e)
        d = np.add(e, 1.0, out=out)
        return _logistic_slope(e, t, error, d, d)

    def __str__(self) -> str:
        return "silu"


def _times_logistic(z: Array, u: Array, scratch: Array | None) -> Array:
    """Write z / (1 + e^−u) over u."""
    e = np.exp(u, out=u)
    d = np.add(e, 1.0, out=scratch)
    np.divide(e, d, out=e)
    return np.multiply(e, np.maximum(z, level(z, _LOW), out=d), out=e)


def _logistic_slope(e: Array, factor: Array, error: Array, d: Array, out: Array) -> Array:
    """Error ⊙ s (1 + factor (1 − s)) with s = e / d and 1 − s = 1 / d, into `out`; writes over e."""
    s = np.divide(e, d, out=e)
    np.divide(factor, d, out=out)
    np.add(out, 1.0, out=out)
    np.multiply(out, s, out=out)
    return np.multiply(out, error, out=out)


@dataclass(frozen=True)
class Mish:
    """σ(z) = z tanh(ln(1 + e^z)) = z w / (w + 2),   w = e^z (e^z + 2): Misra 2019.

    σ'(z) = (w + z 4e^z (e^z + 1) / (w + 2)) / (w + 2)
    """

    steady: ClassVar[bool] = True

    def __call__(self, z: Array, out: Array | None = None) -> Array:
        """σ(z)."""
        return in_pieces(self._forward, z, out=out, scratch=1)

    def backward(self, error: Array, z: Array, a: Array, out: Array | None = None) -> Array:
        """error ⊙ σ'(z)."""
        return in_pieces(self._backward, z, error, out=out, scratch=2)

    def _forward(self, z: Array, out: Array | None, t: Array | None) -> Array:
        t = _clipped(z, _LOW, _HIGH, t)
        e = np.exp(t, out=t)
        w = np.add(e, 2.0, out=out)
        np.multiply(w, e, out=w)
        ratio = np.divide(w, np.add(w, 2.0, out=t), out=w)
        return np.multiply(ratio, np.maximum(z, level(z, _LOW), out=t), out=ratio)

    def _backward(self, z: Array, error: Array, out: Array | None, t: Array | None, e: Array | None) -> Array:
        t = _clipped(z, _LOW, _HIGH, t)
        e = np.exp(t, out=e)
        out = np.add(e, 1.0, out=out)
        np.multiply(out, e, out=out)
        np.multiply(out, t, out=out)
        np.multiply(out, 4.0, out=out)
        w = np.multiply(np.add(e, 2.0, out=t), e, out=e)
        d = np.add(w, 2.0, out=t)
        np.divide(out, d, out=out)
        np.add(out, w, out=out)
        np.divide(out, d, out=out)
        return np.multiply(out, error, out=out)

    def __str__(self) -> str:
        return "mish"


# below, e^z is 0, and so is the function; above, e^z / (1 + e^z) is 1, and the square of e^z is a float32
_LOW, _HIGH = -1000.0, 41.0


def _clipped(z: Array, low: float, high: float, out: Array | None) -> Array:
    out = np.maximum(z, level(z, low), out=out)
    return np.minimum(out, level(z, high), out=out)
