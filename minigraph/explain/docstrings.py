"""The equations that a class says of itself in its docstring."""

from __future__ import annotations

import inspect
import re

from .formula import Block, Quote, paragraph

WIDEST = 88
"""Longer lines go on in the next one."""


def equations_of(kind: type) -> list[Block]:
    """A Quote of the equations: the indented lines, else what has equations of the first two paragraphs; else nothing.

    A docstring that a class inherits, or that `dataclass` made, says nothing of its equations.
    """
    text = inspect.cleandoc(kind.__dict__.get("__doc__") or "")
    if text.startswith(f"{kind.__name__}("):
        return []
    parts = [part.split("\n") for part in re.split(r"\n\s*\n", text)]
    indented = [[line[4:] for line in part] for part in parts if all(line.startswith("    ") for line in part)]
    chosen = indented or [part for part in parts[:2] if any(" = " in line for line in part)]
    lines = [line for i, part in enumerate(chosen) for line in ([""] if i else []) + part]
    return [Quote(tuple(row for line in lines for row in _wrapped(_clean(line))))] if lines else []


def words_of(kind: type, before: str = "") -> list[Block]:
    """The class's equations, with a sentence that says whose they are, or that there are none."""
    quote = equations_of(kind)
    says = "says of itself:" if quote else "says no equations of itself."
    return [paragraph(f"{before}{kind.__name__} {says}"), *quote]


def _wrapped(line: str) -> list[str]:
    """A line as several that are no wider than WIDEST, ended between columns or, where there are none, words."""
    margin = len(line) - len(line.lstrip()) + 4
    rows = []
    while len(line) > WIDEST:
        ends = [gap.start() for gap in re.finditer(r"(?<=\S)( {2,}|$)", line) if gap.start() <= WIDEST]
        ends = [end for end in ends if end > WIDEST // 3] or [line.rfind(" ", margin, WIDEST + 1)]
        if ends[-1] < 0:
            break
        rows.append(line[: ends[-1]].rstrip())
        line = " " * margin + line[ends[-1] :].lstrip()
    return [*rows, line]


def _clean(line: str) -> str:
    return "".join(c if c.isprintable() else " " for c in line.expandtabs())
