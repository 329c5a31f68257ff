"""Bugs planted into costs: see test_planted.py."""

import numpy as np
import pytest
from test_planted import NUMBERS, assert_found, bugs, checked, named, wrong

import minigraph as mg
from minigraph.check import check
from minigraph.costs import L1, L2, Quadratic
from minigraph.layers import Dense

SEND = "column(self.scales(at, error), slope)"
COSTS = {
    ("Quadratic", "backward"): [
        ("sign", "at.difference, error", "-at.difference, error", "0"),
        ("divided by m", "at.difference, error", "at.difference, error / at.m", "0"),
        ("the error ignored", "self.send(at, at.difference, error)", "(at.difference, None)", "0"),
        ("an error for the target", "self.send(at, at.difference, error)", "at.difference", "!must return 2 errors"),
    ],
    ("Quadratic-examples", "scales"): [
        ("weights of examples forgotten", "scales *= like(at.inputs[-1], scales)", "pass", "0"),
        ("weights in the wrong order", "like(at.inputs[-1], scales)", "like(at.inputs[-1][::-1], scales)", "0"),
    ],
    ("Quadratic-2d", "send"): [("one scale for all examples", SEND, "self.scales(at, error)[0]", "0")],
    ("Quadratic", "forward"): [("½ forgotten in forward", "0.5 * self.weight", "self.weight", "0")],
    ("SoftmaxCrossEntropy-weight", "scales"): [
        ("weight of the cost forgotten", "error * self.weight", "error * 1.0", "0"),
    ],
    ("MeanSquaredError", "backward"): [
        ("2 forgotten", "2.0 /", "1.0 /", "0"),
        ("divided by all elements", "at.difference[0].size", "at.difference.size", "0"),
    ],
    ("MeanAbsoluteError", "backward"): [
        ("sum for mean", "1.0 / at.difference[0].size", "1.0", "0"),
        ("difference for its sign", "np.sign(at.difference", "np.positive(at.difference", "0"),
    ],
    ("Huber", "backward"): [
        ("not limited", "np.multiply(at.t,", "np.multiply(at.difference.reshape(at.t.shape),", "0"),
        ("the sign alone", "np.multiply(at.t,", "np.multiply(np.sign(at.t),", "0"),
    ],
    ("SmoothL1-sharp", "backward"): [("beta forgotten", "np.multiply(at.s,", "np.multiply(at.s * self.beta,", "0")],
    ("BinaryCrossEntropy", "backward"): [
        ("target forgotten", "np.subtract(at.slope, at.y, out=at.slope)", "pass", "0"),
        ("z for σ(z)", "sigmoid(at.inputs[0], out=at.slope)", "at.inputs[0].copy()", "0"),
        ("σ' once more", "np.subtract(at.slope, at.y, out",
         "np.multiply(at.slope - at.y, at.slope * (1 - at.slope), out", "0"),
    ],
    ("BinaryCrossEntropy-mean", "_per_output"): [("sum for mean", '"sum"', '"mean"', "0")],
    ("BinaryCrossEntropyOnProbabilities", "backward"): [
        ("as on logits", "np.divide(p - at.y, at.slope", "np.subtract(p, at.y", "0"),
        ("1 − p forgotten", "np.subtract(1.0, p, out=at.slope)", "np.ones_like(p)", "0"),
    ],
    ("KLDivergence", "backward"): [("sign", "np.negative", "np.positive", "0")],
    ("Hinge", "backward"): [
        ("no margin", "np.copyto(at.slope, 0.0, where=at.short <= 0.0)", "pass", "0"),
        ("target forgotten", "np.multiply(at.y,", "np.multiply(np.abs(at.y),", "0"),
    ],
    ("CosineEmbedding", "backward"): [
        ("lengths taken for constants", " - column(along / at.uu, u) * u", "", "0"),
        ("errors swapped", "(to_u, to_v,", "(to_v, to_u,", "0 1"),
        ("the other's length", "along / at.vv", "along / at.uu", "1"),
    ],
    ("TripletMargin", "backward"): [
        ("sign of the far one", "(near - far", "(near + far", "0"),
        ("not cut off", "np.where(at.over < 0.0, 0.0, self.scales(at, error))", "self.scales(at, error)", "0 1 2"),
        ("to the wrong input", "np.negative(near), far", "far, np.negative(near)", "1 2"),
    ],
    ("TripletMargin-3-norm", "_distance"): [("power off by one", "(self.p - 1.0)", "self.p", "0 1 2")],
    ("SoftmaxCrossEntropy", "backward"): [("target forgotten", "_take_away(slope, at.place, at.factor)", "pass", "0")],
    ("SoftmaxCrossEntropy", "_take_away"): [("of the next class", "[place]", "[(place + 1) % slope.size]", "0")],
    ("SoftmaxCrossEntropy-sequence", "backward"): [
        ("sum for mean over positions", "at.p, at.factor", "at.p, 1.0", "0"),
    ],
    ("SoftmaxCrossEntropy-soft", "backward"): [
        ("weights forgotten", "self.send(at, slope, error)", "(slope * error[:, None], None, None)", "0"),
    ],
    ("SoftmaxCrossEntropy-smooth", "backward"): [
        ("smoothing forgotten", "np.subtract(slope, at.t",
         "np.subtract(slope, at.t == at.t.max(axis=1, keepdims=True)", "0"),
    ],
    ("SoftmaxCrossEntropy-classes", "backward"): [
        ("weights of classes forgotten", "np.multiply(at.p, total, out=slope)", "np.copyto(slope, at.p)", "0"),
        ("their sum forgotten", "np.multiply(slope, at.factor, out=slope)", "pass", "0"),
    ],
    ("SoftmaxCrossEntropy-ignored", "backward"): [
        ("ignored ones counted", "np.copyto(slope, 0.0, where=total == 0.0)",
         "np.copyto(slope, at.p, where=total == 0.0)", "0"),
    ],
    ("SoftmaxCrossEntropy-middle", "backward"): [
        ("classes along another axis", "at.p, at.factor, out=slope", "at.p[::-1], at.factor, out=slope", "0"),
    ],
    ("Value-weighted", "scales"): [("weight twice", "error * self.weight", "error * self.weight**2", "0")],
}  # fmt: skip
BUGS = bugs(COSTS)


