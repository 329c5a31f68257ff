"""Where the neurons of a small network stand in a drawing: a column for each node, from left to right."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple, TypeAlias

from ...costs import Cost, Penalty
from ...errors import RenderError
from ...graph import Graph
from ...layer import Input, Node
from ...layers import Activation, Add, Concat, Dense, Dropout, Flatten, Identity, Multiply, Reshape, StopGradient
from ...schedule import topological
from ...wiring import Edge

SINGLE = (Activation, Identity, Flatten, Reshape, Dropout, StopGradient)
"""Layers whose neuron j takes neuron j."""
PAIRED = (Add, Multiply)
"""Layers whose neuron j takes neuron j of each input."""
MOST = 2000
"""So many lines can be told apart, if hardly."""

Point: TypeAlias = tuple[float, float]


class Line(NamedTuple):
    """What leads from neuron k of an edge's source to neuron j of its target, both counted from 0."""

    edge: Edge
    j: int
    k: int


class Column:
    """The neurons of a node: which are shown, and where. Of more than `limit` these are the first half and the last."""

    def __init__(self, node: Node, limit: int, forced: Collection[int] = ()):
        self.node = node
        self.size = 1 if isinstance(node.layer, Cost) else math.prod(node.shape)
        first = range(self.size) if self.size <= limit else [*range((limit + 1) // 2), self.size - 1]
        shown = {*first, *forced}
        self.shown = sorted(shown | {j + 1 for j, after in pairwise(sorted(shown)) if after == j + 2})
        self.x = self.top = self.height = 0.0
        self.y: dict[int, float] = {}
        self.dots: list[float] = []
        """Heights at which neurons are left out."""

    def settle(self, x: float, room: Room) -> None:
        """Find the places of the neurons, downward from a height of 0."""
        self.x, y = x, 0.0
        for before, j in pairwise([-1, *self.shown]):
            if j > before + 1:
                self.dots.append(y - _DOTS / 2)
                y -= _DOTS
            up, down = room(self.node, j)
            self.y[j] = y - up
            y -= up + down
        self.height = -y

    def move(self, top: float) -> None:
        """Put its top at another height."""
        by, self.top = top - self.top, top
        self.y = {j: y + by for j, y in self.y.items()}
        self.dots = [y + by for y in self.dots]


@dataclass
class Lane:
    """The place between the columns of one rank where the lines of an edge pass."""

    edge: Edge
    count: int
    x: float = 0.0
    top: float = 0.0

    @property
    def height(self) -> float:
        """How much of its rank it takes."""
        return _LANE * (self.count + 1)

    def point(self, i: int) -> Point:
        """Where line i of the edge passes."""
        return self.x, self.top - _LANE * (i + 1)


@dataclass
class Columns:
    """The columns of a drawing, by node, the lines between their neurons, and where these pass other columns."""

    by_node: dict[Node, Column]
    lines: list[Line]
    lanes: dict[Edge, list[Lane]] = field(default_factory=dict)
    caption: dict[Node, float] = field(default_factory=dict)
    """The height on which a column's caption stands."""

    @property
    def bottom(self) -> float:
        """The height of the lowest column's end."""
        return min((column.top - column.height for column in self.by_node.values()), default=0.0)


Room: TypeAlias = "Callable[[Node, int], tuple[float, float]]"


def arranged(
    graph: Graph,
    *,
    limit: int,
    forced: Mapping[Node, Collection[int]],
    costs: bool,
    room: Room,
    header: Callable[[Column], float],
    step: float,
) -> Columns:
    """Columns for the nodes that are made of neurons and, if asked, for the costs.

    `forced` neurons are shown where others are left out; `room(node, j)` is what a neuron takes above and below its
    middle, `header(column)` what its caption takes, `step` the distance of ranks, in points. Raises RenderError
    for a node that can't be drawn by its neurons, and when there would be more than MOST lines.
    """
    aside = graph.aside
    order = [node for node in topological(graph.nodes) if _is_drawn(node, aside, costs)]
    by_node = {node: Column(node, limit, wanted) for node, wanted in _forced(order, forced).items()}
    columns = Columns(by_node, _lines(graph, by_node))
    rank = _ranks(order)
    stacks: list[list[Column | Lane]] = [[] for _ in range(max(rank.values(), default=-1) + 1)]
    for edge, count in _passing(columns.lines, rank).items():
        passed = range(rank[edge.source] + 1, rank[edge.target])
        columns.lanes[edge] = [Lane(edge, count) for _ in passed]
        for number, lane in zip(passed, columns.lanes[edge], strict=True):
            stacks[number].append(lane)
    for node, column in by_node.items():
        stacks[rank[node]].append(column)
    seen = _seen(order)
    for stack in stacks:
        stack.sort(key=lambda part: seen[part.node if isinstance(part, Column) else part.edge])
    _stack(stacks, columns, room, header, step)
    return columns


_DOTS = 26.0
_LANE = 6.0
_BETWEEN = 20.0


def _is_drawn(node: Node, aside: Collection[Node], costs: bool) -> bool:
    """Whether it has a column; raises RenderError for what can have none."""
    layer, shapes = node.layer, [source.shape for source in node.inputs]
    if isinstance(layer, Cost):
        return costs
    if node in aside:
        return False
    who, instead = f"{type(layer).__name__} {node.name!r}", "draw the layers instead: g.draw(…)"
    if isinstance(layer, (Dense, Concat)):
        if any(len(shape) != 1 for shape in shapes):
            got = ", ".join(map(str, shapes))
            raise RenderError(f"{who} is drawn by its neurons where it takes vectors, not samples of {got}: {instead}")
    elif isinstance(layer, PAIRED):
        if any(shape != node.shape for shape in shapes):
            got = ", ".join(map(str, shapes))
            raise RenderError(f"{who} is drawn by its neurons where its inputs are alike, not {got}: {instead}")
    elif not isinstance(layer, (Input, *SINGLE)):
        kinds = ", ".join(kind.__name__ for kind in (Dense, Concat, *PAIRED, *SINGLE))
        raise RenderError(f"{who} can't be drawn by its neurons, only {kinds} can: {instead}")
    return True


def _forced(order: Sequence[Node], forced: Mapping[Node, Collection[int]]) -> dict[Node, set[int]]:
    """The neurons that have to be shown, and those whose values they hand on."""
    wanted = {node: set(forced.get(node, ())) for node in order}
    for node in reversed(order):
        for source in node.inputs if isinstance(node.layer, (*SINGLE, *PAIRED)) else ():
            wanted[source] |= wanted[node]
    return wanted


def _lines(graph: Graph, by_node: Mapping[Node, Column]) -> list[Line]:
    lines: list[Line] = []
    for target in by_node:
        for slot, source in enumerate(target.inputs):
            if not (isinstance(target.layer, Cost) and slot in target.constant_inputs):
                lines += _between(Edge(source, target, slot), by_node[source], by_node[target])
            if len(lines) > MOST:
                raise RenderError(
                    f"more than {MOST:,} lines between the neurons of {graph.name!r} can't be told apart: show fewer "
                    "neurons a layer with limit=…, or draw the layers instead: g.draw(…)"
                )
    return lines


def _between(edge: Edge, source: Column, target: Column) -> Iterator[Line]:
    if isinstance(edge.target.layer, (Dense, Cost)):
        return (Line(edge, j, k) for j in target.shown for k in source.shown)
    start, there = 0, set(target.shown)
    if isinstance(edge.target.layer, Concat):
        start = sum(node.shape[0] for node in edge.target.inputs[: edge.slot])
    return (Line(edge, start + k, k) for k in source.shown if start + k in there)


def _ranks(order: Collection[Node]) -> dict[Node, int]:
    """The longest path to each node from the left; inputs stand right before their first use, penalties last."""
    rank: dict[Node, int] = {}
    first: dict[Node, int] = {}
    for node in order:
        sources = [source for source in node.inputs if source in rank]
        rank[node] = 1 + max((rank[source] for source in sources), default=-1)
        for source in sources:
            first[source] = min(first.get(source, rank[node]), rank[node])
    last = max(rank.values(), default=0)
    inputs = {node: first.get(node, 1) - 1 for node in order if isinstance(node.layer, Input)}
    return rank | inputs | {node: last for node in order if isinstance(node.layer, Penalty)}


def _passing(lines: Collection[Line], rank: Mapping[Node, int]) -> dict[Edge, int]:
    """The edges that pass a rank, with how many lines they have."""
    count: dict[Edge, int] = {}
    for line in lines:
        if rank[line.edge.target] - rank[line.edge.source] > 1:
            count[line.edge] = count.get(line.edge, 0) + 1
    return count


def _seen(order: Collection[Node]) -> dict[Node | Edge, int]:
    """When one comes to each node and edge, back from the ends by the first inputs first: few lines cross then."""
    used = {source for node in order for source in node.inputs}
    seen: dict[Node | Edge, int] = {}
    for end in order:
        if end in used:
            continue
        seen[end] = len(seen)
        path = [iter(_edges_into(end))]
        while path:
            edge = next(path[-1], None)
            if edge is None:
                path.pop()
                continue
            seen[edge] = len(seen)
            if edge.source not in seen:
                seen[edge.source] = len(seen)
                path.append(iter(_edges_into(edge.source)))
    return seen


def _edges_into(node: Node) -> list[Edge]:
    return [Edge(source, node, slot) for slot, source in enumerate(node.inputs)]


def _stack(
    stacks: list[list[Column | Lane]],
    columns: Columns,
    room: Room,
    header: Callable[[Column], float],
    step: float,
) -> None:
    """Place what stands at each rank, in the middle; the captions of a chain are level."""
    is_chain = all(len(stack) == 1 for stack in stacks)
    for number, stack in enumerate(stacks):
        x = number * step
        heads = [header(part) if isinstance(part, Column) and not is_chain else 0.0 for part in stack]
        for part in stack:
            if isinstance(part, Column):
                part.settle(x, room)
        y = (sum(heads) + sum(part.height for part in stack) + _BETWEEN * (len(stack) - 1)) / 2
        for part, head in zip(stack, heads, strict=True):
            y -= head
            if isinstance(part, Column):
                part.move(y)
                columns.caption[part.node] = y
            else:
                part.x, part.top = x, y
            y -= part.height + _BETWEEN
    if is_chain:
        top = max((column.top for column in columns.by_node.values()), default=0.0)
        columns.caption = dict.fromkeys(columns.by_node, top)
