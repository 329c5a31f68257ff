"""Costs: the average over examples, weights and sums, targets that mean nothing, extremes, other people's numbers."""

import math

import numpy as np
import pytest

import minigraph as mg
from minigraph import costs
from minigraph.costs import BinaryCrossEntropy, Cost, Quadratic, SoftmaxCrossEntropy
from minigraph.errors import FeedError, GraphError, NotComputedError, ShapeError
from minigraph.layers import Dense, StopGradient

M = 5
rng = np.random.default_rng(0)
Z = rng.normal(size=(M, 4))
LABELS = np.array([3, 0, 0, 2, 1])
ONE_HOT = np.eye(4)[LABELS]
BITS = np.array([[0.0, 1, 1, 0], [1, 1, 1, 1], [0, 0, 0, 0], [1, 0, 0, 1], [0, 0, 1, 0]])
TARGETS = {Quadratic: rng.normal(size=(M, 4)), BinaryCrossEntropy: BITS, SoftmaxCrossEntropy: LABELS}

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
    run = judged(kind(), Z, TARGETS[kind])
    alone = [judged(kind(), Z[[x]], TARGETS[kind][[x]]).cost for x in range(M)]
    name = run.graph.costs[0].name
    np.testing.assert_allclose(run[name].a, alone, rtol=1e-14)
    assert run.cost == pytest.approx(sum(alone) / M, rel=1e-14)
    assert run.costs == {name: run.cost}
    assert isinstance(run.cost, float)


@every
def test_errors_do_not_depend_on_the_batch(kind):
    run = judged(kind(), Z, TARGETS[kind])
    again = judged(kind(), np.concatenate([Z, Z]), np.concatenate([TARGETS[kind]] * 2))
    np.testing.assert_array_equal(again["x"].error, np.concatenate([run["x"].error] * 2))
    assert again.cost == pytest.approx(run.cost, rel=1e-14)


@every
def test_going_back_from_the_cost_is_going_back_with_an_error_of_1_for_each_example(kind):
    run = judged(kind(), Z, TARGETS[kind])
    error = run["x"].error.copy()
    name = run.graph.costs[0].name
    np.testing.assert_array_equal(run[name].error, np.ones(M))
    np.testing.assert_array_equal(run.backward(name, np.ones(M), wrt="x")["x"].error, error)
    np.testing.assert_allclose(run.backward(name, np.arange(M), wrt="x")["x"].error, error * np.arange(M)[:, None])


@pytest.mark.parametrize("weight", [0.3, -2, 0, 1.0, np.float64(0.7), np.float32(0.5), 10**3])
@in_both_precisions
@every
def test_a_weight_multiplies_the_cost_and_its_errors(kind, weight, dtype):
    plain, run = (judged(kind(weight=w), Z, TARGETS[kind], dtype=dtype) for w in (1.0, weight))
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
@pytest.mark.parametrize("kind", [Quadratic, BinaryCrossEntropy], ids=lambda kind: kind.__name__)
def test_targets_may_be_declared_as_integers(kind, dtype):
    floats, integers = (judged(kind(), Z, t, 4, dtype) for t in (BITS, BITS.astype(int)))
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
    run = judged(kind(), Z, TARGETS[kind])
    cost = run.graph.costs[0]
    assert run.edge("x", cost).grad.shape == Z.shape
    with pytest.raises(NotComputedError, match="constant, no error flows there"):
        run.edge("t", cost).grad  # noqa: B018


# ---- extremes ----


@in_both_precisions
@pytest.mark.parametrize("big", [1e3, 1e4])
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
    z = Z.copy()
    z[2, 1] = np.nan
    run, clean = judged(kind(), z, TARGETS[kind]), judged(kind(), Z, TARGETS[kind])
    name = run.graph.costs[0].name
    assert np.isnan(run[name].a).tolist() == [False, False, True, False, False]
    spoilt = np.isnan(run["x"].error)
    assert spoilt[2, 1]
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
    "lukewarm": (SoftmaxCrossEntropy, [[0.5, 0.5, 0, 0], [0, 1, 0, 0]], 4, "takes one-hot rows"),
    "one below zero": (SoftmaxCrossEntropy, [[1.0, 1, -1, 0], [0, 1, 0, 0]], 4, "takes one-hot rows"),
    "not a number in a row": (SoftmaxCrossEntropy, [[np.nan, 1, 0, 0], [0, 1, 0, 0]], 4, "takes one-hot rows"),
    "integers, two hot": (SoftmaxCrossEntropy, [[1, 1, 0, 0], [0, 1, 0, 0]], 4, "takes one-hot rows"),
    "above 1": (BinaryCrossEntropy, [[0.0, 1, 1.01, 0], [0, 0, 0, 0]], 4, r"takes targets from 0 to 1, got .*to 1\.01"),
    "below 0": (BinaryCrossEntropy, [[0.0, 1, -1, 0], [0, 0, 0, 0]], 4, r"takes targets from 0 to 1, got .*from -1 to"),
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
    assert costs.row_products(d, d, out=out) is out
    np.testing.assert_allclose(out, [sum(v * v for v in row) for row in d], rtol=1e-14)
    np.testing.assert_allclose(costs.vecdot(d, d), out, rtol=1e-14)


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


# ---- against PyTorch ----


@pytest.mark.parametrize("row", ["quadratic", "bce", "labels", "one-hot"])
def test_against_pytorch(row):
    torch = pytest.importorskip("torch", reason="needs PyTorch to compare with")
    f = torch.nn.functional
    kind, t, other = {
        "quadratic": (Quadratic, Z[::-1], lambda z, t: 0.5 * f.mse_loss(z, t, reduction="none").sum(dim=1)),
        "bce": (
            BinaryCrossEntropy,
            np.random.default_rng(3).uniform(size=Z.shape),
            lambda z, t: f.binary_cross_entropy_with_logits(z, t, reduction="none").sum(dim=1),
        ),
        "labels": (SoftmaxCrossEntropy, LABELS, lambda z, t: f.cross_entropy(z, t, reduction="none")),
        "one-hot": (SoftmaxCrossEntropy, ONE_HOT, lambda z, t: f.cross_entropy(z, t, reduction="none")),
    }[row]
    z = torch.tensor(5 * Z, requires_grad=True)
    c = other(z, torch.tensor(t.copy()))
    c.sum().backward()
    run = judged(kind(weight=0.5), 5 * Z, t, t.shape[1:])
    np.testing.assert_allclose(run[run.graph.costs[0].name].a, 0.5 * c.detach().numpy(), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(run["x"].error, 0.5 * z.grad.numpy(), rtol=1e-9, atol=1e-9)
