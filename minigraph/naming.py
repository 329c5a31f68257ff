"""How nodes and Params are named in a sentence."""

from __future__ import annotations

from collections.abc import Iterable

from .layer import Node
from .summary import one_line


def quoted(node: Node | str) -> str:
    """A node's name, or a Param's, as it stands in a sentence: in quotes, on one line, not too long."""
    return f"'{one_line(node if isinstance(node, str) else node.name)}'"


def listed(names: Iterable[Node | str], most: int = 4) -> str:
    """Several names in a sentence, the first few of many."""
    several = [quoted(name) for name in names]
    return ", ".join(several[:most]) + (f" and {len(several) - most:,} more" if len(several) > most else "")
