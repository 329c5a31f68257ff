"""fit, by all ranks together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from types import TracebackType
from typing import Any

import numpy as np

from ... import train
from ...errors import GraphError
from ...graph import Graph
from ...history import History
from ...numbers import is_real
from ...stopping import Best
from ...terms import terms
from ...trainer import Data, Epoch, Trainer
from .checkpoints import RankCheckpoints
from .ranks import Ranks, T
from .trainer import RankTrainer


def fit(graph: Graph, data: Data, *, communicator: Any = None, **options: Any) -> History:
    """What `mg.fit` does, by all processes that `mpiexec` started; the options are those of `mg.fit`.

    All run the same program, and call this together. Each learns from its part of every batch: `batch_size` counts the
    examples of all. Each step moves the weights by the mean gradient over the whole batch, so that they stay the same
    everywhere, and the same as those of one process, but for rounding. With one process it is `mg.fit`, bit for bit.

    Arrays as `data` are the same on all ranks (memory-mapped ones are read in parts); an iterable gives each rank
    batches of its own, a step takes one of each, and an epoch ends when none has any left. Rank 0's weights, running
    statistics and seeds are where all begin. Rank 0 alone shows progress, calls callbacks and watchers, and reads and
    writes checkpoints, which any number of ranks, or `mg.fit`, can go on from. The history is the same on all ranks.
    Metrics of one's own have a method `merge(other)`.

    Not equal to one process: noise, which each rank draws for itself, and layers and costs that mix the examples of a
    batch (BatchNorm), which see those of their rank; running statistics are means over ranks.

    `communicator` is one of mpi4py's, all processes unless given. What is wrong with options raises on all ranks; an
    exception in the middle of training on one rank, Ctrl-C included, ends all with its traceback.
    """
    ranks = Ranks(communicator)
    if ranks.size == 1:
        return train.fit(graph, data, **options)
    crew = Crew(ranks)
    with crew:
        given = signature(train.fit).bind(graph, data, **options)
        given.apply_defaults()
        return train.fit_by(crew, **given.arguments)


class Crew(train.Alone):
    """One of the ranks that train a graph together."""

    trainer_there: RankTrainer

    def __init__(self, ranks: Ranks):
        self.ranks = ranks
        self.tells = not ranks.rank
        self._begun = False

    def trainer(self, *given: Any) -> Trainer:
        """The graph in training, by this rank."""
        self.trainer_there = RankTrainer(self.ranks, *given)
        return self.trainer_there

    def checkpoints(self, *given: Any) -> RankCheckpoints:
        """Files that rank 0 writes."""
        return RankCheckpoints(self.ranks, *given)

    def begin(self, trainer: Trainer, best: Best | None, lengths: Mapping[str, Any]) -> None:
        """See that all ranks are about to do the same, and begin with the same numbers."""
        self._begun = True
        self.ranks.agree()
        there = self.trainer_there
        alike = there.likeness
        more = {**terms(trainer, best), **lengths, "numpy": np.__version__, **alike.memories(), **alike.data()}
        alike.check("before they begin", more)
        there.begin_alike()

    def answers(self, callbacks: Sequence[Callable[[Epoch], Any]], epoch: Epoch) -> list[Any]:
        """What callbacks say to rank 0; weights, statistics and numbers of optimizers that they set are set everywhere.

        They are those of rank 0: whether other ranks have some doesn't matter.
        """
        trainer, alike = self.trainer_there, self.trainer_there.likeness

        def call() -> tuple[list[bool], list[Any], bool] | None:
            if not callbacks:
                return None
            before, wiring = alike.weights(), alike.wiring()
            found = [callback(epoch) is True for callback in callbacks]
            if alike.wiring() != wiring:
                raise GraphError("callbacks are called on rank 0 alone: there they can't edit the graph of all ranks")
            return found, [_numbers(ours) for ours in trainer.ours], before != alike.weights()

        told = self.ranks.first(call)
        if told is None:
            return []
        found, numbers, moved = told
        for ours, (own, rates) in zip(trainer.ours, numbers, strict=True):
            vars(ours).update(own)
            for name, lr in ours.schedules().items():
                vars(lr).update(rates.get(name, {}))
        if moved:
            trainer.spread_weights()
        return list(found)

    def each(self, function: Callable[[], T]) -> T:
        """What a function finds that sees the same on all ranks; what it raises, all raise."""
        return self.ranks.each(function)

    # ---- the end ----

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if fault is None or fault is self.ranks.agreed:
            return
        if not self._begun and isinstance(fault, Exception):
            self._begun = True
            self.ranks.agree(fault)
            return
        self.ranks.end()


def _numbers(ours: Any) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """The numbers of an optimizer, and of its schedules by their names."""
    own = {name: getattr(ours, name) for name in ours.given if is_real(getattr(ours, name))}
    rates = {
        name: {key: value for key, value in vars(lr).items() if is_real(value)} for name, lr in ours.schedules().items()
    }
    return own, rates
