"""The table of layers and costs: one row each, or several, with what comes out computed another way.

A new layer needs a row here; every property in test_layers.py then holds for it. References are loops over single
numbers, with `math`: they share nothing with the code under test.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple

import numpy as np

import minigraph as mg
from minigraph.activations import LeakyReLU
from minigraph.costs import BinaryCrossEntropy, Quadratic, SoftmaxCrossEntropy
from minigraph.layers import (
    Activation,
    Add,
    Concat,
    Dense,
    Dropout,
    Flatten,
    Identity,
    Multiply,
    Reshape,
    Softmax,
    StopGradient,
    Subtract,
)

# ---- what a row says ----


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

SIGMA = {
    "identity": lambda z: z,
    "sigmoid": lambda z: 0.5 + 0.5 * math.tanh(0.5 * z),
    "tanh": lambda z: (math.exp(2 * z) - 1) / (math.exp(2 * z) + 1),
    "relu": lambda z: z if z > 0 else 0.0,
    "leaky_relu": lambda z: z if z > 0 else z / 100,
    "softplus": lambda z: math.log(1 + math.exp(z)),
}


def elementwise(f):
    """The output whose every element is f of the inputs' elements there."""

    def reference(given, *inputs):
        out = np.empty(inputs[0].shape)
        for i in np.ndindex(out.shape):
            out[i] = f(*(float(x[i]) for x in inputs))
        return out

    return reference


def along_last_axis(*functions):
    """The output whose element j along the last axis is functions[j] of the input's element there."""

    def reference(given, x):
        out = np.empty(x.shape)
        for i in np.ndindex(x.shape):
            out[i] = functions[i[-1]](float(x[i]))
        return out

    return reference


def dense(*functions):
    """Neurons j with functions[j] each, or all with the only one."""

    def reference(given, a):
        w = given.w.tolist()
        b = given.b.tolist() if hasattr(given, "b") else [0.0] * len(w)
        f = functions * len(w) if len(functions) == 1 else functions
        rows = a.tolist()
        z = [[math.fsum(wjk * ak for wjk, ak in zip(wj, row, strict=True)) for wj in w] for row in rows]
        return np.array([[f[j](zj + b[j]) for j, zj in enumerate(row)] for row in z])

    return reference


def shares(x):
    powers = [math.exp(v) for v in x]
    return [power / math.fsum(powers) for power in powers]


def softmax(given, x):
    out = np.empty(x.shape)
    for i in np.ndindex(x.shape[:-1]):
        out[i] = shares(x[i])
    return out


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


def dropout(rate):
    def reference(given, x):
        if not given.training:
            return x
        kept = given.rng.random(x.shape) >= rate
        return np.array([v / (1 - rate) if k else 0.0 for v, k in zip(x.flat, kept.flat, strict=True)]).reshape(x.shape)

    return reference


def per_example(f):
    """One number an example: f of its inputs."""
    return lambda given, *inputs: np.array([f(*samples) for samples in zip(*inputs, strict=True)])


def quadratic(weight=1.0):
    return per_example(lambda a, y: weight * sum((p - q) ** 2 for p, q in zip(a.flat, y.flat, strict=True)) / 2)


def binary_cross_entropy(weight=1.0):
    def one(z, y):
        p = 1 / (1 + math.exp(-z))
        return -weight * (y * math.log(p) + (1 - y) * math.log(1 - p))

    return per_example(lambda z, y: sum(one(*pair) for pair in zip(z.flat, y.flat, strict=True)))


def softmax_cross_entropy(weight=1.0):
    def one(z, y):
        ones = [j == y for j in range(len(z))] if y.ndim == 0 else y
        return -weight * sum(math.log(p) for p, chosen in zip(shares(z), ones, strict=True) if chosen)

    return per_example(one)


# ---- the table ----

PAIR = (np.sin, np.cos)
MIXED = ["tanh", PAIR, "relu", "tanh", LeakyReLU(0.3)]
MIXED_SIGMA = (SIGMA["tanh"], math.sin, SIGMA["relu"], SIGMA["tanh"], lambda z: max(z, 0.3 * z))

