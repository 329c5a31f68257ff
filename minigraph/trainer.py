"""Trainer: one epoch after the other, for `fit` and for loops of one's own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from . import metrics
from .data import source
from .errors import GraphError
from .gradient_history import GradientHistory
from .graph import Graph
from .history import Score
from .inference import Inference
from .interrupts import Interrupts
from .layer import Node
from .numbers import is_whole
from .optimizers import Optimizer
from .record import whole
from .run import Run
from .tally import Tally

Data: TypeAlias = "Mapping[str, ArrayLike] | Iterable[Mapping[str, ArrayLike]]"
Watcher: TypeAlias = Callable[[Run], Any]
"""Looks at a training run after each backward sweep, before Params move."""


class Stepper(Protocol):
    """The least that training asks of an optimizer; gradient accumulation takes minigraph's own."""

    def step(self, run: Run) -> None:
        """Move the Params by the gradients of a run that went backward."""
        ...


class Epoch(NamedTuple):
    """What an epoch of training came to."""

    number: int
    """1, 2, …"""
    score: Score
    """Means over its batches as they came."""
    validation: Score | None
    """The score on the validation data after it."""
    seconds: float
    """Time it took, without validation."""
    graph: Graph


def epochs(
    graph: Graph,
    data: Data,
    *,
    optimizer: Stepper | Sequence[Stepper],
    batch_size: int | None = None,
    validation: Data | None = None,
    metrics: metrics.Specs = (),
    accumulate: int = 1,
    steps: int | None = None,
    watch: Iterable[Watcher] = (),
    seed: int | None = None,
    watch_nonfinite: bool = False,
) -> Iterator[Epoch]:
    """Train epoch by epoch, for ever: the loop under `fit`, whose arguments these are, for those who write their own.

    for epoch in mg.epochs(graph, data, batch_size=10, optimizer=mg.Adam()):
        if epoch.score.cost < 0.01:
            break
    """
    trainer = Trainer(
        graph, data, optimizer, batch_size, validation, metrics, accumulate, steps, watch, seed, watch_nonfinite
    )
    return iter(trainer.epoch, None)


