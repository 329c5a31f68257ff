"""Sizes of all that one backward sweep computed: rows of numbers, with a place for each part of the graph."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..costs import Cost, Penalty
from ..errors import GraphError
from ..graph import Graph
from ..layer import Input, Node
from ..measures import Flow, flow, rms
from ..param import Array, Param
from ..run import Run
from ..schedule import levels
from ..views import error_state
from ..wiring import Edge


class Norm(NamedTuple):
    """A gradient's state and, where that is "computed", its Euclidean norm; a state may be "frozen", too."""

    state: str
    norm: float = 0.0


class Use(NamedTuple):
    """One Param where one node uses it, under the name that the node's layer has for it."""

    node: Node
    name: str
    param: Param


@dataclass
class Sizes:
    """What is kept of one step: rows of float64 in the order of `Places`, NaN where nothing was computed."""

    step: int
    cost: float | None
    delta: Array
    """Root mean square of δ, (nodes,)."""
    mean_delta: Array
    """Norm of the mean of δ over the examples, (nodes,)."""
    edge: Array
    """Root mean square of ∂C_x/∂a on each edge, before the sum at a fork, (edges,)."""
    use: Array
    """Norm of each use's part of ∂C/∂w, (uses,)."""
    grad: Array
    """Norm of ∂C/∂w, (Params,)."""
    weight: Array
    """Norm of w, (Params,)."""
    update: Array
    """Norm of how far w moved, (Params,)."""
    node_states: tuple[str, ...]
    edge_states: tuple[str, ...]
    use_states: tuple[str, ...]
    grad_states: tuple[str, ...]
    update_state: str = "not yet"


class Places:
    """The nodes, edges, uses of Params, Params of a graph, each kind in an order that rows of sizes follow."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.nodes = list(graph.nodes)
        self.edges = graph.edges
        self.uses = uses_of(graph)
        self.names = [node.name for node in self.nodes]
        """Their names as they are now: what is kept goes by them, whatever happens to the graph."""
        self.level = levels(self.nodes)
        """l of each node."""
        self.params: dict[Param, str] = {}
        """Each Param with the name of its first use: "h1.w"."""
        for use in self.uses:
            self.params.setdefault(use.param, f"{use.node.name}.{use.name}")
        first = {use.param: self.level[use.node] for use in reversed(self.uses)}
        self.param_levels = [first[param] for param in self.params]
        """l of the first use of each Param."""
        self._node = {node: i for i, node in enumerate(self.nodes)}
        self._named = {name: i for i, name in enumerate(self.names)}
        self._edge = {edge: i for i, edge in enumerate(self.edges)}
        self._use = {(use.node, use.name): i for i, use in enumerate(self.uses)}
        self._param = {param: i for i, param in enumerate(self.params)}
        self._param_named = {name: i for i, name in enumerate(self.params.values())}

    def still_fit(self, graph: Graph) -> bool:
        """Whether the graph has these nodes, edges and Params, and no others."""
        return self.nodes == graph.nodes and self.edges == graph.edges and self.uses == uses_of(graph)

    def node(self, node: Node | str) -> int:
        """The place of a node; raises GraphError with the names that come near."""
        place = self._node.get(node) if isinstance(node, Node) else self._named.get(node)
        if place is not None:
            return place
        kept = f"in the gradients kept of {self.graph.name!r}"
        if isinstance(node, Node):
            raise GraphError(f"{node.name!r} is not {kept}: it is newer, or a node of another graph")
        raise GraphError(f"no node {node!r} {kept}{_near(node, self.names)}")

    def edge(self, source: Node | str, target: Node | str, slot: int | None) -> int:
        """The place of an edge; raises GraphError where there is none, or several and no slot says which."""
        u, v = self.nodes[self.node(source)], self.nodes[self.node(target)]
        slots = [i for i in range(len(v.inputs)) if Edge(u, v, i) in self._edge]
        if slot is None and len(slots) > 1:
            raise GraphError(f"{u.name!r} enters {v.name!r} by slots {slots}: say which, slot=…")
        if not slots or (slot is not None and slot not in slots):
            which = "" if slot is None else f" with slot {slot}"
            takes = ", ".join(repr(node.name) for node in v.inputs) or "nothing"
            raise GraphError(f"no edge from {u.name!r} to {v.name!r}{which}: it takes {takes}")
        return self._edge[Edge(u, v, slots[0] if slot is None else slot)]

    def use(self, node: Node | str, name: str) -> int:
        """The place of a node's use of its Param of that name; raises GraphError where it has none."""
        found = self.nodes[self.node(node)]
        if (found, name) not in self._use:
            has = ", ".join(repr(use.name) for use in self.uses if use.node is found) or "none"
            raise GraphError(f"{found.name!r} has no Param {name!r}: it has {has}")
        return self._use[found, name]

    def param(self, param: object) -> int:
        """The place of a Param, itself or by its name in graph.params; raises GraphError where there is none."""
        place = self._param.get(param) if isinstance(param, Param) else self._param_named.get(str(param))
        if place is not None and isinstance(param, Param | str):
            return place
        if not isinstance(param, Param | str):
            raise GraphError(f"takes a Param, layer.w, or its name, 'h1.w', got {param!r}")
        hint = "" if isinstance(param, Param) else _near(param, self._param_named)
        raise GraphError(f"no Param {param!r} in the gradients kept of {self.graph.name!r}{hint}")

    def weighted(self) -> list[int]:
        """The places of nodes with Params of their own, by l; without any, of all but inputs and costs."""
        inner = [i for i, node in enumerate(self.nodes) if not isinstance(node.layer, Cost | Input)]
        with_params = {use.node for use in self.uses}
        chosen = [i for i in inner if self.nodes[i] in with_params] or inner
        return sorted(chosen, key=lambda i: self.level[self.nodes[i]])

    def weights(self) -> list[int]:
        """The places of Params of two axes or more, which biases and scales are not, by l; without any, of all."""
        several = [i for i, param in enumerate(self.params) if len(param.shape) > 1]
        return sorted(several or range(len(self.params)), key=self.param_levels.__getitem__)


