"""`minigraph draw`: the network in a file as a picture."""

from __future__ import annotations

from argparse import Namespace

from .model import loaded, view


def run(given: Namespace) -> int:
    """Draw; returns 0."""
    graph = loaded(given)
    path = given.out or given.model.with_suffix(".svg")
    print(f"wrote {graph.draw(path, style=given.style, **view(given))}")
    return 0
