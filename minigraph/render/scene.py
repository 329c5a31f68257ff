"""The scene: which boxes, lines and frames a drawing of a graph has, before anybody draws them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import pairwise

from ..costs import Penalty
from ..errors import GraphError
from ..graph import Graph
from ..layer import Layer, Node
from ..param import Param
from ..schedule import ancestors, consumers, topological
from ..symbols import Symbols
from ..wiring import Edge
from .view import View


@dataclass(eq=False)
class Box:
    """What a drawing shows as one: a node, a block as a whole, all uses of a layer, or nodes that are alike."""

    nodes: list[Node]
    """All that it stands for; the first is the one whose place it has."""
    path: tuple[str, ...]
    """The blocks it stands in."""
    block: str | None = None
    """The block's name, where it stands for a block."""
    units: list[list[Node]] = field(default_factory=list)
    """Where it stands for repetitions, the nodes of each; else all nodes, once."""
    repeated: int = 1
    """How often the box itself is repeated; `times` counts repetitions of the blocks around it, too."""
    last: str = ""
    """The name of its last repetition."""
    shared: bool = False
    """Whether all its repetitions have the same Params."""

    def __post_init__(self) -> None:
        self.units = self.units or [self.nodes]

    @property
    def id(self) -> str:
        """Its id in DOT and SVG: that of its first node."""
        return f"n{self.nodes[0].id}"

    @property
    def times(self) -> int:
        """How many repetitions it stands for."""
        return len(self.units)

    @property
    def node(self) -> Node | None:
        """The node, where it stands for only one."""
        return self.nodes[0] if len(self.nodes) == 1 else None

    @property
    def is_merged(self) -> bool:
        """Whether it stands for several uses of one layer."""
        return self.block is None and self.times == 1 and len(self.nodes) > 1

    @property
    def params(self) -> list[Param]:
        """The distinct Params of its nodes."""
        return list({param: None for node in self.nodes for param in node.layer.params.values()})


@dataclass(eq=False)
class Line:
    """One or more edges of the graph, drawn as one: the same value, or the same edge of repetitions."""

    source: Box
    target: Box
    edges: list[Edge]

    @property
    def id(self) -> str:
        """Its id in DOT and SVG: source, target and slot of its first edge."""
        source, target, slot = self.edges[0]
        return f"e{source.id}-{target.id}-{slot}"


@dataclass(eq=False)
class Frame:
    """A block, or a run of repetitions, with what is drawn inside."""

    path: tuple[str, ...]
    entries: list[Box | Frame] = field(default_factory=list)
    title: str | None = None
    """What is written on it; None for the drawing as a whole."""
    last: str = ""
    """The title of its last repetition."""
    times: int = 1
    first: Node | None = None
    shared: bool = False
    """Whether all repetitions have the same Params."""

    def boxes(self) -> Iterator[Box]:
        """All boxes in it, in order."""
        path = [iter(self.entries)]
        while path:
            entry = next(path[-1], None)
            if entry is None:
                path.pop()
            elif isinstance(entry, Frame):
                path.append(iter(entry.entries))
            else:
                yield entry


