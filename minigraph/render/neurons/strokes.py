"""How lines and neurons look: width and color by weight, fill by activation or error."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from typing import cast

import numpy as np

from ...costs import Cost
from ...errors import RenderError
from ...layer import Node
from ...layers import Dense
from ...measures import shown
from ...param import Array
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
DOUBLE = 1.2
"""Width of each of the two lines for a weight that isn't finite: wider ones would touch."""
FADED = 0.6
"""How much paper there is in the color of what isn't highlighted."""
FULL = 0.6
"""How much color there is in the fill for the largest number of a layer."""
PALE = 0.06
"""How much color there is in the fill for the smallest number that isn't 0."""


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
        self.dashes = _is_grey(style.positive) and _is_grey(style.negative)
        """Whether negative weights are dashed: where no hue tells the signs apart."""

    def look(self, line: Line) -> dict[str, str]:
        """How a line is drawn."""
        color, width, look = self._plain(line) if self.marks.figure else self._weighed(line)
        if self.is_bold(line):
            color = self.style.ink if self.marks.figure else color
            width, look = max(width, BOLD), look | {"arrowhead": "normal", "arrowsize": "0.7"}
        elif self.marks:
            color = mixed(color, self.style.paper, FADED)
        if not self.marks.figure and not math.isfinite(self.weight.get(line, 0.0)):
            color, width = f"{color}:{color}", DOUBLE
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
            return style.alarm, DOUBLE, {}
        if w == 0.0:
            return style.quiet, 0.9, {"style": "dotted"}
        color, look = (style.negative, {"style": "dashed"} if self.dashes else {}) if w < 0 else (style.positive, {})
        return color, THICK * abs(w) / self.largest, look

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
        solid, dashed = ("—", "– –") if self.dashes else ("■", "■")
        keys = [
            (any(w > 0 for w in there), solid, style.positive, "positive weight"),
            (any(w < 0 for w in there), dashed, style.negative, "negative weight" + ", dashed" * self.dashes),
            (0.0 in there, "· · ·", style.quiet, "weight 0"),
            (not all(map(math.isfinite, there)), "==", style.alarm, "weight NaN or ∞"),
            (handed_on, "—", style.quiet, "no weight"),
        ]
        return [(sample, color, meaning) for occurs, sample, color, meaning in keys if occurs]

    def scale(self) -> str:
        """What the widths mean, if anything."""
        if self.marks.figure or not self.largest:
            return ""
        return f"width in proportion to |w|, up to {shown(self.largest)}"


class Shade:
    """Fills of neurons by a number of each, relative to the largest of its layer, in the color of its sign.

    Raises RenderError for a letter that isn't a or δ and without a run, NotComputedError before run.backward().
    """

    def __init__(self, letter: str, readings: Readings, style: Style):
        if letter not in ("a", "delta"):
            raise RenderError(f"shade is 'a' or 'delta', got {letter!r}")
        if readings.run is None:
            raise RenderError("only a run has numbers for a shade: run.neurons(shade=…)")
        if letter == "delta":
            readings.run.swept_back()
        self.letter = letter
        self.readings = readings
        self.style = style

    def look(self, node: Node, j: int) -> dict[str, str]:
        """How a neuron's circle is drawn: dashed and empty where there is no number."""
        style = self.style
        if self.readings.why_not(self.letter, node):
            return {"color": style.quiet, "style": "filled,dashed"}
        x, largest = float(self._values(node)[j]), self._largest(node)
        if not math.isfinite(x):
            return {"fillcolor": mixed(style.paper, style.alarm, FULL)}
        part = max(FULL * (abs(x) / largest), PALE) if x else 0.0
        return {"fillcolor": mixed(style.paper, style.positive if x > 0 else style.negative, part)}

    def note(self, node: Node) -> str:
        """What is said over a layer: the largest number in it, or why there is none."""
        if isinstance(node.layer, Cost):
            return ""
        letter, why = LETTERS[self.letter], self.readings.why_not(self.letter, node)
        return f"no {letter}: {why}" if why else f"|{letter}| up to {shown(float(np.max(np.abs(self._values(node)))))}"

    def keys(self, columns: Collection[Column]) -> list[tuple[str, str, str]]:
        """Samples of the strongest fills that occur, with colors and meanings."""
        style, letter = self.style, LETTERS[self.letter]
        drawn = [column for column in columns if not isinstance(column.node.layer, Cost)]
        why = {column.node: self.readings.why_not(self.letter, column.node) for column in drawn}
        values = [float(self._values(at.node)[j]) for at in drawn if not why[at.node] for j in at.shown]
        reasons = dict.fromkeys(filter(None, why.values()))
        keys = [
            (any(x > 0 for x in values), "●", mixed(style.paper, style.positive, FULL), f"{letter} positive"),
            (any(x < 0 for x in values), "●", mixed(style.paper, style.negative, FULL), f"{letter} negative"),
            (0.0 in values, "◯", style.ink, f"{letter} exactly 0"),
            (not all(map(math.isfinite, values)), "●", mixed(style.paper, style.alarm, FULL), f"{letter} NaN or ∞"),
            (bool(reasons), "◌", style.quiet, f"no {letter}: {', or '.join(reasons)}"),
        ]
        return [(sample, color, meaning) for occurs, sample, color, meaning in keys if occurs]

    def scale(self) -> str:
        """What the fills mean."""
        return f"fill in proportion to |{LETTERS[self.letter]}|, in each layer by itself"

    def _values(self, node: Node) -> Array:
        return cast("Array", self.readings.of(self.letter, node))

    def _largest(self, node: Node) -> float:
        return max((abs(x) for x in self._values(node).tolist() if math.isfinite(x)), default=0.0)


def _is_grey(color: str) -> bool:
    return color[1:3] == color[3:5] == color[5:7]
