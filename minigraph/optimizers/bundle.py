"""Bundles: Params laid end to end, so that few calls move many of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from ..param import Array, Param
from ..sweep import BackwardSweep


class Source(Protocol):
    """Where the gradients of a bundle come from."""

    def take(self, scale: float) -> None:
        """Put the scaled sum of gradients over examples into the bundle."""
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
        self.places = {param: slice(end - param.size, end) for param, end in zip(params, ends, strict=True)}
        self.g = np.empty(ends[-1], dtype)
        self.state: dict[str, Array] = {}
        self._pieces = [(param, self.g[place].reshape(param.shape)) for param, place in self.places.items()]
        self._scratch: dict[str, Array] = {}

    def kept(self, name: str) -> Array:
        """State of that name, which lasts from step to step and begins as zeros."""
        array = self.state.get(name)
        if array is None:
            array = self.state[name] = np.zeros_like(self.g)
        return array

    def scratch(self, name: str) -> Array:
        """An array to write into, whose numbers mean nothing at first."""
        array = self._scratch.get(name)
        if array is None:
            array = self._scratch[name] = np.empty_like(self.g)
        return array

    def add_weights(self, factor: float) -> None:
        """g ← g + factor · w."""
        w = np.concatenate([param.value.reshape(-1) for param in self.places], out=self.scratch("w"))
        np.multiply(w, factor, out=w)
        np.add(self.g, w, out=self.g)

    def take(self, scale: float) -> None:
        """g ← scale · the accumulated sum."""
        np.multiply(self.state["sum"], scale, out=self.g)

    def apply(self, now: int) -> None:
        """w ← w − g."""
        for param, piece in self._pieces:
            value = param.value
            np.subtract(value, piece, out=value)
            param.version = now


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

    def state(self) -> dict[Param, tuple[int, dict[str, Array]]]:
        """For each Param the number of its steps and copies of its arrays."""
        return {
            param: (home.taken, {name: array[home.places[param]].copy() for name, array in home.state.items()})
            for param, home in self.homes.items()
        }

    def __reduce__(self) -> tuple[Any, ...]:
        return Layout, (self.state(),)


class Intake:
    """How the gradients of one backward sweep get into bundles: prepared once, then a few calls a step.

    Params with a single use, which is most of them, lie in a bundle as they lie in the sweep: one call takes many.
    """

    def __init__(self, sweep: BackwardSweep, groups: Mapping[Param, str | None], bundles: list[Bundle]):
        self.groups = groups
        self.bundles = bundles
        self.m = sweep.forward.m
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
        self.g = bundle.g
        self.more = []
        stretches: list[tuple[int, int, int]] = []  # where it begins in the bundle and in the sweep, how long it is
        for param, place in bundle.places.items():
            for use, start in enumerate(starts.get(param, ())):
                if use:
                    self.more.append((bundle.g[place], flat[start : start + param.size]))
                    continue
                to, source, size = stretches.pop() if stretches else (place.start, start, 0)
                if (to + size, source + size) != (place.start, start):
                    stretches.append((to, source, size))
                    to, source, size = place.start, start, 0
                stretches.append((to, source, size + param.size))
        self.first = [(bundle.g[to : to + n], flat[source : source + n]) for to, source, n in stretches]

    def take(self, scale: float) -> None:
        """g ← scale · Σ over uses; Params without a share keep what is there."""
        for g, share in self.first:
            np.multiply(share, scale, out=g)
        for g, share in self.more:
            np.add(g, share * scale, out=g)
