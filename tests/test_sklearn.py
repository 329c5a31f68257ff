"""Estimators for scikit-learn."""

import importlib
import pickle
import sys
from dataclasses import dataclass

import numpy as np
import pytest

import minigraph as mg
from minigraph.costs import Huber, MeanSquaredError, SoftmaxCrossEntropy
from minigraph.layers import Add, Conv2D, Dense, Dropout, Flatten, Reshape

pytest.importorskip("sklearn", reason="scikit-learn, of the extra sklearn, is not installed")

from sklearn.base import clone
from sklearn.datasets import load_digits, make_blobs
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from minigraph.interop.sklearn import MinigraphClassifier, MinigraphRegressor


@dataclass(frozen=True)
class Residual:
    """An architecture that is no chain, and may have noise."""

    units: int = 8
    rate: float = 0.1

    def __call__(self, x, n_outputs):
        h = x >> Dense(self.units, "tanh", name="h")
        return Add()(h, h >> Dense(self.units, "relu")) >> Dropout(self.rate) >> Dense(n_outputs, name="logits")


def convolution(x, n_outputs):
    return x >> Reshape((1, 8, 8)) >> Conv2D(4, 3, activation="relu") >> Flatten() >> Dense(n_outputs)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    X = X / 16
    return X[:900], y[:900], X[900:], y[900:]


@pytest.fixture
def blobs():
    X, y = make_blobs(60, centers=3, cluster_std=1.5, random_state=0)
    return X, np.array(["ape", "bee", "cat"])[y]


def weights(estimator):
    return np.concatenate([param.value.ravel() for param in estimator.graph_.params.values()])


def checks(*estimators):
    """As `parametrize_with_checks`, whose iterator pytest 9 doesn't take from scikit-learn before 1.8."""
    pairs = [pair for estimator in estimators for pair in estimator_checks_generator(estimator)]
    names = [
        "-".join([type(estimator).__name__, check.func.__name__, *map(str, check.keywords.values())])
        for estimator, check in pairs
    ]
    return pytest.mark.parametrize(("estimator", "check"), pairs, ids=names)


@checks(MinigraphClassifier(), MinigraphRegressor())
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@checks(
    MinigraphClassifier(network=Residual(rate=0.0), optimizer=mg.RMSprop(lr=0.002)),
    MinigraphRegressor((30, 20), "tanh", cost=Huber(), optimizer="sgd", lr=0.3, batch_size=None, epochs=600),
)
def test_scikit_learns_own_checks_with_options(estimator, check):
    check(estimator)


# ---- against scikit-learn's own networks ----


def test_digits_are_learned_as_well_as_by_scikit_learns_network(digits):
    x_train, y_train, x_test, y_test = digits
    ours = MinigraphClassifier((50,), batch_size=50, epochs=30, random_state=0).fit(x_train, y_train)
    with pytest.warns(UserWarning, match="Maximum iterations"):
        theirs = MLPClassifier((50,), batch_size=50, max_iter=30, random_state=0).fit(x_train, y_train)
    assert ours.score(x_test, y_test) > 0.9
    assert ours.score(x_test, y_test) > theirs.score(x_test, y_test) - 0.02


@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_steps_are_those_of_scikit_learns_network(kind):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 5))
    options = {"solver": "sgd", "momentum": 0.0, "nesterovs_momentum": False, "alpha": 0.0, "shuffle": False}
    options |= {"activation": "tanh", "learning_rate_init": 0.1, "batch_size": 40}
    if kind == "classes":
        y, more = rng.integers(0, 3, 40), {"classes": [0, 1, 2]}
        theirs, ours = MLPClassifier((6,), **options), MinigraphClassifier((6,), "tanh", optimizer="sgd", lr=0.1)
    else:
        y, more = rng.standard_normal((40, 2)), {}
        theirs, ours = (
            MLPRegressor(hidden_layer_sizes=(6,), **options),
            MinigraphRegressor((6,), "tanh", optimizer="sgd", lr=0.1),
        )
    theirs.partial_fit(X, y, **more)
    ours.partial_fit(X, y, **more)

    def pairs():
        (w, v), (b, c) = theirs.coefs_, theirs.intercepts_
        return zip(ours.graph_.params.values(), (w.T, b, v.T, c), strict=True)

    for param, value in pairs():
        param.value = value
    for _ in range(5):
        theirs.partial_fit(X, y)
        ours.partial_fit(X, y)
    for param, value in pairs():
        np.testing.assert_allclose(param.value, value, rtol=1e-9)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-9)
    assert ours.loss_ == pytest.approx(theirs.loss_ * (2 if kind == "numbers" else 1))  # theirs: the mean over outputs
    if kind == "classes":
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-9)


