"""Embedding and positional encoding: what the table of layers can't say."""

import math

import numpy as np
import pytest
from oddities import close, equal, slopes
from test_layers import record

import minigraph as mg
from minigraph.costs import Quadratic, SoftmaxCrossEntropy
from minigraph.errors import FeedError, GraphError, ShapeError
from minigraph.layers import Dense, Embedding, Flatten, PositionalEncoding


def looked_up(shape, *args, dtype="float64", **options):
    """A graph with an Embedding "node" of integer samples "x"."""
    g = mg.Graph(seed=0, dtype=dtype)
    return g, Embedding(*args, **options)(g.input("x", shape, dtype=int), name="node")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_repeated_indices_add_up_in_every_sweep(dtype):
    g, node = looked_up(6, 5, 2, dtype=dtype)
    x = np.array([[3, 1, 3, 3, 0, 1], [3, 3, 4, 4, 0, 3]])
    error = np.random.default_rng(0).integers(-8, 8, (2, 6, 2)).astype(dtype)  # so that any order gives the same sum
    run = g.forward(x=x)
    for indices in (x, x[:, ::-1], np.full_like(x, 2), np.arange(12).reshape(2, 6) % 5):
        expected = np.zeros((5, 2))
        for row, i in np.ndindex(indices.shape):
            expected[indices[row, i]] += error[row, i]
        grad = run.forward(x=indices).backward("node", error).grad(node.layer.w)
        assert grad.dtype == dtype
        equal([2 * grad], [expected.astype(dtype)])


@pytest.mark.parametrize(
    ("x", "said"),
    [
        ([[0, -1, 2]], "got -1"),
        ([[0, 3, 2]], "got 3"),
        ([[9, -7, 9]], "got -7, 9"),
        ([[3, 4, 5], [6, 7, 8]], "got 3, 4, 5, 6, 7, …"),
    ],
)
def test_indices_without_a_row_are_named(x, said):
    g, _ = looked_up(3, 3, 2)
    with pytest.raises(FeedError, match=r"Embedding 'node'.*takes indices from 0 to 2, ") as caught:
        g.forward(x=x)
    assert f"{said}: give it a larger size, or other indices" in str(caught.value)


def test_floats_are_no_indices():
    g = mg.Graph()
    Embedding(3, 2)(g.input("x", 3))
    with pytest.raises(FeedError, match=r"takes integer indices, got float64: declare the input so, g.input"):
        g.forward(x=[[0.0, 1.0, 2.0]])


def test_rows_of_padding_start_at_0_and_stay_there():
    g, node = looked_up(4, 4, 3, padding_index=2)
    w = node.layer.w
    assert not w.value[2].any()
    assert np.all(w.value[[0, 1, 3]] != 0)
    g.cost(Quadratic(), Flatten()(node))
    x, t = np.array([[2, 1, 2, 0], [0, 2, 3, 3]]), np.ones((2, 12))
    optimizer = mg.SGD(0.1)
    for _ in range(3):
        run = g.forward(x=x, t=t).backward()
        assert not run.grad(w)[2].any()
        expected = slopes(lambda: g.forward(x=x, t=t).cost, w.value)
        assert expected[2].all()
        expected[2] = 0
        close(run.grad(w), expected)
        assert mg.check(g, x=x, t=t)
        optimizer.step(run)
    assert not w.value[2].any()


def test_padding_leaves_values_alone_that_it_did_not_draw():
    _, node = looked_up((), 3, 2, weights="ones")
    _, shared = looked_up((), 3, 2, weights=node.layer.w, padding_index=0)
    assert shared.layer.w is node.layer.w
    assert shared.layer.w.value.all()
    _, drawn = looked_up((), 3, 2, weights=lambda shape, rng: np.ones(shape), padding_index=0)
    equal([drawn.layer.w.value], [[[0, 0], [1, 1], [1, 1]]])
    drawn.layer.w.value = np.full((3, 2), 5.0)
    again = drawn.layer(drawn.graph.input("y", (), dtype=int), name="again")
    equal([drawn.graph.forward(x=0, y=0)[again].a], [[5.0, 5.0]])


def test_a_dense_layer_shares_the_vectors_as_scores():
    g, node = looked_up((), 6, 3)
    embedding = node.layer
    scores = Dense(6, weights=embedding.w, bias=False)(Dense(3, "tanh")(node), name="scores")
    g.cost(SoftmaxCrossEntropy(), scores)
    feeds = {"x": [0, 5, 5, 2], "t": [1, 0, 2, 5]}
    run = g.forward(feeds).backward()
    assert scores.layer.w is embedding.w
    assert set(run.grad(embedding.w, per="use")) == {"node", "scores"}
    close(run.grad(embedding.w), slopes(lambda: g.forward(feeds).cost, embedding.w.value))
    assert mg.check(g, feeds)


def test_a_frozen_layer_sets_no_gradient_even_if_it_is_called():
    _, node = looked_up(2, 3, 2)
    x, error = np.array([[0, 2]]), np.ones((1, 2, 2))
    for node.layer.frozen, count in ((False, 1), (True, 0)):
        at = record(node, [x], error)
        node.layer.forward(at, x)
        assert node.layer.backward(at, error) is None
        assert len(at.grad) == count


@pytest.mark.parametrize(
    ("given", "said"),
    [
        *(((size, 2), f"as size, got {size!r}") for size in (0, -1, 2.0, True, "3", None)),
        *(((2, units), f"of units, got {units!r}") for units in (0, 2.5, None)),
        *(((3, 2, padding), f"padding_index from 0 to 2, or None, got {padding!r}") for padding in (3, -1, 1.0, True)),
    ],
)
def test_embeddings_of_nothing_are_refused(given, said):
    with pytest.raises(GraphError, match="Embedding takes") as caught:
        Embedding(*given)
    assert said in str(caught.value)


def test_positions_are_those_of_the_paper():
    g = mg.Sequential((50, 6), PositionalEncoding())
    s = g.forward(x=np.zeros((50, 6)))["positional_encoding"].a
    for t, (i, f) in ((3, (0, math.sin)), (49, (1, math.cos)), (7, (2, math.sin)), (49, (5, math.cos))):
        assert s[t, i] == pytest.approx(f(t / 10000 ** ((i - i % 2) / 6)), abs=1e-15)
    np.testing.assert_array_equal(s[0], [0, 1] * 3)


def test_positions_reach_float32_exactly_rounded():
    x = np.zeros((1000, 3))
    double, single = (
        mg.Sequential(x.shape, PositionalEncoding(), dtype=dtype).forward(x=x)["positional_encoding"].a
        for dtype in ("float64", "float32")
    )
    np.testing.assert_array_equal(single, double.astype("float32"), strict=True)


def test_integers_have_no_position():
    g = mg.Graph()
    with pytest.raises(ShapeError, match="takes floats, got the integers of 'x'"):
        PositionalEncoding()(g.input("x", (3, 2), dtype=int))
