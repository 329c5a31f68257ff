"""Record: what one node computed in one run, as its layer sees it."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import GraphError
from .numbers import is_whole
from .param import Array, Param, Shape


def whole(seed: object, taker: str) -> int:
    """A seed, if it is a whole number of 0 or more; else raises GraphError."""
    if not is_whole(seed) or seed < 0:
        raise GraphError(f"{taker} takes a whole number of 0 or more as its seed, or None, got {seed!r}")
    return int(seed)


def flag(value: object, what: str) -> bool:
    """What was given as True or False; raises GraphError for anything else, as any word would count as true."""
    if not isinstance(value, (bool, np.bool_)):
        raise GraphError(f"{what} is True or False, got {value!r:.60}")
    return bool(value)


class Clock:
    """The seed of a run and the number of its current sweep, shared by the run's records."""

    __slots__ = ("seed", "sweep")

    def __init__(self, seed: int):
        self.seed = whole(seed, "a run")
        self.sweep = 0


_LASTING = {"ones", "m", "dtype", "training", "grad", "needs", "_clock", "_node", "_from_forward"}


class Record:
    """What one node computed in one run, as its layer sees it: `at`.

    An attribute that was never set reads None, and numpy's `out=None` allocates: the line
    `at.z = np.matmul(a, w.T, out=at.z)` allocates in a fresh run and reuses its buffer in the next sweep.
    Pass as `out=` only arrays that the layer allocated itself.
    """

    inputs: tuple[Array, ...]
    """The arrays handed to `forward`; never write into them."""
    m: int
    """Number of examples: rows of every array."""
    ones: Array
    """1 for each example, (m,): ones @ delta is Σ_x δ, faster than a sum for small arrays."""
    needs: tuple[bool, ...]
    """For each input, whether anybody wants its error."""
    training: bool
    """Whether this is a training sweep (Dropout drops) or inference."""
    grad: dict[Param, Array]
    """This node's share of each ∂C/∂Param, summed over examples; `backward` assigns each once."""
    error: Array
    """Σ_x ∂C_x/∂(output), as handed to `backward`; never write into it."""
    a: Array
    z: Array
    delta: Array
    sent: Array
    forgotten: bool | None
    """Whether what was computed isn't kept, to be computed again for the backward sweep."""
    _drawn_in: int | None
    _generator: np.random.Generator
    _from_forward: frozenset[str]

    def __init__(self, ones: Array, training: bool, clock: Clock, node: int):
        self.ones = ones
        self.m = len(ones)
        self.dtype = ones.dtype
        self.training = training
        self.grad = {}
        self._clock = clock
        self._node = node

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name.startswith("__"):
                raise AttributeError(name)
            return None
    else:

        def __getattr__(self, name: str) -> Any: ...

        def __setattr__(self, name: str, value: Any) -> None: ...

    def buffer(self, name: str, shape: Shape, zero: bool = False) -> Array:
        """An array of the graph's dtype to write into, the same one in each sweep; zeroed each time if asked."""
        buffers: dict[str, Array] = self.__dict__.setdefault("_buffers", {})
        array = buffers.get(name)
        if array is None or array.shape != shape:
            # zeros, as matrix products may warn of what stood in memory before they write there
            array = buffers[name] = np.zeros(shape, self.dtype)
        if zero:
            array.fill(0)
        return array

    @property
    def rng(self) -> np.random.Generator:
        """The generator of this node in this sweep: (run seed, node, sweep) decide what it draws."""
        if self._drawn_in != self._clock.sweep:
            self._generator = np.random.default_rng((self._clock.seed, self._node, self._clock.sweep))
            self._drawn_in = self._clock.sweep
        return self._generator

    @property
    def draws(self) -> bool:
        """Whether random numbers were drawn in this sweep."""
        return self._drawn_in == self._clock.sweep

    def seal(self) -> None:
        """Remember what forward left here, so that nobody mistakes what an earlier backward left for current."""
        self._from_forward = frozenset(self.__dict__)

    def is_from_forward(self, name: str) -> bool:
        """Whether forward, not backward, sets the attribute of that name."""
        return name in self._from_forward

    def forget(self, but: Iterable[str]) -> None:
        """Let go of what the layer left here, but for some attributes and the gradients of its Params."""
        for name in vars(self).keys() - _LASTING - set(but):
            delattr(self, name)
        self.forgotten = True

    def rewind(self) -> None:
        """Let `rng` start again, so that recomputing the node draws the same numbers."""
        self._drawn_in = None

    def scratch(self) -> Record:
        """A copy that owns all its arrays, for computing again without disturbing this record."""
        twin = object.__new__(Record)
        shared = {name: self.__dict__[name] for name in ("inputs", "error", "_clock") if name in self.__dict__}
        own = {name: value for name, value in self.__dict__.items() if name not in shared and name != "grad"}
        twin.__dict__.update(copy.deepcopy(own), **shared, grad={})
        return twin
