"""Numbers that are hard to measure, and kinks: no false alarm, and no excuse for what is wrong."""

from dataclasses import dataclass

import numpy as np
import pytest

import minigraph as mg
from minigraph.check import check
from minigraph.check.differences import judge
from minigraph.costs import Quadratic, SoftmaxCrossEntropy
from minigraph.layers import Activation, Dense, Softmax, Subtract


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


# ---- numbers that are hard to measure ----


@pytest.mark.parametrize(
    ("layer", "x"),
    [
        (Activation("sigmoid"), np.array([30.0, 14.0, -40.0, 700.0])),
        (Activation("softplus"), np.array([-30.0, -12.0, 40.0, 1e5])),
        (Activation((lambda z: np.tanh(1e5 * z), lambda z: 1e5 / np.cosh(1e5 * z) ** 2)), normal(8) * 1e-5),
        (Activation((lambda z: z**2, lambda z: 2 * z)), np.array([1e8, 1e-8, 1.0, 0.0])),
        (Activation((lambda z: z + 1e8, np.ones_like)), normal(4)),
        (Activation((lambda z: 1e-314 * np.sin(z), lambda z: 1e-314 * np.cos(z))), normal(4)),
        (Activation((np.log, np.reciprocal)), np.array([1e-7] * 9 + [1e-3, 1e3, 1e9])),
        (Activation((np.sqrt, lambda z: 0.5 / np.sqrt(z))), np.array([1e-8, 1e-5, 1.0])),
        (Dense(3, weights="zeros"), normal(4)),
        (Softmax(), np.array([50.0, 0.0, -50.0, 25.0])),
    ],
    ids=lambda value: value.describe() if isinstance(value, mg.Layer) else "",
)
def test_saturated_steep_and_offset_functions(layer, x):
    g = mg.Sequential(x.shape, layer, seed=0)
    report = check(g, x=x)
    assert report.ok, str(report)
    assert not report.kinks


@pytest.mark.parametrize(
    ("f", "slope", "x"),
    [
        (lambda z: np.tanh(1e5 * z), lambda z: 1.3e5 / np.cosh(1e5 * z) ** 2, normal(8) * 1e-5),
        (lambda z: 1e-9 * np.sin(z), lambda z: 1.1e-9 * np.cos(z), normal(8)),
        (lambda z: z + 1e8, lambda z: 1.01 + 0 * z, normal(8)),
        (np.sin, lambda z: np.cos(z) + 3e-6, normal(8)),
        (np.tanh, lambda z: 0 * z, normal(8)),
        (np.log, lambda z: 2 / z, 10.0 ** np.array([-7, -7.1, -7.2, -7.3])),
    ],
    ids=["steep", "tiny", "offset", "a little", "zero", "near the edge"],
)
def test_what_is_hard_to_measure_is_no_excuse(f, slope, x):
    g = mg.Sequential(x.shape, Activation((f, slope)))
    assert len(check(g, x=x).failures) >= len(x) - 2


def test_deep_saturated_and_confident_graphs():
    deep = mg.Sequential(5, *[Dense(5, "sigmoid") for _ in range(30)], cost=Quadratic(), seed=0)
    report = check(deep, x=normal(4, 5), t=normal(4, 5), samples=10)
    assert report.ok, str(report)
    sure = mg.Sequential(5, cost=SoftmaxCrossEntropy())
    for size in (10, 20, 30, 40):
        report = check(sure, x=size * np.eye(5) + 0.1 * normal(5, 5), t=np.arange(5))
        assert report.ok, str(report)


def test_a_number_may_be_small_beside_others():
    f = (lambda z: np.exp(3 * z), lambda z: 3.0003 * np.exp(3 * z))
    x = np.array([[-3.0, 0.0, 3.0]])  # slopes from 4e-4 to 2e4
    report = check(mg.Sequential(3, Activation(f)), x=x)
    assert {finding.index for finding in report.failures} >= {(0, 1), (0, 2)}


def test_functions_whose_values_are_steps_of_rounding():
    """ln(1 + c e^t), of which 1 + c e^t leaves few digits: claims are right, then off by half."""
    for seed in range(300):
        rng = np.random.default_rng(seed)
        c, here = 10.0 ** rng.uniform(-17, -7), rng.normal()

        def line(t, c=c, here=here):
            return np.array([np.log(1 + c * np.exp(here + t))])

        slope = c * np.exp(here)
        assert judge(line, np.ones(1), slope, 0.0, 1e-6).ok
        assert not judge(line, np.ones(1), 1.5 * slope, 0.0, 1e-6).ok or c < 1e-9


