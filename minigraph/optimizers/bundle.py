"""Bundles: Params laid end to end, so that few calls move many of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from operator import attrgetter, is_
from typing import Any, Protocol
from weakref import ref

import numpy as np

from ..backward import BackwardSweep
from ..param import Array, Param

PIECE = 2**15
"""So many numbers are moved at a time: what is computed in between stays in the cache."""


class Source(Protocol):
    """Where the gradients of a bundle come from."""

    def take(self, scale: float) -> None:
        """Put the scaled sum of gradients over examples into the bundle."""
        ...

    def descend(self, scale: float, now: int) -> None:
        """w ← w − scale · the sum of gradients over examples."""
        ...


class Bundle:
    """Params with the same options and equally many steps behind them, as one flat array.

    `g` is where their gradients come in and where an optimizer leaves what is to be subtracted from the weights;
    `taken` counts their moves, with the current one. The weights stay in arrays of their own.
    """

    def __init__(self, params: Sequence[Param], group: str | None, taken: int, dtype: np.dtype[Any]):
        ends = np.cumsum([param.size for param in params]).tolist()
        self.group = group
        self.taken = taken
        self.dtype = dtype
        self.size: int = ends[-1]
        self.places = {param: slice(end - param.size, end) for param, end in zip(params, ends, strict=True)}
        self.state: dict[str, Array] = {}
        self._values: list[Array] = []
        self._weights: list[tuple[Array, int]] = []
        self._scratch: dict[str, Array] = {}

    @cached_property
    def g(self) -> Array:
        """One number for each weight."""
        return np.empty(self.size, self.dtype)

    def kept(self, name: str) -> Array:
        """State of that name, which lasts from step to step and begins as zeros."""
        array = self.state.get(name)
        if array is None:
            array = self.state[name] = np.zeros(self.size, self.dtype)
        return array

    def scratch(self, name: str) -> Array:
        """An array to write into, whose numbers mean nothing at first."""
        array = self._scratch.get(name)
        if array is None:
            array = self._scratch[name] = np.empty(self.size, self.dtype)
        return array

    def add_weights(self, factor: float) -> None:
        """g ← g + factor · w."""
        w = np.concatenate([param.value.reshape(-1) for param in self.places], out=self.scratch("w"))
        np.multiply(w, factor, out=w)
        np.add(self.g, w, out=self.g)

    def take(self, scale: float) -> None:
        """g ← scale · the accumulated sum."""
        np.multiply(self.state["sum"], scale, out=self.g)

    def descend(self, scale: float, now: int) -> None:
        """w ← w − scale · the accumulated sum."""
        self.take(scale)
        self.apply(now)

    def apply(self, now: int) -> None:
        """w ← w − g."""
        for w, start in self.weights():
            np.subtract(w, self.g[start : start + w.size], w)
        self.moved(now)

    def weights(self) -> list[tuple[Array, int]]:
        """All weights in as few rows as they lie in memory, each with the place where it begins in the bundle."""
        if len(self._values) < len(self.places) or not all(map(is_, self._values, map(_VALUE, self.places))):
            self._values = [param.value for param in self.places]
            self._weights = _rows(self._values)
        return self._weights

    def moved(self, now: int) -> None:
        """Say of all Params that they changed."""
        for param in self.places:
            param.version = now


def clip(bundles: Sequence[Bundle], value: float | None, norm: float | None) -> None:
    """Bound each element of the gradients by `value`, then the norm of all together by `norm`; None: don't."""
    if value is not None:
        for bundle in bundles:
            np.clip(bundle.g, -value, value, out=bundle.g)
    if norm is not None:
        # in float64, as squares leave float32 soon, and without BLAS, whose threads change the last digits
        gs = [bundle.g.astype(np.float64, copy=False) for bundle in bundles]
        factor = norm / (math.hypot(*(math.sqrt(np.einsum("i,i->", g, g)) for g in gs)) + 1e-6)
        if not factor >= 1.0:  # not a number either
            for bundle in bundles:
                np.multiply(bundle.g, factor, out=bundle.g)


_VALUE = attrgetter("_value")


def _rows(values: Sequence[Array]) -> list[tuple[Array, int]]:
    """Arrays as rows, those beside each other in memory as one, with where each begins if all lie end to end."""
    found: list[tuple[Array, int, int, int]] = []  # what an array lies in, where it begins there, its size, its place
    place = 0
    for value in values:
        block, start = value.base, 0
        if isinstance(block, np.ndarray) and block.ndim == 1 and block.dtype == value.dtype:
            start = (value.ctypes.data - block.ctypes.data) // value.itemsize
        else:
            block = value.reshape(-1)
        if found and found[-1][0] is block and found[-1][1] + found[-1][2] == start:
            _, start, size, first = found.pop()
            found.append((block, start, size + value.size, first))
        else:
            found.append((block, start, value.size, place))
        place += value.size
    return [(block[start : start + size], first) for block, start, size, first in found]


