"""Costs: the average over examples, weights and sums, targets that mean nothing, extremes, other people's numbers."""

import math

import numpy as np
import pytest

import minigraph as mg
from minigraph.costs import (
    BinaryCrossEntropy,
    BinaryCrossEntropyOnProbabilities,
    CosineEmbedding,
    Cost,
    Hinge,
    Huber,
    KLDivergence,
    MeanAbsoluteError,
    MeanSquaredError,
    Quadratic,
    SmoothL1,
    SoftmaxCrossEntropy,
    TripletMargin,
)
from minigraph.costs.cost import row_products, vecdot
from minigraph.errors import FeedError, GraphError, NotComputedError, ShapeError
from minigraph.layers import Dense, StopGradient

M = 5
rng = np.random.default_rng(0)
Z = rng.normal(size=(M, 4))
LABELS = np.array([3, 0, 0, 2, 1])
ONE_HOT = np.eye(4)[LABELS]
BITS = np.array([[0.0, 1, 1, 0], [1, 1, 1, 1], [0, 0, 0, 0], [1, 0, 0, 1], [0, 0, 1, 0]])
Y = rng.normal(size=(M, 4))
P = np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)
TARGETS = {
    Quadratic: Y,
    MeanSquaredError: Y,
    MeanAbsoluteError: Y,
    Huber: Y,
    SmoothL1: Y,
    BinaryCrossEntropy: BITS,
    BinaryCrossEntropyOnProbabilities: BITS,
    KLDivergence: P,
    Hinge: 2 * BITS - 1,
    SoftmaxCrossEntropy: LABELS,
}
OUTPUTS = dict.fromkeys(TARGETS, Z) | {BinaryCrossEntropyOnProbabilities: P}

every = pytest.mark.parametrize("kind", TARGETS, ids=lambda kind: kind.__name__)
in_both_precisions = pytest.mark.parametrize("dtype", ["float32", "float64"])


def judged(cost, z, t, target_shape=None, dtype="float64"):
    """A run, both ways, of a cost alone; its input "x" stands for the output of a network."""
    g = mg.Graph(dtype=dtype)
    x = g.input("x", np.shape(z)[1:])
    if target_shape is not None:
        g.input("t", target_shape, dtype=int if np.asarray(t).dtype.kind == "i" else None)
    g.cost(cost, x, target="t")
    return g.forward(x=z, t=t).backward(wrt="x")


# ---- assumption 1: C is the average of C_x ----


@every
def test_the_cost_is_the_mean_over_examples_of_what_each_costs_alone(kind):
    run = judged(kind(), OUTPUTS[kind], TARGETS[kind])
    alone = [judged(kind(), OUTPUTS[kind][[x]], TARGETS[kind][[x]]).cost for x in range(M)]
    name = run.graph.costs[0].name
    np.testing.assert_allclose(run[name].a, alone, rtol=1e-14)
    assert run.cost == pytest.approx(sum(alone) / M, rel=1e-14)
    assert run.costs == {name: run.cost}
    assert isinstance(run.cost, float)


@every
def test_errors_do_not_depend_on_the_batch(kind):
    run = judged(kind(), OUTPUTS[kind], TARGETS[kind])
    again = judged(kind(), np.concatenate([OUTPUTS[kind]] * 2), np.concatenate([TARGETS[kind]] * 2))
    np.testing.assert_array_equal(again["x"].error, np.concatenate([run["x"].error] * 2))
    assert again.cost == pytest.approx(run.cost, rel=1e-14)


@every
def test_going_back_from_the_cost_is_going_back_with_an_error_of_1_for_each_example(kind):
    run = judged(kind(), OUTPUTS[kind], TARGETS[kind])
    error = run["x"].error.copy()
    name = run.graph.costs[0].name
    np.testing.assert_array_equal(run[name].error, np.ones(M))
    np.testing.assert_array_equal(run.backward(name, np.ones(M), wrt="x")["x"].error, error)
    np.testing.assert_allclose(run.backward(name, np.arange(M), wrt="x")["x"].error, error * np.arange(M)[:, None])


@pytest.mark.parametrize("weight", [0.3, -2, 0, 1.0, np.float64(0.7), np.float32(0.5), 10**3])
@in_both_precisions
@every
def test_a_weight_multiplies_the_cost_and_its_errors(kind, weight, dtype):
    plain, run = (judged(kind(weight=w), OUTPUTS[kind], TARGETS[kind], dtype=dtype) for w in (1.0, weight))
    rtol = 1e-6 if dtype == "float32" else 1e-14
    assert run.cost == pytest.approx(float(weight) * plain.cost, rel=rtol)
    np.testing.assert_allclose(run["x"].error, float(weight) * plain["x"].error, rtol=rtol)
    assert run["x"].error.dtype == run[run.graph.costs[0].name].a.dtype == dtype


def test_two_costs_add_up_with_their_weights():
    def network(*which):
        g = mg.Graph(seed=1)
        h = g.add(Dense(4, "tanh"), g.input("x", 3), name="h")
        if "a" in which:
            g.cost(Quadratic(weight=0.25), h, target="t", name="a")
        if "b" in which:
            g.cost(SoftmaxCrossEntropy(), h, target="label", name="b")
        run = g.forward({"x": X, "t": Z, "label": LABELS} if len(which) == 2 else {"x": X, **one[which[0]]})
        return run.backward()

    X = np.random.default_rng(2).normal(size=(M, 3))
    one = {"a": {"t": Z}, "b": {"label": LABELS}}
    both, a, b = network("a", "b"), network("a"), network("b")
    assert both.costs == {"a": a.cost, "b": b.cost}
    assert both.cost == a.cost + b.cost
    np.testing.assert_allclose(both["h"].delta, a["h"].delta + b["h"].delta, rtol=1e-12)
    for name, param in both.graph.params.items():
        expected = a.grad(a.graph.params[name]) + b.grad(b.graph.params[name])
        np.testing.assert_allclose(both.grad(param), expected, rtol=1e-12)