def uses_of(graph: Graph) -> list[Use]:
    """Each use of each Param, by frozen layers and penalties too."""
    return [
        Use(node, name, param)
        for node in graph.nodes
        for name, param in (node.layer.chosen if isinstance(node.layer, Penalty) else node.layer.params).items()
    ]


def measure(run: Run, places: Places, step: int) -> Sizes:
    """The sizes of everything in a run whose backward sweep is finished."""
    with np.errstate(over="ignore", invalid="ignore"):  # training that diverges is a thing to look at
        deltas = [_delta(run, node) for node in places.nodes]
        flows = [flow(run, edge) for edge in places.edges]
        shares, totals = _gradients(run, places)
    return Sizes(
        step,
        run.cost if run.swept().plan.costs else None,
        delta=_row(delta for delta, _ in deltas),
        mean_delta=np.array([mean for _, mean in deltas], dtype=np.float64),
        edge=_row(flows),
        use=_row(shares),
        grad=_row(totals),
        weight=np.array([norm(param.value) for param in places.params], dtype=np.float64),
        update=np.full(len(places.params), np.nan),
        node_states=_states(delta for delta, _ in deltas),
        edge_states=_states(flows),
        use_states=_states(shares),
        grad_states=_states(totals),
    )


def norm(array: Array) -> float:
    """Euclidean norm of the elements, without over- or underflow; NaN or ∞ where one of them is."""
    return rms(array) * math.sqrt(array.size)


def _delta(run: Run, node: Node) -> tuple[Flow, float]:
    """The size of a node's δ, and the norm of its mean over the examples."""
    if node not in run.swept().place:
        return Flow("not run"), math.nan
    state = error_state(run, node)
    if state != "computed":
        return Flow(state), math.nan
    delta = run[node].delta
    mean = delta if run.single else np.add.reduce(delta, axis=0, dtype=np.float64) / run.m
    return Flow(state, rms(delta)), norm(mean)


def _gradients(run: Run, places: Places) -> tuple[list[Norm], list[Norm]]:
    """The norms of ∂C/∂w, mean over the examples: each use's part, and each Param's whole."""
    sweep = run.trained()
    ran, records, m = run.swept().place, sweep.records, sweep.m
    free = {node: _free(node) for node in dict.fromkeys(use.node for use in places.uses)}
    shares: list[Norm] = []
    totals: dict[Param, tuple[Norm, Array | None]] = {}
    for node, name, param in places.uses:
        state: str = "not run" if node not in ran else error_state(run, node)
        if state == "computed" and name not in free[node]:
            state = "frozen"
        if state != "computed":
            shares.append(Norm(state))
            totals.setdefault(param, (shares[-1], None))
            continue
        share = records[node].grad[param]
        shares.append(Norm(state, norm(share) / m))
        _, before = totals.get(param, (None, None))
        if before is None:
            totals[param] = shares[-1], share
        else:
            total = np.add(before, share, dtype=np.float64)
            totals[param] = Norm(state, norm(total) / m), total
    return shares, [totals[param][0] for param in places.params]


def _free(node: Node) -> set[str]:
    """The names of a node's Params that its use adds to the gradient of; a penalty lists only those itself."""
    return set() if node.layer.frozen else set(node.layer.params)


def _row(sizes: Iterable[Flow | Norm]) -> Array:
    return np.array([size if state == "computed" else math.nan for state, size in sizes], dtype=np.float64)


def _states(sizes: Iterable[Flow | Norm]) -> tuple[str, ...]:
    return tuple(size.state for size in sizes)


def _near(name: object, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(name), list(names))
    return f": did you mean {' or '.join(map(repr, near))}?" if near else ""
