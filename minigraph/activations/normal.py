"""Φ, the distribution function of the normal distribution, for whole arrays."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from ..param import Array

_STEPS = 256  # points of the grid from one whole number to the next
_END = 9  # Φ(−9) < 2e-19


def normal_cdf(z: Array, out: Array | None = None) -> Array:
    """Φ(z) = (1 + erf(z / √2)) / 2, to 1e-15 where z is float64; NaN stays NaN, and Φ is 0 below −9.

    By Taylor's expansion about the nearest point p of a grid on which Φ(p) and φ(p) = Φ'(p) are known. With h = z − p:

        Φ(z) = Φ(p) + φ(p) h (1 − ph/2 + (p²h² − h²)/6 − (p³h³ − 3ph³)/24),   |h| ≤ 1/512
    """
    cdf, pdf = _table(z.dtype)
    h = np.maximum(z, -_END)
    np.minimum(h, _END, out=h)
    h *= _STEPS
    p = np.rint(h)
    h -= p
    with np.errstate(invalid="ignore"):  # any point will do for NaN: h is NaN too
        i = p.astype(np.intp)
    i += _END * _STEPS
    h *= 1 / _STEPS
    p *= h
    p *= 1 / _STEPS  # p h
    series = np.multiply(p, -1 / 24, out=out)
    series += 1 / 6
    series *= p
    series -= 1 / 2
    series *= p
    series += 1
    p *= 1 / 8
    p -= 1 / 6
    p *= h
    p *= h
    series += p
    series *= h
    series *= pdf.take(i, mode="clip")
    series += cdf.take(i, mode="clip")
    return series


@cache
def _table(dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """Φ and φ on the grid; beyond its ends Φ is 0 and 1."""
    points = [k / _STEPS for k in range(1 - _END * _STEPS, _END * _STEPS)]
    cdf = [0.0, *(math.erfc(-p / math.sqrt(2)) / 2 for p in points), 1.0]
    pdf = [0.0, *(math.exp(-p * p / 2) / math.sqrt(2 * math.pi) for p in points), 0.0]
    return np.array(cdf, dtype), np.array(pdf, dtype)