def test_one_output_with_two_costs_and_one_target_with_two_outputs():
    g = mg.Graph()
    x, y = g.input("x", 4), g.input("y", 4)
    g.cost(Quadratic(), x, target="t")
    g.cost(BinaryCrossEntropy(weight=3.0), x, target="t")
    g.cost(Quadratic(), y, target="t")
    run = g.forward(x=Z, y=2 * Z, t=BITS).backward(wrt=["x", "y"])
    np.testing.assert_allclose(run["x"].error, (Z - BITS) + 3 * (1 / (1 + np.exp(-Z)) - BITS), rtol=1e-12)
    np.testing.assert_allclose(run["y"].error, 2 * Z - BITS, rtol=1e-12)


def test_a_graph_without_cost_says_so():
    g = mg.Sequential(4, Dense(2))
    with pytest.raises(NotComputedError, match="no cost"):
        g.forward(x=Z).cost  # noqa: B018
    with pytest.raises(GraphError, match=r"g\.cost takes a cost from minigraph\.costs, got Dense"):
        g.cost(Dense(2), g["x"])


# ---- formulas written another way ----


def test_quadratic_by_hand():
    run = judged(Quadratic(), [[1.0, 2.0], [0.0, -3.0]], [[0.0, 4.0], [0.0, 1.0]])
    np.testing.assert_array_equal(run["quadratic"].a, [2.5, 8.0])
    assert run.cost == 5.25
    np.testing.assert_array_equal(run["x"].error, [[1.0, -2.0], [0.0, -4.0]])


def test_binary_cross_entropy_by_hand():
    run = judged(BinaryCrossEntropy(), [[0.0, math.log(3)], [-math.log(4), 0.0]], [[1.0, 0.0], [1.0, 0.25]])
    expected = [math.log(2) + math.log(4), math.log(5) + math.log(2)]
    np.testing.assert_allclose(run["binary_cross_entropy"].a, expected, rtol=1e-15)
    np.testing.assert_allclose(run["x"].error, [[-0.5, 0.75], [-0.8, 0.25]], rtol=1e-15)


@pytest.mark.parametrize("t", [[1, 0], [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]], ids=["labels", "one-hot"])
def test_softmax_cross_entropy_by_hand(t):
    z = [[math.log(2), math.log(3), math.log(5)], [7.0, 7.0, 7.0]]
    run = judged(SoftmaxCrossEntropy(), z, t, np.shape(t)[1:])
    np.testing.assert_allclose(run["softmax_cross_entropy"].a, [-math.log(0.3), math.log(3)], rtol=1e-15)
    np.testing.assert_allclose(run["x"].error, [[0.2, -0.7, 0.5], [-2 / 3, 1 / 3, 1 / 3]], rtol=1e-14)


@in_both_precisions
@pytest.mark.parametrize("weight", [1.0, 0.3])
def test_labels_and_one_hot_rows_agree(weight, dtype):
    runs = [
        judged(SoftmaxCrossEntropy(weight=weight), Z, t, np.shape(t)[1:], dtype)
        for t in (LABELS, ONE_HOT, ONE_HOT.astype(int))
    ]
    for run in runs[1:]:
        assert run["x"].error.dtype == dtype
        np.testing.assert_allclose(run["softmax_cross_entropy"].a, runs[0]["softmax_cross_entropy"].a, rtol=1e-6)
        np.testing.assert_allclose(run["x"].error, runs[0]["x"].error, rtol=1e-6, atol=1e-8)


@in_both_precisions
@pytest.mark.parametrize(
    "kind", [kind for kind in TARGETS if kind not in (Hinge, SoftmaxCrossEntropy)], ids=lambda kind: kind.__name__
)
def test_targets_may_be_declared_as_integers(kind, dtype):
    floats, integers = (judged(kind(), OUTPUTS[kind], t, 4, dtype) for t in (BITS, BITS.astype(int)))
    assert integers["x"].error.dtype == dtype
    assert integers.cost == pytest.approx(floats.cost, rel=1e-6)
    np.testing.assert_allclose(integers["x"].error, floats["x"].error, rtol=1e-6)


def test_softmax_cross_entropy_is_softmax_and_then_the_logarithm():
    p = np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)
    run = judged(SoftmaxCrossEntropy(), Z, LABELS)
    np.testing.assert_allclose(
        run["softmax_cross_entropy"].a, [-math.log(p[x, LABELS[x]]) for x in range(M)], rtol=1e-12
    )
    np.testing.assert_allclose(run["x"].error, p - ONE_HOT, rtol=1e-12, atol=1e-15)


@every
def test_the_target_gets_no_error(kind):
    run = judged(kind(), OUTPUTS[kind], TARGETS[kind])
    cost = run.graph.costs[0]
    assert run.edge("x", cost).grad.shape == Z.shape
    with pytest.raises(NotComputedError, match="constant, no error flows there"):
        run.edge("t", cost).grad  # noqa: B018


# ---- extremes ----


@in_both_precisions
@pytest.mark.parametrize("big", [1e3, 1e5])
def test_huge_logits_are_finite_without_warnings(dtype, big):
    z = [[big, -big, 0.0], [big, -big, 0.0], [big, big, -big]]
    with np.errstate(all="raise", under="ignore"):
        bce = judged(BinaryCrossEntropy(), z, [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.5, 1.0, 0.0]], dtype=dtype)
        sce = judged(SoftmaxCrossEntropy(), z, [0, 1, 1], dtype=dtype)
    np.testing.assert_allclose(bce["binary_cross_entropy"].a, [math.log(2), 2 * big + math.log(2), big / 2], rtol=1e-6)
    np.testing.assert_allclose(bce["x"].error, [[0, 0, -0.5], [1, -1, 0.5], [0.5, 0, 0]], rtol=1e-6)
    np.testing.assert_allclose(sce["softmax_cross_entropy"].a, [0, 2 * big, math.log(2)], rtol=1e-6)
    np.testing.assert_allclose(sce["x"].error, [[0, 0, 0], [1, -1, 0], [0.5, -0.5, 0]], rtol=1e-6)


