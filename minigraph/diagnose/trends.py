"""Growth and decay that go on from layer to layer, told apart from a single step and from a change of width."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from ..layer import Node
from ..wiring import Edge
from .seen import Size

SUSTAINED = 100.0
"""A factor of 100 is what the book calls vanishing: with four hidden layers of sigmoid neurons "the first hidden layer
is learning roughly 100 times slower than the final hidden layer" (Nielsen, chapter 5)."""
ONE_LAYER = 5.0
"""No layer counts for more than this factor, so that it takes three bad ones; a sigmoid's slope alone makes 4."""


class Step(NamedTuple):
    """How a signal came to a node: along which edge, from which node."""

    edge: Edge
    origin: Node


class Trend(NamedTuple):
    """A signal that grows, or decays, over several layers."""

    edges: tuple[Edge, ...]
    """All edges along which it does. It begins on the first, where it is at least half as steep as on average."""
    start: Node
    end: Node
    """Where it is at its worst."""
    layers: int
    """How many layers with weights lie between them."""


class _State(NamedTuple):
    """What is known of the path to a node."""

    score: float
    """ln of the growth, or decay, beyond what is allowed, since the last layer where it was 0; at least 0."""
    start: Node
    """That layer."""
    anchor: Node
    """The last node on the path that is a layer away from those before it."""


class Trends:
    """Where a signal grows (a `rate` above 1) or decays (below 1), layer by layer: iterate for the worst first.

    Each node of `order` has the signal from one other node before it, its step's origin, or begins a path. Along the
    paths runs a CUSUM test (Page 1954) of the logarithm of the signal's size: what a layer changes beyond `rate` is
    added up, what it makes good is taken off, and below 0 the sum starts anew. A sum of ln 100 is a trend. A layer
    changes the size by the factor of its root mean square per element, or by that of its norm per example, whichever is
    the more harmless: a change of width alone moves one of them only. It counts for a factor of 5 at most.
    """

    def __init__(
        self,
        order: Iterable[Node],
        steps: Mapping[Node, Step],
        sizes: Mapping[Node, Size],
        depth: Mapping[Node, int],
        rate: float,
    ):
        self.steps = steps
        self.sizes = sizes
        self.depth = depth
        self.rate = rate
        self._states: dict[Node, _State] = {}
        for node in order:
            state = self._state(node)
            if state is not None:
                self._states[node] = state
        self._place = {node: i for i, node in enumerate(self._states)}

    def __iter__(self) -> Iterator[Trend]:
        found: dict[Node, list[Node]] = {}
        for node, state in self._states.items():
            if state.score >= math.log(SUSTAINED) and state.anchor is node:
                found.setdefault(state.start, []).append(node)
        worst = [max(nodes, key=lambda node: self._states[node].score) for nodes in found.values()]
        both = sorted(zip(worst, found.values(), strict=True), key=lambda pair: -self._states[pair[0]].score)
        return (self._trend(end, nodes) for end, nodes in both)

    def _state(self, node: Node) -> _State | None:
        """The state of a node; None where it or its path has a size that is 0 or not finite: nothing compares."""
        step, size = self.steps.get(node), self.sizes[node]
        if not 0.0 < size.rms < math.inf:
            return None
        if step is None:
            return _State(0.0, node, node)
        before = self._states.get(step.origin)
        layers = 0 if before is None else abs(self.depth[node] - self.depth[before.anchor])
        if before is None or not layers:
            return before
        change = min(self._change(before.anchor, node), math.log(ONE_LAYER))
        score = before.score + change - layers * abs(math.log(self.rate))
        if score <= 0.0:
            return _State(0.0, node, node)
        return _State(score, before.start, node)

    def _change(self, before: Node, after: Node) -> float:
        """ln of the growth, or of the decay, from one node to another: the more harmless of rms and norm."""
        old, new, sense = self.sizes[before], self.sizes[after], math.copysign(1.0, self.rate - 1.0)
        by_element = math.log(new.rms) - math.log(old.rms)
        by_norm = by_element + 0.5 * math.log(new.elements / old.elements)
        return min(sense * by_element, sense * by_norm)

    def _trend(self, end: Node, nodes: list[Node]) -> Trend:
        """The trend that is at its worst at one of several nodes which it reaches."""
        start, taken = self._states[end].start, set[Node]()
        for node in (end, *nodes):
            for passed in self._path(node, start):
                if passed in taken:
                    break
                taken.add(passed)
        path = list(self._path(end, start))
        enough = self._change(start, end) / abs(self.depth[end] - self.depth[start]) / 2
        bad = [node for node in path if self._change(self.steps[node].origin, node) >= enough]
        first = (bad or path)[-1]
        taken.difference_update(self._path(self.steps[first].origin, start))
        rest = sorted(taken - {first}, key=self._place.__getitem__)
        origin = self.steps[first].origin
        layers = abs(self.depth[end] - self.depth[origin])
        return Trend(tuple(self.steps[node].edge for node in (first, *rest)), origin, end, layers)

    def _path(self, node: Node, start: Node) -> Iterator[Node]:
        """The nodes from one back to the start of its trend, without the start."""
        while node is not start:
            yield node
            node = self.steps[node].origin