NO_VECTOR = (
    Refused(((2, 3),), "takes vectors", "got samples of shape (2, 3)"),
    Refused(((),), "takes vectors", "got samples of shape ()"),
    Refused(((3,), (3,)), "takes 1 input", "got 2"),
)
NOT_TWO = Refused(((2,), (2,)), "takes 1 input", "got 2")
NO_TARGET = Refused(((3,),), "target", "got 1")
UNEQUAL = (
    Refused(((3,), (2,)), "takes inputs of one shape", "got (3,) and (2,)"),
    Refused(((3,), (1,)), "takes inputs of one shape", "got (3,) and (1,)"),
    Refused(((2, 3), (3,)), "takes inputs of one shape", "got (2, 3) and (3,)"),
    Refused(((3,),), "takes two", "got 1"),
)
ONE_SHAPE = (
    Refused(((3,), (2,)), "takes targets of its output's shape (3,)", "got (2,)"),
    Refused(((1,), ()), "takes targets of its output's shape (1,)", "got ()"),
    Refused(((), (1,)), "takes targets of its output's shape ()", "got (1,)"),
    Refused(((3,), (3,), (3,)), "target", "got 3"),
    NO_TARGET,
)
LOGITS = (
    Refused(((2, 3), ()), "takes vectors of logits", "got samples of shape (2, 3)"),
    Refused(((), ()), "takes vectors of logits", "got samples of shape ()"),
    Refused(((3,), (2,)), "takes labels of shape () or one-hot rows of shape (3,)", "got (2,)"),
    Refused(((3,), (1,)), "takes labels of shape () or one-hot rows of shape (3,)", "got (1,)"),
    NO_TARGET,
)
BY_NAME = [
    case
    for name, f in SIGMA.items()
    for case in (
        Case(f"Dense-{name}", lambda name=name: Dense(3, name), ((4,),), dense(f)),
        Case(f"Activation-{name}", lambda name=name: Activation(name), ((3,),), elementwise(f), (off_kinks,)),
    )
]

