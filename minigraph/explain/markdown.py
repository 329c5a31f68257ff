"""Explanations in Markdown, with formulas between dollar signs, as notebooks and GitHub show them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from . import latex
from .formula import Block, Equations, Heading, Math, Name, Paragraph, Prose, Quote, Table

_WIDE = 0xFEE0  # from a sign in ASCII to the same sign in full width, which means nothing to Markdown or TeX


def write(blocks: Iterable[Block]) -> str:
    """The blocks as Markdown."""
    return "\n\n".join(map(_block, blocks)) + "\n"


def _block(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f"{'#' * (level + 1)} {_prose(text)}"
        case Paragraph(text):
            return _prose(text)
        case Equations(lines):
            rows = " \\\\\n".join(latex.line(line, upright, r"\qquad\text{(%s)}") for line in lines)
            return f"$$\n\\begin{{aligned}}\n{rows}\n\\end{{aligned}}\n$$"
        case Table(header):
            cells = [[_cell(cell) for cell in row] for row in block.side_by_side(2)]
            return "\n".join(f"| {' | '.join(row)} |" for row in [header * 2, ["---"] * 2 * len(header), *cells])
        case Quote():
            fence = "`" * max(3, 1 + _longest_run("\n".join(block.lines)))
            return "\n".join([fence + "text", *block.lines, fence])


def _prose(text: Prose) -> str:
    parts = []
    for part in text:
        match part:
            case Math(formula):
                parts.append(f"${latex.formula(formula, upright).strip()}$")
            case Name(name):
                parts.append(_code(name))
            case _:
                parts.append(re.sub(r"([\\`*_{}\[\]<>#|$~&])", r"\\\1", part))
    return "".join(parts)


def _cell(text: Prose) -> str:
    return _prose(text).replace("|", r"\|")  # before anything else, a table is cut at its bars


def _code(name: str) -> str:
    fence = "`" * (1 + _longest_run(name))
    pad = " " if not name.strip(" ") or "`" in (name[0], name[-1]) or " " in (name[0], name[-1]) else ""
    return f"{fence}{pad}{name}{pad}{fence}"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def upright(text: str) -> str:
    r"""Text for \text{…} in a formula: what TeX or Markdown would take as a sign of theirs stands in full width."""
    return "".join(r"\_" if c == "_" else chr(ord(c) + _WIDE) if c in '\\`*{}[]<>#|$~&^%!"' else c for c in text)
