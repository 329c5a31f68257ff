"""Layers of neurons as ONNX operators: fully connected, convolutional."""

from __future__ import annotations

from typing import Any

from ...layers import Conv1D, Conv2D, ConvTranspose2D, Dense
from ...param import Param, Transposed
from .model import Model
from .registry import register


@register(Dense)
def dense(model: Model, layer: Dense, a: str) -> str:
    """σ(a wᵀ + b)."""
    tied = isinstance(layer.weights, Transposed)
    z = linear(model, a, len(model.node.shape), layer.w, layer.b, transposed=not tied)
    return model.activated(layer.sigma, z)


def linear(model: Model, a: str, rank: int, w: Param, b: Param | None, transposed: bool = True) -> str:
    """a wᵀ + b, or a w + b, along the last axis of samples of a rank."""
    named, bias = model.param(w), b and model.param(b)
    if rank == 1:
        return model.op("Gemm", a, named, *([bias] if bias else []), transB=int(transposed))
    z = model.op("MatMul", a, model.op("Transpose", named, perm=[1, 0]) if transposed else named)
    return model.op("Add", z, bias) if bias else z


@register(Conv2D, Conv1D, ConvTranspose2D)
def conv(model: Model, layer: Conv2D | ConvTranspose2D, a: str) -> str:
    """σ of the sums over windows, and b."""
    axes = slice(-len(layer.axes), None)
    margins = layer.window.margins[axes]
    pads = [before for before, _ in margins] + [behind for _, behind in margins]
    more: dict[str, Any] = {"output_padding": list(layer.extra)} if isinstance(layer, ConvTranspose2D) else {}
    z = model.op(
        "ConvTranspose" if more else "Conv",
        a,
        model.param(layer.w),
        *([model.param(layer.b)] if layer.b else []),
        kernel_shape=layer.window.kernel[axes],
        strides=layer.window.stride[axes],
        dilations=layer.window.dilation[axes],
        pads=pads,
        group=layer.groups,
        **more,
    )
    return model.activated(layer.sigma, z)
