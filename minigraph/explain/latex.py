"""Explanations as a LaTeX document, which plain pdflatex sets with nothing but amsmath."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from . import tex
from .formula import Block, Equations, Heading, Math, Name, Paragraph, Prose

_PREAMBLE = r"""\documentclass[11pt,a4paper]{article}
\usepackage{amsmath}
\setlength{\oddsidemargin}{-0.4cm}\setlength{\textwidth}{16.8cm}
\setlength{\topmargin}{-1.5cm}\setlength{\textheight}{24.5cm}
\setlength{\parindent}{0pt}\setlength{\parskip}{6pt plus 2pt}\setlength{\arraycolsep}{3pt}
\newcommand{\cell}[1]{\makebox[0.5em]{\ensuremath{#1}}}
\newenvironment{docstring}{\par\medskip\scriptsize\ttfamily\leftskip=1em\parskip=0pt}{\par\medskip}
\allowdisplaybreaks\sloppy
\begin{document}
"""

_ASCII = {c: f"\\{c}" for c in "{}$&#%_"} | {c: f"{{{c}}}" for c in "-?!'"}
_ASCII |= {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"}
_ASCII |= {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\char34{}", "`": r"\char96{}"}
_TYPEWRITER = {c: rf"\char{ord(c)}{{}}" for c in "{}$&#%_\\^~<>|\"`'"}  # its font has all of ASCII
_LETTERS = {"ß": r"\ss{}", "æ": r"\ae{}", "Æ": r"\AE{}", "œ": r"\oe{}", "Œ": r"\OE{}", "ø": r"\o{}", "Ø": r"\O{}"}
_LETTERS |= {"ł": r"\l{}", "Ł": r"\L{}", "–": "--", "—": "---", "’": "'", "‘": "`", "“": "``", "”": "''"}
_ACCENTS = dict(
    zip("\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327", "`'^~=u.\"rHvc", strict=True)
)


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


def _block(block: Block) -> str:
    match block:
        case Heading(level, text):
            return rf"\{'sub' * (level - 1)}section*{{\raggedright {_prose(text)}}}"
        case Paragraph(text):
            return _prose(text)
        case Equations(lines):
            rows = " \\\\\n".join(tex.line(line, escape, r"\tag{%s}") for line in lines)
            return f"\\begin{{align*}}\n{rows}\n\\end{{align*}}"
        case _:
            rows = "\\\\\n".join("\\mbox{}" + _typewriter(line).replace(" ", "~") for line in block.lines)
            return f"\\begin{{docstring}}\\noindent\n{rows}\n\\end{{docstring}}"


def _prose(text: Prose) -> str:
    parts = []
    for part in text:
        match part:
            case Math(formula):
                parts.append(f"${tex.formula(formula, escape).strip()}$")
            case Name(name):
                pieces = r"\allowbreak ".join(_typewriter(piece) for piece in re.findall(".{1,16}", name))
                parts.append(rf"\texttt{{{pieces}}}")
            case _:
                parts.append(escape(part))
    return "".join(parts)


def escape(text: str) -> str:
    """Text as LaTeX: accents and the signs of formulas are set, other characters go by their number, U+1F600."""
    return _set(text, _ASCII, r"\ensuremath{%s}")


def _typewriter(text: str) -> str:
    """Text for a font in which every character is equally wide."""
    return _set(text, _TYPEWRITER, r"\cell{%s}")


def _set(text: str, ascii: dict[str, str], symbol: str) -> str:
    parts = []
    for match in re.finditer(r"(.)([\u0300-\u036f]*)", unicodedata.normalize("NFC", text), re.DOTALL):
        base, marks = match.groups()
        if base not in tex.SYMBOLS and base not in _LETTERS:
            base, marks = unicodedata.normalize("NFD", base)[0], unicodedata.normalize("NFD", base)[1:] + marks
        if base in tex.SYMBOLS:
            piece = symbol % tex.SYMBOLS[base]
        elif base.isascii() and base.isprintable():
            piece = ascii.get(base, base)
        else:
            piece = _LETTERS.get(base) or _number(base)
        for mark in marks:
            piece = rf"\{_ACCENTS[mark]}{{{piece}}}" if mark in _ACCENTS else piece + _number(mark)
        parts.append(piece)
    return "".join(parts)


def _number(c: str) -> str:
    return rf"\texttt{{U+{ord(c):04X}}}"
