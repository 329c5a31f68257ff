"""What the table of layers and costs says of each: its rows with their shapes, and a drawing of one of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import minigraph as mg
from minigraph.costs import Cost, Penalty
from minigraph.layer import Layer, Node
from minigraph.layers import Dense, Identity, Split
from minigraph.render.picture import Picture

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "tests"

THEMES = ("light", "dark")
BACK = (
    ", a batch of 4, with errors of root mean square 1 coming back. Along lines: the root mean square of the error; "
    "in boxes: norms of gradients."
)
COST = ", a batch of 4. Along lines: the root mean square of what goes back to the inputs."


@dataclass(frozen=True)
class Row:
    """One row: its name, the layer as one writes it, and shapes of samples by name."""

    name: str
    call: str
    inputs: tuple[str, ...]
    output: str
    params: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Shown:
    """A drawing in both themes, what is drawn, and how."""

    light: Picture
    dark: Picture
    call: str
    caption: str


@cache
def rows_of(kind: type) -> tuple[Row, ...]:
    """The rows of a class, the plainest first; none for those that others derive from."""
    return tuple(_row(case, case.node()) for case in _table().get(kind, ()))


def drawing(kind: type) -> Shown | None:
    """The gradient flow through the class's first row, or through an example of those that no row can hold."""
    found = next(_runs(kind), None)
    if found is None:
        return None
    said, caption, run = found
    return Shown(*(run.picture(title=False, legend=False, style=s, direction="right") for s in THEMES), said, caption)


def pytorch() -> dict[str, str]:
    """What the catalogue says each name is in PyTorch, where that is another name."""
    found: dict[str, str] = {}
    for line in (ROOT / "docs" / "catalogue.md").read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("| `") else []
        if len(cells) == 3 and cells[2]:
            names = [name.split("(")[0].strip(" `") for name in cells[0].split("`, `")]
            theirs = [name.strip() for name in cells[2].split(",")]
            if cells[2] == "the same":
                theirs = [""] * len(names)
            if len(names) == len(theirs) and "…" not in cells[2]:
                found.update(zip(names, theirs, strict=True))
    return {name: there for name, there in found.items() if there.isidentifier()}


def sources() -> list[Path]:
    """The files that the table is made of."""
    return sorted((TABLE / "cases").glob("*.py"))


@cache
def _table() -> dict[type, list[Any]]:
    if str(TABLE) not in sys.path:
        sys.path.append(str(TABLE))
    from cases import CASES

    found: dict[type, list[Any]] = {}
    for case in CASES:
        found.setdefault(type(case.make()), []).append(case)
    for kind, cases in found.items():
        cases.sort(key=lambda case: case.id != kind.__name__)  # the others stay in order
    return found


def _row(case: Any, node: Node) -> Row:
    params = tuple((name, _shape(p.shape)) for name, p in node.layer.params.items())
    return Row(case.id, call(node.layer), tuple(map(_shape, case.shapes)), _shape(node.shape), params)


def _shape(shape: tuple[int, ...]) -> str:
    return str(tuple(int(size) for size in shape))


def call(layer: Layer) -> str:
    """How one writes this layer: its class with what differs from the defaults."""
    said = []
    for field in fields(layer):
        value = getattr(layer, field.name, None) if field.init else None
        default = field.default if field.default_factory is MISSING else field.default_factory()
        if field.init and not _same(value, default):
            said.append(_text(value) if default is MISSING and not field.kw_only else f"{field.name}={_text(value)}")
    return f"{type(layer).__name__}({', '.join(said)})"


def _same(value: Any, default: Any) -> bool:
    if isinstance(value, tuple) and value and all(size == default for size in value):
        return True  # one number for all axes
    return value is default or (type(value) is type(default) and not isinstance(value, np.ndarray) and value == default)


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"array{_shape(value.shape)}"
    if isinstance(value, (list, tuple)):
        inner = ", ".join(map(_text, value)) + ("," if isinstance(value, tuple) and len(value) == 1 else "")
        return f"[{inner}]" if isinstance(value, list) else f"({inner})"
    if callable(value):
        return getattr(value, "__name__", str(value)).replace("<lambda>", "f")
    return repr(value)


# ---- drawings ----


def _runs(kind: type) -> Iterator[tuple[str, str, mg.Run]]:
    if issubclass(kind, Penalty) and kind is not Penalty:
        yield _penalty(kind)
    elif kind is Split:
        g = mg.Graph("Split", seed=11)
        parts = Split(2)(g.input("x", 4))
        feeds = {"x": np.random.default_rng(3).normal(size=(4, 4))}
        yield "Split(2)", BACK, _swept(g, feeds, list(parts))
    for case in _table().get(kind, ()):
        node = case.node()
        names = _letters(node, len(case.shapes))
        g = mg.Graph(kind.__name__, seed=11)
        drawn = case.inputs(np.random.default_rng(3), 4)
        inputs = [
            g.input(n, s, int if x.dtype.kind == "i" else None)
            for n, s, x in zip(names, case.shapes, drawn, strict=True)
        ]
        layer = case.make()
        use = g.add(layer, *inputs, name="C" if isinstance(layer, Cost) else "h")
        feeds = dict(zip(names, drawn, strict=True))
        yield call(layer), COST if isinstance(layer, Cost) else BACK, _swept(g, feeds, [use])


def _penalty(kind: type) -> tuple[str, str, mg.Run]:
    g = mg.Graph(kind.__name__, seed=11)
    g.add(Dense(3, name="h"), g.input("x", 4))
    g.cost(kind(0.1, "h.w"), name="C")
    run = g.forward(x=np.random.default_rng(3).normal(size=(4, 4))).backward()
    return f"{kind.__name__}(0.1, 'h.w')", " of a layer's weights: its gradient reaches them without an edge.", run


def _letters(node: Node, count: int) -> list[str]:
    """Names for inputs: the judged outputs a, the target y and the weights w of a cost; else x, or x1, x2 …"""
    if isinstance(node.layer, Cost):
        judged = node.layer.judged
        names = ["a"] if judged == 1 else [f"a{i + 1}" for i in range(judged)]
        return [*names, *["y"] * node.layer.takes_target, "w"][:count]
    return ["x"] if count == 1 else [f"x{i + 1}" for i in range(count)]


def _swept(g: mg.Graph, feeds: dict[str, Any], uses: list[Node]) -> mg.Run:
    """Forward and back: from the cost, or from behind the node with errors of root mean square 1."""
    seeds = {}
    for i, use in enumerate(uses):
        if not isinstance(use.layer, Cost):
            rest = g.add(Identity(), use, name="the rest" if len(uses) == 1 else f"the rest {i + 1}")
            error = np.random.default_rng(5 + i).normal(size=(4, *use.shape))
            seeds[rest] = error / np.sqrt(np.mean(error**2))
        else:
            seeds[use] = np.ones(4)
    wanted = tuple(node.name for node in g.inputs if node.dtype.kind == "f")
    run = g.forward(feeds, training=True)
    return run.backward(seeds, wrt=wanted or None)
