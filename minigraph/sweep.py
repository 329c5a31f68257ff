"""What both sweeps over a graph's nodes have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from .layer import Node
from .param import Array
from .record import Record
from .script import Adrift, Script

Watch: TypeAlias = Callable[[Node], None]

CHANCES = 3
"""So often a sweep's calls are written down; where layers don't keep to them each time, they are always called."""


class Sweep:
    """Prepared calls of layers, one step a node; from the second sweep on as a script, if nobody watches."""

    records: dict[Node, Record]
    steps: list[Any]

    def __init__(self) -> None:
        self.verified = False
        """Whether layers were held to their contract: done in the first sweep."""
        self.script: Script | None = None
        self._chances = CHANCES
        self._doubted: set[Node] = set()

    def _led(self, outputs: list[Any]) -> bool:
        """Whether the script, if there is one, led to the end with these feeds and can be trusted."""
        if self.script is None:
            return False
        try:
            if self.script.run(outputs):
                return True
            self._chances += 1  # each time with one node more that is called
        except Adrift:
            pass
        self.script = None
        for at in self.records.values():
            at.rewind()
        return False


def watcher(verify: Watch, observe: Watch | None) -> Watch:
    """One function to call after a node for both purposes."""
    if observe is None:
        return verify

    def watch(node: Node) -> None:
        verify(node)
        observe(node)

    return watch


def guarded(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
    """Read-only views of arrays, to be handed to a layer."""
    views = tuple([array.view() for array in arrays])
    for view in views:
        view.flags.writeable = False
    return views


def unguarded(returned: Any, views: tuple[Array, ...], arrays: tuple[Array, ...]) -> Any:
    """What a layer returned, with the arrays themselves where it passes on views of them."""
    own = {id(view): array for view, array in zip(views, arrays, strict=True)}
    if type(returned) in (tuple, list):
        return type(returned)([own.get(id(part), part) for part in returned])
    return own.get(id(returned), returned)
