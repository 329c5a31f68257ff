"""Layers whose outputs depend on the input in their place."""

import math

import autograd.numpy as np
import numpy
from autograd.extend import defvjp, primitive
from autograd.tracer import getval

from minigraph import layers

from .table import of, plain


@primitive
def erf(z):
    return numpy.vectorize(math.erf, [float])(z)


defvjp(erf, lambda out, z: lambda error: error * 2.0 / math.sqrt(math.pi) * np.exp(-(z**2)))


def sigmoid(z):
    return 0.5 * (1.0 + np.tanh(0.5 * z))


def softplus(z):
    return np.log(1.0 + np.exp(z))


def kinked(below):
    return lambda z: np.where(z > 0, z, below(np.where(z > 0, 0.0, z)))


SELU = 1.0507009873554805, 1.6732632423543772
SIGMA = {
    "identity": lambda z: z,
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "softplus": softplus,
    "gelu": lambda z: z * (1.0 + erf(z / math.sqrt(2.0))) / 2.0,
    "gelu_tanh": lambda z: z * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (z + 0.044715 * z**3))) / 2.0,
    "silu": lambda z: z * sigmoid(z),
    "mish": lambda z: z * np.tanh(softplus(z)),
    "relu": kinked(lambda z: 0.0 * z),
    "leaky_relu": kinked(lambda z: 0.01 * z),
    "elu": kinked(lambda z: np.exp(z) - 1.0),
    "selu": lambda z: SELU[0] * kinked(lambda v: SELU[1] * (np.exp(v) - 1.0))(z),
}


def activated(spec, z, axis=-1):
    """σ(z), by one name or by one for each place along an axis."""
    if isinstance(spec, str):
        return SIGMA[spec](z)
    rows = np.moveaxis(z, axis, 0)
    return np.moveaxis(np.stack([SIGMA[name](row) for name, row in zip(spec, rows, strict=True)]), 0, axis)


@of(layers.Activation)
def activation(layer, p, x):
    return activated(layer.kind, x)


plain(layers.Abs, lambda x: np.where(x > 0, x, np.where(x < 0, -x, 0.0 * x)))
plain(layers.Exp, np.exp)
plain(layers.Function, np.arctan)
plain(layers.Identity, lambda x: x)
plain(layers.Log, np.log)
plain(layers.Negative, lambda x: -x)
plain(layers.Sin, np.sin)
plain(layers.Sqrt, np.sqrt)
plain(layers.Square, lambda x: x**2)
plain(layers.StopGradient, getval)


@of(layers.Power)
def power(layer, p, x):
    return x**layer.exponent


@of(layers.PReLU)
def prelu(layer, p, x):
    w = p(layer.w)
    w = w.reshape(len(w), *(1,) * (x.ndim - 1)) if layer.channels else w[0]
    return np.where(x > 0, x, w * x)
