"""Params that no gradient reaches, as no path leads from them to a cost."""

from __future__ import annotations

from collections.abc import Iterator

from ..costs import Penalty
from ..layer import Layer, Node
from ..results import Results
from ..schedule import ancestors, consumers, reaches, topological
from ..wiring import Edge
from .findings import Data, Finding, listed, names_of

DEAD_BRANCH = (
    "a cost on what comes of it; or take it out, g.remove(…), if nothing is to learn there; or freeze it, g.freeze(…), "
    "if it is to stay as it is"
)
STOPPED = (
    "another way to a cost, without a StopGradient or a target between; or freeze it, g.freeze(…), if it is meant so"
)


def unreached(run: Results) -> Iterator[Finding]:
    """Layers with Params that aren't frozen and from which no differentiable path leads to any cost of the graph.

    It is a matter of the wiring: what is not part of this run, or not of this `backward`, counts as the rest does. A
    Param that another use leads to a cost is fine, and a penalty alone is no path. Without a cost, what counts is where
    `backward` began; there is nothing to judge without either.
    """
    graph = run.graph
    ends = {*graph.costs, *(run.swept_back().seeds if run.backward_done >= 0 else ())}
    ends = {node for node in ends if not isinstance(node.layer, Penalty)}
    if not ends:
        return
    reached, used = reaches(ends), ancestors(ends)
    fine = {param for node in reached for param in node.layer.params.values()}
    names = {param: name for name, param in graph.params.items()}
    lost: dict[Layer, list[Node]] = {}
    for node in graph.nodes:
        if not isinstance(node.layer, Penalty) and not node.layer.frozen and node not in reached:
            lost.setdefault(node.layer, []).append(node)
    stops = _stops(graph.nodes, used) if lost else {}
    for layer, nodes in lost.items():
        params = [param for param in layer.params.values() if param not in fine]
        if not params:
            continue
        edges = tuple(dict.fromkeys(stops[node] for node in nodes if node in stops))
        takers = listed(dict.fromkeys(edge.target for edge in edges))
        why = f"what comes of it enters {takers} as a constant" if edges else "no cost depends on what comes of it"
        named, cause = names_of(params, names), "stopped" if edges else "dead branch"
        evidence = f"no gradient gets to {listed(named)}: {why}"
        data: Data = {"cause": cause, "numbers": sum(param.size for param in params)}
        uses = tuple(node.name for node in nodes)
        yield Finding("unreached", uses[0], evidence, STOPPED if edges else DEAD_BRANCH, data, uses, edges, named)


def _stops(nodes: list[Node], used: set[Node]) -> dict[Node, Edge]:
    """For nodes that a cost depends on the next edge ahead along which no error flows back."""
    users, stops = consumers(nodes), dict[Node, Edge]()
    for node in reversed(topological(nodes)):
        for user, slot in users[node]:
            if user in used:
                edge = Edge(node, user, slot) if slot in user.constant_inputs else stops.get(user)
                if edge is not None:
                    stops.setdefault(node, edge)
    return stops
