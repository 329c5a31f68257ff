"""The equations that a class says of itself in its docstring."""

from __future__ import annotations

import inspect
import re

from .formula import Block, Quote, paragraph


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
    return [Quote(tuple(map(_clean, lines)))] if lines else []


def words_of(kind: type, before: str = "") -> list[Block]:
    """The class's equations, with a sentence that says whose they are, or that there are none."""
    quote = equations_of(kind)
    says = "says of itself:" if quote else "says no equations of itself."
    return [paragraph(f"{before}{kind.__name__} {says}"), *quote]


def _clean(line: str) -> str:
    return "".join(c if c.isprintable() else " " for c in line.expandtabs())
