"""The contestants, one file each.

`enter(work)` makes an Entry, or a dict of them by what they differ in, of which the fastest counts; or None where there
is nothing to enter, or says why in words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Entry(NamedTuple):
    """A contestant, ready to go: each call of `step` is a training step on the same batch."""

    step: Callable[[], Any]
    weights: Callable[[], dict[str, Any]] | None = None
    """Its weights by minigraph's names, to be compared; None where it computes something else, as the note says."""
    before: Callable[[], Any] | None = None
    """Called before each of its turns, untimed."""
    note: str = ""
