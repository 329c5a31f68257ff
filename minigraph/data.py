"""Arrays by input name, checked once and dealt out in batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import ArrayLike

from .errors import FeedError
from .feeds import admit, batch_of
from .graph import Graph
from .layer import Node
from .param import Array
from .plan import check_feeds
from .schedule import ancestors


def gather(graph: Graph, data: Mapping[str, ArrayLike], wanted: list[Node]) -> tuple[dict[str, Array], bool]:
    """Check the arrays that the wanted nodes depend on, and convert them to the graph's dtype, examples as rows.

    Returns them with whether it was one example, without a batch axis. Raises FeedError for missing or unknown names,
    wrong shapes and dtypes, and different numbers of rows.
    """
    if not isinstance(data, Mapping):
        raise FeedError(f"data is a dict of arrays by input name, got {type(data).__name__}")
    check_feeds(graph, data, wanted)
    active = ancestors(wanted)
    inputs = [node for node in graph.inputs if node in active]
    arrays = {node: admit(node, data[node.name]) for node in inputs}
    m, single = batch_of(arrays)
    rows = {node.name: np.ascontiguousarray(array).reshape(m, *node.shape) for node, array in arrays.items()}
    return rows, single


def rows_of(graph: Graph, data: Mapping[str, ArrayLike], wanted: list[Node]) -> dict[str, Array]:
    """As `gather`, for many examples: raises FeedError for a single one without a batch axis."""
    arrays, single = gather(graph, data, wanted)
    if single:
        raise FeedError("data has examples as rows, got one example without a batch axis: give array[None]")
    return arrays


def batches(
    arrays: Mapping[str, Array], size: int, rng: np.random.Generator | None = None
) -> Iterator[tuple[int, dict[str, Array]]]:
    """Deal out every row once, in batches of `size` (the last may be short), shuffled if a generator is given.

    Yields the number of rows dealt before, and the batch as arrays by name.
    """
    n = len(next(iter(arrays.values())))
    order = None if rng is None else rng.permutation(n)
    for start in range(0, n, size):
        rows = slice(start, start + size) if order is None else order[start : start + size]
        yield start, {name: array[rows] for name, array in arrays.items()}
