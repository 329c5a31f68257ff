"""The gradient check sees what mutants.py puts into the code that only backward runs, one mutant at a time."""

import sys
from itertools import chain

import numpy as np
import pytest
from cases import CASES
from mutants import prepare
from mutations import REASONS

import minigraph as mg
from minigraph.check import check
from minigraph.layers import RNN, Activation, Conv2D, Dense, Max, MultiHeadAttention

BLIND = {
    "at the kink the slope is that of the other side, which is as right": (
        "layers.activation: np.greater(x, 0.0, out=at.buffer('positive', x.shape)) → "
        "np.greater_equal(x, 0.0, out=at.buffer('positive', x.shape))",
        "activations.plain: np.less_equal(z, 0.0, out=mask) → np.less(z, 0.0, out=mask)",
        "activations.plain: np.greater(z, 0.0, out=np.empty_like(z) if out is None else out) → "
        "np.greater_equal(z, 0.0, out=np.empty_like(z) if out is None else out)",
        "activations.smooth: np.greater(z, 0.0, out=np.empty_like(z) if positive is None else positive) → "
        "np.greater_equal(z, 0.0, out=np.empty_like(z) if positive is None else positive)",
        "costs.margins: at.over < 0.0 → at.over <= 0.0",
    ),
    "it chooses the faster of two ways to the same numbers": (
        "layers.sums: grad.shape[1] < 128 → grad.shape[1] <= 128",
        "activations.smooth: above == below == 1.0 → above == below == 2.0",
    ),
    "it is multiplied by p = 0": ("layers.elementwise: p - 1 if p else 0.0 → p - 1 if p else 1.0",),
    "it computes what nobody asked for, or less of that": (
        "layers.merge: last - 1 → last + 1",
        "layers.merge: last - 1 → last - 2",
        "layers.merge: i > 0 → i >= 0",
    ),
}
"""Mutants that the check must not see, and why."""
KNOWN = set(REASONS) | set(chain(*BLIND.values()))


def tied():
    """Params in two places, of two layers and of one."""
    g = mg.Graph("transposed", seed=1)
    first = Dense(3, "tanh")
    h = first(g.input("x", 5))
    Dense(5, weights=first.w.T, name="node")(h)
    yield g, (4, 5)
    g = mg.Graph("input and recurrent weights", seed=1)
    cell = RNN(3, recurrent="normal", name="node")
    cell(g.input("x", (4, 3)))
    cell.w = cell.u
    yield g, (2, 4, 3)
    g = mg.Graph("queries and keys", seed=1)
    heads = MultiHeadAttention(2, name="node")
    heads(g.input("x", (3, 4)))
    heads.w_k, heads.b_k = heads.w_q, heads.b_q
    yield g, (2, 3, 4)


def beside():
    """(graph, feeds, training) for what no row of the table has."""
    rng = np.random.default_rng(5)
    for g, shape in tied():
        yield g, {"x": rng.normal(size=shape)}, False
    wide, ties = mg.Graph("windows in several parts", seed=1), mg.Graph("ties")
    wide.input("x", (1, 50, 50)) >> Conv2D(1, 2, name="node")
    yield wide, {"x": rng.normal(size=(4, 1, 50, 50))}, False
    ties.input("x", 3) >> Max(name="node")
    yield ties, {"x": np.array([[1.0, 1.0, 0.0], [2.0, 2.0, 2.0]])}, False
    for kind, dtype, z in (("gelu", "float64", 0.0), ("gelu_tanh", "float32", 15.0)):
        g = mg.Graph(f"{kind} at {z}", dtype=dtype)
        g.input("x", 2) >> Activation(kind, name="node")
        yield g, {"x": np.full((2, 2), z)}, False


def rows(names):
    """The same for each row of the table, or those of some layers, in both modes where they differ."""
    for case in CASES:
        if names and not case.id.startswith(names):
            continue
        node, rng = case.node(), np.random.default_rng(5)
        for param in node.layer.params.values():
            param.value = param.value + rng.normal(size=param.shape)
        for name in node.layer.statistics:
            there = getattr(node.layer, name)
            setattr(node.layer, name, there + rng.uniform(0.5, 2.0, there.shape))
        feeds = {f"x{i}": x for i, x in enumerate(case.inputs(rng, 4))}
        yield from ((node.graph, feeds, training) for training in {False, case.modes_differ})


def called(graph, feeds, training):
    """Ids of the code that a forward sweep runs, and of what a backward sweep does."""
    seen = set(), set()

    def watch(into):
        sys.setprofile(lambda frame, event, arg: into.add(id(frame.f_code)) if event == "call" else None)

    try:
        watch(seen[0])
        run = graph.forward(feeds, training=training, seed=1)
        watch(seen[1])
        wanted = [node for i, node in enumerate(graph["node"].inputs) if i not in graph["node"].constant_inputs]
        run.backward("node", np.ones(run["node"].a.shape), wrt=wanted)
    finally:
        sys.setprofile(None)
    return seen


def campaign(names, layers=()):
    """(mutant, what finds it: a report, or None) for each mutant of code that only backward runs."""
    made = [mutant for mutant in prepare(names) if mutant.code and mutant.top is None]
    graphs = [*rows(layers), *beside()]
    ahead, back = zip(*(called(*each) for each in graphs), strict=True)
    for mutant in made:
        users = [each for each, calls in zip(graphs, back, strict=True) if mutant.calls & calls]
        if not users or mutant.calls & set().union(*ahead):
            continue
        before = [(function, function.__code__) for function, _ in mutant.code]
        try:
            for function, code in mutant.code:
                function.__code__ = code
            reports = (check(graph, feeds, training=training, samples=5) for graph, feeds, training in users)
            yield mutant, next((report for report in reports if not report.ok), None)
        finally:
            for function, code in before:
                function.__code__ = code


def judged(*names):
    """How many mutants are found, each at its node, and which aren't."""
    found, missed = 0, set()
    for mutant, report in campaign(*names):
        if report is None:
            missed.add(f"{mutant.module}: {mutant.change}")
        else:
            nodes = {finding.node for finding in report.failures}
            assert nodes == {"node"}, f"{mutant}\n{report}"
            found += 1
    return found, missed


def test_mutants_of_some_backward_are_found():
    found, missed = judged(("margins",), ("Hinge", "Triplet", "Cosine"))
    assert missed <= KNOWN
    assert found >= 30


@pytest.mark.slow
def test_mutants_of_every_backward_are_found():
    found, missed = judged(())
    print(found, len(missed))
    assert missed - KNOWN == set()
    assert set(chain(*BLIND.values())) <= missed, "listed, but found"
    assert found >= 500
