"""Inference: forward sweeps that hold an array from its first use to its last, and nothing after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .contract import blame, check_output
from .errors import StaleError
from .feeds import admit, batch_of
from .graph import Graph
from .layer import Node
from .param import Array, moment
from .plan import Plan
from .record import Clock, Record
from .schedule import last_uses
from .sweep import guarded


class Inference:
    """Computes some nodes of a graph, batch by batch: of a chain never more than a layer with its input is alive."""

    def __init__(self, graph: Graph, wanted: list[Node]):
        self.wanted = wanted
        self._plan = plan = Plan(graph, wanted, training=False)
        self._clock = Clock(graph.next_seed())
        self._over = last_uses(plan.order, set(wanted))

    def outputs(self, feeds: Mapping[str, ArrayLike]) -> dict[Node, Array]:
        """What the wanted nodes compute, examples as rows.

        Raises FeedError for feeds that don't fit, StaleError where another thread trains the graph meanwhile.
        """
        self._clock.sweep += 1
        began = moment()
        fed = {node: admit(node, feeds[node.name]) for node in self._plan.inputs}
        m, _ = batch_of(fed)
        alive: dict[Node, Any] = {node: array.reshape(m, *node.shape) for node, array in fed.items()}
        ones = np.ones(m, self._plan.dtype)
        for node in self._plan.order[len(alive) :]:
            at = Record(ones, False, self._clock, node.id)
            given = tuple([alive[source] for source in node.inputs])
            at.inputs = guarded(given) if self._clock.sweep == 1 else given
            try:
                alive[node] = node.layer.forward(at, *at.inputs)
            except Exception as fault:
                raise blame(node, "forward", fault) from fault
            check_output(node, alive[node], m)
            for source in self._over.get(node, ()):
                del alive[source]
        if changed := self._plan.changed(began):
            raise StaleError(
                f"{len(changed)} Params changed while they were in use: a graph is not trained in one thread while "
                "another computes with it: compute with a copy, made by g.copy() between two steps"
            )
        return {node: alive[node] for node in self.wanted}
