"""The table of layers and costs: one row each, or several, with what comes out computed another way.

A new layer needs a row in its family's module here; every property in test_layers.py then holds for it. References are
loops over single numbers, with `math`: they share nothing with the code under test.
"""

from . import (
    activation,
    affine,
    attention,
    conv,
    costs,
    dense,
    elementwise,
    embedding,
    merge,
    noise,
    norm,
    pool,
    recurrent,
    reduce,
    shape,
    softmax,
)
from .activation import PAIR, SIGMA
from .case import Case

FAMILIES = (activation, affine, attention, conv, costs, dense, elementwise, embedding, merge, noise, norm, pool)
FAMILIES += (recurrent, reduce, shape, softmax)
CASES = [case for family in FAMILIES for case in family.CASES]

__all__ = ["CASES", "PAIR", "SIGMA", "Case"]
