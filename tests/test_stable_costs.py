"""Costs of outputs from edge to edge and of targets at their limits: finite, and exact to the last digits.

What is exact is computed to 60 digits with `decimal`, by formulas of its own.
"""

from decimal import Decimal

import numpy as np
import pytest

import minigraph as mg
from minigraph import costs
from minigraph.costs import (
    L1,
    L2,
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
    Value,
)
from minigraph.layers import Dense

pytestmark = pytest.mark.usefixtures("digits")
in_both_precisions = pytest.mark.parametrize("dtype", ["float32", "float64"])


def edges(dtype):
    info = np.finfo(dtype)
    sizes = [1e4, 1e3, 745.0, 709.0, 104.0, 88.0, 20.0, 1.0, 1e-8, 1e-30, float(info.smallest_subnormal), 0.0]
    return np.array([sign * size for size in sizes for sign in (1, -1)], dtype)


def exactly(x):
    return [Decimal(float(v)) for v in x]


# ---- one element: cost and slope of a and y ----


def logistic(z):
    return 1 / (1 + (-z).exp())


def entropy(z, y):
    power = z.exp()
    log = (1 + power).ln() if power > Decimal("1e-30") else power
    return log - y * z, logistic(z) - y


TINY = Decimal(float(np.float32(1e-12)))


def entropy_of_probability(p, y):
    yes, no = (max(v.ln(), Decimal(-100)) if v else Decimal(-100) for v in (p, 1 - p))
    return -y * yes - (1 - y) * no, (p - y) / max(p * (1 - p), TINY)


def divergence(a, y):
    return (y * (y.ln() - a) if y else Decimal(0)), -y


def huber(delta, over=Decimal(1)):
    def one(a, y):
        t = max(min(a - y, delta), -delta)
        return t * (a - y - t / 2) / over, t / over

    return one


def absolute(a, y):
    return abs(a - y), Decimal(int(a > y) - int(a < y))


def hinge(a, y):
    return max(1 - a * y, Decimal(0)), -y if a * y < 1 else Decimal(0)


FRACTIONS, SIGNS, ANY = (0.0, 1.0, 0.5, 1e-8, 1e-30), (1.0, -1.0), (0.0, 1e4, -1e4, 1.0)
ELEMENTS = {  # cost, the one of an element, targets, whether it is a mean
    "Quadratic": (Quadratic, lambda a, y: ((a - y) ** 2 / 2, a - y), ANY, False),
    "MeanSquaredError": (MeanSquaredError, lambda a, y: ((a - y) ** 2, 2 * (a - y)), ANY, True),
    "MeanAbsoluteError": (MeanAbsoluteError, absolute, ANY, True),
    "Huber": (lambda: Huber(0.5), huber(Decimal("0.5")), ANY, True),
    "SmoothL1": (lambda: SmoothL1(0.5), huber(Decimal("0.5"), Decimal("0.5")), ANY, True),
    "Hinge": (Hinge, hinge, SIGNS, True),
    "BinaryCrossEntropy": (BinaryCrossEntropy, entropy, FRACTIONS, False),
    "BinaryCrossEntropyOnProbabilities": (
        BinaryCrossEntropyOnProbabilities,
        entropy_of_probability,
        FRACTIONS,
        False,
    ),
    "KLDivergence": (KLDivergence, divergence, FRACTIONS, False),
    "Value": (Value, lambda a, y: (a, Decimal(1)), (0.0,), False),
}


def judged(cost, outputs, t=None, dtype="float64"):
    """A run, both ways, of a cost "c" of outputs "x0", "x1", …; whatever numpy warns of is an error."""
    g = mg.Graph(dtype=dtype)
    feeds = {f"x{i}": x for i, x in enumerate(outputs)}
    nodes = [g.input(name, x.shape[1:]) for name, x in feeds.items()]
    if t is not None:
        g.input("t", t.shape[1:], dtype=int if t.dtype.kind == "i" else None)
        feeds["t"] = t
    g.cost(cost, *nodes, name="c", **({} if t is None else {"target": "t"}))
    with np.errstate(all="raise", under="ignore"):
        run = g.forward(feeds).backward(wrt=list(feeds)[: len(outputs)])
    assert run["c"].a.dtype == run["x0"].error.dtype == dtype
    return run


def near(got, exact, dtype, scale=1.0):
    """Finite, and as near to the exact numbers as digits of that dtype allow where those of that scale cancel."""
    eps = float(np.finfo(dtype).eps)
    assert np.isfinite(got).all()
    exact = np.array(exact, float)
    assert got.shape == exact.shape
    assert (abs(got - exact) <= eps * (64 * abs(exact) + 4 * scale) + 1e-37).all()


@in_both_precisions
@pytest.mark.parametrize("name", ELEMENTS)
def test_elements_and_targets_at_their_limits_cost_exactly_that(name, dtype):
    make, one, targets, _ = ELEMENTS[name]
    a = edges(dtype)
    if make is BinaryCrossEntropyOnProbabilities:
        a = np.unique(np.clip(a, 0, 1))
    a, y = (pairs.reshape(-1, 1).astype(dtype) for pairs in np.meshgrid(a, np.array(targets)))
    run = judged(make(), [a], None if make is Value else y, dtype)
    exact = [one(p, q) for p, q in zip(exactly(a[:, 0]), exactly(y[:, 0]), strict=True)]
    near(run["c"].a, [c for c, _ in exact], dtype)
    near(run["x0"].error[:, 0], [slope for _, slope in exact], dtype)