def test_a_network_without_hidden_layers_finds_the_least_squares():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((50, 3)), rng.standard_normal((50, 2))
    w = rng.random(50) + 0.1
    ours = MinigraphRegressor((), optimizer="sgd", lr=0.3, epochs=300, batch_size=None).fit(X, y, w)
    root = np.sqrt(w)[:, None]
    solution = np.linalg.lstsq(root * np.c_[X, np.ones(50)], root * y, rcond=None)[0]
    np.testing.assert_allclose(ours.predict(X), np.c_[X, np.ones(50)] @ solution, atol=1e-9)
    assert ours.fit(X, y[:, :1]).predict(X).shape == (50, 1)
    assert ours.fit(X, y[:, 0]).predict(X).shape == (50,)


# ---- weights of examples and of classes ----


def gaussians(n0, n1):
    """Two classes on a line, around −1 and 1 with variance 1, each of them spread as evenly as can be."""
    norm = pytest.importorskip("scipy.stats").norm
    spread = [norm.ppf((np.arange(n) + 0.5) / n) for n in (n0, n1)]
    return np.r_[spread[0] - 1, spread[1] + 1][:, None], np.r_[np.zeros(n0, int), np.ones(n1, int)]


def boundary(X, y, class_weight, sample_weight=None):
    """Where both classes are as likely, for a network without hidden layers."""
    options = {"optimizer": "sgd", "lr": 2.0, "batch_size": None, "epochs": 400}
    found = MinigraphClassifier((), class_weight=class_weight, **options).fit(X, y, sample_weight)
    z = found.decision_function([[0.0], [1.0]])
    return -z[0] / (z[1] - z[0])


@pytest.mark.parametrize("factor", [1, 3, 20])
def test_class_weights_shift_the_boundary_by_their_logarithm(factor):
    """The log-odds are 2 x + ln(w_1/w_0)."""
    X, y = gaussians(2000, 2000)
    assert boundary(X, y, {0: 1, 1: factor}) == pytest.approx(-np.log(factor) / 2, abs=0.01)


def test_balanced_weights_undo_how_many_examples_there_are():
    X, y = gaussians(2000, 200)
    assert boundary(X, y, None) == pytest.approx(np.log(10) / 2, abs=0.03)
    assert boundary(X, y, "balanced") == pytest.approx(0, abs=0.03)
    assert boundary(X, y, {1: 10.0}) == pytest.approx(0, abs=0.03)  # a class that isn't named counts 1
    assert boundary(X, y, "balanced", np.where(y == 1, 5.0, 1.0)) == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize("class_weight", [None, "balanced", {"ape": 3, "bee": 0.5}])
def test_an_example_of_weight_2_is_that_example_twice(blobs, class_weight):
    X, y = blobs
    times = np.random.default_rng(0).integers(0, 4, len(y))
    options = {"class_weight": class_weight, "batch_size": None, "epochs": 20, "random_state": 0}
    weighed = MinigraphClassifier(**options).fit(X, y, times)
    repeated = MinigraphClassifier(**options).fit(X.repeat(times, axis=0), y.repeat(times))
    np.testing.assert_allclose(weighed.predict_proba(X), repeated.predict_proba(X), rtol=1e-7)
    doubled = MinigraphClassifier(**options).fit(X, y, 2 * times)
    np.testing.assert_allclose(weighed.predict_proba(X), doubled.predict_proba(X), rtol=1e-7)
    huge = MinigraphClassifier(**options).fit(X, y, times / 3 * 1e307)
    np.testing.assert_allclose(weighed.predict_proba(X), huge.predict_proba(X), rtol=1e-7)
    plain = MinigraphClassifier(**options).fit(X, y)
    assert np.abs(weighed.predict_proba(X) - plain.predict_proba(X)).max() > 0.01


