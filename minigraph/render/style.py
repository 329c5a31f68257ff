"""How drawings look: fonts, sizes, colors, and text set so that every name survives."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import graphviz

from ..costs import Cost
from ..layer import Input, Layer, Neurons
from .engine import FONT


class Paint(NamedTuple):
    """The two colors of a box."""

    fill: str
    outline: str


def _families() -> dict[str, Paint]:
    return {
        "input": Paint("#eef2f6", "#64748b"),
        "neurons": Paint("#e8f1fd", "#2f6fb7"),
        "merge": Paint("#f3ecfb", "#7c4fb0"),
        "shape": Paint("#e3f4f2", "#1f8378"),
        "noise": Paint("#fdf3dc", "#a8740f"),
        "activation": Paint("#edf6e1", "#5b8722"),
        "recurrent": Paint("#dfe9fb", "#3b5bbd"),
        "attention": Paint("#fbeaf4", "#b03a86"),
        "embedding": Paint("#e6f0f2", "#3b7683"),
        "pool": Paint("#e9eef9", "#5470a8"),
        "norm": Paint("#f4efe4", "#8a6d3b"),
        "cost": Paint("#fdeeee", "#b4413c"),
        "custom": Paint("#ffffff", "#334155"),
    }


@dataclass(frozen=True)
class Style:
    """Fonts, sizes in points, and colors as #rrggbb, the same for all drawings."""

    font: str = FONT
    title_size: float = 14
    name_size: float = 11
    text_size: float = 9
    ink: str = "#0f172a"
    soft: str = "#475569"
    quiet: str = "#94a3b8"
    faint: str = "#cbd5e1"
    wash: str = "#f6f8fa"
    paper: str = "#ffffff"
    alarm: str = "#d5104c"
    tie: str = "#5b92d6"
    families: Mapping[str, Paint] = field(default_factory=_families)
    falling: tuple[str, ...] = ("#fdbe25", "#7ec756", "#39a77b", "#2b788c", "#3d4280", "#440154")
    """Colors of gradients as large as the cost's, then of smaller and smaller ones: samples of viridis."""
    rising: tuple[str, ...] = ("#ee7f22", "#9c4a12")
    """Colors of gradients larger than the cost's."""
    thin: float = 1.0
    thick: float = 6.0
    """Widths of edges with the smallest and the largest gradient in `falling`; in `rising` they go on growing."""
    across: int = 8
    """Networks of up to so many ranks run from left to right, deeper ones from top to bottom."""
    line_length: int = 28
    lines: int = 3
    """Names are wrapped; what doesn't fit into so many lines is left out in the middle."""

    def say(self, markup: str, size: float | None = None, color: str | None = None, bold: bool = False) -> str:
        """Markup in a size (else that of texts), in a color (else ink) and, if asked, bold."""
        markup = f"<B>{markup}</B>" if bold else markup
        return f'<FONT POINT-SIZE="{size or self.text_size:g}" COLOR="{color or self.ink}">{markup}</FONT>'

    def words(
        self, text: str, size: float | None = None, color: str | None = None, bold: bool = False, stretch: int = 1
    ) -> str:
        """Anybody's text as markup that shows it literally: wrapped if long, shortened if very long.

        Lines may be `stretch` times as long as usual. Text of which nothing would be seen is shown in quotation marks,
        and what XML can't hold as �.
        """
        length = self.line_length * stretch
        lines = [part for line in text.splitlines() for part in _wrapped(line, length)]
        if len(lines) > self.lines:
            room, middle = length - 1, max(self.lines - 2, 0)
            tail = "".join(lines[middle + 1 :])[-room:]
            lines = [*lines[:middle], lines[middle][:room] + "…", "…" + tail]
        if not any(line.strip() for line in lines):
            lines = [f'"{text[:length]}"']
        return self.say(_BREAK.join(escape(line) for line in lines), size, color, bold)


STYLE = Style()


def family(layer: Layer) -> str:
    """Which of `Style.families` a layer belongs to: by its type, or by the module of minigraph.layers it comes from."""
    for kind, name in ((Input, "input"), (Cost, "cost"), (Neurons, "neurons")):
        if isinstance(layer, kind):
            return name
    for ancestor in type(layer).__mro__:
        package, _, module = ancestor.__module__.rpartition(".")
        name = _KIN.get(module, module)
        if package == _LAYERS and name in STYLE.families:
            return name
    return "custom"


def tip(text: str) -> str:
    """Anybody's text as the value of a `tooltip`, shown literally."""
    whole = "\n".join(_clean(line) for line in text.splitlines())
    literal: str = graphviz.escape(whole if len(whole) <= _TIP_LENGTH else whole[: _TIP_LENGTH - 1] + "…")
    return literal


def escape(line: str) -> str:
    """A line of anybody's text as markup."""
    # Graphviz replaces \N and \G by names also in HTML-like labels
    return html.escape(_clean(line), quote=False).replace("\\", "\\\\")


def stack(rows: Iterable[str], padding: int = 1) -> str:
    """Rows of markup below each other, as an HTML-like label."""
    # the last line of a text is centered below the others unless a break behind it says where it goes
    cells = (f'<TR><TD ALIGN="LEFT">{row}{_BREAK * (_BREAK in row)}</TD></TR>' for row in rows)
    return f'<<TABLE {PLAIN_TABLE} CELLPADDING="{padding}">{"".join(cells)}</TABLE>>'


PLAIN_TABLE = 'BORDER="0" CELLBORDER="0" CELLSPACING="0"'
_BREAK = '<BR ALIGN="LEFT"/>'
_KIN = {"cells": "recurrent", "steps": "recurrent", "elementwise": "activation", "affine": "activation"}
_KIN |= dict.fromkeys(("slicing", "reduce", "resize"), "shape")
_LAYERS = f"{__name__.partition('.')[0]}.layers"
_TIP_LENGTH = 3000  # Graphviz 14 takes no quoted string of more than 16,384 bytes

_UNWRITABLE = dict.fromkeys([*range(32), *range(127, 160), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF], "�")
_UNWRITABLE[ord("\t")] = " "


def _clean(line: str) -> str:
    return line.translate(_UNWRITABLE)


def _wrapped(line: str, length: int) -> list[str]:
    """The line in pieces of at most `length` characters, cut behind a space or a mark where there is one."""
    pieces = []
    while len(line) > length:
        marks = [mark.end() for mark in re.finditer(r"[\s/_.,:;-]", line[:length])]
        cut = marks[-1] if marks and marks[-1] > length // 2 else length
        pieces.append(line[:cut])
        line = line[cut:]
    return [*pieces, line]
