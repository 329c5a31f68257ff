"""The unique names of a graph's nodes and blocks."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from typing import Any

from .caller import user_line
from .errors import GraphError
from .gist import gist
from .layer import Layer, Node


class Names:
    """Which name belongs to which node; a block's name belongs to None. Any text is a name."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node | None] = {}
        self._counters: dict[str, int] = {}

    def find(self, name: object, graph: str) -> Node:
        """The node of that name; raises GraphError with the names that come near."""
        node = self.nodes.get(name) if isinstance(name, str) else None
        if node is None:
            known = [n for n, node in self.nodes.items() if node is not None]
            near = difflib.get_close_matches(str(name), known)
            if near:
                hint = f": did you mean {' or '.join(map(repr, near))}?"
            else:
                some = ", ".join(map(repr, known[:5])) or "none"
                hint = f", which has {some}{', …' if len(known) > 5 else ''}"
            raise GraphError(f"no node {name!r} in graph {graph!r}{hint}")
        return node

    def claim(self, name: object) -> str:
        """A name that the user chose; raises GraphError when it is taken or no text."""
        if not isinstance(name, str):
            raise GraphError(f"a name is text, got {gist(name)}: write name='…' (at {user_line()})")
        if name in self.nodes:
            there = self.nodes[name]
            owner = f"node {name!r} (added at {there.source})" if there is not None else f"a block {name!r}"
            remedy = f"choose another name (at {user_line()})"
            raise GraphError(f"names are unique, and there is {owner} already: {remedy}")
        return name

    def suggest(self, layer: Layer) -> str:
        """A name for a use of a layer: the layer's own, or one made from its class."""
        if layer.name is None:
            return self.unique(snake(type(layer).__name__))
        there = self.nodes.get(layer.name)
        return self.unique(layer.name) if there is not None and there.layer is layer else self.claim(layer.name)

    def unique(self, base: str) -> str:
        """The base, or the first of base_1, base_2, … that is free."""
        name = base
        while name in self.nodes:
            self._counters[base] = self._counters.get(base, 0) + 1
            name = f"{base}_{self._counters[base]}"
        return name

    def map(self, function: Callable[[Any], Any]) -> Names:
        """A copy with another thing in each node's place."""
        copy = Names()
        copy.nodes = {name: None if node is None else function(node) for name, node in self.nodes.items()}
        copy._counters = dict(self._counters)
        return copy


def snake(name: str) -> str:
    """DenseLayer -> dense_layer, LSTMCell -> lstm_cell, Conv2D -> conv2d, PReLU -> prelu."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name.replace("PReLU", "Prelu")).lower()
