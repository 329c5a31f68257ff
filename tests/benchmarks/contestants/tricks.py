"""By hand, with what only a program for this one network can do: see `sigmoid`. Its δ and gradients aren't the book's.

What the plain program by hand does layer by layer is done across layers where it can be; and the rate comes in at the
cost, so that the gradients need no scaling.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from works import MLP

from . import Entry
from .hand import Flat


def enter(work):
    return sigmoid(work) if isinstance(work.net, MLP) and work.net.sigma == "sigmoid" else None


def sigmoid(work):
    """Biases are negated for all layers at once, slopes taken of all at once, and δ carries the factor η/m."""
    x, t = work.data()
    start = work.start()
    params, grads = Flat(start), Flat(start)
    sizes, m, count = work.net.sizes[1:], work.batch, len(work.net.sizes) - 1
    all_a, all_slopes, all_b = (np.empty(n, "float32") for n in (m * sum(sizes), m * sum(sizes), sum(sizes)))
    biases, ends = params.all[-sum(sizes) :], np.cumsum(sizes)[:-1]

    def cut(flat, rows):
        return [part.reshape(rows, -1).squeeze(() if rows > 1 else 0) for part in np.split(flat, rows * ends)]

    a, slopes, negated = cut(all_a, m), cut(all_slopes, m), cut(all_b, 1)
    deltas = [np.empty_like(one) for one in a]
    w, grad_w, grad_b = (
        [flat.views[f"{i}.{p}"] for i in range(1, count + 1)] for flat, p in ((params, "w"), (grads, "w"), (grads, "b"))
    )
    forward = [(before, w_.T, b, now) for (before, now), w_, b in zip(pairwise(a), w[1:], negated[1:], strict=True)]
    backward = [
        (deltas[i], deltas[i].T, w[i], grad_w[i], grad_b[i], a[i - 1], slopes[i - 1], deltas[i - 1])
        for i in range(count - 1, 0, -1)
    ]
    first_wT, first_b, first_a, last_a, last_slope, last_delta = w[0].T, negated[0], a[0], a[-1], slopes[-1], deltas[-1]
    first_delta, first_deltaT, first_grad_w, first_grad_b = deltas[0], deltas[0].T, grad_w[0], grad_b[0]
    values, grad, ones = params.all, grads.all, np.ones(m, "float32")
    dot, add, subtract, multiply, negative = np.dot, np.add, np.subtract, np.multiply, np.negative
    exp, reciprocal, rate, one = np.exp, np.reciprocal, np.float32(work.lr / work.batch), np.float32(1)

    def step():
        negative(biases, all_b)
        dot(x, first_wT, first_a)
        subtract(first_b, first_a, first_a)
        exp(first_a, first_a)
        add(first_a, one, first_a)
        reciprocal(first_a, first_a)
        for before, wT, b, now in forward:
            dot(before, wT, now)
            subtract(b, now, now)
            exp(now, now)
            add(now, one, now)
            reciprocal(now, now)
        subtract(one, all_a, all_slopes)
        multiply(all_slopes, all_a, all_slopes)
        subtract(last_a, t, last_delta)
        multiply(last_slope, rate, last_slope)
        multiply(last_delta, last_slope, last_delta)
        for delta, deltaT, w_, grad_w_, grad_b_, before, slope, sent in backward:
            dot(ones, delta, grad_b_)
            dot(deltaT, before, grad_w_)
            dot(delta, w_, sent)
            multiply(sent, slope, sent)
        dot(ones, first_delta, first_grad_b)
        dot(first_deltaT, x, first_grad_w)
        subtract(values, grad, values)

    return Entry(step, lambda: params.views)
