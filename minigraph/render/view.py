"""What a drawing shows of a graph: how much of each node, which part, and what stands for many nodes."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from ..errors import GraphError
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
    each other. `merge` draws all uses of a layer as one box.

    `around`, a node or several, shows them and what is up to `radius` edges away; `between`, two nodes or groups of
    nodes, what lies on the paths from one to the other. What was left out is marked where it begins.

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
    around: Node | str | Iterable[Node | str] | None = None
    radius: int = 1
    between: tuple[Any, Any] | None = None
    direction: str | None = None
    numbers: bool | None = None
    findings: bool = True
    title: bool = True
    legend: bool = True

    def __post_init__(self) -> None:
        if self.detail not in DETAILS:
            raise GraphError(f"detail is one of {', '.join(map(repr, DETAILS))}, got {self.detail!r}")
        if self.direction is not None and self.direction not in DIRECTIONS:
            raise GraphError(f"direction is one of {', '.join(map(repr, DIRECTIONS))}, or None, got {self.direction!r}")
        for name in ("depth", "radius"):
            value = getattr(self, name)
            if not (name == "depth" and value is None) and (not is_whole(value) or value < 0):
                raise GraphError(f"{name} is a whole number of 0 or more, got {value!r}")
        for name in ("fold", "merge", "findings", "title", "legend"):
            if not isinstance(getattr(self, name), bool):
                raise GraphError(f"{name} is True or False, got {getattr(self, name)!r}")
        if self.numbers not in (None, True, False):
            raise GraphError(f"numbers is True, False or None, got {self.numbers!r}")
        if not all(isinstance(pattern, str) for pattern in self.patterns):
            raise GraphError(f"collapse takes names or patterns of blocks, got {self.collapse!r}")
        if self.between is not None and (not isinstance(self.between, tuple) or len(self.between) != 2):
            raise GraphError(f"between takes a pair, (from, to), got {self.between!r}")
        if self.between is not None and self.around is not None:
            raise GraphError("a part is drawn by around= or by between=, not by both")

    @property
    def patterns(self) -> tuple[str, ...]:
        """What `collapse` names."""
        return (self.collapse,) if isinstance(self.collapse, str) else tuple(self.collapse)


def view_of(options: dict[str, Any]) -> View:
    """A View with these options; raises GraphError, with those that come near, for one that there isn't."""
    known = [field.name for field in fields(View)]
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known)
            hint = f"did you mean {' or '.join(near)}?" if near else f"they are {', '.join(known)}"
            raise GraphError(f"drawings have no option {name!r}: {hint}")
    return View(**options)
