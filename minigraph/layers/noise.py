"""Layers that disturb what passes, in training only."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import GraphError
from ..layer import Layer
from ..numbers import is_real
from ..param import Array, Shape
from ..record import Record


@dataclass(eq=False)
class Dropout(Layer):
    """In training, each element is 0 with probability `rate`, else scaled up to keep the mean; else the identity.

        a = x ⊙ k / (1 − rate),   k_i = 1 with probability 1 − rate, else 0          x, a, k (m, *shape)
        error to the input = error ⊙ k / (1 − rate),  with the k of the forward sweep

    With rate 1 everything is 0. It is torch.nn.Dropout(rate), but for the draws. Srivastava, Hinton, Krizhevsky,
    Sutskever and Salakhutdinov 2014, "inverted".
    """

    rate: float = 0.5

    def __post_init__(self) -> None:
        if not is_real(self.rate) or not 0.0 <= self.rate <= 1.0:
            raise GraphError(f"Dropout takes a rate from 0 to 1, got {self.rate!r}")

    def build(self, shape: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples of any shape, which stays."""
        return shape

    def forward(self, at: Record, x: Array) -> Array:
        """x ⊙ k / (1 − rate) in training, x otherwise."""
        if not at.training:
            return x
        at.keep = drawn_mask(at, x.shape, self.rate)
        at.a = np.multiply(x, at.keep, out=at.a)
        return at.a

    def backward(self, at: Record, error: Array) -> Array:
        """error ⊙ k / (1 − rate) in training, the error otherwise."""
        if not at.training:
            return error
        at.sent = np.multiply(error, at.keep, out=at.sent)
        return at.sent

    def describe(self) -> str:
        """The layer and its rate."""
        return f"Dropout {self.rate:g}"


def drawn_mask(at: Record, shape: Shape, rate: float) -> Array:
    """k / (1 − rate), k_i = 0 with probability `rate`, else 1, in the buffer "keep"; all 0 for a rate of 1."""
    keep = at.buffer("keep", shape)
    at.rng.random(out=keep, dtype=keep.dtype.type)
    np.greater_equal(keep, rate, out=keep)
    return np.multiply(keep, 0.0 if rate == 1.0 else 1.0 / (1.0 - rate), out=keep)


@dataclass(eq=False)
class GaussianNoise(Layer):
    """In training, noise is added to each element; else the identity.

    a = x + std · n,   n_i drawn from N(0, 1)      x, a, n (m, *shape)
    error to the input = error
    """

    std: float

    def __post_init__(self) -> None:
        if not is_real(self.std) or not 0.0 <= self.std < math.inf:
            raise GraphError(f"GaussianNoise takes a finite standard deviation of 0 or more as std, got {self.std!r}")
        self.std = float(self.std)

    def build(self, shape: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples of any shape, which stays."""
        return shape

    def forward(self, at: Record, x: Array) -> Array:
        """x + std · n in training, x otherwise."""
        if not at.training:
            return x
        at.a = at.rng.standard_normal(out=at.buffer("a", x.shape), dtype=x.dtype.type)
        np.multiply(at.a, self.std, out=at.a)
        np.add(at.a, x, out=at.a)
        return at.a

    def backward(self, at: Record, error: Array) -> Array:
        """The error itself."""
        return error

    def describe(self) -> str:
        """The layer and its standard deviation."""
        return f"GaussianNoise {self.std:g}"
