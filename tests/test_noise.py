"""Gaussian noise: its size, its seeds, and what it leaves alone. Dropout's properties stand in test_layers.py."""

import numpy as np
import pytest

import minigraph as mg
from minigraph.errors import GraphError
from minigraph.layers import Dense, GaussianNoise

X = np.random.default_rng(1).normal(size=(50, 20))


def noisy(x=X, std=0.5, training=True, seed=0, dtype="float64"):
    g = mg.Sequential(x.shape[1:], GaussianNoise(std), dtype=dtype)
    return g.forward(x=x, training=training, seed=seed)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("std", [0.01, 1.0, 3])
def test_noise_has_mean_0_and_the_deviation_asked_for(std, dtype):
    x = np.full((1000, 1000), 2.0)
    noise = noisy(x, std, dtype=dtype)["gaussian_noise"].a
    assert noise.dtype == dtype
    noise = noise.astype(float) - 2
    assert abs(noise.mean()) < 4 * std / 1000
    assert abs(noise.std() / std - 1) < 4 / np.sqrt(2) / 1000
    assert abs((noise < -std).mean() - 0.158655) < 4 * np.sqrt(0.158655 * 0.841345) / 1000


def test_inference_is_the_identity():
    run = noisy(training=False)
    np.testing.assert_array_equal(run["gaussian_noise"].a, X)
    assert not np.array_equal(run.forward(x=X, training=True)["gaussian_noise"].a, X)
    np.testing.assert_array_equal(run.forward(x=X, training=False)["gaussian_noise"].a, X)


def test_one_seed_draws_the_same_noise_and_each_sweep_another():
    one, again, other = (noisy(seed=seed)["gaussian_noise"].a for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, again)
    run = noisy(seed=3)
    first = run["gaussian_noise"].a.copy()
    second = run.forward(x=X)["gaussian_noise"].a
    for a in (other, second):
        assert (first != a).all()


def test_the_error_passes_and_weights_behind_see_the_noise_that_was_drawn():
    g = mg.Sequential(20, GaussianNoise(0.5), Dense(3), seed=0)
    run = g.forward(x=X, training=True, seed=1).backward("dense", np.ones((50, 3)), wrt="x")
    w = g["dense"].layer.w
    np.testing.assert_allclose(run["x"].error, np.ones((50, 3)) @ w.value, rtol=1e-12)
    np.testing.assert_allclose(run.grad(w) * 50, np.ones((3, 50)) @ run["gaussian_noise"].a, rtol=1e-12)


def test_the_global_generator_is_neither_used_nor_changed():
    one = noisy()["gaussian_noise"].a
    before = np.random.get_state()
    np.random.seed(99)
    middle = np.random.get_state()
    np.testing.assert_array_equal(noisy()["gaussian_noise"].a, one)
    assert (np.random.get_state()[1] == middle[1]).all()
    np.random.set_state(before)


def test_a_deviation_from_numpy_keeps_float32():
    one, other = (noisy(std=std, dtype="float32")["gaussian_noise"].a for std in (0.3, np.float64(0.3)))
    np.testing.assert_array_equal(other, one, strict=True)


@pytest.mark.parametrize("std", [-0.1, float("nan"), float("inf"), "much", None, True, 1j])
def test_what_is_no_deviation_is_refused(std):
    with pytest.raises(GraphError, match="GaussianNoise takes a finite standard deviation") as caught:
        GaussianNoise(std)
    assert repr(std) in str(caught.value)
