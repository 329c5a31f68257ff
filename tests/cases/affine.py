"""Rows of layers that scale and shift."""

from operator import add, mul

import numpy as np

from minigraph.layers import Bias, Scale

from .case import NOT_TWO, Case, Refused, elementwise
from .merge import own_place

ROW = np.array([2.0, -0.5, 3.0])
COLUMN = np.array([[1.5], [-2.0]])


def trained(name, sign, *axes):
    """Each element met by the Param's element at its place along axes, the batch axis not counted."""

    def reference(given, x):
        numbers = getattr(given, name)
        out = np.empty(x.shape)
        for i in np.ndindex(x.shape):
            out[i] = sign(float(x[i]), float(numbers[tuple(i[axis + 1] for axis in axes)]))
        return out

    return reference


def met(sign, array, *shape):
    """Samples of a shape, in which each element is met by one of the array."""

    def reference(given, x):
        out = np.empty((len(x), *shape))
        for i in np.ndindex(out.shape):
            mine = x[(i[0], *own_place(i[1:], x.shape[1:]))]
            out[i] = sign(float(mine), float(array[tuple(own_place(i[1:], array.shape))]))
        return out

    return reference


def rows(kind, name, sign):
    """The same rows for both layers."""
    spelt = kind.__name__

    def theirs(index):
        return lambda torch, given, x: sign(x, getattr(given, name)[index])

    def fixed(numbers, grow=()):
        return lambda torch, given, x: sign(x[grow], torch.tensor(numbers))

    # fmt: off
    return [
        Case(spelt, kind, ((3,),), trained(name, sign, 0), torch=theirs(...), refuses=(
            Refused(((),), "has numbers along axis -1", "got samples of shape ()"),
            NOT_TWO,
        )),
        Case(f"{spelt}-sequence", kind, ((4, 3),), trained(name, sign, 1), torch=theirs(...)),
        Case(f"{spelt}-channels", lambda: kind(axes=-3), ((2, 3, 4),), trained(name, sign, 0),
             torch=theirs((slice(None), None, None)), refuses=(
            Refused(((2, 3),), "has numbers along axis -3", "got samples of shape (2, 3)"),
        )),
        Case(f"{spelt}-two-axes", lambda: kind(axes=(-1, 0)), ((2, 3, 4),), trained(name, sign, 0, 2),
             torch=theirs((slice(None), None)), refuses=(
            Refused(((2,),), "has numbers along axes (-1, 0)", "got samples of shape (2,)"),
        )),
        Case(f"{spelt}-all", lambda: kind(axes=(0, 1)), ((2, 3),), trained(name, sign, 0, 1), torch=theirs(...)),
        Case(f"{spelt}-1", kind, ((1, 1),), trained(name, sign, 1), torch=theirs(...)),
        Case(f"{spelt}-number", lambda: kind(2.5), ((2, 3),), elementwise(lambda x: sign(x, 2.5))),
        Case(f"{spelt}-numbers", lambda: kind(-1), ((),), elementwise(lambda x: sign(x, -1.0))),
        Case(f"{spelt}-row", lambda: kind(ROW), ((2, 3),), met(sign, ROW, 2, 3), torch=fixed(ROW, ...), refuses=(
            Refused(((2,),), "broadcast to one", "got (2,) and (3,)"),
        )),
        Case(f"{spelt}-column", lambda: kind(COLUMN), ((2, 3),), met(sign, COLUMN, 2, 3), torch=fixed(COLUMN, ...)),
        Case(f"{spelt}-larger", lambda: kind(COLUMN), ((3,),), met(sign, COLUMN, 2, 3),
             torch=fixed(COLUMN, (slice(None), None))),
        Case(f"{spelt}-number-with-array", lambda: kind(ROW), ((),), met(sign, ROW, 3),
             torch=fixed(ROW, (slice(None), None))),
        Case(f"{spelt}-size-1-with-array", lambda: kind(ROW), ((4, 1),), met(sign, ROW, 4, 3), torch=fixed(ROW, ...)),
    ]
    # fmt: on


CASES = [*rows(Scale, "gamma", mul), *rows(Bias, "beta", add)]
