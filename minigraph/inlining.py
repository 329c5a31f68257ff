"""Graphs as blocks of other graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .caller import user_line
from .errors import GraphError, ShapeError
from .layer import Node
from .names import snake

if TYPE_CHECKING:
    from .graph import Graph


def inline(block: Graph, graph: Graph, inputs: Sequence[Node], name: str | None) -> Any:
    """Add a block's nodes to a graph under `name/…`, behind the given nodes; layers, and so Params, are shared.

    Costs and their targets stay outside. Returns the block's output node, or a tuple of them. Nothing is added when it
    fails. Raises GraphError for a wrong number of inputs or another dtype, ShapeError for wrong shapes.
    """
    if block is graph:
        raise GraphError(f"graph {graph.name!r} can't be a block of itself: add a copy, g.copy() (at {user_line()})")
    takes, outputs, aside = block.free_inputs, block.outputs, block.aside
    prefix = graph.names.claim(name) if name is not None else graph.names.unique(snake(block.name))
    line = user_line()
    where = f"block {prefix!r} (graph {block.name!r}, added at {line})"
    if len(takes) != len(inputs):
        names = ", ".join(repr(node.name) for node in takes)
        raise GraphError(f"{where} takes {len(takes)} input{'s' * (len(takes) != 1)} ({names}), got {len(inputs)}")
    if not outputs or not aside.isdisjoint(outputs):
        raise GraphError(f"{where} has no output but behind its costs, which stay outside: name one, g.output(…)")
    if block.dtype != graph.dtype:
        remedy = f"add a copy in its dtype, copy({graph.dtype.name!r})"
        raise GraphError(f"{where} computes in {block.dtype}, but graph {graph.name!r} in {graph.dtype}: {remedy}")
    for inner, outer in zip(takes, inputs, strict=True):
        if (inner.shape, inner.dtype) != (outer.shape, outer.dtype):
            raise ShapeError(
                f"{where} takes samples of shape {inner.shape} {inner.dtype} as {inner.name!r}, "
                f"got {outer.name!r} of shape {outer.shape} {outer.dtype}: put Reshape or Dense between"
            )
    graph.names.nodes[prefix] = None
    stands_for = dict(zip(takes, inputs, strict=True))
    for node in block.nodes:
        if node not in aside and node not in stands_for:
            stands_for[node] = graph.append(
                node.layer,
                graph.names.unique(f"{prefix}/{node.name}"),
                tuple(stands_for[source] for source in node.inputs),
                node.shape,
                node.dtype,
                (prefix, *node.block),
                line,
            )
    graph.recomputed |= {(prefix, *path) for path in block.recomputed}
    results = tuple(stands_for[node] for node in outputs)
    return results[0] if len(results) == 1 else results
