"""Calls: what a layer asks of numpy in one sweep, written down to be asked again without the layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .layer import Layer
from .nested import each
from .param import Array
from .record import Clock, Record
from .trace import Call, Trace, bare


def steady(layer: Layer) -> bool:
    """Whether the layer, and its activation if it has one, say that they ask the same of numpy in every sweep.

    What they say holds for the class itself, not for classes derived from it.
    """
    parts = [layer, sigma] if (sigma := vars(layer).get("sigma")) is not None else [layer]
    return all(vars(type(part)).get("steady") is True for part in parts)


def written(
    method: Callable[..., Any], at: Record, arrays: Iterable[Array], scratch: dict[Any, Any]
) -> tuple[Any, list[Call] | None]:
    """What a layer's method returns, and the calls it made of numpy: made again, they leave the same on `at`.

    Arrays are fixed: where the layer left `out` to numpy, later calls write into the array that it got this time. None
    instead of the calls where they may not be all there is, or need more room than that: the method is to be called.
    `scratch` is for arrays that nobody reads when the method is over: others may write into them.
    """
    trace = Trace(scratch)
    held = vars(at)
    for name, value in held.items():
        held[name] = each(trace.shown, value)
    try:
        result = method(at, *map(trace.shown, arrays))
    finally:
        for name, value in held.items():
            held[name] = each(bare, value)
    if at.draws:
        trace.stop()
    result = each(bare, result)
    return result, trace.close((result, held), all(map(_is_plain, held.values())))


def _is_plain(value: Any) -> bool:
    """Whether an attribute of a record has no arrays but those in tuples, lists and dicts."""
    data = (np.ndarray, np.dtype, str, int, float, tuple, list, dict, frozenset, type(None))
    return isinstance(value, (*data, np.random.Generator, Clock))
