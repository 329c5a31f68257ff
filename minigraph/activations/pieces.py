"""Elementwise work on large arrays a piece at a time, so that what is computed in between stays in the cache."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from ..param import Array

_PIECE = 32768
_FEW = 1024


def in_pieces(f: Callable[..., Array], *arrays: Array, out: Array | None, scratch: int = 0) -> Array:
    """f(*arrays, out, *scratch), which writes into `out`, piece by piece; `scratch` says how many arrays it needs.

    Where there are few elements, or they don't lie in one piece in memory, f gets the arrays themselves, and None as
    scratch: numpy's `out=None` allocates.
    """
    z = arrays[0]
    if z.size <= _FEW or not all(array.flags.c_contiguous for array in arrays):
        return f(*arrays, out, *(None,) * scratch)
    out = np.empty(z.shape, z.dtype) if out is None else out
    if not out.flags.c_contiguous:
        return f(*arrays, out, *(None,) * scratch)
    flat = [array.reshape(-1) for array in (*arrays, out)]
    rest = [np.empty(min(z.size, _PIECE), out.dtype) for _ in range(scratch)]
    for start in range(0, z.size, _PIECE):
        stop = min(start + _PIECE, z.size)
        f(*[array[start:stop] for array in flat], *[array[: stop - start] for array in rest])
    return out


def level(z: Array, value: float) -> Array:
    """One value, as an array that goes with z: of two arrays numpy takes the maximum three times as fast."""
    if z.ndim == 1 and z.size <= _PIECE:
        return _line(value, z.dtype)[: z.size]
    return _point(value, z.dtype)


@cache
def _line(value: float, dtype: np.dtype[Any]) -> Array:
    line = np.full(_PIECE, value, dtype)
    line.flags.writeable = False
    return line


@cache
def _point(value: float, dtype: np.dtype[Any]) -> Array:
    return _line(value, dtype)[0, ...]