class Trainer:
    """A graph in training: its data, its optimizers, and how far it is."""

    def __init__(
        self,
        graph: Graph,
        data: Data,
        optimizer: Stepper | Sequence[Stepper],
        batch_size: int | None,
        validation: Data | None,
        specs: metrics.Specs,
        accumulate: int,
        steps: int | None,
        watch: Iterable[Watcher],
        seed: int | None,
        watch_nonfinite: bool,
    ):
        self.graph = graph
        self.specs = metrics.listed(specs)
        self.costs: list[Node] = []
        self._look()
        if not is_whole(accumulate) or accumulate < 1:
            raise GraphError(f"accumulate is a positive whole number of batches to an update, got {accumulate!r}")
        self.accumulate = accumulate
        self.optimizers = _optimizers(optimizer)
        self.ours = [one for one in self.optimizers if isinstance(one, Optimizer)]
        if accumulate > 1 and len(self.ours) < len(self.optimizers):
            raise GraphError("accumulate takes minigraph's optimizers: this one has step(run) alone")
        self.watch = _watchers(watch)
        self.seed = seed
        self.rng = rng = np.random.default_rng(graph.next_seed() if seed is None else whole(seed, "training"))
        self.run = Run(
            graph,
            training=True,
            seed=int(rng.integers(2**63)),
            guard=False,
            keep=bool(self.watch),
            watch_nonfinite=watch_nonfinite,
        )
        self.batches = source(graph, data, self.costs, batch_size, rng, steps)
        self.validation = validation
        if validation is not None:
            source(graph, validation, self.costs, 1)  # now rather than after the first epoch
        self.done = 0
        """Epochs that are over."""
        self.position = 0
        """Batches of the current epoch that are learned from."""
        self.learned = 0
        """Batches learned from since training began."""
        self.shuffle: Mapping[str, Any] = rng.bit_generator.state
        """The generator as it was when the current epoch began."""
        self.interrupts = Interrupts()
        self._resumed = False
        self.each_batch: Callable[[Score | None], None] = lambda score: None
        """Called after each batch, with the score so far when answers were judged anew."""

    def state(self) -> dict[str, Any]:
        """How far training is, between two batches or two epochs, as `restore` takes it; weights are the graph's."""
        return {
            "done": self.done,
            "position": self.position,
            "learned": self.learned,
            "shuffle": self.shuffle if self.position else self.rng.bit_generator.state,
            "noise": [self.run.clock.seed, self.run.clock.sweep],
            "tally": self.tally.state() if self.position else None,
            "optimizers": [ours.state(self.graph) for ours in self.ours],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from there, in the middle of an epoch if need be."""
        self.done, self.position, self.learned = state["done"], state["position"], state["learned"]
        self.rng.bit_generator.state = self.shuffle = state["shuffle"]
        clock = self.run.clock
        clock.seed, clock.sweep = state["noise"]
        self._look()
        for ours, kept in zip(self.ours, state["optimizers"], strict=True):
            ours.restore(kept, self.graph)
        self._resumed = self.position > 0
        if self._resumed:
            self.tally.restore(state["tally"])

    def skip(self) -> None:
        """Leave out the batches that were learned from before, once all else is restored: no iterable goes back."""
        self.batches.skip(self.done, self.position)

    def _look(self) -> None:
        """See which costs the graph has: callbacks may have edited it."""
        costs = costs_of(self.graph)
        if costs != self.costs:
            self.costs, self.tally = costs, Tally(costs, self.specs)

    def epoch(self) -> Epoch:
        """Train on every batch once, or on those that are left of a checkpoint's epoch, then validate.

        Interrupts are put off when it returns, until what belongs to the end of an epoch is done and says `over`.
        """
        began = time.perf_counter()
        self._look()
        if self._resumed:
            self._resumed = False
        else:
            self._begin()
        watch, until, interrupts = self.watch, tuple(self.costs), self.interrupts
        for batch in self.batches:
            self.run.forward(batch, until=until).backward()
            for watcher in watch:
                watcher(self.run)
            interrupts.busy = True
            self.position += 1
            self._learn(self.position)
            self.learned += 1
            judged = self._judge()
            interrupts.over()
            self.each_batch(self.tally.score() if judged else None)
        interrupts.busy = True
        if self.position % self.accumulate:
            self._move()
        interrupts.over()
        for watcher in watch:
            if isinstance(watcher, GradientHistory):
                watcher.settle()  # before anything else moves the weights
        seconds = time.perf_counter() - began
        score = self._score()
        checked = None if self.validation is None else self._validate(self.validation)
        interrupts.busy = True
        for ours in self.ours:
            ours.epoch_ended((checked or score).cost)
        self.done, self.position = self.done + 1, 0
        return Epoch(self.done, score, checked, seconds, self.graph)

    def _begin(self) -> None:
        """Begin an epoch, without what one that was interrupted has left."""
        self.position, self.shuffle = 0, self.rng.bit_generator.state
        self.tally.clear()
        for ours in self.ours:
            ours.discard()

    def _learn(self, count: int) -> None:
        if self.accumulate == 1:
            for optimizer in self.optimizers:
                optimizer.step(self.run)
            return
        for ours in self.ours:
            ours.accumulate(self.run)
        if count % self.accumulate == 0:
            self._move()

    def _move(self) -> None:
        for ours in self.ours:
            ours.step()

    # ---- what is said of the examples, of which others may have learned from some ----

    def _judge(self) -> bool:
        """Take in costs and answers of a batch; whether answers were judged anew."""
        sweep = self.run.swept()
        return self.tally.add(sweep.outputs, sweep.m)

    def _score(self) -> Score:
        return self.tally.score()

    def _validate(self, data: Data) -> Score:
        return evaluate(self.graph, data, metrics=self.specs)


def _optimizers(given: Any) -> list[Any]:
    several = list(given) if isinstance(given, Iterable) else [given]
    fine = all(callable(getattr(one, "step", None)) and not isinstance(one, type) for one in several)
    if not several or not fine or len({id(one) for one in several}) < len(several):
        made = f"the class {given.__name__}: make one of it" if isinstance(given, type) else repr(given)
        raise GraphError(f"training takes an optimizer, as mg.SGD(0.1), or a list of different ones, got {made}")
    return several


def _watchers(given: Any) -> list[Watcher]:
    several: list[Any] = list(given) if isinstance(given, Iterable) else [None]
    if not all(callable(one) and not isinstance(one, type) for one in several):
        raise GraphError(f"training takes watch as a list of functions of a Run, as [GradientHistory()], got {given!r}")
    if len({id(one) for one in several}) < len(several):
        raise GraphError(f"training takes watch as a list of different functions, got {given!r}")
    return several


def evaluate(graph: Graph, data: Data, *, batch_size: int = 1000, metrics: metrics.Specs = ()) -> Score:
    """Cost, accuracy and metrics on some examples, without training: Dropout and its like let everything pass.

    `data` is a dict of arrays by input name, or batches of them one after the other.
    """
    costs = costs_of(graph)
    return tallied(graph, source(graph, data, costs, batch_size), Tally(costs, metrics)).score()


def tallied(graph: Graph, batches: Iterable[Mapping[str, Any]], tally: Tally) -> Tally:
    """The tally, with what inference makes of some batches."""
    costs = tally.costs
    inference = Inference(graph, [*costs, *(source for node in costs for source in node.inputs)])
    for batch in batches:
        found = inference.outputs(batch)
        tally.add({node.id: a for node, a in found.items()}, len(found[costs[0]]))
    return tally


def costs_of(graph: Graph) -> list[Node]:
    """The cost nodes; raises GraphError when there is none to bring down."""
    if not graph.costs:
        raise GraphError(f"graph {graph.name!r} has no cost to bring down: add one with g.cost(…)")
    return graph.costs
