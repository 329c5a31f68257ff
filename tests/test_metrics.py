"""Metrics: accuracy, top k, R², functions of one's own, for one cost or several."""

import numpy as np
import pytest
from training import LABELS, QUIET, T, X, classifier, net, two_costs

import minigraph as mg
from minigraph import metrics
from minigraph.costs import L2, MeanAbsoluteError, Quadratic, SoftmaxCrossEntropy, TripletMargin
from minigraph.errors import GraphError
from minigraph.layers import Dense

RNG = np.random.default_rng(0)


def r2_by_hand(a, y):
    scores = []
    for j in range(a.shape[1]):
        mean = sum(y[:, j]) / len(y)
        scores.append(1 - sum((y[:, j] - a[:, j]) ** 2) / sum((v - mean) ** 2 for v in y[:, j]))
    return sum(scores) / len(scores)


@pytest.mark.parametrize("size", [1, 7, 23, 1000])
def test_r2_is_that_of_all_examples_whatever_the_batches(size):
    g = net()
    a = g.forward(x=X, t=T + 100)["dense_1"].a
    score = mg.evaluate(g, {"x": X, "t": T + 100}, batch_size=size, metrics=["r2"])
    assert score.metrics["r2"] == pytest.approx(r2_by_hand(a, T + 100), rel=1e-9)
    assert score.accuracy is None


def test_r2_of_constant_targets():
    metric = metrics.R2()
    metric.add(np.array([[1.0, 2.0], [1.0, 3.0]]), np.array([[1.0, 5.0], [1.0, 5.0]]))
    assert metric.value() == 0.5
    with pytest.raises(GraphError, match="targets of the outputs' shape"):
        metric.add(np.zeros((2, 3)), np.zeros((2, 2)))


def test_top_k_counts_classes_with_fewer_than_k_scores_above():
    a = np.array([[3.0, 2.0, 1.0], [1.0, 1.0, 0.0], [0.0, 5.0, 2.0], [9.0, 1.0, 2.0]])
    y = np.array([1, 1, 0, 1])
    for k, right in ((1, [False, True, False, False]), (2, [True, True, False, False]), (3, [True] * 4)):
        for targets in (y, np.eye(3)[y]):
            metric = metrics.top_k(k)
            metric.add(a, targets)
            assert metric.value() == np.mean(right)
    g = classifier()
    score = mg.evaluate(g, {"x": X, "t": LABELS}, metrics=[metrics.top_k(2), metrics.top_k(1)])
    assert score.metrics["top_1"] == score.accuracy < score.metrics["top_2"] < 1


def test_functions_of_ones_own_give_a_number_for_all_or_one_for_each():
    def largest_miss(a, y):
        return np.abs(a - y).max(axis=1)

    def bias(a, y):
        return (a - y).mean()

    g = net()
    a = g.forward(x=X, t=T)["dense_1"].a
    for size in (1, 5, 23):
        score = mg.evaluate(g, {"x": X, "t": T}, batch_size=size, metrics=[largest_miss, bias])
        assert score.metrics["largest_miss"] == pytest.approx(np.abs(a - T).max(axis=1).mean())
        assert score.metrics["bias"] == pytest.approx((a - T).mean())
    with pytest.raises(GraphError, match="metric 'wrong' gives one number, or one for each of 23 examples"):
        mg.evaluate(g, {"x": X, "t": T}, metrics=[wrong])


def wrong(a, y):
    return a[:3]


def test_metrics_stand_in_the_history_beside_the_costs(tmp_path):
    data = {"x": X, "t": T}
    history = mg.fit(
        net(), data, epochs=3, batch_size=23, optimizer=mg.SGD(0.1), validation=data, metrics=["r2"], **QUIET
    )
    assert history["r2"].shape == history["validation_r2"].shape == (3,)
    assert history["validation_r2"][-1] > history["r2"][0]
    assert "validation_r2" in history.to_csv(tmp_path / "h.csv").read_text().splitlines()[0]
    assert "r2" in repr(history)
    with pytest.raises(GraphError, match="no column 'top_5' in the history: there are epoch, cost"):
        history["top_5"]


def test_with_several_costs_metrics_go_by_cost():
    g, data = two_costs()
    score = mg.evaluate(g, data, metrics={"what": ["accuracy"], "where": ["r2"]})
    assert set(score.metrics) == {"what.accuracy", "where.r2"}
    run = g.forward(data)
    assert score.metrics["what.accuracy"] == np.mean(run["class"].a.argmax(axis=1) == LABELS)
    with pytest.raises(GraphError, match="2 costs have targets: give metrics by cost"):
        mg.evaluate(g, data, metrics=["r2"])
    with pytest.raises(GraphError, match="one of 'what', 'where', got 'who'"):
        mg.evaluate(g, data, metrics={"who": ["r2"]})
    with pytest.raises(GraphError, match="no metric 'f1'"):
        mg.evaluate(classifier(), {"x": X, "t": LABELS}, metrics=["f1"])
    for k in (0, 1.5, True):
        with pytest.raises(GraphError, match="top_k takes a positive whole number"):
            metrics.top_k(k)


