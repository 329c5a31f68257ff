"""The arrays that a page carries: cut to fit into a number of bytes, and packed as text."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...measures import rms, shown
from ...param import Array


class Limits(NamedTuple):
    """How much of the arrays is kept: so many examples, and so many numbers of each example or Param."""

    examples: int
    numbers: int


LADDER = (
    Limits(16, 120_000),
    Limits(16, 16_384),
    Limits(12, 16_384),
    Limits(8, 16_384),
    Limits(6, 16_384),
    Limits(4, 16_384),
    Limits(4, 8_192),
    Limits(4, 4_096),
    Limits(3, 4_096),
    Limits(3, 2_048),
    Limits(2, 2_048),
    Limits(2, 1_024),
    Limits(2, 512),
    Limits(1, 256),
    Limits(1, 64),
    Limits(1, 16),
)
"""What is tried in turn, until all arrays together fit."""

TILE = 64
"""Of many small pictures, fewer are kept rather than each with fewer numbers than this."""


class Held(NamedTuple):
    """Something to pack: rows to be shown one at a time."""

    mean: Array | None
    """The first row, if there is a mean over the batch, or the only one, if there are no examples."""
    examples: Array | None
    """(m, *shape), or None for what belongs to no example."""


class Arrays:
    """The arrays of a page, each once, by number."""

    def __init__(self, m: int):
        self.m = m
        self._held: list[Held] = []
        self._places: dict[Any, int] = {}

    def whole(self, array: Array, of_batch: bool = False) -> int:
        """Keep an array that belongs to no example, such as a weight or, if `of_batch`, a mean over the batch."""
        return self._keep((_mark(array), of_batch), Held(array, None))

    def examples(self, array: Array, mean: Array | None = None) -> int:
        """Keep (m, *shape), with the mean over the batch: computed unless given; integers have none."""
        key = _mark(array)
        if key not in self._places and mean is None and self.m > 1 and array.dtype.kind == "f":
            mean = array.mean(axis=0, dtype=np.float64)
        return self._keep(key, Held(mean, array))

    def packed(self, limit: int) -> tuple[Limits, list[dict[str, Any]]]:
        """What was kept, and all arrays as JSON, in at most `limit` bytes if the last step of the ladder does that."""
        limits = next((limits for limits in LADDER if self._bytes(limits) <= limit), LADDER[-1])
        return limits, [_packed(held, limits) for held in self._held]

    def _keep(self, key: Any, held: Held) -> int:
        if key not in self._places:
            self._places[key] = len(self._held)
            self._held.append(held)
        return self._places[key]

    def _bytes(self, limits: Limits) -> int:
        numbers, rest = 0, 160 * len(self._held)
        for mean, examples in self._held:
            if mean is not None:
                numbers += min(mean.size, limits.numbers)
            if examples is not None:
                numbers += min(len(examples), limits.examples) * min(examples[0].size, limits.numbers)
        return numbers * 4 * 4 // 3 + rest


def _mark(array: Array) -> tuple[Any, ...]:
    """The same for arrays with the same numbers: what Add sends back, say, or z and a of linear neurons."""
    return hashlib.blake2b(array.tobytes()).digest(), array.shape, array.dtype


def _packed(held: Held, limits: Limits) -> dict[str, Any]:
    rows = [] if held.mean is None else [held.mean]
    if held.examples is not None:
        rows += list(held.examples[: limits.examples])
    shape = rows[0].shape
    stack = np.stack(rows).astype(np.float64).reshape(len(rows), *_tiles(shape))
    kept, block = cut(stack, limits.numbers)
    code, kept_as = _narrow(kept)
    packed: dict[str, Any] = {
        "shape": shape,
        "mean": held.mean is not None and held.examples is not None,
        "each": held.examples is not None,
        "rows": len(rows),
        "type": code,
        "data": base64.b64encode(kept_as.tobytes()).decode(),
    }
    if kept.shape != stack.shape:
        packed |= {"kept": kept.shape[1:], "block": block, "facts": [_facts(row) for row in stack]}
    return packed


def _tiles(shape: Sequence[int]) -> tuple[int, int, int]:
    """A shape as so many pictures of so many rows and columns."""
    h, w = (1, 1, *shape)[-2:]
    return math.prod(shape[:-2]), h, w


def cut(stack: Array, numbers: int) -> tuple[Array, tuple[int, int]]:
    """Of (rows, tiles, h, w), keep at most `numbers` numbers a row: the first tiles, each as means of blocks."""
    tiles, h, w = stack.shape[1:]
    tiles = min(tiles, max(1, numbers // max(1, min(h * w, TILE))))
    room, tall, wide = max(1, numbers // max(1, tiles)), 1, 1
    while math.ceil(h / tall) * math.ceil(w / wide) > room:
        if math.ceil(h / tall) >= math.ceil(w / wide):
            tall += 1
        else:
            wide += 1
    kept = stack[:, :tiles]
    for axis, length in ((2, tall), (3, wide)):
        if length > 1:
            starts = np.arange(0, kept.shape[axis], length)
            sizes = np.diff(np.append(starts, kept.shape[axis]))
            kept = np.add.reduceat(kept, starts, axis=axis) / sizes.reshape(-1, *(1,) * (3 - axis))
    return kept, (tall, wide)


def _narrow(array: Array) -> tuple[str, Array]:
    """As 4 bytes a number, or 8 where some would become 0, or lose digits, or become infinite."""
    sizes = np.abs(array[np.isfinite(array) & (array != 0)])
    limits = np.finfo(np.float32)
    fits = not sizes.size or (sizes.min() >= limits.tiny and sizes.max() <= limits.max)
    return ("f4", array.astype("<f4")) if fits else ("f8", array.astype("<f8"))


def _facts(row: Array) -> list[str]:
    """Smallest, largest and norm of what was cut."""
    finite = row[np.isfinite(row)]
    low, high = (finite.min(), finite.max()) if finite.size else (math.nan, math.nan)
    return [shown(float(low)), shown(float(high)), shown(rms(row) * math.sqrt(row.size))]