@pytest.mark.parametrize("t", [[1, 0], [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]], ids=["labels", "one-hot"])
def test_classes_ruled_out_by_a_logit_of_minus_infinity_cost_nothing(t):
    run = judged(SoftmaxCrossEntropy(), [[0.0, 0.0, -np.inf], [1.0, -np.inf, 1.0]], t, np.shape(t)[1:])
    np.testing.assert_allclose(run["softmax_cross_entropy"].a, [math.log(2), math.log(2)], rtol=1e-15)
    np.testing.assert_allclose(run["x"].error, [[0.5, -0.5, 0], [-0.5, 0, 0.5]], rtol=1e-15)


def test_sure_predictions_keep_the_digits_of_what_is_left():
    run = judged(BinaryCrossEntropy(), [[-40.0]], [[0.0]])
    assert run.cost == pytest.approx(4.248354255291589e-18, rel=1e-12, abs=0)
    assert run["x"].error[0, 0] == pytest.approx(4.248354255291589e-18, rel=1e-12, abs=0)
    run = judged(SoftmaxCrossEntropy(), [[-40.0, 0.0]], [1])
    assert run["x"].error[0, 0] == pytest.approx(4.248354255291589e-18, rel=1e-12, abs=0)


@every
def test_nan_stays_in_its_example(kind):
    z = OUTPUTS[kind].copy()
    z[2, 1] = np.nan
    run, clean = judged(kind(), z, TARGETS[kind]), judged(kind(), OUTPUTS[kind], TARGETS[kind])
    name = run.graph.costs[0].name
    assert np.isnan(run[name].a).tolist() == [False, False, True, False, False]
    spoilt = np.isnan(run["x"].error)
    assert spoilt[2, 1] == (kind is not KLDivergence)  # whose error doesn't depend on the output
    assert not spoilt[[0, 1, 3, 4]].any()
    assert spoilt[2].all() == (kind is SoftmaxCrossEntropy)
    np.testing.assert_array_equal(run["x"].error[~spoilt], clean["x"].error[~spoilt])
    assert math.isnan(run.cost)


# ---- targets that mean nothing ----

IMPOSSIBLE = {
    "label too large": (SoftmaxCrossEntropy, [0, 4], (), r"takes labels from 0 to 3, got labels from 0 to 4"),
    "label negative": (SoftmaxCrossEntropy, [-1, 3], (), r"takes labels from 0 to 3, got labels from -1 to 3"),
    "float labels": (SoftmaxCrossEntropy, [0.0, 1.0], None, r"takes integers, got an array of dtype float64"),
    "labels declared as floats": (SoftmaxCrossEntropy, [0.0, 1.0], (), r"takes integer labels, got float64"),
    "bits for labels": (SoftmaxCrossEntropy, [True, False], None, r"takes integers, got an array of dtype bool"),
    "no hot": (SoftmaxCrossEntropy, [[0.0, 0, 0, 0], [0, 1, 0, 0]], 4, "takes one-hot rows"),
    "two hot": (SoftmaxCrossEntropy, [[0.0, 1, 0, 1], [0, 1, 0, 0]], 4, "takes one-hot rows"),
    "lukewarm": (
        SoftmaxCrossEntropy,
        [[0.5, 0.4985, 0, 0], [0, 1, 0, 0]],
        4,
        r"add up to 1, got \[0\.5, 0\.4985, 0\.0, 0\.0\]",
    ),
    "two in one row": (SoftmaxCrossEntropy, [[1.0, 1, 0, 0], [0, 0, 0, 0]], 4, r"got \[1\.0, 1\.0, 0\.0, 0\.0\]"),
    "one below zero": (SoftmaxCrossEntropy, [[1.0, 1, -1, 0], [0, 1, 0, 0]], 4, "takes one-hot rows"),
    "not a number in a row": (SoftmaxCrossEntropy, [[np.nan, 1, 0, 0], [0, 1, 0, 0]], 4, "takes one-hot rows"),
    "integers, two hot": (SoftmaxCrossEntropy, [[1, 1, 0, 0], [0, 1, 0, 0]], 4, "takes one-hot rows"),
    "above 1": (BinaryCrossEntropy, [[0.0, 1, 1.01, 0], [0, 0, 0, 0]], 4, r"takes targets from 0 to 1, got .*to 1\.01"),
    "below 0": (BinaryCrossEntropy, [[0.0, 1, -1, 0], [0, 0, 0, 0]], 4, r"takes targets from 0 to 1, got .*from -1 to"),
    "log-probability": (
        KLDivergence,
        [[0.0, 0, -1.5, 0], [0, 0, 0, 0]],
        4,
        "takes targets from 0 to 1, got .*from -1.5",
    ),
    "percent": (BinaryCrossEntropyOnProbabilities, [[0.0, 1, 50, 0], [0, 0, 0, 0]], 4, "targets from 0 to 1, got .*50"),
    "bits for signs": (Hinge, [[0.0, 1, 1, 0], [1, 1, 1, 1]], 4, "takes targets of 1 and -1, got 0"),
    "half a sign": (Hinge, [[1.0, -1, 1, 0.5], [1, 1, 1, 1]], 4, r"takes targets of 1 and -1, got 0\.5"),
    "no sign": (Hinge, [[1.0, -1, 1, np.nan], [1, 1, 1, 1]], 4, "takes targets of 1 and -1, got nan"),
    "integer signs": (Hinge, [[1, -1, 1, 2], [1, 1, 1, 1]], 4, "takes targets of 1 and -1, got 2"),
    "no target": (BinaryCrossEntropy, [[0.0, 1, np.nan, 0], [0, 0, 0, 0]], 4, "takes targets from 0 to 1, got .*nan"),
}


@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_targets_that_mean_nothing_are_refused(what):
    kind, t, shape, message = IMPOSSIBLE[what]
    with pytest.raises(FeedError, match=message) as caught:
        judged(kind(), Z[:2], t, shape)
    assert "(added at test_costs.py:" in str(caught.value)
    assert "'t'" in str(caught.value) or f"{kind.__name__} '" in str(caught.value)


