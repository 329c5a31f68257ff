"""Attention: averages of values, weighted by how well their keys answer a query."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from ..errors import GraphError, ShapeError
from ..initializers import Initial
from ..layer import Layer
from ..numbers import is_real, is_whole
from ..param import Array, Param, Shape
from ..record import Record
from .attending import attend, attend_back, check_mask
from .flags import check_flags
from .ones import ones


@dataclass(eq=False)
class ScaledDotProductAttention(Layer):
    """For each query an average of the values, weighted by its similarity to their keys.

        s = q kᵀ / √d,   p = softmax(s) over the keys,   a = p v    q (m, …, T, d)   k (m, …, S, d)   v (m, …, S, n)
        r = error vᵀ,   e = ∂C/∂s = p ⊙ (r − Σ_j r_j p_j)           s, p, r, e (m, …, T, S)   a (m, …, T, n)
        errors to the inputs = e k / √d,   eᵀ q / √d,   pᵀ error

    A fourth input says where to look: 1 for yes, 0 for no, in samples of shape (S,) or (T, S), or an integer, the
    number of keys that count. `causal` lets query t look at keys 0 … t only. What is hidden has p = 0; a query that
    can look nowhere gets zeros (in PyTorch NaN). Hidden keys and values must be finite all the same: 0 · NaN is NaN,
    as in PyTorch. `dropout` is the rate of p dropped in training. Equals PyTorch's `scaled_dot_product_attention`,
    whose boolean mask says the same. Vaswani et al. 2017, section 3.2.1.
    """

    steady: ClassVar[bool] = True

    causal: bool = False
    dropout: float = 0.0

    def __post_init__(self) -> None:
        _check_dropout(self)

    def constants(self, shapes: Sequence[Shape]) -> frozenset[int]:
        """The mask."""
        return frozenset(range(3, len(shapes)))

    def build(self, *shapes: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Queries (…, T, d), keys (…, S, d), values (…, S, n) and perhaps a mask -> (…, T, n)."""
        if len(shapes) not in (3, 4):
            raise ShapeError(f"takes query, key, value and perhaps a mask, got {len(shapes)} inputs")
        q, k, v = shapes[:3]
        fits = len(q) > 1 and len(q) == len(k) == len(v) and q[:-2] == k[:-2] == v[:-2]
        if not fits or k[-2] != v[-2] or q[-1] != k[-1]:
            raise ShapeError(f"takes query (…, T, d), key (…, S, d) and value (…, S, n), got {q}, {k} and {v}")
        check_mask(shapes[3:], q[-2], k[-2])
        return (*q[:-1], v[-1])

    def forward(self, at: Record, q: Array, k: Array, v: Array, mask: Array | None = None) -> Array:
        """a = p v."""
        at.scaled = np.multiply(q, 1.0 / math.sqrt(q.shape[-1]), out=at.scaled)
        at.a = attend(at, (at.scaled, k, v), mask, self.causal, self.dropout, at.a)
        return at.a

    def backward(self, at: Record, error: Array) -> tuple[Array | None, ...]:
        """e k / √d, eᵀ q / √d, pᵀ error."""
        at.errors = attend_back(at, error, self.dropout, at.errors or (None, None, None))
        np.multiply(at.errors[0], 1.0 / math.sqrt(at.q.shape[-1]), out=at.errors[0])
        return (*at.errors, None)[: len(at.inputs)]

    def describe(self) -> str:
        """The layer, and whether it looks back only."""
        return "ScaledDotProductAttention" + " causal" * self.causal


