"""The check of arrays that come in from outside: kind, shape, batch size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .errors import FeedError
from .layer import Node
from .param import Array


def admit(node: Node, value: Any) -> Array:
    """Turn what was fed to an input into an array of its dtype, with or without a batch axis.

    Integers and booleans become floats where floats are declared; nothing becomes an integer but integers.
    Raises FeedError naming the input, what it takes and what it got.
    """
    takes = f"input {node.name!r} (added at {node.source}) takes"
    if isinstance(value, np.ma.MaskedArray):
        raise FeedError(f"{takes} plain arrays, got a masked array: fill it first, array.filled(…)")
    try:
        array = np.asarray(value)
    except ValueError as fault:
        raise FeedError(f"{takes} arrays, got {type(value).__name__} that makes none: {fault}") from None
    kinds, word = ("fiub", "numbers") if node.dtype.kind == "f" else ("iu", "integers")
    if array.dtype.kind not in kinds:
        remedy = ": labels and indices are integers, array.astype(int)" if word == "integers" else ""
        raise FeedError(f"{takes} {word}, got an array of dtype {array.dtype}{remedy}")
    if node.shape not in (array.shape, array.shape[1:]):
        batch = ", ".join(["m", *map(str, node.shape)])
        raise FeedError(
            f"{takes} a batch of shape ({batch}) or one example of shape {node.shape}, got shape {array.shape}"
        )
    if array.ndim > len(node.shape) and not len(array):
        raise FeedError(f"{takes} at least one example, got an empty batch of shape {array.shape}")
    return array.astype(node.dtype, copy=False)


def batch_of(arrays: Mapping[Node, Array]) -> tuple[int, bool]:
    """(m, whether it is one example without a batch axis), 1 where there are no arrays; FeedError where they differ."""
    sizes = {node: (1, True) if array.shape == node.shape else (len(array), False) for node, array in arrays.items()}
    if len(set(sizes.values())) > 1:
        said = ", ".join(
            f"{node.name!r} {'one example' if single else f'a batch of {m}'}" for node, (m, single) in sizes.items()
        )
        raise FeedError(f"all inputs take the same number of examples, got {said}")
    return next(iter(sizes.values()), (1, True))


def admit_error(node: Node, value: Any, m: int, single: bool) -> Array:
    """Turn an error given to go back from into an array (m, *shape) of our own; FeedError where it doesn't fit."""
    shape = node.shape if single else (m, *node.shape)
    try:
        array = np.asarray(value)
    except ValueError as fault:
        raise FeedError(f"the error of {node.name!r} is an array of shape {shape}: {fault}") from None
    if array.dtype.kind not in "fiub" or array.shape != shape:
        raise FeedError(
            f"the error of {node.name!r} has real numbers and its output's shape {shape}, "
            f"got {array.dtype} of shape {array.shape}"
        )
    return array.reshape(m, *node.shape).astype(node.dtype)


def merged(feeds: Any, named: Mapping[str, Any]) -> dict[str, Any]:
    """Feeds given as a mapping and by keyword, in one; FeedError for anything else."""
    if feeds is not None and not isinstance(feeds, Mapping):
        raise FeedError(f"feeds go by input name, as in forward(x=…), got {type(feeds).__name__} without a name")
    twice = set(feeds or {}) & set(named)
    if twice:
        raise FeedError(f"input {twice.pop()!r} was fed twice, in the mapping and by keyword")
    return {**(feeds or {}), **named}
