"""What a drawing is put together from: boxes, lines between them, frames around them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..layer import Node
from ..param import Param
from ..wiring import Edge


@dataclass(eq=False)
class Box:
    """What a drawing shows as one: a node, a block as a whole, all uses of a layer, or such that are alike."""

    units: list[list[Node]]
    """The nodes of each repetition; of what is no repetition, all its nodes, once."""
    path: tuple[str, ...]
    """The blocks it stands in."""
    block: str | None = None
    """The block's name, where it stands for a block."""
    repeated: int = 1
    """How often the box itself is repeated; `times` counts repetitions of the blocks around it, too."""
    last: str = ""
    """The name of its last repetition."""
    shared: bool = False
    """Whether all its repetitions have the same Params."""
    chained: bool = True
    """Whether its repetitions follow each other; else they stand side by side."""

    @property
    def nodes(self) -> list[Node]:
        """All that it stands for; the first is the one whose place it has."""
        return self.units[0] if len(self.units) == 1 else [node for unit in self.units for node in unit]

    @property
    def first(self) -> Node:
        """The node whose place it has."""
        return self.units[0][0]

    @property
    def name(self) -> str:
        """The name of its block, or else of its first node."""
        return self.first.name if self.block is None else self.block

    @property
    def id(self) -> str:
        """Its id in DOT and SVG: that of its first node."""
        return f"n{self.first.id}"

    @property
    def times(self) -> int:
        """How many repetitions it stands for."""
        return len(self.units)

    @property
    def node(self) -> Node | None:
        """The node, where it stands for only one."""
        return self.first if len(self.units) == len(self.units[0]) == 1 else None

    @property
    def is_merged(self) -> bool:
        """Whether it stands for several uses of one layer."""
        return self.block is None and len(self.units[0]) > 1

    @property
    def params(self) -> list[Param]:
        """The distinct Params of its nodes."""
        return list({param: None for node in self.nodes for param in node.layer.params.values()})


@dataclass(eq=False)
class Line:
    """One or more edges of the graph, drawn as one: the same value, or the same edge of repetitions."""

    source: Box
    target: Box
    edges: list[Edge]
    leaving: int = 1
    """From how many repetitions it leads out of them."""

    @property
    def id(self) -> str:
        """Its id in DOT and SVG: source, target and slot of its first edge."""
        source, target, slot = self.edges[0]
        return f"e{source.id}-{target.id}-{slot}"


@dataclass(eq=False)
class Frame:
    """A block, or a run of repetitions, with what is drawn inside."""

    path: tuple[str, ...]
    entries: list[Box | Frame] = field(default_factory=list)
    title: str | None = None
    """The block's name; None for a run of nodes, and for the drawing as a whole."""
    last: str | None = None
    """The title of its last repetition."""
    times: int = 1
    shared: bool = False
    """Whether all repetitions have the same Params."""
    chained: bool = True
    """Whether repetitions follow each other; else they stand side by side."""
    carried: list[tuple[Node, Node]] = field(default_factory=list)
    """Which nodes hand a value to which of the next repetition."""

    def boxes(self) -> Iterator[Box]:
        """All boxes in it, in order."""
        path = [iter(self.entries)]
        while path:
            entry = next(path[-1], None)
            if entry is None:
                path.pop()
            elif isinstance(entry, Frame):
                path.append(iter(entry.entries))
            else:
                yield entry

    def frames(self) -> list[Frame]:
        """All frames in it, itself first."""
        found = [self]
        for frame in found:
            found += [entry for entry in frame.entries if isinstance(entry, Frame)]
        return found