def test_a_penalty_beside_the_cost_leaves_accuracy_and_metrics_alone():
    g = classifier()
    plain = mg.evaluate(g, {"x": X, "t": LABELS}, metrics=["accuracy"])
    g.cost(L2(0.1, "*.w"))
    score = mg.evaluate(g, {"x": X, "t": LABELS}, metrics=["accuracy"], batch_size=5)
    assert score.accuracy == plain.accuracy
    squares = sum((p.value**2).sum() for name, p in g.params.items() if name.endswith(".w"))
    assert score.cost == pytest.approx(plain.cost + 0.05 * squares)


# ---- what doesn't count, and what can't be judged ----


@pytest.mark.parametrize("ignored", [-100, -1, 0, 2])
def test_ignored_labels_count_in_no_metric(ignored):
    labels = LABELS.copy()
    labels[:9] = ignored
    g = classifier(ignore_index=ignored)
    score = mg.evaluate(g, {"x": X, "t": labels}, metrics=[metrics.top_k(1), metrics.top_k(2)], batch_size=5)
    kept = labels != ignored
    z = g.forward(x=X, until="dense")["dense"].a[kept]
    place = [sum(row > row[label]) for row, label in zip(z, labels[kept], strict=True)]
    assert score.metrics["top_1"] == score.accuracy == pytest.approx(np.mean([p < 1 for p in place]))
    assert score.metrics["top_2"] == pytest.approx(np.mean([p < 2 for p in place]))
    none = mg.evaluate(g, {"x": X, "t": np.full(23, ignored)}, metrics=[metrics.top_k(1)])
    assert np.isnan(none.accuracy)
    assert np.isnan(none.metrics["top_1"])


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_top_k_finds_the_classes_along_the_axis_of_the_cost(axis):
    g = mg.Graph(seed=0)
    z = Dense(3, name="z")(g.input("x", (3, 4)))  # as many positions as classes
    g.cost(SoftmaxCrossEntropy(axis=axis), z, target="t")
    data = {"x": RNG.normal(size=(23, 3, 4)), "t": RNG.integers(0, 3, (23, 3))}
    score = mg.evaluate(g, data, metrics=[metrics.top_k(1), metrics.top_k(3)])
    assert score.metrics["top_1"] == pytest.approx(score.accuracy)
    assert 0 < score.metrics["top_1"] < score.metrics["top_3"] == 1


def triplets():
    g, same = mg.Graph(seed=0), Dense(3)
    g.cost(TripletMargin(), *(same(g.input(name, 4)) for name in "apn"), name="triplet")
    return g, {"a": X, "p": X + 1, "n": X - 1}


def absolute():
    return mg.Sequential(4, Dense(2), cost=MeanAbsoluteError())


WITHOUT_SENSE = {
    "accuracy of real numbers": (net, ["accuracy"], "'accuracy' takes targets that name classes.* Quadratic"),
    "top k of real numbers": (
        absolute,
        [metrics.top_k(1)],
        "'top_1' takes targets that name .* MeanAbsoluteError",
    ),
    "None": (net, None, "metrics are a list, or a dict of lists by cost, got None"),
    "a class": (net, [metrics.R2], "no metric <class"),
    "one name twice": (net, [lambda a, y: 1.0, lambda a, y: 2.0], "two metrics go by the name '<lambda>'"),
    "a column's name": (net, [metrics.Mean(lambda a, y: 1.0, "cost")], "can't go by 'cost', which the history has"),
}


@pytest.mark.parametrize("what", WITHOUT_SENSE)
def test_metrics_that_make_no_sense_are_refused(what):
    make, wished, said = WITHOUT_SENSE[what]
    with pytest.raises(GraphError, match=said):
        mg.evaluate(make(), {"x": X, "t": T}, metrics=wished)


def test_costs_without_targets_have_no_metrics():
    g, data = triplets()
    assert mg.evaluate(g, data).cost > 0
    with pytest.raises(GraphError, match="no cost has any"):
        mg.evaluate(g, data, metrics=["r2"])
    with pytest.raises(GraphError, match="a cost that has a target, one of none, got 'triplet'"):
        mg.evaluate(g, data, metrics={"triplet": ["r2"]})


@pytest.mark.parametrize("wished", ["r2", metrics.R2(), {"quadratic": "r2"}, (name for name in ["r2"])])
def test_one_metric_alone_or_from_a_generator_serves_training_and_validation(wished):
    data = {"x": X, "t": T}
    history = mg.fit(
        net(), data, epochs=2, batch_size=5, optimizer=mg.SGD(0.1), metrics=wished, validation=data, **QUIET
    )
    name = "quadratic.r2" if isinstance(wished, dict) else "r2"
    assert not np.isnan(history[name]).any()
    assert not np.isnan(history[f"validation_{name}"]).any()


def test_accuracy_is_given_up_where_later_targets_name_no_classes():
    g = mg.Sequential(4, Dense(1), cost=Quadratic(), seed=0)
    counts = np.zeros((23, 1))
    counts[1::2], counts[20] = 1.0, 7.0
    for size in (2, 23):
        assert mg.evaluate(g, {"x": X, "t": counts}, batch_size=size).accuracy is None
    counts[20] = 0.0
    a = g.forward(x=X, until="dense")["dense"].a
    assert mg.evaluate(g, {"x": X, "t": counts}, batch_size=2).accuracy == np.mean((a > 0.5) == (counts > 0.5))
