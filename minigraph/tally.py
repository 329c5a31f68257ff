"""Tally: costs, right answers and metrics of an epoch, summed up batch by batch."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, cast

import numpy as np

from . import metrics
from .costs import Cost
from .errors import FileError, GraphError
from .history import COLUMNS, Score
from .layer import Layer, Node
from .numbers import is_real, is_whole
from .param import Array


class Tally:
    """Costs, right answers and metrics summed up batch by batch; answers are judged some thousand at a time."""

    JUDGED_AT_ONCE = 4000
    BYTES_AT_ONCE = 1 << 24

    def __init__(self, costs: list[Node], specs: metrics.Specs):
        self.costs = costs
        self.specs = metrics.resolve(specs, costs)
        for name in {name for name, _, _ in self.specs} & {*COLUMNS} - {"accuracy"}:
            raise GraphError(f"a metric can't go by {name!r}, which the history has already: metrics.Mean(f, 'name')")
        self.judges: list[tuple[str, Node, metrics.Metric]] | None = None
        self.guessed = False
        """Whether the first judge is one that nobody asked for: accuracy, as the targets so far name classes."""
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.n = 0
        self.total = 0.0
        self._held = self._room = self._first = 0
        self._shelves: list[tuple[int, Array]] = []
        for _, _, metric in self.judges or ():
            metric.clear()

    def add(self, outputs: Any, m: int) -> bool:
        """Take in a batch, of all nodes' outputs by id; whether there were enough answers to judge them now."""
        start, end = self._held, self._held + m
        if end > self._room:
            self._judge()
            self._make_room(outputs, m)
            start, end = 0, m
        for k, shelf in self._shelves:
            shelf[start:end] = outputs[k]
        self._held = end
        if end < self._enough:
            return False
        self._judge()
        return True

    def _make_room(self, outputs: Any, m: int) -> None:
        """Room for enough batches of m examples: for C_x of each cost, then for outputs and targets of those judged."""
        if self.judges is None:
            self.judges = [*self._accuracy(outputs), *self.specs]
        self._judged = list({node: None for _, node, _ in self.judges})
        self._first = m
        answers = [source.id for node in self._judged for source in (node.inputs[0], target_of(node))]
        example = sum(outputs[k][0].nbytes for k in answers)
        self._enough = min(self.JUDGED_AT_ONCE, self.BYTES_AT_ONCE // (example or 1))
        self._room = max(self._enough - 1, 0) + m
        for k in (*(node.id for node in self.costs), *answers):
            self._shelves.append((k, np.empty((self._room, *outputs[k].shape[1:]), outputs[k].dtype)))

    def score(self) -> Score:
        """The means so far."""
        self._judge()
        found = {name: metric.value() for name, _, metric in self.judges or ()}
        return Score(self.total / self.n, found.get("accuracy"), {k: v for k, v in found.items() if k != "accuracy"})

    def merge(self, other: Tally) -> None:
        """Take in what another, of the same costs, has taken in."""
        for tally in (self, other):
            tally._judge()
        if not other.n:
            return
        if not self.n:
            self.judges, self.guessed = other.judges, other.guessed
        else:
            mine, its = list(self.judges or ()), list(other.judges or ())
            if self.guessed > other.guessed:  # what names classes here doesn't there
                self.guessed = False
                del mine[0]
            for (*_, metric), (*_, more) in zip(mine, its[len(its) - len(mine) :], strict=True):
                cast(metrics.Mergeable, metric).merge(more)
            self.judges = mine
        self.n, self.total = self.n + other.n, self.total + other.total

    def state(self) -> dict[str, Any]:
        """All that it took in, as `restore` takes it; raises GraphError for a metric without attributes to keep."""
        judges = self.specs if self.judges is None else self.judges
        return {
            "n": self.n,
            "total": self.total,
            "guessed": judges[0][1].name if self.guessed else None,
            "metrics": [_state(name, metric) for name, _, metric in judges],
            "first": self._first,
            "held": {k: shelf[: self._held] for k, shelf in self._shelves} if self._held else {},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from there; raises FileError for the state of another tally."""
        self.guessed = state["guessed"] is not None
        guess = [node for node in self.costs if node.name == state["guessed"] and cast(Cost, node.layer).takes_target]
        if len(guess) != self.guessed:
            raise FileError(f"it judges by a cost {state['guessed']!r:.80}")
        self.judges = [("accuracy", node, metrics.Accuracy(cast(Cost, node.layer))) for node in guess]
        self.judges += self.specs
        for (_, _, metric), attributes in zip(self.judges, state["metrics"], strict=True):
            check_attributes(metric, attributes["kept"])
            scalars = {key: attributes["kept"][key][()] for key in attributes["scalars"]}
            vars(metric).update(attributes["kept"] | scalars)
        held = len(next(iter(state["held"].values()))) if state["held"] else 0
        if not is_whole(state["n"]) or state["n"] < 0 or state["n"] + held < 1 or not is_real(state["total"]):
            raise FileError(f"it has costs of {state['n']!r:.80} examples, {state['total']!r:.80}")
        self.n, self.total = state["n"], float(state["total"])
        self._held, self._room, self._shelves = 0, 0, []
        if held:
            if not is_whole(state["first"]) or not 0 < state["first"] <= held:
                raise FileError(f"it has {held} answers, of which the first {state['first']!r:.80}")
            nodes = {node.id: node for cost in self.costs for node in (cost, *cost.inputs)}
            for k, array in state["held"].items():
                if array.shape != (held, *nodes[k].shape) or array.dtype != nodes[k].dtype:
                    raise FileError(f"it has no {held} answers of {nodes[k].name!r}")
            self._make_room(state["held"], state["first"])
            for k, shelf in self._shelves:
                shelf[:held] = state["held"][k]
            self._held = held
            answers = self._answers()
            for place, (_, node, metric) in enumerate(self.judges):  # answers that are none are to be known now
                if place or not self.guessed or cast(Cost, node.layer).names_classes(answers[node][1]):
                    deepcopy(metric).add(*answers[node])

    def _answers(self) -> dict[Node, tuple[Array, Array]]:
        """Outputs and targets held, by the cost that judges them."""
        n, held = len(self.costs), [shelf[: self._held] for _, shelf in self._shelves]
        return dict(zip(self._judged, zip(held[n::2], held[n + 1 :: 2], strict=True), strict=True))

    def _accuracy(self, outputs: Any) -> list[tuple[str, Node, metrics.Metric]]:
        """Accuracy, if exactly one cost has targets that name classes and nobody asked for it."""
        found = [
            (node, metrics.of_cost(node, outputs[target_of(node).id]))
            for node in self.costs
            if cast(Cost, node.layer).takes_target
        ]
        judged: list[tuple[str, Node, metrics.Metric]]
        judged = [("accuracy", node, metric) for node, metric in found if metric is not None]
        asked = any(name == "accuracy" for name, _, _ in self.specs)
        self.guessed = len(judged) == 1 and not asked
        return judged if self.guessed else []

    def _judge(self) -> None:
        if not self._held:
            return
        answers, costs = self._answers(), [shelf[: self._held] for _, shelf in self._shelves[: len(self.costs)]]
        self.total += sum(float(np.add.reduce(cost, dtype=np.float64)) for cost in costs)
        self.n += self._held
        self._held, self._room, self._shelves = 0, 0, []  # metrics may keep what they are handed
        judges = self.judges or []
        if self.guessed:
            _, node, guess = judges[0]
            if cast(Cost, node.layer).names_classes(answers[node][1]):
                cast(metrics.Accuracy, guess).count_right(*answers[node])
            else:
                self.guessed = False
                del judges[0]
        for _, node, metric in judges[self.guessed :]:
            metric.add(*answers[node])


def _state(name: str, metric: metrics.Metric) -> dict[str, Any]:
    """What a metric has gathered: its attributes, but for functions and layers, which it had from the start."""
    try:
        attributes = vars(metric)
    except TypeError:
        raise GraphError(f"metric {name!r} has no attributes that a checkpoint could keep") from None
    kept = {key: value for key, value in attributes.items() if not callable(value) and not isinstance(value, Layer)}
    scalars = [key for key, value in kept.items() if isinstance(value, np.generic)]
    return {"kept": kept | {key: np.asarray(kept[key]) for key in scalars}, "scalars": scalars}


def check_attributes(thing: Any, kept: Any) -> None:
    """Raise FileError for what can't have been an object's attributes: methods among them, no numbers for numbers."""
    for name, value in kept.items():
        there = getattr(thing, name, None)
        fine = is_real(value) or isinstance(value, np.ndarray) if is_real(there) else not callable(value)
        if callable(there) or not fine:
            raise FileError(f"{type(thing).__name__} has no {name!r:.80} like {value!r:.80}")


def target_of(node: Node) -> Node:
    """The input of a cost node that is its target."""
    return node.inputs[cast(Cost, node.layer).judged]
