"""A CNN by hand: examples along the last axis, so that windows are copied in long pieces; ReLU behind the pooling."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from . import Entry
from .hand import Flat

dot, add, multiply, subtract, divide, exp = np.dot, np.add, np.multiply, np.subtract, np.divide, np.exp
maximum, greater, greater_equal, copyto = np.maximum, np.greater, np.greater_equal, np.copyto
most, total = np.maximum.reduce, np.add.reduce
ZERO = np.float32(0)


def enter(work):
    m = work.batch
    x, labels = work.data()
    t = np.eye(10, dtype="float32")[labels]
    start = work.start()
    params, grads = Flat(start), Flat(start)
    wide = np.zeros((1, 32, 32, m), "float32")
    inside, x_in = wide[:, 2:-2, 2:-2], x.transpose(1, 2, 3, 0)
    one = Convolved("1", params, grads, wide)
    two = Convolved("2", params, grads, one.out, one.error)
    flat, ones = two.out.reshape(400, m).T, np.ones(m, "float32")
    layers, a = [], flat
    for i, n in (("3", 120), ("4", 84), ("5", 10)):
        w, b, grad_w, grad_b = (flat_.views[f"{i}.{p}"] for flat_ in (params, grads) for p in "wb")
        layers.append((a, w, b, grad_w, grad_b, new(m, n), new(m, n), np.empty((m, n), bool)))
        a = layers[-1][5]
    hidden, (before, last_w, last_b, *_, z, delta, _) = layers[:-1], layers[-1]
    back = [
        (a, w, grad_w, grad_b, delta, sent, mask)
        for (_, _, _, _, _, a, sent, mask), (_, w, _, grad_w, grad_b, _, delta, _) in pairwise(layers)
    ][::-1]
    _, third_w, _, third_grad_w, third_grad_b, _, third, _ = layers[0]
    third_wT, thirdT, error = third_w.T, third.T, two.error.reshape(400, m)
    row, rate, values, grad = new(m, 1), np.float32(work.lr / m), params.all, grads.all

    def step():
        copyto(inside, x_in)
        one.forward()
        two.forward()
        for a, w, b, _, _, y, _, _ in hidden:
            dot(a, w.T, y)
            add(y, b, y)
            maximum(y, ZERO, out=y)
        dot(before, last_w.T, z)
        add(z, last_b, z)
        most(z, 1, None, row, True)
        subtract(z, row, z)
        exp(z, z)
        total(z, 1, None, row, True)
        divide(z, row, z)
        subtract(z, t, delta)
        for a, w, grad_w, grad_b, d, s, on in back:
            dot(ones, d, grad_b)
            dot(d.T, a, grad_w)
            dot(d, w, s)
            greater(a, ZERO, on)
            multiply(s, on, s)
        dot(ones, third, third_grad_b)
        dot(thirdT, flat, third_grad_w)
        dot(third_wT, thirdT, error)
        two.backward()
        one.backward()
        multiply(grad, rate, grad)
        subtract(values, grad, values)

    return Entry(step, lambda: params.views)


def new(*shape):
    return np.empty(shape, "float32")


class Convolved:
    """A convolution 5×5, pooling 2×2 and ReLU on images (c, h, w, m); `error` is what comes back, in place."""

    def __init__(self, name, params, grads, x, sent=None):
        w, grad_w = (flat.views[f"{name}.w"] for flat in (params, grads))
        self.w, self.grad_w = w.reshape(len(w), -1), grad_w.reshape(len(w), -1)
        self.b, self.grad_b = params.views[f"{name}.b"][:, None, None, None], grads.views[f"{name}.b"]
        f, (c, n, _, m) = len(w), x.shape
        n, half = n - 4, n // 2 - 2
        windows = sliding_window_view(x, (5, 5), (1, 2)).transpose(0, 4, 5, 1, 2, 3)  # (c, u, v, i, j, m)
        self.windows, self.sent, self.n = windows, sent, n
        self.columns, self.dcolumns = new(c, 5, 5, n, n, m), new(c, 5, 5, n, n, m)
        self.z, self.delta = new(f, n, n, m), new(f, n, n, m)
        self.rows, self.row_errors = new(f, n, half, m), new(f, n, half, m)
        self.out, self.error = new(f, half, half, m), new(f, half, half, m)
        self.left, self.up = np.empty(self.rows.shape, bool), np.empty(self.out.shape, bool)
        self.flat, self.flat_dcolumns = self.columns.reshape(c * 25, -1), self.dcolumns.reshape(c * 25, -1)
        self.flat_z, self.flat_delta, self.flat_error = (a.reshape(f, -1) for a in (self.z, self.delta, self.error))
        self.ones = np.ones(m * half**2, "float32")

    def forward(self):
        z, rows, out = self.z, self.rows, self.out
        copyto(self.columns, self.windows)
        dot(self.w, self.flat, self.flat_z)
        maximum(z[:, :, ::2], z[:, :, 1::2], out=rows)
        maximum(rows[:, ::2], rows[:, 1::2], out=out)
        add(out, self.b, out)
        maximum(out, ZERO, out=out)

    def backward(self):
        z, delta, rows, errors, error = self.z, self.delta, self.rows, self.row_errors, self.error
        left, up = self.left, self.up
        greater(self.out, ZERO, up)
        multiply(error, up, error)
        dot(self.flat_error, self.ones, self.grad_b)
        greater_equal(rows[:, ::2], rows[:, 1::2], up)
        multiply(error, up, errors[:, ::2])
        subtract(error, errors[:, ::2], errors[:, 1::2])
        greater_equal(z[:, :, ::2], z[:, :, 1::2], left)
        multiply(errors, left, delta[:, :, ::2])
        subtract(errors, delta[:, :, ::2], delta[:, :, 1::2])
        dot(self.flat_delta, self.flat.T, self.grad_w)
        if self.sent is not None:
            dot(self.w.T, self.flat_delta, self.flat_dcolumns)
            self.sent.fill(0)
            for u in range(5):
                for v in range(5):
                    part = self.sent[:, u : u + self.n, v : v + self.n]
                    add(part, self.dcolumns[:, u, v], part)
