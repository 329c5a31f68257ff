"""Rows of layers that reduce samples along axes."""

import math

import numpy as np

from minigraph.layers import Max, Mean, Sum

from .case import NOT_TWO, Case, Refused


def reduced(f, shape, *axes):
    """f of all elements that one element of the output, of samples of a shape, is about; all axes where none are given.

    The axes are the input's, the batch axis not counted; the output has them as 1, or not at all.
    """

    def reference(given, x):
        chosen = axes or tuple(range(x.ndim - 1))
        groups = {}
        for i in np.ndindex(x.shape):
            groups.setdefault(tuple(k for axis, k in enumerate(i) if axis - 1 not in chosen), []).append(float(x[i]))
        return np.array([f(group) for _, group in sorted(groups.items())]).reshape(len(x), *shape)

    return reference


def mean(values):
    return math.fsum(values) / len(values)


def rows(kind, f, theirs):
    """The same rows for each layer; `theirs` takes torch, a tensor, axes with the batch axis counted, and keepdims."""
    name = kind.__name__
    # fmt: off
    return [
        Case(name, kind, ((2, 3),), reduced(f, ()), torch=lambda torch, given, x: theirs(torch, x, (1, 2), False),
             refuses=(NOT_TWO,)),
        Case(f"{name}-last", lambda: kind(-1), ((2, 3, 4),), reduced(f, (2, 3), 2),
             torch=lambda torch, given, x: theirs(torch, x, 3, False), refuses=(
            Refused(((),), "reduces axis -1", "got samples of shape ()"),
        )),
        Case(f"{name}-keepdims", lambda: kind(0, keepdims=True), ((4, 3),), reduced(f, (1, 3), 0),
             torch=lambda torch, given, x: theirs(torch, x, 1, True)),
        Case(f"{name}-axes", lambda: kind((0, -1)), ((2, 3, 4),), reduced(f, (3,), 0, 2),
             torch=lambda torch, given, x: theirs(torch, x, (1, 3), False), refuses=(
            Refused(((2,),), "reduces axes (0, -1)", "got samples of shape (2,)"),
        )),
        Case(f"{name}-axes-keepdims", lambda: kind([-1, -2], keepdims=True), ((2, 3, 1),), reduced(f, (2, 1, 1), 1, 2),
             torch=lambda torch, given, x: theirs(torch, x, (2, 3), True), refuses=(
            Refused(((2,),), "reduces axes (-1, -2)", "got samples of shape (2,)"),
        )),
        Case(f"{name}-all-keepdims", lambda: kind(keepdims=True), ((2, 3),), reduced(f, (1, 1))),
        Case(f"{name}-number", kind, ((),), reduced(f, ())),
        Case(f"{name}-1", lambda: kind(1), ((1, 1),), reduced(f, (1,), 1)),
    ]
    # fmt: on


CASES = [
    *rows(Sum, math.fsum, lambda torch, x, axes, keep: torch.sum(x, axes, keepdim=keep)),
    *rows(Mean, mean, lambda torch, x, axes, keep: torch.mean(x, axes, keepdim=keep)),
    *rows(Max, max, lambda torch, x, axes, keep: torch.amax(x, axes, keepdim=keep)),
]
