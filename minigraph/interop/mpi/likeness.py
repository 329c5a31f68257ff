"""What has to be the same on all ranks, and what to say where it isn't."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from ...data import Rows, Stream, source
from ...graph import Graph
from ...layer import Layer
from ...numbers import is_real
from ...param import Array
from ...terms import words

if TYPE_CHECKING:
    from .trainer import RankTrainer


ROWS = 100
"""At least so many rows of an array are compared, all of them if it has fewer than twice as many."""


class Likeness:
    """Compares a training's graph, options and weights over ranks by a few bytes from each."""

    def __init__(self, trainer: RankTrainer):
        self.trainer = trainer
        self._wiring: dict[str, str] = {}
        self._editions: tuple[int, int] | None = None

    def check(self, when: str, more: Mapping[str, Any] | None = None, weights: bool = False) -> None:
        """Raise GraphError on all ranks where one of them has something else; it is named."""
        ranks = self.trainer.ranks
        told = {**self.wiring(), **self._options(), **(self.weights() if weights else {}), **(more or {})}
        digest = blake2b(repr(told).encode(), digest_size=16).digest()
        if len(set(ranks.gather(digest))) == 1:
            return
        first, *others = ranks.gather(told)
        for rank, other in enumerate(others, 1):
            for name in (*first, *other):
                here, there = (f"{side.get(name, 'nothing')!s:.200}" for side in (first, other))
                if here != there:
                    what = f"the ranks differ {when}: {name} is {here} on rank 0, {there} on rank {rank}"
                    if name == "examples" or name.endswith("data"):
                        ranks.refuse(
                            f"{what}; arrays are the same on all ranks: an iterable gives each batches of its own"
                        )
                    ranks.refuse(
                        f"{what}; all have to run the same program, and what draws random numbers has to draw the same "
                        "ones"
                    )
        ranks.refuse(f"the ranks differ {when} in the order of what they have")

    def wiring(self) -> dict[str, str]:
        """The nodes of the graph in words."""
        graph = self.trainer.graph
        editions = (graph.edition, Layer.edition)
        if editions != self._editions:
            self._wiring, self._editions = _wiring(graph), editions
        return self._wiring

    def _options(self) -> dict[str, str]:
        """The optimizers' options as they are now, which callbacks may have set."""
        return {
            f"{name} of optimizer {i}": words(getattr(ours, name), {})
            for i, ours in enumerate(self.trainer.ours, 1)
            for name in ours.given
            if name != "params"
        }

    def weights(self) -> dict[str, int]:
        """Checksums of Params and running statistics."""
        sums = {f"the checksum of {name!r}": _sum(param.value) for name, param in self.trainer.graph.params.items()}
        for i, layer in enumerate(self.trainer.layers, 1):
            for name in layer.statistics:
                sums[f"the checksum of {name!r} of {type(layer).__name__} {i}"] = _sum(getattr(layer, name))
        return sums

    def data(self) -> dict[str, Any]:
        """Checksums of rows all over the arrays that are dealt out: of each rank's own ones, most would be left out."""
        trainer = self.trainer
        dealt: dict[str, Rows | Stream] = {"data": trainer.batches}
        if trainer.validation is not None:
            dealt["validation data"] = source(trainer.graph, trainer.validation, trainer.costs, 1)
        found: dict[str, Any] = {}
        for what, one in dealt.items():
            arrays = one.arrays if isinstance(one, Rows) else {}
            found[f"the number of examples in {what}"] = one.n if isinstance(one, Rows) else "as they come"
            for name, array in arrays.items():
                found[f"the checksum of {name!r} in {what}"] = _sum(array[:: max(len(array) // ROWS, 1)])
        return found

    def memories(self) -> dict[str, float]:
        """Checksums of what optimizers remember of earlier trainings."""
        found: dict[str, float] = {}
        for i, ours in enumerate(self.trainer.ours, 1):
            state = ours.state(self.trainer.graph)
            found |= {f"{name} of optimizer {i}": value for name, value in state["own"].items() if is_real(value)}
            for param, (taken, arrays) in state["params"].items():
                sums = tuple(sorted((name, _sum(array)) for name, array in arrays.items()))
                found[f"what optimizer {i} remembers of {param.name!r}"] = zlib.crc32(repr((taken, sums)).encode())
        return found


def _sum(array: Array) -> int:
    return zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def _wiring(graph: Graph) -> dict[str, str]:
    names = {param: name for name, param in graph.params.items()}
    found = {}
    for node in graph.nodes:
        params = {attribute: names.get(param, param.name) for attribute, param in node.layer.params.items()}
        shapes = [f"{param.dtype}{list(param.shape)}" for param in node.layer.params.values()]
        parts = (words(node.layer, names), node.shape, node.dtype.name, [source.name for source in node.inputs])
        found[f"node {node.name!r}"] = repr((*parts, params, shapes, node.layer.frozen))
    return found
