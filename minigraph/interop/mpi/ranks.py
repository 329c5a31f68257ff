"""The processes that compute together, their ranks, and what they tell each other."""

from __future__ import annotations

import pickle
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from ...errors import GraphError
from ...param import Array

try:
    from mpi4py import MPI
except ImportError as fault:
    raise ImportError(
        f"minigraph.interop.mpi takes mpi4py 4 or newer and an MPI ({fault}): pip install 'minigraph[mpi]'"
    ) from fault

T = TypeVar("T")

SAID = 0.3
"""Seconds that mpiexec gets to pass on what was written, before it is told to end all."""


def rank() -> int:
    """The number of this process among those that `mpiexec` started, from 0."""
    return int(MPI.COMM_WORLD.rank)


def size() -> int:
    """How many processes `mpiexec` started; 1 without it."""
    return int(MPI.COMM_WORLD.size)


class Ranks:
    """The processes of a communicator; all of them call the same methods in the same order."""

    def __init__(self, communicator: Any = None):
        if communicator == MPI.COMM_NULL:
            raise GraphError("mpi.fit got COMM_NULL as communicator: ranks that are in none don't call it")
        if communicator is not None and not isinstance(communicator, MPI.Intracomm):
            raise GraphError(f"mpi.fit takes a communicator of mpi4py, got {communicator!r}")
        self._comm = MPI.COMM_WORLD if communicator is None else communicator
        self.rank: int = self._comm.rank
        self.size: int = self._comm.size
        self.agreed: BaseException | None = None
        """The exception that all ranks know of, and raise."""

    def add_up(self, array: Array) -> None:
        """Replace the array by its sum over all ranks."""
        self._comm.Allreduce(MPI.IN_PLACE, array)

    def total(self, count: int) -> int:
        """The sum of all ranks' counts."""
        return int(self._comm.allreduce(count))

    def gather(self, thing: T) -> list[T]:
        """What each rank has, by rank."""
        return list(self._comm.allgather(thing))

    def spread(self, thing: T) -> T:
        """What rank 0 has."""
        return self._comm.bcast(thing)  # type: ignore[no-any-return]

    def spread_array(self, array: Array) -> None:
        """Replace the array by that of rank 0."""
        self._comm.Bcast(array)

    # ---- what goes wrong ----

    def agree(self, fault: Exception | None = None) -> None:
        """Let all ranks know what went wrong on one of them, the first if there are several: all raise that."""
        for place, found in enumerate(self.gather(_portable(fault))):
            if found is not None:
                self.agreed = found
                if place == self.rank and fault is not None:
                    self.agreed = fault
                    raise fault
                raise found from Elsewhere(f"on rank {place} of {self.size}")

    def first(self, function: Callable[[], T]) -> T | None:
        """What rank 0 gets by calling a function; what it raises, all raise."""
        found: T | None = None
        fault: BaseException | None = None
        if not self.rank:
            try:
                found = function()
            except BaseException as problem:  # SystemExit and Ctrl-C end all ranks, too
                fault = problem
        found, copied = self.spread((found, _portable(fault)))
        if copied is not None:
            self.agreed = fault or copied
            if fault is not None:
                raise fault
            raise copied from Elsewhere(f"on rank 0 of {self.size}")
        return found

    def each(self, function: Callable[[], T]) -> T:
        """What each rank gets by calling a function; what one raises, all raise."""
        found, fault = None, None
        try:
            found = function()
        except Exception as problem:
            fault = problem
        self.agree(fault)
        return found  # type: ignore[return-value]

    def refuse(self, message: str) -> None:
        """Raise what all ranks have found out."""
        self.agreed = GraphError(message)
        raise self.agreed

    def end(self) -> None:
        """End all ranks, as this one has nothing left but its exception, and the others would wait for it."""
        sys.stdout.flush()
        sys.stderr.write(f"rank {self.rank} of {self.size} ends all:\n{traceback.format_exc()}")
        sys.stderr.flush()
        time.sleep(SAID)
        self._comm.Abort(1)


class Elsewhere(Exception):
    """Says on which rank an exception was raised first."""


def _portable(fault: BaseException | None) -> BaseException | None:
    """An exception that another process can raise."""
    try:
        pickle.loads(pickle.dumps(fault))
    except Exception:  # whatever an exception of one's own has in it
        return GraphError(f"{type(fault).__name__}: {fault}")
    return fault


def weighted(ranks: Ranks, arrays: list[Array], weight: float) -> list[Array]:
    """The mean of each array over ranks, which weigh as much as they say; in one message."""
    flat = np.concatenate([array.reshape(-1).astype(np.float64) for array in arrays])
    # an empty part is no part: its numbers may be anything, and 0 · NaN is NaN
    flat = flat * weight if weight else np.zeros_like(flat)
    ranks.add_up(flat)
    ends = np.cumsum([array.size for array in arrays])
    parts = [part.reshape(array.shape) for part, array in zip(np.split(flat, ends[:-1]), arrays, strict=True)]
    return [_cast(part, array.dtype) for part, array in zip(parts, arrays, strict=True)]


def _cast(array: Array, dtype: np.dtype[Any]) -> Array:
    return array.astype(dtype) if dtype.kind == "f" else np.rint(array).astype(dtype)
