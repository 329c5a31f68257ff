"""fit, evaluate, predict, History."""

import csv
from dataclasses import dataclass

import numpy as np
import pytest

import minigraph as mg
from minigraph.costs import BinaryCrossEntropy, Quadratic, SoftmaxCrossEntropy
from minigraph.errors import FeedError, GraphError, RenderError
from minigraph.layers import Dense, Dropout, Identity

RNG = np.random.default_rng(0)
X, T = RNG.normal(size=(23, 4)), RNG.normal(size=(23, 2))
LABELS = RNG.integers(0, 3, 23)


def net(cost=None, **options):
    return mg.Sequential(4, Dense(5, "tanh"), Dense(2), cost=cost or Quadratic(), seed=1, **options)


def values(g):
    return [p.value.copy() for p in g.params.values()]


# ---- fit ----


@dataclass(eq=False)
class Log(Identity):
    """Writes down the rows that pass, in training and not."""

    seen: list = None

    def forward(self, at, x):
        self.seen.append((at.training, x[:, 0].copy()))
        return x


def test_every_example_once_an_epoch_in_batches_the_last_one_short():
    log = Log(seen=[])
    g = mg.Sequential(1, log, Dense(1), cost=Quadratic(), seed=0)
    number = np.arange(23.0)[:, None]
    mg.fit(g, {"x": number, "t": number}, epochs=2, batch_size=5, optimizer=mg.SGD(lr=0.0), progress=False)
    assert [len(rows) for _, rows in log.seen] == [5, 5, 5, 5, 3] * 2
    first, second = (np.concatenate([rows for _, rows in log.seen[i : i + 5]]) for i in (0, 5))
    assert sorted(first) == sorted(second) == list(range(23))
    assert list(first) != list(second) != list(range(23))
    assert all(training for training, _ in log.seen)


