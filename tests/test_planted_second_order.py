"""The second-order check: what is right at the run's values alone is found, and nothing else."""

import numpy as np
import pytest
import wirings
from test_check import WIDTH, Plain, instead, normal
from test_planted import ROWS

import minigraph as mg
from minigraph.check import check, second, whole
from minigraph.costs import Quadratic, SoftmaxCrossEntropy
from minigraph.errors import GraphError, LayerError
from minigraph.layers import Activation, BatchNorm, Dense, Dropout, StopGradient

FEEDS = {"x": normal(3, WIDTH), "t": normal(3, 2, seed=1)}
KEPT = {}


def kept(self, at):
    """The slopes that were computed when z was much the same."""
    key = np.round(at.z, 2).tobytes()
    if key not in KEPT:
        KEPT[key] = 1 - at.a**2
    return KEPT[key]


def nearby(z):
    """The slope of the sine, but next to whole numbers."""
    off = np.abs(z - np.round(z))
    return np.cos(z) * np.where((off > 0) & (off < 4e-3), 1.2, 1.0)


def pairs(report):
    """Params and inputs that findings of the second order name."""
    return [set(finding.part.split(" and ")) for finding in report.failures if finding.kind == "second order"]


@pytest.mark.parametrize("seed", range(2))
def test_slopes_kept_from_values_that_were_much_the_same(seed):
    KEPT.clear()
    wrong = instead(Plain, slope=kept)()
    for layer in (Plain(), wrong):
        g = mg.Sequential(2, layer, Dense(2, name="y"), cost=Quadratic(), seed=seed)
        feeds = {"x": normal(1, 2, seed=seed), "t": normal(1, 2)}
        assert check(g, feeds)
        report = check(g, feeds, order=2)
        assert report.ok == (layer is not wrong), str(report)
    assert {finding.kind for finding in report.failures} == {"second order"}
    assert all(pair & {"wrong_plain.w", "wrong_plain.b", "x"} for pair in pairs(report))
    assert "isn't that of one function" in str(report)
    assert "(whole graph)" in str(report)


def test_a_wrong_branch_next_to_the_values_of_the_run():
    for slope in (np.cos, nearby):
        g = mg.Graph(seed=0)
        h = g.input("x", 2) >> Activation((np.sin, slope)) >> Dense(2, "tanh", name="y")
        g.cost(Quadratic(), h, target="t")
        feeds = {"x": np.array([[1.0, 0.0], [2.0, -1.0]]), "t": normal(2, 2)}
        assert check(g, feeds)
        report = check(g, feeds, order=2)
        assert report.ok == (slope is np.cos), str(report)
    assert all("x" in pair for pair in pairs(report))
    assert {"x"} in pairs(report) or {"x", "y.w"} in pairs(report)


def test_what_is_the_gradient_of_no_function_is_seen_without_the_first_order():
    for slope in (np.cos, lambda z: np.cos(z + 0.1)):
        g = mg.Sequential(2, Dense(2, (np.sin, slope), name="h"), Dense(2), cost=Quadratic(), seed=0)
        run = g.forward(x=normal(3, 2), t=normal(3, 2, seed=1))
        found = list(second.second_order(whole.Whole(run, np.random.default_rng(0)), 1e-6))
        assert len(found) == 5
        assert all(verdict.ok for _, verdict in found) == (slope is np.cos)


def test_it_waits_for_the_first_order():
    g = mg.Sequential(2, instead(Plain, slope=lambda self, at: 1.0)(), Dense(2), cost=Quadratic(), seed=0)
    report = check(g, x=normal(3, 2), t=normal(3, 2), order=2)
    assert {finding.kind for finding in report.findings} == {"gradient", "consequence"}


@pytest.mark.parametrize("row", ["shared_twice", "stop_gradient_in_the_middle", "computed_target", "several_outputs"])
def test_wirings_of_which_second_derivatives_are_right(row):
    assert_right(row)


@pytest.mark.slow
@pytest.mark.parametrize("row", [*wirings.ROWS, *range(20)])
def test_every_wiring(row):
    assert_right(row)