class Layout:
    """The bundles in which some Params lie now, and those in which others were left behind."""

    def __init__(self, state: Mapping[Param, tuple[int, dict[str, Array]]] | None = None):
        self.bundles: list[Bundle] = []
        self.homes: dict[Param, Bundle] = {}
        self._groups: list[tuple[Param, str | None]] = []
        for param, (taken, arrays) in (state or {}).items():
            self.homes[param] = Bundle([param], None, taken, param.dtype)
            self.homes[param].state = arrays

    def arrange(self, groups: Mapping[Param, str | None]) -> list[Bundle]:
        """Bundles with just these Params, each of which takes its state along."""
        if self._groups != list(groups.items()):
            alike: dict[tuple[str | None, int, np.dtype[Any]], list[Param]] = {}
            for param, group in groups.items():
                taken = self.homes[param].taken if param in self.homes else 0
                alike.setdefault((group, taken, param.dtype), []).append(param)
            self.bundles = [Bundle(params, group, taken, dtype) for (group, taken, dtype), params in alike.items()]
            for bundle in self.bundles:
                self._move_into(bundle)
            self._groups = list(groups.items())
        return self.bundles

    def _move_into(self, bundle: Bundle) -> None:
        for param, place in bundle.places.items():
            if param in self.homes:
                before = self.homes[param]
                for name, array in before.state.items():
                    bundle.kept(name)[place] = array[before.places[param]]
            self.homes[param] = bundle

    def state(
        self, of: Iterable[Param] | None = None, but: Iterable[Param] = ()
    ) -> dict[Param, tuple[int, dict[str, Array]]]:
        """For each Param, of some, the number of its steps and copies of its arrays."""
        wanted = set(self.homes if of is None else of).difference(but)
        return {
            param: (home.taken, {name: array[home.places[param]].copy() for name, array in home.state.items()})
            for param, home in self.homes.items()
            if param in wanted
        }

    def __reduce__(self) -> tuple[Any, ...]:
        return Layout, (self.state(),)


class Intake:
    """How the gradients of one backward sweep get into bundles: prepared once, then a few calls a step.

    Params with a single use, which is most of them, lie in a bundle as they lie in the sweep: one call takes many.
    """

    def __init__(self, sweep: BackwardSweep, groups: Mapping[Param, str | None], bundles: list[Bundle]):
        self.sweep = ref(sweep)
        self.groups = groups
        self.bundles = bundles
        self.m = sweep.m
        self.whole = len(groups) == sum(len(bundle.places) for bundle in bundles)
        self.done = 0
        """The number of the sweep whose gradients were taken in last."""
        starts: dict[Param, range] = {}
        end = 0
        for param, nodes in sweep.uses.items():
            starts[param] = range(end, end + len(nodes) * param.size, param.size)
            end = starts[param].stop
        self.ways_in = [(bundle, Shares(bundle, sweep.flat, starts)) for bundle in bundles]


class Shares:
    """A bundle's part of it: shares of first uses, in as few pieces as possible, then those of further uses."""

    def __init__(self, bundle: Bundle, flat: Array, starts: Mapping[Param, range]):
        self._bundle = bundle
        self._scale = np.array(0.0, bundle.dtype)  # numpy takes it faster than Python's float
        self._more: list[tuple[slice, Array]] = []
        self._pieces: list[tuple[Array, Array, Array]] = []
        self._weights: Any = None
        stretches: list[tuple[int, int, int]] = []  # where it begins in the bundle and in the sweep, how long it is
        for param, place in bundle.places.items():
            for use, start in enumerate(starts.get(param, ())):
                if use:
                    self._more.append((place, flat[start : start + param.size]))
                    continue
                to, source, size = stretches.pop() if stretches else (place.start, start, 0)
                if (to + size, source + size) != (place.start, start):
                    stretches.append((to, source, size))
                    to, source, size = place.start, start, 0
                stretches.append((to, source, size + param.size))
        self._first = [(slice(to, to + n), flat[source : source + n]) for to, source, n in stretches]
        self._plain = not self._more and sum(n for *_, n in stretches) == bundle.size

    def take(self, scale: float) -> None:
        """g ← scale · Σ over uses; Params without a share keep what is there."""
        self._scale.fill(scale)
        g = self._bundle.g
        for place, share in self._first:
            np.multiply(share, self._scale, g[place])
        for place, share in self._more:
            np.add(g[place], np.multiply(share, self._scale, self._bundle.scratch("share")[place]), g[place])

    def descend(self, scale: float, now: int) -> None:
        """w ← w − scale · Σ over uses, a piece at a time where each Param has one."""
        if not self._plain:
            self.take(scale)
            self._bundle.apply(now)
            return
        weights = self._bundle.weights()
        if weights is not self._weights:
            self._weights, self._pieces = weights, self._cut(weights)
        self._scale.fill(scale)
        for share, room, w in self._pieces:
            np.multiply(share, self._scale, room)
            np.subtract(w, room, w)
        self._bundle.moved(now)

    def _cut(self, weights: list[tuple[Array, int]]) -> list[tuple[Array, Array, Array]]:
        """Shares, with room for their multiples, and the weights they are about: as few pieces as are small enough."""
        room, pieces = np.empty(min(PIECE, self._bundle.size), self._bundle.dtype), []
        shares = iter(self._first)
        place, share = next(shares)
        for w, begin in weights:
            start = begin
            while start < begin + w.size:
                if start >= place.stop:
                    place, share = next(shares)
                start = max(start, place.start)
                end = min(start + PIECE, begin + w.size, place.stop)
                part = share[start - place.start : end - place.start]
                pieces.append((part, room[: end - start], w[start - begin : end - begin]))
                start = end
        return pieces