@dataclass(eq=False)
class MultiHeadAttention(Layer):
    """Attention by several heads at once, each with its own projection of queries, keys and values.

        q = x_q w_qᵀ + b_q,   k = x_k w_kᵀ + b_k,   v = x_v w_vᵀ + b_v       x_q (m, T, d)   x_k, x_v (m, S, ·)
        p = softmax(q kᵀ / √(n/h)) for each head,   c = p v                   q, c (m, T, n)   k, v (m, S, n)
        a = c w_oᵀ + b_o                                                      p (m, h, T, S)   a (m, T, n)
        ∂C/∂w_o = Σ_x errorᵀ c,   ∂C/∂b_o = Σ_x error,   error of c = error w_o; then back through
        ScaledDotProductAttention to δ_q, δ_k, δ_v, and as in Dense: ∂C/∂w_q = Σ_x δ_qᵀ x_q,   ∂C/∂b_q = Σ_x δ_q,
        error to x_q = δ_q w_q, and the same for k and v

    h is `heads`; n is `units`, by default d; head i has the i-th block of n/h neurons. Inputs are (x) for
    self-attention, (query, memory), or (query, key, value); after them may come a mask as ScaledDotProductAttention
    takes it, of shape (S,) or () with integers; (T, S) only after three others. Where a query can look nowhere, c is 0
    (in PyTorch NaN). Equals PyTorch's `MultiheadAttention` with batch_first: in_proj_weight is w_q, w_k, w_v on top of
    each other, in_proj_bias b_q, b_k, b_v, out_proj is w_o and b_o; but its boolean masks say where not to look.
    `weights` and `biases` start all of w and b. Vaswani et al. 2017, section 3.2.2.
    """

    steady: ClassVar[bool] = True

    heads: int
    units: int | None = None
    causal: bool = False
    dropout: float = 0.0
    bias: bool = True
    weights: Initial = "glorot_uniform"
    biases: Initial = "zeros"
    w_q: Param = field(init=False, repr=False)
    w_k: Param = field(init=False, repr=False)
    w_v: Param = field(init=False, repr=False)
    w_o: Param = field(init=False, repr=False)
    b_q: Param | None = field(init=False, repr=False)
    b_k: Param | None = field(init=False, repr=False)
    b_v: Param | None = field(init=False, repr=False)
    b_o: Param | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for what, value in (("heads", self.heads), ("units", 1 if self.units is None else self.units)):
            if not is_whole(value) or value < 1:
                raise GraphError(f"MultiHeadAttention takes a positive whole number of {what}, got {value!r}")
        if isinstance(self.weights, Param) or isinstance(self.biases, Param):
            raise GraphError("MultiHeadAttention has four weights, got one Param for all: use the layer itself twice")
        check_flags(self, "bias")
        _check_dropout(self)

    def constants(self, shapes: Sequence[Shape]) -> frozenset[int]:
        """The mask, if the last input is one."""
        return frozenset(range(_sequences([len(shape) for shape in shapes]), len(shapes)))

    def build(self, *shapes: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Sequences (T, d), (S, ·), (S, ·) and perhaps a mask -> (T, n)."""
        count = _sequences([len(shape) for shape in shapes])
        if not count or any(len(shape) != 2 for shape in shapes[:count]) or len(shapes) > count + 1:
            listed = ", ".join(map(str, shapes))
            raise ShapeError(f"takes one to three sequences (steps, features) and perhaps a mask, got {listed}")
        query, key, value = (shapes[slot] for slot in _ROLES[count])
        if key[0] != value[0]:
            raise ShapeError(f"takes as many values as keys, got key {key} and value {value}")
        check_mask(shapes[count:], query[0], key[0])
        n = int(self.units or query[1])
        if n % self.heads:
            raise ShapeError(f"divides its units among {self.heads} heads, got {n} units: choose another number")
        for letter, width in (("q", query[1]), ("k", key[1]), ("v", value[1]), ("o", n)):
            w, b = f"w_{letter}", f"b_{letter}"
            setattr(self, w, self.param(w, (n, width), self.weights, rng=rng, dtype=dtype))
            setattr(self, b, self.param(b, (n,), self.biases, rng=rng, dtype=dtype) if self.bias else None)
        return (query[0], n)

    def forward(self, at: Record, *inputs: Array) -> Array:
        """Project, attend by all heads at once, project."""
        count = _sequences([x.ndim - 1 for x in inputs])
        qkv = [self._project(at, letter, inputs[i]) for letter, i in zip("qkv", _ROLES[count], strict=True)]
        np.multiply(qkv[0], 1.0 / math.sqrt(qkv[0].shape[1] // self.heads), out=qkv[0])
        at.rows = at.buffer("c", qkv[0].shape)
        mask = inputs[count] if len(inputs) > count else None
        attend(at, [self._split(at, z) for z in qkv], mask, self.causal, self.dropout, self._split(at, at.rows))
        at.a = self._project(at, "o", at.rows).reshape(at.m, -1, self.w_o.shape[0])
        return at.a

    def backward(self, at: Record, error: Array) -> list[Array | None] | Array | None:
        """The way back, by the equations above."""
        delta, slots = _rows(error), _ROLES[_sequences([x.ndim - 1 for x in at.inputs])]
        at.dc = np.dot(delta, self.w_o.value, out=at.dc)
        n, done = at.dc.shape[1], set[Param]()
        self._gradients(at, done, "o", delta, at.rows)
        back = [at.buffer(f"δ_{x}", (at.m * at.inputs[i].shape[1], n)) for x, i in zip("qkv", slots, strict=True)]
        attend_back(at, self._split(at, at.dc), self.dropout, tuple(self._split(at, x) for x in back))
        np.multiply(back[0], 1.0 / math.sqrt(n // self.heads), out=back[0])
        sent: list[Array | None] = [None] * len(at.inputs)
        for letter, slot, delta in zip("qkv", slots, back, strict=True):
            x = at.inputs[slot]
            self._gradients(at, done, letter, delta, _rows(x))
            if at.needs[slot]:
                w, there = getattr(self, f"w_{letter}").value, sent[slot]
                part = np.dot(delta, w, out=at.buffer(f"sent {letter}", (len(delta), x.shape[-1]))).reshape(x.shape)
                sent[slot] = part if there is None else np.add(there, part, out=there)
        return sent if len(sent) > 1 else sent[0]

    def _project(self, at: Record, letter: str, x: Array) -> Array:
        w, b, rows = getattr(self, f"w_{letter}").value, getattr(self, f"b_{letter}"), _rows(x)
        z: Array = np.dot(rows, w.T, out=at.buffer(letter, (len(rows), len(w))))
        return z if b is None else np.add(z, b.value, out=z)

    def _split(self, at: Record, rows: Array) -> Array:
        """(m T, n) -> (m, h, T, n / h), a view."""
        return rows.reshape(at.m, -1, self.heads, rows.shape[1] // self.heads).transpose(0, 2, 1, 3)

    def _gradients(self, at: Record, done: set[Param], letter: str, delta: Array, x: Array) -> None:
        """Σ δᵀ x and Σ δ, the gradients of w and b, added to what is `done` where a Param stands in several places."""
        for name, left, right in (("w", delta.T, x), ("b", ones(at, len(delta)), delta)):
            param = getattr(self, f"{name}_{letter}")
            if param is None or self.frozen:
                continue
            if param not in done:
                at.grad[param] = np.dot(left, right, out=at.grad.get(param))
                done.add(param)
            else:
                part = np.dot(left, right, out=at.buffer(f"part of {name}_{letter}", param.shape))
                np.add(at.grad[param], part, out=at.grad[param])

    def describe(self) -> str:
        """The layer, its heads, and whether it looks back only."""
        return f"MultiHeadAttention {self.heads} heads" + " causal" * self.causal


_ROLES = {1: (0, 0, 0), 2: (0, 1, 1), 3: (0, 1, 2)}
"""Which input is query, key and value, by the number of sequences."""


def _sequences(ranks: Sequence[int]) -> int:
    """How many inputs before the mask: up to three of two axes."""
    return next((i for i, rank in enumerate(ranks[:3]) if rank != 2), min(len(ranks), 3))


def _rows(x: Array) -> Array:
    return x.reshape(-1, x.shape[-1])


def _check_dropout(layer: ScaledDotProductAttention | MultiHeadAttention) -> None:
    if not is_real(layer.dropout) or not 0.0 <= layer.dropout <= 1.0:
        raise GraphError(f"{type(layer).__name__} takes a dropout from 0 to 1, got {layer.dropout!r}")
    check_flags(layer, "causal")
