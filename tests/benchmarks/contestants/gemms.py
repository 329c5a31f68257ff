"""The matrix products alone, which no numpy program can do without: np.dot with `out` on arrays of their shapes."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from works import CNN, DAG, MLP, Convolution, Memory, Transformer

from . import Entry


def enter(work):
    products = [_prepared(*product) for product in _products(work.net, work.batch)]

    def step():
        for function, left, right, out in products:
            function(left, right, out)

    return Entry(step)


def _dense(m, k, n, first=False):
    """a wᵀ, δᵀ a and, but for the first layer, δ w: shapes of left, right, and which of them are seen transposed."""
    return [((m, k), (n, k), "right"), ((m, n), (m, k), "left"), *([] if first else [((m, n), (n, k), "")])]


def _products(net, m):
    if isinstance(net, MLP):
        for i, (k, n) in enumerate(pairwise(net.sizes)):
            yield from _dense(m, k, n, i == 0)
    elif isinstance(net, CNN):
        for i, (f, window, positions) in enumerate(((6, 25, 784), (16, 150, 100))):
            yield from _convolution(m, f, window, positions, i == 0)
        for k, n in ((400, 120), (120, 84), (84, 10)):
            yield from _dense(m, k, n)
    elif isinstance(net, Convolution):
        yield from _convolution(m, 32, 144, 784, False)
    elif isinstance(net, Transformer):
        rows, head, heads = m * net.T, net.d // net.heads, (m, net.heads)
        for i in range(net.blocks):
            yield from _dense(rows, net.d, 3 * net.d, i == 0)
            scores, values = (*heads, net.T, net.T), (*heads, net.T, head)
            for _ in ("s = q kᵀ, c = p v, eᵀ q", "error vᵀ, e k, pᵀ error"):
                yield from [(values, values, "right"), (scores, values, ""), (scores, values, "left")]
            yield from _dense(rows, net.d, net.d)
            yield from _dense(rows, net.d, net.hidden)
            yield from _dense(rows, net.hidden, net.d)
        yield from _dense(rows, net.d, net.classes)
    elif isinstance(net, Memory):
        yield from _dense(net.T * m, net.k, 4 * net.n, True)
        yield from [((m, net.n), (4 * net.n, net.n), "right"), ((m, 4 * net.n), (4 * net.n, net.n), "")] * net.T
        yield ((net.T * m, 4 * net.n), (net.T * m, net.n), "left")
        yield from _dense(m, net.n, net.classes)
    elif isinstance(net, DAG):
        for kind, sources in net.plan:
            if kind == "dense":
                yield from _dense(m, net.width, net.width, sources == (0,))


def _convolution(m, f, window, positions, first):
    """w times columns, δ times columns transposed and, but for the first layer, wᵀ times δ: one product each."""
    columns, z = (window, m * positions), (f, m * positions)
    return [((f, window), columns, ""), (z, columns, "right"), *([] if first else [((f, window), z, "left")])]


def _prepared(left, right, seen):
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(shape, "float32") / math.sqrt(shape[-1]) for shape in (left, right))
    a, b = a.astype("float32"), b.astype("float32")
    a, b = a.swapaxes(-1, -2) if seen == "left" else a, b.swapaxes(-1, -2) if seen == "right" else b
    function = np.dot if a.ndim == 2 else np.matmul
    return function, a, b, function(a, b)