# ---- going on ----


@pytest.mark.parametrize("optimizer", ["adam", mg.SGD(0.1, momentum=0.9)])
def test_partial_fits_are_the_epochs_of_a_fit(blobs, optimizer):
    X, y = blobs
    whole = MinigraphClassifier(batch_size=None, epochs=6, random_state=0, optimizer=optimizer).fit(X, y)
    parts = clone(whole).partial_fit(X, y, classes=["cat", "bee", "ape"])
    for _ in range(4):
        parts.partial_fit(X, y)
    again = pickle.loads(pickle.dumps(parts))  # the optimizer's memory comes along
    for one in (parts, again):
        one.partial_fit(X, y)
        assert one.n_iter_ == len(one.history_) == 6
        np.testing.assert_allclose(one.history_.cost, whole.history_.cost, rtol=1e-12)
        np.testing.assert_allclose(weights(one), weights(whole), rtol=1e-7, atol=1e-10)
    more = whole.fit(X, y).partial_fit(X, y)
    assert more.n_iter_ == 7


def test_the_first_part_may_lack_classes(blobs):
    X, y = blobs
    found = MinigraphClassifier(random_state=0).partial_fit(X[y != "bee"], y[y != "bee"], ["ape", "bee", "cat"])
    assert found.predict_proba(X).shape == (60, 3)
    found.partial_fit(X[y == "bee"], y[y == "bee"], sample_weight=np.ones((y == "bee").sum()))


def test_random_state_decides_everything(blobs):
    X, y = blobs
    first = MinigraphClassifier(network=Residual(), batch_size=7, epochs=5, early_stopping=True, random_state=3)
    second = clone(first).fit(X, y)
    assert np.array_equal(weights(first.fit(X, y)), weights(second))
    assert np.array_equal(weights(first.fit(X, y)), weights(second))
    assert not np.array_equal(weights(first.set_params(random_state=4).fit(X, y)), weights(second))


def test_options_stay_as_they_were(blobs):
    optimizer = mg.Adam(lr=mg.schedules.Plateau(0.1, patience=1))
    cost = SoftmaxCrossEntropy(label_smoothing=0.1)
    found = MinigraphClassifier(optimizer=optimizer, cost=cost, epochs=5)
    before = dict(vars(found))
    found.fit(*blobs)
    assert all(getattr(found, name) is value for name, value in before.items())
    assert optimizer.taken == optimizer.epochs == 0
    assert found.optimizer_.taken == found.optimizer_.epochs == 5
    assert vars(optimizer.lr) == vars(mg.schedules.Plateau(0.1, patience=1))
    assert found.graph_.costs[0].layer is not cost
    assert found.graph_.costs[0].layer.label_smoothing == 0.1


def test_lr_takes_the_place_of_the_optimizers_own(blobs):
    for optimizer in ("sgd", mg.SGD, mg.SGD(7.0, momentum=0.5)):
        found = MinigraphClassifier(optimizer=optimizer, lr=0.25, epochs=1).fit(*blobs)
        assert type(found.optimizer_) is mg.SGD
        assert found.optimizer_.lr == 0.25
        assert found.optimizer_.momentum == (0.5 if isinstance(optimizer, mg.SGD) else 0.0)


