"""Layers that share one Param: plain, transposed, and across kinds of layers."""

import numpy as np
import pytest
from oddities import close, slopes

import minigraph as mg
from minigraph.costs import Quadratic
from minigraph.errors import GraphError, ShapeError
from minigraph.layers import Dense


def autoencoder(shape=5, dtype="float64"):
    g = mg.Graph("tied autoencoder", seed=1, dtype=dtype)
    encoder = Dense(3, "tanh", name="encoder")
    code = encoder(g.input("x", shape))
    decoder = Dense(5, "sigmoid", weights=encoder.w.T, biases="normal", name="decoder")
    g.cost(Quadratic(), decoder(code))
    return g, encoder, decoder


@pytest.mark.parametrize("shape", [5, (2, 5)])
def test_a_transposed_share_is_one_param_and_both_gradients_add_up(shape):
    g, encoder, decoder = autoencoder(shape)
    assert decoder.w is encoder.w
    assert list(g.params) == ["encoder.w", "encoder.b", "decoder.b"]
    x = np.random.default_rng(0).normal(size=(4, 5) if shape == 5 else (4, *shape))
    feeds = {"x": x, "t": x / 2}
    run = g.forward(feeds).backward()
    w, b, c = encoder.w.value, encoder.b.value, decoder.b.value
    close(run["decoder"].a, 1 / (1 + np.exp(-(np.tanh(x @ w.T + b) @ w + c))))
    for param in g.params.values():
        close(run.grad(param), slopes(lambda: g.forward(feeds).cost, param.value))
    uses = run.grad(encoder.w, per="use")
    assert set(uses) == {"encoder", "decoder"}
    close(uses["encoder"] + uses["decoder"], run.grad(encoder.w))
    assert mg.check(g, feeds)


def test_a_plain_share_takes_the_same_array_and_sgd_moves_it_once():
    g = mg.Graph(seed=0)
    first = Dense(4, "tanh")
    h = first(g.input("x", 4))
    second = Dense(4, weights=first.w)
    g.cost(Quadratic(), second(h))
    assert second.w is first.w
    assert second.b is not first.b
    x = np.random.default_rng(0).normal(size=(3, 4))
    run = g.forward(x=x, t=x).backward()
    expected = first.w.value - 0.1 * run.grad(first.w)
    mg.SGD(0.1).step(run)
    close(first.w.value, expected)


def test_copies_stay_tied_and_go_their_own_way():
    g, encoder, _ = autoencoder()
    twin = g.copy("float32")
    assert twin["decoder"].layer.w is twin["encoder"].layer.w
    assert twin["encoder"].layer.w is not encoder.w
    assert twin["decoder"].layer.weights.param is twin["encoder"].layer.w
    assert twin.forward(x=np.ones((2, 5)), t=np.ones((2, 5)))["decoder"].a.dtype == np.float32


def test_shares_that_do_not_fit_are_refused():
    g, encoder, _ = autoencoder()
    with pytest.raises(ShapeError, match=r"has w of shape \(3, 5\) .* but this input needs \(5, 3\)"):
        Dense(5, weights=encoder.w)(g["encoder"])
    with pytest.raises(ShapeError, match=r"has w of shape \(3, 5\) .* but this input needs \(5, 4\)"):
        Dense(4, weights=encoder.w.T)(g["x"])
    narrow = mg.Graph(dtype="float32")
    with pytest.raises(GraphError, match="float64, but this graph computes in float32"):
        Dense(3, weights=encoder.w)(narrow.input("x", 5))


def test_params_before_the_first_use_are_missed_by_name():
    encoder = Dense(3)
    with pytest.raises(GraphError, match=r"Dense has no w yet: its first use, g\.add\(…\), creates it"):
        Dense(5, weights=encoder.w.T)
    assert not hasattr(encoder, "b")
    with pytest.raises(AttributeError, match="no attribute 'v'"):
        encoder.v  # noqa: B018


@pytest.mark.parametrize("share", ["encoder", "decoder", Dense, True])
def test_copies_that_share_one_use_of_a_tied_param_share_it_for_the_other_use_too(share):
    g, encoder, _ = autoencoder()
    twin = g.copy(share=share)
    assert twin["decoder"].layer.w is twin["encoder"].layer.w is encoder.w
    x = np.random.default_rng(0).normal(size=(4, 5))
    close(twin.forward(x=x, t=x).backward().grad(encoder.w), g.forward(x=x, t=x).backward().grad(encoder.w))


def test_replacing_one_use_unties_it_and_a_frozen_use_leaves_the_other_free():
    g, encoder, decoder = autoencoder()
    x = np.random.default_rng(0).normal(size=(4, 5))
    uses = g.forward(x=x, t=x).backward().grad(encoder.w, per="use")
    g.freeze("decoder")
    close(g.forward(x=x, t=x).backward().grad(encoder.w), uses["encoder"])
    g.freeze("decoder", frozen=False)
    g.replace("encoder", Dense(3, "tanh"))
    assert g["encoder"].layer.w is not decoder.w
    assert mg.check(g, x=x, t=x)
    g.replace("decoder", Dense(5, weights=g["encoder"].layer.w.T))
    assert list(g.params) == ["encoder.w", "encoder.b", "decoder.b"]
    assert mg.check(g, x=x, t=x)
