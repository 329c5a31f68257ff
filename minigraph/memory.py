"""Memory: how many bytes a graph takes to train or to answer, predicted without doing either."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from .errors import GraphError
from .graph import Graph
from .layer import Layer, Node
from .numbers import is_whole
from .optimizers import Optimizer
from .optimizers.bundle import Bundle
from .param import Array, Param
from .plan import Plan
from .recompute import Segment, segments
from .schedule import Errand, errands, last_uses
from .trial import Held, Trial, Trials

MB = 10**6
NODE, RECORD, CALL = 1500, 3500, 800
"""Bytes of Python's objects, about: for a node, for its record in a training run, for a call of numpy in a script."""


@dataclass(frozen=True)
class Bytes:
    """Bytes by what they are for."""

    weights: int = 0
    """Params, with the room left in the arrays that they share, and running statistics."""
    feeds: int = 0
    """One batch of all inputs."""
    activations: int = 0
    """What forward keeps for the way back; in inference what is alive at once, at most."""
    errors: int = 0
    """What backward keeps: δ, the errors that nodes send, sums at forks."""
    recomputed: int = 0
    """The largest segment of a recomputed block, activations and errors, while it is computed again."""
    gradients: int = 0
    """∂C/∂Param: the array for all uses, and shares outside it or, if that is more, all shares on their way into it."""
    optimizer: int = 0
    """What the optimizer keeps: the update, momentum and the like."""
    other: int = 0
    """Arrays that scripts keep for what layers leave to numpy; Python's objects, about."""

    @property
    def total(self) -> int:
        """All of it: the peak."""
        return sum(getattr(self, kind) for kind in KINDS)

    def plus(self, other: Bytes) -> Bytes:
        """The bytes of both."""
        return Bytes(*(getattr(self, kind) + getattr(other, kind) for kind in KINDS))


KINDS = [kind.name for kind in fields(Bytes)]


@dataclass(frozen=True)
class Memory(Bytes):
    """What a graph needs at a batch size, in bytes by what they are for, with their `total`: `print` it.

    `nodes` has each node's own part, by name, without what all have in common; in inference it is what is alive while
    the node computes. `table("node")`, and `table("layer")`, summed by kind of layer, show them in MB.
    """

    graph: str = field(default="", kw_only=True)
    batch: int = field(default=1, kw_only=True)
    training: bool = field(default=True, kw_only=True)
    nodes: Mapping[str, Bytes] = field(default_factory=dict, kw_only=True, repr=False)
    layers: Mapping[str, str] = field(default_factory=dict, kw_only=True, repr=False)
    """The kind of layer of each node."""

    def table(self, by: str = "node") -> str:
        """What each node, or each kind of layer, needs, in MB; raises GraphError for anything else."""
        if by not in ("node", "layer"):
            raise GraphError(f"memory is shown by 'node' or by 'layer', got {by!r}")
        parts: dict[str, Bytes] = {}
        for name, part in self.nodes.items():
            key = name if by == "node" else self.layers[name]
            if key not in parts:
                parts[key] = part
            elif self.training:
                parts[key] = parts[key].plus(part)
            else:
                parts[key] = max(parts[key], part, key=lambda one: one.total)
        used = [*(kind for kind in KINDS if any(getattr(part, kind) for part in parts.values())), "total"]
        return _table([[by, *used], *([key, *_mb(part, used)] for key, part in parts.items())])

    def __str__(self) -> str:
        used = [*(kind for kind in KINDS if getattr(self, kind)), "total"]
        title = f"{self.graph}, {'training' if self.training else 'inference'} in batches of {self.batch}: MB"
        return f"{title}\n{_table([list(row) for row in zip(used, _mb(self, used), strict=True)])}"


def _mb(part: Bytes, kinds: list[str]) -> list[str]:
    return [f"{getattr(part, kind) / MB:,.3f}" for kind in kinds]


def _table(rows: list[list[str]]) -> str:
    first, *others = (max(map(len, column)) for column in zip(*rows, strict=True))
    return "\n".join("  ".join([row[0].ljust(first), *map(str.rjust, row[1:], others)]) for row in rows)


