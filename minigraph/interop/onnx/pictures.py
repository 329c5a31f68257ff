"""Layers of images as ONNX operators: pooling, enlarging, margins."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...layers import AdaptiveAvgPool2D, AvgPool2D, GlobalAvgPool, MaxPool2D, Pad, UpSample2D
from ...layers.pool import cuts
from ...layers.sides import Side, over
from ...param import Array
from .model import Model
from .registry import register


@register(MaxPool2D)
def max_pool(model: Model, layer: MaxPool2D, x: str) -> str:
    """Windows said by margins: where they reach behind the image, the margin there is wider."""
    sides = over(layer.sides, model.node.inputs[0].shape)
    pads = [side.p for side in sides] + [max(_end(side), 0) for side in sides]
    return model.op("MaxPool", x, **_windows(sides, pads))


@register(AvgPool2D)
def avg_pool(model: Model, layer: AvgPool2D, x: str) -> str:
    """AveragePool where it is the same in all readers; else, as windows are boxes, a product from either side."""
    down, right = sides = over(layer.sides, model.node.inputs[0].shape)
    if model.dtype == np.float32 and not down.ceil_mode:
        pads, padded = [down.p, right.p] * 2, int(layer.count_include_pad)
        return model.op("AveragePool", x, count_include_pad=padded, **_windows(sides, pads))
    return _means(model, x, *(_shares(side, layer.count_include_pad) for side in sides))


@register(AdaptiveAvgPool2D)
def adaptive_avg_pool(model: Model, layer: AdaptiveAvgPool2D, x: str) -> str:
    """Means along one axis, then along the other, as products with matrices of shares."""
    _, h, w = model.node.inputs[0].shape
    return _means(model, x, *(_equal_shares(n, o) for n, o in zip((h, w), layer.counts, strict=True)))


@register(GlobalAvgPool)
def global_avg_pool(model: Model, layer: GlobalAvgPool, x: str) -> str:
    """The mean of each channel."""
    axes = list(range(2, len(model.node.inputs[0].shape) + 1))
    return model.op("ReduceMean", x, axes=axes, keepdims=0) if axes else x


@register(UpSample2D)
def up_sample(model: Model, layer: UpSample2D, x: str) -> str:
    """Each element repeated; ONNX Runtime resizes no float64."""
    f, g = layer.factors
    if model.dtype == np.float32:
        modes = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return model.op("Resize", x, None, model.constant(np.array([1.0, 1.0, f, g])), **modes)
    c, h, w = model.node.inputs[0].shape
    apart = model.op("Expand", model.reshaped(x, (c, h, 1, w, 1)), model.constant([1, 1, 1, f, 1, g]))
    return model.reshaped(apart, model.node.shape)


@register(Pad)
def pad(model: Model, layer: Pad, x: str) -> str:
    """The sample between margins."""
    rank = len(model.node.shape) + 1
    widths = layer.widths if not isinstance(layer.widths, (int, np.integer)) else [(layer.widths,) * 2] * (rank - 2)
    margins = [(0, 0)] * (rank - len(widths)) + [(int(before), int(behind)) for before, behind in widths]
    pads = model.constant([before for before, _ in margins] + [behind for _, behind in margins])
    value = [model.constant(float(layer.value))] if layer.mode == "constant" else []
    return model.op("Pad", x, pads, *value, mode=layer.mode)


def _windows(sides: tuple[Side, Side], pads: list[int]) -> dict[str, Any]:
    return {"kernel_shape": [side.k for side in sides], "strides": [side.s for side in sides], "pads": pads}


def _end(side: Side) -> int:
    """How far the last window reaches behind the image."""
    return (side.windows - 1) * side.s - side.p + side.k - side.n


def _means(model: Model, x: str, rows: Array, columns: Array) -> str:
    """rows x columnsᵀ."""
    return model.op("MatMul", model.op("MatMul", model.constant(rows), x), model.constant(columns.T))


def _shares(side: Side, padded: bool) -> Array:
    """What each window along an axis takes of each element: (windows, n)."""
    shares = np.zeros((side.windows, side.n))
    for i, (start, length) in enumerate(zip(side.starts(), side.lengths(padded), strict=True)):
        shares[i, max(start, 0) : start + side.k] = 1.0 / length
    return shares


def _equal_shares(n: int, o: int) -> Array:
    """The same for the o windows that an axis of n elements is cut into."""
    shares = np.zeros((o, n))
    for i, start, end in cuts(n, o):
        shares[i, start:end] = 1.0 / (end - start)
    return shares
