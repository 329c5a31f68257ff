"""Costs that compare probabilities: cross-entropies of single bits, and the KL divergence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..activations import sigmoid
from ..errors import FeedError, GraphError
from ..param import Array
from ..record import Record
from .cost import TINY, Cost, fractions, like, rows


@dataclass(eq=False)
class BinaryCrossEntropy(Cost):
    """Cross-entropy of independent yes-or-no outputs, on logits z (no sigmoid before it).

    C_x = Σ_j ln(1 + e^z_j) − y_j z_j = −Σ_j y_j ln σ(z_j) + (1 − y_j) ln(1 − σ(z_j))
    ∂C_x/∂z = σ(z) − y          z, y (m, *shape), y from 0 to 1 -> C_x (m,)

    `reduction="mean"` takes the mean over the outputs of an example instead of the book's sum, and is then PyTorch's
    BCEWithLogitsLoss.
    """

    reduction: Literal["sum", "mean"] = "sum"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.reduction, str) or self.reduction not in ("sum", "mean"):
            raise GraphError(f"{type(self).__name__} takes the reduction 'sum' or 'mean', got {self.reduction!r}")

    def forward(self, at: Record, z: Array, y: Array, w: Array | None = None) -> Array:
        """Σ_j ln(1 + e^−|z_j|) + |z_j| |y_j − [z_j > 0]| for each example, which is right for infinite z, too."""
        fractions(y)
        at.y = y = like(y, z)
        at.c, at.off = np.abs(z, out=at.c), np.heaviside(z, 0.0, out=at.off)
        at.rest = np.exp(np.negative(at.c, out=at.rest), out=at.rest)
        np.abs(np.subtract(y, at.off, out=at.off), out=at.off)
        np.copyto(at.c, 0.0, where=at.off == 0.0)  # 0 · ∞ is 0 here
        np.multiply(at.c, at.off, out=at.c)
        np.add(at.c, np.log1p(at.rest, out=at.rest), out=at.c)
        return _over_outputs(self, at, w)

    def backward(self, at: Record, error: Array) -> tuple[Array | None, ...]:
        """error · (σ(z) − y)."""
        at.slope = sigmoid(at.inputs[0], out=at.slope)
        np.subtract(at.slope, at.y, out=at.slope)
        return self.send(at, _per_output(self, at.slope), error)

    def names_classes(self, y: Array) -> bool:
        """Targets of 0 and 1 alone."""
        return bool(np.isin(y, (0, 1)).all())

    def correct(self, a: Array, y: Array) -> Array:
        """All outputs of an example are on the right side of z = 0."""
        right: Array = ((a > 0) == (y > 0.5)).reshape(len(a), -1).all(axis=1)
        return right


@dataclass(eq=False)
class BinaryCrossEntropyOnProbabilities(BinaryCrossEntropy):
    """Cross-entropy of independent yes-or-no outputs, on probabilities p, as a sigmoid makes them.

    C_x = −Σ_j y_j ln p_j + (1 − y_j) ln(1 − p_j), logarithms limited to −100 and above
    ∂C_x/∂p = (p − y) / max(p (1 − p), 10⁻¹²)          p, y (m, *shape), both from 0 to 1 -> C_x (m,)

    These limits, which keep everything finite for p of 0 and 1, are those of PyTorch's BCELoss, which this is with
    `reduction="mean"`. BinaryCrossEntropy, on logits, needs none: it loses no digits where p is near 0 or 1.
    """

    def forward(self, at: Record, p: Array, y: Array, w: Array | None = None) -> Array:
        """−Σ_j y_j ln p_j + (1 − y_j) ln(1 − p_j) for each example."""
        fractions(y)
        if p.min() < 0.0 or p.max() > 1.0:
            raise FeedError(
                f"takes probabilities from 0 to 1, got outputs from {p.min():g} to {p.max():g}: "
                f"put Activation('sigmoid') before it, or use BinaryCrossEntropy, which takes logits"
            )
        at.y = y = like(y, p)
        with np.errstate(divide="ignore"):
            at.c, at.no = np.log(p, out=at.c), np.log1p(np.negative(p, out=at.no), out=at.no)
        np.multiply(np.maximum(at.c, -100.0, out=at.c), -y, out=at.c)
        np.multiply(np.maximum(at.no, -100.0, out=at.no), 1.0 - y, out=at.no)
        np.subtract(at.c, at.no, out=at.c)
        return _over_outputs(self, at, w)

    def backward(self, at: Record, error: Array) -> tuple[Array | None, ...]:
        """error · (p − y) / max(p (1 − p), 10⁻¹²)."""
        p = at.inputs[0]
        at.slope = np.subtract(1.0, p, out=at.slope)
        np.maximum(np.multiply(at.slope, p, out=at.slope), TINY, out=at.slope)
        np.divide(p - at.y, at.slope, out=at.slope)
        return self.send(at, _per_output(self, at.slope), error)

    def correct(self, a: Array, y: Array) -> Array:
        """All outputs of an example are on the right side of p = ½."""
        return super().correct(a - 0.5, y)


def _over_outputs(cost: BinaryCrossEntropy, at: Record, w: Array | None) -> Array:
    c = rows(at.c)
    at.a = np.add.reduce(c, axis=1, out=at.a)
    return cost.weighed(at, at.a, cost.weight / (c.shape[1] if cost.reduction == "mean" else 1), w)


def _per_output(cost: BinaryCrossEntropy, slope: Array) -> Array:
    return slope if cost.reduction == "sum" else np.multiply(slope, 1.0 / slope[0].size, out=slope)


@dataclass(eq=False)
class KLDivergence(Cost):
    """The Kullback–Leibler divergence of given probabilities y from the network's, whose logarithms a it outputs.

    C_x = Σ_j y_j (ln y_j − a_j), with 0 ln 0 = 0 and 0 · ∞ = 0
    ∂C_x/∂a = −y          a, y (m, *shape), y from 0 to 1 -> C_x (m,)

    Its average is PyTorch's KLDivLoss with `reduction="batchmean"`.
    """

    def forward(self, at: Record, a: Array, y: Array, w: Array | None = None) -> Array:
        """Σ_j y_j (ln y_j − a_j) for each example."""
        fractions(y)
        at.y = y = like(y, a)
        some = y > 0.0
        c = at.buffer("c", y.shape, zero=True)
        np.log(y, out=c, where=some)
        np.subtract(c, a, out=c, where=some | np.isnan(a))  # NaN stays NaN
        np.multiply(c, y, out=c)
        at.a = np.add.reduce(rows(c), axis=1, out=at.a)
        return self.weighed(at, at.a, self.weight, w)

    def backward(self, at: Record, error: Array) -> tuple[Array | None, ...]:
        """error · (−y)."""
        at.slope = np.negative(at.y, out=at.slope)
        return self.send(at, at.slope, error)
