"""Random graphs for hypothesis: any layers and costs, wired at random, with numbers of moderate size in each node.

There are forks, values that enter a layer twice, layers and weights that are shared, several inputs and costs, and
nodes that lead nowhere. `random_layers` says what kinds of nodes there are, here is how they are put together.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from cases.case import fractions, labels, normal, one_hot
from cases.costs import inner_fractions, signs, soft
from hypothesis import strategies as st
from random_layers import KINDS, SHAPES, Kind
from wirings import Wired

import minigraph as mg
from minigraph import costs
from minigraph.layers import Activation, Flatten, Input, LogSoftmax, Scale
from minigraph.record import Clock, Record

MOST = 3
"""Examples in the feeds that a random graph comes with."""
CALM = 4.0
"""Larger numbers are scaled down by a node behind them: so no product of many grows beyond all bounds."""


@dataclass(repr=False)
class Woven(Wired):
    """A random graph with what a run of it takes."""

    draws: dict[str, Callable] = field(default_factory=dict)
    """How the numbers of each input are drawn: (rng, shape with the batch axis) -> array."""
    kinds: tuple = ()
    """Which kinds of nodes and costs were asked for."""

    def fed(self, m, seed):
        """Feeds for m examples; m = None is one without a batch axis."""
        rng = np.random.default_rng(seed)
        batch = {name: np.asarray(draw(rng, (m or 1, *self.graph[name].shape))) for name, draw in self.draws.items()}
        return {name: array[0] for name, array in batch.items()} if m is None else batch

    def __repr__(self):
        wires = (f"{node.name}: {node.layer}({', '.join(i.name for i in node.inputs)})" for node in self.graph)
        return "\n" + "\n".join(wires)


class Weaver:
    """Adds nodes to a graph as hypothesis draws them."""

    def __init__(self, draw, traits):
        self.draw, self.traits = draw, traits
        self.g = mg.Graph("random", seed=0)
        self.rng = np.random.default_rng(draw(st.integers(0, 2**32)))
        self.nodes = []
        """What may be taken: floats of moderate size."""
        self.trained = []
        """The layers with Params, each with the inputs of its first use."""
        self.draws, self.values, self.kinds, self._seen = {}, {}, [], 0

    # ---- choices ----

    def pick(self, *options):
        return self.draw(st.sampled_from(options))

    def whole(self, least, most):
        return self.draw(st.integers(least, most))

    def flag(self):
        return self.draw(st.booleans())

    def several(self, *options):
        return self.draw(st.lists(st.sampled_from(options), min_size=1, max_size=2))

    def shuffled(self, options):
        return tuple(self.draw(st.permutations(tuple(options))))

    def axis(self, shape):
        return self.whole(-len(shape), len(shape) - 1)

    def like(self, x):
        return [node for node in self.nodes if node.shape == x.shape]

    # ---- nodes ----

    def input(self, shape, draw=normal):
        name = f"x{len(self.draws)}"
        self.draws[name] = draw
        return self.g.input(name, shape)

    def integers(self, shape, end, least=0):
        """An input of integers from `least` to below `end`."""
        name = f"i{len(self.draws)}"
        self.draws[name] = lambda rng, shape: rng.integers(least, end, shape)
        return self.g.input(name, shape, dtype=int)

    def grow(self, table, nodes, without=()):
        """Add a node of a kind that goes on one of some nodes, on a late one rather than on an early one."""
        fitting = {
            name: [node for node in nodes if kind.fits(node)]
            for name, kind in table.items()
            if kind.trait in (None, *self.traits) and name not in without
        }
        names = [name for name, nodes in fitting.items() if nodes]
        name = str(self.pick(*self.rng.permutation(names)))  # as hypothesis prefers some places to others
        table[name].add(self, self.pick(*fitting[name][:-4:-1], *fitting[name]))
        self.kinds.append(name)

    def settle(self, judged=False):
        """Look at new nodes: move their Params off their start, and scale what is large, unless it belongs to costs."""
        while self._seen < len(self.g.nodes):
            node = self.g.nodes[self._seen]
            self._seen += 1
            known = {param for one, _ in self.trained for param in one.params.values()}
            for param in node.layer.params.values():
                if param not in known:
                    param.value = param.value + self.rng.normal(scale=0.2, size=param.shape)
            if node.layer.params and not any(node.layer is one for one, _ in self.trained):
                self.trained.append((node.layer, node.inputs))
            if isinstance(node.layer, Input):
                self.values[node] = np.asarray(self.draws[node.name](self.rng, (MOST, *node.shape)))
            else:
                at = Record(np.ones(MOST), False, Clock(0), node.id)
                at.inputs = tuple(self.values[source] for source in node.inputs)
                self.values[node] = node.layer.forward(at, *at.inputs)
            if node.dtype.kind == "f" and not judged:
                size = abs(self.values[node]).max()
                if size > CALM:
                    Scale(round(2.0 / size, 4))(node)
                elif len(node.shape) <= 3:
                    self.nodes.append(node)

    def judge(self, cost, *outputs, target=None):
        """Add a cost with a target of its own, drawn as told, and perhaps with weights for the examples."""
        names = {}
        if target is not None:
            names["target"] = f"t{len(self.draws)}"
            self.draws[names["target"]] = target
        if self.flag():
            names["weights"] = f"w{len(self.draws)}"
            self.draws[names["weights"]] = inner_fractions
        cost.weight = self.pick(1.0, 0.6)
        self.g.cost(cost, *outputs, **names)


# ---- costs ----


def judging(make, target, *ranks, before=lambda x: x, trait=None):
    """A cost of one output, with a target drawn as told."""
    return Kind(lambda w, x: w.judge(make(w), before(x), target=target), ranks or (0, 1, 2, 3), trait)


def classes(w, x):
    cost = costs.SoftmaxCrossEntropy(label_smoothing=w.pick(0.0, 0.1))
    if w.flag():
        w.judge(cost, x, target=labels(x.shape[-1]))
    else:
        w.g.cost(cost, x, target=w.input(x.shape, w.pick(soft, one_hot)))


def weighed_classes(w, x):
    weights = np.linspace(0.5, 1.5, x.shape[-1])
    w.judge(costs.SoftmaxCrossEntropy(class_weights=weights), x, target=labels(x.shape[-1]))


def penalty(kind):
    """A cost of Params, if there are any."""

    def add(w, x):
        params = [param for one, _ in w.trained for param in one.params.values()]
        w.g.cost(kind(0.3, of=w.several(*params)) if params else costs.Value(), *() if params else (x,))

    return add


def row(x):
    return x if len(x.shape) == 1 else Flatten()(x)


COSTS = {
    "BinaryCrossEntropy": judging(lambda w: costs.BinaryCrossEntropy(w.pick("sum", "mean")), fractions),
    "BinaryCrossEntropyOnProbabilities": judging(
        lambda w: costs.BinaryCrossEntropyOnProbabilities(), fractions, before=lambda x: Activation("sigmoid")(x)
    ),
    "KLDivergence": judging(lambda w: costs.KLDivergence(), soft, 1, 2, 3, before=lambda x: LogSoftmax()(x)),
    "L2": Kind(penalty(costs.L2)),
    "MeanSquaredError": judging(lambda w: costs.MeanSquaredError(), normal),
    "Quadratic": judging(lambda w: costs.Quadratic(), normal),
    "SoftmaxCrossEntropy": Kind(classes, (1, 2, 3)),
    "Value": Kind(lambda w, x: w.judge(costs.Value(), x)),
    "CosineEmbedding": Kind(
        lambda w, x: w.judge(costs.CosineEmbedding(), row(x), Activation("tanh")(row(x)), target=signs), trait="rough"
    ),
    "Hinge": judging(lambda w: costs.Hinge(), signs, trait="rough"),
    "Huber": judging(lambda w: costs.Huber(0.7), normal, trait="rough"),
    "L1": Kind(penalty(costs.L1), trait="rough"),
    "MeanAbsoluteError": judging(lambda w: costs.MeanAbsoluteError(), normal, trait="rough"),
    "SmoothL1": judging(lambda w: costs.SmoothL1(0.7), normal, trait="rough"),
    "TripletMargin": Kind(
        lambda w, x: w.judge(costs.TripletMargin(), row(x), *(Activation(f)(row(x)) for f in ("tanh", "sigmoid"))),
        trait="rough",
    ),
    "SoftmaxCrossEntropy, weighed": Kind(weighed_classes, (1, 2, 3), "mixing"),
}


@st.composite
def random_graphs(draw, *traits, without=(), most=14):
    """A graph of some nodes of all kinds that have none but these traits, with feeds for some examples."""
    w = Weaver(draw, traits)
    for shape in draw(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3)):
        w.input(shape)
    w.settle()
    for _ in range(w.whole(3, most)):
        w.grow(KINDS, w.nodes, without)
        w.settle()
    taken = {source for node in w.g for source in node.inputs}
    last, *others = [node for node in w.nodes if node not in taken][::-1]
    for node in [last, *(node for node in others[:4] if w.whole(0, 3))]:  # the rest are dead ends
        w.grow(COSTS, [node], without)
    w.settle(judged=True)
    w.g.warned = w.g.edition  # whether and when it warns of dead nodes is tested in test_graph.py
    m = w.whole(1, MOST)
    feeds = {name: w.values[w.g[name]][:m] for name in w.draws}
    return Woven(w.g, feeds, draws=w.draws, kinds=tuple(w.kinds))
