"""Costs: layers whose output is C_x, one number an example, and whose average over examples is C."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from .activations import softplus
from .errors import FeedError, GraphError, ShapeError
from .layer import Layer
from .numbers import is_real
from .param import Array, Shape
from .record import Record


@dataclass(eq=False)
class Cost(Layer):
    """A cost of the outputs: C = (1/m) Σ_x C_x (assumption 1), C_x a function of the outputs (assumption 2).

    Inputs are the output a (m, *shape) and the target y, a constant; the output is C_x (m,), times `weight`.
    """

    weight: float = field(default=1.0, kw_only=True)

    judged: ClassVar[int] = 1
    """How many outputs of the network it judges: its first inputs."""
    takes_target: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not is_real(self.weight) or not np.isfinite(self.weight):
            raise GraphError(f"{type(self).__name__} takes a finite weight, got {self.weight!r}")
        self.weight = float(self.weight)  # numpy's own numbers would turn float32 into float64

    def constants(self, shapes: Sequence[Shape]) -> frozenset[int]:
        """All but the judged outputs: the target, the weights of the examples."""
        return frozenset(range(self.judged, len(shapes)))

    def choose(self, graph: Any) -> None:
        """Pick the Params that the cost is about from those of the graph; most costs are about none."""

    def target(self, shape: Shape) -> tuple[Shape, type]:
        """Sample shape and type (float or int) of the targets that go with outputs of this shape."""
        return shape, float

    def build(self, *shapes: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Outputs and targets of equal shapes -> single numbers."""
        if len(shapes) != 2:
            raise ShapeError(f"takes an output and its target, got {len(shapes)} inputs")
        if shapes[1] != shapes[0]:
            raise ShapeError(f"takes targets of its output's shape {shapes[0]}, got {shapes[1]}: nothing is broadcast")
        return ()

    def send(self, at: Record, slope: Array, error: Array) -> tuple[Array, None]:
        """What backward returns: weight · error_x · ∇ₐC_x for each example x to the output, nothing to the target."""
        if self.weight == 1.0 and error is at.ones:  # the cost is all there is: nothing to scale
            return slope, None
        scale = (error * self.weight).reshape(-1, *(1,) * (slope.ndim - 1))
        at.sent = np.multiply(slope, scale, out=at.sent)
        return at.sent, None

    def names_classes(self, y: Array) -> bool:
        """Whether these targets name classes, so that one can ask how many examples are classified right."""
        return False

    def correct(self, a: Array, y: Array) -> Array:
        """Which examples are classified right, as m booleans, where the targets name classes."""
        raise NotImplementedError(f"{type(self).__name__} names no classes")


@dataclass(eq=False)
class Quadratic(Cost):
    """The quadratic cost C_x = ½ ‖y − a‖².

    ∇ₐC_x = a − y          a, y (m, *shape) -> C_x (m,)
    """

    def forward(self, at: Record, a: Array, y: Array) -> Array:
        """½ ‖y − a‖² for each example."""
        d = at.difference = np.subtract(a, _like(y, a), out=at.difference)
        d = d if d.ndim == 2 else d.reshape(at.m, -1)
        at.a = vecdot(d, d, out=at.a)
        return np.multiply(at.a, 0.5 * self.weight, out=at.a)

    def backward(self, at: Record, error: Array) -> tuple[Array, None]:
        """error · (a − y)."""
        return self.send(at, at.difference, error)

    def names_classes(self, y: Array) -> bool:
        """One-hot rows, or single bits."""
        y = y.reshape(len(y), -1)
        return bool(np.isin(y, (0, 1)).all() and (y.shape[1] == 1 or (y.sum(axis=1) == 1).all()))

    def correct(self, a: Array, y: Array) -> Array:
        """The largest output is the class's; a single output is nearer to the right one of 0 and 1."""
        a, y = a.reshape(len(a), -1), y.reshape(len(y), -1)
        right: Array = (a[:, 0] > 0.5) == (y[:, 0] > 0.5) if y.shape[1] == 1 else a.argmax(axis=1) == y.argmax(axis=1)
        return right


