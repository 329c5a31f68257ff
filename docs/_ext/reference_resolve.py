"""Which public name a piece of code, or a word in prose, means."""

from __future__ import annotations

import re
from functools import cache

from reference_names import entries

OWNERS = {"g": "minigraph.Graph", "graph": "minigraph.Graph", "run": "minigraph.Run"}
"""What the docstrings' variables are."""
FIRST = ("minigraph", "minigraph.layers", "minigraph.costs", "minigraph.optimizers", "minigraph.errors")
"""Where a name is looked for first, as several modules have a Function."""


def full_name(written: str, near: str = "", within: str = "") -> str | None:
    """The full name, or None: `Dense(3)`, `mg.fit(…)`, `minigraph.costs.L2`, `run.backward`, `History.plot`.

    A bare name in small letters means a parameter, not a function. `near` is the module whose page it stands on,
    `within` the class whose docstrings it stands in: its methods go by their names alone.
    """
    found = re.match(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(\(.*\))?$", written, re.DOTALL)
    if found is None:
        return None
    name = re.sub(r"^mg(?=\.)", "minigraph", found[1])
    first, _, rest = name.partition(".")
    if first in OWNERS:
        return f"{OWNERS[first]}.{rest}" if rest in _members(OWNERS[first]) else None
    if name in _members(within):
        return f"{within}.{name}"
    if name in _names():
        return _names()[name]
    candidates = [_names()[full] for module in (near, *FIRST) if (full := f"{module}.{name}") in _names()]
    if candidates and first[0].isupper():
        return candidates[0]
    others = [full for full in entries() if full.rpartition(".")[2] == name and first[0].isupper()]
    if others:
        return others[0]
    owner, _, member = name.rpartition(".")
    if owner and (whole := full_name(owner, near)) and member in _members(whole):
        return f"{whole}.{member}"
    return None


@cache
def _names() -> dict[str, str]:
    """Each way to write a public name in full, with the one that its entry has."""
    found = {name: name for name in entries()}
    for entry in entries().values():
        found.update(dict.fromkeys(entry.aliases, entry.name))
    return found


@cache
def _members(name: str) -> frozenset[str]:
    entry = entries().get(name)
    return frozenset(member.name for member in entry.members) if entry else frozenset()
