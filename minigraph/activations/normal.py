"""The upper tail of the normal distribution, for whole arrays."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from ..param import Array

FAR = 1e18
"""Its square is a float32; Q is 0 long before."""

_FITS = {np.dtype("float32"): (2.5, 8.0, 6), np.dtype("float64"): (3.5, 14.0, 19)}
"""k, the u up to which G is fitted, the polynomial's degree: errors in a last digit or two, some more in far tails."""


def upper_tail(u: Array, out: Array | None, scratch: Array | None) -> Array:
    """Q(u) = 1 − Φ(u) = (1 − erf(u / √2)) / 2 for 0 ≤ u ≤ FAR, into `out`.

    Q(u) = e^(−u²/2) G(s),   s = c / (u + k) − d:   G is near to a polynomial.
    """
    (k, c, d), (highest, *rest, last) = _fit(u.dtype)
    s = np.add(u, k, out=scratch)
    np.subtract(np.divide(c, s, out=s), d, out=s)
    out = np.multiply(s, highest, out=out)
    for coefficient in rest:
        np.add(out, coefficient, out=out)
        np.multiply(out, s, out=out)
    np.add(out, last, out=out)
    power = np.multiply(u, u, out=s)
    np.multiply(power, -0.5, out=power)
    np.exp(power, out=power)
    return np.multiply(out, power, out=out)


@cache
def _fit(dtype: np.dtype[Any]) -> tuple[list[Array], list[Array]]:
    """k, c, d, which bring u = 0 and u = end to s = 1 and s = −1, and the coefficients of G, the highest first."""
    k, end, degree = _FITS[dtype]
    c = 2.0 / (1.0 / k - 1.0 / (end + k))
    d = c / k - 1.0
    n = degree + 1
    angles = [math.pi * (j + 0.5) / n for j in range(n)]  # of the Chebyshev nodes s = cos t
    x = [(c / (math.cos(t) + d) - k) / math.sqrt(2.0) for t in angles]
    g = [math.erfc(v) * math.exp(v * v) / 2.0 for v in x]
    # no linear solver: its last bits depend on BLAS and on the number of its threads
    series = [2.0 / n * math.fsum(v * math.cos(i * t) for v, t in zip(g, angles, strict=True)) for i in range(n)]
    series[0] /= 2.0
    coefficients = np.polynomial.chebyshev.cheb2poly(series)[::-1]
    return [np.array(v, dtype) for v in (k, c, d)], [np.array(v, dtype) for v in coefficients]
