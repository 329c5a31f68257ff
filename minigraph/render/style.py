"""How drawings look: fonts, sizes, colors, and text set so that every name survives."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import graphviz

from ..costs import Cost
from ..errors import GraphError
from ..layer import Input, Layer, Neurons
from ..numbers import is_real, is_whole
from .boxes import Box
from .engine import FONT


class Shape(NamedTuple):
    """An outline: the attributes that draw it, and a character that looks like it, for legends."""

    attributes: Mapping[str, str]
    glyph: str


SHAPES = {
    "rounded": Shape({"style": "rounded,filled"}, "▢"),
    "box": Shape({"style": "filled"}, "□"),
    "double": Shape({"style": "filled", "peripheries": "2"}, "▣"),
    "dotted": Shape({"style": "filled,dotted"}, "⬚"),
    "cornered": Shape({"style": "filled,diagonals"}, "▨"),
    "ellipse": Shape({"shape": "ellipse", "style": "filled", "margin": "0.02,0.01"}, "◯"),
    "hexagon": Shape({"shape": "hexagon", "style": "filled", "margin": "0.02,0.01"}, "⬡"),
    "octagon": Shape({"shape": "octagon", "style": "filled", "margin": "0.02,0.01"}, "⎔"),
    "cylinder": Shape({"shape": "cylinder", "style": "filled", "margin": "0.1,0.1"}, "⛁"),
    "cuboid": Shape({"shape": "box3d", "style": "filled", "margin": "0.14,0.12"}, "❒"),
    "note": Shape({"shape": "note", "style": "filled"}, "◹"),
    "tab": Shape({"shape": "tab", "style": "filled", "margin": "0.1,0.09"}, "◰"),
    "plug": Shape({"shape": "component", "style": "filled", "margin": "0.16,0.06"}, "◧"),
    "folder": Shape({"shape": "folder", "style": "filled", "margin": "0.1,0.09"}, "⊞"),
}
"""The outlines that a `Look` can have; boxes unless `shape` says otherwise."""


@dataclass(frozen=True)
class Look:
    """How a box looks: colors as #rrggbb, a shape out of `SHAPES`, a label in place of the name, a font and the name's
    size in points. None: as it would be. Raises GraphError for a color or a shape that there isn't.
    """

    fill: str | None = None
    outline: str | None = None
    ink: str | None = None
    shape: str | None = None
    label: str | None = None
    font: str | None = None
    size: float | None = None

    def __post_init__(self) -> None:
        if self.size is not None and not (is_real(self.size) and 1 <= self.size <= 200):
            raise GraphError(f"a look takes a size from 1 to 200 points, got {self.size!r}")
        if self.font is not None:
            check_font(self.font)
        for name in ("fill", "outline", "ink"):
            check_color(name, getattr(self, name), optional=True)
        if self.shape is not None and self.shape not in SHAPES:
            raise GraphError(f"a look takes one of {', '.join(SHAPES)} as shape, got {self.shape!r}")

    def over(self, other: Look) -> Look:
        """This look, and the other where this says nothing."""
        mine = {name: value for name, value in vars(self).items() if value is not None}
        return replace(other, **mine)


def check_font(font: object) -> None:
    """Raise GraphError for what is no list of names of fonts."""
    if not isinstance(font, str) or not re.fullmatch(r"[\w ,.-]+", font):
        raise GraphError(f"font takes names of fonts with commas between, got {font!r}")


def _is_layer(key: object) -> bool:
    """Whether it is a type of layers."""
    return isinstance(key, type) and issubclass(key, Layer)


def check_color(name: str, value: Any, optional: bool = False) -> None:
    """Raise GraphError for what is no color of six digits."""
    if not (optional and value is None) and not (isinstance(value, str) and re.fullmatch("#[0-9a-fA-F]{6}", value)):
        raise GraphError(f"{name} takes a color as #rrggbb, got {value!r}")


def _fits(name: str, pattern: str) -> bool:
    return name == pattern or fnmatchcase(name, pattern)


def _families() -> dict[str, Look]:
    return {
        "input": Look("#eef2f6", "#64748b", shape="box"),
        "neurons": Look("#e8f1fd", "#2f6fb7", shape="rounded"),
        "merge": Look("#f3ecfb", "#7c4fb0", shape="ellipse"),
        "shape": Look("#e3f4f2", "#1f8378", shape="note"),
        "noise": Look("#fdf3dc", "#a8740f", shape="dotted"),
        "activation": Look("#edf6e1", "#5b8722", shape="hexagon"),
        "recurrent": Look("#dfe9fb", "#3b5bbd", shape="cuboid"),
        "attention": Look("#fbeaf4", "#b03a86", shape="plug"),
        "embedding": Look("#e6f0f2", "#3b7683", shape="cylinder"),
        "pool": Look("#e9eef9", "#5470a8", shape="tab"),
        "norm": Look("#f4efe4", "#8a6d3b", shape="cornered"),
        "cost": Look("#fdeeee", "#b4413c", shape="double"),
        "custom": Look("#ffffff", "#334155", shape="octagon"),
        "block": Look("#f6f8fa", "#475569", shape="folder"),
    }


@dataclass(frozen=True)
class Style:
    """Fonts, sizes in points and colors as #rrggbb, the same for all drawings; as it stands, the theme "light".

    `looks` changes boxes one by one: by type of layer, {Dense: Look(shape="box")}, or by name or pattern of names,
    {"enc/*": Look(fill="#ffeecc")}; where several fit, what comes later wins. Raises GraphError for what is no color.
    """

    font: str = FONT
    title_size: float = 14
    name_size: float = 11
    text_size: float = 9
    ink: str = "#0f172a"
    soft: str = "#475569"
    quiet: str = "#76849a"
    faint: str = "#cbd5e1"
    wash: str = "#f6f8fa"
    paper: str = "#ffffff"
    alarm: str = "#a50e3f"
    tie: str = "#2f7fd1"
    positive: str = "#0072b2"
    negative: str = "#c25400"
    """Colors of signs."""
    families: Mapping[str, Look] = field(default_factory=_families)
    looks: Mapping[str | type[Layer], Look] = field(default_factory=dict)
    falling: tuple[str, ...] = ("#008f68", "#17808a", "#2b6c99", "#3d549b", "#4a3586", "#440154")
    """Colors of gradients as large as the cost's, then of smaller and smaller ones."""
    rising: tuple[str, ...] = ("#d55e00", "#8c1d04")
    """Colors of gradients larger than the cost's."""
    learning: tuple[str, ...] = ("#ffffff", "#f0f6fd", "#e2eefa", "#d4e6f8", "#c6def5", "#b8d5f3", "#a9cdf0")
    """Fills of boxes by ‖∂C/∂w‖ / ‖w‖, from the smallest up."""
    thin: float = 1.0
    thick: float = 6.0
    """Widths of edges with the smallest and the largest gradient in `falling`; in `rising` they go on growing."""
    across: int = 8
    """Networks of up to so many ranks run from left to right, deeper ones from top to bottom."""
    line_length: int = 28
    lines: int = 3
    """Names are wrapped; what doesn't fit into so many lines is left out in the middle."""

    def __post_init__(self) -> None:
        for name in ("ink", "soft", "quiet", "faint", "wash", "paper", "alarm", "tie", "positive", "negative"):
            check_color(name, getattr(self, name))
        for name in ("falling", "rising", "learning"):
            colors = getattr(self, name)
            if isinstance(colors, str) or len(colors) < 2:
                raise GraphError(f"{name} takes two colors or more, got {colors!r}")
            for color in colors:
                check_color(name, color)
        for name in ("title_size", "name_size", "text_size", "thin", "thick"):
            if not is_real(getattr(self, name)) or not 0 < getattr(self, name) <= 200:
                raise GraphError(f"{name} takes points, above 0 and up to 200, got {getattr(self, name)!r}")
        for name, least in (("across", 0), ("line_length", 4), ("lines", 2)):
            if not is_whole(getattr(self, name)) or getattr(self, name) < least:
                raise GraphError(f"{name} takes a whole number of {least} or more, got {getattr(self, name)!r}")
        check_font(self.font)
        object.__setattr__(self, "families", {**_families(), **self.families})
        for key, look in (*self.families.items(), *self.looks.items()):
            if not isinstance(look, Look) or not (isinstance(key, str) or _is_layer(key)):
                raise GraphError(f"a style's looks are Looks by names or by types of layers, got {key!r}: {look!r}")

    def look(self, kind: str, box: Box) -> Look:
        """How a box of a family is drawn: names mean a box by its own name, or if they mean all that it stands for."""
        look = self.families[kind]
        path = "/".join((*box.path, box.block)) if box.block is not None else box.first.name
        for key, changed in self.looks.items():
            if isinstance(key, str):
                fits = _fits(path, key) or all(_fits(node.name, key) for node in box.nodes)
            else:
                fits = box.block is None and isinstance(box.first.layer, key)
            look = changed.over(look) if fits else look
        return look

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
    short = whole if len(whole) <= _TIP_LENGTH else whole[: _TIP_LENGTH - 1] + "…"
    # Graphviz replaces \N and \G twice in tooltips, and reads entities
    literal: str = graphviz.escape(short.replace("\\", "\\\\").replace("&", "&amp;"))
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
_TIP_LENGTH = 3000  # Graphviz 14 takes no quoted string of more than 16,384 bytes, here 5 a character at most

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
