"""Arrays in tuples, lists and dicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .param import Array


def each(f: Callable[[Array], Any], value: Any) -> Any:
    """Put f(array) in place of each array in a value, in lists and dicts where they are."""
    if isinstance(value, np.ndarray):
        return f(value)
    if type(value) is tuple:
        return tuple([each(f, part) for part in value])
    if type(value) is list:
        value[:] = [each(f, part) for part in value]
    elif type(value) is dict:
        for key, part in value.items():
            value[key] = each(f, part)
    return value


def arrays_in(value: Any) -> Iterator[Array]:
    """The arrays in a value, in tuples, lists and dicts."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from arrays_in(part)
    elif isinstance(value, dict):
        for part in value.values():
            yield from arrays_in(part)


def owner(array: Array) -> Any:
    """The array whose memory it is a part of, or itself."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array