def test_a_bad_batch_does_not_spoil_the_next():
    run = judged(SoftmaxCrossEntropy(), Z, LABELS)
    error = run["x"].error.copy()
    with pytest.raises(FeedError):
        run.forward(x=Z, t=LABELS + 1)
    np.testing.assert_array_equal(run.forward(x=Z, t=LABELS).backward(wrt="x")["x"].error, error)


@pytest.mark.parametrize("kind", [Quadratic, BinaryCrossEntropy], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(("output", "target"), [((1,), ()), ((), (1,)), ((4,), (1,)), ((4,), ()), ((2, 2), (4,))])
def test_shapes_that_numpy_would_broadcast_are_refused(kind, output, target):
    g = mg.Graph()
    x, _ = g.input("x", output), g.input("t", target)
    with pytest.raises(ShapeError) as caught:
        g.cost(kind(), x, target="t")
    message = str(caught.value)
    assert f"takes targets of its output's shape {output}, got {target}: nothing is broadcast" in message
    g = mg.Graph()
    g.cost(kind(), g.input("x", output), target="t")
    with pytest.raises(FeedError, match="'t'"):
        g.forward(x=np.zeros((3, *output)), t=np.zeros((3, *target)))


@every
def test_a_computed_target_goes_through_stop_gradient(kind):
    g = mg.Graph()
    x = g.input("x", 4)
    h = g.add(Dense(4), x, name="h")
    with pytest.raises(GraphError, match=r"'h'.*put StopGradient\(\) between"):
        g.cost(kind(), x, target=h)
    if kind is Quadratic:
        g.cost(kind(), x, target=StopGradient()(h))
        run = g.forward(x=Z).backward(wrt="x")
        np.testing.assert_allclose(run["x"].error, Z - run["h"].a, rtol=1e-15)


def test_the_sums_of_products_of_older_numpy_are_the_same():
    d = np.random.default_rng(4).normal(size=(3, 7))
    out = np.empty(3)
    assert row_products(d, d, out=out) is out
    np.testing.assert_allclose(out, [sum(v * v for v in row) for row in d], rtol=1e-14)
    np.testing.assert_allclose(vecdot(d, d), out, rtol=1e-14)


def test_a_weight_may_change_between_sweeps():
    g = mg.Graph()
    cost = Quadratic()
    g.cost(cost, g.input("a", 3))
    feeds = {"a": np.ones((2, 3)), "t": np.zeros((2, 3))}
    run = g.forward(feeds)
    assert run.cost == 1.5
    cost.weight = 2.0
    run.forward(feeds).backward(wrt="a")
    assert run.cost == 3.0
    assert (run["a"].error == 2.0).all()


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), None, "2", 1j, [1.0, 2.0]], ids=repr)
@every
def test_a_weight_is_a_finite_number(kind, weight):
    with pytest.raises(GraphError, match=f"{kind.__name__} takes a finite weight, got "):
        kind(weight=weight)


# ---- how many are right ----


def test_which_outputs_are_right():
    a = np.array([[0.2, 0.9, 0.1], [2.0, -1.0, 3.0]])
    rows = np.array([[0.0, 1, 0], [1, 0, 0]])
    for cost in (Quadratic(), SoftmaxCrossEntropy()):
        assert cost.names_classes(rows)
        assert cost.correct(a, rows).tolist() == [True, False]
    assert SoftmaxCrossEntropy().correct(a, np.array([1, 0])).tolist() == [True, False]
    assert Quadratic().correct(np.array([[0.6], [0.4]]), np.array([[1.0], [1.0]])).tolist() == [True, False]
    assert BinaryCrossEntropy().correct(a - 0.5, rows).tolist() == [True, False]
    assert BinaryCrossEntropy().correct(np.array([0.1, 0.1]), np.array([1.0, 0.0])).tolist() == [True, False]


def test_targets_that_name_no_classes_are_not_counted():
    assert not Quadratic().names_classes(np.array([[0.5, 0.5]]))
    assert not Quadratic().names_classes(np.array([[1.0, 1.0]]))
    assert not BinaryCrossEntropy().names_classes(np.array([[0.5]]))
    assert not Cost().names_classes(Z)
    with pytest.raises(NotImplementedError, match="Cost names no classes"):
        Cost().correct(Z, Z)


def test_the_book_s_half_and_sum_and_the_mean_are_told_apart():
    half, mean = (judged(kind(), Z, Y) for kind in (Quadratic, MeanSquaredError))
    assert half.cost == pytest.approx(2 * mean.cost, rel=1e-14)
    np.testing.assert_allclose(half["x"].error, 2 * mean["x"].error, rtol=1e-14)


# ---- examples that count more than others ----

W = np.array([0.5, 0.0, 3.0, 1.0, -2.0])
SEVERAL = {
    **{kind.__name__: (kind, [OUTPUTS[kind]], t) for kind, t in TARGETS.items()},
    "soft": (SoftmaxCrossEntropy, [Z], P),
    "class weights": (lambda **more: SoftmaxCrossEntropy(class_weights=[1.0, 2.0, 0.5, 1.0], **more), [Z], LABELS),
    "ignored": (lambda **more: SoftmaxCrossEntropy(ignore_index=0, **more), [Z], LABELS),
    "CosineEmbedding": (CosineEmbedding, [Z, Y], np.array([1.0, -1, 1, -1, 1])),
    "TripletMargin": (TripletMargin, [Z, Y, P], None),
}


def wired(make, outputs, t, weights=None, dtype="float64", whole=False, **more):
    """A run, both ways, of a cost of several outputs "x0", "x1", …, perhaps with weights of the examples."""
    g = mg.Graph(dtype=dtype)
    nodes = [g.input(f"x{i}", np.shape(x)[1:]) for i, x in enumerate(outputs)]
    feeds = {f"x{i}": x for i, x in enumerate(outputs)}
    if t is not None:
        g.input("t", np.shape(t)[1:], dtype=int if np.asarray(t).dtype.kind == "i" else None)
        feeds["t"] = t
    if weights is not None:
        g.input("w", (), dtype=int if whole else None)
        feeds["w"] = weights
    named = {} if t is None else {"target": "t"}
    g.cost(make(**more), *nodes, weights=None if weights is None else "w", name="c", **named)
    return g.forward(feeds).backward(wrt=[f"x{i}" for i in range(len(outputs))])


