"""The scales of a gradient flow: widths and colors of lines, fills of boxes, with their legends."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from .style import PLAIN_TABLE, Style
from .themes import mixed


class Scale:
    """The log scale of lines: a gradient's level is 0 at the reference, and 1 lower for `step` decades less.

    `sizes` are all root mean squares there are; `reference` is what they are relative to, by name `origin`. Without a
    size that is finite and not 0 there is no scale: reference 0.
    """

    def __init__(self, sizes: Iterable[float], reference: float, origin: str, style: Style):
        self.style = style
        self.floor, self.top = 1 - len(style.falling), len(style.rising)
        finite = [size for size in sizes if 0.0 < size < math.inf]
        self.reference, self.origin = (reference, origin) if finite else (0.0, "")
        self.step = 1
        if finite:
            low, high = (math.log10(size) - math.log10(reference) for size in (min(finite), max(finite)))
            self.step = next((s for s in (1, 2, 3) if self.floor * s <= low and high <= self.top * s), 4)
            self.lowest, self.highest = low / self.step, high / self.step

    def level(self, size: float) -> float:
        """Where on the scale a gradient is, within its ends."""
        level = (math.log10(size) - math.log10(self.reference)) / self.step
        return min(max(level, self.floor), self.top)

    def width(self, level: float) -> float:
        """Width of a line in points."""
        return self.style.thin + (self.style.thick - self.style.thin) * (1 - level / self.floor)

    def color(self, level: float) -> str:
        """Color of a line, between those of the levels beside it."""
        colors = [*self.style.falling[::-1], *self.style.rising]
        i = min(int(level - self.floor), len(colors) - 2)
        return mixed(colors[i], colors[i + 1], level - self.floor - i)

    def samples(self) -> list[tuple[tuple[str, int], str]]:
        """Color and width of each level that occurs, with the ratio to the reference that it stands for."""
        if not self.reference:
            return []
        found = []
        for level in range(min(max(math.ceil(self.highest - 0.05), 0), self.top), self.floor - 1, -1):
            beyond = "≤" if level == self.floor > self.lowest else "≥" if level == self.top < self.highest else ""
            found.append(((self.color(level), round(self.width(level))), beyond + _power(level * self.step)))
        return found

    def legend(self) -> list[str]:
        """A wedge in the colors and widths of the levels, with the ratios below."""
        samples = self.samples()
        return [_wedge([bar for bar, _ in samples], [ratio for _, ratio in samples], self.style)] if samples else []


class Learning:
    """The log scale of fills: ‖∂C/∂w‖ / ‖w‖ of a box, a color each decade from 10⁻⁶ to 1."""

    LOWEST = -6

    def __init__(self, style: Style):
        self.style = style
        self.highest = self.LOWEST + len(style.learning) - 1

    def color(self, ratio: float) -> str:
        """Fill of a box; ratios off the scale have the color of its end."""
        decades = self.LOWEST if ratio == 0.0 else math.log10(ratio)
        place = min(max(decades, self.LOWEST), self.highest) - self.LOWEST
        i = min(int(place), len(self.style.learning) - 2)
        return mixed(self.style.learning[i], self.style.learning[i + 1], place - i)

    def legend(self) -> list[str]:
        """The colors with the ratios that they stand for, the largest first."""
        powers = range(self.highest, self.LOWEST - 1, -1)
        ends = {self.highest: "≥", self.LOWEST: "≤"}
        samples = [(self.style.learning[power - self.LOWEST], 9) for power in powers]
        return [_wedge(samples, [ends.get(power, "") + _power(power) for power in powers], self.style, outlined=True)]


def _wedge(samples: Sequence[tuple[str, int]], says: Sequence[str], style: Style, outlined: bool = False) -> str:
    """Bars of colors and heights beside each other, each with a word below."""
    bars, words = [], []
    border = f' BORDER="1" COLOR="{style.faint}"' if outlined else ""
    for (color, height), said in zip(samples, says, strict=True):
        size = _fixed(_SWATCH, height)
        bar = f'<TABLE {_PLAIN} {size}><TR><TD {size}{border} BGCOLOR="{color}"></TD></TR></TABLE>'
        bars.append(f"<TD {_fixed(_SWATCH, 9)}>{bar}</TD>")
        words.append(f"<TD {_fixed(_SWATCH, 13)}>{style.say(said, color=style.soft)}</TD>")
    whole = _fixed(_SWATCH * len(says), 22)
    return f'<TABLE {_PLAIN} ALIGN="LEFT" {whole}><TR>{"".join(bars)}</TR><TR>{"".join(words)}</TR></TABLE>'


def _power(exponent: int) -> str:
    return "1" if exponent == 0 else "10" + str(exponent).translate(_SUPERSCRIPTS)


def _fixed(width: int, height: int) -> str:
    return f'FIXEDSIZE="TRUE" WIDTH="{width}" HEIGHT="{height}"'


_SWATCH = 38
_PLAIN = f'{PLAIN_TABLE} CELLPADDING="0"'
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
