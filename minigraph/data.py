"""Examples by input name, dealt out in batches: arrays, checked once, or batches that come one after the other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .errors import FeedError, GraphError
from .feeds import admit, batch_of
from .graph import Graph
from .layer import Node
from .numbers import is_whole
from .param import Array
from .plan import check_feeds
from .schedule import ancestors


def gather(graph: Graph, data: Mapping[str, ArrayLike], wanted: list[Node]) -> tuple[dict[str, Array], bool]:
    """Check the arrays that the wanted nodes depend on, and convert them to the graph's dtype, examples as rows.

    Memory-mapped arrays stay on disk until a batch is taken. Returns them with whether it was one example, without a
    batch axis. Raises FeedError for missing or unknown names, wrong shapes and dtypes, and different numbers of rows.
    """
    if not isinstance(data, Mapping):
        raise FeedError(f"data is a dict of arrays by input name, got {type(data).__name__}: {_by_name(graph)}")
    check_feeds(graph, data, wanted)
    active = ancestors(wanted)
    inputs = [node for node in graph.inputs if node in active]
    arrays = {node: _held(node, data[node.name]) for node in inputs}
    m, single = batch_of(arrays)
    rows: dict[str, Any] = {}
    for node, array in arrays.items():
        lazy = isinstance(array, np.memmap)
        rows[node.name] = _OnDisk(array, node) if lazy else np.require(array, None, ["C", "A"]).reshape(m, *node.shape)
    return rows, single


def _held(node: Node, value: Any) -> Array:
    """The array in the input's dtype; a memory-mapped one stays on disk as it is."""
    if isinstance(value, np.memmap) and value.ndim and value.shape[1:] == node.shape and len(value):
        admit(node, value[:1])
        return value
    return admit(node, value)


class _OnDisk:
    """A memory-mapped array, read and converted a batch at a time."""

    def __init__(self, array: Array, node: Node):
        self.array = array
        self.dtype = node.dtype
        self.shape = array.shape

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, rows: slice) -> Array:
        return np.asarray(self.array[rows], self.dtype)

    def take(self, rows: Array, axis: int, out: Array, mode: str) -> None:
        """As arrays do it, along the first axis."""
        out[...] = self.array[rows]


def rows_of(graph: Graph, data: Mapping[str, ArrayLike], wanted: list[Node]) -> dict[str, Array]:
    """As `gather`, for many examples: raises FeedError for a single one without a batch axis."""
    arrays, single = gather(graph, data, wanted)
    if single and arrays:
        raise FeedError("data has examples as rows, got one example without a batch axis: give array[None]")
    return arrays


