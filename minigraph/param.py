"""Param: a trainable array with identity."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from itertools import count
from threading import Lock
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .errors import ShapeError
from .gist import gist

Array: TypeAlias = NDArray[Any]
Shape: TypeAlias = tuple[int, ...]


_moments = count(1)
_last_change = 0
_changing = Lock()


def moment() -> int:
    """A number larger than all before: Params say with it when they changed, runs when they went forward."""
    return next(_moments)


def change() -> int:
    """The moment of a change of some Param's value."""
    global _last_change
    with _changing:  # else one thread could put back the clock of another
        _last_change = now = moment()
    return now


def last_change() -> int:
    """The moment of the last change of any Param's value."""
    return _last_change


class Param:
    """A trainable array with identity: sharing a weight is sharing this object.

    `value` is the array itself. Assigning to it (`p.value = x`) copies x into the array after checking its shape;
    writing into it (`p.value[j, k] += eps`) works too. Raises ShapeError when the shapes differ: nothing is broadcast.
    """

    __slots__ = ("__weakref__", "_value", "name", "version")

    def __init__(self, value: ArrayLike, name: str = "param"):
        array = np.array(_plain(value, name), order="C")
        if array.ndim == 0 or array.dtype.kind != "f":
            raise ShapeError(f"Param {name!r} takes a float array with at least one axis, got {gist(array)}")
        self._value = array
        self.name = name
        self.version = change()

    @property
    def value(self) -> Array:
        """The array, C-contiguous, of the graph's dtype."""
        return self._value

    @value.setter
    def value(self, new: ArrayLike) -> None:
        if new is not self._value:
            array = _plain(new, self.name)
            if array.dtype.kind not in "fiub":
                raise ShapeError(f"Param {self.name!r} takes real numbers, got a value of dtype {array.dtype}")
            if array.shape != self._value.shape:
                raise ShapeError(f"Param {self.name!r} has shape {self._value.shape}, got a value of {array.shape}")
            self._value[...] = array
        self.touch()

    @property
    def shape(self) -> Shape:
        """Shape of the array: (n_out, n_in) for weights, (n,) for biases."""
        return self._value.shape

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._value.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the array."""
        return self._value.dtype

    @property
    def T(self) -> Transposed:
        """The same Param seen transposed, for a layer that shares it so: `Dense(k, weights=encoder.w.T)`."""
        return Transposed(self)

    def touch(self) -> None:
        """Say that the value was changed, so that no run goes backward with new weights and old activations."""
        self.version = change()

    def fingerprint(self) -> tuple[int, int]:
        """Version and checksum: equal as long as nobody changed the value, by whichever way."""
        return self.version, zlib.crc32(self._value.data)

    def recast(self, dtype: DTypeLike) -> None:
        """Convert the array to another float dtype, in place of the old array."""
        self._value = self._value.astype(dtype)
        self.touch()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._value, self.name)  # a version means nothing in another process

    def __repr__(self) -> str:
        return f"Param({self.name!r}, shape={self.shape}, dtype={self.dtype})"


def _plain(value: ArrayLike, name: str) -> Array:
    """What was given as an array; raises ShapeError where it makes none, or hides some of its numbers."""
    if isinstance(value, np.ma.MaskedArray):
        raise ShapeError(f"Param {name!r} takes plain arrays, got a masked array: fill it first, array.filled(…)")
    try:
        return np.asarray(value)
    except ValueError:
        raise ShapeError(f"Param {name!r} takes an array, got parts that differ in length") from None


@dataclass(frozen=True, eq=False)
class Transposed:
    """A Param as the transposed weights of another layer: there is one array and one gradient."""

    param: Param

    @property
    def T(self) -> Param:
        """The Param itself."""
        return self.param


class Arena:
    """Room for Params beside each other, in blocks that grow: then one call moves many of them."""

    SPARE = 4096
    """So many elements more than the first Param takes: biases and small weights find room beside large ones."""

    def __init__(self) -> None:
        self._block = np.empty(0)
        self._end = 0
        self._size = 0

    def settle(self, param: Param) -> None:
        """Move a new Param's value behind the one before."""
        value, end = param.value, self._end + param.size
        if end > self._block.size or self._block.dtype != value.dtype:
            self._block = np.empty(max(param.size + self.SPARE, self._size // 2), value.dtype)
            self._size += self._block.size
            self._end, end = 0, param.size
        place = self._block[self._end : end].reshape(value.shape)
        place[...] = value
        param._value, self._end = place, end
