"""Vectors of ones: their products with matrices are sums of rows or columns, faster than numpy's sums."""

from __future__ import annotations

from ..param import Array
from ..record import Record


def ones(at: Record, n: int) -> Array:
    """n ones, kept on `at`."""
    array = at.buffer(f"{n} ones", (n,))
    array.fill(1.0)
    return array
