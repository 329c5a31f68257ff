"""Normalization as ONNX operators."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...layers import BatchNorm, GroupNorm, LayerNorm, RMSNorm
from ...param import Param
from .model import Model
from .registry import register


@register(BatchNorm)
def batch_norm(model: Model, layer: BatchNorm, x: str) -> str:
    """γ (x − mean) / √(variance + ε) + β, with the running statistics."""
    c, eps = model.node.shape[0], layer.eps
    mean, variance = model.statistic("mean"), model.statistic("variance")
    gamma = model.constant(np.ones(c)) if layer.gamma is None else model.param(layer.gamma)
    beta = model.constant(np.zeros(c)) if layer.beta is None else model.param(layer.beta)
    if not model.exact(eps):
        variance, eps = model.op("Add", variance, model.constant(eps)), 0.0
    return model.op("BatchNormalization", x, gamma, beta, mean, variance, epsilon=eps)


@register(LayerNorm)
def layer_norm(model: Model, layer: LayerNorm, x: str) -> str:
    """γ x̂ + β over the last axes."""
    last = model.node.shape[-layer.axes :]
    # the operator computes mean and variance in float32, whatever x is; some readers want two elements or more
    if model.dtype == np.float32 and math.prod(last) > 1:
        gamma = model.constant(np.ones(last)) if layer.gamma is None else model.param(layer.gamma)
        beta = [] if layer.beta is None else [model.param(layer.beta)]
        return model.op("LayerNormalization", x, gamma, *beta, axis=-layer.axes, epsilon=layer.eps)
    hat = _standardized(model, x, range(-layer.axes, 0), layer.eps)
    return _scaled(model, hat, layer.gamma, layer.beta)


@register(GroupNorm)
def group_norm(model: Model, layer: GroupNorm, x: str) -> str:
    """γ x̂ + β over groups of channels."""
    shape = model.node.shape
    grouped = model.reshaped(x, (layer.groups, math.prod(shape) // layer.groups))
    hat = model.reshaped(_standardized(model, grouped, [2], layer.eps), shape)
    return _scaled(model, hat, layer.gamma, layer.beta, len(shape) - 1)


@register(RMSNorm)
def rms_norm(model: Model, layer: RMSNorm, x: str) -> str:
    """γ x / √(mean of x² + ε) over the last axes."""
    eps = float(np.finfo(model.node.dtype).eps) if layer.eps is None else layer.eps
    square = model.op("ReduceMean", model.op("Mul", x, x), axes=list(range(-layer.axes, 0)), keepdims=1)
    return _scaled(model, model.op("Div", x, _root(model, square, eps)), layer.gamma, None)


def _standardized(model: Model, x: str, axes: Sequence[int], eps: float) -> str:
    rest = model.op("Sub", x, model.op("ReduceMean", x, axes=list(axes), keepdims=1))
    variance = model.op("ReduceMean", model.op("Mul", rest, rest), axes=list(axes), keepdims=1)
    return model.op("Div", rest, _root(model, variance, eps))


def _root(model: Model, variance: str, eps: float) -> str:
    return model.op("Sqrt", model.op("Add", variance, model.constant(eps)))


def _scaled(model: Model, hat: str, gamma: Param | None, beta: Param | None, behind: int = 0) -> str:
    """γ x̂ + β, with so many axes behind those of γ and β."""
    for kind, param in (("Mul", gamma), ("Add", beta)):
        if param is not None:
            value = model.param(param)
            if behind:
                value = model.op("Reshape", value, model.constant([*param.shape, *[1] * behind]))
            hat = model.op(kind, hat, value)
    return hat
