"""Early stopping, callbacks, accumulation, loops of one's own, several optimizers."""

import itertools

import numpy as np
import pytest
from training import LABELS, QUIET, T, X, net, same, two_costs, values

import minigraph as mg
from minigraph.costs import L2, Quadratic, SoftmaxCrossEntropy
from minigraph.errors import FeedError, GraphError
from minigraph.gradient_history import GradientHistory
from minigraph.layers import BatchNorm, Concat, Dense, Dropout
from minigraph.trainer import Tally

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
    from minigraph.stopping import Best

    best = Best(net(), mg.EarlyStopping(patience=2, watch="accuracy", margin=0.1))
    assert [best.has_enough(v) for v in (0.5, 0.55, 0.65, 0.7, 0.72)] == [False, False, False, False, True]
    best = Best(net(), mg.EarlyStopping(patience=1, watch="validation_cost"))
    assert [best.has_enough(v) for v in (3.0, 2.0, 2.0)] == [False, False, True]


def test_early_stopping_refuses_what_makes_no_sense():
    for options in ({"patience": 0}, {"patience": 1.5}, {"margin": -1}, {"margin": np.nan}, {"margin": np.inf}):
        with pytest.raises(GraphError, match="EarlyStopping takes"):
            mg.EarlyStopping(**options)
    data = {"x": X, "t": T}
    with pytest.raises(
        GraphError, match=r"watches 'validation_cost': give validation=…, or EarlyStopping\(watch='cost'"
    ):
        mg.fit(net(), data, epochs=2, batch_size=5, optimizer=mg.SGD(0.1), stopping=mg.EarlyStopping(), **QUIET)
    stopping = mg.EarlyStopping(watch="f1")
    with pytest.raises(GraphError, match="watches 'f1', but no column is called so: epoch, cost"):
        mg.fit(net(), data, epochs=2, batch_size=5, optimizer=mg.SGD(0.1), stopping=stopping, **QUIET)


def test_callbacks_see_each_epoch_and_end_training_by_true_alone():
    seen, g = [], net()
    options = {"epochs": 10, "batch_size": 5, "optimizer": mg.SGD(0.1), **QUIET}
    history = mg.fit(g, {"x": X, "t": T}, callbacks=[seen.append, lambda e: 1, lambda e: e.number == 4], **options)
    assert [epoch.number for epoch in seen] == [1, 2, 3, 4]
    assert [epoch.score.cost for epoch in seen] == list(history.cost)
    assert seen[0].graph is g
    assert seen[0].validation is None


# ---- watching ----


@pytest.mark.parametrize("accumulate", [1, 2, 5])
def test_watchers_see_each_backward_sweep_before_weights_move(accumulate):
    """The gradients and weights that they see are those of the batch, and of weights moved as often as they should."""
    g, twin, seen = net(), net(), []

    def look(run):
        seen.append((run.m, values(g), [run.grad(p) for p in g.params.values()]))

    data, options = {"x": X, "t": T}, {"batch_size": 5, "accumulate": accumulate, "seed": 7}
    mg.fit(g, data, epochs=2, optimizer=mg.SGD(0.1), watch=(look for _ in range(1)), **options, **QUIET)
    rng = np.random.default_rng(7)
    rng.integers(2**63)  # the seed of the run
    expected = []
    for _ in range(2):
        order, sums, n = rng.permutation(23), 0.0, 0
        for count, start in enumerate(range(0, 23, 5), 1):
            rows = order[start : start + 5]
            run = twin.forward(x=X[rows], t=T[rows]).backward()
            grads = [run.grad(p) for p in twin.params.values()]
            expected.append((len(rows), values(twin), grads))
            sums, n = sums + len(rows) * np.concatenate([grad.ravel() for grad in grads]), n + len(rows)
            if count % accumulate == 0 or count == 5:
                parts = np.split(0.1 * sums / n, np.cumsum([p.size for p in twin.params.values()])[:-1])
                for p, part in zip(twin.params.values(), parts, strict=True):
                    p.value = p.value - part.reshape(p.shape)
                sums, n = 0.0, 0
    assert [m for m, _, _ in seen] == [m for m, _, _ in expected] == [5, 5, 5, 5, 3] * 2
    for (_, *ours), (_, *theirs) in zip(seen, expected, strict=True):
        for a, b in zip(itertools.chain(*ours), itertools.chain(*theirs), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-14)


def test_watchers_stand_in_loops_of_ones_own_too():
    g, gradients, order = net(), GradientHistory(every=2), []
    watch = [gradients, lambda run: order.append(len(gradients))]
    loop = mg.epochs(g, {"x": X, "t": T}, batch_size=5, optimizer=mg.SGD(0.1), watch=watch)
    next(loop)
    assert order == [1, 1, 2, 2, 3]
    assert not np.isnan(gradients.update("dense.w")).any()


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


# ---- what goes wrong on the way ----


def test_an_epoch_that_was_interrupted_leaves_no_gradients_for_the_next():
    class Flaky:
        times = 0

        def __iter__(self):
            self.times += 1
            yield {"x": X * 5, "t": T} if self.times == 1 else {"x": X, "t": T}
            if self.times == 1:
                raise OSError("disk")
            yield {"x": X, "t": T}

    g, whole = net(), net()
    loop = mg.epochs(g, Flaky(), optimizer=mg.SGD(0.1), accumulate=2)
    with pytest.raises(OSError, match="disk"):
        next(loop)
    next(loop)
    next(mg.epochs(whole, [{"x": X, "t": T}] * 2, optimizer=mg.SGD(0.1), accumulate=2))
    assert same(values(g), values(whole))