@pytest.mark.parametrize("m", [1, 5, 23, 100])
def test_fit_equals_steps_by_hand(m):
    g, twin = net(), net()
    mg.fit(g, {"x": X, "t": T}, epochs=2, batch_size=m, optimizer=mg.SGD(lr=0.1), progress=False, seed=7)
    rng = np.random.default_rng(7)
    rng.integers(2**63)  # the seed of the run
    for _ in range(2):
        order = rng.permutation(23)
        for start in range(0, 23, m):
            rows = order[start : start + m]
            run = twin.forward(x=X[rows], t=T[rows]).backward()
            for p, grad in [(p, run.grad(p)) for p in twin.params.values()]:
                p.value = p.value - 0.1 * grad
    for ours, theirs in zip(values(g), values(twin), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


def test_same_seed_same_weights_and_history():
    def trained(seed, fit_seed=None):
        g = mg.Sequential(4, Dense(5, "relu"), Dropout(0.3), Dense(2), cost=Quadratic(), seed=seed)
        options = {"epochs": 3, "batch_size": 4, "optimizer": mg.SGD(lr=0.05), "progress": False, "seed": fit_seed}
        history = mg.fit(g, {"x": X, "t": T}, **options)
        return np.concatenate([v.ravel() for v in values(g)]), history.cost

    assert all((a == b).all() for a, b in zip(trained(3), trained(3), strict=True))
    assert (trained(3)[0] != trained(4)[0]).any()
    assert (trained(3, 1)[0] != trained(3, 2)[0]).any()


def test_history_counts_costs_and_right_answers(tmp_path):
    g = mg.Sequential(4, Dense(3), cost=SoftmaxCrossEntropy(), seed=0)
    data = {"x": X, "t": LABELS}
    options = {"batch_size": 5, "optimizer": mg.SGD(lr=0.0), "validation": data, "progress": False}
    history = mg.fit(g, data, epochs=2, **options)
    run = g.forward(data)
    right = np.mean(run["dense"].a.argmax(axis=1) == LABELS)
    for column, value in (("cost", run.cost), ("validation_cost", run.cost)):
        np.testing.assert_allclose(getattr(history, column), [value] * 2, rtol=1e-12)
    assert list(history.accuracy) == list(history.validation_accuracy) == [right] * 2
    assert list(history.epoch) == [1, 2]
    assert (history.seconds > 0).all()
    assert len(history) == 2
    assert next(iter(history))["epoch"] == 1
    rows = list(csv.reader(history.to_csv(tmp_path / "h.csv").read_text(encoding="utf-8").splitlines()))
    assert rows[0] == ["epoch", "cost", "accuracy", "validation_cost", "validation_accuracy", "seconds"]
    assert [float(row[1]) for row in rows[1:]] == list(history.cost)
    mg.fit(g, data, epochs=1, history=history, **options)
    assert list(history.epoch) == [1, 2, 3]


def test_history_leaves_open_what_was_not_measured(tmp_path):
    history = mg.fit(net(), {"x": X, "t": T}, epochs=1, batch_size=23, optimizer=mg.SGD(lr=0.1), progress=False)
    assert np.isnan(history.accuracy).all()
    assert np.isnan(history.validation_cost).all()
    assert ",,," in history.to_csv(tmp_path / "h.csv").read_text()


def test_history_plots(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib, of the extra plot, is not installed")
    g = mg.Sequential(4, Dense(3), cost=SoftmaxCrossEntropy(), seed=0)
    history = mg.fit(g, {"x": X, "t": LABELS}, epochs=3, batch_size=5, optimizer=mg.SGD(lr=0.1), progress=False)
    figure = history.plot(tmp_path / "h.png")
    assert (tmp_path / "h.png").stat().st_size > 1000
    [line] = figure.axes[0].lines
    assert list(line.get_ydata()) == list(history.cost)


def test_history_says_what_plotting_needs(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(RenderError, match=r"pip install 'minigraph\[plot\]'"):
        mg.History().plot()


def test_progress_bar_shows_cost_and_accuracy_and_can_be_off(capsys):
    g = mg.Sequential(4, Dense(3), cost=SoftmaxCrossEntropy(), seed=0)
    data = {"x": X, "t": LABELS}
    mg.fit(g, data, epochs=2, batch_size=5, optimizer=mg.SGD(lr=0.1), validation=data)
    said = capsys.readouterr()
    assert said.out == ""
    assert all(word in said.err for word in ("epoch 2/2", "cost", "accuracy", "validation"))
    mg.fit(g, data, epochs=2, batch_size=5, optimizer=mg.SGD(lr=0.1), progress=False)
    said = capsys.readouterr()
    assert said.out == said.err == ""


def test_interrupt_leaves_graph_and_history_usable():
    class Interrupting(mg.SGD):
        steps = 0

        def step(self, run):
            self.steps += 1
            if self.steps == 8:
                raise KeyboardInterrupt
            super().step(run)

    g, history = net(), mg.History()
    before = g.forward(x=X, t=T).cost
    options = {"batch_size": 5, "progress": False, "history": history}
    with pytest.raises(KeyboardInterrupt):
        mg.fit(g, {"x": X, "t": T}, epochs=5, optimizer=Interrupting(lr=0.1), **options)
    assert len(history) == 1
    assert g.forward(x=X, t=T).backward().cost < before
    mg.fit(g, {"x": X, "t": T}, epochs=2, optimizer=mg.SGD(lr=0.1), **options)
    assert len(history) == 3


def test_training_runs_only_what_the_costs_need():
    g = mg.Graph(seed=0)
    x = g.input("x", 4)
    log = Log(seen=[])
    g.cost(Quadratic(), x >> Dense(2))
    g.output(x >> log)
    mg.fit(g, {"x": X, "t": T}, epochs=1, batch_size=5, optimizer=mg.SGD(lr=0.1), progress=False)
    assert log.seen == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"data": {"x": X}}, "'t'.* was not fed"),
        ({"data": {"x": X, "t": T, "z": T}}, "no input 'z'"),
        ({"data": {"x": X, "t": T[:5]}}, "same number of examples"),
        ({"data": {"x": X[0], "t": T[0]}}, "one example without a batch axis"),
        ({"data": {"x": X[:, :3], "t": T}}, "'x'.*takes a batch of shape"),
        ({"data": [X, T]}, "a dict of arrays"),
        ({"epochs": 0}, "positive whole number of epochs"),
        ({"epochs": 2.5}, "positive whole number of epochs"),
        ({"batch_size": True}, "positive whole number of batch_size"),
        ({"validation": {"x": X}}, "'t'.* was not fed"),
    ],
)
def test_fit_refuses(change, fault):
    options = {"data": {"x": X, "t": T}, "epochs": 1, "batch_size": 5, "optimizer": mg.SGD(lr=0.1), "progress": False}
    with pytest.raises((FeedError, GraphError), match=fault):
        mg.fit(net(), **{**options, **change})


