"""`minigraph explore`: a page that steps through the network in a file."""

from __future__ import annotations

from argparse import Namespace

from .feeds import feeds, origin, suiting
from .model import loaded, view


def run(given: Namespace) -> int:
    """Run forward and, if there is a cost, backward; write the page; returns 0."""
    graph = loaded(given)
    graph.name = f"{graph.name} ({origin(given)})"  # the page and its drawings are headed so
    with suiting(given):
        run = graph.forward(feeds(given, graph))
    if graph.costs:
        run.backward()
    print(f"wrote {run.explore(given.out or given.model.with_suffix('.html'), **view(given))}, with {origin(given)}")
    return 0
