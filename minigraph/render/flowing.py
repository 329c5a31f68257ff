"""What flowed back along the lines of a scene and what arrived in its boxes, in a run or at a step of a training."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..costs import Cost, Penalty
from ..gradient_history import GradientHistory
from ..layer import Node
from ..measures import flow, rms, shown
from ..param import Array, Param
from ..results import Results
from ..views import error_state
from ..wiring import Edge
from .scene import Box, Line, Scene


@dataclass(frozen=True)
class LineFlow:
    """What went back along a line: its state and, where that is "computed", the root mean square of each repetition."""

    state: str
    sizes: tuple[float, ...] = ()

    @property
    def rms(self) -> float:
        """That of all repetitions together."""
        return self.sizes[0] if len(self.sizes) == 1 else rms(np.array(self.sizes))

    @property
    def text(self) -> str:
        """The number, or those of the first and the last repetition."""
        first, last = shown(self.sizes[0]), shown(self.sizes[-1])
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
        if len(line.edges) == 1:
            one = flow(self.run, line.edges[0])
            return LineFlow(one.state, (one.rms,) if one.state == "computed" else ())
        groups = _by_value(line, self.scene)
        sizes = [size for group in groups for size in self._together(group)]
        return LineFlow("computed", tuple(sizes)) if sizes else LineFlow(flow(self.run, line.edges[0]).state)

    def _together(self, edges: Sequence[Edge]) -> list[float]:
        """The root mean square of the sum over edges with the same source; none where nothing is computed."""
        there = [edge for edge in edges if flow(self.run, edge).state == "computed"]
        parts = [self.run.swept_back().edge(edge.target, edge.slot) for edge in there]
        return [rms(np.add.reduce(parts))] if parts else []

    def state(self, box: Box) -> str:
        """The state of a box's error: the best there is among its nodes."""
        return _best(error_state(self.run, node) if node in self.place else "not run" for node in box.nodes)

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
        if isinstance(box.nodes[0].layer, Penalty):
            return None
        grads = self._grads(box)
        weights = _norm(param.value for param in grads)
        return None if not grads or weights == 0.0 else _norm(grads.values()) / weights

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
        return node in self.place and self.place[node] < self.run.forward_done

    def _is_back(self, node: Node) -> bool:
        return self._is_forward(node) and error_state(self.run, node) == "computed"


class StepFlow:
    """The flow at a step that a GradientHistory kept: sizes only, so that nothing can be summed up after the fact."""

    def __init__(self, history: GradientHistory, step: int):
        self.flows = history.flows(step)
        self.deltas = history.deltas(step)
        self.ratios = history.weights(step)
        self.grads: dict[Node, dict[str, float]] = {}
        for use, size in history.grads(step).items():
            if size.state == "computed":
                self.grads.setdefault(use.node, {})[use.name] = size.norm

    def ran(self, box: Box) -> bool:
        """Whether any node of a box was part of the training's runs."""
        return any(self.deltas[node].state != "not run" for node in box.nodes)

    def along(self, line: Line) -> LineFlow:
        """What went back along each edge of a line."""
        flows = [self.flows[edge] for edge in line.edges]
        sizes = tuple(one.rms for one in flows if one.state == "computed")
        return LineFlow("computed", sizes) if sizes else LineFlow(flows[0].state)

    def norms(self, box: Box) -> dict[str, float]:
        """‖∂C/∂w‖ of each Param of a node's use; of several nodes, all together."""
        found: dict[str, list[float]] = {}
        for node in box.nodes:
            for name, size in self.grads.get(node, {}).items():
                found.setdefault("θ" if box.block is not None else name, []).append(size)
        return {name: math.hypot(*sizes) for name, sizes in found.items()}

    def ratio(self, box: Box) -> float | None:
        """‖∂C/∂w‖ / ‖w‖ of a node; of several, the largest."""
        ratios = [self.ratios[node] for node in box.nodes if node in self.ratios]
        return max(ratios, default=None)

    def cost(self, box: Box) -> float | None:
        """Not kept for each cost."""
        return None

    def state(self, box: Box) -> str:
        """The state of a box's error: the best there is among its nodes."""
        return _best(self.deltas[node].state for node in box.nodes)


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
        key = (edge.source, scene.unit.get(edge.target, ()))
        groups.setdefault(key, []).append(edge)
    return list(groups.values())


def _best(states: Iterable[str]) -> str:
    there = set(states)
    return next(state for state in ("computed", "not yet", "not asked", "no path", "not run") if state in there)


def _norm(arrays: Iterable[Array]) -> float:
    return math.hypot(*(rms(array) * math.sqrt(array.size) for array in arrays))
