"""Ragged batches: each example has its own number of steps, and what stands behind them counts for nothing."""

import numpy as np
import pytest
from test_recurrent import back, kinds, normal, results, shared, stirred, wired

import minigraph as mg
from minigraph.errors import FeedError, ShapeError
from minigraph.layers import LSTM, RNN


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@results
def test_a_ragged_batch_is_each_example_run_alone_at_its_own_length(kind, returns, reverse):
    T, lengths = 6, np.array([6, 1, 4, 1, 5])
    layer, m = kind(3, returns=returns, reverse=reverse), len(lengths)
    g = wired(layer, T, 2, state=True, lengths=True)
    stirred(layer)
    starts = {name: normal(m, 3, seed=i) for i, name in enumerate(("h0", "c0")[: layer.parts])}
    x, error = normal(m, T, 2), normal(m, *g["y"].shape, seed=9)
    run = back(g, error, x=x, lengths=lengths, **starts)
    grads = {param: np.zeros(param.shape) for param in layer.params.values()}
    for e, n in enumerate(lengths):
        twin = shared(layer, kind, returns=returns, reverse=reverse)
        own = {name: start[e : e + 1] for name, start in starts.items()}
        alone_error = error[e : e + 1, :n] if returns == "sequence" else error[e : e + 1]
        alone = back(wired(twin, n, 2, state=True), alone_error, x=x[e : e + 1, :n], **own)
        a, expected = run["y"].a[e], alone["y"].a[0]
        np.testing.assert_allclose(a[:n] if returns == "sequence" else a, expected, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(run["x"].error[e, :n], alone["x"].error[0], rtol=1e-12, atol=1e-14)
        assert not run["x"].error[e, n:].any()
        assert not run["y"].delta[e, n:].any()
        assert returns != "sequence" or not a[n:].any()
        for name in starts:
            np.testing.assert_allclose(run[name].error[e], alone[name].error[0], rtol=1e-12, atol=1e-14)
        for param in grads:
            grads[param] += alone.grad(param)
    for param, grad in grads.items():
        np.testing.assert_allclose(run.grad(param), grad / m, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@kinds
def test_what_stands_behind_the_end_of_an_example_is_never_looked_at(kind, reverse):
    layer, lengths = kind(3, reverse=reverse), np.array([2, 4])
    g = wired(layer, 4, 2, lengths=True)
    x, error = normal(2, 4, 2), normal(2, 4, 3, seed=1)
    spoilt, spoilt_error = x.copy(), error.copy()
    spoilt[0, 2:] = spoilt_error[0, 2:] = np.nan
    plain, run = back(g, error, x=x, lengths=lengths), back(g, spoilt_error, x=spoilt, lengths=lengths)
    np.testing.assert_array_equal(run["y"].a, plain["y"].a)
    np.testing.assert_array_equal(run["x"].error, plain["x"].error)
    for param in layer.params.values():
        np.testing.assert_array_equal(run.grad(param), plain.grad(param))


@kinds
def test_lengths_of_all_steps_change_nothing(kind):
    layer = kind(3)
    g, ragged = wired(layer, 5, 2), wired(layer, 5, 2, lengths=True)
    x, error = normal(4, 5, 2), normal(4, 5, 3, seed=1)
    plain, run = back(g, error, x=x), back(ragged, error, x=x, lengths=np.full(4, 5))
    np.testing.assert_array_equal(run["y"].a, plain["y"].a)
    np.testing.assert_array_equal(run["x"].error, plain["x"].error)


def test_a_run_of_one_example_takes_its_length_as_a_number():
    g = wired(LSTM(3), 4, 2, lengths=True)
    a = g.forward(x=normal(4, 2), lengths=3)["y"].a
    assert a.shape == (4, 3)
    assert a[2].any()
    assert not a[3].any()


@pytest.mark.parametrize("lengths", [[0, 2], [2, 5], [-1, 1]], ids=str)
@kinds
def test_lengths_out_of_range_are_refused_when_fed(kind, lengths):
    g = wired(kind(3), 4, 2, lengths=True)
    with pytest.raises(FeedError, match=f"'y'.*lengths from 1 to 4, got lengths from {min(lengths)} to {max(lengths)}"):
        g.forward(x=normal(2, 4, 2), lengths=lengths)


def test_lengths_are_integers():
    g = mg.Graph()
    RNN(3)(g.input("x", (4, 2)), g.input("lengths", ()), name="y")
    with pytest.raises(FeedError, match="takes integers as lengths, got float64: declare them"):
        g.forward(x=normal(2, 4, 2), lengths=[1.0, 2.0], until="y")
    g = mg.Graph()
    with pytest.raises(ShapeError, match="takes floats, got the integers of 'h0'"):
        RNN(3)(g.input("x", (4, 2)), g.input("h0", 3, dtype=int))
