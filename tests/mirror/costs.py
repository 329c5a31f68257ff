"""Costs: C_x of one example."""

import autograd.numpy as np
import numpy
from autograd.tracer import getval

from minigraph import costs

from .elementwise import softplus
from .shapes import softmax_of
from .table import MIRROR

TINY = float(numpy.float32(1e-12))


def cost(kind, function, constants=2):
    """A cost of outputs and a target, times its weight and, where there is one, the example's."""

    def mirrored(layer, p, *samples):
        w = samples[constants] if len(samples) > constants else 1.0
        return function(layer, *samples[:constants]) * layer.weight * w

    MIRROR[kind] = mirrored


def binary(layer, z, y):
    reduce = np.sum if layer.reduction == "sum" else np.mean
    return reduce(softplus(z) - y * z)


def binary_of_probabilities(layer, q, y):
    return -np.sum(y * np.log(q) + (1.0 - y) * np.log(1.0 - q))


def classes(layer, z, y):
    k = z.shape[-1]
    p = np.reshape(softmax_of(z), (-1, k))
    t = numpy.eye(k)[y] if numpy.ndim(y) < z.ndim else y
    t = (1.0 - layer.label_smoothing) * t + layer.label_smoothing / k
    return -np.sum(numpy.reshape(t, (-1, k)) * np.log(p)) / len(p)


def divergence(layer, a, y):
    return np.sum(y * (numpy.log(y, where=y > 0, out=numpy.zeros_like(y)) - a))


def huber(d, delta):
    return np.mean(np.where(abs(getval(d)) > delta, delta * (np.abs(d) - 0.5 * delta), 0.5 * d**2))


def cosine(layer, u, v, y):
    cos = np.dot(u, v) / np.sqrt((np.dot(u, u) + TINY) * (np.dot(v, v) + TINY))
    return 1.0 - cos if y > 0 else np.where(cos > layer.margin, cos - layer.margin, 0.0)


def triplet(layer, u, v, w):
    near, far = (np.sqrt(np.sum((u - other + layer.eps) ** 2)) for other in (v, w))
    over = layer.margin + near - far
    return np.where(over > 0.0, over, 0.0)


def penalty(size):
    def mirrored(layer, p):
        trained = set(layer.params.values())
        return (
            layer.weight
            * layer.strength
            * sum(size(p(param) if param in trained else getval(p(param))) for param in layer.chosen.values())
        )

    return mirrored


cost(costs.BinaryCrossEntropy, binary)
cost(costs.BinaryCrossEntropyOnProbabilities, binary_of_probabilities)
cost(costs.CosineEmbedding, cosine, 3)
cost(costs.Hinge, lambda layer, a, y: np.mean(np.where(getval(y * a) < layer.margin, layer.margin - y * a, 0.0)))
cost(costs.Huber, lambda layer, a, y: huber(a - y, layer.delta))
cost(costs.KLDivergence, divergence)
cost(costs.MeanAbsoluteError, lambda layer, a, y: np.mean(np.abs(a - y)))
cost(costs.MeanSquaredError, lambda layer, a, y: np.mean((a - y) ** 2))
cost(costs.Quadratic, lambda layer, a, y: 0.5 * np.sum((a - y) ** 2))
cost(costs.SmoothL1, lambda layer, a, y: huber(a - y, layer.beta) / layer.beta)
cost(costs.SoftmaxCrossEntropy, classes)
cost(costs.TripletMargin, triplet, 3)
cost(costs.Value, lambda layer, a: np.sum(a), 1)
MIRROR[costs.L1] = penalty(lambda value: np.sum(np.abs(value)))
MIRROR[costs.L2] = penalty(lambda value: 0.5 * np.sum(value**2))
