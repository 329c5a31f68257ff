"""Activations as ONNX operators."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any

import numpy as np

from ... import activations as known
from ...activations.smooth import ALPHA, SCALE
from ...layers import Activation, Function, LogSoftmax, PReLU, Softmax, Square
from .model import Model
from .registry import RULES, register


@register(Activation, Function)
def activation(model: Model, layer: Activation, x: str) -> str:
    """σ(x)."""
    return model.activated(layer.sigma, x)


@register(known.Identity)
def identity(model: Model, sigma: Any, z: str) -> str:
    """z itself."""
    return z


@register(known.Sigmoid, known.Tanh, known.ReLU)
def plain(model: Model, sigma: Any, z: str) -> str:
    """An operator of the same name."""
    return model.op({"ReLU": "Relu"}.get(type(sigma).__name__, type(sigma).__name__), z)


@register(known.LeakyReLU)
def leaky_relu(model: Model, sigma: known.LeakyReLU, z: str) -> str:
    """max(z, 0) + slope min(z, 0)."""
    if model.exact(sigma.slope):
        return model.op("LeakyRelu", z, alpha=sigma.slope)
    return model.op("Add", above(model, z), model.op("Mul", below(model, z), model.constant(sigma.slope)))


@register(known.Softplus)
def softplus(model: Model, sigma: Any, z: str) -> str:
    """max(z, 0) + ln(1 + e^−|z|)."""
    if model.dtype == np.float32:
        return model.op("Softplus", z)
    power = model.op("Exp", model.op("Neg", model.op("Abs", z)))
    return model.op("Add", above(model, z), model.op("Log", model.op("Add", power, model.constant(1.0))))


@register(known.ELU)
def elu(model: Model, sigma: known.ELU, z: str) -> str:
    """max(z, 0) + α (e^min(z, 0) − 1)."""
    if model.dtype == np.float32:
        return model.op("Elu", z, alpha=sigma.alpha)
    return _elu(model, z, 1.0, sigma.alpha)


@register(known.SELU)
def selu(model: Model, sigma: Any, z: str) -> str:
    """λ max(z, 0) + λα (e^min(z, 0) − 1)."""
    if model.dtype == np.float32:
        return model.op("Selu", z)
    return _elu(model, z, SCALE, SCALE * ALPHA)


def _elu(model: Model, z: str, slope: float, depth: float) -> str:
    power = model.op("Sub", model.op("Exp", below(model, z)), model.constant(1.0))
    high = model.op("Mul", above(model, z), model.constant(slope))
    return model.op("Add", high, model.op("Mul", power, model.constant(depth)))


@register(known.GELU)
def gelu(model: Model, sigma: Any, z: str) -> str:
    """z (1 + erf(z / √2)) / 2."""
    erf = model.op("Erf", model.op("Mul", z, model.constant(1 / math.sqrt(2))))
    return _half_of(model, z, erf)


@register(known.GELUTanh)
def gelu_tanh(model: Model, sigma: Any, z: str) -> str:
    """z (1 + tanh(√(2/π) (z + 0.044715 z³))) / 2."""
    cube = model.op("Mul", model.op("Mul", model.op("Mul", z, z), z), model.constant(0.044715))
    u = model.op("Mul", model.op("Add", z, cube), model.constant(math.sqrt(2 / math.pi)))
    return _half_of(model, z, model.op("Tanh", u))


def _half_of(model: Model, z: str, share: str) -> str:
    half = model.op("Mul", z, model.constant(0.5))
    return model.op("Mul", half, model.op("Add", share, model.constant(1.0)))


@register(known.SiLU)
def silu(model: Model, sigma: Any, z: str) -> str:
    """z / (1 + e^−z)."""
    return model.op("Mul", z, model.op("Sigmoid", z))


@register(known.Mish)
def mish(model: Model, sigma: Any, z: str) -> str:
    """z tanh(ln(1 + e^z))."""
    return model.op("Mul", z, model.op("Tanh", softplus(model, sigma, z)))


@register(known.PerNeuron)
def per_neuron(model: Model, sigma: known.PerNeuron, z: str) -> str:
    """Each kind's neurons gathered, activated, and put back in their places."""
    axis, parts, places = sigma.axis, [], list[int]()
    for kind, neurons in sigma.groups:
        mine = model.op("Gather", z, model.constant(neurons), axis=axis)
        parts.append(model.activated(kind, mine))
        places += neurons
    joined = model.op("Concat", *parts, axis=axis)
    if places == sorted(places):
        return joined
    return model.op("Gather", joined, model.constant(np.argsort(places)), axis=axis)


@register(known.Function)
def function(model: Model, sigma: known.Function, z: str) -> str:
    """A function of numpy, or one that was registered."""
    rule = RULES.get(sigma.f) if isinstance(sigma.f, Hashable) else None
    if rule is None:
        raise model.unfit(f"there is no rule for its function {sigma}", getattr(sigma.f, "__name__", "the function"))
    return rule(model, sigma.f, z)


UFUNCS: dict[Any, str] = {
    np.absolute: "Abs",
    np.arccos: "Acos",
    np.arccosh: "Acosh",
    np.arcsin: "Asin",
    np.arcsinh: "Asinh",
    np.arctan: "Atan",
    np.arctanh: "Atanh",
    np.ceil: "Ceil",
    np.cos: "Cos",
    np.cosh: "Cosh",
    np.exp: "Exp",
    np.floor: "Floor",
    np.log: "Log",
    np.negative: "Neg",
    np.positive: "Identity",
    np.reciprocal: "Reciprocal",
    np.rint: "Round",
    np.sign: "Sign",
    np.sin: "Sin",
    np.sinh: "Sinh",
    np.sqrt: "Sqrt",
    np.tan: "Tan",
    np.tanh: "Tanh",
}


@register(*UFUNCS)
def ufunc(model: Model, f: Any, z: str) -> str:
    """The operator of that function."""
    return model.op(UFUNCS[f], z)


@register(np.square, Square)
def square(model: Model, f: Any, z: str) -> str:
    """z²."""
    return model.op("Mul", z, z)


@register(PReLU)
def prelu(model: Model, layer: PReLU, x: str) -> str:
    """max(x, 0) + w min(x, 0), with the slopes (c,) as (c, 1, …)."""
    w, shape = model.param(layer.w), model.node.shape
    if layer.channels and len(shape) > 1:
        w = model.op("Reshape", w, model.constant([shape[0], *[1] * (len(shape) - 1)]))
    return model.op("PRelu", x, w)


@register(Softmax, LogSoftmax)
def softmax(model: Model, layer: Softmax | LogSoftmax, x: str) -> str:
    """Along an axis of the samples."""
    return model.op(type(layer).__name__, x, axis=batch_axis(layer.axis))


def batch_axis(axis: int) -> int:
    """An axis of samples as one of batches."""
    return axis if axis < 0 else axis + 1


def above(model: Model, z: str) -> str:
    """max(z, 0)."""
    return model.op("Max", z, model.constant(0.0))


def below(model: Model, z: str) -> str:
    """min(z, 0)."""
    return model.op("Min", z, model.constant(0.0))