@in_both_precisions
@pytest.mark.parametrize("whole", [False, True], ids=["floats", "integers"])
@pytest.mark.parametrize("name", SEVERAL)
def test_weights_of_examples_multiply_what_each_costs(name, whole, dtype):
    make, outputs, t = SEVERAL[name]
    w = np.array([2, 0, 3, 1, -2]) if whole else W
    plain, run = (wired(make, outputs, t, weights, dtype, whole, weight=0.5) for weights in (None, w))
    rtol, atol = (1e-5, 1e-7) if dtype == "float32" else (1e-13, 0)
    np.testing.assert_allclose(run["c"].a, w * plain["c"].a, rtol=rtol, atol=atol)
    assert run.cost == pytest.approx(float(np.mean(w * plain["c"].a)), rel=1e-5 if dtype == "float32" else 1e-13)
    for i in range(len(outputs)):
        np.testing.assert_allclose(run[f"x{i}"].error, w[:, None] * plain[f"x{i}"].error, rtol=rtol, atol=atol)
        assert run[f"x{i}"].error.dtype == dtype
    assert run["c"].a.dtype == dtype


def test_weights_become_an_input_of_single_numbers_that_takes_no_error():
    g = mg.Graph()
    g.cost(Quadratic(), g.input("x", 4), weights="importance")
    assert g["importance"].shape == ()
    assert g["importance"] in g.targets
    run = g.forward(x=Z, t=Y, importance=W).backward(wrt="x")
    with pytest.raises(NotComputedError, match="constant, no error flows there"):
        run.edge("importance", "quadratic").grad  # noqa: B018


@pytest.mark.parametrize("name", SEVERAL)
def test_every_cost_passes_the_check(name):
    make, outputs, t = SEVERAL[name]
    g = wired(make, outputs, t, W, weight=0.7).graph
    feeds = {f"x{i}": x for i, x in enumerate(outputs)} | {"w": W} | ({} if t is None else {"t": t})
    report = mg.check(g, feeds)
    assert report.ok, str(report)


# ---- whole batches, as PyTorch averages them ----

POSITIONS = np.random.default_rng(5).integers(0, 4, (M, 2, 3))
IMAGES = np.random.default_rng(6).normal(size=(M, 4, 2, 3))
SOFT = np.exp(IMAGES) / np.exp(IMAGES).sum(axis=1, keepdims=True)
KINDS = [0.5, 0.0, 2.0, 1.0]
AVERAGES = {
    "MSELoss": (MeanSquaredError, [IMAGES], SOFT, {}),
    "L1Loss": (MeanAbsoluteError, [IMAGES], SOFT, {}),
    "HuberLoss": (Huber, [IMAGES], SOFT, {"delta": 0.3}),
    "SmoothL1Loss": (SmoothL1, [IMAGES], SOFT, {"beta": 0.3}),
    "BCEWithLogitsLoss": (lambda: BinaryCrossEntropy(reduction="mean"), [IMAGES], SOFT, {}),
    "BCELoss": (lambda: BinaryCrossEntropyOnProbabilities(reduction="mean"), [SOFT], SOFT[::-1], {}),
    "KLDivLoss": (KLDivergence, [IMAGES], SOFT, {"reduction": "batchmean"}),
    "CosineEmbeddingLoss": (CosineEmbedding, [Z, Y], np.array([1.0, -1, 1, -1, 1]), {"margin": 0.1}),
    "TripletMarginLoss": (TripletMargin, [Z, Y, P], None, {"margin": 2.0, "p": 1.0}),
    "CrossEntropyLoss": (SoftmaxCrossEntropy, [IMAGES], POSITIONS, {}),
    "CrossEntropyLoss, soft": (SoftmaxCrossEntropy, [IMAGES], SOFT, {}),
    "CrossEntropyLoss, smooth": (SoftmaxCrossEntropy, [IMAGES], POSITIONS, {"label_smoothing": 0.1}),
    "CrossEntropyLoss, classes": (SoftmaxCrossEntropy, [IMAGES], POSITIONS, {"weight": KINDS}),
    "CrossEntropyLoss, classes, soft": (SoftmaxCrossEntropy, [IMAGES], SOFT, {"weight": KINDS, "label_smoothing": 0.1}),
    "CrossEntropyLoss, ignored": (SoftmaxCrossEntropy, [IMAGES], POSITIONS, {"ignore_index": 2}),
    "CrossEntropyLoss, all": (
        SoftmaxCrossEntropy,
        [IMAGES],
        np.where(POSITIONS == 3, -100, POSITIONS),
        {"weight": KINDS, "ignore_index": -100, "label_smoothing": 0.1},
    ),
}


@pytest.mark.parametrize("name", AVERAGES)
def test_the_average_over_a_batch_is_pytorch_s(name):
    torch = pytest.importorskip("torch", reason="needs PyTorch to compare with")
    make, outputs, t, options = AVERAGES[name]
    kind, mine = name.partition(",")[0], dict(options)
    mine.pop("reduction", None)
    if kind == "CrossEntropyLoss":
        mine = {"class_weights" if key == "weight" else key: value for key, value in mine.items()} | {"axis": 0}
    run = wired(make, outputs, t, **mine)
    theirs = {k: torch.tensor(v, dtype=torch.float64) if k == "weight" else v for k, v in options.items()}
    tensors = [torch.tensor(x, requires_grad=True) for x in outputs]
    c = getattr(torch.nn, kind)(**theirs)(*tensors, *([] if t is None else [torch.tensor(t.copy())]))
    c.backward()
    assert run.cost == pytest.approx(c.item(), rel=1e-12)
    for i, tensor in enumerate(tensors):
        np.testing.assert_allclose(run[f"x{i}"].error / M, tensor.grad.numpy(), rtol=1e-9, atol=1e-12)


