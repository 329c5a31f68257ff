"""Metrics, early stopping, callbacks, accumulation, streams, arrays on disk, loops of one's own, several optimizers."""

import itertools
import tracemalloc

import numpy as np
import pytest

import minigraph as mg
from minigraph import metrics
from minigraph.costs import L2, Quadratic, SoftmaxCrossEntropy
from minigraph.errors import FeedError, GraphError
from minigraph.layers import BatchNorm, Concat, Dense, Dropout

RNG = np.random.default_rng(0)
X, T = RNG.normal(size=(23, 4)), RNG.normal(size=(23, 2))
LABELS = RNG.integers(0, 3, 23)
QUIET = {"progress": False}


def net(**options):
    return mg.Sequential(4, Dense(5, "tanh"), Dense(2), cost=Quadratic(), seed=1, **options)


def classifier(seed=0):
    return mg.Sequential(4, Dense(3), cost=SoftmaxCrossEntropy(), seed=seed)


def values(g):
    return [p.value.copy() for p in g.params.values()]


def same(one, other):
    return all((a == b).all() for a, b in zip(one, other, strict=True))


# ---- metrics ----


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


def two_costs():
    g = mg.Graph(seed=0)
    h = Dense(6, "tanh", name="h")(g.input("x", 4))
    g.cost(SoftmaxCrossEntropy(), Dense(3, name="class")(h), target="label", name="what")
    g.cost(Quadratic(), Dense(2, name="place")(h), target="t", name="where")
    return g, {"x": X, "label": LABELS, "t": T}


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


# ---- early stopping, callbacks ----


def test_early_stopping_ends_training_and_puts_the_best_weights_back():
    g, seen = net(), []
    data = {"x": X, "t": T}

    def spoil(epoch):
        seen.append((epoch.number, epoch.validation.cost))
        if epoch.number >= 3:  # from here on it can only get worse
            for param in g.params.values():
                param.value = param.value + 1.0

    stopping = mg.EarlyStopping(patience=4)
    history = mg.fit(
        g, data, epochs=50, batch_size=23, optimizer=mg.SGD(0.01), validation=data, stopping=stopping,
        callbacks=[spoil], **QUIET,
    )  # fmt: skip
    best = int(np.argmin(history.validation_cost))
    assert len(history) == best + 1 + 4 < 50
    assert mg.evaluate(g, data).cost == min(history.validation_cost) == seen[best][1]


def test_the_best_weights_are_back_also_when_training_ends_by_itself():
    g, kept = net(), []
    data = {"x": X, "t": T}
    history = mg.fit(
        g, data, epochs=6, batch_size=23, optimizer=mg.SGD(lambda step: 0.05 if step < 3 else 5.0), validation=data,
        stopping=mg.EarlyStopping(patience=10), callbacks=[lambda epoch: kept.append(values(g))], **QUIET,
    )  # fmt: skip
    best = int(np.argmin(history.validation_cost))
    assert best == 2
    assert same(values(g), kept[best])
    assert not same(values(g), kept[-1])


def test_running_statistics_go_back_with_the_weights():
    g = mg.Sequential(4, BatchNorm(name="n"), Dense(2), cost=Quadratic(), seed=0)
    layer, kept = g["n"].layer, []
    history = mg.fit(
        g, {"x": X, "t": T}, epochs=5, batch_size=23, optimizer=mg.SGD(lambda step: 0.05 if step < 2 else 5.0),
        stopping=mg.EarlyStopping(patience=2, watch="cost"), **QUIET,
        callbacks=[lambda epoch: kept.append([getattr(layer, name).copy() for name in layer.statistics])],
    )  # fmt: skip
    best = int(np.argmin(history.cost))
    assert best < len(history) - 1
    for name, array in zip(layer.statistics, kept[best], strict=True):
        np.testing.assert_array_equal(getattr(layer, name), array)


def test_other_columns_are_better_when_they_grow_and_margins_count():
    from minigraph.trainer import Best

    best = Best(net(), mg.EarlyStopping(patience=2, watch="accuracy", margin=0.1))
    assert [best.has_enough(v) for v in (0.5, 0.55, 0.65, 0.7, 0.72)] == [False, False, False, False, True]
    best = Best(net(), mg.EarlyStopping(patience=1, watch="validation_cost"))
    assert [best.has_enough(v) for v in (3.0, 2.0, 2.0)] == [False, False, True]


def test_early_stopping_refuses_what_makes_no_sense():
    for options in ({"patience": 0}, {"patience": 1.5}, {"margin": -1}, {"margin": np.nan}, {"margin": np.inf}):
        with pytest.raises(GraphError, match="EarlyStopping takes"):
            mg.EarlyStopping(**options)
    data = {"x": X, "t": T}
    with pytest.raises(GraphError, match="'validation_cost' was not measured"):
        mg.fit(net(), data, epochs=2, batch_size=5, optimizer=mg.SGD(0.1), stopping=mg.EarlyStopping(), **QUIET)
    stopping = mg.EarlyStopping(watch="f1")
    with pytest.raises(GraphError, match="no column 'f1'"):
        mg.fit(net(), data, epochs=2, batch_size=5, optimizer=mg.SGD(0.1), stopping=stopping, **QUIET)


