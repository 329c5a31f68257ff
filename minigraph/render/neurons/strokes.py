"""How lines and neurons look: width and color by weight, fill by activation or error."""

from __future__ import annotations

import math
from collections.abc import Iterable

from ...costs import Cost
from ...errors import RenderError
from ...layer import Node
from ...layers import Dense
from ...measures import shown
from ..engine import number
from ..style import Style
from ..themes import mixed
from .columns import Column, Line
from .figures import LETTERS, Marks
from .readings import Readings, weights

THICK = 4.5
"""Width of the line with the largest weight, in points."""
FINE = 0.25
"""Width of the finest line that can be seen."""
BOLD = 2.4
"""Width of a highlighted line, at least."""
FADED = 0.6
"""How much paper there is in the color of what isn't highlighted."""
FULL = 0.6
"""How much color there is in the fill for the largest number."""


class Strokes:
    """The attributes of lines: as wide as |w|, relative to the largest in the drawing, in the color of its sign."""

    def __init__(self, lines: Iterable[Line], marks: Marks, style: Style):
        self.lines = list(lines)
        self.marks = marks
        self.style = style
        weighed = [line for line in self.lines if isinstance(line.edge.target.layer, Dense)]
        arrays = {node: weights(node) for node in dict.fromkeys(line.edge.target for line in weighed)}
        self.weight = {line: float(arrays[line.edge.target][line.j, line.k]) for line in weighed}
        self.largest = max((abs(w) for w in self.weight.values() if math.isfinite(w)), default=0.0)

    def look(self, line: Line) -> dict[str, str]:
        """How a line is drawn."""
        color, width, look = self._plain(line) if self.marks.figure else self._weighed(line)
        if self.is_bold(line):
            color = self.style.ink if self.marks.figure else color
            width, look = max(width, BOLD), look | {"arrowhead": "normal", "arrowsize": "0.7"}
        elif self.marks:
            color = mixed(color, self.style.paper, FADED)
        return {"color": color, "penwidth": number(width, FINE, THICK), **look}

    def is_bold(self, line: Line) -> bool:
        """Whether a line is highlighted."""
        if isinstance(line.edge.target.layer, Cost):
            return bool(self.marks.outputs)
        return (line.edge.target, line.j, line.k) == self.marks.weight

    def _plain(self, line: Line) -> tuple[str, float, dict[str, str]]:
        return self.style.soft, 0.8, {"arrowhead": "normal", "arrowsize": "0.45"}

    def _weighed(self, line: Line) -> tuple[str, float, dict[str, str]]:
        style, w = self.style, self.weight.get(line)
        if w is None:
            into_cost = isinstance(line.edge.target.layer, Cost)
            return style.quiet, 0.9, {"arrowhead": "normal", "arrowsize": "0.45"} if into_cost else {}
        if not math.isfinite(w):
            return style.alarm, 1.8, {"style": "dashed"}
        if w == 0.0:
            return style.quiet, 0.9, {"style": "dotted"}
        return style.positive if w > 0 else style.negative, THICK * abs(w) / self.largest, {}

    def says(self, line: Line) -> str:
        """What a line is, with the exact weight."""
        source, target, _ = line.edge
        if line in self.weight:
            return f"{target.name}: w[{line.j}, {line.k}] = {self.weight[line]!r}"
        head = target.name if isinstance(target.layer, Cost) else f"{target.name}[{line.j}]"
        return f"{source.name}[{line.k}] → {head}"

    def keys(self) -> list[tuple[str, str, str]]:
        """Samples of the lines that occur, with colors and meanings."""
        if self.marks.figure:
            return []
        style, there = self.style, list(self.weight.values())
        handed_on = any(not isinstance(line.edge.target.layer, (Dense, Cost)) for line in self.lines)
        keys = [
            (any(w > 0 for w in there), "■", style.positive, "positive weight"),
            (any(w < 0 for w in there), "■", style.negative, "negative weight"),
            (0.0 in there, "· · ·", style.quiet, "weight 0"),
            (not all(map(math.isfinite, there)), "– –", style.alarm, "weight NaN or ∞"),
            (handed_on, "—", style.quiet, "no weight"),
        ]
        return [(sample, color, meaning) for occurs, sample, color, meaning in keys if occurs]

    def scale(self) -> str:
        """What the widths mean, if anything."""
        if self.marks.figure or not self.largest:
            return ""
        return f"width in proportion to |w|, up to {shown(self.largest)}"


class Shade:
    """Fills of neurons by a number of each, relative to the largest in the drawing, in the color of its sign."""

    def __init__(self, letter: str, columns: Iterable[Column], readings: Readings, style: Style):
        if letter not in ("a", "delta"):
            raise RenderError(f"shade is 'a' or 'delta', got {letter!r}")
        if readings.run is None:
            raise RenderError("only a run has numbers for a shade: run.neurons(shade=…)")
        if letter == "delta":
            readings.run.swept_back()
        self.letter = letter
        self.style = style
        self.values: dict[tuple[Node, int], float] = {}
        for column in columns:
            if isinstance(column.node.layer, Cost) or not readings.known(letter, column.node):
                continue
            values = readings.of(letter, column.node)
            self.values |= {(column.node, j): float(values[j]) for j in column.shown if values is not None}
        self.largest = max((abs(x) for x in self.values.values() if math.isfinite(x)), default=0.0)

    def fill(self, node: Node, j: int) -> str:
        """The color in a neuron's circle."""
        x, style = self.values.get((node, j), 0.0), self.style
        if not math.isfinite(x):
            return mixed(style.paper, style.alarm, FULL)
        part = abs(x) / self.largest if self.largest else 0.0
        return mixed(style.paper, style.positive if x > 0 else style.negative, FULL * part)

    def keys(self) -> list[tuple[str, str, str]]:
        """Samples of the strongest fills that occur, with colors and meanings."""
        style, letter = self.style, LETTERS[self.letter]
        values = list(self.values.values())
        keys = [
            (any(x > 0 for x in values), style.positive, f"{letter} positive"),
            (any(x < 0 for x in values), style.negative, f"{letter} negative"),
            (not all(map(math.isfinite, values)), style.alarm, f"{letter} NaN or ∞"),
        ]
        return [("●", mixed(style.paper, color, FULL), meaning) for occurs, color, meaning in keys if occurs]

    def scale(self) -> str:
        """What the fills mean, if anything."""
        letter = LETTERS[self.letter]
        return f"fill in proportion to |{letter}|, up to {shown(self.largest)}" if self.largest else ""
