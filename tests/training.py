"""Examples, small networks and comparisons for the tests of training."""

import numpy as np

import minigraph as mg
from minigraph.costs import Quadratic, SoftmaxCrossEntropy
from minigraph.layers import Dense

_RNG = np.random.default_rng(0)
X, T = _RNG.normal(size=(23, 4)), _RNG.normal(size=(23, 2))
LABELS = _RNG.integers(0, 3, 23)
QUIET = {"progress": False}


def net(**options):
    return mg.Sequential(4, Dense(5, "tanh"), Dense(2), cost=Quadratic(), seed=1, **options)


def classifier(**options):
    return mg.Sequential(4, Dense(3), cost=SoftmaxCrossEntropy(**options), seed=0)


def two_costs():
    g = mg.Graph(seed=0)
    h = Dense(6, "tanh", name="h")(g.input("x", 4))
    g.cost(SoftmaxCrossEntropy(), Dense(3, name="class")(h), target="label", name="what")
    g.cost(Quadratic(), Dense(2, name="place")(h), target="t", name="where")
    return g, {"x": X, "label": LABELS, "t": T}


def values(g):
    return [p.value.copy() for p in g.params.values()]


def same(one, other):
    return all((a == b).all() for a, b in zip(one, other, strict=True))
