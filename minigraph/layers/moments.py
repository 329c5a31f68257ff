"""Numbers brought to mean 0 and variance 1, and the way back through their mean and variance."""

from __future__ import annotations

import math

import numpy as np

from ..param import Array, Param
from ..record import Record

# all layers compute with views (m, b, k) of their arrays; these are the axes to sum over
CHANNEL = (0, 2)
ELEMENT = (0, 1)
WITHIN = (2,)


def standardize(at: Record, x: Array, axes: tuple[int, ...], eps: float) -> tuple[Array, Array]:
    """Leave x̂ and 1 / √(σ² + ε) on `at`; returns μ and σ². All but x̂ have size 1 along the axes."""
    n = float(math.prod(x.shape[axis] for axis in axes))  # numpy 1 divides float32 by large integers in float64
    mean = _total(x, axes) / n
    at.hat = np.subtract(x, mean, out=at.hat)
    rest = _total(at.hat, axes) / n  # what rounding left of a large mean
    np.subtract(at.hat, rest, out=at.hat)
    variance = products(at.hat, at.hat, axes) / n
    at.scale = 1.0 / np.sqrt(variance + eps)
    np.multiply(at.hat, at.scale, out=at.hat)
    return mean + rest, variance


def send_back(at: Record, error: Array, total: Array, product: Array, gain: Array) -> Array:
    """gain (error − 1/n Σ error − x̂/n Σ error x̂), from both sums."""
    n = error.size / total.size
    at.sent = np.multiply(at.hat, product / -n, out=at.sent)
    np.add(at.sent, error, out=at.sent)
    np.subtract(at.sent, total / n, out=at.sent)
    np.multiply(at.sent, gain, out=at.sent)
    return at.sent


def scaled(at: Record, hat: Array, axes: tuple[int, ...], gamma: Param | None, beta: Param | None = None) -> Array:
    """γ x̂ + β, with Params along the axis that `axes` leaves over; x̂ where there are none."""
    if gamma is None:
        return hat
    at.a = np.multiply(hat, np.expand_dims(gamma.value.ravel(), axes), out=at.a)
    if beta is not None:
        np.add(at.a, np.expand_dims(beta.value.ravel(), axes), out=at.a)
    return at.a


def sums(error: Array, hat: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """Σ error and Σ error x̂ over the axes, which stay with size 1."""
    return _total(error, axes), products(error, hat, axes)


def products(x: Array, y: Array, axes: tuple[int, ...]) -> Array:
    """Σ x y over the axes, which stay with size 1."""
    return np.expand_dims(np.einsum(x, [0, 1, 2], y, [0, 1, 2], _others(axes)), axes)


def _total(x: Array, axes: tuple[int, ...]) -> Array:
    return np.expand_dims(np.einsum(x, [0, 1, 2], _others(axes)), axes)  # twice as fast as a sum


def _others(axes: tuple[int, ...]) -> list[int]:
    return [axis for axis in range(3) if axis not in axes]


def by_last(x: Array, axes: int) -> Array:
    """A view (m, …, *last) -> (m, Π …, Π last)."""
    split = x.ndim - axes
    return x.reshape(x.shape[0], math.prod(x.shape[1:split]), math.prod(x.shape[split:]))
