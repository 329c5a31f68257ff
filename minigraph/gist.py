"""What was given, in a few words: for messages."""

from __future__ import annotations

from dataclasses import is_dataclass

import numpy as np

LONGEST = 60


def gist(value: object) -> str:
    """Arrays by their shape, long lists by their length, classes and dataclasses by name, others as they print."""
    if isinstance(value, np.ndarray):
        kind = "an array" if type(value) is np.ndarray else f"a {type(value).__name__}"
        return f"{kind} of shape {value.shape} {value.dtype}"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if is_dataclass(value):
        return f"{type(value).__name__}(…)"
    said = " ".join(repr(value).split())
    if len(said) <= LONGEST:
        return said
    return f"a {type(value).__name__} of {len(value)}" if isinstance(value, (tuple, list)) else f"{said[:LONGEST]}…"
