"""What a drawing shows of a graph: how much of each node, which part, and what stands for many nodes."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from typing import Any

from ..errors import GraphError
from ..graph import Graph
from ..layer import Node
from ..numbers import is_whole

DETAILS = ("name", "shapes", "full", "symbols")
DIRECTIONS = {"right": "LR", "down": "TB", "left": "RL", "up": "BT"}


@dataclass(frozen=True)
class View:
    """What a drawing shows: the options of `g.picture`, `g.draw`, `run.picture`, `run.draw` and `run.explore`.

    `detail` is what a box says: "name", "shapes" (the layer and its shapes, too), "full" (also hyper-parameters and
    Params, with frozen and shared ones marked) or "symbols" (the book's letters, with l where it is unambiguous).

    `depth` draws blocks that lie deeper as one box each: 0 all blocks, 1 those inside of blocks. `collapse` does so
    with the blocks that a name, a pattern or several of these mean: "enc" or "enc/*" all that is in enc, "layer_*" each
    of those. `fold` draws what is repeated only once, marked ×N: blocks, or runs of nodes, that are alike and follow
    each other. `merge` draws all uses of a layer with Params as one box.

    `around`, a node or several, by name, pattern, block or type of layer, shows them and what is up to `radius` edges
    away; `between`, two such, what lies on the paths from one to the other. What was left out is marked where it
    begins.

    `direction` is "right", "down", "left" or "up"; None lets short networks run right and deep ones down. Without
    `title` and `legend` a drawing is bare, for a paper, whose caption says the rest.

    Of gradient flows, `numbers` says whether lines bear their numbers (None: where there are not many), and `findings`
    whether what `run.diagnose()` finds is marked. Raises GraphError for values that mean nothing.
    """

    detail: str = "full"
    depth: int | None = None
    collapse: str | Iterable[str] = ()
    fold: bool = False
    merge: bool = False
    around: Any = None
    radius: int = 1
    between: tuple[Any, Any] | None = None
    direction: str | None = None
    numbers: bool | None = None
    findings: bool = True
    title: bool = True
    legend: bool = True

    def __post_init__(self) -> None:
        for name, choices in (("detail", DETAILS), ("direction", (None, *DIRECTIONS))):
            value = getattr(self, name)
            if not isinstance(value, str | None) or value not in choices:
                raise GraphError(f"{name} is one of {', '.join(map(repr, choices))}, got {value!r}")
        for name in ("depth", "radius"):
            value = getattr(self, name)
            if not (name == "depth" and value is None) and (not is_whole(value) or value < 0):
                raise GraphError(f"{name} is a whole number of 0 or more, got {value!r}")
        for name in ("fold", "merge", "findings", "title", "legend"):
            if not isinstance(getattr(self, name), bool):
                raise GraphError(f"{name} is True or False, got {getattr(self, name)!r}")
        if not isinstance(self.numbers, bool | None):
            raise GraphError(f"numbers is True, False or None, got {self.numbers!r}")
        patterns = _several(self.collapse)
        if not all(isinstance(pattern, str) for pattern in patterns):
            raise GraphError(f"collapse takes names or patterns of blocks, got {self.collapse!r}")
        object.__setattr__(self, "collapse", patterns)
        if self.around is not None:
            object.__setattr__(self, "around", _several(self.around))
        if self.between is not None:
            if not isinstance(self.between, tuple) or len(self.between) != 2:
                raise GraphError(f"between takes a pair, (from, to), got {self.between!r}")
            object.__setattr__(self, "between", tuple(map(_several, self.between)))
        if self.between is not None and self.around is not None:
            raise GraphError("a part is drawn by around= or by between=, not by both")


def view_of(options: dict[str, Any]) -> View:
    """A View with these options; raises GraphError, with those that come near, for one that there isn't."""
    known = [field.name for field in fields(View)]
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known)
            hint = f"did you mean {' or '.join(near)}?" if near else f"they are {', '.join(known)}"
            raise GraphError(f"drawings have no option {name!r}: {hint}")
    return View(**options)


Path = tuple[str, ...]


def blocks_meant(graph: Graph, pattern: str) -> set[Path]:
    """The blocks that a name or a pattern means, as paths; raises GraphError with those that there are for none."""
    named = _blocks(graph)
    found = _matching(named, pattern.removesuffix("/*")) or _matching(named, pattern)
    if not found:
        there = ", ".join(map(repr, list(named.values())[:10])) or "none"
        raise GraphError(f"no block of graph {graph.name!r} is meant by collapse={pattern!r}: there are {there}")
    return found


def nodes_meant(graph: Graph, several: Iterable[Any], option: str) -> list[Node]:
    """The nodes that names, patterns, blocks, types of layers or nodes mean; raises GraphError for one without any."""
    named, found = _blocks(graph), dict[Node, None]()
    for what in several:
        if isinstance(what, str) and what not in graph:
            blocks = _matching(named, what.removesuffix("/*"))
            nodes = [n for n in graph.nodes if any(n.block[: len(path)] == path for path in blocks)] or graph.find(what)
        else:
            nodes = graph.find(what) if isinstance(what, type) else [graph[what]]
        if not nodes:
            nodes = [graph[what]]  # raises, with names that come near
        found.update(dict.fromkeys(nodes))
    if not found:
        raise GraphError(f"{option} names no node: leave it out to draw all")
    return list(found)


def _several(what: Any) -> tuple[Any, ...]:
    """One or several as a tuple, which can be gone through again."""
    if isinstance(what, str | Node | type) or not isinstance(what, Iterable):
        return (what,)
    return tuple(what)


def _blocks(graph: Graph) -> dict[Path, str]:
    """The paths of all blocks, with their names."""
    return {node.block[:k]: "/".join(node.block[:k]) for node in graph.nodes for k in range(1, len(node.block) + 1)}


def _matching(named: dict[Path, str], pattern: str) -> set[Path]:
    return {path for path, name in named.items() if name == pattern or fnmatchcase(name, pattern)}