def memory(
    graph: Graph, batch: int, *, optimizer: Optimizer | Iterable[Optimizer] | None = None, training: bool = True
) -> Memory:
    """Predict the bytes that a graph takes in training (`fit`, `Run(…, training=True, guard=False)`) or in inference.

    Each node's layer computes alone, twice, on made-up arrays; what it keeps is counted, then dropped. That takes as
    much memory as the largest node, the time of two training steps, and leaves the graph as it is: Params, running
    statistics, generators. Constant inputs (targets, labels, masks, lengths, indices) are zeros or, where a layer
    refuses these, ones, else one-hot rows. What doesn't outlast a layer's work isn't counted. In inference `optimizer`
    doesn't matter. Raises GraphError for a batch size or an optimizer that means nothing, where there is no cost to
    train by, and for a layer that refuses all made-up arrays.
    """
    if not is_whole(batch) or batch < 1:
        raise GraphError(f"memory takes a positive whole number of examples in a batch, got {batch!r}")
    if training and not graph.costs:
        raise GraphError(f"graph {graph.name!r} has no cost to train by: add one, g.cost(…), or ask for training=False")
    m, plan = int(batch), Plan(graph, graph.costs if training else graph.outputs, training)
    parts = {node: Bytes(feeds=m * node.dtype.itemsize * math.prod(node.shape)) for node in plan.inputs}
    if training:
        whole = _training(graph, plan, m, parts, optimizer)
    else:
        whole = _inference(plan, m, parts, set(graph.outputs))
    weights = Held([p.value for p in graph.params.values()], [_statistics(node.layer) for node in graph.nodes])
    return Memory(
        **{**vars(whole), "weights": weights.nbytes, "feeds": sum(part.feeds for part in parts.values())},
        graph=graph.name,
        batch=m,
        training=training,
        nodes={node.name: part for node, part in parts.items()},
        layers={node.name: type(node.layer).__name__ for node in parts},
    )


def _statistics(layer: Layer) -> list[Array]:
    return [getattr(layer, name) for name in layer.statistics]


def _weights(node: Node, seen: set[Param]) -> int:
    """Bytes of a node's Params that no node before it has, and of its layer's running statistics."""
    new = set(node.layer.params.values()) - seen
    seen |= new
    return sum(param.value.nbytes for param in new) + sum(array.nbytes for array in _statistics(node.layer))


# ---- inference ----


def _inference(plan: Plan, m: int, parts: dict[Node, Bytes], wanted: set[Node]) -> Bytes:
    """Each node's part beside what is alive then, from its first use to its last; the largest of them."""
    trials, seen = Trials(m, False, plan.dtype, scripts=False), set[Param]()
    over = last_uses(plan.order, wanted)
    home: dict[Node, Node] = {}  # the node whose array an output lies in
    alive: dict[Node, int] = {}  # how many outputs lie in each
    nbytes, held = dict.fromkeys(plan.inputs, 0), 0
    for node in plan.order:
        root = node
        if node not in nbytes:
            trial = trials.of(node, None)
            parts[node] = Bytes(weights=_weights(node, seen), activations=held + trial.forward, other=NODE)
            nbytes[node] = trial.output
            root = node if trial.passed is None else home[node.inputs[trial.passed]]
        home[node] = root
        held += 0 if alive.get(root) else nbytes[root]
        alive[root] = alive.get(root, 0) + 1
        for source in over.get(node, ()):
            alive[home[source]] -= 1
            held -= 0 if alive[home[source]] else nbytes[home[source]]
    most = max((part.activations for part in parts.values()), default=0)
    return Bytes(activations=most, other=sum(part.other for part in parts.values()))


# ---- training ----


