"""Rows of layers that draw random numbers."""

import numpy as np

from minigraph.layers import Dropout

from .case import NOT_TWO, Case


def dropout(rate):
    def reference(given, x):
        if not given.training:
            return x
        kept = given.rng.random(x.shape) >= rate
        return np.array([v / (1 - rate) if k else 0.0 for v, k in zip(x.flat, kept.flat, strict=True)]).reshape(x.shape)

    return reference


# fmt: off
CASES = [
    Case("Dropout", Dropout, ((5,),), dropout(0.5), refuses=(NOT_TWO,), modes_differ=True),
    Case("Dropout-0.2", lambda: Dropout(0.2), ((3, 4),), dropout(0.2), modes_differ=True),
    Case("Dropout-none", lambda: Dropout(0), ((3,),), dropout(0)),
    Case("Dropout-all", lambda: Dropout(1), ((3,),), dropout(1), modes_differ=True),
    Case("Dropout-1", lambda: Dropout(0.3), ((1, 1),), dropout(0.3), modes_differ=True),
]
