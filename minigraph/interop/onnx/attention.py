"""Attention as ONNX operators."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...layers import MultiHeadAttention, ScaledDotProductAttention
from .model import Model
from .neurons import linear
from .registry import register


@register(ScaledDotProductAttention)
def attention(model: Model, layer: ScaledDotProductAttention, q: str, k: str, v: str, mask: str | None = None) -> str:
    """softmax(q kᵀ / √d) v."""
    sources = model.node.inputs
    d, rank = sources[0].shape[-1], len(sources[0].shape) + 1
    look = _look(model, mask, 3, layer.causal, (sources[0].shape[-2], sources[1].shape[-2]), rank)
    keys = model.op("Transpose", k, perm=[*range(rank - 2), rank - 1, rank - 2])
    return _attended(model, q, keys, v, d, look)


@register(MultiHeadAttention)
def multi_head(model: Model, layer: MultiHeadAttention, *inputs: str) -> str:
    """Projections, attention of all heads, and a projection of what they found."""
    sources = model.node.inputs
    count = next((i for i, source in enumerate(sources[:3]) if len(source.shape) != 2), min(len(sources), 3))
    slots = {1: (0, 0, 0), 2: (0, 1, 1), 3: (0, 1, 2)}[count]
    n = layer.w_o.shape[0]
    split = list[str]()
    for letter, slot in zip("qkv", slots, strict=True):
        z = linear(model, inputs[slot], 2, getattr(layer, f"w_{letter}"), getattr(layer, f"b_{letter}"))
        apart = model.reshaped(z, (sources[slot].shape[0], layer.heads, n // layer.heads))
        split.append(model.op("Transpose", apart, perm=[0, 2, 3, 1] if letter == "k" else [0, 2, 1, 3]))
    mask = inputs[count] if len(inputs) > count else None
    lengths = sources[0].shape[0], sources[slots[1]].shape[0]
    q, keys, v = split
    found = _attended(model, q, keys, v, n // layer.heads, _look(model, mask, count, layer.causal, lengths, 4))
    rows = model.reshaped(model.op("Transpose", found, perm=[0, 2, 1, 3]), (lengths[0], n))
    return linear(model, rows, 2, layer.w_o, layer.b_o)


def _attended(model: Model, q: str, keys: str, v: str, d: int, look: Sequence[str]) -> str:
    """softmax(q keys / √d) v, where one looks; a query that can look nowhere gets zeros."""
    scores = model.op("MatMul", model.op("Mul", q, model.constant(1.0 / math.sqrt(d))), keys)
    lowest = model.constant(float(np.finfo(model.dtype).min))
    for where in look:
        scores = model.op("Where", where, scores, lowest)
    shares = model.op("Softmax", scores, axis=-1)
    for where in look:
        shares = model.op("Where", where, shares, model.constant(0.0))
    return model.op("MatMul", shares, v)


def _look(model: Model, mask: str | None, slot: int, causal: bool, lengths: tuple[int, int], rank: int) -> list[str]:
    """Where queries look, as booleans that go with the scores (m, …, T, S): of the mask, and of time."""
    queries, keys = lengths
    found = []
    if mask is not None:
        shape = model.node.inputs[slot].shape
        between = (1,) * (rank - 3)
        if shape == ():
            counted = model.reshaped(mask, (*between, 1, 1))
            found.append(model.op("Less", model.constant(np.arange(keys)), counted))
        else:
            form = (*between, queries if len(shape) == 2 else 1, keys)
            one = 1.0 if model.node.inputs[slot].dtype.kind == "f" else 1
            found.append(model.op("Equal", model.reshaped(mask, form), model.constant(one)))
    if causal:
        found.append(model.constant(np.tri(queries, keys, dtype=bool)))
    return found
