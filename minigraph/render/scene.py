"""The scene: which boxes, lines and frames a drawing of a graph has, before anybody draws them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from itertools import pairwise

from ..costs import Penalty
from ..errors import GraphError
from ..graph import Graph
from ..layer import Layer, Node
from ..param import Param
from ..schedule import ancestors, consumers, topological
from ..symbols import Symbols
from .boxes import Box, Frame, Line
from .fold import Folded, fold
from .view import View, blocks_meant, nodes_meant

Unit = tuple[tuple[int, int], ...]


class Scene:
    """The boxes, lines and frames of a view of a graph, and who shares weights with whom."""

    def __init__(self, graph: Graph, view: View):
        self.graph = graph
        self.view = view
        boxes = _merged(_collapsed(graph, view)) if view.merge else _collapsed(graph, view)
        self.root = _framed(boxes)
        self.targets = set(graph.targets)
        self.folded = fold(self.root, self.users) if view.fold else Folded()
        boxes = list(self.root.boxes())
        self.box = {node: box for box in boxes for node in box.nodes}
        self.use = {node: k + 1 for box in boxes if box.is_merged for unit in box.units for k, node in enumerate(unit)}
        """Of merged nodes, which use of their layer each is."""
        self.whole = self.lines = _lines(self)
        """All lines, those that were left out too: what sizes are compared with."""
        self.ties = _ties(boxes)
        self.shared = _shared(boxes)
        self.missing: dict[tuple[Box, bool], list[Line]] = {}
        """Lines that were left out, by the box that is there and whether they go on from it."""
        kept = _part(self)
        if kept is not None:
            self._leave_out(kept)
        self.boxes = list(self.root.boxes())
        self.rank = _ranks(graph, self.boxes, self.lines)

    @cached_property
    def symbols(self) -> Symbols:
        """What stands at the book's letters."""
        return Symbols(self.graph)

    @cached_property
    def users(self) -> dict[Node, list[tuple[Node, int]]]:
        """Who takes each node's output, and by which slot."""
        return consumers(self.graph.nodes)

    def unit(self, node: Node) -> Unit:
        """The runs of repetitions that a node is in, and the number of its repetition in each."""
        return self.folded.unit.get(node, ())

    def carried(self, frame: Frame) -> list[tuple[Box, Box]]:
        """Who hands what to the next repetition, where these aren't just the values that leave the last."""
        pairs = dict.fromkeys((self.box[source], self.box[target]) for source, target in frame.carried)
        inside = set(frame.boxes())
        leaving = {line.source for line in self.whole if line.source in inside and line.target not in inside}
        return list(pairs) if {source for source, _ in pairs} != leaving else []

    def _leave_out(self, kept: set[Box]) -> None:
        frames = self.root.frames()
        for frame in frames:
            frame.entries = [entry for entry in frame.entries if isinstance(entry, Frame) or entry in kept]
        for frame in reversed(frames):
            frame.entries = [entry for entry in frame.entries if isinstance(entry, Box) or entry.entries]
        self.lines = []
        for line in self.whole:
            if line.source in kept and line.target in kept:
                self.lines.append(line)
            elif line.source in kept or line.target in kept:
                goes_on = line.source in kept
                self.missing.setdefault((line.source if goes_on else line.target, goes_on), []).append(line)
        self.ties = {pair: params for pair, params in self.ties.items() if kept.issuperset(pair)}


def _collapsed(graph: Graph, view: View) -> list[Box]:
    """A box for each node, or for each block that is drawn as one."""
    paths = {node.block[:k]: None for node in graph.nodes for k in range(1, len(node.block) + 1)}
    closed = {path for path in paths if view.depth is not None and len(path) > view.depth}
    for pattern in view.collapse:
        closed |= blocks_meant(graph, pattern)
    boxes: dict[object, Box] = {}
    for node in graph.nodes:
        path = next((node.block[:k] for k in range(1, len(node.block) + 1) if node.block[:k] in closed), None)
        if path is None:
            boxes[node] = Box([[node]], node.block)
        elif path in boxes:
            boxes[path].units[0].append(node)
        else:
            boxes[path] = Box([[node]], path[:-1], path[-1])
    return list(boxes.values())


def _merged(boxes: list[Box]) -> list[Box]:
    """One box for all uses of a layer that has Params."""
    uses: dict[Layer, Box] = {}
    kept = []
    for box in boxes:
        layer = box.first.layer
        if box.block is not None or not layer.params or isinstance(layer, Penalty):
            kept.append(box)
        elif layer in uses:
            first = uses[layer]
            first.units[0].append(box.first)
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
                frames[path] = Frame(path, title=path[-1])
                frames[path[:-1]].entries.append(frames[path])
        frames[box.path].entries.append(box)
    return root


def _lines(scene: Scene) -> list[Line]:
    """Lines in the order of the edges; what stays in a box, or leads from one repetition to the next, has none."""
    found: dict[tuple[object, ...], Line] = {}
    seen: dict[tuple[Node, Node], int] = {}
    drawn = scene.folded.stands_for
    for edge in scene.graph.edges:
        source, target = scene.box[edge.source], scene.box[edge.target]
        pair = (edge.source, edge.target)
        count = seen[pair] = seen.get(pair, 0) + 1
        if source is target or _apart(scene.unit(edge.source), scene.unit(edge.target)):
            continue
        if target.block is not None:  # a value enters a block once, whatever uses it there
            key: tuple[object, ...] = (drawn.get(edge.source, edge.source), target)
        elif edge.target in drawn:
            key = (drawn.get(edge.source, edge.source), drawn[edge.target], edge.slot)
        else:
            key = (drawn.get(edge.source, edge.source), edge.target, -count)
        if key in found:
            found[key].edges.append(edge)
        else:
            found[key] = Line(source, target, [edge])
    for line in found.values():
        if len(line.edges) > 1:
            line.edges.sort(key=lambda edge: max(scene.unit(edge.source), scene.unit(edge.target)))
            line.leaving = _leaving(scene, line)
    return list(found.values())


def _apart(one: Unit, other: Unit) -> bool:
    """Whether two nodes are in different repetitions of the same run."""
    units = dict(one)
    return any(units.get(run, unit) != unit for run, unit in other)


def _leaving(scene: Scene, line: Line) -> int:
    """From how many repetitions a line leads out of the run."""
    runs = {run for run, _ in scene.unit(line.edges[0].target)}
    return len({tuple(pair for pair in scene.unit(edge.source) if pair[0] not in runs) for edge in line.edges})


def _part(scene: Scene) -> set[Box] | None:
    """The boxes that are asked for; None for all."""
    view, graph = scene.view, scene.graph
    if view.around is not None:
        near = {scene.box[node] for node in nodes_meant(graph, view.around, "around")}
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
    starts, ends = (nodes_meant(graph, nodes, "between") for nodes in view.between)
    behind = set(starts)
    for node in topological(graph.nodes):
        if not behind.isdisjoint(node.inputs):
            behind.add(node)
    on_paths = behind & ancestors(ends)
    lost = [node for node in starts if node not in on_paths] or [node for node in ends if node not in on_paths]
    if lost:
        names = [", ".join(repr(node.name) for node in nodes) for nodes in (starts, ends)]
        where = f"{lost[0].name!r} is on none" if len(starts) + len(ends) > 2 else "between takes (from, to)"
        raise GraphError(f"no path leads from {names[0]} to {names[1]}: {where}")
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
        for unit in box.units:
            for node in unit:
                for param in () if isinstance(node.layer, Penalty) else node.layer.params.values():
                    users.setdefault(param, set()).add(box if box.is_merged and box.times == 1 else node)
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
