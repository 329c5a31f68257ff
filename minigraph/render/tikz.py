"""Graphviz's layout as TikZ: a picture for papers, with labels in LaTeX's own letters."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from ..errors import RenderError
from .engine import UNWRITABLE
from .latex import Run, typeset

Op = dict[str, Any]


def tikz(layout: bytes, title: str) -> str:
    """Return a tikzpicture of a layout in Graphviz's JSON, for `\\input` in any document that uses tikz.

    Texts that come out wider than in the layout, in whatever font the document has, are made smaller.

    Raises RenderError for a layout larger than LaTeX can measure.
    """
    graph = json.loads(layout)
    width, height, frame = _frame(graph)
    if max(width, height) > _LIMIT:
        raise RenderError(
            f"the drawing is {width:,.0f} by {height:,.0f} points large, and LaTeX measures up to {_LIMIT:,}: draw a "
            "smaller part of the network, or fold it"
        )
    body = [line for thing in _things(graph) for line in _thing(thing)]
    colors = sorted({color for line in body for color in re.findall(r"\bmg([0-9a-f]{6})\b", line)})
    return "\n".join(
        [
            f"% {' '.join(UNWRITABLE.sub(' ', title).split())}: needs \\usepackage{{tikz}}",
            "\\begin{tikzpicture}[x=1bp, y=1bp, line width=1bp]",
            _MACROS,
            *(f"\\definecolor{{mg{color}}}{{HTML}}{{{color.upper()}}}" for color in colors),
            f"\\useasboundingbox {frame};",
            *body,
            "\\end{tikzpicture}%\n",
        ]
    )


def document(layout: bytes, title: str) -> str:
    """Return a LaTeX document of one page, as large as the picture, that plain pdflatex compiles; raises as `tikz`."""
    width, height, _ = _frame(json.loads(layout))
    return _DOCUMENT % (width, height + 0.1, tikz(layout, title))


_LIMIT = 16_000  # of TeX's 16,383.99

# Of a text: size, color, anchor, place, width, LaTeX. Which width it really has is known in the document only. Sizes
# are larger than Graphviz's, because the letters of most papers are smaller than those of DejaVu Sans.
_MACROS = r"""\def\mgtext#1#2#3#4#5#6{\node[anchor=base #3, inner sep=0bp, outer sep=0bp, text=#2] at (#4) {%
  \setbox0=\hbox{\fontsize{1.1\dimexpr#1bp}{1.1\dimexpr#1bp}\selectfont #6}%
  \ifdim\wd0>#5bp \resizebox{#5bp}{!}{\copy0}\else\copy0\fi};}
\def\mgshape#1{\tikz[baseline=0bp, x=0.7em, y=0.7em, line width=0.06em]\path #1;}
\def\mgnone#1{{\fboxsep=0.1em\fbox{?}}}% the character that has the number #1 in Unicode, and none in plain LaTeX"""

_DOCUMENT = r"""\RequirePackage{fix-cm}
\documentclass{article}
\usepackage{tikz}
\usepackage[papersize={%.2fbp,%.2fbp}, margin=0bp, noheadfoot]{geometry}
\pagestyle{empty}
\setlength{\parindent}{0bp}
\begin{document}
%s\end{document}
"""


def _frame(graph: Op) -> tuple[float, float, str]:
    """Width, height and corners of a layout with the margin around it."""
    left, low, right, high = (float(x) for x in graph["bb"].split(","))
    pad = 72 * float(graph.get("pad", 4 / 72))
    corners = f"({left - pad:.2f},{low - pad:.2f}) rectangle ({right + pad:.2f},{high + pad:.2f})"
    return right - left + 2 * pad, high - low + 2 * pad, corners


def _things(graph: Op) -> Iterator[Op]:
    """The graph itself, then blocks, boxes and lines, or lines before boxes, as the drawing says."""
    parts = [graph.get("objects", []), graph.get("edges", [])]
    return chain([graph], *(parts[::-1] if graph.get("outputorder") == "edgesfirst" else parts))


def _thing(thing: Op) -> Iterator[str]:
    lists = [ops for key, ops in thing.items() if re.fullmatch(r"_\w*draw_", key)]
    if lists and re.fullmatch(r"[\w-]+", thing.get("id", "")):
        yield f"% {thing['id']}"
    for ops in lists:
        yield from _drawn(ops)


@dataclass(frozen=True)
class _Pen:
    line: str = ""
    fill: str = ""
    width: str = ""
    dash: str = ""
    size: float = 14
    flags: int = 0

    def after(self, op: Op) -> _Pen:
        """The pen, as an operation that draws nothing leaves it."""
        match op["op"]:
            case "c":
                return replace(self, line=_color(op))
            case "C":
                return replace(self, fill=_color(op))
            case "F":
                return replace(self, size=op["size"])
            case "t":
                return replace(self, flags=op["fontchar"])
            case "S" if found := re.fullmatch(r"setlinewidth\((.*)\)", op["style"]):
                return replace(self, width=f"line width={found[1]}bp")
            case "S" if op["style"] in _DASHES:
                return replace(self, dash=_DASHES[op["style"]])
        return self

    def path(self, path: str, filled: bool) -> str:
        fill = f"fill={self.fill}" if filled and self.fill else ""
        look = ", ".join(part for part in (f"draw={self.line}" * bool(self.line), fill, self.width, self.dash) if part)
        return f"\\path[{look}] {path};"


_DASHES = {"solid": "", "dashed": "dash pattern=on 5bp off 2bp", "dotted": "dash pattern=on 1bp off 5bp"}


def _color(op: Op) -> str:
    """A color's name, or nothing where it is transparent."""
    found = re.fullmatch(r"#([0-9a-f]{6})(00)?[0-9a-f]{0,2}", op["color"])
    return f"mg{found[1]}" if found and not found[2] else ""


@dataclass(frozen=True)
class _Text:
    run: Run
    x: float
    y: float
    width: float
    align: str
    pen: _Pen

    def goes_on(self, following: _Text) -> bool:
        """Whether the next text belongs to this one: in the same line without a gap, size and color."""
        alike = self.align == following.align == "l" and self.y == following.y
        same_pen = (self.pen.size, self.pen.line) == (following.pen.size, following.pen.line)
        return alike and same_pen and abs(self.x + self.width - following.x) < 1


def _drawn(ops: list[Op]) -> Iterator[str]:
    line: list[_Text] = []
    for piece in _pieces(ops):
        if line and not (isinstance(piece, _Text) and line[-1].goes_on(piece)):
            yield _set(line)
            line = []
        if isinstance(piece, _Text):
            line.append(piece)
        else:
            yield piece
    if line:
        yield _set(line)


def _pieces(ops: list[Op]) -> Iterator[_Text | str]:
    """Texts, and paths as TikZ."""
    pen = _Pen()
    for op in ops:
        kind, points = op["op"], [_point(*xy) for xy in op.get("points", [])]
        if kind == "T" and pen.line:
            x, y = op["pt"]
            yield _Text(Run(op["text"], pen.flags), x, y, op["width"], op["align"], pen)
        elif kind in "PpL":
            yield pen.path(" -- ".join(points + ["cycle"] * (kind != "L")), kind == "P")
        elif kind in "Bb":
            yield pen.path(points[0] + "".join(map(_curve, points[1::3], points[2::3], points[3::3])), kind == "B")
        elif kind in "Ee":
            x, y, a, b = op["rect"]
            yield pen.path(f"{_point(x, y)} ellipse [x radius={a:g}, y radius={b:g}]", kind == "E")
        else:
            pen = pen.after(op)


def _set(line: list[_Text]) -> str:
    first, last = line[0], line[-1]
    anchor = {"l": "west", "r": "east"}.get(first.align, "")
    place, width = f"{first.x:.2f},{first.y:.2f}", f"{last.x + last.width - first.x:.2f}"
    arguments = (f"{first.pen.size:g}", first.pen.line, anchor, place, width, typeset(text.run for text in line))
    return "\\mgtext" + "".join(f"{{{argument}}}" for argument in arguments)


def _point(x: float, y: float) -> str:
    return f"({x:.2f},{y:.2f})"


def _curve(*points: str) -> str:
    return " .. controls {} and {} .. {}".format(*points)
