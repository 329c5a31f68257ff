"""`minigraph check`: the gradients of the network in a file."""

from __future__ import annotations

from argparse import Namespace

from ..check import check
from ..summary import one_line
from .feeds import feeds, origin, suiting
from .model import loaded


def run(given: Namespace) -> int:
    """Check and print what was found; returns 0, or 1 where a gradient is wrong."""
    graph = loaded(given)
    with suiting(given):
        report = check(graph, feeds(given, graph))
    print(f"{one_line(graph.name)}, with {origin(given)}: {report}")
    if report.skipped and not given.data:
        print("made-up inputs may not suit this network: give --data")
    return 0 if report.ok else 1
