"""Explanations as text in Unicode, for a terminal."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable

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
    Prose,
    Quote,
    Table,
    Values,
)

WIDTH = 100
_KEPT = "\N{NO-BREAK SPACE}"  # a space in a formula, where no line ends


def write(blocks: Iterable[Block]) -> str:
    """The blocks as text, prose in lines of at most 100 characters."""
    return "\n\n".join(map(_block, blocks)) + "\n"


def _block(block: Block) -> str:
    match block:
        case Heading(level, text):
            title = _prose(text)
            return f"{title}\n{('═' if level == 1 else '─') * min(len(title), WIDTH)}"
        case Paragraph(text):
            return textwrap.fill(_prose(text), WIDTH, break_on_hyphens=False).replace(_KEPT, " ")
        case Equations(lines):
            return _equations(lines)
        case Table():
            return _table(block)
        case Quote():
            return "\n".join(f"    {line}".rstrip() for line in block.lines)


def _prose(text: Prose) -> str:
    parts = []
    for part in text:
        match part:
            case Math(formula):
                parts.append(inline(formula).replace(" ", _KEPT))
            case Name(name):
                parts.append(f"'{name}'")
            case _:
                parts.append(part)
    return "".join(parts)


def _table(table: Table) -> str:
    """As many bands as there is room for, at most three."""
    cells = [[_prose(cell) for cell in row] for row in table.rows]
    widths = [max(map(len, column)) for column in zip(table.header, *cells, strict=True)]
    bands = max(1, min(3, WIDTH // (sum(widths) + 2 * len(widths) + 2)))
    rows = [table.header * bands, *([_prose(cell) for cell in row] for row in table.side_by_side(bands))]
    gaps = ["    ", *["  "] * (len(widths) - 1)] * bands
    columns = list(zip(gaps, widths * bands, strict=True))
    lines = ["".join(gap + cell.ljust(n) for (gap, n), cell in zip(columns, row, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def _equations(lines: tuple[Line, ...]) -> str:
    lefts = [inline(line.left) for line in lines]
    width = max(map(len, lefts))
    boxes = [
        _beside([f"    {left.ljust(width)} {line.relation} "], _box(line.right))
        for left, line in zip(lefts, lines, strict=True)
    ]
    notes = [[inline(line.note)] * bool(line.note) + [f"({line.label})"] * bool(line.label) for line in lines]
    ends = [len(box[0]) for box, note in zip(boxes, notes, strict=True) if note and len(box) == 1]
    longest = max((sum(len(text) + 4 for text in note) for note in notes), default=0)
    stop = max((end for end in ends if end + longest <= WIDTH), default=0)
    rows = []
    for box, note in zip(boxes, notes, strict=True):
        box[0] = (box[0].ljust(stop) if note else box[0]) + "".join(f"    {text}" for text in note)
        rows += [row.rstrip() for row in box]
    return "\n".join(rows)


def inline(formula: Formula) -> str:
    """A formula in one line; a matrix has its rows behind each other."""
    return "".join(map(_part, formula))


def _part(part: object) -> str:
    match part:
        case Letter(base, sup, sub):
            return base + _script("^", sup) + _script("_", sub)
        case Fraction(top, bottom):
            return f"{inline(top)}/{inline(bottom)}"
        case Values(rows, 0):
            return rows[0][0]
        case Values(rows, _, more):
            return "; ".join(f"({', '.join(row)})" for row in rows) + _more(more)
        case str(text):
            return text
        case _:
            return str(part.text)  # type: ignore[attr-defined]


def _script(mark: str, formula: Formula) -> str:
    text = inline(formula)
    bare = re.fullmatch(r"−?[^\W_]+", text)
    return "" if not text else f"{mark}{text}" if bare else f"{mark}{{{text}}}"


def _more(shape: str) -> str:
    return f"  ({shape})" if shape else ""


def _box(formula: Formula) -> list[str]:
    """The lines of a formula, several where there is a matrix in it."""
    box = [""]
    for part in formula:
        box = _beside(box, _matrix(part) if isinstance(part, Values) and part.rank == 2 else [_part(part)])
    return box


def _beside(left: list[str], right: list[str]) -> list[str]:
    height = max(len(left), len(right))
    width = max(map(len, left))
    left = left + [""] * (height - len(left))
    right = right + [""] * (height - len(right))
    return [u.ljust(width) + v for u, v in zip(left, right, strict=True)]


def _matrix(matrix: Values) -> list[str]:
    rows = matrix.rows
    if len(rows) == 1:
        return [f"[ {'  '.join(rows[0])} ]{_more(matrix.more)}"]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    ends = [("⎡", "⎤"), *[("⎢", "⎥")] * (len(rows) - 2), ("⎣", "⎦")]
    lines = [
        f"{start} {'  '.join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))} {stop}"
        for row, (start, stop) in zip(rows, ends, strict=True)
    ]
    lines[-1] += _more(matrix.more)
    return lines
