"""The check of arguments that say yes or no."""

from __future__ import annotations

from ..errors import GraphError


def check_flags(layer: object, *names: str) -> None:
    """Raise GraphError for the first of these attributes that is neither True nor False.

    Any word would count as true: an argument out of its place, Dense(3, "relu", "he_normal"), would go unnoticed.
    """
    for name in names:
        value = getattr(layer, name)
        if not isinstance(value, bool):
            raise GraphError(f"{type(layer).__name__} takes True or False as {name}, got {value!r}")
