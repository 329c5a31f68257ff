"""What counts as a number: Python's and numpy's, but not booleans."""

from __future__ import annotations

from typing import TypeGuard

import numpy as np


def is_whole(value: object) -> TypeGuard[int]:
    """Whether it is a whole number."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def is_real(value: object) -> TypeGuard[float]:
    """Whether it is a real number, finite or not."""
    return is_whole(value) or isinstance(value, (float, np.floating))
