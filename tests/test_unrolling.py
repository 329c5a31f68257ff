"""Cells unrolled as visible graphs compute what the layers over whole sequences compute."""

import numpy as np
import pytest
from test_recurrent import PAIRS, back, normal, results, shared, stirred, wired

import minigraph as mg
from minigraph.costs import Quadratic
from minigraph.errors import GraphError, ShapeError
from minigraph.layers import LSTM, Dense, GRUCell, LSTMCell, RNNCell, Stack
from minigraph.unrolling import unroll


@pytest.mark.parametrize("T", [1, 2, 9])
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("state", [False, True], ids=["zeros", "state"])
@results
def test_the_unrolled_graph_gives_the_layers_numbers(kind, returns, state, reverse, T):
    layer = kind(3, returns=returns, reverse=reverse)
    g = wired(layer, T, 2, state=state)
    stirred(layer)
    g2 = mg.Graph()
    start = [g2.input(name, 3) for name in ("h0", "c0")[: layer.parts]] if state else []
    stacked = (Stack(axis=0)(*start) if kind is LSTM else start[0]) if state else None
    y = unroll(shared(layer, dict(PAIRS)[kind]), g2.input("x", (T, 2)), stacked, returns, reverse=reverse)
    assert y.shape == g["y"].shape
    feeds = {"x": normal(4, T, 2)} | {node.name: normal(4, 3, seed=i) for i, node in enumerate(start)}
    error = normal(4, *y.shape, seed=8)
    one, many = back(g, error, **feeds), g2.forward(**feeds).backward(y, error, wrt=list(feeds))
    np.testing.assert_allclose(many[y].a, one["y"].a, rtol=1e-12, atol=1e-12)
    for name in feeds:
        np.testing.assert_allclose(many[name].error, one[name].error, rtol=1e-12, atol=1e-12)
    for param in layer.params.values():
        np.testing.assert_allclose(many.grad(param), one.grad(param), rtol=1e-12, atol=1e-12)
        assert len(many.grad(param, per="use")) == T


def test_unrolled_nodes_have_readable_names_and_share_one_set_of_params():
    g, layer = mg.Graph(seed=0), GRUCell(3)
    x = g.input("x", (3, 2))
    unroll(layer, x, name="enc")
    assert [node.name for node in g] == ["x", "x_0", "enc_0", "x_1", "enc_1", "x_2", "enc_2", "stack"]
    assert g["enc_2"].inputs == (g["x_2"], g["enc_1"])
    assert set(g.params.values()) == set(layer.params.values())
    unroll(layer, x, name="enc", reverse=True)
    assert len(g) == 15


def test_an_unrolled_graph_is_right_by_differences():
    g = mg.Graph(seed=0)
    y = unroll(LSTMCell(2), g.input("x", (3, 2)), g.input("state", (2, 2)))
    g.cost(Quadratic(), y, target="t")
    assert mg.check(g, x=normal(4, 3, 2), state=normal(4, 2, 2, seed=1), t=normal(4, 3, 2, seed=2)).ok


def test_unroll_says_what_it_takes():
    g = mg.Graph()
    x = g.input("x", (3, 2))
    with pytest.raises(GraphError, match=r"unroll takes a cell, such as LSTMCell\(…\), got LSTM\("):
        unroll(LSTM(3), x)
    with pytest.raises(GraphError, match="unroll takes a cell"):
        unroll(Dense(3), x)
    with pytest.raises(GraphError, match="unroll returns one of 'sequence', 'last', got 'cell'"):
        unroll(GRUCell(3), x, returns="cell")
    with pytest.raises(ShapeError, match=r"unroll takes sequences \(T, k\), got samples of shape \(4,\) from 'v'"):
        unroll(RNNCell(3), g.input("v", 4))
    with pytest.raises(GraphError, match="can't mix nodes of two graphs"):
        unroll(RNNCell(3), x, mg.Graph("other").input("h", 3))
