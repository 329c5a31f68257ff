"""Initial weights: their moments, and that a seed decides them."""

import math

import numpy as np
import pytest

import minigraph as mg
from minigraph import initializers
from minigraph.errors import MinigraphError
from minigraph.initializers import NAMED, resolve
from minigraph.layers import Dense

OUT, IN = 300, 200
VARIANCE = {
    "normal": 1.0,
    "glorot_normal": 2 / (IN + OUT),
    "glorot_uniform": 2 / (IN + OUT),
    "he_normal": 2 / IN,
    "he_uniform": 2 / IN,
    "lecun_normal": 1 / IN,
    "lecun_uniform": 1 / IN,
}
drawn = pytest.mark.parametrize("name", VARIANCE)


def draw(name, shape=(OUT, IN), seed=0):
    return resolve(name)(shape, np.random.default_rng(seed))


@drawn
def test_moments(name):
    w, n = draw(name), OUT * IN
    assert w.shape == (OUT, IN)
    assert abs(w.mean()) < 5 * math.sqrt(VARIANCE[name] / n)
    kurtosis = 1.8 if name.endswith("uniform") else 3.0
    assert w.var() == pytest.approx(VARIANCE[name], rel=5 * math.sqrt((kurtosis - 1) / n))
    assert (w**4).mean() / w.var() ** 2 == pytest.approx(kurtosis, abs=0.15)
    if name.endswith("uniform"):
        assert 0.999 < np.abs(w).max() / math.sqrt(3 * VARIANCE[name]) <= 1
        assert 0.999 < -w.min() / math.sqrt(3 * VARIANCE[name]) <= 1


@drawn
def test_rows_and_columns_are_not_alike(name):
    w = draw(name, (40, 30))
    assert len(np.unique(w)) == w.size
    assert np.abs(np.corrcoef(w) - np.eye(40)).max() < 0.8


def test_the_window_of_a_kernel_counts_in_both_fans():
    fan_in, fan_out = 20 * 9, 30 * 9
    for name, variance in {
        "glorot_normal": 2 / (fan_in + fan_out),
        "glorot_uniform": 2 / (fan_in + fan_out),
        "he_normal": 2 / fan_in,
        "lecun_uniform": 1 / fan_in,
    }.items():
        assert draw(name, (30, 20, 3, 3)).var() == pytest.approx(variance, rel=0.1)


@drawn
def test_vectors_have_finite_values(name):
    b = draw(name, (50,))
    assert b.shape == (50,)
    assert np.isfinite(b).all()
    assert b.any()


def test_zeros_and_ones():
    assert not draw("zeros", (2, 3)).any()
    np.testing.assert_array_equal(draw("ones", (2, 3)), np.ones((2, 3)))


def test_names_stand_for_the_functions_of_the_module():
    assert set(NAMED) == {*VARIANCE, "zeros", "ones"}
    for name, initializer in NAMED.items():
        assert resolve(name) is initializer is getattr(initializers, name)


# ---- in a graph ----


def weights(seed, dtype="float64", **options):
    g = mg.Sequential(5, Dense(4, "tanh", **options), Dense(3, **options), seed=seed, dtype=dtype)
    return {name: p.value for name, p in g.params.items()}


@drawn
def test_the_seed_of_the_graph_decides(name):
    one, same, other = (weights(seed, weights=name, biases=name) for seed in (3, 3, 4))
    for key, value in one.items():
        np.testing.assert_array_equal(value, same[key])
        assert not np.array_equal(value, other[key])
    assert not np.array_equal(one["dense.w"][:3, :4], one["dense_1.w"])


@drawn
def test_a_float32_graph_draws_the_same_numbers_rounded(name):
    double, single = (weights(3, dtype, weights=name, biases=name) for dtype in ("float64", "float32"))
    for key, value in single.items():
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, double[key].astype("float32"))
        assert (value != double[key]).any()


def test_without_a_seed_graphs_differ():
    assert not np.array_equal(weights(None)["dense.w"], weights(None)["dense.w"])


def test_the_global_generator_is_neither_used_nor_changed():
    state = np.random.get_state()
    one = weights(3)
    np.random.seed(99)
    assert all(np.array_equal(value, one[key]) for key, value in weights(3).items())
    np.random.set_state(state)
    weights(None)
    after = np.random.get_state()
    assert after[0] == state[0]
    assert (after[1] == state[1]).all()
    assert after[2:] == state[2:]


def test_dense_starts_with_glorot_weights_and_no_bias():
    start = weights(0, weights="glorot_uniform", biases="zeros")
    assert all(np.array_equal(value, start[key]) for key, value in weights(0).items())
    assert start["dense.w"].any()
    assert not start["dense.b"].any()


def test_a_function_of_ones_own():
    def diagonal(shape, rng):
        return np.eye(*shape, dtype=int) * 2

    w = weights(0, "float32", weights=diagonal)["dense.w"]
    assert w.dtype == np.float32
    np.testing.assert_array_equal(w, 2 * np.eye(4, 5))
    value = np.ones((2, 5))
    layer = Dense(2, weights=lambda shape, rng: value)
    mg.Sequential(5, layer)
    layer.w.value += 1
    assert (value == 1).all()


FAULTY = {
    "an unknown name": ("gloro", "no initializer 'gloro': take one of .*glorot_normal"),
    "a number": (0.1, "no initializer 0.1"),
    "None": (None, "no initializer None"),
    "a transposed array": (lambda s, r: np.ones(s[::-1]), r"shape \(4, 5\) for w, got \(5, 4\)"),
    "a row to broadcast": (lambda s, r: np.ones(s[1]), r"shape \(4, 5\) for w, got \(5,\)"),
    "a single number": (lambda s, r: 0.1, r"shape \(4, 5\) for w, got \(\)"),
    "nothing": (lambda s, r: None, "initial values .*w"),
    "nothings": (lambda s, r: np.full(s, None), "initial values .*w"),
    "complex numbers": (lambda s, r: np.ones(s) * 1j, "complex"),
    "words": (lambda s, r: np.full(s, "a"), "initial values .*w"),
}


@pytest.mark.parametrize("what", FAULTY)
def test_an_initializer_must_not_be_or_return(what):
    initializer, message = FAULTY[what]
    with pytest.raises(MinigraphError, match=rf"^Dense 'h'.*{message}.*\(added at test_initializers\.py:\d+\)$"):
        mg.Graph().input("x", 5) >> Dense(4, weights=initializer, name="h")
