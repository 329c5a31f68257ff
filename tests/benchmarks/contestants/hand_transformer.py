"""A transformer by hand: q, k and v in one product, heads as views that the products read where they lie."""

from __future__ import annotations

import math

import numpy as np

from . import Entry
from .hand import Flat

dot, add, multiply, subtract, divide, exp = np.dot, np.add, np.multiply, np.subtract, np.divide, np.exp
maximum, greater, matmul, sqrt, reciprocal = np.maximum, np.greater, np.matmul, np.sqrt, np.reciprocal
most, total = np.maximum.reduce, np.add.reduce
ZERO = np.float32(0)


def enter(work):
    net, m = work.net, work.batch
    x, labels = work.data()
    rows = m * net.T
    t = np.eye(net.classes, dtype="float32")[labels.reshape(-1)]
    start = work.start()
    params, grads = Flat(start), Flat(start)
    blocks, h = [], x.reshape(rows, net.d)
    for i in range(net.blocks):
        blocks.append(Block(work, str(i), params, grads, h, i == 0))
        h = blocks[-1].output
    w, b, grad_w, grad_b = (flat.views[f"logits.{p}"] for flat in (params, grads) for p in "wb")
    z, row, error, ones = new(rows, net.classes), new(rows, 1), new(rows, net.d), np.ones(rows, "float32")
    zT, wT, rate = z.T, w.T, np.float32(work.lr / rows)
    values, grad = params.all, grads.all

    def step():
        for block in blocks:
            block.forward()
        dot(h, wT, z)
        add(z, b, z)
        most(z, 1, None, row, True)
        subtract(z, row, z)
        exp(z, z)
        total(z, 1, None, row, True)
        divide(z, row, z)
        subtract(z, t, z)
        dot(ones, z, grad_b)
        dot(zT, h, grad_w)
        dot(z, w, error)
        sent = error
        for block in reversed(blocks):
            sent = block.backward(sent)
        multiply(grad, rate, grad)
        subtract(values, grad, values)

    return Entry(step, lambda: params.views)


def new(*shape):
    return np.empty(shape, "float32")


