"""Training: fit, evaluate, predict."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from .costs import Cost
from .data import batches, gather, rows_of
from .errors import GraphError
from .feeds import merged
from .graph import Graph
from .history import History, Score
from .layer import Node
from .numbers import is_whole
from .param import Array
from .run import Run

Data = Mapping[str, ArrayLike]


class Optimizer(Protocol):
    """What `fit` asks of an optimizer."""

    def step(self, run: Run) -> None:
        """Move the Params by the gradients of a run that went backward."""
        ...


def fit(
    graph: Graph,
    data: Data,
    *,
    epochs: int,
    batch_size: int,
    optimizer: Optimizer,
    validation: Data | None = None,
    progress: bool = True,
    seed: int | None = None,
    history: History | None = None,
) -> History:
    """Train a graph by mini-batch gradient descent and return what happened, an entry an epoch.

    Each epoch deals out every example once, in a new order that `seed` (or else the graph's seed) decides; the last
    batch may be short, and the update divides by the size of each batch itself. A `history` handed in goes on being
    filled, also when Ctrl-C ends the training, which leaves the graph with the weights it had reached. The costs and
    accuracies of an epoch are means over its batches as they came, those of `validation` are taken after it.
    Raises FeedError for data that doesn't fit, GraphError for a graph without a cost or numbers that mean nothing.
    """
    from tqdm import tqdm

    costs = _costs_of(graph)
    arrays = rows_of(graph, data, costs)
    for name, value in (("epochs", epochs), ("batch_size", batch_size)):
        if not is_whole(value) or value < 1:
            raise GraphError(f"fit takes a positive whole number of {name}, got {value!r}")
    n = len(next(iter(arrays.values())))
    rng = np.random.default_rng(graph.next_seed() if seed is None else seed)
    run = Run(graph, training=True, seed=int(rng.integers(2**63)), guard=False)
    history = History() if history is None else history
    tally = Tally(costs, arrays)
    with tqdm(total=epochs * math.ceil(n / batch_size), disable=not progress, unit=" batches") as bar:
        for epoch in range(1, epochs + 1):
            bar.set_description(f"epoch {epoch}/{epochs}", refresh=False)
            began = time.perf_counter()
            for _, batch in batches(arrays, batch_size, rng):
                run.forward(batch, until=costs).backward()
                optimizer.step(run)
                if tally.add(run, batch):
                    bar.set_postfix_str(_words(tally.score(), None), refresh=False)
                bar.update()
            seconds = time.perf_counter() - began
            score = tally.score()
            checked = None if validation is None else evaluate(graph, validation)
            history.append(score, checked, seconds)
            bar.set_postfix_str(_words(score, checked))
            tally.clear()
    return history


def evaluate(graph: Graph, data: Data, *, batch_size: int = 1000) -> Score:
    """Cost and accuracy on some examples, without training: Dropout and its like let everything pass."""
    costs = _costs_of(graph)
    arrays = rows_of(graph, data, costs)
    run = Run(graph)
    tally = Tally(costs, arrays)
    for _, batch in batches(arrays, batch_size):
        tally.add(run.forward(batch, until=costs), batch)
    return tally.score()


def predict(
    graph: Graph, data: Data | None = None, /, *, batch_size: int = 1000, **named: ArrayLike
) -> Array | dict[str, Array]:
    """The graph's outputs for some examples, as rows; a dict by node name where there are several.

    Outputs are the nodes declared with `graph.output`, else those that the costs are functions of, else the last ones.
    Targets needn't be given. One example without a batch axis gives one output without it.
    """
    outputs = graph.outputs
    arrays, single = gather(graph, merged(data, named), outputs)
    n = len(next(iter(arrays.values())))
    found = {node.name: np.empty((n, *node.shape), node.dtype) for node in outputs}
    run = Run(graph)
    for start, batch in batches(arrays, batch_size):
        run.forward(batch, until=outputs)
        for node in outputs:
            found[node.name][start : start + run.m] = run[node].a
    if single:
        found = {name: array[0] for name, array in found.items()}
    return found[outputs[0].name] if len(outputs) == 1 else found


class Tally:
    """Costs and right answers summed up batch by batch; answers are judged some hundred at a time, which is cheaper."""

    JUDGED_AT_ONCE = 1000

    def __init__(self, costs: list[Node], arrays: Mapping[str, Array]):
        self.costs = costs
        judged = [node for node in costs if _judges(node, arrays)]
        self.judged = judged[0] if len(judged) == 1 else None
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.n = self.known = self.right = 0
        self.total = 0.0
        self._outputs: list[Array] = []
        self._targets: list[Array] = []

    def add(self, run: Run, batch: Mapping[str, Array]) -> bool:
        """Take in a run's batch; whether answers were judged now."""
        outputs = run.swept().outputs
        for node in self.costs:
            self.total += float(np.add.reduce(outputs[node.id]))
        self.n += run.m
        if self.judged is not None:
            output, target = self.judged.inputs
            self._outputs.append(outputs[output.id].copy())
            self._targets.append(batch[target.name])
        if self.n - self.known < self.JUDGED_AT_ONCE:
            return False
        self._judge()
        return True

    def score(self) -> Score:
        """The means so far."""
        self._judge()
        return Score(self.total / self.n, self.right / self.n if self.judged is not None else None)

    def _judge(self) -> None:
        if self.judged is not None and self._outputs:
            layer = self.judged.layer
            assert isinstance(layer, Cost)
            self.right += int(layer.correct(np.concatenate(self._outputs), np.concatenate(self._targets)).sum())
            self._outputs, self._targets = [], []
        self.known = self.n


def _judges(node: Node, arrays: Mapping[str, Array]) -> bool:
    target = node.inputs[1]
    return isinstance(node.layer, Cost) and target.name in arrays and node.layer.names_classes(arrays[target.name])


def _costs_of(graph: Graph) -> list[Node]:
    if not graph.costs:
        raise GraphError(f"graph {graph.name!r} has no cost to bring down: add one with g.cost(…)")
    return graph.costs


def _words(score: Score, checked: Score | None) -> str:
    words = f"cost {score.cost:.4g}"
    if score.accuracy is not None:
        words += f", accuracy {score.accuracy:.2%}"
    if checked is not None:
        words += f"; validation cost {checked.cost:.4g}"
        if checked.accuracy is not None:
            words += f", accuracy {checked.accuracy:.2%}"
    return words
