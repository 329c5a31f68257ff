"""Rows of layers that draw random numbers."""

import numpy as np

from minigraph.layers import Dropout, GaussianNoise

from .case import NOT_TWO, Case


def dropout(rate):
    def reference(given, x):
        if not given.training:
            return x
        kept = given.rng.random(x.shape) >= rate
        return np.array([v / (1 - rate) if k else 0.0 for v, k in zip(x.flat, kept.flat, strict=True)]).reshape(x.shape)

    return reference


def gaussian(std):
    def reference(given, x):
        if not given.training:
            return x
        noise = given.rng.standard_normal(x.shape)
        return np.array([v + std * n for v, n in zip(x.flat, noise.flat, strict=True)]).reshape(x.shape)

    return reference


# fmt: off
CASES = [
    Case("Dropout", Dropout, ((5,),), dropout(0.5), refuses=(NOT_TWO,), modes_differ=True),
    Case("Dropout-0.2", lambda: Dropout(0.2), ((3, 4),), dropout(0.2), modes_differ=True),
    Case("Dropout-none", lambda: Dropout(0), ((3,),), dropout(0)),
    Case("Dropout-all", lambda: Dropout(1), ((3,),), dropout(1), modes_differ=True),
    Case("Dropout-1", lambda: Dropout(0.3), ((1, 1),), dropout(0.3), modes_differ=True),
    Case("GaussianNoise", lambda: GaussianNoise(0.7), ((2, 5),), gaussian(0.7), refuses=(NOT_TWO,), modes_differ=True),
    Case("GaussianNoise-none", lambda: GaussianNoise(0), ((3,),), gaussian(0)),
    Case("GaussianNoise-number", lambda: GaussianNoise(2), ((),), gaussian(2), modes_differ=True),
    Case("GaussianNoise-1", lambda: GaussianNoise(0.1), ((1, 1),), gaussian(0.1), modes_differ=True),
]