def test_class_weights_and_an_ignored_label_make_examples_share_a_divisor():
    def told(t, shape=(), **options):
        layer = SoftmaxCrossEntropy(**options)
        run = judged(layer, Z, t, shape)
        return layer.mixes_examples, run

    assert not told(LABELS)[0]
    assert not told(P, 4, class_weights=KINDS)[0]
    for options in ({"class_weights": KINDS}, {"ignore_index": -1}):
        mixes, run = told(LABELS, **options)
        assert mixes
        g = mg.Graph()
        g.cost(SoftmaxCrossEntropy(**options), g.add(Dense(4), g.input("x", 4), name="h"))
        run = g.forward(x=Z, t=LABELS).backward()
        with pytest.raises(GraphError, match="SoftmaxCrossEntropy 'softmax_cross_entropy' mixes examples"):
            run.grad(g["h"].layer.w, per="example")


@pytest.mark.parametrize("options", [{"ignore_index": 3}, {"class_weights": [1.0, 1.0, 1.0, 0.0]}], ids=repr)
def test_where_nothing_counts_the_cost_is_0(options):
    run = judged(SoftmaxCrossEntropy(**options), Z, np.full(M, 3))
    assert run.cost == 0
    assert not run["x"].error.any()


def test_probabilities_of_some_classes_may_be_0():
    c, *alone = (
        judged(SoftmaxCrossEntropy(), Z[:1], np.array([row]), (4,)).cost
        for row in ([0.25, 0.0, 0.75, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0])
    )
    assert c == pytest.approx(0.25 * alone[0] + 0.75 * alone[1], rel=1e-14)


def test_where_half_of_the_labels_count_they_count_double():
    run = judged(SoftmaxCrossEntropy(ignore_index=-1), Z[:4], np.array([3, -1, 0, -1]))
    alone = judged(SoftmaxCrossEntropy(), Z[:4:2], np.array([3, 0]))
    assert run.cost == pytest.approx(alone.cost, rel=1e-14)
    np.testing.assert_allclose(run["x"].error[::2], 2 * alone["x"].error, rtol=1e-14)


def test_ignored_positions_may_hold_anything():
    z, t = np.random.default_rng(1).normal(size=(2, 3, 4)), np.array([[0, -1, 2], [-1, 3, 1]])
    clean = judged(SoftmaxCrossEntropy(ignore_index=-1), z, t, (3,))
    for junk in (np.nan, np.inf, -np.inf, 1e300):
        spoilt = np.where((t == -1)[..., None], junk, z)
        run = judged(SoftmaxCrossEntropy(ignore_index=-1), spoilt, t, (3,))
        assert run.cost == clean.cost
        np.testing.assert_array_equal(run["x"].error, clean["x"].error)


def test_one_softmax_cross_entropy_may_judge_by_labels_and_by_probabilities():
    cost = SoftmaxCrossEntropy()
    g = mg.Graph()
    x, y = g.input("x", 4), g.input("y", (2, 4))
    g.input("p", (2, 4))
    g.cost(cost, x, target="t")
    g.cost(cost, y, target="p", name="soft")
    p = np.stack([P, P[::-1]], axis=1)
    run = g.forward(x=Z, t=LABELS, y=np.stack([Z, Z], axis=1), p=p).backward(wrt=["x", "y"])
    np.testing.assert_allclose(run["x"].error, P - ONE_HOT, atol=1e-15)
    np.testing.assert_allclose(run["y"].error, (np.stack([P, P], axis=1) - p) / 2, atol=1e-15)


# ---- kinks, edges and overflow ----


def test_slopes_at_kinks():
    d = [[-2.0, -1.0, 0.0, 1.0, 3.0]]
    none = np.zeros((1, 5))
    for cost, slopes in (
        (MeanAbsoluteError(), [-1, -1, 0, 1, 1]),
        (Huber(), [-1, -1, 0, 1, 1]),
        (Huber(2.0), [-2, -1, 0, 1, 2]),
        (SmoothL1(), [-1, -1, 0, 1, 1]),
        (SmoothL1(2.0), [-1, -0.5, 0, 0.5, 1]),
        (SmoothL1(0), [-1, -1, 0, 1, 1]),
    ):
        np.testing.assert_array_equal(judged(cost, d, none)["x"].error, np.array([slopes]) / 5)
    run = judged(Hinge(), [[1.0, -1.0, 0.5, 1.5]], [[1.0, -1.0, 1.0, -1.0]])
    np.testing.assert_array_equal(run["x"].error, np.array([[0, 0, -1, 1]]) / 4)


def test_embedding_costs_at_kinks_and_at_vectors_of_0_are_pytorch_s():
    torch = pytest.importorskip("torch", reason="needs PyTorch to compare with")
    f = torch.nn.functional
    u = np.array([[1.0, 0], [0, 0], [0, 0], [0, 0], [3, 4]])
    v = np.array([[0.0, 1], [1, 1], [0, 0], [0, 0], [3, 4]])
    w = np.array([[2.0, 0], [0, 0], [0, 1], [0, 1], [3, 4]])
    t = np.array([-1.0, -1, 1, -1, 1])
    cases = [
        (CosineEmbedding(), [u, v], t, lambda *x: f.cosine_embedding_loss(*x, torch.tensor(t), reduction="sum")),
        *(
            (
                TripletMargin(1.0, p, eps),
                [u, v, w],
                None,
                lambda *x, p=p, eps=eps: f.triplet_margin_loss(*x, p=p, eps=eps, reduction="sum"),
            )
            for p in (1.0, 1.5, 2.0, 3.0)
            for eps in (0.0, 1e-6)
        ),
    ]
    for cost, outputs, target, other in cases:
        run = wired(lambda cost=cost: cost, outputs, target)
        tensors = [torch.tensor(x, requires_grad=True) for x in outputs]
        c = other(*tensors)
        c.backward()
        assert run.cost * M == pytest.approx(c.item(), rel=1e-12)
        for i, tensor in enumerate(tensors):
            assert np.isfinite(run[f"x{i}"].error).all()
            np.testing.assert_allclose(run[f"x{i}"].error, tensor.grad.numpy(), rtol=1e-9, atol=1e-9)


