"""Script: a sweep as calls of numpy, one after the other, made without the layers that asked for them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from functools import partial
from hashlib import blake2b
from operator import length_hint
from typing import Any

import numpy as np

from .calls import steady, written
from .contract import blame
from .layer import Node
from .nested import arrays_in, owner
from .param import Array
from .record import Record
from .trace import Call


class Adrift(Exception):
    """A layer returned another array than the one that the calls behind it take."""


class Script:
    """The calls of a sweep, node by node.

    A node's layer is called as a whole where it isn't `steady`, or is one of `doubted`. Calls take the same arrays each
    time, but for feeds. What they leave is held against what the layers themselves leave, bit for bit, the first time
    that they are made; layers that leave something else are `doubted` from then on.
    """

    def __init__(self, direction: str, doubted: set[Node]):
        self.direction = direction
        self.doubted = doubted
        self._proven = False
        self._scratch: dict[Any, Any] = {}
        self._written: dict[Node, tuple[Callable[..., Any], Record, Any]] = {}
        self._calls: list[Call] = []
        self._whole: set[int] = set()
        self._results: list[Any] = []
        self._nodes: list[Node] = []
        self._starts: list[int] = []
        self._feeds: list[tuple[int, Array, list[tuple[list[Any], int]]]] = []
        self._takers: list[tuple[Record, list[int]]] = []

    def __contains__(self, node: Node) -> bool:
        """Whether the node's layer needn't be called."""
        return node in self._written

    def write(self, node: Node, method: Callable[..., Any], at: Record, arrays: tuple[Array, ...]) -> Any:
        """What the layer's method returns, its calls written down if possible; None, uncalled, if it isn't `steady`."""
        if not steady(node.layer) or node in self.doubted:
            return None
        try:
            result, calls = written(method, at, arrays, self._scratch)
        except Exception as fault:
            raise blame(node, self.direction, fault) from fault
        if calls is not None:
            self.add(node, calls)
            self._written[node] = method, at, result
            self._results.append(result)
        return result

    def add(self, node: Node, calls: list[Call]) -> None:
        """Add calls made for a node."""
        self._nodes.append(node)
        self._starts.append(len(self._calls))
        self._calls += calls

    def make(self, node: Node, calls: list[Call]) -> None:
        """Make calls, and add them."""
        for function, args in calls:
            function(*args)
        self.add(node, calls)

    def add_whole(self, node: Node, call: Call, result: Any) -> None:
        """Add the call of a node's layer itself, with the result that others take."""
        self._results.append(result)
        self._whole.add(len(self._calls))
        self.add(node, [call])

    def expect(self, feeds: Mapping[int, Array]) -> set[int]:
        """Find the calls that take these feeds; returns those of which something is kept that can't be exchanged."""
        named = {id(array): k for k, array in feeds.items()}
        owners: dict[int, set[int]] = {}
        for k, array in feeds.items():
            owners.setdefault(id(owner(array)), set()).add(k)
        for node, (_, at, _) in self._written.items():
            sources = [source.id for source in node.inputs]
            if not feeds.keys().isdisjoint(sources):
                self._takers.append((at, sources))
        kept = list(self._results)
        places: dict[int, list[tuple[list[Any], int]]] = {k: [] for k in feeds}
        for i, (function, args) in enumerate(self._calls):
            if i in self._whole:
                continue
            kept.append(function.keywords if isinstance(function, partial) else ())
            taken = [j for j, arg in enumerate(args) if id(arg) in named]
            kept += [arg for arg in args if id(arg) not in named]
            if taken:
                exchanged: Any = list(args)
                self._calls[i] = function, exchanged
                for j in taken:
                    places[named[id(args[j])]].append((exchanged, j))
        self._feeds = [(k, feeds[k], spots) for k, spots in places.items()]
        return {k for array in arrays_in(kept) for k in owners.get(id(owner(array)), ())}

    def run(self, outputs: list[Any]) -> bool:
        """Make all calls, with what is fed now; whether they can be trusted. What fails is blamed on its node."""
        self._exchange(outputs)
        calls = iter(self._calls)
        try:
            for function, args in calls:
                function(*args)
        except Adrift:
            raise
        except Exception as fault:
            last = len(self._calls) - length_hint(calls) - 1
            raise blame(self._nodes[bisect_right(self._starts, last) - 1], self.direction, fault) from fault
        if not self._proven:
            # those behind the first that leaves something else are right to do so, too
            deviant = next((node for node, parts in self._written.items() if not self._leaves_the_same(*parts)), None)
            self._proven = deviant is None
            self.doubted |= set() if deviant is None else {deviant}
        return self._proven

    def _exchange(self, outputs: list[Any]) -> None:
        others = False
        for i, (k, array, places) in enumerate(self._feeds):
            now = outputs[k]
            if now is not array:
                others = True
                self._feeds[i] = k, now, places
                for args, j in places:
                    args[j] = now
        if others:
            for at, sources in self._takers:
                at.inputs = tuple([outputs[k] for k in sources])

    def _leaves_the_same(self, method: Callable[..., Any], at: Record, result: Any) -> bool:
        """Whether the layer, called once more, returns and leaves on `at` what the calls did."""
        held = vars(at)
        before = {name: dict(value) if type(value) is dict else value for name, value in held.items()}
        for name in ("inputs", "error", "ones"):  # handed to the layer
            before.pop(name, None)
        left = _digests((result, before))
        again = method(at, *(at.inputs if self.direction == "forward" else (at.error,)))
        now = _digests((again, {name: held[name] for name in before}))
        for name, value in before.items():
            if type(value) is dict:
                held[name].update(value)
            else:
                held[name] = value
        return left == now


def _digests(value: Any) -> list[bytes]:
    return [_digest(array) for array in arrays_in(value)]


def _digest(array: Array) -> bytes:
    digest = blake2b(digest_size=16)
    for part in [array] if array.ndim == 0 or array.flags.c_contiguous else array:  # copies of parts are small
        digest.update(np.ascontiguousarray(part).data)
    return digest.digest()
