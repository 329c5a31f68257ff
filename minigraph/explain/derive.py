"""The derivation at one node of a run, as an Explanation."""

from __future__ import annotations

from typing import Any

from ..costs import Cost
from ..errors import GraphError
from ..layer import Node
from ..results import Results
from ..views import error_state, why_missing
from .explanation import Explanation
from .letters import Letters
from .node import error_blocks, lacking_blocks
from .origin import cost_blocks
from .params import param_blocks
from .sample import Sample
from .weight import Element


def explain(run: Results, node: Node | str, *, w: Any = None, b: Any = None, example: int = 0) -> Explanation:
    """The derivation of a node's error and gradients in four moves, with the numbers of one example of a run.

    The moves are the book's: define, expand by the chain rule, substitute, simplify. `w=(j, k)` explains one weight,
    `b=j` one bias, counted from 0. Gradients are also given as learning takes them, as means over the examples.

    Raises NotComputedError before `run.backward()`, GraphError for a node, an element or an example that there isn't
    and, for an element, what `run.grad` raises. Where a node has no error for another reason, the text says why.
    """
    found = run.ran(node)
    letters, sample = Letters(run.graph), Sample(run, example)
    if w is not None and b is not None:
        raise GraphError(f"explain takes w=(j, k) or b=j, not both, got w={w!r}, b={b!r}")
    if w is not None or b is not None:
        name, index = ("w", w) if b is None else ("b", b)
        return Explanation(Element(letters, sample, found, name, index).blocks())
    missing = why_missing(run, found, f"error of {found.name!r}")
    if missing is not None and error_state(run, found) == "not yet":
        raise missing
    if isinstance(found.layer, Cost):
        return Explanation(cost_blocks(letters, sample, found, str(missing or "")))
    if missing is not None:
        return Explanation(lacking_blocks(letters, sample, found, str(missing)))
    return Explanation(error_blocks(letters, sample, found) + param_blocks(letters, sample, found))