def _training(graph: Graph, plan: Plan, m: int, parts: dict[Node, Bytes], optimizer: Any) -> Bytes:
    """Each node's part, and all together."""
    ways_back = {errand.node: errand for errand in errands(plan.order, plan.costs, [])}
    cut = segments(plan.order[len(plan.inputs) :], plan.recomputed) if plan.recomputed else []
    trials, seen = Trials(m, True, plan.dtype, scripts=not cut), set[Param]()
    kept = {node: trials.of(node, ways_back.get(node)) for node in plan.order[len(plan.inputs) :]}
    sums = {node: m * node.dtype.itemsize * math.prod(node.shape) for node in _forks(ways_back.values())}
    trained: dict[Param, int] = {}
    for node, trial in kept.items():
        params = {} if node.layer.frozen or node not in ways_back else dict.fromkeys(node.layer.params.values())
        for param in params:
            trained[param] = trained.get(param, 0) + 1
        parts[node] = Bytes(
            weights=_weights(node, seen),
            activations=trial.forward,
            errors=trial.backward + sums.get(node, 0),
            gradients=sum(param.value.nbytes for param in params) + trial.outside,
            other=trial.room + NODE + RECORD + CALL * trial.calls,
        )
    largest = max((sum(parts[n].activations + parts[n].errors for n in part.nodes) for part in cut), default=0)
    outputs, sent = _handed_on(cut, kept, ways_back, sums)
    for node in {node for part in cut for node in part.nodes}:
        parts[node] = replace(parts[node], activations=outputs.get(node, 0), errors=sent.get(node, 0))
    whole = Bytes()
    for part in parts.values():
        whole = whole.plus(part)
    update = _optimizer(graph, optimizer, trained)
    scripts = Held([list(arrays.values()) for arrays in trials.scratch.values()]).nbytes
    later = update + largest + scripts + sum(trial.room + CALL * trial.calls for trial in kept.values())
    shares = sum(n * param.value.nbytes for param, n in trained.items())
    return replace(
        whole,
        recomputed=largest,
        gradients=whole.gradients + max(0, shares - later),  # shares move into one array before all that comes
        optimizer=update,
        other=whole.other + scripts,
    )


def _forks(ways_back: Iterable[Errand]) -> Iterator[Node]:
    return (errand.node for errand in ways_back if len(errand.sources) + errand.seeded > 1)


def _handed_on(
    cut: list[Segment], kept: dict[Node, Trial], ways_back: dict[Node, Errand], sums: dict[Node, int]
) -> tuple[dict[Node, int], dict[Node, int]]:
    """What stays of segments, by the nodes whose arrays these are: outputs that others take, errors that leave them."""
    outputs, sent = dict[Node, int](), dict[Node, int]()
    for part in cut:
        for node in part.kept:
            while (passed := kept[node].passed) is not None and node.inputs[passed] in kept:
                node = node.inputs[passed]
            outputs[node] = kept[node].output
        for node in part.nodes:
            if node in ways_back and not set(part.nodes).issuperset(node.inputs):
                sent[node] = kept[node].sent
                passes = any(kept[node].passes)
                while passes and node not in sums and ways_back[node].sources:
                    node, slot = ways_back[node].sources[0]
                    sent[node], passes = kept[node].sent, kept[node].passes[slot]
                if passes and node in sums:
                    sent[node] = kept[node].sent + sums[node]
    return outputs, sent


def _optimizer(graph: Graph, optimizer: Any, trained: Mapping[Param, int]) -> int:
    """What optimizers keep for Params, given with their numbers of uses: arrays like the gradients."""
    several = [] if optimizer is None else [*optimizer] if isinstance(optimizer, Iterable) else [optimizer]
    total = 0
    for one in several:
        if not isinstance(one, Optimizer):
            raise GraphError(f"memory takes minigraph's optimizers, as mg.SGD(0.1), one or several, got {one!r}")
        chosen = one.chosen(graph, trained)
        shared = any(trained[param] > 1 for param in chosen)
        arrays = {group: _arrays(one, options, shared) for group, options in [(None, {}), *one._groups.items()]}
        total += sum(arrays[group] * param.value.nbytes for param, group in chosen.items())
    return total


def _arrays(optimizer: Optimizer, options: Mapping[str, Any], shared: bool) -> int:
    """How many arrays like the gradients: as many as for a tiny one. Uses of shared Params are added up in one more."""
    rule, bundle = optimizer._with(options), Bundle([Param(np.zeros(1))], None, 1, np.dtype(float))
    if rule.linear and optimizer.clip_value is None and optimizer.clip_norm is None:
        return 2 * shared
    bundle.g.fill(0)
    with np.errstate(all="ignore"):
        rule.move(bundle, 1.0)
    return 1 + shared + len(bundle.state) + len(bundle._scratch)