def test_embedding_costs_at_kinks_and_at_vectors_of_0():
    u, v = np.array([[1.0, 0]]), np.array([[0.0, 1]])
    for pair in ([u, 0 * u], [0 * u, u], [0 * u, 0 * u]):
        run = wired(CosineEmbedding, pair, np.array([1.0]))
        assert run.cost == 1
        assert np.isfinite([run["x0"].error, run["x1"].error]).all()
    run = wired(CosineEmbedding, [u, v], np.array([-1.0]))
    np.testing.assert_allclose([run["x0"].error, run["x1"].error], [v, u], atol=1e-11)
    run = wired(lambda: TripletMargin(eps=0), [0 * u, 3 * u, 4 * u], None)
    assert run.cost == 0
    np.testing.assert_array_equal([run[f"x{i}"].error for i in range(3)], [0 * u, u, -u])
    for p in (1.0, 2.0, 3.0):
        run = wired(lambda p=p: TripletMargin(2, p, 0), [u, u, 0 * u], None)
        np.testing.assert_array_equal([run[f"x{i}"].error for i in range(3)], [-u, 0 * u, u])


def test_logarithms_of_probabilities_are_limited():
    run = judged(BinaryCrossEntropyOnProbabilities(), [[0.0], [1.0], [0.0], [1.0]], [[1.0], [0.0], [0.0], [1.0]])
    np.testing.assert_array_equal(run[run.graph.costs[0]].a, [100, 100, 0, 0])


@in_both_precisions
def test_probabilities_of_0_and_1_are_finite_and_pytorch_s(dtype):
    torch = pytest.importorskip("torch", reason="needs PyTorch to compare with")
    p = np.array([[0.0, 1, 0, 1, 1e-30, 0.25, 1, 1e-13]], dtype)
    y = np.array([[0.0, 1, 1, 0, 1, 0.5, 0.5, 1]], dtype)
    run = judged(BinaryCrossEntropyOnProbabilities(), p, y, dtype=dtype)
    tensor = torch.tensor(p, requires_grad=True)
    c = torch.nn.functional.binary_cross_entropy(tensor, torch.tensor(y), reduction="sum")
    c.backward()
    assert np.isfinite(run["x"].error).all()
    rtol = 1e-6 if dtype == "float32" else 1e-12
    assert run.cost == pytest.approx(c.item(), rel=rtol)
    np.testing.assert_allclose(run["x"].error, tensor.grad.numpy(), rtol=rtol)
    assert run["x"].error.dtype == dtype


@pytest.mark.parametrize("bad", [-0.1, 1.5])
def test_what_is_no_probability_is_refused(bad):
    p = P.copy()
    p[1, 2] = bad
    with pytest.raises(FeedError, match=rf"takes probabilities from 0 to 1, got outputs from .*{bad}.*Activation"):
        judged(BinaryCrossEntropyOnProbabilities(), p, BITS)


@in_both_precisions
def test_infinite_logits_warn_nobody(dtype):
    inf = np.inf
    run = judged(
        BinaryCrossEntropy(), [[inf], [-inf], [inf], [-inf], [inf]], [[1.0], [0], [0], [1], [0.5]], dtype=dtype
    )
    np.testing.assert_array_equal(run["binary_cross_entropy"].a, [0, 0, inf, inf, inf])
    np.testing.assert_array_equal(run["x"].error, [[0], [0], [1], [-1], [0.5]])
    for t in (LABELS[:3], P[:3], ONE_HOT[:3]):
        z = np.array([[-inf] * 4, [inf, 0, 0, 1], [0.0, 1, 2, 3]])
        run = judged(SoftmaxCrossEntropy(), z, t, t.shape[1:], dtype)
        assert np.isnan(run["softmax_cross_entropy"].a).tolist() == [True, True, False]
        assert np.isnan(run["x"].error).any(axis=1).tolist() == [True, True, False]


@in_both_precisions
@pytest.mark.parametrize("name", SEVERAL)
def test_large_outputs_are_finite_without_warnings(name, dtype):
    make, outputs, t = SEVERAL[name]
    if make is not BinaryCrossEntropyOnProbabilities:
        outputs = [np.round(1e5 * x) for x in outputs]
    run = wired(make, outputs, t, dtype=dtype)
    assert np.isfinite(run["c"].a).all()
    for i in range(len(outputs)):
        assert np.isfinite(run[f"x{i}"].error).all()


@pytest.mark.parametrize("t", [LABELS[:2], P[:2]], ids=["labels", "soft"])
def test_the_largest_numbers_that_there_are_warn_nobody_as_logits(t):
    z = np.array([[1.5e308, -1.5e308, 0.0, 0.0], [0.0, 0.0, 0.0, -1.5e308]])
    run = judged(SoftmaxCrossEntropy(), z, t, t.shape[1:])
    assert run["x"].error[0, 0] == pytest.approx(1 - (t[0, 0] if t.ndim == 2 else 0))


def test_nothing_times_the_logarithm_of_nothing_is_nothing():
    run = judged(KLDivergence(), [[-np.inf, 0.0], [-1.0, -2.0]], [[0.0, 1.0], [0.0, 0.0]])
    np.testing.assert_array_equal(run[run.graph.costs[0]].a, [0, 0])
    np.testing.assert_array_equal(run["x"].error, [[0, -1], [0, 0]])


def test_nothing_times_nan_is_nan():
    run = judged(KLDivergence(), [[np.nan, 0.0], [-1.0, -2.0]], [[0.0, 1.0], [0.0, 0.0]])
    np.testing.assert_array_equal(run[run.graph.costs[0]].a, [np.nan, 0])


def test_sure_logits_keep_the_digits_of_what_is_left_on_the_other_side_too():
    assert judged(BinaryCrossEntropy(), [[40.0]], [[1.0]]).cost == pytest.approx(
        4.248354255291589e-18, rel=1e-12, abs=0
    )


