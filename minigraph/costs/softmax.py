"""Softmax and cross-entropy in one, for classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from ..errors import FeedError, GraphError, ShapeError
from ..numbers import is_real, is_whole
from ..param import Array, Shape
from ..record import Record
from ..trace import noted
from .cost import Cost, like, real


@dataclass(eq=False)
class SoftmaxCrossEntropy(Cost):
    """Softmax and cross-entropy in one, on logits z (no softmax before it): PyTorch's CrossEntropyLoss.

        p_j = e^z_j / Σ_k e^z_k,   C_x = −ln p_y for a label y,   C_x = −Σ_j y_j ln p_j for probabilities y
        ∂C_x/∂z = p − onehot(y), or p Σ_j y_j − y
        z, p (m, k)   y (m,) integers from 0 to k − 1, or (m, k) from 0 to 1, adding up to 1 -> C_x (m,)

    Targets declared in the logits' shape are probabilities, such as one-hot rows; others are labels. Samples of more
    axes have their k classes along `axis` of the logits (PyTorch: axis 0 of a sample), labels are without that axis,
    and C_x is the mean over the n positions of an example.

    With ε = `label_smoothing` and class weights c, t_j = c_j ((1 − ε) y_j + ε/k) stands for probabilities y_j, and
    t_j = c_y (1 − ε) [j = y] + c_j ε/k for a label y; C_x = Σ t_j (−ln p_j) / n, summed over classes and positions. For
    labels, `class_weights` and `ignore_index` make the average a weighted one, as in PyTorch: in place of 1/n stands
    m / Σ c_y, over all positions of all examples whose label isn't `ignore_index`; those where it is have t = 0. So the
    examples of a batch share a divisor (`mixes_examples`). Where it is 0, as nothing counts, C is 0 (PyTorch: NaN).
    Logits that are all −∞, or ∞, leave nothing to compare and cost NaN.
    """

    steady: ClassVar[bool] = True

    axis: int = -1
    label_smoothing: float = 0.0
    class_weights: Sequence[float] | None = None
    ignore_index: int | None = None
    _mixes: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        kind = type(self).__name__
        if not is_whole(self.axis):
            raise GraphError(f"{kind} takes a whole number as axis, got {self.axis!r}")
        smoothing = real(self, "label_smoothing from 0 to 1", self.label_smoothing, 0.0)
        if smoothing > 1.0:
            raise GraphError(f"{kind} takes a label_smoothing from 0 to 1, got {self.label_smoothing!r}")
        self.label_smoothing = smoothing
        if self.ignore_index is not None and not is_whole(self.ignore_index):
            raise GraphError(f"{kind} takes a whole number as ignore_index, or None, got {self.ignore_index!r}")
        if self.class_weights is not None:
            given = list(self.class_weights) if np.iterable(self.class_weights) else [None]
            if not given or not all(is_real(c) and math.isfinite(c) and c >= 0.0 for c in given):
                raise GraphError(f"{kind} takes class_weights of 0 or more, one a class, got {self.class_weights!r}")
            self.class_weights = tuple(float(c) for c in given)

    @property
    def mixes_examples(self) -> bool:  # type: ignore[override]
        """Whether class weights or an ignored label make the examples share a divisor."""
        return self._mixes

    def target(self, *shapes: Shape) -> tuple[Shape, type]:
        """Labels: integers, in the logits' shape without the classes' axis."""
        shape = shapes[0]
        axis = self.axis % max(len(shape), 1)
        return (*shape[:axis], *shape[axis + 1 :]), int

    def suit(self, *shapes: Shape) -> None:
        """Logits (…, k), and labels (…) or probabilities (…, k)."""
        logits, target = shapes
        if not -len(logits) <= self.axis < len(logits):
            raise ShapeError(f"takes logits with classes along axis {self.axis}, got samples of shape {logits}")
        labels, _ = self.target(logits)
        if target not in (labels, logits):
            raise ShapeError(f"takes labels of shape {labels} or one-hot rows of shape {logits}, got {target}")
        k, weights = logits[self.axis], self.class_weights
        if weights is not None and len(weights) != k:
            raise ShapeError(f"takes {len(weights)} class_weights, one a class, got logits of {k} classes")
        if self.ignore_index is not None and target == logits:
            raise ShapeError(f"takes an ignore_index with labels of shape {labels}, got targets of shape {target}")
        if target != logits and (weights is not None or self.ignore_index is not None):
            self._mixes = True

    def forward(self, at: Record, z: Array, y: Array, w: Array | None = None) -> Array:
        """ln Σ_k e^z_k − z_y, or Σ_j t_j (ln Σ_k e^z_k − z_j); shifted by the largest z so that nothing overflows."""
        flat = z if z.ndim == 2 else self._in_rows(z)
        n, k = flat.shape
        if at.row is None:
            at.row, at.ones_k = np.arange(n, dtype=np.intp), np.ones(k, flat.dtype)
        labels = self._settle(at, y, flat, y.ndim < z.ndim)
        plain = labels is not None
        if labels is not None:
            at.place = np.add(at.row * k, labels, out=at.place, dtype=np.intp, casting="unsafe")
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):  # where all is −∞, NaN says so
            at.p = np.subtract(flat, np.maximum.reduce(flat, axis=1, keepdims=True), out=at.p)
            c = at.buffer("c", (n,) if plain else (n, k))
            c = np.take(at.p, at.place, out=c, mode="clip") if plain else np.positive(at.p, out=c)
            np.exp(at.p, out=at.p)
            at.total = np.dot(at.p, at.ones_k, out=at.total)
            np.divide(at.p, at.total[:, None], out=at.p)
            np.log(at.total, out=at.total)
            np.subtract(at.total if plain else at.total[:, None], c, out=c)  # −ln p_j
        if not plain:
            c = np.multiply(at.t, c, out=at.buffer("t c", (n, k), zero=True), where=at.t != 0.0)
        single = len(c) == c.size == at.m
        c = c.reshape(at.m) if single else np.add.reduce(c.reshape(at.m, -1), axis=1, out=at.a)
        return self.weighed(at, c, self.weight * at.factor, w)

    def backward(self, at: Record, error: Array) -> tuple[Array | None, ...]:
        """error · (p − onehot(y)), or error · (p Σ_j t_j − t)."""
        z = at.inputs[0]
        slope = at.slope = at.buffer("slope", at.p.shape)
        if at.t is None:
            np.multiply(at.p, at.factor, out=slope)
            _take_away(slope, at.place, at.factor)
        else:
            total = np.add.reduce(at.t, axis=1, keepdims=True)
            np.multiply(at.p, total, out=slope)
            np.subtract(slope, at.t, out=slope)
            np.copyto(slope, 0.0, where=total == 0.0)  # what doesn't count may be anything
            np.multiply(slope, at.factor, out=slope)
        if z.ndim != 2:
            axis = self._axis(z)
            slope = np.moveaxis(slope.reshape(*z.shape[:axis], *z.shape[axis + 1 :], -1), -1, axis)
        return self.send(at, slope, error)

    def _axis(self, z: Array) -> int:
        return self.axis % (z.ndim - 1) + 1

    def _in_rows(self, z: Array) -> Array:
        axis = self._axis(z)
        return (z if axis == z.ndim - 1 else np.moveaxis(z, axis, -1)).reshape(-1, z.shape[axis])

    def _settle(self, at: Record, y: Array, flat: Array, labeled: bool) -> Array | None:
        """The labels, if they are all there is to it, else t is left on `at`; and the factor before Σ t_j (−ln p_j)."""
        n, k = flat.shape
        at.factor = at.m / n
        at.t = None
        plain = not self.label_smoothing and self.class_weights is None and self.ignore_index is None
        if labeled and plain:
            labels: Array | None = y if y.ndim == 1 else y.reshape(-1)
            _expect_labels(labels, k)
            return labels
        c = np.ones(k, flat.dtype) if self.class_weights is None else np.asarray(self.class_weights, flat.dtype)
        if labeled:
            at.t, total = self._of_labels(at, y.reshape(-1), c)
            if self._mixes:
                at.factor = at.m / total if total else 0.0
            return None
        soft = like(y if y.ndim == 2 else self._in_rows(y), flat)
        labels = _labels_of(soft, at.row)
        if plain:
            at.t = soft if labels is None else None
            return labels
        at.t = np.multiply(soft, 1.0 - self.label_smoothing, out=at.buffer("t", (n, k)))
        at.t += self.label_smoothing / k
        at.t *= c
        return None

    def _of_labels(self, at: Record, labels: Array, c: Array) -> tuple[Array, float]:
        """t, and the sum of the class weights, of the labels that count."""
        where = at.row if self.ignore_index is None else np.flatnonzero(labels != self.ignore_index)
        counted = labels[where]
        _expect_labels(counted, len(c), self.ignore_index)
        t = at.buffer("t", (len(labels), len(c)), zero=True)
        t[where] = c * (self.label_smoothing / len(c))
        t[where, counted] += c[counted] * (1.0 - self.label_smoothing)
        return t, float(c[counted].sum(dtype=float))

    def names_classes(self, y: Array) -> bool:
        """Always."""
        return True

    def correct(self, a: Array, y: Array) -> Array:
        """Whether the largest logit is the label's, for each example or, with several positions, each that counts."""
        y = y if y.ndim < a.ndim else y.argmax(axis=self._axis(a))
        right: Array = a.argmax(axis=self._axis(a)) == y
        return right[y != self.ignore_index] if self.ignore_index is not None else right.reshape(-1)


