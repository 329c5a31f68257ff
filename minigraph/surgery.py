"""Edits of a graph's nodes: each re-checks the shapes downstream and, where it fails, leaves all as it was."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, cast

from .block import Block
from .caller import user_line
from .costs import Cost, Penalty
from .errors import GraphError, MinigraphError
from .layer import Input, Layer, Node
from .names import snake
from .param import moment
from .schedule import consumers, topological

if TYPE_CHECKING:
    from .graph import Graph


def replace(graph: Graph, name: Node | str, layer: Layer | Block, inputs: Sequence[Node]) -> Node:
    """Put another layer, or a block with one output, in the place of a node; see `Graph.replace`."""
    old = graph[name]
    if isinstance(old.layer, Input):
        raise GraphError(f"input {old.name!r} can't be replaced: add another with g.input, and use that")
    with _Edit(graph, layer) as edit:
        del graph.names.nodes[old.name]
        new = _added(graph, layer, inputs or old.inputs, old.name, old.block, graph.nodes.index(old))
        edit.reroute(old, new)
        edit.drop(old)
    return new


def insert(graph: Graph, layer: Layer | Block, between: tuple[Node | str, Node | str], name: str | None) -> Node:
    """Put a layer, or a block with one input and output, on the way from one node to another; see `Graph.insert`."""
    if not isinstance(between, (tuple, list)) or len(between) != 2:
        raise GraphError(f"insert takes between=(from, to), two nodes or their names, got {between!r}")
    u, v = (graph[node] for node in between)
    if u not in v.inputs:
        takes = ", ".join(repr(node.name) for node in v.inputs) or "nothing"
        raise GraphError(f"no edge from {u.name!r} to {v.name!r} to insert into: {v.name!r} takes {takes}")
    shared = [a for a, b in zip(u.block, v.block, strict=False) if a == b]
    with _Edit(graph, layer) as edit:
        new = _added(graph, layer, (u,), name, tuple(shared), graph.nodes.index(v))
        edit.reroute(u, new, only=v)
    return new


def remove(graph: Graph, name: Node | str) -> None:
    """Take a node out, so that its input goes where its output went; see `Graph.remove`."""
    old = graph[name]
    users = [user for user, _ in consumers(graph.nodes)[old]]
    if users and len(old.inputs) != 1:
        takers = ", ".join(repr(user.name) for user in users)
        first = f"replace it, or remove {takers} first" if old.inputs else f"remove {takers} first"
        raise GraphError(
            f"{old.name!r} has {len(old.inputs)} inputs, so that none can take its place before {takers}: {first}"
        )
    with _Edit(graph) as edit:
        if len(old.inputs) == 1:
            edit.reroute(old, old.inputs[0])
        edit.drop(old)
        if isinstance(old.layer, Cost):
            used = {source for node in graph.nodes for source in node.inputs}
            for slot in sorted(old.constant_inputs):  # what only led to this cost: its target, its weights
                if isinstance(old.inputs[slot].layer, Input) and old.inputs[slot] not in used:
                    edit.drop(old.inputs[slot])


def part(graph: Graph, starts: Sequence[Node], ends: Sequence[Node], name: str) -> Graph:
    """The nodes that the ends depend on, down to the starts, as a graph of its own that shares their layers."""
    if not ends:
        raise GraphError("a part leads to at least one node, got none")
    for node in starts:
        if node in ends:
            raise GraphError(f"{node.name!r} is both the beginning and the end: nothing lies between")
    inside, open_ = set(ends), list(ends)
    while open_:
        node = open_.pop()
        for source in () if node in starts else node.inputs:
            if source not in inside:
                inside.add(source)
                open_.append(source)
    for node in starts:
        if node not in inside:
            others = " but through other starts" if len(starts) > 1 else ""
            raise GraphError(f"no path from {node.name!r} to {' or '.join(repr(end.name) for end in ends)}{others}")
    result = type(graph)(name, seed=graph.seed, dtype=graph.dtype.name)
    stands_for: dict[Node, Node] = {}
    for node in graph.nodes:
        if node in starts:
            kind = int if node.dtype.kind == "i" else None
            stands_for[node] = result.input(node.name, node.shape, dtype=kind)
        elif node in inside:
            inputs = tuple(stands_for[source] for source in node.inputs)
            # a penalty is about the Params of one graph
            layer = copy(node.layer) if isinstance(node.layer, Penalty) else node.layer
            stands_for[node] = result.append(layer, node.name, inputs, node.shape, node.dtype, node.block)
    for name in _blocks(result.nodes):
        result.names.nodes.setdefault(name)
    result.recomputed = set(graph.recomputed)
    result.output(*(stands_for[end] for end in ends if not isinstance(end.layer, Cost)))
    return result


def _added(
    graph: Graph, layer: Layer | Block, inputs: Sequence[Node], name: str | None, block: tuple[str, ...], place: int
) -> Node:
    """Add a layer or a block, within the block of the nodes around and at a place among the nodes."""
    count, path = len(graph.nodes), "/".join((*block, ""))
    if isinstance(layer, Cost):
        layer.choose(graph)
    if name is None and block and isinstance(layer, (Layer, Block)):
        own = snake(layer.name) if isinstance(layer, Block) else layer.name or snake(type(layer).__name__)
        name = graph.names.unique(path + own)
    new = graph.add(layer, *inputs, name=name)
    if isinstance(new, tuple) and len(new) == 1:
        new = new[0]
    if not isinstance(new, Node):
        raise GraphError(f"only a block with one output can stand there, got {len(new)} outputs")
    added = graph.nodes[count:]
    graph.nodes[place:] = added + graph.nodes[place:count]
    for node in added:
        inner = tuple(part.removeprefix(path) for part in node.block[:1]) + node.block[1:]
        node.block = block + inner
    return new


def _blocks(nodes: Iterable[Node]) -> set[str]:
    """The names of the blocks that nodes are in, and of those around them."""
    paths = {node.block for node in nodes}
    return {"/".join(path[: i + 1]) for path in paths for i in range(len(path))}


class _Edit:
    """What a `with` block does to a graph's nodes, wholly or not at all."""

    def __init__(self, graph: Graph, layer: Layer | Block | None = None):
        self.graph = graph
        self.layer = layer
        self.changed: set[Node] = set()
        self.dropped: list[Node] = []

    def reroute(self, old: Node, new: Node, only: Node | None = None) -> None:
        """Let all that took the old node's output, or only one node, take the new node's."""
        for user in self.graph.nodes if only is None else [only]:
            if old in user.inputs:
                user.inputs = tuple(new if source is old else source for source in user.inputs)
                self.changed.add(user)
        outputs = self.graph._outputs
        if only is None and old in outputs:
            outputs[:] = dict.fromkeys(new if node is old else node for node in outputs)

    def drop(self, node: Node) -> None:
        """Take a node out of the graph."""
        self.graph.nodes.remove(node)
        if self.graph.names.nodes.get(node.name) is node:
            del self.graph.names.nodes[node.name]
        if node in self.graph._outputs:
            self.graph._outputs.remove(node)
        self.dropped.append(node)

    def __enter__(self) -> _Edit:
        graph = self.graph
        self._graph = (list(graph.nodes), dict(graph.names.nodes), list(graph._outputs), graph._next_id, graph.edition)
        self._drawn = (dict(graph.names._counters), graph.rng.bit_generator.state)
        self._nodes = [(node, node.inputs, node.shape, node.constant_inputs, node.block) for node in graph.nodes]
        layers = {node.layer for node in graph.nodes} | ({self.layer} if isinstance(self.layer, Layer) else set())
        self._layers = [(layer, dict(vars(layer))) for layer in layers]
        return self

    def __exit__(self, kind: Any, fault: BaseException | None, trace: Any) -> None:
        graph = self.graph
        try:
            if fault is None:
                self._settle()
        except BaseException as late:
            fault = late
        if fault is None:
            for node in self.dropped:
                node.id = -1
            graph.edition += 1
            graph.cuts += 1
            return
        self._undo()
        if isinstance(fault, MinigraphError):
            raise type(fault)(f"{fault}; nothing was changed (at {user_line()})") from None
        raise fault

    def _settle(self) -> None:
        """Order the nodes again, and build again whatever takes other shapes now."""
        graph, seen = self.graph, set[Node]()
        for node in graph.nodes:
            if not seen.issuperset(node.inputs):
                graph.nodes[:] = topological(graph.nodes)
                break
            seen.add(node)
        users = consumers(graph.nodes)
        for node in graph.nodes:
            if node in self.changed:
                said = f"{type(node.layer).__name__} {node.name!r}"
                shape = graph.built(node.layer, node.inputs, said, node.source, graph.rng)
                if shape != node.shape:
                    self.changed.update(user for user, _ in users[node])
                node.shape = shape
                node.constant_inputs = node.layer.constants([source.shape for source in node.inputs])
        blocks = _blocks(graph.nodes)
        names = graph.names.nodes
        graph.names.nodes = {name: node for name, node in names.items() if node is not None or name in blocks}
        penalties = [cast(Penalty, node.layer) for node in graph.find(Penalty)]
        for penalty in penalties:
            penalty.chosen = {}  # else it would find its own old ones in the graph
        for penalty in penalties:
            penalty.choose(graph)

    def _undo(self) -> None:
        graph = self.graph
        graph.nodes, graph.names.nodes, graph._outputs, graph._next_id, graph.edition = self._graph
        graph.names._counters, graph.rng.bit_generator.state = self._drawn
        for node, inputs, shape, constant_inputs, block in self._nodes:
            node.inputs, node.shape, node.constant_inputs, node.block = inputs, shape, constant_inputs, block
        for layer, attributes in self._layers:
            vars(layer).clear()
            vars(layer).update(attributes)
        Layer.edition = moment()
