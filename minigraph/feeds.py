"""The check of arrays that come in from outside: kind, shape, batch size."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from .errors import FeedError
from .layer import Node
from .param import Array, Shape


def admit(node: Node, value: Any) -> Array:
    """Turn what was fed to an input into an array of its dtype, with or without a batch axis.

    Integers and booleans become floats where floats are declared; nothing becomes an integer but integers.
    Raises FeedError naming the input, what it takes and what it got.
    """
    takes = f"input {node.name!r} (added at {node.source}) takes"
    if isinstance(value, np.ma.MaskedArray):
        raise FeedError(f"{takes} plain arrays, got a masked array: fill it first, array.filled(…)")
    array = _array_of(value, f"{takes} arrays")
    kinds, word = ("fiub", "numbers") if node.dtype.kind == "f" else ("iu", "integers")
    if array.dtype.kind not in kinds:
        raise FeedError(f"{takes} {word}, got {_described(value, array)}{_as_numbers(value, array, word)}")
    if node.shape not in (array.shape, array.shape[1:]):
        batch = "(m,)" if not node.shape else f"({', '.join(['m', *map(str, node.shape)])})"
        raise FeedError(
            f"{takes} a batch of shape {batch} or one example of shape {node.shape}, got shape {array.shape}"
            f": {_in_shape(node, array.shape)}"
        )
    if array.ndim > len(node.shape) and not len(array):
        raise FeedError(
            f"{takes} at least one example, got an empty batch of shape {array.shape}: leave such batches out"
        )
    if np.can_cast(array.dtype, node.dtype):
        return array.astype(node.dtype, copy=False)
    if array.dtype.kind == "u" and node.dtype.kind == "i" and array.max() > np.iinfo(node.dtype).max:
        raise FeedError(f"{takes} {node.dtype}, got {array.max()}, which is beyond: feed smaller integers")
    try:
        with np.errstate(over="raise"):
            return array.astype(node.dtype)
    except FloatingPointError:
        largest = f"±{np.finfo(node.dtype).max:.2g}"
        raise FeedError(
            f"{takes} {node.dtype}, up to {largest}, got numbers beyond: scale them, or use float64"
        ) from None


def _array_of(value: Any, takes: str) -> Array:
    try:
        return np.asarray(value)
    except Exception as fault:
        said = "its parts differ in length" if "inhomogeneous" in str(fault) else str(fault)
        raise FeedError(
            f"{takes}, got {type(value).__name__} that makes none: {said[:120]}: make an array of it first"
        ) from None


def _described(value: Any, array: Array) -> str:
    kind = f"an array of dtype {array.dtype}"
    return kind if isinstance(value, np.ndarray) else f"{kind} from {type(value).__name__}"


def _as_numbers(value: Any, array: Array, word: str) -> str:
    """How such an array may become numbers."""
    if word == "integers":
        one_hot = array.ndim > 1 and array.dtype.kind == "f" and array.size and (array.sum(axis=-1) == 1).all()
        return f": labels and indices are integers, array.{'argmax(axis=-1)' if one_hot else 'astype(int)'}"
    if array.dtype.kind == "c":
        return ": feed array.real and array.imag, or abs(array)"
    if array.dtype.kind in "mM":
        return ": count from some date, (array - start) / np.timedelta64(1, 'D')"
    if array.dtype.kind == "V" or not isinstance(value, (np.ndarray, list, tuple)):
        return ": feed an array of numbers"
    return ": array.astype(float), if numbers are in it"


def _in_shape(node: Node, shape: Shape) -> str:
    """How an array of that shape may come into the input's."""
    rank, size = len(node.shape), math.prod(node.shape)
    if len(shape) == rank + 1 == 2 and shape[0] == node.shape[0]:
        return "examples are rows, feed array.T"
    if shape[1:2] and shape[0] == 1 and shape[2:] == node.shape:
        return "feed array[0]"
    if shape and math.prod(shape[1:]) == size:
        return f"feed array.reshape({', '.join(map(str, (-1, *node.shape)))})"
    judge = next(
        (cost for cost in node.graph.costs for slot in cost.constant_inputs if cost.inputs[slot] is node), None
    )
    if judge is None:
        return f"declare it so, g.input({node.name!r}, {shape[1:]}), or feed others"
    output = judge.inputs[0]
    if rank == 1 == len(shape) and node.shape == output.shape:
        return f"for labels, feed rows of zeros and ones, mg.datasets.one_hot(labels, {node.shape[0]})"
    if node.dtype.kind == "i" and rank == len(shape) - 2:
        return "of rows of zeros and ones feed the labels, array.argmax(axis=-1)"
    said = f"its shape is what {judge.name!r} takes with the output of {output.name!r}, {output.shape}"
    flat = len(output.shape) > 1 and len(shape) <= 2
    return f"{said}: {'put Flatten() before it, or ' if flat else ''}feed others"


def batch_of(arrays: Mapping[Node, Array]) -> tuple[int, bool]:
    """(m, whether it is one example without a batch axis), 1 where there are no arrays; FeedError where they differ."""
    sizes = {node: (1, True) if array.shape == node.shape else (len(array), False) for node, array in arrays.items()}
    if len(set(sizes.values())) > 1:
        said = ", ".join(
            f"{node.name!r} {'one example' if single else f'a batch of {m}'}" for node, (m, single) in sizes.items()
        )
        remedy = "make one a batch of 1, array[None]" if any(single for _, single in sizes.values()) else "feed as many"
        raise FeedError(f"all inputs take the same number of examples, got {said}: {remedy}")
    return next(iter(sizes.values()), (1, True))


def admit_error(node: Node, value: Any, m: int, single: bool) -> Array:
    """Turn an error given to go back from into an array (m, *shape) of our own; FeedError where it doesn't fit."""
    shape = node.shape if single else (m, *node.shape)
    who = f"the error of {node.name!r} (added at {node.source}) takes"
    if isinstance(value, np.ma.MaskedArray):
        raise FeedError(f"{who} plain arrays, got a masked array: fill it first, array.filled(0)")
    takes = f"{who} real numbers in its output's shape {shape}"
    array = _array_of(value, takes)
    if array.dtype.kind not in "fiub" or array.shape != shape:
        got = f"{array.dtype} of shape {array.shape}"
        raise FeedError(f"{takes}, got {got}: give ∂C_x/∂(output), one row an example")
    return array.reshape(m, *node.shape).astype(node.dtype)


def merged(feeds: Any, named: Mapping[str, Any]) -> dict[str, Any]:
    """Feeds given as a mapping and by keyword, in one; FeedError for anything else."""
    if feeds is not None and not isinstance(feeds, Mapping):
        raise FeedError(f"feeds go by input name, as in forward(x=…), got {type(feeds).__name__} without a name")
    twice = set(feeds or {}) & set(named)
    if twice:
        raise FeedError(f"input {twice.pop()!r} was fed twice, in the mapping and by keyword: feed it once")
    return {**(feeds or {}), **named}
