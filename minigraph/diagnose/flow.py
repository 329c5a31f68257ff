"""Gradients that vanish or explode on their way back, and activations that explode on their way forward."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..costs import Cost
from ..layer import Node
from ..layers import Cell, RNNCell
from ..measures import rms, shown
from ..wiring import Edge
from .findings import Finding, Kind, names_of, quoted
from .seen import Seen, Size
from .trends import Step, Trend, Trends

FALLING = 0.98
"""What a layer may make of a gradient. Without it noise would add up over many layers: 100 of tanh neurons, started as
Glorot and Bengio 2010 say, lose a factor of 10 to 100 in all."""
RISING = 1.05
"""What a layer may make of a gradient or an activation. Residual networks of 50 blocks of tanh neurons gain a factor of
5 to 40, less in each than in the one before (Yang and Schoenholz 2017)."""

VANISHING = (
    "relu with weights='he_normal', or tanh with 'glorot_uniform'; a residual connection, Add(), around every two "
    "layers; LayerNorm or BatchNorm between them"
)
VANISHING_IN_TIME = "an LSTM or a GRU instead of simple recurrent neurons; shorter sequences; a cost at every step"
VANISHING_PAST_GATES = (
    "biases with which the gates that keep the state start open, as 1 for an LSTM's forget gates; shorter sequences; a "
    "cost at every step"
)
EXPLODING = (
    "smaller initial weights ('glorot_uniform', for relu 'he_normal'); gradient clipping, clip_norm=1.0; LayerNorm or "
    "BatchNorm; a smaller lr"
)
EXPLODING_FORWARD = (
    "smaller initial weights ('glorot_uniform', for relu 'he_normal'); LayerNorm or BatchNorm; for a sum at the end of "
    "a residual branch, a smaller weight on the branch"
)


def gradients(seen: Seen) -> Iterator[Finding]:
    """Vanishing and exploding gradients: trends of ∂C_x/∂a along the edges that bring each node most of its error.

    What counts at a fork is the sum, which a node receives: where a skip carries the gradient past a branch, what the
    branch does to it is the branch's own affair.
    """
    nodes = [node for node in seen.returned if not isinstance(node.layer, Cost)]
    sizes = {node: seen.size(seen.record(node).error) for node in nodes}
    steps = {node: step for node in nodes if (step := _bringer(seen, node)) is not None}
    for trend in Trends(nodes, steps, sizes, seen.depth, FALLING):
        cell = next((edge.target.layer for edge in trend.edges if isinstance(edge.target.layer, Cell)), None)
        in_time = VANISHING_IN_TIME if isinstance(cell, RNNCell) else VANISHING_PAST_GATES
        yield _finding(seen, "vanishing", trend, sizes, VANISHING if cell is None else in_time)
    for trend in Trends(nodes, steps, sizes, seen.depth, RISING):
        yield _finding(seen, "exploding", trend, sizes, EXPLODING)


def _bringer(seen: Seen, node: Node) -> Step | None:
    """Along which edge most of a node's error came back; None where that is the cost, or given."""
    errand = seen.run.swept_back().errands[node]
    if errand.seeded:
        return None
    edges = [Edge(node, user, slot) for user, slot in errand.sources]
    edge = edges[0] if len(edges) == 1 else max(edges, key=lambda edge: _rms_back(seen, edge))
    return None if isinstance(edge.target.layer, Cost) else Step(edge, edge.target)


def _rms_back(seen: Seen, edge: Edge) -> float:
    array = seen.back(edge)
    return 0.0 if array is None else rms(array)


def activations(seen: Seen) -> Iterator[Finding]:
    """Exploding activations: trends of a along the edges that bring each node the largest of its inputs."""
    nodes = [node for node in seen.nodes if not isinstance(node.layer, Cost) and node.dtype.kind == "f"]
    sizes = {node: seen.size(seen.output(node)) for node in nodes}
    steps = {}
    for node in nodes:
        edges = [
            Edge(source, node, slot)
            for slot, source in enumerate(node.inputs)
            if source in sizes and slot not in node.constant_inputs
        ]
        if edges:
            largest = max(edges, key=lambda edge: sizes[edge.source].rms)
            steps[node] = Step(largest, largest.source)
    for trend in Trends(nodes, steps, sizes, seen.depth, RISING):
        yield _finding(seen, "exploding activations", trend, sizes, EXPLODING_FORWARD)


def _finding(seen: Seen, kind: Kind, trend: Trend, sizes: Mapping[Node, Size], remedy: str) -> Finding:
    first, last, layers = sizes[trend.start].rms, sizes[trend.end].rms, max(trend.layers, 1)
    factor = (last / first) ** (1 / layers)
    forward = kind == "exploding activations"
    what = "activations grow" if forward else "the gradient shrinks" if kind == "vanishing" else "the gradient grows"
    begin, other = trend.edges[0][:2] if forward else trend.edges[0][1::-1]
    evidence = (
        f"{what} by a factor of {shown(factor)} a layer over {layers} layer{'s' * (layers > 1)}, from {shown(first)} "
        f"at {quoted(trend.start)} to {shown(last)} at {quoted(trend.end)} (root mean square per element); it begins "
        f"on the way from {quoted(begin)} to {quoted(other)}"
    )
    nodes = dict.fromkeys(node for edge in trend.edges for node in (edge[:2] if forward else edge[1::-1]))
    return Finding(
        kind,
        trend.start.name,
        evidence,
        remedy,
        {"factor": factor, "layers": layers, "first": first, "last": last, "end": trend.end.name},
        tuple(node.name for node in nodes),
        trend.edges,
        names_of((param for node in nodes for param in node.layer.params.values()), seen.names),
    )
