"""The yardstick: training steps of an MLP written by hand in numpy, with every buffer allocated beforehand."""

from itertools import pairwise

import numpy as np


class HandMLP:
    """Sigmoid neurons, quadratic cost, plain SGD; float32. One `step` is forward, backward and update."""

    def __init__(self, sizes, m, lr, seed=0):
        rng = np.random.default_rng(seed)
        new = lambda *shape: np.empty(shape, np.float32)  # noqa: E731
        self.rate = np.float32(lr / m)
        pairs = list(pairwise(sizes))
        self.w = [(rng.standard_normal((n, k)) / np.sqrt(k)).astype(np.float32) for k, n in pairs]
        self.b = [np.zeros(n, np.float32) for _, n in pairs]
        self.a = [new(m, n) for _, n in pairs]
        self.slope = [new(m, n) for _, n in pairs]
        self.delta = [new(m, n) for _, n in pairs]
        self.grad_w = [np.empty_like(w) for w in self.w]
        self.grad_b = [np.empty_like(b) for b in self.b]

    def step(self, x, y):
        a_in = x
        for w, b, a in zip(self.w, self.b, self.a, strict=True):
            np.matmul(a_in, w.T, out=a)
            np.add(a, b, out=a)
            np.negative(a, out=a)
            np.exp(a, out=a)
            np.add(a, 1.0, out=a)
            np.reciprocal(a, out=a)
            a_in = a
        error = self.delta[-1]
        np.subtract(self.a[-1], y, out=error)
        for l in range(len(self.w) - 1, -1, -1):  # noqa: E741
            a, slope, delta = self.a[l], self.slope[l], self.delta[l]
            np.subtract(1.0, a, out=slope)
            np.multiply(slope, a, out=slope)
            np.multiply(delta, slope, out=delta)
            np.add.reduce(delta, axis=0, out=self.grad_b[l])
            np.matmul(delta.T, self.a[l - 1] if l else x, out=self.grad_w[l])
            if l:
                np.matmul(delta, self.w[l], out=self.delta[l - 1])
        for value, grad in zip(self.w + self.b, self.grad_w + self.grad_b, strict=True):
            np.multiply(grad, self.rate, out=grad)
            np.subtract(value, grad, out=value)