# ---- kinks ----


@dataclass(eq=False)
class Largest(mg.Layer):
    """max over the last axis; a tie sends all of the error to the first."""

    def build(self, shape, *, rng, dtype):
        return shape[:-1]

    def forward(self, at, x):
        return x.max(axis=-1)

    def backward(self, at, error):
        x = at.inputs[0]
        sent = np.zeros_like(x)
        np.put_along_axis(sent, x.argmax(axis=-1)[..., None], error[..., None], axis=-1)
        return sent


@pytest.mark.parametrize(
    ("layer", "x", "kinks"),
    [
        (Activation("relu"), np.zeros((3, 4)), 12),
        (Activation("leaky_relu"), np.array([[0.0, 1.0, -1.0, 0.0]]), 2),
        (Activation((np.abs, lambda z: np.where(z < 0, -1.0, 1.0))), np.array([[0.0, -2.0, 0.0]]), 2),
        (Dense(3, "relu", weights="zeros"), normal(5, 4), 15),
        (Largest(), np.array([[1.0, 1.0, 0.0], [2.0, 3.0, 3.0]]), 4),
    ],
    ids=["relu", "leaky_relu", "abs", "dense", "tie"],
)
def test_a_kink_is_told_and_no_failure(layer, x, kinks):
    report = check(mg.Sequential(x.shape[1:], layer, seed=0), x=x)
    assert report.ok, str(report)
    assert len([finding for finding in report.kinks if finding.node is not None]) == kinks
    assert all(finding.kink for finding in report.kinks)
    assert "at kinks" in str(report)


@pytest.mark.parametrize("distance", [1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15])
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_kink_nearby(distance, side):
    report = check(mg.Sequential(3, Activation("relu")), x=[[side * distance, 1.0, -1.0]])
    assert report.ok, str(report)


@pytest.mark.parametrize(("at_zero", "kind"), [(0.7, "kink"), (0.0, "kink"), (1.0, "kink"), (1.1, None), (-0.1, None)])
def test_at_a_kink_any_slope_between_both_sides_will_do(at_zero, kind):
    g = mg.Sequential(4, Activation((lambda z: np.maximum(z, 0), lambda z: np.where(z == 0, at_zero, z > 0))))
    report = check(g, x=[[0.0, 1.0, 0.0, -1.0]])
    local = [finding for finding in report.findings if finding.node is not None]
    assert [finding.kind for finding in local] == [kind or "gradient"] * 2
    assert [finding.index for finding in local] == [(0, 0), (0, 2)]
    assert all(finding.kink for finding in local)


def test_kinks_excuse_nothing_smooth():
    wrong = Activation((lambda z: np.maximum(z, 0), lambda z: 2.0 * (z > 0)))
    x = np.array([[0.0, 0.0, 0.0, 2.0, -1.0, 1e-7]])
    report = check(mg.Sequential(6, wrong), x=x)
    assert {finding.index for finding in report.failures} == {(0, 3), (0, 5)}
    assert {finding.index for finding in report.kinks} >= {(0, 0), (0, 1), (0, 2)}
    ignored = Activation((lambda z: np.maximum(z, 0), np.ones_like))
    assert {finding.index for finding in check(mg.Sequential(6, ignored), x=x).failures} == {(0, 4)}


def test_a_chain_of_kinks_leaves_no_bounds_and_is_checked_beside_them():
    dead = Dense(3, "relu", biases=lambda shape, rng: np.full(shape, -9.0))
    g = mg.Sequential(4, dead, Dense(5, "relu"), Dense(5, "relu"), cost=Quadratic(), seed=4)
    for examples in ((6,), ()):
        report = check(g, x=normal(*examples, 4), t=normal(*examples, 5))
        assert report.ok, str(report)
        assert any(finding.node is None for finding in report.kinks)
        assert report.worst < 1e-6


def test_kinks_that_hide_each_other():
    g = mg.Graph(seed=0)
    x = g.input("x", 3)
    h = x >> Dense(3, name="h")  # starts with biases 0 and gets 0: max(h, 0) − max(−h, 0) is smooth, yet of slope 0
    zero = g.input("zero", 3)
    positive, negative = h >> Activation("relu"), Subtract()(zero, h) >> Activation("relu")
    g.cost(Quadratic(), Subtract()(positive, negative), target="t")
    report = check(g, x=np.zeros((2, 3)), zero=np.zeros((2, 3)), t=normal(2, 3))
    assert report.ok, str(report)
    assert any(finding.node is None for finding in report.kinks)
