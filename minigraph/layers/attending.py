"""What layers of attention have in common: averages of values by softmax of scores, masks, and the way back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import FeedError, ShapeError
from ..param import Array, Shape
from ..record import Record
from .noise import drawn_mask


def attend(
    at: Record, qkv: Sequence[Array], mask: Array | None, causal: bool, dropout: float, out: Array | None
) -> Array:
    """Averages c = p v, from queries already divided by √d. Keys come first in memory: so numpy adds up whole rows."""
    at.q, at.k, at.v = q, k, v = qkv
    m, *heads, queries, _ = q.shape
    at.form = (m, k.shape[-2], *heads, queries)
    rows, s = _keys_first(at, "p")
    np.matmul(k, q.swapaxes(-1, -2), out=s)
    p = at.p = s.swapaxes(-1, -2)
    hidden = _hidden(at, mask, causal)
    if hidden is not None:
        np.add(p, hidden, out=p)
    top = np.maximum.reduce(rows, axis=1, keepdims=True, out=at.buffer("top", (m, 1, rows.shape[2])))
    if hidden is not None:
        np.maximum(top, float(np.finfo(p.dtype).min), out=top)  # −∞ where everything is hidden
    np.subtract(rows, top, out=rows)
    np.exp(rows, out=rows)
    if at.each is None:
        at.each = np.ones((1, k.shape[-2]), p.dtype)
    total = np.matmul(at.each, rows, out=top)
    if hidden is not None:
        np.maximum(total, 1.0, out=total)  # it is 0 where everything is hidden, else 1 or more
    np.divide(rows, total, out=rows)
    at.kept = p
    if at.training and dropout:
        at.keep = drawn_mask(at, p.shape, dropout)
        at.kept = np.multiply(p, at.keep, out=_keys_first(at, "kept")[1].swapaxes(-1, -2))
    c: Array = np.matmul(at.kept, v, out=out)
    return c


def attend_back(at: Record, error: Array, dropout: float, out: Sequence[Any]) -> tuple[Array, Array, Array]:
    """∂C/∂q, ∂C/∂k, ∂C/∂v of attend, from the error of c."""
    (rows, s), (p, _) = _keys_first(at, "e"), _keys_first(at, "p")
    e = np.matmul(at.v, error.swapaxes(-1, -2), out=s).swapaxes(-1, -2)
    if at.training and dropout:
        np.multiply(e, at.keep, out=e)
    at.total = np.einsum("mjx,mjx->mx", rows, p, out=at.buffer("Σ r p", (len(rows), rows.shape[2])))
    np.subtract(rows, at.total[:, None], out=rows)
    np.multiply(rows, p, out=rows)
    dq = np.matmul(e, at.k, out=out[0])
    dk = np.matmul(s, at.q, out=out[1])
    return dq, dk, np.matmul(at.kept.swapaxes(-1, -2), error, out=out[2])


def _keys_first(at: Record, name: str) -> tuple[Array, Array]:
    """A buffer for what belongs to pairs of key and query: as (m, S, … T), in one piece, and as (m, …, S, T)."""
    rows = at.buffer(name, (*at.form[:2], math.prod(at.form[2:])))
    return rows, np.moveaxis(rows.reshape(at.form), 1, -2)


def _hidden(at: Record, mask: Array | None, causal: bool) -> Array | None:
    """−∞ where a query must not look, else 0, to be added to the scores."""
    queries, keys = at.p.shape[-2:]
    if causal and at.future is None:
        at.future = np.triu(np.full((queries, keys), -math.inf, at.p.dtype), 1)
    if mask is None:
        return at.future if causal else None
    look = _look(mask, keys)
    shape = (at.m, *(1,) * (at.p.ndim - 3), queries if look.ndim == 3 else 1, keys)
    hidden = at.buffer("hidden", shape, zero=True)
    np.putmask(hidden, ~look.reshape(shape), -math.inf)
    return np.add(hidden, at.future, out=at.buffer("both", (*shape[:-2], queries, keys))) if causal else hidden


def _look(mask: Array, keys: int) -> Array:
    """Where to look, (m, S) or (m, T, S); raises FeedError for lengths and masks that aren't."""
    if mask.ndim > 1:
        look: Array = mask == 1
        if not (look | (mask == 0)).all():
            raise FeedError("takes a mask of 1 (look) and 0 (don't), got other values: make it so, mask > 0")
        return look
    if mask.dtype.kind != "i":
        raise FeedError(f"takes integer lengths, got {mask.dtype}: declare the input so, g.input(…, (), dtype=int)")
    if mask.min() < 0 or mask.max() > keys:
        raise FeedError(f"takes lengths from 0 to {keys}, got lengths from {mask.min()} to {mask.max()}: clip them")
    look = np.arange(keys) < mask[:, None]
    return look


def check_mask(shapes: Sequence[Shape], queries: int, keys: int) -> None:
    """Raise ShapeError for samples of masks that don't go with so many queries and keys."""
    for shape in shapes:
        if shape not in ((), (keys,), (queries, keys)):
            raise ShapeError(f"takes a mask of shape ({keys},) or ({queries}, {keys}), or lengths (), got {shape}")