# ---- what is refused ----

WRONG = [
    *(("delta", lambda v: Huber(v), v) for v in (0, -1.0, math.nan, math.inf, "1", None, True)),
    *(("beta", lambda v: SmoothL1(v), v) for v in (-1e-9, math.nan, math.inf, "1", None)),
    *(("margin", lambda v: Hinge(v), v) for v in (math.nan, "1", None, 1j)),
    *(("margin", lambda v: CosineEmbedding(v), v) for v in (math.inf, "1", None)),
    *(("margin", lambda v: TripletMargin(v), v) for v in (0.0, -1, math.nan, None)),
    *(("p", lambda v: TripletMargin(p=v), v) for v in (0.5, -1, math.inf, "2")),
    *(("eps", lambda v: TripletMargin(eps=v), v) for v in (-1e-6, math.nan)),
    *(("reduction", lambda v: BinaryCrossEntropy(v), v) for v in ("none", None, 1)),
    *(("reduction", lambda v: BinaryCrossEntropyOnProbabilities(v), v) for v in ("mean ", 2.0)),
    *(("axis", lambda v: SoftmaxCrossEntropy(v), v) for v in (1.0, None, "0", True)),
    *(("label_smoothing", lambda v: SoftmaxCrossEntropy(label_smoothing=v), v) for v in (-0.1, 1.1, math.nan, None)),
    *(("ignore_index", lambda v: SoftmaxCrossEntropy(ignore_index=v), v) for v in (1.0, "1", True)),
    *(
        ("class_weights", lambda v: SoftmaxCrossEntropy(class_weights=v), v)
        for v in ([], [-1.0, 1.0], [math.nan], [math.inf, 1], "ab", 3.0, [[1.0, 2.0]], [None])
    ),
]


@pytest.mark.parametrize(("word", "make", "value"), WRONG, ids=lambda part: "" if callable(part) else repr(part))
def test_constructors_refuse_what_makes_no_sense_and_show_it(word, make, value):
    with pytest.raises(GraphError) as caught:
        make(value)
    assert word in str(caught.value)
    assert f"got {value!r}" in str(caught.value)


def test_options_from_numpy_keep_float32():
    half = np.float64(0.5)
    for cost in (Huber(half), SmoothL1(half), Hinge(half), SoftmaxCrossEntropy(label_smoothing=half)):
        t = LABELS if isinstance(cost, SoftmaxCrossEntropy) else 2 * BITS - 1
        run = judged(cost, Z, t, dtype="float32")
        assert run["x"].error.dtype == run[run.graph.costs[0].name].a.dtype == np.float32
    weights = np.array([0.5, 1, 2, 1])
    run = judged(SoftmaxCrossEntropy(class_weights=weights), Z, LABELS, dtype="float32")
    assert run["x"].error.dtype == np.float32
    run = wired(lambda: TripletMargin(half, np.float64(1.5), half), [Z, Y, P], None, W, "float32")
    assert {run[f"x{i}"].error.dtype for i in range(3)} == {np.dtype("float32")}


def test_costs_take_as_many_outputs_and_targets_as_they_judge():
    g = mg.Graph()
    x, y, z = (g.input(name, 4) for name in "xyz")
    with pytest.raises(ShapeError, match="CosineEmbedding judges 2 of a graph's outputs, got 1"):
        g.cost(CosineEmbedding(), x)
    with pytest.raises(GraphError, match="TripletMargin takes no target, got 't'"):
        g.cost(TripletMargin(), x, y, z, target="t")
    assert [node.name for node in g.nodes] == ["x", "y", "z"]
    g.cost(CosineEmbedding(), x, y, target="alike")
    assert g["alike"].shape == ()
    g.cost(TripletMargin(), x, y, z)
    g.cost(SoftmaxCrossEntropy(0), g.input("image", (3, 5, 7)), target="labels")
    assert (g["labels"].shape, g["labels"].dtype) == ((5, 7), np.int64)


# ---- how many positions are right ----


def test_which_positions_are_right():
    a = np.array([[[2.0, 0], [1, 3], [0, 1]], [[0, 1], [5, 4], [1, 0]]])  # (m, positions, classes)
    t = np.array([[0, 0, 1], [-1, 0, -1]])
    assert SoftmaxCrossEntropy().correct(a, np.abs(t)).tolist() == [True, False, True, True, True, False]
    assert SoftmaxCrossEntropy(ignore_index=-1).correct(a, t).tolist() == [True, False, True, True]
    assert SoftmaxCrossEntropy(0).correct(np.moveaxis(a, 2, 1), np.abs(t)).tolist() == [True, False, True] * 1 + [
        True,
        True,
        False,
    ]
    rows = np.eye(2)[np.abs(t)]
    assert SoftmaxCrossEntropy().correct(a, rows).tolist() == [True, False, True, True, True, False]
    assert SoftmaxCrossEntropy(-2).correct(np.moveaxis(a, 2, 1), np.moveaxis(rows, 2, 1)).mean() == 4 / 6


def test_signs_and_probabilities_that_are_right():
    assert Hinge().names_classes(2 * BITS - 1)
    right = Hinge().correct(np.array([[0.5, -2.0], [0.5, 2.0], [-1, 3]]), np.array([[1.0, -1], [1, -1], [-1, 1]]))
    assert right.tolist() == [True, False, True]
    cost = BinaryCrossEntropyOnProbabilities()
    assert cost.names_classes(BITS)
    assert cost.correct(np.array([[0.6, 0.1], [0.4, 0.1]]), np.array([[1.0, 0], [1, 0]])).tolist() == [True, False]
    for kind in (MeanSquaredError, MeanAbsoluteError, Huber, SmoothL1):
        assert kind().names_classes(ONE_HOT)
        assert not kind().names_classes(Y)
        assert kind().correct(0.9 * ONE_HOT, ONE_HOT).all()
    for kind in (KLDivergence, CosineEmbedding, TripletMargin):
        assert not kind().names_classes(ONE_HOT)
