"""What counts as a number: Python's and numpy's, but not booleans."""

from __future__ import annotations

from typing import TypeGuard

import numpy as np

_BEYOND_FLOATS = 1 << 1023


def is_whole(value: object) -> TypeGuard[int]:
    """Whether it is a whole number."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def is_real(value: object) -> TypeGuard[float]:
    """Whether it is a real number, finite or not; whole numbers larger than any float are none."""
    return abs(int(value)) < _BEYOND_FLOATS if is_whole(value) else isinstance(value, (float, np.floating))