@noted
def _take_away(slope: Array, place: Array, amount: float) -> None:
    """Subtract an amount from some elements, each of them once."""
    slope.reshape(-1)[place] -= amount


@noted
def _expect_labels(labels: Array, k: int, ignored: int | None = None) -> None:
    if labels.dtype.kind not in "iu":
        raise FeedError(f"takes integer labels, got {labels.dtype}")
    if labels.size and np.maximum.reduce(labels.view(f"u{labels.itemsize}")) >= k:  # those below 0 become huge
        beside = "" if ignored is None else f", or {ignored}, which is ignored"
        raise FeedError(
            f"takes labels from 0 to {k - 1}{beside}, got labels from {labels.min()} to {labels.max()}: "
            f"number the classes from 0, or name one to leave out, ignore_index=-1"
        )


def _labels_of(y: Array, row: Array) -> Array | None:
    """The labels in one-hot rows; None for others, FeedError for rows that aren't even probabilities."""
    if np.count_nonzero(y) == len(y) == np.count_nonzero(y == 1.0):
        labels: Array = y.argmax(axis=1)
        if y[row, labels].min() == 1.0:
            return labels
    sums = np.add.reduce(y, axis=1)
    good = (np.minimum.reduce(y, axis=1) >= 0.0) & (np.abs(sums - 1.0) < 1e-3)
    if not good.all():
        worst = y[good.argmin()]
        got = worst.tolist() if worst.size <= 8 else f"a row from {worst.min():g} to {worst.max():g} of {worst.sum():g}"
        raise FeedError(f"takes one-hot rows, or probabilities that add up to 1, got {got}: divide rows by their sum")
    return None
