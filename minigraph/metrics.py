"""Metrics: what else than the cost tells how well outputs fit their targets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from .costs import Cost
from .errors import GraphError
from .layer import Node
from .numbers import is_whole
from .param import Array


@runtime_checkable
class Metric(Protocol):
    """A number about outputs a and targets y, examples as rows, gathered from one part of them after the other."""

    name: str

    def clear(self) -> None:
        """Begin anew."""
        ...

    def add(self, a: Array, y: Array) -> None:
        """Take in some examples."""
        ...

    def value(self) -> float:
        """The number for all examples taken in since the beginning."""
        ...


Spec: TypeAlias = "str | Metric | Callable[[Array, Array], Any]"
"""A metric as it is asked for: a name, "accuracy" or "r2"; a Metric; or a function of outputs and targets, f(a, y)."""
Specs: TypeAlias = "Spec | Iterable[Spec] | Mapping[str, Spec | Iterable[Spec]]"
"""One or several of them; where a graph has several costs, those of each cost by its name."""


@runtime_checkable
class Mergeable(Protocol):
    """A metric that several processes can gather together, each from its own examples."""

    def merge(self, other: Any) -> None:
        """Take in all that another of its kind has taken in."""
        ...


class Mean:
    """The mean over examples of f(a, y), which gives a number for each example, or one for all it is given.

    What it gives for all at once is weighted by their number; f sees some thousand examples at a time.
    """

    def __init__(self, function: Callable[[Array, Array], Any], name: str | None = None):
        self.function = function
        self.name: str = name or getattr(function, "__name__", "") or type(function).__name__
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.total, self.count = 0.0, 0

    def add(self, a: Array, y: Array) -> None:
        """Take in some examples; raises GraphError when f gives something else than numbers."""
        values = np.asarray(self.function(a, y))
        if values.dtype.kind not in "fiub" or (values.shape and values.shape[0] != len(a)):
            got = f"{values.dtype} of shape {values.shape}"
            raise GraphError(f"metric {self.name!r} gives one number, or one for each of {len(a)} examples, got {got}")
        self.total += len(a) * float(values.mean())
        self.count += len(a)

    def merge(self, other: Mean) -> None:
        """Take in the examples of another."""
        self.total += other.total
        self.count += other.count

    def value(self) -> float:
        """The mean so far."""
        return self.total / self.count


class Share:
    """The share of right answers: of examples, or of positions where they have several; NaN where none counts."""

    name: str
    cost: Cost | None = None
    """The cost whose outputs and targets these are."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.right = self.count = 0

    def add(self, a: Array, y: Array) -> None:
        """Take in some examples; raises GraphError for targets that name no classes."""
        if self.cost is not None and not self.cost.names_classes(y):
            kind = type(self.cost).__name__
            raise GraphError(f"metric {self.name!r} takes targets that name classes, but those of this {kind} don't")
        self.count_right(a, y)

    def count_right(self, a: Array, y: Array) -> None:
        """Take in some examples whose targets are known to name classes."""
        right = self.answers(a, y)
        self.right += int(right.sum())
        self.count += right.size

    def merge(self, other: Share) -> None:
        """Take in the examples of another."""
        self.right += other.right
        self.count += other.count

    def value(self) -> float:
        """The share so far."""
        return self.right / self.count if self.count else float("nan")

    def answers(self, a: Array, y: Array) -> Array:
        """Which answers are right, those that count."""
        raise NotImplementedError(f"{type(self).__name__} has no answers(self, a, y)")


class Accuracy(Share):
    """The share of what a cost calls classified right."""

    name = "accuracy"

    def __init__(self, cost: Cost):
        super().__init__()
        self.cost = cost

    def answers(self, a: Array, y: Array) -> Array:
        """Those that the cost calls right."""
        assert self.cost is not None
        return self.cost.correct(a, y)


class TopK(Share):
    """The share of answers where fewer than k of the scores are above that of the right class; see `top_k`."""

    def __init__(self, k: int):
        super().__init__()
        self.k = k
        self.name = f"top_{k}"

    def answers(self, a: Array, y: Array) -> Array:
        """Those with the right class among the first k; labels that the cost ignores don't count."""
        axis = getattr(self.cost, "axis", -1)  # of a sample: where the classes are
        axis += axis >= 0
        scores = np.moveaxis(a, axis, -1)
        labels = y if y.ndim < a.ndim else np.moveaxis(y, axis, -1).argmax(axis=-1)
        if scores.shape[-1] < 2 or labels.shape != scores.shape[:-1]:
            raise GraphError(f"metric {self.name!r} takes a score for each of several classes, got {a.shape[1:]}")
        counts = labels != getattr(self.cost, "ignore_index", None)
        scores, labels = scores[counts], labels[counts]
        right: Array = (scores > np.take_along_axis(scores, labels[:, None], axis=-1)).sum(axis=-1) < self.k
        return right


