"""What flowed back along the lines of a scene and what arrived in its boxes, in a run or at a step of a training."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from ..costs import Cost, Penalty
from ..gradient_history import GradientHistory
from ..layer import Node
from ..measures import Flow, flow, rms, shown
from ..param import Array, Param
from ..results import Results
from ..views import error_state
from ..wiring import Edge
from .boxes import Box, Line
from .scene import Scene


@dataclass(frozen=True)
class LineFlow:
    """What went back along a line: its state and, where that is "computed", the root mean square of each repetition.

    None stands for a repetition of which nothing is computed.
    """

    state: str
    sizes: tuple[float | None, ...] = ()

    @cached_property
    def computed(self) -> tuple[float, ...]:
        """The sizes there are."""
        return tuple(size for size in self.sizes if size is not None)

    @cached_property
    def rms(self) -> float:
        """That of all repetitions together."""
        return self.computed[0] if len(self.computed) == 1 else rms(np.array(self.computed))

    @property
    def text(self) -> str:
        """The number, or those of the first and the last repetition."""
        first, last = ("—" if size is None else shown(size) for size in (self.sizes[0], self.sizes[-1]))
        return first if first == last else f"{first} … {last}"


class Flowing(Protocol):
    """What a gradient flow is drawn from."""

    def ran(self, box: Box) -> bool:
        """Whether anything in a box took part."""
        ...

    def along(self, line: Line) -> LineFlow:
        """What went back along a line, before the sum at a fork."""
        ...

    def norms(self, box: Box) -> dict[str, float]:
        """‖∂C/∂w‖ of a box by the names of its Params; "θ" for all those of a block together."""
        ...

    def ratio(self, box: Box) -> float | None:
        """‖∂C/∂w‖ / ‖w‖ of a box, all its Params together; None where there is nothing to tell."""
        ...

    def cost(self, box: Box) -> float | None:
        """C of a box that is a cost; None where it isn't computed."""
        ...

    def state(self, box: Box) -> str:
        """The state of a box's error: the best there is among its nodes."""
        ...


class RunFlow:
    """The flow of a run's current sweep."""

    def __init__(self, run: Results, scene: Scene):
        self.run = run
        self.scene = scene
        self.place = run.swept().place
        self._known: dict[Box, Mapping[Param, Array]] = {}

    def ran(self, box: Box) -> bool:
        """Whether any node of a box is part of the run."""
        return any(node in self.place for node in box.nodes)

    def along(self, line: Line) -> LineFlow:
        """What went back along a line; where a value is used several times in a block, the sum of it."""
        return _together([self._of_value(edges) for edges in _by_value(line, self.scene)])

    def _of_value(self, edges: Sequence[Edge]) -> Flow:
        """What came back for one value: the sum over its edges, once all of it is there."""
        flows = [self._of_edge(edge) for edge in edges]
        state = _best(one.state for one in flows)
        if len(edges) == 1 or state != "computed":
            return flows[0] if len(edges) == 1 else Flow(state)
        if any(one.state == "not yet" for one in flows):
            return Flow("not yet")
        back = self.run.swept_back()
        there = zip(edges, flows, strict=True)
        parts = [back.edge(edge.target, edge.slot) for edge, one in there if one.state == "computed"]
        return Flow(state, rms(np.add.reduce(parts)))

    def _of_edge(self, edge: Edge) -> Flow:
        lost = self._lost(edge.target, edge.slot)
        return flow(self.run, edge) if lost is None else Flow(lost)

    def state(self, box: Box) -> str:
        """The state of a box's error: the best there is among its nodes."""
        return _best(self._state_of(node) for node in box.nodes)

    def _state_of(self, node: Node) -> str:
        lost = self._lost(node)
        return lost or (error_state(self.run, node) if node in self.place else "not run")

    def _lost(self, node: Node, slot: int | None = None) -> str | None:
        """How it stands with an error that a run asked for but doesn't keep; None where it keeps what it computed."""
        run = self.run
        if node not in self.place or not run.swept().records[node].forgotten or run.backward_done < 0:
            return None
        if slot in node.constant_inputs:
            return None
        back = run.swept_back()
        if node not in back.place or (slot is not None and not back.errands[node].needs[slot]):
            return "not asked" if node in back.reach else "no path"
        return "forgotten" if back.place[node] < run.backward_done else "not yet"

    def cost(self, box: Box) -> float | None:
        """C of a cost that is computed."""
        node = box.node
        if node is None or not isinstance(node.layer, Cost) or not self._is_forward(node):
            return None
        return float(np.mean(self.run[node].a))

    def norms(self, box: Box) -> dict[str, float]:
        """‖∂C/∂w‖, mean over the batch: of a node's own use, or of all nodes of a box together."""
        grads = self._grads(box)
        return {name: _norm(grads[param] for param in params) for name, params in _named(box, grads).items()}

    def ratio(self, box: Box) -> float | None:
        """‖∂C/∂w‖ / ‖w‖ of a box, all its Params together."""
        if isinstance(box.first.layer, Penalty):
            return None
        grads = self._grads(box)
        return _ratio([_norm([grad]) for grad in grads.values()], [_norm([param.value]) for param in grads])

    def _grads(self, box: Box) -> Mapping[Param, Array]:
        """The sum over a box's uses of each Param's gradient."""
        if box not in self._known:
            found: dict[Param, Array] = {}
            for node in box.nodes:
                if node.layer.params and not node.layer.frozen and self._is_back(node):
                    for param, share in self.run[node].grad.items():
                        mean = share / float(self.run.m)
                        found[param] = found[param] + mean if param in found else mean
            self._known[box] = found
        return self._known[box]

    def _is_forward(self, node: Node) -> bool:
        there = node in self.place and self.place[node] < self.run.forward_done
        return there and not self.run.swept().records[node].forgotten

    def _is_back(self, node: Node) -> bool:
        return self._is_forward(node) and error_state(self.run, node) == "computed"


