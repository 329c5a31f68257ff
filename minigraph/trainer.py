"""Trainer: one epoch after the other, for `fit` and for loops of one's own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike

from . import metrics
from .costs import Cost
from .data import source
from .errors import GraphError
from .gradient_history import GradientHistory
from .graph import Graph
from .history import COLUMNS, Score
from .inference import Inference
from .layer import Node
from .numbers import is_whole
from .optimizers import Optimizer
from .param import Array
from .record import whole
from .run import Run

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
) -> Iterator[Epoch]:
    """Train epoch by epoch, for ever: the loop under `fit`, whose arguments these are, for those who write their own.

    for epoch in mg.epochs(graph, data, batch_size=10, optimizer=mg.Adam()):
        if epoch.score.cost < 0.01:
            break
    """
    trainer = Trainer(graph, data, optimizer, batch_size, validation, metrics, accumulate, steps, watch, seed)
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
        rng = np.random.default_rng(graph.next_seed() if seed is None else whole(seed, "training"))
        self.run = Run(graph, training=True, seed=int(rng.integers(2**63)), guard=False, keep=bool(self.watch))
        self.batches = source(graph, data, self.costs, batch_size, rng, steps)
        self.validation = validation
        if isinstance(validation, Mapping):
            source(graph, validation, self.costs, 1)  # now rather than after the first epoch
        self.done = 0
        self.each_batch: Callable[[Score | None], None] = lambda score: None
        """Called after each batch, with the score so far when answers were judged anew."""

    def _look(self) -> None:
        """See which costs the graph has: callbacks may have edited it."""
        costs = costs_of(self.graph)
        if costs != self.costs:
            self.costs, self.tally = costs, Tally(costs, self.specs)

    def epoch(self) -> Epoch:
        """Train on every batch once, then validate."""
        began = time.perf_counter()
        self._look()
        self.tally.clear()
        for ours in self.ours:
            ours.discard()  # what a training or an epoch that was interrupted has left there
        count, watch, until = 0, self.watch, tuple(self.costs)
        for count, batch in enumerate(self.batches, 1):
            self.run.forward(batch, until=until).backward()
            for watcher in watch:
                watcher(self.run)
            self._learn(count)
            sweep = self.run.swept()
            self.each_batch(self.tally.score() if self.tally.add(sweep.outputs, sweep.m) else None)
        if count % self.accumulate:
            self._move()
        for watcher in watch:
            if isinstance(watcher, GradientHistory):
                watcher.settle()  # before anything else moves the weights
        seconds = time.perf_counter() - began
        score = self.tally.score()
        checked = None if self.validation is None else evaluate(self.graph, self.validation, metrics=self.specs)
        for ours in self.ours:
            ours.epoch_ended((checked or score).cost)
        self.done += 1
        return Epoch(self.done, score, checked, seconds, self.graph)

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


def _optimizers(given: Any) -> list[Any]:
    several = list(given) if isinstance(given, Iterable) else [given]
    fine = all(callable(getattr(one, "step", None)) and not isinstance(one, type) for one in several)
    if not several or not fine or len({id(one) for one in several}) < len(several):
        raise GraphError(f"training takes an optimizer, as mg.SGD(0.1), or a list of different ones, got {given!r}")
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
    tally = Tally(costs, metrics)
    inference = Inference(graph, [*costs, *(source for node in costs for source in node.inputs)])
    for batch in source(graph, data, costs, batch_size):
        found = inference.outputs(batch)
        tally.add({node.id: a for node, a in found.items()}, len(found[costs[0]]))
    return tally.score()


class Tally:
    """Costs, right answers and metrics summed up batch by batch; answers are judged some thousand at a time."""

    JUDGED_AT_ONCE = 4000
    BYTES_AT_ONCE = 1 << 24

    def __init__(self, costs: list[Node], specs: metrics.Specs):
        self.costs = costs
        self.specs = metrics.resolve(specs, costs)
        for name in {name for name, _, _ in self.specs} & {*COLUMNS} - {"accuracy"}:
            raise GraphError(f"a metric can't go by {name!r}, which the history has already: metrics.Mean(f, 'name')")
        self.judges: list[tuple[str, Node, metrics.Metric]] | None = None
        self.guessed = False
        """Whether the first judge is one that nobody asked for: accuracy, as the targets so far name classes."""
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.n = 0
        self.total = 0.0
        self._held = self._room = 0
        self._shelves: list[tuple[int, Array]] = []
        for _, _, metric in self.judges or ():
            metric.clear()

    def add(self, outputs: Any, m: int) -> bool:
        """Take in a batch, of all nodes' outputs by id; whether there were enough answers to judge them now."""
        start, end = self._held, self._held + m
        if end > self._room:
            self._judge()
            self._make_room(outputs, m)
            start, end = 0, m
        for k, shelf in self._shelves:
            shelf[start:end] = outputs[k]
        self._held = end
        if end < self._enough:
            return False
        self._judge()
        return True

    def _make_room(self, outputs: Any, m: int) -> None:
        """Room for enough batches of m examples: for C_x of each cost, then for outputs and targets of those judged."""
        if self.judges is None:
            self.judges = [*self._accuracy(outputs), *self.specs]
        self._judged = list({node: None for _, node, _ in self.judges})
        answers = [source.id for node in self._judged for source in (node.inputs[0], target_of(node))]
        example = sum(outputs[k][0].nbytes for k in answers)
        self._enough = min(self.JUDGED_AT_ONCE, self.BYTES_AT_ONCE // (example or 1))
        self._room = max(self._enough - 1, 0) + m
        for k in (*(node.id for node in self.costs), *answers):
            self._shelves.append((k, np.empty((self._room, *outputs[k].shape[1:]), outputs[k].dtype)))

    def score(self) -> Score:
        """The means so far."""
        self._judge()
        found = {name: metric.value() for name, _, metric in self.judges or ()}
        return Score(self.total / self.n, found.get("accuracy"), {k: v for k, v in found.items() if k != "accuracy"})

    def _accuracy(self, outputs: Any) -> list[tuple[str, Node, metrics.Metric]]:
        """Accuracy, if exactly one cost has targets that name classes and nobody asked for it."""
        found = [
            (node, metrics.of_cost(node, outputs[target_of(node).id]))
            for node in self.costs
            if cast(Cost, node.layer).takes_target
        ]
        judged: list[tuple[str, Node, metrics.Metric]]
        judged = [("accuracy", node, metric) for node, metric in found if metric is not None]
        asked = any(name == "accuracy" for name, _, _ in self.specs)
        self.guessed = len(judged) == 1 and not asked
        return judged if self.guessed else []

    def _judge(self) -> None:
        if not self._held:
            return
        n, held = len(self.costs), [shelf[: self._held] for _, shelf in self._shelves]
        self.total += sum(float(np.add.reduce(cost, dtype=np.float64)) for cost in held[:n])
        self.n += self._held
        self._held, self._room, self._shelves = 0, 0, []  # metrics may keep what they are handed
        answers = dict(zip(self._judged, zip(held[n::2], held[n + 1 :: 2], strict=True), strict=True))
        judges = self.judges or []
        if self.guessed:
            _, node, guess = judges[0]
            if cast(Cost, node.layer).names_classes(answers[node][1]):
                cast(metrics.Accuracy, guess).count_right(*answers[node])
            else:
                self.guessed = False
                del judges[0]
        for _, node, metric in judges[self.guessed :]:
            metric.add(*answers[node])


def target_of(node: Node) -> Node:
    """The input of a cost node that is its target."""
    return node.inputs[cast(Cost, node.layer).judged]


def costs_of(graph: Graph) -> list[Node]:
    """The cost nodes; raises GraphError when there is none to bring down."""
    if not graph.costs:
        raise GraphError(f"graph {graph.name!r} has no cost to bring down: add one with g.cost(…)")
    return graph.costs
