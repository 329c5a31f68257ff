"""Plan: which nodes a forward sweep runs, in which order, and the Params they use."""

from __future__ import annotations

from typing import Any
from warnings import warn

from .caller import user_frame
from .costs import Cost
from .errors import FeedError, GraphError, GraphWarning
from .graph import Graph
from .layer import Input, Layer
from .param import Param, last_change, moment
from .schedule import ancestors, topological


class Plan:
    """The nodes that the wanted ones depend on (all, if none are named), inputs first, in topological order."""

    def __init__(self, graph: Graph, until: Any, training: bool):
        wanted = graph.resolve(until)
        if until is not None and not wanted:
            raise GraphError("until is an empty list: leave it out to run everything, or name a node")
        active = ancestors(wanted) if wanted else set(graph.nodes)
        order = [node for node in topological(graph.nodes) if node in active]
        self.asked = (graph.edition, Layer.edition, until, training)
        """What the plan depends on: when this is the same, so is the plan."""
        self.cuts = graph.cuts
        self.dtype = graph.dtype
        self.training = training
        self.recomputed = graph.recomputed
        self.order = sorted(order, key=lambda node: not isinstance(node.layer, Input))
        self.inputs = [node for node in order if isinstance(node.layer, Input)]
        self.costs = [node for node in order if isinstance(node.layer, Cost)]
        self.params = self.params_now()

    def params_now(self) -> list[Param]:
        """The distinct Params of the layers as they are now."""
        return list({param: None for node in self.order for param in node.layer.params.values()})

    def weights(self, closely: bool) -> Any:
        """What `changed` needs to know of the Params as they are now; looking closely, checksums of their elements."""
        return [param.fingerprint() for param in self.params] if closely else moment()

    def changed(self, weights: Any) -> list[Param]:
        """The Params that changed since."""
        if isinstance(weights, int):
            if weights > last_change():
                return []
            return [param for param in self.params if param.version > weights]
        return [param for param, before in zip(self.params, weights, strict=True) if param.fingerprint() != before]


def check_feeds(graph: Graph, feeds: Any, until: Any) -> None:
    """Raise FeedError for missing or unknown feeds, GraphError for an empty graph; warn once of what does nothing."""
    for problem in graph.validate(feeds, until):
        if problem.kind.endswith("feed"):
            raise FeedError(problem.message)
        if problem.kind == "empty graph":
            raise GraphError(problem.message)
        if graph.warned != graph.edition:
            warn(problem.message, GraphWarning, stacklevel=user_frame()[1])
    graph.warned = graph.edition
