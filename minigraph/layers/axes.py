"""The axes of samples that a layer names: they are counted without the batch axis, from behind if negative."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..errors import GraphError, ShapeError
from ..numbers import is_whole
from ..param import Shape

MOST_AXES = 64
"""More no array has."""


def chosen(axes: Any, taker: str) -> tuple[int, ...]:
    """One or several axes as a tuple of them; raises GraphError for another thing, for none and for repeated ones."""
    several = tuple(axes) if isinstance(axes, Iterable) else (axes,)
    few = 0 < len(several) <= MOST_AXES and all(map(is_whole, several))
    if not few or len(set(several)) < len(several):
        raise GraphError(f"{taker} takes axes, one or several different whole numbers, got {axes!r}")
    return tuple(int(axis) for axis in several)


def found(axes: Sequence[int], shape: Shape, does: str) -> tuple[int, ...]:
    """These axes of samples of a shape, counted from the front; raises ShapeError if one is missing or named twice."""
    rank = len(shape)
    places = tuple(axis % rank for axis in axes if -rank <= axis < rank)
    if len(set(places)) < len(axes):
        raise ShapeError(
            f"{does} {said(axes)}, got samples of shape {shape}, which have {rank}: the batch axis isn't counted"
        )
    return places


def said(axes: Sequence[int]) -> str:
    """How a message names them."""
    return f"axis {axes[0]}" if len(axes) == 1 else f"axes {tuple(axes)}"