class Rows:
    """Arrays to deal out in batches of `size` (the last may be short), shuffled anew each time if a generator is given.

    Shuffled batches lie on a tray: each is valid until the next is asked for. Raises GraphError for a size that means
    nothing.
    """

    def __init__(self, arrays: Mapping[str, Array], size: int | None, rng: np.random.Generator | None = None):
        if not is_whole(size) or size < 1:
            raise GraphError(
                f"arrays are dealt out in batches: give a positive whole number of batch_size, got {size!r}"
            )
        self.arrays = arrays
        self.size = size
        self.rng = rng
        self.n = len(next(iter(arrays.values()), (None,)))  # without any array, one example of nothing
        self.tray = None if rng is None else Tray(arrays, size, self.n)
        self._skipped = 0

    def __len__(self) -> int:
        """Number of batches."""
        return -(-self.n // self.size)

    def skip(self, epochs: int, batches: int) -> None:
        """Leave out so many batches of the next epoch, which a training before has learned from."""
        self._skipped = batches

    def __iter__(self) -> Iterator[dict[str, Array]]:
        skipped, self._skipped = self._skipped, 0
        if self.rng is None or self.tray is None:
            for start in range(skipped * self.size, self.n, self.size):
                yield {name: array[start : start + self.size] for name, array in self.arrays.items()}
            return
        order, rows = self.rng.permutation(self.n), self.tray.rows
        trays, rest = divmod(skipped * self.size, rows)
        for start in range(trays * rows, self.n, rows):
            batches = self.tray.fill(order[start : start + rows])
            yield from batches[rest // self.size :]
            rest = 0


class Tray:
    """Room for some batches: gathering several at once is faster, if they stay in the cache until they are used."""

    BYTES = 1 << 19

    def __init__(self, arrays: Mapping[str, Array], size: int, n: int):
        example = sum(math.prod(array.shape[1:]) * array.dtype.itemsize for array in arrays.values())
        several = min(max(self.BYTES // (size * example or 1), 1), 1000)
        self.arrays = arrays
        self.size = size
        self.rows = min(several * size, n)
        self.room = {name: np.empty((self.rows, *array.shape[1:]), array.dtype) for name, array in arrays.items()}
        self.batches = [self._batch(start, start + size) for start in range(0, self.rows - size + 1, size)]

    def _batch(self, start: int, end: int) -> dict[str, Array]:
        return {name: array[start:end] for name, array in self.room.items()}

    def fill(self, order: Array) -> list[dict[str, Array]]:
        """Gather these examples, at most `rows`; the batches that they make."""
        n = len(order)
        for name, array in self.arrays.items():
            array.take(order, 0, self.room[name][:n], "clip")  # "raise" would take another copy
        whole, rest = divmod(n, self.size)
        return self.batches[:whole] + ([self._batch(n - rest, n)] if rest else [])


class Stream:
    """Batches that come one after the other, each a dict of arrays by input name.

    With `steps`, so many of them are an epoch, and the next epoch goes on behind; without, an epoch is all there are,
    and the next iterates anew. Raises FeedError when there is none left, for something else than batches, and for
    batches with other inputs: a run would go on with the last ones of those left out.
    """

    def __init__(self, graph: Graph, batches: Iterable[Any], steps: int | None):
        if steps is not None and (not is_whole(steps) or steps < 1):
            raise GraphError(f"steps, the number of batches in an epoch, is a positive whole number, got {steps!r}")
        self.graph = graph
        self.names: frozenset[str] = frozenset()
        self.steps = steps
        self.batches = batches if steps is None else iter(batches)
        self._skipped = 0

    def skip(self, epochs: int, batches: int) -> None:
        """Leave out what a training before has learned from: epochs where one goes on behind another, then batches."""
        for _ in islice(self.batches, epochs * self.steps if self.steps else 0):
            pass
        self._skipped = batches

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        skipped, self._skipped = self._skipped, 0
        count = 0
        for batch in islice(self.batches, self.steps):
            count += 1
            if count <= skipped:
                continue
            if not isinstance(batch, Mapping):
                raise FeedError(
                    f"data is a dict of arrays by input name, or batches of them, got a {type(batch).__name__}: "
                    f"{_by_name(self.graph)}"
                )
            if batch.keys() != self.names:
                check_feeds(self.graph, batch, self.graph.costs)
                self.names = frozenset(batch)
            yield batch
        if count < (self.steps or 1):
            raise FeedError(
                f"the data ran dry after {count} batches of an epoch: give what can be iterated again, or other steps=…"
            )


def source(
    graph: Graph,
    data: Any,
    wanted: list[Node],
    size: int | None,
    rng: np.random.Generator | None = None,
    steps: int | None = None,
) -> Rows | Stream:
    """What deals out data: arrays by input name are checked here, batches from an iterable when they come."""
    if isinstance(data, Mapping):
        if steps is not None:
            raise GraphError("steps is for data that comes batch by batch: arrays have as many batches as they have")
        return Rows(rows_of(graph, data, wanted), size, rng)
    if not isinstance(data, Iterable) or isinstance(data, (str, bytes, np.ndarray)):
        got = f"{type(data).__name__}: {_by_name(graph)}"
        raise FeedError(f"data is a dict of arrays by input name, or batches of them, got {got}")
    return Stream(graph, data, steps)


def _by_name(graph: Graph) -> str:
    names = [node.name for node in graph.inputs]
    return f"give {{{', '.join(f'{name!r}: …' for name in names[:3])}{', …' if len(names) > 3 else ''}}}"
