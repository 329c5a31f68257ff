"""The labels of highlighted neurons and weights: what they say, and where they stand."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from ...costs import Cost
from ...layer import Node
from ...measures import shown
from ..style import Style, escape
from .columns import Point
from .figures import Marks, Sentence
from .letters import Symbol, formula, numbered, split_cell, width
from .readings import Readings, weights

RADIUS = 14.0
"""Of a neuron, in points."""
ROOM = 8.0
"""Between neurons, above and below each."""
ASIDE = 50.0
"""From the rim of a cost's circle down to the end of its target."""
_COST = 18.0


class Label(NamedTuple):
    """Text beside a neuron or a weight: its letter, its markup, its middle, and how it is joined to the neuron."""

    letter: str
    markup: str
    middle: Point
    arrow: str = ""
    """"in" for an arrow to the neuron, "out" for one from it, nothing for none."""


def own_kind(node: Node, j: int) -> str:
    """The name of a neuron's activation where most of its layer have another; else nothing."""
    kinds = list(map(str, getattr(getattr(node.layer, "sigma", None), "kinds", ())))
    return kinds[j] if j < len(kinds) and kinds[j] != Counter(kinds).most_common(1)[0][0] else ""


class Labels:
    """The labels of a drawing, and the sizes of the neurons that bear them."""

    def __init__(self, marks: Marks, readings: Readings, numbers: bool, style: Style):
        self.marks = marks
        self.readings = readings
        self.numbers = numbers
        self.style = style
        self.size = style.name_size * 1.15

    @property
    def are_wide(self) -> bool:
        """Whether there are labels that want more room between the columns."""
        said = set().union(*self.marks.neurons.values()) if self.marks.neurons else set()
        return "z" in said or (self.numbers and bool(self.marks))

    # ---- inside ----

    def radius(self, node: Node, j: int) -> float:
        """The radius of a neuron's circle: larger where a letter is in it."""
        if isinstance(node.layer, Cost):
            return _COST
        letter = self._inner(node, j)
        if not letter:
            return RADIUS
        room = max(width(self.marks.symbol(letter, node, j), self.size), 32.0 * self.numbers)
        return max(26.0, (room + 8) / 1.12) if letter == "z" else max(18.0 + 3 * self.numbers, room / 2 + 6)

    def inside(self, node: Node, j: int) -> str:
        """What is written into a neuron's circle, as an HTML-like label, or nothing."""
        if isinstance(node.layer, Cost):
            return formula([Symbol("C")], self.style, self.size)
        letter = self._inner(node, j)
        if not letter:
            return ""
        symbol, digits = self.marks.symbol(letter, node, j), self._digits(letter, node, j)
        if letter == "a":
            return numbered(symbol, digits, self.style, self.size)
        kind = own_kind(node, j)
        size = self.style.text_size * 0.75 if kind else self.size
        function = self.style.say(escape(kind[:5]) or "σ", size)
        return split_cell(symbol, digits, function, self.style, self.size, 2 * self.radius(node, j))

    def _inner(self, node: Node, j: int) -> str:
        letters = self.marks.letters(node, j)
        return next((letter for letter in ("z", "a") if letter in letters), "")

    # ---- beside ----

    def room(self, node: Node, j: int) -> tuple[float, float]:
        """What a neuron takes above and below its middle."""
        radius, letters = self.radius(node, j), self.marks.letters(node, j)
        below = 24.0 if "b" in letters else 0.0
        if isinstance(node.layer, Cost) and node.constant_inputs:
            below = ASIDE
        return radius + ROOM + 20.0 * ("delta" in letters), radius + ROOM + below

    def beside(self, node: Node, j: int, x: float, y: float) -> Iterator[Label]:
        """The labels round a neuron at (x, y): δ over it, b under it, a behind it."""
        radius, letters = self.radius(node, j), self.marks.letters(node, j)
        if "delta" in letters:
            yield Label("delta", self._said("delta", node, j), (x, y + radius + 13))
        if "b" in letters:
            yield Label("b", self._said("b", node, j), (x, y - radius - 23), "in")
        if {"a", "z"} <= letters:
            wide = self._wide("a", node, j)
            yield Label("a", self._said("a", node, j), (x + radius + 18 + wide / 2, y), "out")

    def on_weight(self, tail: Point, head: Point) -> Label | None:
        """The label of the highlighted weight, over the middle of its line from tail to head."""
        if self.marks.weight is None or not self.marks.names_weight:
            return None
        node, j, k = self.marks.weight
        wide, tall = self._wide("w", node, j, k), 1.7 * self.size
        across, up = head[0] - tail[0], head[1] - tail[1]
        length = math.hypot(across, up)
        away = (tall * abs(across) + wide * abs(up)) / (2 * length) + 4
        middle = ((tail[0] + head[0]) / 2 - away * up / length, (tail[1] + head[1]) / 2 + away * across / length)
        return Label("w", self._said("w", node, j, k), middle)

    def _said(self, letter: str, node: Node, *places: int) -> str:
        digits = self._digits(letter, node, *places)
        parts: Sentence = [self.marks.symbol(letter, node, *places)]
        if digits:
            parts.append(f" = {digits}")
        return formula(parts, self.style, self.size)

    def _wide(self, letter: str, node: Node, *places: int) -> float:
        digits = self._digits(letter, node, *places)
        return width(self.marks.symbol(letter, node, *places), self.size) + 0.65 * self.size * len(
            digits and f" = {digits}"
        )

    def _digits(self, letter: str, node: Node, *places: int) -> str:
        """The number that goes with a letter, where numbers are asked for and there is one."""
        if not self.numbers:
            return ""
        if letter == "w":
            return shown(float(weights(node)[places]))
        values = self.readings.of(letter, node)
        return "" if values is None else shown(float(values[places[0]]))
