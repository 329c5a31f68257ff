"""Layers made for tests, graphs around them, and derivatives taken as differences."""

import sys
from dataclasses import dataclass

import numpy as np

import minigraph as mg
from minigraph.costs import Quadratic
from minigraph.layers import Add, Concat, Dense, Identity, Layer

STEP = 1e-5


@dataclass(eq=False)
class Through(Layer):
    """The input as it is; what a test makes other layers of."""

    def build(self, shape, **_):
        return shape

    def forward(self, at, x):
        return x

    def backward(self, at, error):
        return error


@dataclass(eq=False)
class Scale(Through):
    """a = x p²: what comes back depends on the Param's value."""

    def build(self, shape, rng, dtype):
        self.p = self.param("p", shape, "ones", rng=rng, dtype=dtype)
        return shape

    def forward(self, at, x):
        return x * self.p.value**2

    def backward(self, at, error):
        at.grad[self.p] = (error * at.inputs[0] * 2.0 * self.p.value).sum(axis=0)
        return error * self.p.value**2


@dataclass(eq=False)
class Noise(Scale):
    """a = x p² r with random r."""

    def forward(self, at, x):
        at.r = at.rng.random(x.shape)
        return x * self.p.value**2 * at.r

    def backward(self, at, error):
        at.grad[self.p] = (error * at.inputs[0] * 2.0 * self.p.value * at.r).sum(axis=0)
        return error * self.p.value**2 * at.r


@dataclass(eq=False)
class Pair(Layer):
    """x y, of two inputs."""

    def build(self, shape, other, **_):
        return shape

    def forward(self, at, x, y):
        return x * y

    def backward(self, at, error):
        x, y = at.inputs
        return error * y, error * x


def custom(base=Through, **methods):
    """A layer of class Custom: a base with some methods replaced."""
    return type("Custom", (base,), methods)()


def around(layer, twice=False, **options):
    """x -> h -> the layer -> y -> cost; with `twice` the layer takes h and k. It is named "custom"."""
    g = mg.Graph(seed=0, **options)
    h = g.input("x", 3) >> Dense(3, "tanh", name="h")
    node = g.add(layer, *((h, Dense(3, "tanh", name="k")(h)) if twice else (h,)), name="custom")
    g.cost(Quadratic(), Dense(2, name="y")(node), name="cost")
    return g


def slope(cost, array, direction):
    """The derivative of a cost while an array moves along a direction; the array is put back."""
    start = array.copy()
    array += STEP * direction
    up = cost()
    array[...] = start - STEP * direction
    down = cost()
    array[...] = start
    return (up - down) / (2 * STEP)


def slopes(cost, array):
    """The same for every element."""
    found = np.empty_like(array)
    for i in np.ndindex(array.shape):
        unit = np.zeros_like(array)
        unit[i] = 1.0
        found[i] = slope(cost, array, unit)
    return found


def close(found, expected, size=None):
    """Equal shapes, and no element off by more than what differences are off."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    assert abs(found - expected).max() <= 1e-7 * max(1e-2, abs(expected).max() if size is None else size)


def gradients(run):
    """∂C/∂p for every Param of a run's graph."""
    return [run.grad(param) for param in run.graph.params.values()]


def equal(arrays, others):
    """Bit for bit."""
    assert len(arrays) == len(others)
    for one, other in zip(arrays, others, strict=True):
        assert np.array_equal(one, other)


def fed(seed, m=4):
    """Feeds for an x of 3 and a t of 2; m = None is one example without a batch axis."""
    rng = np.random.default_rng(seed)
    x, t = rng.normal(size=(m or 1, 3)), rng.normal(size=(m or 1, 2))
    return {"x": x[0], "t": t[0]} if m is None else {"x": x, "t": t}


def deep():
    """x -> again -> mode -> again -> y -> cost: forks, a shared layer, one with two modes that keeps a buffer."""
    g = mg.Graph(seed=0)
    again = Dense(3, "tanh", name="again")
    mode = custom(
        forward=lambda self, at, x: np.multiply(x, 2.0 if at.training else 1.0, out=at.buffer("out", x.shape)),
        backward=lambda self, at, error: error * (2.0 if at.training else 1.0),
    )
    h = g.add(mode, g.input("x", 3) >> again, name="mode") >> again
    g.cost(Quadratic(), Dense(2, name="y")(Concat()(h, Add()(h, h), Identity()(h))), name="cost")
    return g


def everything(run):
    """All that can be read of a run, by name, as copies."""
    found = {}
    for view in run:
        found[view.node.name] = view.a.copy()
        if view.state == "computed":
            found[view.node.name, "δ"] = view.delta.copy()
        for slot, source in enumerate(view.node.inputs):
            if run.edge(source, view.node, slot).state == "computed":
                found[view.node.name, slot] = run.edge(source, view.node, slot).grad.copy()
    return found


def alike(run, other):
    """Two runs tell the same, bit for bit."""
    one, two = everything(run), everything(other)
    assert one.keys() == two.keys()
    for key in one:
        assert np.array_equal(one[key], two[key]), key


def traced(call, trace):
    """Call with a trace function (see sys.settrace) at work."""
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)


def lines_run(call, most=1_000_000):
    """How many lines of the package a call runs: its cost, whatever else the machine does."""
    package, lines = mg.__name__, 0

    def trace(frame, event, arg):
        nonlocal lines
        if frame.f_globals.get("__name__", "").partition(".")[0] != package:
            return None
        lines += event == "line"
        if lines > most:  # rather than run for ever
            raise AssertionError(f"more than {most} lines")
        return trace

    traced(call, trace)
    return lines


def skipping():
    """x -> h1 -> h2, both added up -> y -> cost: a graph to take apart."""
    g = mg.Graph("net", seed=0)
    h1 = Dense(5, "tanh", name="h1")(g.input("x", 4))
    h2 = Dense(5, "tanh", name="h2")(h1)
    s = Add(name="sum")(h1, h2)
    g.cost(Quadratic(), Dense(2, name="y")(s), name="cost")
    return g