@pytest.mark.parametrize("bug", BUGS, ids=named)
def test_a_bug_in_a_cost_is_found_at_its_node_and_nowhere_else(bug):
    assert_found(checked(bug), bug.found)


PENALTIES = [
    ("half of it", L2, "slope", "np.positive(p, out=out)", "np.multiply(p, 0.5, out=out)"),
    ("p for its sign", L1, "slope", "np.sign(p, out=out)", "np.positive(p, out=out)"),
    ("mean for sum", L2, "backward", "np.add.reduce(error)", "np.mean(error)"),
    ("strength forgotten", L1, "backward", "self.weight * self.strength", "self.weight"),
    ("the first Param only", L2, "backward", "self.params.values():", "list(self.params.values())[:1]:"),
]


@pytest.mark.parametrize(
    ("kind", "where", "old", "new"), [row[1:] for row in PENALTIES], ids=[row[0] for row in PENALTIES]
)
def test_a_bug_in_a_penalty_is_found_at_its_node_and_nowhere_else(kind, where, old, new):
    for planted, right in ((kind, True), (wrong(kind, where, old, new), False)):
        g = mg.Graph(seed=0)
        h = g.input("x", 3) >> Dense(4, "tanh") >> Dense(2)
        g.cost(Quadratic(), h, target="t")
        g.cost(planted(0.3, "*.w"), name="planted")
        g.cost(kind(0.2, "*.b"), name="right")
        rng = np.random.default_rng(0)
        report = check(g, x=rng.normal(size=(4, 3)), t=rng.normal(size=(4, 2)), samples=NUMBERS)
        assert report.ok == right
        assert {finding.node for finding in report.failures} == (set() if right else {"planted"})


def test_a_short_cut_for_the_error_that_runs_start_with():
    """The right numbers for any error, but for the very array of ones that a run hands to its costs."""

    class Short(Quadratic):
        def send(self, at, slope, error):
            sent = super().send(at, slope, error)
            return (slope, None) if error is at.ones else sent

    for weight in (1.0, 2.0):
        g = mg.Graph(seed=0)
        g.cost(Short(weight=weight), g.input("x", 3) >> Dense(2), target="t", name="planted")
        rng = np.random.default_rng(0)
        report = check(g, x=rng.normal(size=(4, 3)), t=rng.normal(size=(4, 2)))
        assert report.ok == (weight == 1.0)
    assert_found(report, "!numbers for at.ones")