@in_both_precisions
@pytest.mark.parametrize("name", ELEMENTS)
def test_all_elements_in_one_example_cost_their_sum_or_mean(name, dtype):
    make, one, targets, mean = ELEMENTS[name]
    a = edges(dtype)[None]
    if make is BinaryCrossEntropyOnProbabilities:
        a = np.clip(a, 0, 1)
    y = np.resize(np.array(targets, dtype), a.shape)
    run = judged(make(), [a], None if make is Value else y, dtype)
    exact = [one(p, q) for p, q in zip(exactly(a[0]), exactly(y[0]), strict=True)]
    n = a.size if mean else 1
    near(run["c"].a, [sum(c for c, _ in exact) / n], dtype, float(sum(abs(c) for c, _ in exact)))
    near(run["x0"].error[0], [slope / n for _, slope in exact], dtype)


# ---- rows ----


def cross_entropy(z, t):
    z, t = exactly(z), exactly(t)
    total = sum((v - max(z)).exp() for v in z)
    logs = [v - max(z) - total.ln() for v in z]
    c = -sum(q * v for q, v in zip(t, logs, strict=True) if q)
    return c, [v.exp() * sum(t) - q for v, q in zip(logs, t, strict=True)]


@in_both_precisions
@pytest.mark.parametrize("smoothing", [0.0, 0.25])
def test_softmax_cross_entropy_of_rows_from_edge_to_edge_is_exact(smoothing, dtype):
    z = edges(dtype)
    logits = np.stack([z, z[::-1], np.full_like(z, 1e4), np.full_like(z, -1e4), 0 * z])
    for k in range(0, len(z), 5):
        labels = np.full(len(logits), k)
        one_hot = np.eye(len(z))[labels]
        smooth = (1 - smoothing) * one_hot + smoothing / len(z)
        exact = [cross_entropy(*row) for row in zip(logits, smooth, strict=True)]
        for t in (labels, one_hot):
            run = judged(SoftmaxCrossEntropy(label_smoothing=smoothing), [logits], t, dtype)
            near(run["c"].a, [c for c, _ in exact], dtype)
            near(run["x0"].error, [slopes for _, slopes in exact], dtype)


@in_both_precisions
@pytest.mark.parametrize("size", [1e4, 1.0, 1e-4, 1e-30, 0.0, 1e12])
def test_angles_between_vectors_of_any_size_are_exact(size, dtype):
    u = np.array([[3.0, 4.0]] * 2) * size
    for other in (1e4, 1e12, 1.0, 0.0):
        v = np.array([[4.0, 3.0]] * 2) * other
        run = judged(CosineEmbedding(), [u.astype(dtype), v.astype(dtype)], np.array([1.0, -1.0]), dtype)
        uu, vv = (sum(q * q for q in exactly(x[0].astype(dtype))) + TINY for x in (u, v))
        uv = sum(p * q for p, q in zip(exactly(u[0].astype(dtype)), exactly(v[0].astype(dtype)), strict=True))
        cos = float(uv / (uu * vv).sqrt())
        near(run["c"].a, [1 - cos, cos], dtype)
        assert np.isfinite([run["x0"].error, run["x1"].error]).all()


@in_both_precisions
@pytest.mark.parametrize("p", [1.0, 2.0, 3.0, 20.0])
@pytest.mark.parametrize("size", [1e4, 1.0, 1e-30, 0.0])
def test_distances_of_any_size_are_exact(size, p, dtype):
    u, v, w = (np.array([row], dtype) for row in ([size, -size], [size, size], [0.0, -size]))
    run = judged(TripletMargin(eps=0.0, p=p), [u, v, w], dtype=dtype)
    near(run["c"].a, [1 + exactly(u[0])[0]], dtype)  # each differs in one place alone: 1 + 2 size − size
    slopes = [[-1.0 * (size > 0), -1.0 * (size > 0)], [0, size > 0], [size > 0, 0]]
    if size != 1e-30 or p != 2.0 or dtype == "float64":  # its square is 0
        for i in range(3):
            near(run[f"x{i}"].error[0], slopes[i], dtype)
    assert all(np.isfinite(run[f"x{i}"].error).all() for i in range(3))


@in_both_precisions
@pytest.mark.parametrize(("make", "size", "slope"), [(L1, abs, np.sign), (L2, lambda v: v * v / 2, np.positive)])
def test_penalties_of_weights_at_the_edges_are_exact(make, size, slope, dtype):
    w = edges(dtype)[None]
    g = mg.Sequential(w.size, Dense(1, bias=False, weights=lambda shape, rng: w, name="y"), dtype=dtype)
    g.cost(make(0.5, "y.w"), name="c")
    with np.errstate(all="raise", under="ignore"):
        run = g.forward(x=np.zeros((2, w.size))).backward()
    near(run["c"].a, [sum(map(size, exactly(w[0]))) / 2] * 2, dtype)
    near(run.grad(g.params["y.w"]), slope(w) / 2, dtype)


def test_every_cost_is_here():
    here = {*ELEMENTS, "SoftmaxCrossEntropy", "CosineEmbedding", "TripletMargin", "L1", "L2"}
    abstract = {"Cost", "Penalty"}
    there = {name for name in costs.__all__ if isinstance(getattr(costs, name), type)}
    assert {name for name in there - abstract if issubclass(getattr(costs, name), Cost)} == here
