"""The book's letters in print: italic, with the layer above and the neuron below, as TeX sets w^l_jk."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from ..style import PLAIN_TABLE, Style, escape


class Symbol(NamedTuple):
    """A letter with what stands above and below beside it."""

    letter: str
    above: str = ""
    below: str = ""

    def __str__(self) -> str:
        """As plain text, w^3_24."""
        return self.letter + (f"^{self.above}" if self.above else "") + (f"_{self.below}" if self.below else "")


def index(*places: int) -> str:
    """The book's subscript of neurons that Python counts from 0: 1, 3 → "24"; with commas where a number is long."""
    numbers = [str(place + 1) for place in places]
    return ("," if any(len(number) > 1 for number in numbers) else "").join(numbers)


def ordinal(place: int) -> str:
    """1st, 2nd, 3rd … of what Python counts from 0."""
    count = place + 1
    ending = "th" if count // 10 % 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(count % 10, "th")
    return f"{count}{ending}"


def shortened(name: str) -> str:
    """A name in a few letters, for places where there is room for l."""
    return name if len(name) <= _SHORT else f"{name[: _SHORT - 1]}…"


def formula(parts: Sequence[Symbol | str], style: Style, size: float, color: str | None = None) -> str:
    """Symbols and text in a line, as an HTML-like label; its text has as few lines as the table allows: two.

    A table sets index and layer one above the other, and needs no `baseline-shift`, which not every browser knows.
    """
    above, below = _rows(parts, style, size, color)
    return f"<<TABLE {_TIGHT}>{above}{below}</TABLE>>"


def split_cell(symbol: Symbol, number: str, function: str, style: Style, size: float, diameter: float) -> str:
    """What fills a neuron: z, with its number if it has one, on the left; on the right the markup of its function."""
    left, right, rows = diameter * 0.56, diameter * 0.36, 5 if number else 4
    pad = (diameter - 2.5 * size - (1.1 * style.text_size if number else 0)) / 2
    wide = 'COLSPAN="2"'
    space = f'<TD {wide} WIDTH="{left:.0f}" HEIGHT="{pad:.0f}"></TD>'
    above, below = _rows([symbol], style, size)
    said = f"<TR><TD {wide}>{style.say(number, style.text_size * 0.9)}</TD></TR>" if number else ""
    half = (
        f'<TD ROWSPAN="{rows}" BORDER="1" SIDES="L" COLOR="{style.ink}" WIDTH="{right:.0f}" HEIGHT="{diameter:.0f}">'
        f"{function}</TD>"
    )
    return f"<<TABLE {_TIGHT}><TR>{space}{half}</TR>{above}{below}{said}<TR>{space}</TR></TABLE>>"


def numbered(symbol: Symbol, number: str, style: Style, size: float) -> str:
    """A symbol with a number, or other markup, under it."""
    above, below = _rows([symbol], style, size)
    said = f'<TR><TD COLSPAN="2">{style.say(number, style.text_size * 0.9)}</TD></TR>' if number else ""
    return f"<<TABLE {_TIGHT}>{above}{below}{said}</TABLE>>"


def width(symbol: Symbol, size: float) -> float:
    """About how wide a symbol is, in points."""
    return size * (0.7 + 0.46 * max(len(symbol.above), len(symbol.below)))


_SHORT = 10
_TIGHT = f'{PLAIN_TABLE} CELLPADDING="0"'
_UPRIGHT = frozenset("Σδσ")


def _rows(parts: Sequence[Symbol | str], style: Style, size: float, color: str | None = None) -> tuple[str, str]:
    """The table's two rows: letters and text over both, what stands above in the first, below in the second."""
    scripts = any(isinstance(part, Symbol) and (part.above or part.below) for part in parts)
    tall = '<TD ROWSPAN="2">' if scripts else "<TD>"
    right = tall.replace("<TD", '<TD ALIGN="RIGHT"')
    above: list[str] = []
    below: list[str] = []
    for part in parts:
        if isinstance(part, str):
            above.append(f"{tall}{style.say(_spaced(part), size, color)}</TD>")
            continue
        letter = part.letter if part.letter in _UPRIGHT else f"<I>{part.letter}</I>"
        above.append(f"{right}{style.say(letter, size, color)}</TD>")
        if part.above or part.below:
            for row, script in ((above, part.above), (below, part.below)):
                small = style.say(_script(script), size * 0.68, color)
                row.append(f'<TD ALIGN="LEFT">{small}</TD>')
    return f"<TR>{''.join(above)}</TR>", f"<TR>{''.join(below)}</TR>" if scripts else ""


def _script(text: str) -> str:
    """What stands above or below: L and the index of a sum slanted, as variables are."""
    return re.sub("[kL]$", r"<I>\g<0></I>", text) if re.fullmatch("L|([0-9]+,?)?k", text) else escape(text) or "&#160;"


def _spaced(text: str) -> str:
    """Text as markup that keeps the spaces at its ends."""
    bare = text.strip(" ")
    left = len(text) - len(text.lstrip(" "))
    right = len(text) - left - len(bare)
    return f"{'&#160;' * left}{escape(bare)}{'&#160;' * right}"
