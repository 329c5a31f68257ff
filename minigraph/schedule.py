"""The order of a graph's nodes, and what runs for given outputs, costs and wishes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from .costs import Cost
from .errors import GraphError
from .layer import Input, Node

SHOWN = 10
"""Of a long cycle, so many nodes are named at either end."""


def topological(nodes: Sequence[Node]) -> list[Node]:
    """Order nodes so that each stands behind its inputs, the earliest added first.

    Raises GraphError naming the nodes of a cycle.
    """
    users = consumers(nodes)
    waiting = {node: len(node.inputs) for node in nodes}
    order = [node for node in nodes if not node.inputs]
    for node in order:  # which grows meanwhile
        for user, _ in users[node]:
            waiting[user] -= 1
            if not waiting[user]:
                order.append(user)
    if len(order) < len(nodes):
        names = [node.name for node in _cycle(set(nodes) - set(order))]
        if len(names) > 2 * SHOWN:
            names[SHOWN:-SHOWN] = [f"… {len(names) - 2 * SHOWN:,} more …"]
        raise GraphError("a cycle: " + " -> ".join(names))
    return order


def _cycle(stuck: set[Node]) -> list[Node]:
    path, seen = [min(stuck, key=lambda node: node.id)], set[Node]()
    while path[-1] not in seen:
        seen.add(path[-1])
        path.append(next(node for node in path[-1].inputs if node in stuck))
    return path[path.index(path[-1]) :][::-1]


def consumers(nodes: Iterable[Node]) -> dict[Node, list[tuple[Node, int]]]:
    """For each node, the nodes that take its output and by which slot, in order."""
    users: dict[Node, list[tuple[Node, int]]] = {node: [] for node in nodes}
    for node in users:
        for slot, source in enumerate(node.inputs):
            users[source].append((node, slot))
    return users


def last_uses(order: Sequence[Node], kept: Collection[Node]) -> dict[Node, list[Node]]:
    """For each node of an order those that no node behind it takes, but for some to be kept."""
    last = {source: node for node in order for source in node.inputs}
    over: dict[Node, list[Node]] = {}
    for source, node in last.items():
        if source not in kept:
            over.setdefault(node, []).append(source)
    return over


def ancestors(targets: Iterable[Node]) -> set[Node]:
    """The nodes that the targets depend on, and the targets."""
    found = set(targets)
    open_ = list(found)
    while open_:
        for source in open_.pop().inputs:
            if source not in found:
                found.add(source)
                open_.append(source)
    return found


def levels(nodes: Sequence[Node]) -> dict[Node, int]:
    """l of each node: 1 + the longest path of weighted nodes from the inputs."""
    level: dict[Node, int] = {}
    for node in topological(nodes):
        level[node] = max((level[source] for source in node.inputs), default=1) + bool(node.layer.params)
    return level


class Errand(NamedTuple):
    """One node's part in a backward sweep."""

    node: Node
    sources: list[tuple[Node, int]]
    """The edges, as (consumer, slot), whose errors add up to this node's error."""
    seeded: bool
    """Whether an error is given to this node from outside: a cost, or as asked for."""
    needs: tuple[bool, ...]
    """For each input, whether anybody wants its error."""


def errands(order: Sequence[Node], seeds: Collection[Node], wrt: Collection[Node]) -> list[Errand]:
    """List what a backward sweep from the seeds does, node by node, last node first.

    A node takes part when a path leads from it to a seed and something behind it wants an error: an unfrozen Param
    or a node in `wrt`.
    """
    wants, begins, asked = set[Node](), set(seeds), set(wrt)
    for node in order:
        trains = not node.layer.frozen and bool(node.layer.params)
        if trains or node in asked or any(slot_node in wants for slot_node in _open_inputs(node)):
            wants.add(node)
    arriving: dict[Node, list[tuple[Node, int]]] = {}
    plan: list[Errand] = []
    for node in reversed(order):
        if node not in wants or (node not in begins and node not in arriving):
            continue
        closed = node.constant_inputs
        needs = tuple(slot not in closed and source in wants for slot, source in enumerate(node.inputs))
        for slot, source in enumerate(node.inputs):
            if needs[slot]:
                arriving.setdefault(source, []).append((node, slot))
        plan.append(Errand(node, arriving.get(node, [])[::-1], node in begins, needs))
    return plan


def _open_inputs(node: Node) -> list[Node]:
    closed = node.constant_inputs
    return [source for slot, source in enumerate(node.inputs) if slot not in closed]


def reaches(seeds: Iterable[Node]) -> set[Node]:
    """The nodes from which a differentiable path leads to one of the seeds, and the seeds."""
    found = set(seeds)
    open_ = list(found)
    while open_:
        for source in _open_inputs(open_.pop()):
            if source not in found:
                found.add(source)
                open_.append(source)
    return found


class Problem(NamedTuple):
    """A part of a graph that does nothing, or a feed that doesn't fit: what `Graph.validate` reports."""

    kind: str
    """"dangling input", "dead node", "missing feed", "unknown feed" or "empty graph"."""
    name: str
    message: str


def problems(
    nodes: Sequence[Node], outputs: Collection[Node], feeds: Collection[str] | None, until: Collection[Node]
) -> list[Problem]:
    """Report dangling inputs, dead nodes and, where feeds are given, missing and unknown ones."""
    if not nodes:
        return [Problem("empty graph", "", "the graph has no nodes: begin with g.input(name, shape)")]
    alive = ancestors(outputs)
    used = {source for node in nodes for source in node.inputs}
    found = []
    for node in nodes:
        if node not in alive and isinstance(node.layer, Input):
            fault = "is used by nothing" if node not in used else "leads to no output and no cost"
            message = f"input {node.name!r} {fault} (added at {node.source}): use it or leave it out"
            found.append(Problem("dangling input", node.name, message))
        elif node not in alive:
            message = (
                f"no output or cost depends on node {node.name!r} (added at {node.source}): "
                f"name it with g.output({node.name!r}), or leave it out"
            )
            found.append(Problem("dead node", node.name, message))
    if feeds is not None:
        running = ancestors(until) if until else set(nodes)
        found += _feed_problems(nodes, running, feeds)
    return found


def _feed_problems(nodes: Sequence[Node], running: set[Node], feeds: Collection[str]) -> list[Problem]:
    inputs = {node.name: node for node in nodes if isinstance(node.layer, Input)}
    users = consumers(nodes)
    found = []
    for name, node in inputs.items():
        if name not in feeds and node in running:
            sides = [(u, slot) for u, slot in users[node] if isinstance(u.layer, Cost) and slot in u.constant_inputs]
            role = f", {_role(*sides[0])}," if sides else ""
            remedy = ", or run without the cost: until=…, mg.predict(…)" if sides else ""
            given = f"{name}=…" if name.isidentifier() else f"{{{name!r}: …}}"
            message = f"input {name!r}{role} (added at {node.source}) was not fed: give {given}{remedy}"
            found.append(Problem("missing feed", name, message))
    for name in feeds:
        if name not in inputs:
            message = f"no input {name!r} to feed: the inputs are {', '.join(map(repr, inputs))}"
            found.append(Problem("unknown feed", name, message))
    return found


def _role(cost: Node, slot: int) -> str:
    assert isinstance(cost.layer, Cost)
    is_target = cost.layer.takes_target and slot == cost.layer.judged
    return f"{'the target' if is_target else 'the weights of the examples'} of {cost.name!r}"