@dataclass(eq=False)
class BinaryCrossEntropy(Cost):
    """Cross-entropy of independent yes-or-no outputs, on logits z (no sigmoid before it).

    C_x = Σ_j ln(1 + e^z_j) − y_j z_j = −Σ_j y_j ln σ(z_j) + (1 − y_j) ln(1 − σ(z_j))
    ∂C_x/∂z = σ(z) − y          z, y (m, *shape), y from 0 to 1 -> C_x (m,)
    """

    def forward(self, at: Record, z: Array, y: Array) -> Array:
        """Σ_j ln(1 + e^z_j) − y_j z_j for each example; finite for every finite z."""
        if not (y.min() >= 0.0 and y.max() <= 1.0):
            raise FeedError(f"takes targets from 0 to 1, got values from {y.min():g} to {y.max():g}")
        at.y = y = _like(y, z)
        at.softplus = softplus(z, out=at.softplus)
        at.c = np.multiply(y, z, out=at.c)
        np.subtract(at.softplus, at.c, out=at.c)
        at.a = np.add.reduce(at.c.reshape(at.m, -1), axis=1, out=at.a)
        return np.multiply(at.a, self.weight, out=at.a)

    def backward(self, at: Record, error: Array) -> tuple[Array, None]:
        """error · (σ(z) − y), with σ(z) = e^(z − ln(1 + e^z))."""
        z, y = at.inputs[0], at.y
        at.slope = np.subtract(z, at.softplus, out=at.slope)
        np.exp(at.slope, out=at.slope)
        np.subtract(at.slope, y, out=at.slope)
        return self.send(at, at.slope, error)

    def names_classes(self, y: Array) -> bool:
        """Targets of 0 and 1 alone."""
        return bool(np.isin(y, (0, 1)).all())

    def correct(self, a: Array, y: Array) -> Array:
        """All outputs of an example are on the right side of z = 0."""
        right: Array = ((a > 0) == (y > 0.5)).reshape(len(a), -1).all(axis=1)
        return right


@dataclass(eq=False)
class SoftmaxCrossEntropy(Cost):
    """Softmax and cross-entropy in one, on logits z (no softmax before it).

        p_j = e^z_j / Σ_k e^z_k,   C_x = −ln p_y for a label y,   C_x = −Σ_j y_j ln p_j for one-hot y
        ∂C_x/∂z = p − onehot(y)          z, p (m, k)   y (m,) integers from 0 to k − 1, or (m, k) -> C_x (m,)

    Targets declared as `g.input("t", k)` are one-hot, others are labels.
    """

    def constants(self, shapes: Sequence[Shape]) -> frozenset[int]:
        """All but the judged outputs: the target, the weights of the examples."""
        return frozenset(range(self.judged, len(shapes)))

    def choose(self, graph: Any) -> None:
        """Pick the Params that the cost is about from those of the graph; most costs are about none."""

    def target(self, shape: Shape) -> tuple[Shape, type]:
        """Labels: one integer an example."""
        return (), int

    def build(self, *shapes: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Logits (k,) and labels () or one-hot rows (k,) -> single numbers."""
        if len(shapes) != 2:
            raise ShapeError(f"takes logits and their target, got {len(shapes)} inputs")
        if len(shapes[0]) != 1:
            raise ShapeError(f"takes vectors of logits, got samples of shape {shapes[0]}")
        if shapes[1] not in ((), shapes[0]):
            raise ShapeError(f"takes labels of shape () or one-hot rows of shape {shapes[0]}, got {shapes[1]}")
        return ()

    def forward(self, at: Record, z: Array, y: Array) -> Array:
        """ln Σ_k e^z_k − z_y for each example, shifted by the largest z so that nothing overflows."""
        at.labels = _labels(y, z.shape[1])
        at.p = np.subtract(z, z.max(axis=-1, keepdims=True), out=at.p)
        at.picked = at.p[np.arange(at.m), at.labels]
        np.exp(at.p, out=at.p)
        total = at.p.sum(axis=-1, keepdims=True)
        np.divide(at.p, total, out=at.p)
        at.a = np.log(total[:, 0], out=at.a)
        np.subtract(at.a, at.picked, out=at.a)
        return np.multiply(at.a, self.weight, out=at.a)

    def backward(self, at: Record, error: Array) -> tuple[Array, None]:
        """error · (p − onehot(y))."""
        at.slope = at.buffer("slope", at.p.shape)
        at.slope[...] = at.p
        at.slope[np.arange(at.m), at.labels] -= 1.0
        return self.send(at, at.slope, error)

    def names_classes(self, y: Array) -> bool:
        """Always."""
        return True

    def correct(self, a: Array, y: Array) -> Array:
        """The largest logit is the label's."""
        right: Array = a.argmax(axis=1) == (y if y.ndim == 1 else y.argmax(axis=1))
        return right


def row_products(u: Array, v: Array, out: Array | None = None) -> Array:
    """Σ_j u_xj v_xj for each row x."""
    result: Array = np.einsum("xj,xj->x", u, v, out=out)
    return result


vecdot = getattr(np, "vecdot", row_products)  # numpy 2 has a faster call for the same sums


def _like(y: Array, a: Array) -> Array:
    """Targets in the dtype of the outputs: integers would turn float32 into float64."""
    return y if y.dtype == a.dtype else y.astype(a.dtype)


def _labels(y: Array, k: int) -> Array:
    """Labels from 0 to k − 1, given as such or as one-hot rows."""
    if y.ndim == 2:
        if not ((y == 0) | (y == 1)).all() or not (y.sum(axis=1) == 1).all():
            raise FeedError("takes one-hot rows (a single 1, else 0), got others")
        labels: Array = y.argmax(axis=1)
        return labels
    if y.dtype.kind not in "iu":
        raise FeedError(f"takes integer labels, got {y.dtype}")
    if y.min() < 0 or y.max() >= k:
        raise FeedError(f"takes labels from 0 to {k - 1}, got labels from {y.min()} to {y.max()}")
    return y
