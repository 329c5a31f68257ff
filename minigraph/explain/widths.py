"""How wide formulas become in LaTeX, at most: whole letters of 11 pt stand for what TeX measures."""

from __future__ import annotations

from collections.abc import Iterable

from .formula import Formula, Fraction, Letter, Line, Math, Name, Prose, Values, Words

LINE = 43.5
"""The width of a line, in em."""

SMALL_LINE, BESIDE = 47.6, 0.8
"""The width of a line, in em of tables' small letters; what parts two columns there."""

_RELATION, _LABEL, _SCRIPT = 1.0, 0.6, 0.75
_UNKNOWN = 3.8  # a character that LaTeX can't set goes by its number, U+1F600


def after_left(lines: Iterable[Line]) -> list[float]:
    """For each of the equations that stand together, the room behind its relation; its label is taken off."""
    lines = tuple(lines)
    left = max(map(of_formula, (line.left for line in lines)))
    return [LINE - left - _RELATION - (2 + _LABEL * len(line.label) if line.label else 0) for line in lines]


def of_formula(formula: Formula) -> float:
    """The width of a formula."""
    return sum(map(_of_part, formula))


def of_prose(text: Prose) -> float:
    """The width of prose in one line; names stand in typewriter."""
    return sum(of_formula(part.formula) if isinstance(part, Math) else _of_text(part, 0.53) for part in text)


def _of_part(part: object) -> float:
    match part:
        case Letter(base, sup, sub):
            scripts = _SCRIPT * max(of_formula(sup), of_formula(sub))
            return max(1.6, scripts) if base == "Σ" else _of_text(base, 0.65) + scripts
        case Fraction(top, bottom):
            return 0.3 + max(of_formula(top), of_formula(bottom))
        case Values():
            return _of_values(part)
        case Name() | Words():
            return _of_text(part, 0.53)
        case _:
            return _of_text(str(part), 0.53)


def _of_values(part: Values) -> float:
    columns = zip(*part.rows, strict=True)
    more = 1 + _of_text(part.more, 0.53) if part.more else 0.0
    return more + 1.5 + sum(0.6 + max(0.55 * len(cell) + ("e" in cell) for cell in column) for column in columns)


def _of_text(text: str | Name | Words, letter: float) -> float:
    plain = text if isinstance(text, str) else text.text
    return sum(letter if ord(c) < 0x2300 else _UNKNOWN for c in plain)