class StepFlow:
    """The flow at a step that a GradientHistory kept: sizes only, so that no arrays can be summed after the fact."""

    def __init__(self, history: GradientHistory, step: int, scene: Scene):
        self.scene = scene
        self.flows = history.flows(step)
        self.deltas = history.deltas(step)
        self.totals = history.totals(step)
        self.uses: dict[Node, dict[str, tuple[Param, float]]] = {}
        self.users: dict[Param, int] = {}
        for use, size in history.grads(step).items():
            if size.state == "computed" and not isinstance(use.node.layer, Penalty):
                self.uses.setdefault(use.node, {})[use.name] = (use.param, size.norm)
            if size.state == "computed":
                self.users[use.param] = self.users.get(use.param, 0) + 1

    def ran(self, box: Box) -> bool:
        """Whether any node of a box was part of the training's runs."""
        return any(self.deltas[node].state != "not run" for node in box.nodes)

    def along(self, line: Line) -> LineFlow:
        """What went back along a line; of a value that is used several times in a block no sum was kept."""
        return _together([self._of_value(edges) for edges in _by_value(line, self.scene)])

    def _of_value(self, edges: Sequence[Edge]) -> Flow:
        there = [one for one in (self.flows[edge] for edge in edges) if one.state == "computed"]
        if len(there) > 1:
            return Flow("not kept")
        return there[0] if there else Flow(_best(self.flows[edge].state for edge in edges))

    def norms(self, box: Box) -> dict[str, float]:
        """‖∂C/∂w‖ by the names of a box's Params: of its use, or of all uses if they are in the box."""
        found: dict[str, list[float]] = {}
        for name, size, _ in self._sizes(box):
            found.setdefault("θ" if box.block is not None else name, []).append(size)
        return {name: math.hypot(*sizes) for name, sizes in found.items()}

    def ratio(self, box: Box) -> float | None:
        """‖∂C/∂w‖ / ‖w‖ of a box, all its Params together."""
        sizes = self._sizes(box)
        return _ratio([size for _, size, _ in sizes], [weight for *_, weight in sizes])

    def _sizes(self, box: Box) -> list[tuple[str, float, float]]:
        """Name, ‖∂C/∂w‖ and ‖w‖ of each Param of a box that is known of it as a whole."""
        inside: dict[Param, list[tuple[str, float]]] = {}
        for node in box.nodes:
            for name, (param, size) in self.uses.get(node, {}).items():
                inside.setdefault(param, []).append((name, size))
        found = []
        for param, uses in inside.items():
            total, weight = self.totals[param]
            if len(uses) in (1, self.users[param]):
                found.append((uses[0][0], uses[0][1] if len(uses) == 1 else total.norm, weight))
        return found

    def cost(self, box: Box) -> float | None:
        """Not kept for each cost."""
        return None

    def state(self, box: Box) -> str:
        """The state of a box's error: the best there is among its nodes."""
        return _best(self.deltas[node].state for node in box.nodes)


def _together(flows: Sequence[Flow]) -> LineFlow:
    """The flows of a line's repetitions as one."""
    if not any(one.state == "computed" for one in flows):
        return LineFlow(_best(one.state for one in flows))
    return LineFlow("computed", tuple(one.rms if one.state == "computed" else None for one in flows))


def _ratio(sizes: Collection[float], weights: Collection[float]) -> float | None:
    """‖∂C/∂w‖ / ‖w‖; ∞ where w is 0 and its gradient isn't, None where there is nothing to tell."""
    size, weight = math.hypot(*sizes), math.hypot(*weights)
    return None if not sizes or size == weight == 0.0 else math.inf if weight == 0.0 else size / weight


def _named(box: Box, params: Collection[Param]) -> dict[str, list[Param]]:
    """Some of a box's Params by the names that layers have for them; θ for all those of a block, or of a penalty."""
    found: dict[str, list[Param]] = {}
    for node in box.nodes:
        together = box.block is not None or isinstance(node.layer, Penalty)
        for name, param in node.layer.params.items():
            there = found.setdefault("θ" if together else name, [])
            if param in params and param not in there:
                there.append(param)
    return {name: there for name, there in found.items() if there}


def _by_value(line: Line, scene: Scene) -> list[list[Edge]]:
    """The edges of a line by the value that they carry and the repetition that takes it."""
    groups: dict[Any, list[Edge]] = {}
    for edge in line.edges:
        key = (edge.source, scene.unit(edge.target))
        groups.setdefault(key, []).append(edge)
    return list(groups.values())


def _best(states: Iterable[str]) -> str:
    there = set(states)
    order = ("computed", "not kept", "forgotten", "not yet", "not asked", "no path", "not run")
    return next(state for state in order if state in there)


def _norm(arrays: Iterable[Array]) -> float:
    return math.hypot(*(rms(array) * math.sqrt(array.size) for array in arrays))
