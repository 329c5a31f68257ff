"""Which examples of a batch a rank learns from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ...data import Rows, Stream, Tray
from ...param import Array
from .ranks import Ranks


class RowsPart(Rows):
    """A rank's rows of each batch that all ranks deal out in the same order.

    They are as equal in number as can be, and never fewer than `least` if there are any. A rank for which none are left
    gets rows that others learn from, so that it has a sweep to take part with: `m`, its number of examples, is 0 then.
    """

    def __init__(self, rows: Rows, ranks: Ranks, least: int):
        super().__init__(rows.arrays, rows.size, rows.rng)
        self.tray = None
        self.m = 0
        """How many of the examples that were dealt out last are this rank's own."""
        self.total = 0
        """How many are all ranks'."""
        self._ranks = ranks
        self._least = least

    def _place(self, m: int) -> tuple[int, int]:
        """From where to where its part of m rows goes."""
        several = min(self._ranks.size, max(m // self._least, 1))
        rank = self._ranks.rank
        if rank >= several:
            return 0, 0
        n, rest = divmod(m, several)
        return rank * n + min(rank, rest), (rank + 1) * n + min(rank + 1, rest)

    def __iter__(self) -> Iterator[dict[str, Array]]:
        skipped, self._skipped = self._skipped, 0
        order = np.arange(self.n) if self.rng is None else self.rng.permutation(self.n)
        whole = self.n // self.size * self.size
        yield from self._deal(order[skipped * self.size : whole].reshape(-1, self.size))
        if whole < self.n and skipped * self.size <= whole:
            yield from self._deal(order[None, whole:])

    def _deal(self, orders: Array) -> Iterator[dict[str, Array]]:
        """Its part of batches of one size."""
        start, end = self._place(orders.shape[1])
        own = orders[:, start:end] if end > start else orders[:, : self._least]
        self.m, self.total = end - start, orders.shape[1]
        order, size = own.reshape(-1), own.shape[1]
        if not len(order):
            return
        if self.tray is None or self.tray.size != size:
            self.tray = Tray(self.arrays, size, len(order))
        rows = self.tray.rows
        for begin in range(0, len(order), rows):
            yield from self.tray.fill(order[begin : begin + rows])


def chunks(rows: Rows, ranks: Ranks, whole: bool) -> Iterator[dict[str, Array]]:
    """A rank's share of rows, in batches of `rows.size`; they are smaller where that spreads them, unless `whole`."""
    size = rows.size if whole else min(rows.size, -(-rows.n // ranks.size))
    for start in range(ranks.rank * size, rows.n, ranks.size * size):
        yield {name: array[start : start + size] for name, array in rows.arrays.items()}


class StreamPart(Stream):
    """Batches that a rank has to itself. The epoch ends where none has any left.

    A rank that has none left gets its last one again, so that it has a sweep to take part with: `m` is 0 then.
    """

    def __init__(self, stream: Stream, ranks: Ranks):
        vars(self).update(vars(stream))
        self.m = 0
        """How many of the examples that were dealt out last are this rank's own."""
        self.total = 0
        """How many are all ranks'."""
        self._ranks = ranks

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        skipped, self._skipped = self._skipped, 0
        mine, spare = super().__iter__(), None
        for _ in range(skipped):
            spare = next(mine, spare)
        while True:
            batch = next(mine, None)
            m = 0 if batch is None else self._examples(batch)
            total = self._ranks.total(m)
            if not total:
                return
            batch = spare = spare if batch is None else batch
            assert batch is not None  # a stream without any raises FeedError
            self.m, self.total = m, total
            yield batch

    def _examples(self, batch: Mapping[str, Any]) -> int:
        node = next(node for node in self.graph.inputs if node.name in batch)
        shape = np.shape(batch[node.name])
        # an empty batch is not the end of an epoch: the sweep is to refuse it
        return max(shape[0], 1) if len(shape) > len(node.shape) else 1
