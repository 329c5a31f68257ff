"""Costs of the difference between outputs and targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..param import Array
from ..record import Record
from .cost import Classifying, Cost, like, real, rows, vecdot


@dataclass(eq=False)
class Quadratic(Classifying, Cost):
    """The quadratic cost of the book, C_x = ½ ‖y − a‖².

    ∇ₐC_x = a − y          a, y (m, *shape) -> C_x (m,)

    It sums over the outputs of an example; MeanSquaredError takes their mean, and no half of it.
    """

    steady: ClassVar[bool] = True

    def forward(self, at: Record, a: Array, y: Array, w: Array | None = None) -> Array:
        """½ ‖y − a‖² for each example."""
        d = at.difference = np.subtract(a, y if y.dtype == a.dtype else like(y, a), out=at.difference)
        d = d if d.ndim == 2 else d.reshape(at.m, -1)
        at.a = vecdot(d, d, out=at.a)
        return self.weighed(at, at.a, 0.5 * self.weight, w)

    def backward(self, at: Record, error: Array) -> tuple[Array | None, ...]:
        """error · (a − y)."""
        return self.send(at, at.difference, error)


@dataclass(eq=False)
class MeanSquaredError(Classifying, Cost):
    """The mean of the squared differences, C_x = (1/n) ‖y − a‖² over the n elements of an example: PyTorch's MSELoss.

    ∇ₐC_x = (2/n) (a − y)          a, y (m, *shape) -> C_x (m,)
    """

    steady: ClassVar[bool] = True

    def forward(self, at: Record, a: Array, y: Array, w: Array | None = None) -> Array:
        """(1/n) ‖y − a‖² for each example."""
        d = rows(_difference(at, a, y))
        at.a = vecdot(d, d, out=at.a)
        return self.weighed(at, at.a, self.weight / d.shape[1], w)

    def backward(self, at: Record, error: Array) -> tuple[Array | None, ...]:
        """error · (2/n) (a − y)."""
        at.slope = np.multiply(at.difference, 2.0 / at.difference[0].size, out=at.slope)
        return self.send(at, at.slope, error)


@dataclass(eq=False)
class MeanAbsoluteError(Classifying, Cost):
    """The mean of the absolute differences, C_x = (1/n) Σ_j |a_j − y_j|: PyTorch's L1Loss.

    ∇ₐC_x = (1/n) sign(a − y), 0 where a = y          a, y (m, *shape), n elements an example -> C_x (m,)
    """

    steady: ClassVar[bool] = True

    def forward(self, at: Record, a: Array, y: Array, w: Array | None = None) -> Array:
        """(1/n) Σ_j |a_j − y_j| for each example."""
        d = rows(_difference(at, a, y))
        at.size = np.abs(d, out=at.size)
        at.a = np.add.reduce(at.size, axis=1, out=at.a)
        return self.weighed(at, at.a, self.weight / d.shape[1], w)

    def backward(self, at: Record, error: Array) -> tuple[Array | None, ...]:
        """error · (1/n) sign(a − y)."""
        at.slope = np.sign(at.difference, out=at.slope)
        np.multiply(at.slope, 1.0 / at.difference[0].size, out=at.slope)
        return self.send(at, at.slope, error)


@dataclass(eq=False)
class Huber(Classifying, Cost):
    """Squares of small differences, multiples of large ones: PyTorch's HuberLoss.

        d = a − y,   t = d limited to −delta … delta
        C_x = (1/n) Σ_j t_j (d_j − ½ t_j), that is ½ d² or, where |d| > delta, delta (|d| − ½ delta)
        ∇ₐC_x = (1/n) t          a, y (m, *shape), n elements an example -> C_x (m,)

    Source: Huber, Robust estimation of a location parameter, 1964.
    """

    delta: float = 1.0

    steady: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.delta = real(self, "delta above 0", self.delta, 0.0, above=True)

    def forward(self, at: Record, a: Array, y: Array, w: Array | None = None) -> Array:
        """(1/n) Σ_j t_j (d_j − ½ t_j) for each example."""
        d = rows(_difference(at, a, y))
        at.t = np.clip(d, -self.delta, self.delta, out=at.t)
        at.rest = np.multiply(at.t, -0.5, out=at.rest)
        np.add(d, at.rest, out=at.rest)
        at.a = vecdot(at.t, at.rest, out=at.a)
        return self.weighed(at, at.a, self.weight / d.shape[1], w)

    def backward(self, at: Record, error: Array) -> tuple[Array | None, ...]:
        """error · (1/n) t."""
        at.slope = np.multiply(at.t, 1.0 / at.t.shape[1], out=at.slope)
        return self.send(at, at.slope.reshape(at.difference.shape), error)


@dataclass(eq=False)
class SmoothL1(Classifying, Cost):
    """Absolute differences, rounded off within beta around 0: PyTorch's SmoothL1Loss, Huber's cost over beta.

    d = a − y,   s = d / beta limited to −1 … 1, sign(d) for beta = 0
    C_x = (1/n) Σ_j s_j (d_j − ½ beta s_j), that is ½ d² / beta or, where |d| > beta, |d| − ½ beta
    ∇ₐC_x = (1/n) s          a, y (m, *shape), n elements an example -> C_x (m,)
    """

    beta: float = 1.0

    steady: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.beta = real(self, "beta of 0 or more", self.beta, 0.0)

    def forward(self, at: Record, a: Array, y: Array, w: Array | None = None) -> Array:
        """(1/n) Σ_j s_j (d_j − ½ beta s_j) for each example."""
        d = rows(_difference(at, a, y))
        if a.dtype.type(self.beta) > 0.0:
            at.s = np.clip(d, -self.beta, self.beta, out=at.s)
            np.divide(at.s, self.beta, out=at.s)
        else:
            at.s = np.sign(d, out=at.s)
        at.rest = np.multiply(at.s, -0.5 * self.beta, out=at.rest)
        np.add(d, at.rest, out=at.rest)
        at.a = vecdot(at.s, at.rest, out=at.a)
        return self.weighed(at, at.a, self.weight / d.shape[1], w)

    def backward(self, at: Record, error: Array) -> tuple[Array | None, ...]:
        """error · (1/n) s."""
        at.slope = np.multiply(at.s, 1.0 / at.s.shape[1], out=at.slope)
        return self.send(at, at.slope.reshape(at.difference.shape), error)


def _difference(at: Record, a: Array, y: Array) -> Array:
    at.difference = np.subtract(a, like(y, a), out=at.difference)
    return at.difference  # type: ignore[no-any-return]
