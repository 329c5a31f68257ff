"""Layers that turn symbols into vectors, and Dropout, as ONNX operators."""

from __future__ import annotations

from ...layers import Dropout, Embedding, PositionalEncoding
from ...layers.embedding import sinusoids
from .model import Model
from .registry import register


@register(Embedding)
def embedding(model: Model, layer: Embedding, x: str) -> str:
    """The row of w for each index."""
    return model.op("Gather", model.param(layer.w), x, axis=0)


@register(PositionalEncoding)
def positional_encoding(model: Model, layer: PositionalEncoding, x: str) -> str:
    """x + s."""
    return model.op("Add", x, model.constant(sinusoids(*model.node.shape, model.dtype)))


@register(Dropout)
def dropout(model: Model, layer: Dropout, x: str) -> str:
    """ONNX's Dropout, which passes values on in inference; it knows no rate of 1."""
    if layer.rate == 1.0:
        return model.op("Identity", x)
    return model.op("Dropout", x, model.constant(float(layer.rate)))
