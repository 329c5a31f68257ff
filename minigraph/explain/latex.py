"""Explanations as a LaTeX document, which plain pdflatex sets with nothing but amsmath."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import groupby
from operator import itemgetter

from .characters import SYMBOLS, escape, typewriter
from .formula import (
    Block,
    Equations,
    Formula,
    Fraction,
    Heading,
    Letter,
    Line,
    Math,
    Name,
    Paragraph,
    Part,
    Prose,
    Quote,
    Table,
    Values,
    Words,
)
from .widths import BESIDE, SMALL_LINE, after_left, of_formula, of_prose

_PREAMBLE = r"""\documentclass[11pt,a4paper]{article}
\usepackage{amsmath}
\setlength{\oddsidemargin}{-0.4cm}\setlength{\textwidth}{16.8cm}
\setlength{\topmargin}{-1.5cm}\setlength{\textheight}{24.5cm}
\setlength{\parindent}{0pt}\setlength{\parskip}{6pt plus 2pt}\setlength{\arraycolsep}{3pt}
\newcommand{\cell}[1]{\makebox[0.5em]{\ensuremath{#1}}}
\newcommand{\several}[2]{\parbox[t]{#1em}{\raggedright\lineskiplimit=2pt\lineskip=4pt\hspace{0pt}#2\strut}}
\newenvironment{docstring}{\par\medskip\small\ttfamily\leftskip=1em\parskip=0pt}{\par\medskip}
\allowdisplaybreaks\sloppy
\begin{document}
"""

ROWS = 40
"""A table of more rows goes on in another one, as it ends with its page."""

Upright = Callable[[str], str]
"""Turns text of any kind into what stands in \\text{…}."""


def write(blocks: Iterable[Block]) -> str:
    """The blocks as a whole document."""
    return f"{_PREAMBLE}{body(blocks)}\n\\end{{document}}\n"


def body(blocks: Iterable[Block]) -> str:
    """The blocks as they stand between \\begin{document} and \\end{document}."""
    parts: list[str] = []
    before: Block | None = None
    for block in blocks:
        if isinstance(block, Equations):  # a display after an empty line, or a heading, would stand a line too low
            parts.append("\n\\vspace{-\\baselineskip}\n" if isinstance(before, Heading) else "\n")
        elif before is not None:
            parts.append("\n\n")
        parts.append(_block(block))
        before = block
    return "".join(parts)


def formula(parts: Formula, upright: Upright) -> str:
    """A formula in TeX's mathematics; `upright` writes names and words."""
    return "".join(_part(part, upright) for part in parts)


def line(row: Line, upright: Upright, label: str) -> str:
    """One equation for an environment that aligns at &; its label in a form of the format's own."""
    note = r"\quad " + formula(row.note, upright) if row.note else ""
    return _aligned(row, formula(row.right, upright) + note, upright, label)


def _aligned(row: Line, right: str, upright: Upright, label: str) -> str:
    end = label % row.label if row.label else ""
    gap = "" if row.left else "{}"  # a plus at the beginning of a line has an operator's space
    return f"{formula(row.left, upright)} &{gap}{_signs(row.relation)} {right}{end}"


def _block(block: Block) -> str:
    match block:
        case Heading(level, text):
            return rf"\{'sub' * (level - 1)}section*{{\raggedright {_prose(text)}}}"
        case Paragraph(text):
            return _prose(text)
        case Equations(lines):
            rows = " \\\\\n".join(map(_line, lines, after_left(lines)))
            return f"\\begin{{align*}}\n{rows}\n\\end{{align*}}"
        case Table():
            return _table(block)
        case Quote():
            rows = "\\\\\n".join("\\mbox{}" + typewriter(line).replace(" ", "~") for line in block.lines)
            return f"\\begin{{docstring}}\\noindent\n{rows}\n\\end{{docstring}}"


def _prose(text: Prose) -> str:
    parts = []
    for part in text:
        match part:
            case Math(content):
                parts.append(f"${formula(content, escape).strip()}$")
            case Name(name):
                parts.append(rf"\texttt{{{_breakable(name, typewriter)}}}")
            case _:
                parts.append(escape(part))
    return "".join(parts)


def _breakable(name: str, setting: Upright) -> str:
    return r"\allowbreak ".join(setting(piece) for piece in re.findall("[^/]{1,16}/?|/", name))


def _table(table: Table) -> str:
    """Tables of as many bands as there is room for, at most three."""
    widths = [
        min(max(map(of_prose, (*cells, (name,)))), SMALL_LINE - 10)
        for name, *cells in zip(table.header, *table.rows, strict=True)
    ]
    bands = max(1, min(3, int((SMALL_LINE + BESIDE) / (sum(widths) + BESIDE * len(widths)))))
    columns = "".join(f"p{{{width:.1f}em}}" for width in widths) * bands
    heads = " & ".join([rf"\textit{{{escape(name)}}}" for name in table.header] * bands)
    parts = []
    for start in range(0, len(table.rows), ROWS * bands):
        page = Table(table.header, table.rows[start : start + ROWS * bands])
        rows = [" & ".join(rf"\raggedright {_prose(cell)}" for cell in row) for row in page.side_by_side(bands)]
        lines = "\\tabularnewline\n".join([heads, *rows])
        parts.append(
            f"{{\\small\\tabcolsep=0.4em\n\\begin{{tabular}}{{@{{}}{columns}@{{}}}}\n{lines}\n\\end{{tabular}}}}"
        )
    return "\n\n".join(parts)


def _line(row: Line, room: float) -> str:
    """An equation whose right side and remark, if they are wider than the room, stand in several lines."""
    if of_formula(row.right) + (1 + of_formula(row.note) if row.note else 0) <= room:
        return line(row, escape, r"\tag{%s}")
    note = rf"\quad {_broken(row.note)}" if row.note else ""
    return _aligned(row, rf"\several{{{room:.1f}}}{{{_broken(row.right)}{note}}}", escape, r"\tag{%s}")


def _broken(parts: Formula) -> str:
    """A formula for a paragraph, where lines may end behind commas, signs and words."""
    codes = ""
    for is_text, group in groupby(map(_piece, parts), key=itemgetter(0)):
        code = "".join(piece for _, piece in group)
        codes += code if is_text else rf"$\displaystyle {code}$"
    return codes


def _piece(part: Part) -> tuple[bool, str]:
    """A part of a formula that may be broken; whether it is text."""
    match part:
        case Words(text):
            return True, escape(text)
        case Name(text):
            return True, _breakable(text, escape)
    end = r"\allowbreak " if isinstance(part, str) and part.endswith(" ") else ""
    return False, _part(part, escape).replace(r",\ ", r",\ \allowbreak ") + end


def _part(part: object, upright: Upright) -> str:
    match part:
        case Letter(base, sup, sub):
            base = r"\sum" if base == "Σ" else _signs(base).rstrip()
            return _parted(
                base + _script("_", sub, upright) + _script("^", sup, upright)
            )  # }_{ is emphasis in Markdown
        case Fraction(top, bottom):
            return rf"\frac{{{formula(top, upright)}}}{{{formula(bottom, upright)}}}"
        case Values():
            return _values(part, upright)
        case Name(text) | Words(text):
            return rf"\text{{{upright(text)}}}"
        case _:
            return _signs(str(part))


def _signs(text: str) -> str:
    """Letters and signs of ours as TeX; two spaces or more are a wide one."""
    text = re.sub(" {2,}", r"\\quad ", text)
    return re.sub(" +(?=[ _^])", "", "".join(_parted(SYMBOLS.get(c, c)) for c in text))


def _parted(text: str) -> str:
    """TeX with a space behind it, where a letter could be taken as the end of a command."""
    return f"{text} " if re.search(r"\\[A-Za-z]+$", text) else text


def _script(mark: str, parts: Formula, upright: Upright) -> str:
    return f"{mark}{{{formula(parts, upright)}}}" if parts else ""


def _values(part: Values, upright: Upright) -> str:
    more = rf"\;\text{{({upright(part.more)})}}" if part.more else ""
    rows = [[_number(cell) for cell in row] for row in part.rows]
    if part.rank == 0:
        return rows[0][0]
    if part.rank == 1:
        cells = [rows[0][0], *(re.sub(r"^-", "{-}", cell) for cell in rows[0][1:])]  # a sign, not a difference
        return "(" + r",\ ".join(cells) + ")" + more
    return r"\begin{pmatrix} " + r" \\ ".join(map(" & ".join, rows)) + r" \end{pmatrix}" + more


def _number(text: str) -> str:
    if text == "NaN":
        return r"\text{NaN}"
    mantissa, _, exponent = text.partition("e")
    return _signs(mantissa) + (rf"\cdot 10^{{{exponent}}}" if exponent else "")
