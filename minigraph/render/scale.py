"""The scales of a gradient flow: widths and colors of lines, fills of boxes, with their legends."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from .style import PLAIN_TABLE, Style
from .themes import mixed


class Scale:
    """The log scale of lines: how many decades a gradient is above or below the reference.

    `sizes` are all root mean squares there are; `reference` is what they are relative to, by name `origin`. The scale
    goes down by five decades, or as many whole ones as the sizes need up to `DEEPEST`, and up likewise to `HIGHEST`.
    Without a size that is finite and not 0 there is no scale: reference 0.
    """

    DEEPEST, HIGHEST = 20, 8

    def __init__(self, sizes: Iterable[float], reference: float, origin: str, style: Style):
        self.style = style
        finite = [size for size in sizes if 0.0 < size < math.inf]
        self.reference, self.origin = (reference, origin) if finite else (0.0, "")
        low, high = (
            (math.log10(size) - math.log10(reference) for size in (min(finite), max(finite))) if finite else (0, 0)
        )
        self.low, self.high = low, high
        self.fall = min(max(_whole(-low), 5), self.DEEPEST)
        self.rise = min(max(_whole(high), 0), self.HIGHEST)

    def decades(self, size: float) -> float:
        """How far a gradient is above the reference, within the ends of the scale."""
        return min(max(math.log10(size) - math.log10(self.reference), -self.fall), self.rise)

    def width(self, decades: float) -> float:
        """Width of a line in points; above the reference it goes on growing by half as much again."""
        span = self.style.thick - self.style.thin
        if decades <= 0:
            return self.style.thin + span * (1 + decades / self.fall)
        return self.style.thick + span / 2 * decades / self.rise

    def color(self, decades: float) -> str:
        """Color of a line, between those of `falling` or, above the reference, on from there to those of `rising`."""
        falling, rising = self.style.falling, (self.style.falling[0], *self.style.rising)
        if decades <= 0:
            return _between(falling, -decades / self.fall)
        return _between(rising, decades / self.rise) if self.rise > 1 else _between(rising[:2], decades)

    def samples(self) -> list[tuple[tuple[str, int], str]]:
        """Color and width at each decade, or every few, with the ratio to the reference that it stands for."""
        if not self.reference:
            return []
        step = -(-self.fall // 7)
        up = -(-self.rise // 4)
        powers = [*range(self.rise, 0, -up)] if self.rise else []
        powers += [*range(0, -self.fall, -step), -self.fall]
        found = []
        for power in powers:
            beyond = "≤" if power == -self.fall > self.low else "≥" if power == self.rise < self.high else ""
            found.append(((self.color(power), round(self.width(power))), beyond + _power(power)))
        return found

    def legend(self) -> list[str]:
        """A wedge in these colors and widths, with the ratios below."""
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
        decades = self.LOWEST if ratio == 0.0 else self.highest if ratio == math.inf else math.log10(ratio)
        place = min(max(decades, self.LOWEST), self.highest) - self.LOWEST
        return _between(self.style.learning, place / (len(self.style.learning) - 1))

    def legend(self) -> list[str]:
        """The colors with the ratios that they stand for, the largest first."""
        powers = range(self.highest, self.LOWEST - 1, -1)
        ends = {self.highest: "≥", self.LOWEST: "≤"}
        samples = [(self.style.learning[power - self.LOWEST], 9) for power in powers]
        return [_wedge(samples, [ends.get(power, "") + _power(power) for power in powers], self.style, outlined=True)]


def _between(colors: Sequence[str], part: float) -> str:
    """The color at a part, from 0 to 1, of the way along some colors."""
    place = part * (len(colors) - 1)
    i = min(int(place), len(colors) - 2)
    return mixed(colors[i], colors[i + 1], place - i)


def _whole(decades: float) -> int:
    return math.ceil(decades - 0.05)


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