class Scene:
    """The boxes, lines and frames of a view of a graph, and who shares weights with whom."""

    def __init__(self, graph: Graph, view: View):
        from .fold import fold

        self.graph = graph
        self.view = view
        boxes = _merged(graph, _collapsed(graph, view)) if view.merge else _collapsed(graph, view)
        self.root = _framed(boxes)
        self.targets = set(graph.targets)
        self.stands_for: dict[Node, Node] = {}
        """Of folded nodes, the one that is drawn for each."""
        self.unit: dict[Node, tuple[tuple[int, int], ...]] = {}
        """Of folded nodes, the runs they are in and the number of their repetition in each."""
        if view.fold:
            fold(self)
        self.box = {node: box for box in self.root.boxes() for node in box.nodes}
        self.lines = list(_lines(self))
        self.whole = self.lines
        """All lines, those that were left out too: what sizes are compared with."""
        self.missing: dict[tuple[Box, bool], list[Line]] = {}
        """Lines that were left out, by the box that is there and whether they go on from it."""
        boxes = list(self.root.boxes())
        self.rank = _ranks(graph, boxes, self.lines)
        self.ties = _ties(boxes)
        self.shared = _shared(boxes)
        kept = _part(self)
        if kept is not None:
            self._leave_out(kept)
            self.ties = {pair: params for pair, params in self.ties.items() if kept.issuperset(pair)}
        self.boxes = list(self.root.boxes())

    @cached_property
    def symbols(self) -> Symbols:
        """What stands at the book's letters."""
        return Symbols(self.graph)

    @cached_property
    def users(self) -> dict[Node, list[tuple[Node, int]]]:
        """Who takes each node's output, and by which slot."""
        return consumers(self.graph.nodes)

    def _leave_out(self, kept: set[Box]) -> None:
        frames = [self.root]
        for frame in frames:
            frame.entries = [entry for entry in frame.entries if isinstance(entry, Frame) or entry in kept]
            frames += [entry for entry in frame.entries if isinstance(entry, Frame)]
        for frame in reversed(frames):
            frame.entries = [entry for entry in frame.entries if isinstance(entry, Box) or entry.entries]
        lines, self.lines = self.lines, []
        for line in lines:
            if line.source in kept and line.target in kept:
                self.lines.append(line)
            elif line.source in kept or line.target in kept:
                goes_on = line.source in kept
                self.missing.setdefault((line.source if goes_on else line.target, goes_on), []).append(line)


def _collapsed(graph: Graph, view: View) -> list[Box]:
    """A box for each node, or for each block that is drawn as one."""
    blocks = {node.block[:k]: None for node in graph.nodes for k in range(1, len(node.block) + 1)}
    named = {path: "/".join(path) for path in blocks}
    closed = {path for path in blocks if view.depth is not None and len(path) > view.depth}
    for pattern in view.patterns:
        found = _meant(pattern.removesuffix("/*"), named) or _meant(pattern, named)
        if not found:
            there = ", ".join(map(repr, list(named.values())[:10])) or "none"
            raise GraphError(f"no block of graph {graph.name!r} is meant by collapse={pattern!r}: there are {there}")
        closed |= found
    boxes: dict[object, Box] = {}
    for node in graph.nodes:
        path = next((node.block[:k] for k in range(1, len(node.block) + 1) if node.block[:k] in closed), None)
        if path is None:
            boxes[node] = Box([node], node.block)
        elif path in boxes:
            boxes[path].nodes.append(node)
        else:
            boxes[path] = Box([node], path[:-1], path[-1])
    return list(boxes.values())


def _meant(pattern: str, named: dict[tuple[str, ...], str]) -> set[tuple[str, ...]]:
    """The blocks that a name or a pattern means."""
    return {path for path, name in named.items() if name == pattern or fnmatchcase(name, pattern)}


def _merged(graph: Graph, boxes: list[Box]) -> list[Box]:
    """One box for all uses of a layer that has Params."""
    uses: dict[Layer, Box] = {}
    kept = []
    for box in boxes:
        layer = box.nodes[0].layer
        if box.block is not None or not layer.params or isinstance(layer, Penalty):
            kept.append(box)
        elif layer in uses:
            first = uses[layer]
            first.nodes.append(box.nodes[0])
            common = [one for one, other in zip(first.path, box.path, strict=False) if one == other]
            first.path = first.path[: len(common)]
        else:
            uses[layer] = box
            kept.append(box)
    return kept


def _framed(boxes: Iterable[Box]) -> Frame:
    root = Frame(())
    frames: dict[tuple[str, ...], Frame] = {(): root}
    for box in boxes:
        for k in range(1, len(box.path) + 1):
            path = box.path[:k]
            if path not in frames:
                frames[path] = Frame(path, title=path[-1], first=box.nodes[0])
                frames[path[:-1]].entries.append(frames[path])
        frames[box.path].entries.append(box)
    return root


