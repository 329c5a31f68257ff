"""What there is to judge: the arrays that a run has computed so far, with a row for each example."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

from ..costs import Cost, Penalty
from ..layer import Layer, Node
from ..layers import Conv2D, ConvTranspose2D, Dense
from ..measures import rms
from ..param import Array, Param
from ..record import Record
from ..results import Results
from ..views import error_state
from ..wiring import Edge


class Size(NamedTuple):
    """How large an array is: the root mean square of its elements, and how many there are for each example."""

    rms: float
    elements: int


class Seen:
    """The part of a run that is computed: nodes in forward order, and those that an error came back to."""

    def __init__(self, run: Results):
        sweep = run.kept()
        self.run = run
        self.m = sweep.m
        self.nodes = sweep.plan.order[: run.forward_done]
        """In the order in which they were computed."""
        self.unfinished = run.forward_done < len(sweep.plan.order)
        self.returned: list[Node] = []
        """The nodes whose error is computed, in the order of the backward sweep."""
        self.errors: dict[Node, Array] = {}
        """What arrived at each of them, (m, …)."""
        self.interrupted = False
        if run.backward_done >= 0:
            self.returned = list(run.swept_back().place)[: run.backward_done]
            self.errors = {node: sweep.records[node].error for node in self.returned}
            self.interrupted = run.backward_done < len(run.swept_back().place)
        self.names = {param: name for name, param in run.graph.params.items()}

    def record(self, node: Node) -> Record:
        """What the node's layer left, with a row for each example also where there is one."""
        return self.run.swept().records[node]

    def output(self, node: Node) -> Array:
        """What went forward from a node, (m, …)."""
        return self.run.swept().outputs[node.id]  # type: ignore[no-any-return]

    def back(self, edge: Edge) -> Array | None:
        """What came back along an edge, (m, …), if it is computed."""
        if self.run.backward_done < 0 or error_state(self.run, edge.target, edge.slot) != "computed":
            return None
        return self.run.swept_back().edge(edge.target, edge.slot)

    def size(self, array: Array) -> Size:
        """The size of an array with a row for each example."""
        return Size(rms(array), array.size // self.m)

    def gradient(self, param: Param) -> Array | None:
        """∂C/∂Param, if all that adds to it is computed."""
        if self.run.backward_done < 0:
            return None
        uses = self.run.swept_back().uses.get(param, [])
        computed = uses and all(error_state(self.run, node) == "computed" for node in uses)
        return self.run.grad(param) if computed else None

    @cached_property
    def depth(self) -> dict[Node, int]:
        """How many layers with weights stand on the longest path from the inputs to a node, the node's own counted.

        Weights are Params of two axes or more: layers that only shift and scale, as norms do, are no depth.
        """
        depth: dict[Node, int] = {}
        for node in self.nodes:
            depth[node] = max((depth[source] for source in node.inputs), default=0) + bool(matrices(node.layer))
        return depth

    @cached_property
    def unit_axis(self) -> dict[Node, int]:
        """Along which axis of a node's output its units lie: 1 for the channels of convolutions, else the last."""
        axis: dict[Node, int] = {}
        for node in self.nodes:
            before = node.inputs[0] if node.inputs else None
            if isinstance(node.layer, Conv2D | ConvTranspose2D):
                axis[node] = 1
            elif before is None:
                axis[node] = 1 if len(node.shape) == 3 else -1
            else:
                keeps = len(before.shape) == len(node.shape) > 1 and not isinstance(node.layer, Dense)
                axis[node] = axis[before] if keeps else -1
        return axis

    @cached_property
    def uses(self) -> list[list[Node]]:
        """The computed nodes without costs and inputs, those that share a layer with Params together."""
        groups: dict[Any, list[Node]] = {}
        for node in self.nodes:
            if node.inputs and not isinstance(node.layer, Cost):
                groups.setdefault(node.layer if node.layer.params else node, []).append(node)
        return list(groups.values())


def matrices(layer: Layer) -> list[Param]:
    """The weights of a layer: its Params of two axes or more."""
    return [] if isinstance(layer, Penalty) else [param for param in layer.params.values() if len(param.shape) > 1]
