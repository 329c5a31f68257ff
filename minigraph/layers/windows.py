"""What convolution and pooling need of sliding windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..errors import GraphError
from ..numbers import is_whole
from ..param import Array, Shape

Sizes: TypeAlias = "int | Sequence[int]"
"""One whole number for all axes of a window, or one for each."""
Margins: TypeAlias = tuple[tuple[int, int], ...]
"""What padding puts before and behind each axis of a window."""


class Window(NamedTuple):
    """How windows lie over images: two numbers each, for height and width."""

    kernel: Shape
    stride: Shape
    dilation: Shape
    margins: Margins


def sizes(value: Any, axes: int, taker: str, what: str, least: int = 1) -> Shape:
    """A whole number for each axis, from one number for all of them or from a sequence.

    Raises GraphError, in the taker's name, for other things and for numbers below `least`.
    """
    several = tuple(value) if isinstance(value, (tuple, list, np.ndarray)) else (value,) * axes
    if len(several) != axes or not all(is_whole(n) and n >= least for n in several):
        kind = "positive whole number" if least == 1 else f"whole number of {least} or more"
        pair = "" if axes == 1 else f", or {axes} of them," if axes != 2 else ", or a pair of them,"
        raise GraphError(f"{taker} takes a {kind}{pair} as {what}, got {value!r}")
    return tuple(int(n) for n in several)


def same_padding(kernel: Shape, dilation: Shape) -> Margins:
    """Margins that keep the sizes at stride 1: d (k − 1) in all, half before (rounded down) and the rest behind."""
    totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    return tuple((total // 2, total - total // 2) for total in totals)


def counts(lengths: Shape, kernel: Shape, stride: Shape, dilation: Shape) -> Shape:
    """How many windows fit along each axis of padded lengths: ⌊(n − d (k − 1) − 1) / s⌋ + 1; less than 1 for none."""
    return tuple((n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(lengths, kernel, stride, dilation, strict=True))


def padded(x: Array, margins: Margins, out: Array | None, fill: float = 0.0) -> Array:
    """x with margins of `fill` around its last axes, in an array `out` that a former call with these returned.

    Without any margin, x itself.
    """
    if not any(map(any, margins)):
        return x
    lead = x.ndim - len(margins)
    if out is None:
        out = np.full(
            (*x.shape[:lead], *(n + sum(margin) for n, margin in zip(x.shape[lead:], margins, strict=True))),
            fill,
            x.dtype,
        )
    inner(out, margins)[...] = x
    return out


def inner(x: Array, margins: Margins) -> Array:
    """A view of what stands between the margins: where the error of a padded input belongs to the input."""
    lengths = x.shape[-len(margins) :]
    cut: Any = (..., *(slice(before, n - behind) for n, (before, behind) in zip(lengths, margins, strict=True)))
    view: Array = x[cut]
    return view
