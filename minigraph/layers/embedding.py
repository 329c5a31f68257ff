"""Layers that turn a sequence of symbols into vectors that know what they are and where they stand."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from ..errors import FeedError, GraphError, ShapeError
from ..initializers import Initial
from ..layer import Layer
from ..numbers import is_whole
from ..param import Array, Param, Shape
from ..record import Record


@dataclass(eq=False)
class Embedding(Layer):
    """A vector for each of `size` symbols, looked up by their integer indices.

        a_i = w_{x_i}                           x (m, *shape) integers from 0 to size − 1   w (size, n)
        ∂C/∂w_k = Σ_{i: x_i = k} error_i        a (m, *shape, n)   no error to the input

    `units` is n. Row `padding_index` stands for no symbol: it starts at 0, unless w is shared, and a use of it adds
    nothing to the gradient. PyTorch's `Embedding` with `weight` = w. `Dense(size, bias=False, weights=embedding.w)`
    shares w as the layer that scores each symbol: start it smaller then (`weights="glorot_normal"`) and put
    `Scale(√n)` behind the embedding, as Vaswani et al. 2017 do in section 3.4.
    """

    constant_inputs: ClassVar[frozenset[int]] = frozenset({0})

    size: int
    units: int
    padding_index: int | None = None
    weights: Initial = "normal"
    w: Param = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not is_whole(self.size) or self.size < 1:
            raise GraphError(f"Embedding takes a positive whole number as size, got {self.size!r}")
        if not is_whole(self.units) or self.units < 1:
            raise GraphError(f"Embedding takes a positive whole number of units, got {self.units!r}")
        padding = self.padding_index
        if padding is not None and (not is_whole(padding) or not 0 <= padding < self.size):
            raise GraphError(f"Embedding takes a padding_index from 0 to {self.size - 1}, or None, got {padding!r}")

    def build(self, shape: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Integers of any shape -> (*shape, n)."""
        draws = getattr(self, "w", None) is None and not isinstance(self.weights, Param)
        self.w = self.param("w", (int(self.size), int(self.units)), self.weights, rng=rng, dtype=dtype)
        if draws and self.padding_index is not None:
            self.w.value[self.padding_index] = 0.0
        return (*shape, self.units)

    def fixed(self, name: str) -> int | None:
        """In w, the row of padding."""
        return self.padding_index

    def forward(self, at: Record, x: Array) -> Array:
        """The row of w for each index; raises FeedError for indices that there is no row for."""
        if x.dtype.kind != "i":
            raise FeedError(f"takes integer indices, got {x.dtype}: declare the input so, g.input(…, dtype=int)")
        if x.min() < 0 or x.max() >= self.size:
            wrong = np.unique(x[(x < 0) | (x >= self.size)])
            said = ", ".join(map(str, wrong[:5])) + (", …" if len(wrong) > 5 else "")
            raise FeedError(
                f"takes indices from 0 to {self.size - 1}, got {said}: give it a larger size, or other indices"
            )
        at.a = np.take(self.w.value, x, axis=0, out=at.a, mode="clip")
        return at.a

    def backward(self, at: Record, error: Array) -> None:
        """Each row's errors, added up."""
        if self.frozen:
            return
        grad = at.grad.get(self.w)
        grad = np.empty_like(self.w.value) if grad is None else grad
        _add_rows(grad, at.inputs[0].ravel(), error.reshape(-1, self.units))
        if self.padding_index is not None:
            grad[self.padding_index] = 0.0
        at.grad[self.w] = grad

    def describe(self) -> str:
        """The layer and the number of symbols."""
        return f"Embedding of {self.size}"


def _add_rows(total: Array, index: Array, rows: Array) -> None:
    """total_k = Σ_{i: index_i = k} rows_i. First ones are copied, repeated ones added: np.add.at is 5 × slower."""
    total.fill(0.0)
    order = np.argsort(index, kind="stable")
    ordered = index[order]
    again = np.concatenate(([False], ordered[1:] == ordered[:-1]))
    total[ordered[~again]] = rows[order[~again]]
    order, ordered = order[again], ordered[again]
    if len(order):
        starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
        total[ordered[starts]] += np.add.reduceat(rows[order], starts, axis=0)


@dataclass(eq=False)
class PositionalEncoding(Layer):
    """Sinusoids of the position, added to each vector of a sequence.

        a_t = x_t + s_t,   s_{t,2i} = sin(t / 10000^(2i/d)),   s_{t,2i+1} = cos(t / 10000^(2i/d))        t = 0 … T − 1
        error to the input = error                                        x, a (m, T, d)   s (T, d)

    Vaswani et al. 2017, section 3.5. No Params; PyTorch has no such layer.
    """

    steady: ClassVar[bool] = True

    def build(self, shape: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Sequences (T, d), which stay."""
        if len(shape) != 2:
            raise ShapeError(f"takes sequences (steps, features), got samples of shape {shape}")
        return shape

    def forward(self, at: Record, x: Array) -> Array:
        """x + s."""
        at.a = np.add(x, sinusoids(x.shape[1], x.shape[2], x.dtype), out=at.a)
        return at.a

    def backward(self, at: Record, error: Array) -> Array:
        """The error itself."""
        return error


@lru_cache(maxsize=8)
def sinusoids(steps: int, features: int, dtype: np.dtype[Any]) -> Array:
    """s (T, d) of a PositionalEncoding."""
    even = np.arange(0, features, 2)
    angles = np.arange(steps)[:, None] / 10000.0 ** (even / features)  # (T, ⌈d/2⌉)
    s = np.empty((steps, features), dtype)
    s[:, 0::2] = np.sin(angles)
    s[:, 1::2] = np.cos(angles[:, : features // 2])
    s.flags.writeable = False
    return s
