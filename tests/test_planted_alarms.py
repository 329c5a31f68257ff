"""No false alarm of the gradient check: not over the whole catalogue, nor at kinks, which excuse no bug beside them."""

import numpy as np
import pytest
import wirings
from cases import CASES
from test_planted import plant

import minigraph as mg
from minigraph.check import check
from minigraph.costs import CosineEmbedding, Hinge, Huber, MeanAbsoluteError, SmoothL1, TripletMargin
from minigraph.layers import RNN, Abs, Activation, Dense, Max, MaxPool2D, PReLU

DTYPES = ("float64", "float32")


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


# ---- the catalogue ----


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_every_row_in_every_mode_and_dtype(case):
    for dtype, m in zip(DTYPES, (5, case.fewest), strict=True):
        for training in (False, True):
            node, rng = case.node(dtype), np.random.default_rng(m)
            for param in node.layer.params.values():
                param.value = param.value + rng.normal(size=param.shape)
            feeds = {f"x{i}": x for i, x in enumerate(case.inputs(rng, m))}
            report = check(node.graph, feeds, training=training, seed=m)
            assert report.ok, str(report)


def assert_right(row, dtype, training):
    graph = wirings.wired(row, dtype).graph
    report = check(graph, wirings.feeds(graph, 4), training=training, samples=5)
    assert report.ok, str(report)
    assert not report.skipped


@pytest.mark.parametrize("row", wirings.ROWS)
def test_every_wiring(row):
    assert_right(row, "float64", training=True)


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "training"), [("float64", False), ("float32", False), ("float32", True)])
@pytest.mark.parametrize("row", wirings.ROWS)
def test_every_wiring_in_other_modes_and_dtypes(row, dtype, training):
    assert_right(row, dtype, training)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seed", range(60))
def test_random_graphs(seed, dtype):
    assert_right(seed, dtype, training=seed % 2 == 1)


# ---- kinks ----

ZEROS, NOTHING = np.array([[0.0, 0.0, 2.0], [0.0, -1.5, 0.5]]), np.zeros((2, 3))
SIGMA = "self.sigma.backward(error, at.inputs[0], at.a, out=at.sent)"
IMAGE = np.array([[[[1.0, 1.0, 3.0, 2.0], [1.0, 0.0, 3.0, 3.0], [0.0, 0.0, 5.0, -1.0], [0.0, 0.0, 1.0, 5.0]]]])
TIES = np.array([[1.0, 1.0, 0.0], [2.0, 2.0, 2.0], [0.0, 1.0, 3.0]])
PAIRS = np.array([[3.0, 4.0], [1.0, 1.0]])
BESIDE = np.array([[4.0, -3.0], [1.0, 0.5]])

