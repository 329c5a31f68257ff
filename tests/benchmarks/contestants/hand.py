"""Written by hand in numpy: every buffer allocated beforehand, every function a local name, no call too many."""

from __future__ import annotations

from importlib import import_module
from itertools import pairwise

import numpy as np
from works import CNN, DAG, MLP, Memory, Transformer

from . import Entry


def enter(work):
    if isinstance(work.net, MLP):
        return (sigmoid if work.net.sigma == "sigmoid" else relu)(work)
    others = {CNN: "hand_cnn", Memory: "hand_lstm", Transformer: "hand_transformer", DAG: "hand_dag"}
    file = others.get(type(work.net))
    return import_module(f"{__package__}.{file}").enter(work) if file else None


class Flat:
    """Params, or their gradients, as views into one array, weights first."""

    def __init__(self, start, zero=False):
        self.all = np.empty(sum(value.size for value in start.values()), "float32")
        self.views, end = {}, 0
        for name, value in sorted(start.items(), key=lambda item: item[1].ndim == 1):
            view = self.views[name] = self.all[end : end + value.size].reshape(value.shape)
            view[...] = value
            end += value.size


def buffers(work):
    """For each layer w, wᵀ, b, the gradients of both, a and δ, and an array for slopes."""
    start = work.start()
    params, grads = Flat(start), Flat(start)
    new = lambda n: np.empty((work.batch, n), "float32")  # noqa: E731
    layers = []
    for i, n in enumerate(work.net.sizes[1:], 1):
        w, b = params.views[f"{i}.w"], params.views[f"{i}.b"]
        layers.append((w, w.T, b, grads.views[f"{i}.w"], grads.views[f"{i}.b"], new(n), new(n), new(n)))
    return params, grads, layers


def chain(layers):
    """What the layers but the first take backward: δ, δᵀ, a of the layer before, its slope and δ."""
    return [
        (delta, delta.T, w, grad_w, grad_b, before[5], before[6], before[7])
        for before, (w, _, _, grad_w, grad_b, _, _, delta) in pairwise(layers)
    ][::-1]


def sigmoid(work):
    """Sigmoid neurons and the quadratic cost, layer by layer."""
    x, t = work.data()
    params, grads, layers = buffers(work)
    (_, first_wT, first_b, first_grad_w, first_grad_b, first_a, _, first_delta), *_ = layers
    forward = [(before[5], wT, b, a) for before, (_, wT, b, _, _, a, _, _) in pairwise(layers)]
    backward, (*_, last_a, last_slope, last_delta) = chain(layers), layers[-1]
    first_deltaT, w, grad, ones = first_delta.T, params.all, grads.all, np.ones(work.batch, "float32")
    dot, add, subtract, multiply, negative = np.dot, np.add, np.subtract, np.multiply, np.negative
    exp, reciprocal, rate, one = np.exp, np.reciprocal, np.float32(work.lr / work.batch), np.float32(1)

    def step():
        dot(x, first_wT, first_a)
        add(first_a, first_b, first_a)
        negative(first_a, first_a)
        exp(first_a, first_a)
        add(first_a, one, first_a)
        reciprocal(first_a, first_a)
        for before, wT, b, a in forward:
            dot(before, wT, a)
            add(a, b, a)
            negative(a, a)
            exp(a, a)
            add(a, one, a)
            reciprocal(a, a)
        subtract(last_a, t, last_delta)
        subtract(one, last_a, last_slope)
        multiply(last_slope, last_a, last_slope)
        multiply(last_delta, last_slope, last_delta)
        for delta, deltaT, w_, grad_w, grad_b, a, slope, sent in backward:
            dot(ones, delta, grad_b)
            dot(deltaT, a, grad_w)
            dot(delta, w_, sent)
            subtract(one, a, slope)
            multiply(slope, a, slope)
            multiply(sent, slope, sent)
        dot(ones, first_delta, first_grad_b)
        dot(first_deltaT, x, first_grad_w)
        multiply(grad, rate, grad)
        subtract(w, grad, w)

    return Entry(step, lambda: params.views)


def relu(work):
    """ReLU neurons, then softmax with cross-entropy."""
    x, labels = work.data()
    t = np.eye(work.net.sizes[-1], dtype="float32")[labels]
    params, grads, layers = buffers(work)
    (_, first_wT, first_b, first_grad_w, first_grad_b, first_a, _, first_delta), *_ = layers
    (_, last_wT, last_b, _, _, last_a, _, last_delta), last_before = layers[-1], layers[-2][5]
    forward = [(before[5], wT, b, a) for before, (_, wT, b, _, _, a, _, _) in pairwise(layers[:-1])]
    on = {id(layer[5]): np.empty(layer[5].shape, bool) for layer in layers}
    backward = [(*link[:5], link[5], on[id(link[5])], link[7]) for link in chain(layers)]
    row = np.empty((work.batch, 1), "float32")
    first_deltaT, w, grad, ones = first_delta.T, params.all, grads.all, np.ones(work.batch, "float32")
    dot, add, subtract, multiply, maximum, greater = np.dot, np.add, np.subtract, np.multiply, np.maximum, np.greater
    exp, divide, most, total = np.exp, np.divide, np.maximum.reduce, np.add.reduce
    rate, zero = np.float32(work.lr / work.batch), np.float32(0)

    def step():
        dot(x, first_wT, first_a)
        add(first_a, first_b, first_a)
        maximum(first_a, zero, out=first_a)
        for before, wT, b, a in forward:
            dot(before, wT, a)
            add(a, b, a)
            maximum(a, zero, out=a)
        dot(last_before, last_wT, last_a)
        add(last_a, last_b, last_a)
        most(last_a, 1, None, row, True)
        subtract(last_a, row, last_a)
        exp(last_a, last_a)
        total(last_a, 1, None, row, True)
        divide(last_a, row, last_a)
        subtract(last_a, t, last_delta)
        for delta, deltaT, w_, grad_w, grad_b, a, mask, sent in backward:
            dot(ones, delta, grad_b)
            dot(deltaT, a, grad_w)
            dot(delta, w_, sent)
            greater(a, zero, mask)
            multiply(sent, mask, sent)
        dot(ones, first_delta, first_grad_b)
        dot(first_deltaT, x, first_grad_w)
        multiply(grad, rate, grad)
        subtract(w, grad, w)

    return Entry(step, lambda: params.views)