def test_a_graph_without_cost_is_not_trained():
    with pytest.raises(GraphError, match="no cost"):
        mg.fit(mg.Sequential(4, Dense(2)), {"x": X}, epochs=1, batch_size=5, optimizer=mg.SGD(lr=0.1))


# ---- evaluate, predict ----


def test_evaluate_equals_one_run_whatever_the_batches():
    g = mg.Sequential(4, Dense(5, "relu"), Dropout(0.5), Dense(3), cost=SoftmaxCrossEntropy(), seed=0)
    run = g.forward(x=X, t=LABELS)
    for size in (1, 7, 23, 1000):
        score = mg.evaluate(g, {"x": X, "t": LABELS}, batch_size=size)
        assert score.cost == pytest.approx(run.cost, rel=1e-12)
        assert score.accuracy == np.mean(run["dense_1"].a.argmax(axis=1) == LABELS)


@pytest.mark.parametrize(
    ("cost", "targets", "right"),
    [
        (Quadratic(), np.array([[1, 0], [0, 1], [0, 1]]), 2 / 3),
        (Quadratic(), np.array([[0.5, 0], [0, 1], [0, 1]]), None),
        (BinaryCrossEntropy(), np.array([[1, 0], [0, 0], [0, 1]]), 1 / 3),
        (BinaryCrossEntropy(), np.array([[0.5, 0], [0, 1], [1, 0]]), None),
        (SoftmaxCrossEntropy(), np.array([0, 1, 0]), 1.0),
    ],
)
def test_accuracy_where_targets_name_classes(cost, targets, right):
    g = mg.Graph()
    g.cost(cost, g.input("z", 2))
    assert mg.evaluate(g, {"z": [[2.0, -1], [-1, 1], [1, -2]], "t": targets}, batch_size=2).accuracy == right


def test_accuracy_of_a_single_output_is_which_of_0_and_1_is_nearer():
    g = mg.Graph()
    g.cost(Quadratic(), g.input("a", 1))
    assert mg.evaluate(g, {"a": [[0.9], [0.2], [0.6], [0.4]], "t": [[1], [0], [0], [1]]}).accuracy == 0.5


def test_two_costs_add_up_and_leave_accuracy_open():
    g = mg.Graph(seed=0)
    h = g.input("x", 4) >> Dense(3)
    g.cost(SoftmaxCrossEntropy(), h, target="label")
    g.cost(Quadratic(weight=2.0), h, target="t")
    data = {"x": X, "label": LABELS, "t": RNG.normal(size=(23, 3))}
    score = mg.evaluate(g, data)
    parts = g.forward(data).costs
    assert score.cost == pytest.approx(sum(parts.values()), rel=1e-12)
    assert set(parts) == {"softmax_cross_entropy", "quadratic"}
    g2 = mg.Graph(seed=0)
    h = g2.input("x", 4) >> Dense(3)
    g2.cost(SoftmaxCrossEntropy(), h, target="label")
    g2.cost(SoftmaxCrossEntropy(), h, target="label", name="again")
    assert mg.evaluate(g2, {"x": X, "label": LABELS}).accuracy is None


def test_predict_gives_outputs_without_targets():
    g = net()
    expected = g.forward(x=X, t=T)["dense_1"].a
    for size in (1, 6, 100):
        np.testing.assert_allclose(mg.predict(g, x=X, batch_size=size), expected, rtol=1e-12)
    np.testing.assert_allclose(mg.predict(g, {"x": X[3]}), expected[3], rtol=1e-12)
    g.output("dense", "dense_1")
    several = mg.predict(g, x=X)
    assert set(several) == {"dense", "dense_1"}
    assert several["dense"].shape == (23, 5)
    with pytest.raises(FeedError, match=r"'x'.*was not fed"):
        mg.predict(g)