def assert_right(row):
    graph = wirings.wired(row).graph
    first = check(graph, wirings.feeds(graph, 4))
    report = check(graph, wirings.feeds(graph, 4), order=2)
    assert report.ok, str(report)
    assert report.checked.numbers > first.checked.numbers
    assert report.worst == first.worst


@pytest.mark.slow
@pytest.mark.parametrize("case", ROWS.values(), ids=ROWS)
def test_every_layer_and_cost(case):
    for training in {False, case.modes_differ}:
        node, rng = case.node(), np.random.default_rng(5)
        for param in node.layer.params.values():
            param.value = param.value + rng.normal(size=param.shape)
        feeds = {f"x{i}": x for i, x in enumerate(case.inputs(rng, 4))}
        report = check(node.graph, feeds, training=training, order=2, samples=2)
        assert report.ok, str(report)


@pytest.mark.parametrize(("training", "dtype"), [(False, "float64"), (True, "float32")])
def test_rectifiers_noise_and_statistics_are_no_fault(training, dtype):
    layers = [Dense(20, "relu"), BatchNorm(), Dropout(), Dense(20, "relu"), Dense(3)]
    g = mg.Sequential(WIDTH, *layers, cost=SoftmaxCrossEntropy(), seed=1, dtype=dtype)
    report = check(g, x=normal(8, WIDTH), t=np.arange(8) % 3, training=training, order=2, samples=5)
    assert report.ok, str(report)


def test_it_stands_beside_places_where_second_derivatives_jump():
    g = mg.Sequential(3, Activation("elu"), Dense(2), cost=Quadratic(), seed=0)
    report = check(g, x=np.zeros((2, 3)), t=normal(2, 2), order=2)
    assert report.ok, str(report)


def test_next_to_many_kinks_nothing_is_said():
    g = mg.Sequential(5, Dense(300, "relu"), Dense(2), cost=Quadratic(), seed=0)
    for seed in range(2):
        report = check(g, x=normal(60, 5), t=normal(60, 2), order=2, samples=1, seed=seed)
        assert report.ok, str(report)


def test_where_values_end_nothing_is_said():
    class UpToOne(mg.Layer):
        def build(self, shape, *, rng, dtype):
            return shape

        def forward(self, at, x):
            if x.max() > 1.0:
                raise LayerError("takes values up to 1")
            return x**2

        def backward(self, at, error):
            return 2 * error * at.inputs[0]

    g = mg.Sequential(2, UpToOne(), Dense(2, name="y"), cost=Quadratic(), seed=0)
    feeds = {"x": np.full((40, 2), 1 - 1e-5), "t": normal(40, 2)}
    report = check(g, feeds, order=2)
    assert report.ok, str(report)
    before = g["y"].layer.w.value.copy()
    with pytest.raises(LayerError, match="takes values up to 1"):
        whole.Whole(g.forward(feeds), np.random.default_rng(0)).beside()
    assert np.array_equal(g["y"].layer.w.value, before)


def test_of_many_params_some_are_chosen(monkeypatch):
    g = mg.Sequential(2, *[Dense(2, "tanh") for _ in range(4)], cost=Quadratic(), seed=0)
    feeds = {"x": normal(3, 2), "t": normal(3, 2, seed=1)}
    first = check(g, feeds).checked.numbers
    assert check(g, feeds, order=2).checked.numbers == first + 9
    monkeypatch.setattr(second, "LEAVES", 4)
    assert check(g, feeds, order=2).checked.numbers == first + 4


def test_graphs_without_anything_to_move():
    g = mg.Graph(seed=0)
    g.input("x", 2) >> StopGradient()
    assert check(g, x=normal(3, 2), order=2)


def test_other_orders_are_refused():
    g = mg.Sequential(2, Dense(2), cost=Quadratic())
    with pytest.raises(GraphError, match="order=1, or order=2"):
        check(g, x=normal(3, 2), t=normal(3, 2), order=3)
