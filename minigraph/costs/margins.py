"""Costs of falling short of a margin: of a score, of an angle, of a distance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..errors import ShapeError
from ..param import Array, Shape
from ..record import Record
from .cost import TINY, Cost, column, like, real, rows, signs, vecdot


@dataclass(eq=False)
class Hinge(Cost):
    """How far scores fall short of a margin on the side of their target, ±1: the cost of a support vector machine.

    C_x = (1/n) Σ_j max(0, margin − y_j a_j) over the n outputs of an example
    ∇ₐC_x = −(1/n) y where y a < margin, else 0 (also at the kink)          a, y (m, *shape) -> C_x (m,)
    """

    margin: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.margin = real(self, "finite margin", self.margin)

    def forward(self, at: Record, a: Array, y: Array, w: Array | None = None) -> Array:
        """(1/n) Σ_j max(0, margin − y_j a_j) for each example."""
        signs(y)
        at.y = y = like(y, a)
        at.short = np.multiply(a, y, out=at.short)
        np.maximum(np.subtract(self.margin, at.short, out=at.short), 0.0, out=at.short)
        short = rows(at.short)
        at.a = np.add.reduce(short, axis=1, out=at.a)
        return self.weighed(at, at.a, self.weight / short.shape[1], w)

    def backward(self, at: Record, error: Array) -> tuple[Array | None, ...]:
        """−error · (1/n) y where y a < margin."""
        at.slope = np.multiply(at.y, -1.0 / at.y[0].size, out=at.slope)
        np.copyto(at.slope, 0.0, where=at.short <= 0.0)
        np.copyto(at.slope, at.short, where=np.isnan(at.short))
        return self.send(at, at.slope, error)

    def names_classes(self, y: Array) -> bool:
        """Always: each output says yes or no."""
        return True

    def correct(self, a: Array, y: Array) -> Array:
        """All outputs of an example have the sign of their targets."""
        right: Array = ((a > 0) == (y > 0)).reshape(len(a), -1).all(axis=1)
        return right


@dataclass(eq=False)
class CosineEmbedding(Cost):
    """The angle between two outputs, small for pairs (y = 1), wide for others (y = −1): PyTorch's CosineEmbeddingLoss.

        cos = u·v / (|u| |v|),   |u|² = u·u + 10⁻¹², as for v
        C_x = 1 − cos for y = 1, max(0, cos − margin) for y = −1
        ∂cos/∂u = v / (|u| |v|) − cos u / |u|²,   ∂cos/∂v likewise          u, v (m, k)   y (m,) -> C_x (m,)

    The addend keeps vectors of 0 finite. As in PyTorch, the slope at the kink cos = margin is that above it.
    """

    margin: float = 0.0

    judged: ClassVar[int] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        self.margin = real(self, "finite margin", self.margin)

    def target(self, *shapes: Shape) -> tuple[Shape, type]:
        """1 or −1 for each pair."""
        return (), float

    def suit(self, *shapes: Shape) -> None:
        """Two vectors of one size, and a single number."""
        _expect_vectors(shapes[:2])
        if shapes[2] != ():
            raise ShapeError(f"takes one target a pair, of shape (), got {shapes[2]}")

    def forward(self, at: Record, u: Array, v: Array, y: Array, w: Array | None = None) -> Array:
        """1 − cos or max(0, cos − margin) for each pair."""
        signs(y)
        at.uu, at.vv = vecdot(u, u) + TINY, vecdot(v, v) + TINY
        at.length = np.sqrt(at.uu) * np.sqrt(at.vv)
        at.cos = vecdot(u, v) / at.length
        at.pairs = y > 0
        over = at.cos - self.margin
        at.a = np.where(at.pairs, 1.0 - at.cos, np.maximum(over, 0.0))
        at.slope = np.where(at.pairs, -1.0, np.where(over < 0.0, 0.0, 1.0)).astype(u.dtype)
        return self.weighed(at, at.a, self.weight, w)

    def backward(self, at: Record, error: Array) -> tuple[Array | None, ...]:
        """error · ∂C_x/∂cos · ∂cos/∂u, and likewise for v."""
        u, v = at.inputs[:2]
        scales = self.scales(at, error) * at.slope
        across, along = scales / at.length, scales * at.cos
        to_u = column(across, v) * v - column(along / at.uu, u) * u
        to_v = column(across, u) * u - column(along / at.vv, v) * v
        return (to_u, to_v, *(None,) * (len(at.inputs) - 2))


@dataclass(eq=False)
class TripletMargin(Cost):
    """How far an anchor u is from being nearer to v, of its kind, than to w, of another: PyTorch's TripletMarginLoss.

        d(u, v) = ‖u − v + eps‖_p
        C_x = max(0, margin + d(u, v) − d(u, w))          u, v, w (m, k) -> C_x (m,)
        ∂d/∂u = sign(r) |r|^(p−1),   r = (u − v + eps) / d,   ∂d/∂v = −∂d/∂u,   0 where d = 0

    As in PyTorch, the slope at the kink, where the margin is just reached, is that before it.
    """

    margin: float = 1.0
    p: float = 2.0
    eps: float = 1e-6

    judged: ClassVar[int] = 3
    takes_target: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.margin = real(self, "margin above 0", self.margin, 0.0, above=True)
        self.p = real(self, "p of 1 or more", self.p, 1.0)
        self.eps = real(self, "eps of 0 or more", self.eps, 0.0)

    def suit(self, *shapes: Shape) -> None:
        """Three vectors of one size."""
        _expect_vectors(shapes)

    def forward(self, at: Record, u: Array, v: Array, w: Array, weights: Array | None = None) -> Array:
        """max(0, margin + d(u, v) − d(u, w)) for each triplet."""
        near, at.near = self._distance(u, v)
        far, at.far = self._distance(u, w)
        at.over = self.margin + near - far
        at.a = np.maximum(at.over, 0.0, out=at.a)
        return self.weighed(at, at.a, self.weight, weights)

    def backward(self, at: Record, error: Array) -> tuple[Array | None, ...]:
        """error · (∂d(u, v)/∂u − ∂d(u, w)/∂u), −error · ∂d(u, v)/∂u, error · ∂d(u, w)/∂u, where C_x isn't cut off."""
        scales = column(np.where(at.over < 0.0, 0.0, self.scales(at, error)), at.near)
        near, far = scales * at.near, scales * at.far
        return (near - far, np.negative(near), far, *(None,) * (len(at.inputs) - 3))

    def _distance(self, u: Array, v: Array) -> tuple[Array, Array]:
        """d(u, v) for each example, and ∂d/∂u."""
        r = u - v
        r += self.eps
        size = np.abs(r)
        if self.p == 1.0:
            return np.add.reduce(size, axis=1), np.sign(r)
        if self.p == 2.0:
            d = np.sqrt(vecdot(r, r))
        else:
            top = np.maximum.reduce(size, axis=1)  # powers of shares of it neither overflow nor vanish
            shares = size / column(np.where(top == 0.0, 1.0, top).astype(u.dtype, copy=False), r)
            d = top * np.add.reduce(shares**self.p, axis=1) ** (1.0 / self.p)
        safe = column(np.where(d == 0.0, 1.0, d).astype(u.dtype, copy=False), r)
        if self.p == 2.0:
            return d, np.divide(r, safe, out=r)
        return d, np.sign(r) * (size / safe) ** (self.p - 1.0)


def _expect_vectors(shapes: tuple[Shape, ...]) -> None:
    if len(shapes[0]) != 1 or any(shape != shapes[0] for shape in shapes):
        raise ShapeError(f"takes vectors of one size, got samples of shape {' and '.join(map(str, shapes))}")
