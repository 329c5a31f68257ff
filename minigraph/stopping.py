"""Early stopping: when training has gone on long enough, and the weights it is to leave behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import GraphError
from .graph import Graph
from .numbers import is_real, is_whole
from .param import Array


@dataclass
class EarlyStopping:
    """End training when a number hasn't become better for some epochs, and put the best weights back.

    `watch` is a column of the history, "validation_cost" unless named. Costs are better when they fall, everything else
    when it grows, each by more than `margin`; NaN is never better. Running statistics are put back with the weights. An
    edit of the graph begins a new search for the best.
    """

    patience: int = 10
    watch: str = "validation_cost"
    margin: float = 0.0

    def __post_init__(self) -> None:
        if not is_whole(self.patience) or self.patience < 1:
            raise GraphError(
                f"EarlyStopping takes a positive whole number of epochs as patience, got {self.patience!r}"
            )
        if not isinstance(self.watch, str):
            raise GraphError(f"EarlyStopping takes the name of a column as watch, got {self.watch!r}")
        if not is_real(self.margin) or not 0 <= self.margin < np.inf:
            raise GraphError(f"EarlyStopping takes a finite margin of 0 or more, got {self.margin!r}")


class Best:
    """The best epoch so far, with the weights it had."""

    def __init__(self, graph: Graph, stopping: EarlyStopping):
        self.graph = graph
        self.stopping = stopping
        self.falls = stopping.watch.endswith("cost")
        self._begin()

    def _begin(self) -> None:
        self.cuts = self.graph.cuts
        self.value = np.inf if self.falls else -np.inf
        self.since = 0
        self.kept: list[tuple[Any, Any]] = []
        self.statistics: list[tuple[Any, dict[str, Array]]] = []

    def has_enough(self, value: float) -> bool:
        """Take in an epoch's number; whether there was nothing better for as long as patience goes."""
        if self.cuts != self.graph.cuts:  # what was best then is of another network
            self._begin()
        if np.isnan(value) and np.isinf(self.value):
            raise GraphError(f"{self.stopping.watch!r} was not measured, or is NaN: there is nothing to stop by")
        gain = self.value - value if self.falls else value - self.value
        if gain > self.stopping.margin:
            self.value, self.since = value, 0
            self.kept = [(p, p.value.copy()) for p in self.graph.params.values()]
            self.statistics = [
                (layer, {name: getattr(layer, name).copy() for name in layer.statistics})
                for layer in dict.fromkeys(node.layer for node in self.graph.nodes if node.layer.statistics)
            ]
        else:
            self.since += 1
        return self.since >= self.stopping.patience

    def state(self) -> dict[str, Any]:
        """The best so far, as `go_on` takes it."""
        if self.cuts != self.graph.cuts:
            self._begin()
        return {"value": self.value, "since": self.since, "kept": dict(self.kept), "statistics": dict(self.statistics)}

    def go_on(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.cuts, self.value, self.since = self.graph.cuts, state["value"], state["since"]
        self.kept, self.statistics = list(state["kept"].items()), list(state["statistics"].items())

    def restore(self) -> None:
        """Put the best weights back."""
        for param, value in self.kept:
            param.value = value
        for layer, arrays in self.statistics:
            for name, array in arrays.items():
                setattr(layer, name, array)