# fmt: off
CASES = [
    *BY_NAME,
    Case("Dense", lambda: Dense(3), ((4,),), dense(SIGMA["identity"]), refuses=NO_VECTOR),
    Case("Dense-no-bias", lambda: Dense(3, "tanh", bias=False), ((4,),), dense(SIGMA["tanh"])),
    Case("Dense-pair", lambda: Dense(2, PAIR, weights="normal", biases="normal"), ((3,),), dense(math.sin)),
    Case("Dense-per-neuron", lambda: Dense(5, MIXED), ((3,),), dense(*MIXED_SIGMA)),
    Case("Dense-1", lambda: Dense(1, "sigmoid"), ((1,),), dense(SIGMA["sigmoid"])),
    Case("Activation-pair", lambda: Activation(PAIR), ((2, 3),), elementwise(math.sin), refuses=(NOT_TWO,)),
    Case("Activation-number", lambda: Activation("tanh"), ((),), elementwise(SIGMA["tanh"])),
    Case("Activation-1", lambda: Activation("softplus"), ((1, 1),), elementwise(SIGMA["softplus"])),
    Case("Activation-per-neuron", lambda: Activation(MIXED), ((2, 5),), along_last_axis(*MIXED_SIGMA), (off_kinks,), (
        Refused(((5, 4),), "has 5 activations", "got samples of shape (5, 4)"),
        Refused(((),), "has 5 activations", "got samples of shape ()"),
    )),
    Case("Softmax", Softmax, ((4,),), softmax, refuses=(
        Refused(((),), "takes samples with at least one axis", "got single numbers"),
        NOT_TWO,
    )),
    Case("Softmax-3d", Softmax, ((2, 1, 3),), softmax),
    Case("Softmax-1", Softmax, ((1,),), softmax),
    Case("Add", Add, ((3,), (3,)), elementwise(lambda x, y: x + y), refuses=UNEQUAL),
    Case("Add-4", Add, ((2, 3),) * 4, elementwise(lambda *xs: math.fsum(xs))),
    Case("Add-1", Add, ((1, 1),) * 2, elementwise(lambda x, y: x + y)),
    Case("Subtract", Subtract, ((2, 3),) * 2, elementwise(lambda x, y: x - y), refuses=(
        Refused(((3,), (3,), (3,)), "takes two", "got 3"),
        *UNEQUAL,
    )),
    Case("Subtract-1", Subtract, ((1,), (1,)), elementwise(lambda x, y: x - y)),
    Case("Multiply", Multiply, ((2, 3),) * 2, elementwise(lambda x, y: x * y), refuses=UNEQUAL),
    Case("Multiply-4", Multiply, ((3,),) * 4, elementwise(lambda *xs: math.prod(xs))),
    Case("Multiply-1", Multiply, ((1,),) * 3, elementwise(lambda *xs: math.prod(xs))),
    Case("Concat", Concat, ((2,), (1,), (3,)), joined(1), refuses=(
        Refused(((2, 3), (3, 3)), "equal but for axis 1", "got (2, 3) and (3, 3)"),
        Refused(((2, 3), (2,)), "equal but for axis 1", "got (2, 3) and (2,)"),
        Refused(((2,), (2, 3)), "equal but for axis 0", "got (2,) and (2, 3)"),
        Refused(((), ()), "joins axis -1", "got samples of shape ()"),
        Refused(((3,),), "takes two", "got 1"),
    )),
    Case("Concat-axis-0", lambda: Concat(0), ((2, 3), (4, 3)), joined(1), refuses=(
        Refused(((2, 3), (2, 4)), "equal but for axis 0", "got (2, 3) and (2, 4)"),
    )),
    Case("Concat-middle", lambda: Concat(-2), ((2, 1, 3), (2, 4, 3)), joined(2), refuses=(
        Refused(((3,), (3,)), "joins axis -2", "got samples of shape (3,)"),
    )),
    Case("Concat-1", Concat, ((1, 1), (1, 1)), joined(2)),
    Case("Dropout", Dropout, ((5,),), dropout(0.5), refuses=(NOT_TWO,), modes_differ=True),
    Case("Dropout-0.2", lambda: Dropout(0.2), ((3, 4),), dropout(0.2), modes_differ=True),
    Case("Dropout-none", lambda: Dropout(0), ((3,),), dropout(0)),
    Case("Dropout-all", lambda: Dropout(1), ((3,),), dropout(1), modes_differ=True),
    Case("Dropout-1", lambda: Dropout(0.3), ((1, 1),), dropout(0.3), modes_differ=True),
    Case("Identity", Identity, ((2, 3),), elementwise(lambda x: x), refuses=(NOT_TWO,)),
    Case("Identity-1", Identity, ((1,),), elementwise(lambda x: x)),
    Case("StopGradient", StopGradient, ((2, 3),), elementwise(lambda x: x), refuses=(NOT_TWO,)),
    Case("StopGradient-1", StopGradient, ((1,),), elementwise(lambda x: x)),
    Case("Reshape", lambda: Reshape((3, 2)), ((2, 3),), in_shape(3, 2), refuses=(
        Refused(((4,),), "makes samples of shape (3, 2)", "got (4,) with 4 elements"),
        NOT_TWO,
    )),
    Case("Reshape-rest", lambda: Reshape((-1, 2)), ((2, 1, 4),), in_shape(4, 2)),
    Case("Reshape-vector", lambda: Reshape(6), ((2, 3),), in_shape(6)),
    Case("Reshape-1", lambda: Reshape((1,)), ((1, 1),), in_shape(1)),
    Case("Reshape-number", lambda: Reshape(()), ((1,),), in_shape()),
    Case("Flatten", Flatten, ((2, 1, 3),), in_shape(6), refuses=(NOT_TWO,)),
    Case("Flatten-number", Flatten, ((),), in_shape(1)),
    Case("Flatten-1", Flatten, ((1, 1),), in_shape(1)),
    Case("Quadratic", Quadratic, ((3,), (3,)), quadratic(), refuses=ONE_SHAPE),
    Case("Quadratic-2d", lambda: Quadratic(weight=0.3), ((2, 3), (2, 3)), quadratic(0.3)),
    Case("Quadratic-number", Quadratic, ((), ()), quadratic()),
    Case("Quadratic-1", Quadratic, ((1,), (1,)), quadratic()),
    Case("BinaryCrossEntropy", BinaryCrossEntropy, ((3,), (3,)),
         binary_cross_entropy(), (normal, fractions), ONE_SHAPE),
    Case("BinaryCrossEntropy-2d", lambda: BinaryCrossEntropy(weight=-2), ((2, 3), (2, 3)),
         binary_cross_entropy(-2), (normal, bits)),
    Case("BinaryCrossEntropy-number", BinaryCrossEntropy, ((), ()), binary_cross_entropy(), (normal, bits)),
    Case("BinaryCrossEntropy-1", BinaryCrossEntropy, ((1,), (1,)), binary_cross_entropy(), (normal, fractions)),
    Case("SoftmaxCrossEntropy", SoftmaxCrossEntropy, ((4,), ()),
         softmax_cross_entropy(), (normal, labels(4)), LOGITS),
    Case("SoftmaxCrossEntropy-weight", lambda: SoftmaxCrossEntropy(weight=0.3), ((4,), ()),
         softmax_cross_entropy(0.3), (normal, labels(4))),
    Case("SoftmaxCrossEntropy-one-hot", lambda: SoftmaxCrossEntropy(weight=1.5), ((4,), (4,)),
         softmax_cross_entropy(1.5), (normal, one_hot)),
    Case("SoftmaxCrossEntropy-1", SoftmaxCrossEntropy, ((1,), ()), softmax_cross_entropy(), (normal, labels(1))),
]
