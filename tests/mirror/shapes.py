"""Layers of several inputs, in other shapes, and along axes."""

import math

import autograd.numpy as np
import numpy
from autograd.tracer import getval

from minigraph import layers

from .table import of, plain

plain(layers.Add, lambda *xs: sum(xs))
plain(layers.Divide, lambda x, y: x / y)
plain(layers.MatMul, lambda x, y: np.matmul(x, y))
plain(layers.Subtract, lambda x, y: x - y)
plain(layers.Flatten, lambda x: np.reshape(x, (-1,)))


@of(layers.Multiply)
def multiply(layer, p, *xs):
    return math.prod(xs[1:], start=xs[0])


@of(layers.Concat)
def concat(layer, p, *xs):
    return np.concatenate(xs, axis=layer.axis)


@of(layers.Stack)
def stack(layer, p, *xs):
    return np.stack(xs, axis=layer.axis)


@of(layers.Broadcast)
def broadcast(layer, p, x):
    return x + np.zeros(layer.shape)


@of(layers.ExpandDims)
def expand_dims(layer, p, x):
    return np.expand_dims(x, layer.axis)


@of(layers.Squeeze)
def squeeze(layer, p, x):
    return np.reshape(x, [n for n in x.shape if n > 1])


@of(layers.Reshape)
def reshape(layer, p, x):
    return np.reshape(x, layer.shape)


@of(layers.Slice)
def slice_(layer, p, x):
    return x[layer.index] if x.shape else np.reshape(x, [1] * len(layer.index))


@of(layers.Transpose)
def transpose(layer, p, x):
    return np.transpose(x, layer.axes)


@of(layers.Pad)
def pad(layer, p, x):
    for axis, margins in enumerate(layer.widths, x.ndim - len(layer.widths)):
        places = numpy.pad(
            numpy.arange(x.shape[axis]), margins, mode="edge" if layer.mode == "constant" else layer.mode
        )
        end = margins[0] + x.shape[axis]
        outside = numpy.array([layer.mode == "constant" and not margins[0] <= i < end for i in range(len(places))])
        outside = outside.reshape(-1, *(1,) * (x.ndim - 1 - axis))
        x = np.where(outside, layer.value, x[(slice(None),) * axis + (places,)])
    return x


@of(layers.Sum, layers.Mean)
def reduction(layer, p, x):
    reduce = np.sum if type(layer) is layers.Sum else np.mean
    return reduce(x, axis=layer.axes, keepdims=layer.keepdims)


@of(layers.Max)
def largest(layer, p, x):
    top = numpy.max(getval(x), axis=layer.axes, keepdims=True)
    wins = getval(x) == top
    shared = np.sum(np.where(wins, x, 0.0), axis=layer.axes, keepdims=layer.keepdims)
    return shared / numpy.sum(wins, axis=layer.axes, keepdims=layer.keepdims)


def softmax_of(x, axis=-1):
    powers = np.exp(x - numpy.max(getval(x), axis=axis, keepdims=True))
    return powers / np.sum(powers, axis=axis, keepdims=True)


@of(layers.Softmax)
def softmax(layer, p, x):
    return softmax_of(x, layer.axis)


@of(layers.LogSoftmax)
def log_softmax(layer, p, x):
    return np.log(softmax_of(x, layer.axis))
