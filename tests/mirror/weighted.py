"""Layers with Params that see whole samples at once, and norms."""

from itertools import pairwise

import autograd.numpy as np
import numpy
from autograd.tracer import getval

from minigraph import layers
from minigraph.param import Transposed

from .elementwise import activated
from .table import of


@of(layers.Dense)
def dense(layer, p, a):
    w = p(layer.w).T if isinstance(layer.weights, Transposed) else p(layer.w)
    z = np.einsum("nk,...k->...n", w, a)
    return activated(layer.activation, z if layer.b is None else z + p(layer.b))


def along(values, axes, x):
    """Numbers that lie along some axes, in a shape that broadcasts with x."""
    places = [axis % x.ndim for axis in axes]
    return np.reshape(values, [n if axis in places else 1 for axis, n in enumerate(x.shape)])


@of(layers.Scale)
def scale(layer, p, x):
    return x * (along(p(layer.gamma), layer.axes, x) if layer.factor is None else layer.factor)


@of(layers.Bias)
def bias(layer, p, x):
    return x + (along(p(layer.beta), layer.axes, x) if layer.offset is None else layer.offset)


@of(layers.BatchNorm)
def batch_norm(layer, p, x):
    hat = (x - along(layer.mean, (0,), x)) / along(numpy.sqrt(layer.variance + layer.eps), (0,), x)
    return along(p(layer.gamma), (0,), x) * hat + along(p(layer.beta), (0,), x) if layer.affine else hat


@of(layers.LayerNorm, layers.RMSNorm)
def last_norm(layer, p, x):
    axes = tuple(range(-layer.axes, 0))
    x = x if type(layer) is layers.RMSNorm else x - np.mean(x, axes, keepdims=True)
    hat = x / np.sqrt(np.mean(x**2, axes, keepdims=True) + layer.eps)
    if layer.affine:
        hat = p(layer.gamma) * hat
    return hat + p(layer.beta) if layer.affine and type(layer) is layers.LayerNorm else hat


@of(layers.GroupNorm)
def group_norm(layer, p, x):
    ends = [len(x) * i // layer.groups for i in range(layer.groups + 1)]
    parts = [x[i:j] - np.mean(x[i:j]) for i, j in pairwise(ends)]
    hat = np.concatenate([part / np.sqrt(np.mean(part**2) + layer.eps) for part in parts])
    return along(p(layer.gamma), (0,), x) * hat + along(p(layer.beta), (0,), x) if layer.affine else hat


@of(layers.Embedding)
def embedding(layer, p, index):
    w = p(layer.w)
    if layer.padding_index is not None:
        w = np.where((numpy.arange(layer.size) == layer.padding_index)[:, None], getval(w), w)
    return w[index]
