"""What is written over a drawing of neurons, over each of its columns, and under it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ...costs import Cost
from ...graph import Graph
from ...layer import Node
from ...param import Param
from ...summary import kind_of
from ..style import PLAIN_TABLE, Style, escape, stack
from .columns import Column
from .figures import Marks


class Headings:
    """Markup of the header and of the captions of columns."""

    def __init__(self, graph: Graph, marks: Marks, style: Style, note: Callable[[Node], str]):
        self.graph = graph
        self.marks = marks
        self.style = style
        self.note = note
        """What else is said of a node, if anything."""
        self.users: dict[Param, list[Node]] = {}
        for node in graph.nodes:
            if "w" in node.layer.params:
                self.users.setdefault(node.layer.params["w"], []).append(node)

    def header(self, about: str, keys: Iterable[tuple[str, str, str]], notes: Iterable[str]) -> str:
        """The graph's name, what the drawing is, samples with their colors and meanings, and notes."""
        style = self.style
        title = style.words(self.graph.name, style.title_size, bold=True, stretch=2)
        rows = [f"{title}{style.say(_GAP + about, color=style.soft)}"]
        said = [style.say(key, color=color) + style.say(f"&#160;{text}", color=style.soft) for key, color, text in keys]
        noted = [style.say(escape(note), color=style.soft) for note in notes if note]
        for row in (said, noted):
            rows += [style.say(_GAP).join(row[i : i + _IN_A_ROW]) for i in range(0, len(row), _IN_A_ROW)]
        return stack([*rows, style.say("&#160;", 4)])

    def rows(self, column: Column) -> list[str]:
        """What stands over a column: l or the name, the layer, how many neurons there are, who has the same weights."""
        node, style, symbols = column.node, self.style, self.marks.symbols
        numbered = symbols.is_numbered(node)
        rows = [style.say(f"layer {symbols[node]}", style.name_size)] if numbered else []
        if not self.marks.figure:
            rows += [style.words(node.name, bold=True), style.words(kind_of(node, False), color=style.soft)]
        elif isinstance(node.layer, Cost):
            rows.append(style.words(symbols.cost(node) or "cost", style.name_size))
        elif not numbered:
            rows.append(style.words(node.name, style.name_size))
        if len(column.shown) < column.size:
            rows.append(style.say(f"{column.size:,} neurons, {len(column.shown)} shown", color=style.soft))
        params = node.layer.params
        others = [user for user in self.users[params["w"]] if user is not node] if "w" in params else []
        if others:
            rows.append(style.words(f"same weights as {others[0].name}", color=style.soft))
        if note := self.note(node):
            rows.append(style.say(escape(note), color=style.soft))
        return rows

    def caption(self, column: Column) -> str:
        """What stands over a column, centered, as an HTML-like label."""
        cells = "".join(f"<TR><TD>{row}</TD></TR>" for row in self.rows(column))
        return f'<<TABLE {PLAIN_TABLE} CELLPADDING="1">{cells}</TABLE>>'

    def height(self, column: Column) -> float:
        """About how high a caption is, in points."""
        return sum(_LINE * (1 + row.count("<BR")) for row in self.rows(column)) + _LINE / 2


_LINE = 14.0
_GAP = "&#160;&#160;&#160;"
_IN_A_ROW = 4