def test_early_stopping_keeps_the_best_weights(digits):
    X, y = digits[0][:300], digits[1][:300]
    found = MinigraphClassifier(early_stopping=True, patience=3, batch_size=10, lr=0.02, random_state=0).fit(X, y)
    costs = found.history_.validation_cost
    assert found.n_iter_ == len(costs) == costs.argmin() + 1 + 3 < 200
    rest = clone(found).set_params(early_stopping=False, epochs=1).fit(X, y)
    assert np.isnan(rest.history_.validation_cost).all()


def test_early_stopping_takes_integers_as_numbers():
    X = np.random.default_rng(0).normal(size=(20, 2))
    options = {"early_stopping": True, "epochs": 2, "random_state": 0}
    found = [MinigraphRegressor(**options).fit(X, y).predict(X) for y in (np.arange(20), np.arange(20.0))]
    assert np.array_equal(*found)


# ---- within scikit-learn ----


def test_pipeline_search_and_scores(blobs):
    X, y = blobs
    pipeline = make_pipeline(StandardScaler(), MinigraphClassifier(lr=0.05, epochs=20, random_state=0))
    assert cross_val_score(pipeline, X, y, cv=3).min() > 0.5
    grid = {
        "minigraphclassifier__network": [Residual(), Residual(units=1)],
        "minigraphclassifier__epochs": [1, 20],
    }
    search = GridSearchCV(pipeline, grid, cv=2).fit(X, y)
    assert search.best_params_["minigraphclassifier__epochs"] == 20
    best = pickle.loads(pickle.dumps(search.best_estimator_))
    assert np.array_equal(best.predict(X), search.predict(X))


def test_data_frames_bring_the_names_of_features(blobs):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    X, y = blobs
    frame = pandas.DataFrame(X, columns=["width", "height"])
    pipeline = make_pipeline(StandardScaler(), MinigraphClassifier(epochs=1)).set_output(transform="pandas")
    assert list(pipeline.fit(frame, pandas.Series(y))[-1].feature_names_in_) == ["width", "height"]
    with pytest.raises(ValueError, match="feature names"):
        pipeline.predict(frame.rename(columns={"width": "depth"}))


@pytest.mark.parametrize("network", [None, Residual(), convolution])
def test_the_graph_is_there_to_be_looked_at(digits, network):
    X, y = digits[0][:100], digits[1][:100]
    found = MinigraphClassifier((5, 4), network=network, epochs=2, random_state=0).fit(X, y)
    g, feeds = found.graph_, found.feeds(X[:4], y[:4])
    assert mg.check(g, feeds)
    assert [node.name for node in g.inputs] == ["x", "t", "w"]
    assert "MinigraphClassifier" in g.picture().dot
    run = g.forward(found.feeds(X, y)).backward()
    assert np.array_equal(run[g.outputs[0].name].a.argmax(axis=1), found.predict(X))
    assert run.cost == pytest.approx(mg.evaluate(g, found.feeds(X, y)).cost)


def test_float32_all_the_way(blobs):
    X, y = blobs
    found = MinigraphClassifier(dtype="float32", class_weight="balanced", epochs=2).fit(X, y)
    assert found.predict_proba(X).dtype == found.decision_function(X).dtype == weights(found).dtype == np.float32


def test_logarithms_of_probabilities_too_small_for_a_float(blobs):
    X, y = blobs
    found = MinigraphClassifier((), epochs=1).fit(X, y)
    for param in found.graph_.params.values():
        param.value *= 1e4
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        logs = found.predict_log_proba(X)
    assert np.isfinite(logs).all()
    assert logs.min() < -1000


def test_progress_is_shown_only_if_asked_for(blobs, capsys):
    MinigraphClassifier(epochs=2).fit(*blobs)
    assert capsys.readouterr() == ("", "")
    MinigraphClassifier(epochs=2, verbose=True).fit(*blobs)
    assert "epoch 2/2" in capsys.readouterr().err