class R2:
    """The coefficient of determination R² = 1 − Σ (y − a)² / Σ (y − ȳ)², the mean over outputs.

    1 is perfect, 0 as good as the mean ȳ. An output whose targets are all the same counts 1 if it is exact, else 0.
    """

    name = "r2"

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.count, self.mean, self.spread, self.residual = 0, 0.0, 0.0, 0.0

    def add(self, a: Array, y: Array) -> None:
        """Take in some examples."""
        a, y = (np.asarray(x, float).reshape(len(x), -1) for x in (a, y))
        if a.shape != y.shape:
            raise GraphError(f"metric 'r2' takes targets of the outputs' shape, got {y.shape[1]} for {a.shape[1]}")
        mean = y.mean(axis=0)
        self._add(len(y), mean, ((y - mean) ** 2).sum(axis=0), ((y - a) ** 2).sum(axis=0))

    def merge(self, other: R2) -> None:
        """Take in the examples of another."""
        if other.count:
            self._add(other.count, other.mean, other.spread, other.residual)

    def _add(self, n: int, mean: Any, spread: Any, residual: Any) -> None:
        """Sums of squares are merged as Chan, Golub and LeVeque 1979 do."""
        shift, total = mean - self.mean, self.count + n
        self.spread = self.spread + spread + shift**2 * self.count * n / total
        self.residual = self.residual + residual
        self.mean, self.count = self.mean + shift * n / total, total

    def value(self) -> float:
        """R² so far."""
        spread, residual = np.asarray(self.spread), np.asarray(self.residual)
        constant = spread == 0.0
        found = 1.0 - residual / np.where(constant, 1.0, spread)
        return float(np.where(constant, residual == 0.0, found).mean())


def top_k(k: int) -> TopK:
    """Whether fewer than k of an example's scores are above that of its class: labels (m,), or one-hot rows (m, n).

    Samples of more axes have their classes along the cost's `axis`, and an answer for each position.
    """
    if not is_whole(k) or k < 1:
        raise GraphError(f"top_k takes a positive whole number, got {k!r}")
    return TopK(int(k))


def of_cost(node: Node, y: Array) -> Accuracy | None:
    """How many examples are classified right, if targets like these name classes for that cost."""
    cost = node.layer
    assert isinstance(cost, Cost)
    return Accuracy(cost) if cost.takes_target and cost.names_classes(y) else None


def listed(specs: Any) -> Any:
    """Metrics as a list, or a list for each cost: one alone counts as a list of one."""
    if isinstance(specs, Mapping):
        return {name: listed(several) for name, several in specs.items()}
    if isinstance(specs, str) or callable(specs) or isinstance(specs, Metric):
        return [specs]
    if not isinstance(specs, Iterable):
        raise GraphError(f"metrics are a list, or a dict of lists by cost, got {specs!r}")
    return list(specs)


def resolve(specs: Specs, costs: Sequence[Node]) -> list[tuple[str, Node, Metric]]:
    """Each metric asked for, by the name it goes by, with the cost whose outputs and targets it is about.

    A list is about the only cost with a target; where there are several, a mapping says which, by the cost's name, and
    the metrics go by names like "cost.r2". Raises GraphError for unknown metrics and costs, and for two of one name.
    """
    asked = listed(specs)
    judging = {node.name: node for node in costs if isinstance(node.layer, Cost) and node.layer.takes_target}
    if isinstance(asked, Mapping):
        unknown = [name for name in asked if name not in judging]
        if unknown:
            there = ", ".join(map(repr, judging)) or "none"
            raise GraphError(f"metrics go by a cost that has a target, one of {there}, got {unknown[0]!r}")
        named = [(judging[name], f"{name}.", spec) for name, several in asked.items() for spec in several]
    else:
        if asked and not judging:
            raise GraphError("metrics judge outputs by targets, and no cost has any")
        if asked and len(judging) > 1:
            raise GraphError(f"{len(judging)} costs have targets: give metrics by cost, metrics={{'cost': […]}}")
        named = [(node, "", spec) for node in judging.values() for spec in asked]
    found: list[tuple[str, Node, Metric]] = []
    for node, prefix, spec in named:
        metric = _resolve_one(spec, node)
        name = prefix + metric.name
        if any(name == other for other, _, _ in found):
            raise GraphError(f"two metrics go by the name {name!r}: name one, metrics.Mean(function, 'name')")
        found.append((name, node, metric))
    return found


def _resolve_one(spec: Spec, node: Node) -> Metric:
    if spec == "accuracy":
        assert isinstance(node.layer, Cost)
        return Accuracy(node.layer)
    if spec == "r2":
        return R2()
    if isinstance(spec, Metric) and not isinstance(spec, type):
        own = deepcopy(spec)
        own.clear()
        if isinstance(own, Share):
            assert isinstance(node.layer, Cost)
            own.cost = node.layer
        return own
    if callable(spec) and not isinstance(spec, type):
        return Mean(spec)
    raise GraphError(
        f"no metric {spec!r}: take 'accuracy', 'r2', metrics.top_k(k), or a function of outputs and targets"
    )
