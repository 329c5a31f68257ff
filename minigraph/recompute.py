"""Recomputing: parts of a training run that keep no arrays between the forward sweep and the backward one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from .layer import Node
from .record import Record


class Segment:
    """Nodes that forget what they computed when the sweep has passed, and compute it again when errors come back.

    Outputs that other nodes take are kept. Chen, Xu, Zhang and Guestrin 2016, "Training deep nets with sublinear memory
    cost".
    """

    def __init__(self, nodes: Sequence[Node], kept: set[Node]):
        self.nodes = nodes
        self.kept = kept
        """The nodes whose outputs others take."""

    def forget(self, records: dict[Node, Record], outputs: list[Any]) -> None:
        """Let go of the records' arrays, and of the outputs that nobody else takes."""
        for node in self.nodes:
            records[node].forget(node.layer.statistics)
            if node not in self.kept:
                outputs[node.id] = None

    def recall(self, outputs: list[Any], compute: Callable[[Node], Any]) -> None:
        """Compute it all again; those who took an output go on with the array they have."""
        for node in self.nodes:
            before = outputs[node.id]
            compute(node)
            if node in self.kept:
                outputs[node.id] = before


def segments(order: Sequence[Node], blocks: set[tuple[str, ...]]) -> list[Segment]:
    """Cut the nodes in these blocks into segments, √N/2 or more of N nodes each, where few values go on to the next.

    While one segment is computed again, what the others hand on takes memory, so that N equal nodes take O(√N).
    """
    regions: dict[tuple[str, ...], list[Node]] = {}
    for node in order:
        path = next((node.block[:n] for n in range(1, len(node.block) + 1) if node.block[:n] in blocks), None)
        if path is not None:
            regions.setdefault(path, []).append(node)
    parts = [part for region in regions.values() for part in _cut(region)]
    home = {node: i for i, part in enumerate(parts) for node in part}
    taken: set[Node] = set()
    for node in order:
        taken.update(source for source in node.inputs if home.get(source, -1) != home.get(node, -2))
    used = {source for node in order for source in node.inputs}
    return [Segment(part, {node for node in part if node in taken or node not in used}) for part in parts]


def _cut(region: list[Node]) -> list[list[Node]]:
    place = {node: i for i, node in enumerate(region)}
    last = list(range(len(region)))
    for i, node in enumerate(region):
        for source in node.inputs:
            if source in place:
                last[place[source]] = i
    passing, open_ = [], [0] * (len(region) + 1)  # how many values are taken behind each node, that stand before
    for i, end in enumerate(last):
        open_[i] += 1
        open_[end] -= 1
    count = 0
    for i in range(len(region)):
        count += open_[i]
        passing.append(count)
    fewest, least = min(passing[:-1], default=0), max(1, math.isqrt(len(region)) // 2)
    parts: list[list[Node]] = [[]]
    for node, count in zip(region, passing, strict=True):
        parts[-1].append(node)
        size = len(parts[-1])
        if (size >= least and count <= fewest) or size >= 8 * least:
            parts.append([])
    return [part for part in parts if part]
