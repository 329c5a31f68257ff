"""Bugs that show only sometimes: in one mode, with several examples, for shared layers, in float32 and the like."""

import numpy as np
import pytest
from test_check import WIDTH, Plain, Product, instead, normal
from test_planted import assert_found
from test_planted_by_hand import FEEDS, SCALE, amid, layer

import minigraph as mg
from minigraph.check import check
from minigraph.costs import Quadratic
from minigraph.layers import Dense, Dropout


def doubled(when):
    """Plain, whose bias gets twice its gradient when so."""
    return instead(Plain, for_b=lambda self, at, delta: delta.sum(axis=0) * (2 if when(self, at) else 1))()


@pytest.mark.parametrize("training", [False, True])
def test_a_bug_of_one_mode_is_found_in_that_mode(training):
    planted = doubled(lambda self, at: at.training == training)
    assert check(amid(planted), FEEDS, training=not training)
    assert_found(check(amid(planted), FEEDS, training=training), "b")


def test_a_bug_that_needs_several_examples_is_found_when_there_are_some():
    planted = doubled(lambda self, at: at.m > 1)
    assert check(amid(planted), {name: x[:1] for name, x in FEEDS.items()})
    assert_found(check(amid(planted), {name: x[:2] for name, x in FEEDS.items()}), "b")


def test_a_bug_for_large_values_is_found_when_they_are_fed():
    planted = layer(SCALE[0], lambda e, x, a, p: (e * p * (np.abs(x) < 20), (e * x).sum(0)))
    for size in (1.0, 50.0):
        g = mg.Graph(seed=0)
        g.add(planted(), Dense(WIDTH)(g.input("x", WIDTH)), name="planted") >> Dense(2)
        report = check(g, x=size * FEEDS["x"], samples=1000)
        assert report.ok == (size == 1.0)
    assert_found(report, "0")


def test_a_bug_of_a_layer_that_counts_its_uses_is_found_at_each_of_them():
    class Counting(Plain):
        uses = 0

        def build(self, shape, **options):
            self.uses += 1
            return super().build(shape, **options)

        def for_w(self, at, delta):
            return super().for_w(at, delta) / self.uses

    g = mg.Graph(seed=0)
    layer = Counting()
    h = g.input("x", WIDTH) >> Dense(WIDTH, "tanh")
    h = g.add(layer, h, name="first")
    assert check(g, x=FEEDS["x"])
    h = g.add(layer, h, name="second")
    g.cost(Quadratic(), h >> Dense(2), target="t")
    report = check(g, FEEDS)
    assert {(finding.node, finding.part) for finding in report.failures} == {("first", "w"), ("second", "w")}


def test_a_bug_for_an_input_that_is_used_twice():
    def seen(self, at, error):
        x, y = at.inputs
        return (2 * error * x,) * 2 if x is y else (error * y, error * x)

    for twice in (False, True):
        g = mg.Graph(seed=0)
        h = g.input("x", WIDTH) >> Dense(WIDTH, "tanh")
        k = h if twice else h >> Dense(WIDTH)
        g.cost(Quadratic(), g.add(instead(Product, backward=seen)(), h, k, name="planted") >> Dense(2), target="t")
        report = check(g, FEEDS)
        assert report.ok != twice
        if twice:
            assert_found(report, "!are one array")
    g = mg.Graph(seed=0)
    h = g.input("x", WIDTH) >> Dense(WIDTH, "tanh")
    g.cost(Quadratic(), g.add(Product(), h, h) >> Dense(2), target="t")
    assert check(g, FEEDS)


def test_two_errors_in_one_buffer():
    def shared(self, at, error):
        x, y = at.inputs
        sent = at.buffer("sent", error.shape)
        return np.multiply(error, y, out=sent), np.multiply(error, x, out=sent)

    assert_found(check(amid(instead(Product, backward=shared)(), 2), FEEDS), "0")


def test_rows_of_symbols_that_an_earlier_sweep_left():
    class Rows(mg.Layer):
        constant_inputs = frozenset({0})

        def build(self, shape, *, rng, dtype):
            self.w = self.param("w", (5, 2), "normal", rng=rng, dtype=dtype)
            return (*shape, 2)

        def forward(self, at, x):
            return self.w.value[x]

        def backward(self, at, error):
            rows = np.unique(at.inputs[0])
            grad = at.grad[self.w] = at.buffer("grad", self.w.shape, zero=self.zero)
            grad[rows] = 0.0
            np.add.at(grad, at.inputs[0], error)

    for zero in (True, False):
        g = mg.Graph(seed=0)
        Rows.zero = zero
        h = g.add(Rows(), g.input("symbols", 3, dtype=int), name="planted")
        g.cost(Quadratic(), h >> Dense(2), target="t")
        report = check(g, symbols=np.array([[0, 1, 1], [4, 3, 0]]), t=normal(2, 3, 2))
        assert report.ok == zero
    assert_found(report, "!the second sweep")


def test_a_tie_that_sends_its_error_to_all():
    class Largest(mg.Layer):
        def build(self, shape, *, rng, dtype):
            return (1,)

        def forward(self, at, x):
            return x.max(axis=1, keepdims=True)

        def backward(self, at, error):
            ties = at.inputs[0] == at.inputs[0].max(axis=1, keepdims=True)
            return error * ties / (ties.sum(axis=1, keepdims=True) if self.shared else 1)

    x = np.array([[1.0, 1.0, 0.0], [2.0, 2.0, 2.0], [0.0, 3.0, 3.0], [1.0, 2.0, 3.0]])
    for Largest.shared in (True, False):
        g = mg.Graph(seed=0)
        g.add(Largest(), g.input("x", 3), name="planted") >> Dense(2)
        for seed in range(3):
            report = check(g, x=x, seed=seed)
            assert report.ok == Largest.shared, str(report)
    assert_found(report, "0")


# ---- wrong only in float32 ----


@pytest.mark.parametrize(
    ("slope", "message"),
    [
        (lambda self, at: (1 - at.a**2) * (2 if at.z.dtype == np.float32 else 1), "other numbers in float32"),
        (lambda self, at: (1 - at.a**2) * np.exp(at.z + 100) / np.exp(at.z + 100), "other numbers in float32"),
        (lambda self, at: np.float64(1) - at.a.astype("float64") ** 2, "float64"),
    ],
    ids=["another branch", "overflow", "float64 comes out"],
)
def test_a_bug_in_float32_alone_is_found_in_graphs_of_float32(slope, message):
    for dtype in ("float64", "float32"):
        g = mg.Graph(seed=3, dtype=dtype)
        h = g.add(instead(Plain, slope=slope)(), g.input("x", WIDTH) >> Dense(WIDTH, "tanh"), name="planted")
        g.cost(Quadratic(), h >> Dense(2), target="t")
        report = check(g, FEEDS)
        assert report.ok == (dtype == "float64"), str(report)
    assert {finding.node for finding in report.failures} == {"planted"}
    assert any(message in finding.message for finding in report.failures), str(report)


def test_masks_that_are_drawn_otherwise_in_float32_are_no_fault():
    layers = [Dense(WIDTH, "relu"), Dropout(), Dense(2)]
    g = mg.Sequential(WIDTH, *layers, cost=Quadratic(), seed=0, dtype="float32")
    for training in (False, True):
        assert check(g, x=FEEDS["x"], t=FEEDS["t"], training=training)
