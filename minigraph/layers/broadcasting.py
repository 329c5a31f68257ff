"""Samples of different shapes brought in line by numpy's rules, the batch axis apart, and errors summed back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import ShapeError
from ..param import Array, Shape
from ..record import Record


def common(shapes: Sequence[Shape]) -> Shape:
    """The shape that samples of these shapes are broadcast to; raises ShapeError where there is none."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        said = " and ".join(map(str, shapes))
        raise ShapeError(
            f"takes inputs whose samples' shapes broadcast to one, got {said}: sizes along an axis, counted from the "
            f"last, are equal or 1"
        ) from None


def lifted(x: Array, rank: int) -> Array:
    """The same samples with so many axes, new ones of size 1 in front: (m, 3) -> (m, 1, 3), a view."""
    return x if x.ndim == rank + 1 else x.reshape(x.shape[0], *(1,) * (rank + 1 - x.ndim), *x.shape[1:])


def in_line(arrays: Sequence[Array]) -> Sequence[Array]:
    """Batches whose samples broadcast against each other, and never against the batch axis."""
    ranks = {x.ndim - 1 for x in arrays}
    return arrays if len(ranks) == 1 else [lifted(x, max(ranks)) for x in arrays]


def summed_back(at: Record, name: str, error: Array, shape: Shape) -> Array:
    """The error for an input of that shape (m, …): summed over the axes along which it was broadcast.

    The sum is kept on `at` under that name; without any such axis it is the error itself.
    """
    if error.shape == shape:
        return error
    aligned = (shape[0], *(1,) * (error.ndim - len(shape)), *shape[1:])
    axes = tuple(k for k, size in enumerate(aligned) if size != error.shape[k])
    if axes:
        error = np.add.reduce(error, axis=axes, keepdims=True, out=at.buffer(name, aligned))
    return error.reshape(shape)


def each_summed_back(at: Record, sent: Sequence[Array]) -> list[Array | None]:
    """The errors for all inputs, from those for the inputs as they were broadcast; None where nobody wants one."""
    ends = zip(at.inputs, sent, at.needs, strict=True)
    return [summed_back(at, f"sum {i}", e, x.shape) if needed else None for i, (x, e, needed) in enumerate(ends)]