def test_training_that_diverges_ends_early_with_the_best_weights():
    g = net()

    def spoil(epoch):
        if epoch.number == 2:
            g.params["dense.w"].value = np.full((5, 4), np.nan)

    stopping = mg.EarlyStopping(patience=3, watch="cost")
    data = {"x": X, "t": T}
    history = mg.fit(
        g, data, epochs=20, batch_size=23, optimizer=mg.SGD(0.1), stopping=stopping, callbacks=[spoil], **QUIET
    )
    assert len(history) == 2 + 3
    assert np.isfinite(mg.evaluate(g, data).cost)


def test_callbacks_may_edit_the_graph():
    g, data = net(), {"x": X, "t": T}

    def edit(epoch):
        if epoch.number == 1:
            g.cost(L2(10.0, "*.w"), name="penalty")
        if epoch.number == 2:
            g.replace("quadratic", Quadratic(weight=3.0))
        if epoch.number == 3:
            g.insert(Dense(5), between=("dense", "dense_1"), name="new")
            g.remove("penalty")

    history = mg.fit(
        g, data, epochs=5, batch_size=23, accumulate=2, optimizer=[mg.SGD(0.0)], callbacks=(f for f in [edit]),
        validation=data, stopping=mg.EarlyStopping(patience=2), **QUIET,
    )  # fmt: skip
    start = net()
    plain = mg.evaluate(start, data).cost
    penalty = 5 * sum((p.value**2).sum() for name, p in start.params.items() if name.endswith(".w"))
    np.testing.assert_allclose(history.cost[:3], [plain, plain + penalty, 3 * plain + penalty], rtol=1e-12)
    np.testing.assert_allclose(history.validation_cost, history.cost, rtol=1e-12)
    assert len(history) == 5  # what was best before the edit isn't compared with what comes after it


def test_running_statistics_that_a_layer_moves_in_place_go_back_too():
    class Running(mg.Layer):
        statistics = ("seen",)

        def build(self, shape, *, rng, dtype):
            self.seen = np.zeros(shape, dtype)
            return shape

        def forward(self, at, x):
            return x * 1.0

        def backward(self, at, error):
            return error

        def commit(self, at):
            self.seen += 1.0

    g = mg.Sequential(4, Running(name="r"), Dense(2), cost=Quadratic(), seed=0)
    mg.fit(
        g, {"x": X, "t": T}, epochs=9, batch_size=23, optimizer=mg.SGD(lambda step: 0.05 if step < 2 else 5.0),
        stopping=mg.EarlyStopping(patience=2, watch="cost"), **QUIET,
    )  # fmt: skip
    assert (g["r"].layer.seen == 3.0).all()


def test_validation_data_are_checked_before_training():
    g = net()
    before = values(g)
    with pytest.raises(FeedError, match=r"'t'.* was not fed"):
        mg.fit(g, {"x": X, "t": T}, epochs=1, batch_size=5, optimizer=mg.SGD(0.1), validation={"x": X}, **QUIET)
    assert same(values(g), before)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"optimizer": None}, "training takes an optimizer"),
        ({"optimizer": []}, "training takes an optimizer"),
        ({"optimizer": mg.SGD}, "training takes an optimizer"),
        ({"optimizer": [mg.SGD(0.1)] * 2}, "a list of different ones"),
        ({"callbacks": print}, "callbacks as a list of functions"),
        ({"callbacks": [3]}, "callbacks as a list of functions"),
        ({"watch": mg.metrics}, r"watch as a list of functions of a Run, as \[GradientHistory\(\)\], got"),
        ({"watch": GradientHistory()}, "watch as a list of functions of a Run"),
        ({"watch": [GradientHistory]}, "watch as a list of functions of a Run"),
        ({"watch": [print, 3]}, "watch as a list of functions of a Run"),
        ({"watch": [print, print]}, "watch as a list of different functions"),
        ({"watch": None}, "watch as a list of functions of a Run"),
        ({"stopping": "cost"}, "takes mg.EarlyStopping"),
        ({"history": []}, "goes on with a History"),
        ({"seed": -1}, "a whole number of 0 or more as its seed"),
        ({"seed": 1.5}, "a whole number of 0 or more as its seed"),
    ],
)
def test_options_of_another_kind_are_refused(options, said):
    options = {"optimizer": mg.SGD(0.1), **options}
    with pytest.raises(GraphError, match=said):
        mg.fit(net(), {"x": X, "t": T}, epochs=1, batch_size=5, **options, **QUIET)


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


def test_metrics_may_keep_what_they_are_handed_whatever_the_batches(monkeypatch):
    """Costs and answers of batches that grow and shrink, judged several at a time, are those of each example once."""

    class Kept:
        name = "kept"

        def clear(self):
            self.parts = []

        def add(self, a, y):
            self.parts.append((a, y))

        def value(self):
            outputs, targets = (np.concatenate(parts) for parts in zip(*self.parts, strict=True))
            return float(np.abs(outputs - targets).sum())

    monkeypatch.setattr(Tally, "JUDGED_AT_ONCE", 8)
    g, cuts = net(), [0, 3, 6, 8, 9, 20, 23]
    batches = [{"x": X[i:j], "t": T[i:j]} for i, j in itertools.pairwise(cuts)]
    score, whole = mg.evaluate(g, batches, metrics=Kept()), g.forward(x=X, t=T)
    assert score.cost == pytest.approx(whole.cost, rel=1e-12)
    assert score.metrics["kept"] == pytest.approx(np.abs(mg.predict(g, x=X) - T).sum(), rel=1e-12)