class Block:
    """h = norm_1(x + attention(x)),   output = norm_2(h + out(relu(hidden(h))))."""

    def __init__(self, work, name, params, grads, x, first):
        net, m, rows = work.net, work.batch, work.batch * work.net.T
        self.x, self.first, self.scale = x, first, np.float32(1 / math.sqrt(net.d // net.heads))
        self.ones = np.ones(rows, "float32")
        self.p, self.g = (
            {key.removeprefix(f"{name}/"): view for key, view in flat.views.items()} for flat in (params, grads)
        )
        self.w, self.b, self.grad_w, self.grad_b = (
            joined(flat, f"{name}/attention", letter, net.d) for flat in (params, grads) for letter in "wb"
        )
        self.qkv, self.dqkv = new(rows, 3 * net.d), new(rows, 3 * net.d)
        self.c, self.dc = new(rows, net.d), new(rows, net.d)
        heads = lambda flat, n: np.moveaxis(flat.reshape(m, net.T, n, net.heads, -1), (2, 3), (0, 2))  # noqa: E731
        (self.q, self.k, self.v), (self.dq, self.dk, self.dv) = heads(self.qkv, 3), heads(self.dqkv, 3)
        (self.heads,), (self.dheads,) = heads(self.c, 1), heads(self.dc, 1)
        self.scaled, self.dscaled = self.qkv[:, : net.d], self.dqkv[:, : net.d]
        self.s, self.ds = (new(m, net.heads, net.T, net.T) for _ in "sd")
        self.row = new(m, net.heads, net.T, 1)
        self.middle, self.output, self.sent = new(rows, net.d), new(rows, net.d), new(rows, net.d)
        self.hidden, self.dhidden = new(rows, net.hidden), new(rows, net.hidden)
        self.on = np.empty((rows, net.hidden), bool)
        self.norm_1, self.norm_2 = Norm(self, "norm_1", rows, net.d), Norm(self, "norm_2", rows, net.d)

    def forward(self):
        p, x, qkv, s, row, h = self.p, self.x, self.qkv, self.s, self.row, self.norm_1.hat
        dot(x, self.w.T, qkv)
        add(qkv, self.b, qkv)
        multiply(self.scaled, self.scale, self.scaled)
        matmul(self.q, self.k.swapaxes(2, 3), s)
        most(s, 3, None, row, True)
        subtract(s, row, s)
        exp(s, s)
        total(s, 3, None, row, True)
        divide(s, row, s)
        matmul(s, self.v, self.heads)
        dot(self.c, p["attention.w_o"].T, h)
        add(h, p["attention.b_o"], h)
        add(h, x, h)
        middle = self.norm_1.forward(self.middle)
        dot(middle, p["hidden.w"].T, self.hidden)
        add(self.hidden, p["hidden.b"], self.hidden)
        maximum(self.hidden, ZERO, out=self.hidden)
        h = self.norm_2.hat
        dot(self.hidden, p["out.w"].T, h)
        add(h, p["out.b"], h)
        add(h, middle, h)
        self.norm_2.forward(self.output)

    def backward(self, error):
        p, g, ones, s, ds = self.p, self.g, self.ones, self.s, self.ds
        self.norm_2.backward(error)
        dot(ones, error, g["out.b"])
        dot(error.T, self.hidden, g["out.w"])
        dot(error, p["out.w"], self.dhidden)
        greater(self.hidden, ZERO, self.on)
        multiply(self.dhidden, self.on, self.dhidden)
        dot(ones, self.dhidden, g["hidden.b"])
        dot(self.dhidden.T, self.middle, g["hidden.w"])
        dot(self.dhidden, p["hidden.w"], self.sent)
        add(error, self.sent, error)
        self.norm_1.backward(error)
        dot(ones, error, g["attention.b_o"])
        dot(error.T, self.c, g["attention.w_o"])
        dot(error, p["attention.w_o"], self.dc)
        matmul(self.dheads, self.v.swapaxes(2, 3), ds)
        matmul(s.swapaxes(2, 3), self.dheads, self.dv)
        multiply(ds, s, ds)
        total(ds, 3, None, self.row, True)
        multiply(s, self.row, s)
        subtract(ds, s, ds)
        matmul(ds, self.k, self.dq)
        matmul(ds.swapaxes(2, 3), self.q, self.dk)
        multiply(self.dscaled, self.scale, self.dscaled)
        dot(ones, self.dqkv, self.grad_b)
        dot(self.dqkv.T, self.x, self.grad_w)
        if not self.first:
            dot(self.dqkv, self.w, self.sent)
            add(error, self.sent, error)
        return error


def joined(flat, name, letter, d):
    """w_q, w_k, w_v on top of each other, as they lie in the flat array; or the biases."""
    first = flat.views[f"{name}.{letter}_q"]
    begin = (first.__array_interface__["data"][0] - flat.all.__array_interface__["data"][0]) // 4
    return flat.all[begin : begin + 3 * first.size].reshape(3 * d, *first.shape[1:])


class Norm:
    """LayerNorm in place: what is put into `hat` comes out as γ x̂ + β."""

    def __init__(self, block, name, rows, d):
        self.gamma, self.beta = block.p[f"{name}.gamma"], block.p[f"{name}.beta"]
        self.grad_gamma, self.grad_beta, self.ones = block.g[f"{name}.gamma"], block.g[f"{name}.beta"], block.ones
        self.hat, self.product, self.mean, self.size = new(rows, d), new(rows, d), new(rows), new(rows)
        self.columns = self.mean[:, None], self.size[:, None]
        self.average, self.share, self.d = np.full(d, 1 / d, "float32"), new(d), np.float32(1 / d)

    def forward(self, out):
        hat, mean, size = self.hat, self.mean, self.size
        dot(hat, self.average, mean)
        subtract(hat, self.columns[0], hat)
        multiply(hat, hat, self.product)
        dot(self.product, self.average, size)
        add(size, np.float32(1e-5), size)
        sqrt(size, size)
        reciprocal(size, size)
        multiply(hat, self.columns[1], hat)
        multiply(hat, self.gamma, out)
        add(out, self.beta, out)
        return out

    def backward(self, error):
        product, mean = self.product, self.mean
        multiply(error, self.hat, product)
        dot(self.ones, product, self.grad_gamma)
        dot(self.ones, error, self.grad_beta)
        multiply(self.gamma, self.d, self.share)
        multiply(error, self.gamma, error)
        total(error, 1, None, mean)
        multiply(mean, self.d, mean)
        subtract(error, self.columns[0], error)
        dot(product, self.share, mean)
        multiply(self.hat, self.columns[0], product)
        subtract(error, product, error)
        multiply(error, self.columns[1], error)
