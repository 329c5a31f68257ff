"""Param: a trainable array with identity."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .errors import ShapeError

Array: TypeAlias = NDArray[Any]
Shape: TypeAlias = tuple[int, ...]


_moments = count(1)


def moment() -> int:
    """A number larger than all before: Params say with it when they changed, runs when they went forward."""
    return next(_moments)


class Param:
    """A trainable array with identity: sharing a weight is sharing this object.

    `value` is the array itself. Assigning to it (`p.value = x`) copies x into the array after checking its shape;
    writing into it (`p.value[j, k] += eps`) works too. Raises ShapeError when the shapes differ: nothing is broadcast.
    """

    __slots__ = ("__weakref__", "_value", "name", "version")

    def __init__(self, value: ArrayLike, name: str = "param"):
        array = np.array(value, order="C")
        if array.ndim == 0 or array.dtype.kind != "f":
            raise ShapeError(f"Param {name!r} takes a float array with at least one axis, got {array!r}")
        self._value = array
        self.name = name
        self.version = moment()

    @property
    def value(self) -> Array:
        """The array, C-contiguous, of the graph's dtype."""
        return self._value

    @value.setter
    def value(self, new: ArrayLike) -> None:
        if new is not self._value:
            array = np.asarray(new)
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
        self.version = moment()

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


@dataclass(frozen=True, eq=False)
class Transposed:
    """A Param as the transposed weights of another layer: there is one array and one gradient."""

    param: Param

    @property
    def T(self) -> Param:
        """The Param itself."""
        return self.param