# ---- what they refuse ----


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"optimizer": "sgd"}, "lr=…"),
        ({"optimizer": "newton"}, "'adam'"),
        ({"optimizer": int}, "'adam'"),
        ({"hidden": (10, 0)}, "positive numbers of neurons"),
        ({"hidden": 10}, "positive numbers of neurons"),
        ({"hidden": "10"}, "positive numbers of neurons"),
        ({"dtype": "float16"}, "float64 or float32"),
        ({"epochs": 0}, "epochs"),
        ({"batch_size": 0}, "batch_size"),
        ({"cost": MeanSquaredError()}, "SoftmaxCrossEntropy"),
        ({"cost": SoftmaxCrossEntropy}, "SoftmaxCrossEntropy"),
        ({"network": lambda x, n: x}, r"of shape \(2,\)"),
        ({"network": lambda x, n: [Dense(n)]}, "end with Dense"),
        ({"network": lambda x, n: mg.Graph().input("x", n)}, "end with Dense"),
        ({"network": lambda x, n: x >> Dense(3, name="t") >> Dense(n)}, "the node 't' another name"),
        ({"network": lambda x, n: x >> Dense(n, name="w")}, "the node 'w' another name"),
        ({"class_weight": {"dog": 2}}, "not in class_weight"),
        ({"class_weight": {"ape": -1}}, "0 or more"),
        ({"class_weight": {"ape": 0, "bee": 0, "cat": 0}}, "above 0"),
        ({"class_weight": "even"}, "balanced"),
    ],
)
def test_options_that_mean_nothing(blobs, options, words):
    with pytest.raises(ValueError, match=words):
        MinigraphClassifier(**options).fit(*blobs)


def test_a_regressor_takes_only_costs():
    with pytest.raises(ValueError, match="a cost from minigraph"):
        MinigraphRegressor(cost="squared").fit([[0.0], [1.0]], [0, 1])


@pytest.mark.parametrize("w", [-1, 0])
def test_weights_that_mean_nothing(blobs, w):
    X, y = blobs
    with pytest.raises(ValueError, match=r"(?i)sample.weight.* (0 or more|non-zero)"):
        MinigraphClassifier().fit(X, y, np.full(len(y), w))


def test_targets_that_mean_nothing(blobs):
    X, y = blobs
    with pytest.raises(ValueError, match="one class"):
        MinigraphClassifier().fit(X, y, y == "ape")
    with pytest.raises(ValueError, match="takes classes="):
        MinigraphClassifier().partial_fit(X, y)
    with pytest.raises(ValueError, match="takes class_weight as a dict"):
        MinigraphClassifier(class_weight="balanced").partial_fit(X, y, ["ape", "bee", "cat"])
    found = MinigraphClassifier(epochs=1).fit(X, y)
    with pytest.raises(ValueError, match=r"other classes, \['dog'\]"):
        found.partial_fit(X[:1], ["dog"])
    with pytest.raises(ValueError, match=r"other classes, \['zebra'\]"):
        found.feeds(X[:1], ["zebra"])
    with pytest.raises(ValueError, match="the same in all calls"):
        found.partial_fit(X, y, ["ape", "bee"])
    numbers = MinigraphRegressor(epochs=1).fit(X, X)
    with pytest.raises(ValueError, match="2 outputs, got 1"):
        numbers.partial_fit(X, X[:, 0])
    flat = MinigraphRegressor(epochs=1).fit(X, X[:, 0])
    with pytest.raises(ValueError, match="1 outputs, got 2"):
        flat.partial_fit(X, X)
    assert flat.predict(X).shape == flat.partial_fit(X, X[:, :1]).predict(X).shape == (60,)


def test_diverging_is_said():
    X = np.linspace(0, 1e6, 20)[:, None]
    with pytest.raises(ValueError, match=r"diverged.*smaller lr"), np.errstate(all="ignore"):
        MinigraphRegressor((), optimizer="sgd", lr=100.0, epochs=100).fit(X, X[:, 0])


def test_without_scikit_learn_it_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("minigraph.interop.sklearn")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn.utils.validation", None)
    with pytest.raises(ImportError, match=r"pip install 'minigraph\[sklearn\]'"):
        importlib.import_module("minigraph.interop.sklearn")
