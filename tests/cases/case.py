"""What a row of the table says, and what rows of several families share."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple

import numpy as np

import minigraph as mg


class Refused(NamedTuple):
    """Sample shapes of inputs that a layer doesn't take, and what its message must say of them."""

    shapes: tuple
    takes: str
    got: str


@dataclass(frozen=True)
class Case:
    """One row: a layer, the inputs it takes, and what comes out."""

    id: str
    make: Callable  # () -> a new layer
    shapes: tuple  # of each input's samples
    reference: Callable  # (given, *inputs) -> output; given has .training, .rng and the values of the layer's Params
    draws: tuple = ()  # (rng, shape with the batch axis) -> array, for each input; unit normals where none is given
    refuses: tuple = ()  # of Refused
    modes_differ: bool = False  # whether training computes something else than inference
    fewest: int = 1  # examples that training needs
    torch: Callable | None = None  # (torch, given, *inputs) -> PyTorch's output; given's Params are tensors here

    def node(self, dtype="float64", layer=None):
        """The layer in a graph of its own, as node "node", fed by inputs "x0", "x1", …"""
        g = mg.Graph(self.id, seed=11, dtype=dtype)
        kinds = [int if x.dtype.kind == "i" else None for x in self.inputs(np.random.default_rng(0), 1)]
        inputs = [g.input(f"x{i}", *both) for i, both in enumerate(zip(self.shapes, kinds, strict=True))]
        return g.add(layer or self.make(), *inputs, name="node")

    def inputs(self, rng, m):
        """A batch of m examples for each input."""
        return [draw(rng, (m, *shape)) for shape, draw in zip_longest(self.shapes, self.draws, fillvalue=normal)]


# ---- inputs ----


def normal(rng, shape):
    return rng.normal(size=shape)


def off_kinks(rng, shape):
    return rng.choice([-1.0, 1.0], shape) * rng.uniform(0.1, 2.0, shape)


def fractions(rng, shape):
    return rng.uniform(size=shape)


def bits(rng, shape):
    return rng.integers(0, 2, shape).astype(float)


def one_hot(rng, shape):
    return np.eye(shape[-1])[rng.integers(0, shape[-1], shape[:-1])]


def labels(k):
    return lambda rng, shape: rng.integers(0, k, shape)


# ---- outputs, number by number ----


def elementwise(f):
    """The output whose every element is f of the inputs' elements there."""

    def reference(given, *inputs):
        out = np.empty(inputs[0].shape)
        for i in np.ndindex(out.shape):
            out[i] = f(*(float(x[i]) for x in inputs))
        return out

    return reference


def joined(axis):
    """Inputs behind each other along an axis, the batch axis counted."""

    def reference(given, *inputs):
        shape = list(inputs[0].shape)
        shape[axis] = sum(x.shape[axis] for x in inputs)
        out, start = np.full(shape, np.nan), 0
        for x in inputs:
            for i in np.ndindex(x.shape):
                out[(*i[:axis], start + i[axis], *i[axis + 1 :])] = x[i]
            start += x.shape[axis]
        return out

    return reference


def in_shape(*shape):
    """The elements of each sample, the last axis running fastest, in another shape."""

    def reference(given, x):
        out = np.full((len(x), *shape), np.nan)
        for row in range(len(x)):
            for i, j in zip(np.ndindex(x.shape[1:]), np.ndindex(shape), strict=True):
                out[(row, *j)] = x[(row, *i)]
        return out

    return reference


def shares(x):
    powers = [math.exp(v) for v in x]
    return [power / math.fsum(powers) for power in powers]


def per_example(f):
    """One number an example: f of its inputs."""
    return lambda given, *inputs: np.array([f(*samples) for samples in zip(*inputs, strict=True)])


# ---- refusals ----

NOT_TWO = Refused(((2,), (2,)), "takes 1 input", "got 2")