def _lines(scene: Scene) -> Iterator[Line]:
    """Lines in the order of the edges; what stays in a box, or leads from one repetition to the next, has none."""
    found: dict[tuple[object, ...], Line] = {}
    seen: dict[tuple[Node, Node], int] = {}
    for edge in scene.graph.edges:
        source, target = scene.box[edge.source], scene.box[edge.target]
        pair = (edge.source, edge.target)
        count = seen[pair] = seen.get(pair, 0) + 1
        if source is target or _apart(scene.unit.get(edge.source, ()), scene.unit.get(edge.target, ())):
            continue
        drawn = scene.stands_for.get(edge.source, edge.source)
        if target.block is not None:  # a value enters a block once, whatever uses it there
            key: tuple[object, ...] = (drawn, target)
        else:
            key = (drawn, scene.stands_for.get(edge.target, edge.target), count)
        if key in found:
            found[key].edges.append(edge)
        else:
            found[key] = Line(source, target, [edge])
    return iter(found.values())


def _apart(one: tuple[tuple[int, int], ...], other: tuple[tuple[int, int], ...]) -> bool:
    """Whether two nodes are in different repetitions of the same run."""
    units = dict(one)
    return any(units.get(run, unit) != unit for run, unit in other)


def _part(scene: Scene) -> set[Box] | None:
    """The boxes that are asked for; None for all."""
    view, graph = scene.view, scene.graph
    if view.around is not None:
        near = {scene.box[node] for node in graph.resolve(view.around)}
        neighbors: dict[Box, list[Box]] = {}
        for line in scene.lines:
            neighbors.setdefault(line.source, []).append(line.target)
            neighbors.setdefault(line.target, []).append(line.source)
        edge = near
        for _ in range(view.radius):
            edge = {other for box in edge for other in neighbors.get(box, ())} - near
            near = near | edge
        return near
    if view.between is None:
        return None
    starts, ends = (graph.resolve(nodes) for nodes in view.between)
    behind = set(starts)
    for node in topological(graph.nodes):
        if not behind.isdisjoint(node.inputs):
            behind.add(node)
    on_paths = behind & ancestors(ends)
    if not on_paths:
        names = [", ".join(repr(node.name) for node in nodes) for nodes in (starts, ends)]
        raise GraphError(f"no path leads from {names[0]} to {names[1]}: between takes (from, to)")
    return {scene.box[node] for node in on_paths}


def _ties(boxes: list[Box]) -> dict[tuple[Box, Box], dict[str, Param]]:
    """Pairs of boxes that follow each other in using a Param, with the Param by the name it has in the first."""
    users: dict[Param, dict[Box, str]] = {}
    for box in boxes:
        for node in box.nodes:
            for name, param in {} if isinstance(node.layer, Penalty) else node.layer.params.items():
                users.setdefault(param, {}).setdefault(box, name)
    ties: dict[tuple[Box, Box], dict[str, Param]] = {}
    for param, names in users.items():
        for first, second in pairwise(names):
            ties.setdefault((first, second), {})[names[first]] = param
    return ties


def _shared(boxes: list[Box]) -> set[Param]:
    """Params of several nodes, unless all these are drawn as uses of one layer."""
    users: dict[Param, set[Node | Box]] = {}
    for box in boxes:
        for node in box.nodes:
            for param in () if isinstance(node.layer, Penalty) else node.layer.params.values():
                users.setdefault(param, set()).add(box if box.is_merged else node)
    return {param for param, there in users.items() if len(there) > 1}


def _ranks(graph: Graph, boxes: list[Box], lines: list[Line]) -> dict[Box, int]:
    """The longest path to each box."""
    place = {node: i for i, node in enumerate(topological(graph.nodes))}
    first = {box: min(place[node] for node in box.nodes) for box in boxes}
    into: dict[Box, list[Box]] = {}
    for line in lines:
        into.setdefault(line.target, []).append(line.source)
    rank: dict[Box, int] = {}
    for box in sorted(boxes, key=first.__getitem__):
        rank[box] = 1 + max((rank.get(source, 0) for source in into.get(box, ())), default=0)
    return rank