# what, a layer, its inputs, how many kinks; a bug for what is smooth: where, old, new; one at the kink, alike
KINKS = [
    ("relu", lambda: Activation("relu"), [ZEROS], ("backward", SIGMA, f"1.01 * {SIGMA}"), 
     ("sigma.backward", "return out", "return np.where(z == 0.0, -0.5 * error, out)")),
    ("leaky relu", lambda: Activation("leaky_relu"), [ZEROS], ("sigma.backward", "1.0, above", "1.5, above"),
     ("sigma.backward", "return np.multiply(slope, error, out=slope)", "return slope * error * (z != 0.0)")),
    ("selu", lambda: Activation("selu"), [ZEROS], ("sigma.backward", "SCALE, SCALE * ALPHA", "SCALE, SCALE"),
     ("sigma.backward", "return _elu", "return (2.0 * (z == 0.0) + 1.0) * _elu")),
    ("prelu", PReLU, [ZEROS], ("backward", "at.sent += positive", "at.sent += 0.9 * positive"),
     ("backward", "at.sent += positive", "at.sent += positive + 2.0 * (x == 0.0)")),
    ("abs", Abs, [ZEROS], ("backward", "np.sign(at.inputs[0]", "np.abs(at.inputs[0]"),
     ("backward", "at.sent *= error", "at.sent += 1.1 * (at.inputs[0] == 0.0); at.sent *= error")),
    ("dense", lambda: Dense(3, "relu", weights="zeros"), [normal(4, 3)],
     ("backward", "if self.b is not None:", "if self.b is not None and at.delta.any():"), None),
    ("max pool", lambda: MaxPool2D(2), [IMAGE],
     ("backward", "_add_at(sent, place, error)", "_add_at(sent, place, 2.0 * error)"),
     ("backward", "return sent", "return sent + (at.inputs[0] == 3.0) * 9.0")),
    ("overlapping max pool", lambda: MaxPool2D(3, 1), [IMAGE],
     ("_add_at", "np.add.at(sent.reshape(-1), place.reshape(-1), error.reshape(-1))",
      "sent.reshape(-1)[place.reshape(-1)] = error.reshape(-1)"), None),
    ("max", lambda: Max(-1), [TIES], ("backward", "np.equal(x,", "np.less_equal(x - 2.5,"),
     ("backward", "np.divide(error.reshape(at.kept), ties", "np.divide(error.reshape(at.kept), 1.0")),
    ("mean absolute error", MeanAbsoluteError, [ZEROS, NOTHING], ("backward", "1.0 / at", "1.1 / at"),
     ("backward", "self.send(at, at.slope, error)", "self.send(at, at.slope + (at.difference == 0.0), error)")),
    ("smooth l1 without a round corner", lambda: SmoothL1(0.0), [ZEROS, NOTHING],
     ("backward", "1.0 / at", "1.1 / at"), None),
    ("huber at its corner", lambda: Huber(1.5), [ZEROS, NOTHING],
     ("backward", "np.multiply(at.t,", "np.multiply(at.t**3,"), None),
    ("smooth l1 at its corner", lambda: SmoothL1(0.5), [ZEROS, NOTHING], ("backward", "1.0 / at", "1.1 / at"), None),
    ("hinge at its margin", lambda: Hinge(2.0), [ZEROS, np.array([[1.0, -1.0, 1.0], [1.0, 1.0, -1.0]])],
     ("backward", "-1.0 / at", "-1.1 / at"),
     ("backward", "at.short <= 0.0)", "at.short < 0.0); np.copyto(at.slope, 1.0, where=at.short == 0.0)")),
    ("triplets at their margin", lambda: TripletMargin(5.0, eps=0.0), [0 * PAIRS, 0 * PAIRS, PAIRS], None, None),
    ("triplets by absolute values", lambda: TripletMargin(1.0, 1.0, 0.0), [PAIRS, PAIRS, BESIDE],
     ("backward", "near - far", "near + far"), None),
    ("angles at their margin", CosineEmbedding, [PAIRS, BESIDE, -np.ones(2)],
     ("backward", "along / at.vv", "along / at.uu"), None),
    ("far out", lambda: Activation("softplus"), [np.array([[-800.0, -709.0, -88.0, 20.0, 88.0, 709.0, 1e4]])],
     ("sigma.backward", "np.negative(a, out=out)", "np.negative(z, out=out)"), None),
    ("where sigmoids are cut off", lambda: Activation("sigmoid"), [np.array([[-709.0, 88.0, 709.0, 1e4, 0.5]])],
     ("sigma.backward", "np.multiply(out, a, out=out)", "pass"), None),
    ("where others are cut off", lambda: Activation(["gelu", "gelu_tanh", "silu", "mish", "elu"]),
     [np.array([[38.0, 10.0, 41.0, 41.0, 0.0], [-38.0, -1000.0, -1000.0, -1000.0, -1000.0], [0.0] * 5])],
     ("sigma.backward", "kind.backward(error[at]", "1.01 * kind.backward(error[at]"), None),
]  # fmt: skip


def alone(layer, inputs, dtype):
    g = mg.Graph(seed=2, dtype=dtype)
    sources = [g.input(f"x{i}", x.shape[1:]) for i, x in enumerate(inputs)]
    g.add(layer, *sources, name="node")
    return g, {f"x{i}": x for i, x in enumerate(inputs)}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("make", "inputs", "smooth", "sharp"), [row[1:] for row in KINKS], ids=[row[0] for row in KINKS]
)
def test_a_kink_is_no_fault_and_hides_none(make, inputs, smooth, sharp, dtype):
    for training in (False, True):
        report = check(*alone(make(), inputs, dtype), training=training)
        assert report.ok, str(report)
    for bug in filter(None, (smooth, sharp)):
        report = check(*alone(plant(make(), *bug), inputs, dtype), raise_on_failure=False)
        assert {finding.node for finding in report.failures} == {"node"}, f"{bug}\n{report}"


def test_a_chain_of_kinks_within_a_node_is_no_fault_and_hides_none():
    """Steps of rectifiers that start at 0, from which no side's slope is that of the node."""
    for seed in range(12):
        x = np.zeros((2, 3, 2))
        x[:, 2] = normal(2, 2, seed=seed)
        g = mg.Sequential((3, 2), RNN(4, activation="relu"), seed=seed)
        report = check(g, x=x)
        assert report.ok, str(report)
        assert report.kinks
    wrong = plant(RNN(4, activation="relu"), "step_back", "now[0], at.slopes[t]", "now[0], 1.5 * at.slopes[t]")
    g = mg.Sequential((3, 2), wrong, seed=seed)
    assert {finding.part for finding in check(g, x=x).failures} >= {"w", "input 0 (x)"}
