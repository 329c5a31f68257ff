"""Numbers brought to mean 0 and variance 1, and the way back through their mean and variance."""

from __future__ import annotations

import math

import numpy as np

from ..param import Array, Param
from ..record import Record
from .ones import ones

# all layers compute with views (m, b, k) of their arrays; these are the axes to sum over
CHANNEL = (0, 2)
ELEMENT = (0, 1)
WITHIN = (2,)


def standardize(at: Record, x: Array, axes: tuple[int, ...], eps: float) -> tuple[Array, Array]:
    """Leave x̂ and 1 / √(σ² + ε) on `at`; returns μ and σ². All but x̂ have size 1 along the axes."""
    share = 1.0 / math.prod(x.shape[axis] for axis in axes)
    mean = total(at, "μ", x, axes)
    np.multiply(mean, share, out=mean)
    at.hat = np.subtract(x, mean, out=at.hat)
    rest = total(at, "rest", at.hat, axes)  # what rounding left of a large mean
    np.multiply(rest, share, out=rest)
    np.subtract(at.hat, rest, out=at.hat)
    np.add(mean, rest, out=mean)
    variance = products(at, "σ²", at.hat, at.hat, axes)
    np.multiply(variance, share, out=variance)
    at.scale = np.add(variance, eps, out=at.scale)
    np.sqrt(at.scale, out=at.scale)
    np.reciprocal(at.scale, out=at.scale)
    np.multiply(at.hat, at.scale, out=at.hat)
    return mean, variance


def send_back(at: Record, error: Array, total: Array, product: Array, gain: Array) -> Array:
    """gain (error − 1/n Σ error − x̂/n Σ error x̂), from both sums."""
    share = total.size / error.size
    factor = np.multiply(product, -share, out=at.buffer("factor", product.shape))
    at.sent = np.multiply(at.hat, factor, out=at.sent)
    np.add(at.sent, error, out=at.sent)
    np.subtract(at.sent, np.multiply(total, share, out=factor), out=at.sent)
    np.multiply(at.sent, gain, out=at.sent)
    return at.sent


def scaled(at: Record, hat: Array, axes: tuple[int, ...], gamma: Param | None, beta: Param | None = None) -> Array:
    """γ x̂ + β, with Params along the axis that `axes` leaves over; x̂ where there are none."""
    if gamma is None:
        return hat
    at.a = np.multiply(hat, np.expand_dims(gamma.value.reshape(-1), axes), out=at.a)
    if beta is not None:
        np.add(at.a, np.expand_dims(beta.value.reshape(-1), axes), out=at.a)
    return at.a


def sums(at: Record, name: str, error: Array, hat: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """Σ error and Σ error x̂ over the axes, which stay with size 1."""
    return total(at, f"Σ {name}", error, axes), products(at, f"Σ {name} x̂", error, hat, axes)


def products(at: Record, name: str, x: Array, y: Array, axes: tuple[int, ...]) -> Array:
    """Σ x y over the axes, which stay with size 1, in a buffer of that name."""
    if axes == CHANNEL:  # large arrays, as images are, aren't worth another one for the products
        return np.einsum("mbk,mbk->b", x, y, out=at.buffer(name, x.shape[1:2])).reshape(1, -1, 1)
    return total(at, name, np.multiply(x, y, out=at.buffer("product", x.shape)), axes)


def total(at: Record, name: str, x: Array, axes: tuple[int, ...]) -> Array:
    """Σ x over the axes, which stay with size 1, in a buffer of that name."""
    m, b, k = x.shape
    if axes == CHANNEL:
        return np.einsum("mbk->b", x, out=at.buffer(name, (b,))).reshape(1, b, 1)
    rows = x.reshape(m * b, k)
    if axes == ELEMENT:
        return np.dot(ones(at, m * b), rows, out=at.buffer(name, (k,))).reshape(1, 1, k)
    return np.dot(rows, ones(at, k), out=at.buffer(name, (m * b,))).reshape(m, b, 1)


def by_last(x: Array, axes: int) -> Array:
    """A view (m, …, *last) -> (m, Π …, Π last)."""
    split = x.ndim - axes
    return x.reshape(x.shape[0], math.prod(x.shape[1:split]), math.prod(x.shape[split:]))
