"""Block: what stands for several nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .layer import Node, graph_of


class Block:
    """Something that stands for several nodes: `graph.add` has it put them there."""

    name: str

    def inline(self, graph: Any, inputs: Sequence[Node], name: str | None) -> Any:
        """Add nodes to a graph behind the given ones; return the node, or the tuple of nodes, with the results."""
        raise NotImplementedError(f"{type(self).__name__} has no inline(self, graph, inputs, name)")

    def __call__(self, *nodes: Node, name: str | None = None) -> Any:
        """Put the block behind nodes of a graph: the short way to write `graph.add(block, *nodes)`."""
        return graph_of(nodes, f"{type(self).__name__.lower()} {self.name!r}").add(self, *nodes, name=name)

    def __rrshift__(self, nodes: Sequence[Node]) -> Any:
        """`(u, v) >> block`: the same as block(u, v)."""
        return self(*nodes)
