"""Formulas and prose in one neutral form, which writers set as text, Markdown or LaTeX."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np

from ..measures import shown
from ..param import Array

T = TypeVar("T")

ELEMENTS, ROWS, COLUMNS = 6, 6, 5
"""Of a vector, so many elements are shown; of a matrix, so many rows and columns."""


@dataclass(frozen=True)
class Name:
    """Text that a user chose."""

    text: str


@dataclass(frozen=True)
class Words:
    """Words within a formula, and functions that go by a word."""

    text: str


@dataclass(frozen=True)
class Letter:
    """A letter with what stands above and below it: δ^l_j, e^z, Σ_k."""

    base: str
    sup: Formula = ()
    sub: Formula = ()


@dataclass(frozen=True)
class Fraction:
    """A derivative, ∂C/∂z, or another quotient whose parts need no parentheses."""

    top: Formula
    bottom: Formula


@dataclass(frozen=True)
class Values:
    """Numbers of a run, written down when this is made: one, a vector, or the rows of a matrix.

    `more` is the whole shape where not all is shown.
    """

    rows: tuple[tuple[str, ...], ...]
    rank: int
    more: str = ""


Part: TypeAlias = "str | Name | Words | Letter | Fraction | Values"
Formula: TypeAlias = "tuple[Part, ...]"


@dataclass(frozen=True)
class Math:
    """A formula within prose."""

    formula: Formula


Prose: TypeAlias = "tuple[str | Name | Math, ...]"


@dataclass(frozen=True)
class Heading:
    """The title of the whole, level 1, or of a part, level 2."""

    level: int
    text: Prose


@dataclass(frozen=True)
class Paragraph:
    """Sentences."""

    text: Prose


@dataclass(frozen=True)
class Line:
    """One equation, `left relation right`, with a remark and the equation's label, such as BP2.

    Without `left`, it goes on with the one above.
    """

    left: Formula
    relation: str
    right: Formula
    note: Formula = ()
    label: str = ""


@dataclass(frozen=True)
class Equations:
    """Equations below each other, with their relations in line."""

    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Quote:
    """Lines from a docstring, as they are, columns and all."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Rows of cells below the names of their columns."""

    header: tuple[str, ...]
    rows: tuple[tuple[Prose, ...], ...]

    def side_by_side(self, bands: int) -> list[tuple[Prose, ...]]:
        """The rows in so many bands beside each other, each read downwards; the last one is filled up with nothing."""
        height = -(-len(self.rows) // bands)
        empty: tuple[Prose, ...] = ((),) * len(self.header)
        filled = (*self.rows, *(empty,) * (height * bands - len(self.rows)))
        return [tuple(cell for row in filled[i::height] for cell in row) for i in range(height)]


Block: TypeAlias = "Heading | Paragraph | Equations | Quote | Table"


def heading(level: int, *text: str | Name | Math) -> Heading:
    """A Heading."""
    return Heading(level, text)


def paragraph(*text: str | Name | Math) -> Paragraph:
    """A Paragraph."""
    return Paragraph(text)


def equations(*lines: Line) -> Equations:
    """The Equations."""
    return Equations(lines)


def math(*parts: Part) -> Math:
    """A formula within prose."""
    return Math(parts)


def partial(top: Part, bottom: Part) -> Fraction:
    """∂top/∂bottom."""
    return Fraction(("∂", top), ("∂", bottom))


def listed(items: Iterable[T], between: str = ", ") -> tuple[T | str, ...]:
    """Items in a row, with something between each two."""
    return tuple(part for i, item in enumerate(items) for part in (((between,) if i else ()) + (item,)))


def letters_in(blocks: Iterable[Block]) -> Iterator[Letter]:
    """All letters of formulas, in order; what stands above or below one comes behind it."""
    for block in blocks:
        match block:
            case Heading(_, text) | Paragraph(text):
                formulas = [part.formula for part in text if isinstance(part, Math)]
            case Equations(lines):
                formulas = [formula for line in lines for formula in (line.left, line.right, line.note)]
            case _:
                formulas = []
        for formula in formulas:
            yield from _letters(formula)


def values(array: Array | float) -> Values:
    """The numbers of an array in three digits; of a large one the first. More axes than two are laid out in a row."""
    array = np.asarray(array)
    if array.ndim == 0:
        return Values(((_number(array[()]),),), 0)
    if array.ndim != 2 or not array.size:
        flat = array.reshape(-1)
        cut = array.ndim > 1 or flat.size > ELEMENTS
        return Values((_row(flat, ELEMENTS),), 1, _size(array.shape) if cut else "")
    rows = [_row(row, COLUMNS) for row in array[:ROWS]]
    if len(array) > ROWS:
        rows.append(("⋮",) * len(rows[0]))
    return Values(tuple(rows), 2, _size(array.shape) if len(array) > ROWS or array.shape[1] > COLUMNS else "")


def _letters(formula: Formula) -> Iterator[Letter]:
    for part in formula:
        match part:
            case Letter(_, sup, sub):
                yield part
                yield from _letters(sup + sub)
            case Fraction(top, bottom):
                yield from _letters(top + bottom)


def _row(row: Array, limit: int) -> tuple[str, ...]:
    return tuple(map(_number, row[:limit])) + ("…",) * (len(row) > limit)


def _number(x: Any) -> str:
    return str(int(x)) if isinstance(x, (np.integer, np.bool_)) else shown(float(x))


def _size(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) if len(shape) > 1 else f"{shape[0]} numbers"
