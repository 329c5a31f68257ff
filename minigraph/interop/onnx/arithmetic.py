"""Arithmetic as ONNX operators: functions of single numbers, of several inputs, and over axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...layer import Layer
from ...layers import (
    Abs,
    Add,
    Bias,
    Divide,
    Exp,
    Log,
    MatMul,
    Max,
    Mean,
    Multiply,
    Negative,
    Power,
    Scale,
    Sin,
    Sqrt,
    Subtract,
    Sum,
)
from ...layers.axes import found
from ...param import Param
from .model import Model
from .registry import register


@register(Abs, Exp, Log, Sin, Sqrt)
def elementwise(model: Model, layer: Layer, x: str) -> str:
    """The operator of that name."""
    return model.op(type(layer).__name__, x)


@register(Negative)
def negative(model: Model, layer: Negative, x: str) -> str:
    """−x."""
    return model.op("Neg", x)


@register(Power)
def power(model: Model, layer: Power, x: str) -> str:
    """x^p."""
    return model.op("Pow", x, model.constant(layer.exponent))


@register(Add, Subtract, Multiply, Divide)
def merged(model: Model, layer: Layer, *xs: str) -> str:
    """One input with the next, and the result with the one after it."""
    kind, rank = _OPERATORS[type(layer)], len(model.node.shape)
    first, *others = (model.lifted(x, slot, rank) for slot, x in enumerate(xs))
    for x in others:
        first = model.op(kind, first, x)
    return first


_OPERATORS: dict[type[Layer], str] = {Add: "Add", Subtract: "Sub", Multiply: "Mul", Divide: "Div"}


@register(MatMul)
def matmul(model: Model, layer: MatMul, left: str, right: str) -> str:
    """Vectors as a row or a column; axes before the matrices' brought in line."""
    p, q = (source.shape for source in model.node.inputs)
    p, q = (1, *p) if len(p) == 1 else p, (*q, 1) if len(q) == 1 else q
    rank = max(len(p), len(q))
    forms = [(*(1,) * (rank - len(shape)), *shape) for shape in (p, q)]
    given = zip((left, right), forms, model.node.inputs, strict=True)
    left, right = (x if form == source.shape else model.reshaped(x, form) for x, form, source in given)
    product = model.op("MatMul", left, right)
    vectors = any(len(source.shape) == 1 for source in model.node.inputs)
    return model.reshaped(product, model.node.shape) if vectors else product


@register(Scale)
def scale(model: Model, layer: Scale, x: str) -> str:
    """γ ⊙ x."""
    return _affine(model, "Mul", x, layer.gamma, layer.factor, layer.axes)


@register(Bias)
def bias(model: Model, layer: Bias, x: str) -> str:
    """x + β."""
    return _affine(model, "Add", x, layer.beta, layer.offset, layer.axes)


def _affine(model: Model, kind: str, x: str, param: Param | None, fixed: Any, axes: tuple[int, ...]) -> str:
    shape = model.node.inputs[0].shape
    if param is None:
        x = model.lifted(x, 0, max(len(shape), np.ndim(fixed)))
        return model.op(kind, x, model.constant(np.asarray(fixed)))
    places = found(axes, shape, "")
    form = [n if k in places else 1 for k, n in enumerate(shape)]
    value = model.param(param)
    value = value if tuple(form) == param.shape else model.op("Reshape", value, model.constant(form))
    return model.op(kind, x, value)


@register(Sum, Mean, Max)
def reduction(model: Model, layer: Sum | Mean | Max, x: str) -> str:
    """Over some axes of the samples."""
    shape = model.node.inputs[0].shape
    places = range(len(shape)) if layer.axes is None else found(layer.axes, shape, "")
    axes = [place + 1 for place in places]
    if not axes:
        return x
    if isinstance(layer, Sum):
        return model.op("ReduceSum", x, model.constant(axes), keepdims=int(layer.keepdims))
    return model.op(f"Reduce{type(layer).__name__}", x, axes=axes, keepdims=int(layer.keepdims))
