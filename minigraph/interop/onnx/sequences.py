"""Layers that turn symbols into vectors, and layers that disturb in training only, as ONNX operators."""

from __future__ import annotations

import numpy as np

from ...layers import Dropout, Embedding, GaussianNoise, PositionalEncoding
from .model import Model
from .registry import register


@register(Embedding)
def embedding(model: Model, layer: Embedding, x: str) -> str:
    """The row of w for each index."""
    return model.op("Gather", model.param(layer.w), x, axis=0)


@register(PositionalEncoding)
def positional_encoding(model: Model, layer: PositionalEncoding, x: str) -> str:
    """x + s."""
    steps, features = model.node.shape
    angles = np.arange(steps)[:, None] / 10000.0 ** (np.arange(features) // 2 * 2 / features)
    s = np.where(np.arange(features) % 2, np.cos(angles), np.sin(angles))
    return model.op("Add", x, model.constant(s))


@register(Dropout)
def dropout(model: Model, layer: Dropout, x: str) -> str:
    """ONNX's Dropout, which passes values on in inference; it knows no rate of 1."""
    if layer.rate == 1.0:
        return model.op("Identity", x)
    return model.op("Dropout", x, model.constant(float(layer.rate)))


@register(GaussianNoise)
def gaussian_noise(model: Model, layer: GaussianNoise, x: str) -> str:
    """The input, as in inference."""
    return model.op("Identity", x)
