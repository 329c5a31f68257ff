"""The table of a graph: one row a node, then totals."""

from __future__ import annotations

from .costs import Cost, Penalty
from .graph import Graph
from .layer import Input, Node
from .param import Param
from .schedule import levels

HEADER = ("l", "name", "layer", "in → out", "params", "shared with")
SHOWN = 3
"""How many of the other uses of a layer are named."""
MOST = 4
"""Beyond so many inputs they are counted: the shapes of all would make every row of the table as wide."""


def table(graph: Graph) -> str:
    """l, name, layer, shapes in and out, Params, with whom they are shared; totals; n, L and the costs."""
    level, targets, users = levels(graph.nodes), set(graph.targets), _users(graph)
    rows = [HEADER]
    for node in graph.nodes:
        aside = isinstance(node.layer, Cost) or node in targets
        shared = _shared_with(node, users)
        count = sum(param.size for param in set(node.layer.params.values()))
        frozen = " frozen" if count and node.layer.frozen else ""
        of = "of " if isinstance(node.layer, Penalty) else ""
        rows.append(
            (
                "" if aside else str(level[node]),
                one_line(node.name),
                kind_of(node, node in targets),
                shapes_of(node),
                f"{of}{count:,}{frozen}" if count else "",
                shared,
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADER))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    rule = "─" * max(map(len, lines))
    return "\n".join(
        [
            f"{one_line(graph.name)} ({graph.dtype})",
            lines[0],
            rule,
            *lines[1:],
            rule,
            _totals(graph, max(level.values(), default=0)),
        ]
    )


def printable(text: str) -> str:
    """The text with escapes for what can't be printed."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def one_line(name: str) -> str:
    """A name fit for a line: what can't be printed is written as an escape, and a long one is cut."""
    text = printable(name)
    return text if len(text) <= 60 else f"{text[:59]}…"


def kind_of(node: Node, is_target: bool) -> str:
    """What a node is, in a few words: input, target, or its layer."""
    if isinstance(node.layer, Input):
        return ("target" if is_target else "input") + (" (integers)" if node.dtype.kind == "i" else "")
    return node.layer.describe()


def shapes_of(node: Node) -> str:
    """Sample shapes in and out: "12 → 6", "6 + 6 → 12", "200 inputs → 6"."""
    out = shape_text(node.shape)
    if len(node.inputs) > MOST:
        return f"{len(node.inputs)} inputs → {out}"
    return f"{' + '.join(shape_text(source.shape) for source in node.inputs)} → {out}" if node.inputs else out


def shape_text(shape: tuple[int, ...]) -> str:
    """A sample shape in a few letters: 28×28, or 1 for single numbers."""
    return "×".join(map(str, shape)) or "1"


def _shared_with(node: Node, users: dict[Param, list[Node]]) -> str:
    params = () if isinstance(node.layer, Penalty) else node.layer.params.values()
    uses: list[Node] = max((users[param] for param in params), key=len, default=[])
    named = [one_line(other.name) for other in uses[: SHOWN + 1] if other is not node][:SHOWN]
    more = len(uses) - 1 - len(named)
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")


def _users(graph: Graph) -> dict[Param, list[Node]]:
    users: dict[Param, list[Node]] = {}
    for node in graph.nodes:
        for param in () if isinstance(node.layer, Penalty) else dict.fromkeys(node.layer.params.values()):
            users.setdefault(param, []).append(node)
    return users


def _totals(graph: Graph, depth: int) -> str:
    total = sum(param.size for param in graph.params.values())
    trained = {p for node in graph.nodes if not node.layer.frozen for p in node.layer.params.values()}
    frozen = total - sum(param.size for param in trained)
    costs = ", ".join(f"{one_line(node.name)} ({type(node.layer).__name__})" for node in graph.costs) or "none"
    return (
        f"{len(graph.nodes)} nodes, {len(graph.edges)} edges, L = {depth}; "
        f"{total:,} parameters{f', {frozen:,} of them frozen' if frozen else ''}; cost: {costs}"
    )
