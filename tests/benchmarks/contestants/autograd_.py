"""HIPS autograd: gradients of functions that are written in its numpy, and an update in place."""

from __future__ import annotations

import autograd
import autograd.numpy as anp
import numpy as np
from works import CNN, Convolution, Memory

from . import Entry, models


def enter(work):
    if isinstance(work.net, (CNN, Convolution)):
        return None
    x, t = work.data()
    if t.dtype.kind == "i":
        t = np.eye(10, dtype="float32")[t]
    p = work.start()
    gradient = autograd.grad(memory if isinstance(work.net, Memory) else models.cost(anp, work.net))

    def step():
        for name, slope in gradient(p, x, t).items():
            p[name] -= work.lr * slope

    return Entry(step, lambda: p)


def memory(p, x, t):
    n = p["lstm.u"].shape[1]
    inputs = anp.dot(anp.swapaxes(x, 0, 1), p["lstm.w"].T) + p["lstm.b"]
    h = c = np.zeros((len(x), n), "float32")
    for step in range(x.shape[1]):
        z = inputs[step] + anp.dot(h, p["lstm.u"].T)
        g = anp.tanh(z[:, 2 * n : 3 * n])
        i, f, _, o = (1 / (1 + anp.exp(-z[:, k * n : (k + 1) * n])) for k in range(4))
        c = f * c + i * g
        h = o * anp.tanh(c)
    return models.cross_entropy(anp, anp.dot(h, p["out.w"].T) + p["out.b"], t)