def test_callbacks_see_each_epoch_and_end_training_by_true_alone():
    seen, g = [], net()
    options = {"epochs": 10, "batch_size": 5, "optimizer": mg.SGD(0.1), **QUIET}
    history = mg.fit(g, {"x": X, "t": T}, callbacks=[seen.append, lambda e: 1, lambda e: e.number == 4], **options)
    assert [epoch.number for epoch in seen] == [1, 2, 3, 4]
    assert [epoch.score.cost for epoch in seen] == list(history.cost)
    assert seen[0].graph is g
    assert seen[0].validation is None


# ---- accumulation ----


@pytest.mark.parametrize("make", [lambda: mg.SGD(0.3, momentum=0.9), lambda: mg.Adam(0.01)], ids=["SGD", "Adam"])
def test_accumulated_batches_move_weights_as_one_large_batch(make):
    one, parts = net(), net()
    data = {"x": X, "t": T}
    mg.fit(one, data, epochs=4, batch_size=23, optimizer=make(), seed=3, **QUIET)
    mg.fit(parts, data, epochs=4, batch_size=5, accumulate=5, optimizer=make(), seed=3, **QUIET)  # 5, 5, 5, 5, 3
    for a, b in zip(values(one), values(parts), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_what_is_left_at_the_end_of_an_epoch_moves_weights_too():
    class Counting(mg.SGD):
        moved = 0

        def step(self, run=None):
            self.moved += 1
            super().step(run)

    optimizer = Counting(0.1)
    mg.fit(net(), {"x": X, "t": T}, epochs=2, batch_size=5, accumulate=2, optimizer=optimizer, **QUIET)
    assert optimizer.moved == 2 * 3
    with pytest.raises(GraphError, match="accumulate is a positive whole number"):
        mg.fit(net(), {"x": X, "t": T}, epochs=2, batch_size=5, accumulate=0, optimizer=optimizer, **QUIET)

    class Own:
        def step(self, run):
            pass

    with pytest.raises(GraphError, match="accumulate takes minigraph's optimizers"):
        mg.fit(net(), {"x": X, "t": T}, epochs=2, batch_size=5, accumulate=2, optimizer=Own(), **QUIET)


# ---- streams, arrays on disk ----


def test_batches_from_a_list_train_as_they_come():
    one, other = net(), net()
    rows = [slice(0, 10), slice(10, 17), slice(17, 23)]
    mg.fit(one, [{"x": X[r], "t": T[r]} for r in rows], epochs=2, optimizer=mg.SGD(0.1), **QUIET)
    sgd = mg.SGD(0.1)
    for r in rows * 2:
        sgd.step(other.forward(x=X[r], t=T[r]).backward())
    for a, b in zip(values(one), values(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)


def endless():
    for i in itertools.count():
        yield {"x": X[i % 4 : i % 4 + 5], "t": T[i % 4 : i % 4 + 5]}


def test_steps_cut_an_endless_stream_into_epochs():
    history = mg.fit(net(), endless(), epochs=3, steps=7, optimizer=mg.SGD(0.1), **QUIET)
    assert len(history) == 3
    one, other = net(), net()
    mg.fit(one, endless(), epochs=2, steps=3, optimizer=mg.SGD(0.1), **QUIET)
    mg.fit(other, endless(), epochs=1, steps=6, optimizer=mg.SGD(0.1), **QUIET)
    assert same(values(one), values(other))


def test_a_stream_may_be_validation_data():
    g, batches = net(), [{"x": X[:20], "t": T[:20]}, {"x": X[20:], "t": T[20:]}]
    assert mg.evaluate(g, batches).cost == pytest.approx(mg.evaluate(g, {"x": X, "t": T}).cost, rel=1e-12)
    history = mg.fit(g, {"x": X, "t": T}, epochs=2, batch_size=23, optimizer=mg.SGD(0.1), validation=batches, **QUIET)
    assert (history.validation_cost > 0).all()


@pytest.mark.parametrize(
    ("data", "options", "said"),
    [
        (lambda: iter([{"x": X, "t": T}]), {"epochs": 2}, "the data ran dry after 0 batches"),
        (lambda: [{"x": X, "t": T}], {"steps": 2, "epochs": 1}, "ran dry after 1 batches"),
        (list, {"epochs": 1}, "ran dry after 0 batches"),
        (lambda: [X, T], {"epochs": 1}, "a dict of arrays by input name, or batches of them, got a ndarray"),
        (lambda: [{"x": X}], {"epochs": 1}, "'t'.* was not fed"),
        (lambda: X, {"epochs": 1}, "or batches of them, got ndarray"),
        (lambda: 3, {"epochs": 1}, "or batches of them, got int"),
        (lambda: [{"x": X, "t": T}], {"steps": 0, "epochs": 1}, "steps, the number of batches"),
        (lambda: {"x": X, "t": T}, {"steps": 2, "epochs": 1, "batch_size": 5}, "steps is for data that comes batch"),
        (lambda: {"x": X, "t": T}, {"epochs": 1}, "positive whole number of batch_size, got None"),
    ],
)
def test_data_that_does_not_serve_is_refused(data, options, said):
    with pytest.raises((FeedError, GraphError), match=said):
        mg.fit(net(), data(), optimizer=mg.SGD(0.1), **options, **QUIET)


@pytest.mark.parametrize("dtype", ["float64", "float32", "uint8"])
def test_memory_mapped_arrays_train_like_others_and_stay_on_disk(tmp_path, dtype):
    n = 60_000
    data = np.memmap(tmp_path / "x", dtype, "w+", shape=(n, 400))
    data[:] = RNG.integers(0, 3, (n, 1)).astype(dtype)
    targets = RNG.normal(size=(n, 1))

    def trained(x):
        g = mg.Sequential(400, Dense(1), cost=Quadratic(), seed=0)
        mg.fit(g, {"x": x, "t": targets}, epochs=1, batch_size=500, optimizer=mg.SGD(1e-4), seed=0, **QUIET)
        return g

    tracemalloc.start()
    g = trained(data)
    score, out = mg.evaluate(g, {"x": data, "t": targets}), mg.predict(g, x=data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < n * 400 / 1.5  # bytes: less than the smallest of the three on disk
    assert out.shape == (n, 1)
    assert score.cost > 0
    assert same(values(g), values(trained(np.array(data))))


def test_memory_mapped_arrays_are_checked(tmp_path):
    data = np.memmap(tmp_path / "x", "float64", "w+", shape=(23, 3))
    with pytest.raises(FeedError, match=r"'x'.*takes a batch of shape"):
        mg.evaluate(net(), {"x": data, "t": T})
    labels = np.memmap(tmp_path / "y", "float64", "w+", shape=(23,))
    with pytest.raises(FeedError, match=r"'t'.*takes integers"):
        mg.evaluate(classifier(), {"x": X, "t": labels})


# ---- loops of one's own, several inputs, outputs, optimizers ----


def test_epochs_is_the_loop_under_fit():
    one, other = net(), net()
    data = {"x": X, "t": T}
    history = mg.fit(one, data, epochs=3, batch_size=5, optimizer=mg.SGD(0.1), seed=5, **QUIET)
    seen = list(itertools.islice(mg.epochs(other, data, batch_size=5, optimizer=mg.SGD(0.1), seed=5), 3))
    assert [epoch.score.cost for epoch in seen] == list(history.cost)
    assert [epoch.number for epoch in seen] == [1, 2, 3]
    assert same(values(one), values(other))


def test_several_inputs_and_outputs_by_name():
    g = mg.Graph(seed=0)
    left, right = g.input("left", 2), g.input("right", 2)
    h = Concat()(left, right) >> Dense(6, "tanh", name="h")
    g.cost(SoftmaxCrossEntropy(), Dense(3, name="class")(h), target="label", name="what")
    g.cost(Quadratic(), Dense(2, name="place")(h), target="t", name="where")
    data = {"left": X[:, :2], "right": X[:, 2:], "label": LABELS, "t": T}
    history = mg.fit(g, data, epochs=5, batch_size=6, optimizer=mg.Adam(0.02), validation=data, **QUIET)
    assert history.validation_cost[-1] < history.validation_cost[0]
    found = mg.predict(g, left=X[:, :2], right=X[:, 2:])
    assert {name: array.shape for name, array in found.items()} == {"class": (23, 3), "place": (23, 2)}


def test_features_come_from_any_node_by_name():
    g, _ = two_costs()
    expected = g.forward(x=X, until=["h", "place"])
    np.testing.assert_allclose(mg.predict(g, x=X, until="h"), expected["h"].a, rtol=1e-12)
    several = mg.predict(g, x=X, until=["h", "place"], batch_size=4)
    np.testing.assert_allclose(several["place"], expected["place"].a, rtol=1e-12)
    assert set(mg.predict(g, x=X, until=["h"])) == {"h"}
    with pytest.raises(GraphError, match="no node 'g'"):
        mg.predict(g, x=X, until="g")


def test_two_optimizers_train_parts_of_one_graph():
    def trained(optimizers):
        g, data = two_costs()
        mg.fit(g, data, epochs=3, batch_size=6, optimizer=optimizers, seed=0, **QUIET)
        return g

    whole = trained(mg.SGD(0.1))
    parts = trained([mg.SGD(0.1, params="h.*"), mg.SGD(0.1, params=["class.*", "place.*"])])
    for a, b in zip(values(whole), values(parts), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
    only = trained(mg.SGD(0.1, params="h.*"))
    start, _ = two_costs()
    assert not (only.params["h.w"].value == start.params["h.w"].value).all()
    assert (only.params["class.w"].value == start.params["class.w"].value).all()


def test_noise_and_order_follow_the_seed_with_any_of_these():
    def trained():
        g = mg.Sequential(4, Dense(8, "relu"), Dropout(0.4), Dense(2), cost=Quadratic(), seed=2)
        mg.fit(g, {"x": X, "t": T}, epochs=3, batch_size=4, accumulate=2, optimizer=mg.Adam(0.01), **QUIET)
        return values(g)

    assert same(trained(), trained())
