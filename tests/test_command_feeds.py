"""Made-up feeds of the command line: each input gets numbers that its users take."""

from argparse import Namespace

import numpy as np
import pytest
from wirings import ROWS, wired

import minigraph as mg
from minigraph.command.feeds import feeds
from minigraph.costs import (
    BinaryCrossEntropy,
    BinaryCrossEntropyOnProbabilities,
    CosineEmbedding,
    Hinge,
    KLDivergence,
    Quadratic,
    SoftmaxCrossEntropy,
)
from minigraph.errors import FeedError
from minigraph.layers import (
    LSTM,
    Activation,
    Dense,
    Embedding,
    MultiHeadAttention,
    ScaledDotProductAttention,
    StopGradient,
)


@pytest.mark.parametrize("name", ROWS)
def test_made_up_feeds_suit_every_wiring(name):
    g = wired(name).graph
    g.forward(feeds(Namespace(data=None, examples=3, seed=0), g))


def test_made_up_feeds_suit_what_takes_special_numbers():
    g = mg.Graph(seed=0)
    word, length, mask = g.input("word", 6, dtype=int), g.input("length", (), dtype=int), g.input("mask", 6)
    g.output(Embedding(9, 4)(g.input("letter", (), dtype=int)))
    h = Embedding(11, 4)(word)
    g.cost(SoftmaxCrossEntropy(), h, target=word)  # it takes fewer: 4
    h = LSTM(4)(h, length)
    g.output(MultiHeadAttention(2)(h, length), MultiHeadAttention(2)(h, h, h, mask))
    g.output(MultiHeadAttention(2)(h, h, h, g.input("bits of a mask", (6, 6), dtype=int)))
    g.output(ScaledDotProductAttention()(h, h, h, length))
    y = g.add(LSTM(3, returns="last"), h, name="y")
    for cost in (BinaryCrossEntropy(), Hinge(), KLDivergence(), SoftmaxCrossEntropy(), Quadratic()):
        kind = type(cost).__name__
        g.cost(cost, y, target=g.input(f"t of {kind}", 3), weights=f"weights of {kind}")
    g.cost(BinaryCrossEntropyOnProbabilities(), Activation("sigmoid")(y), target="bits")
    g.cost(CosineEmbedding(), y, Dense(3)(y), target="same or not")
    g.cost(BinaryCrossEntropy(), y, target=StopGradient()(g.input("late", 3)))
    found = feeds(Namespace(data=None, examples=200, seed=0), g)
    g.forward(found)
    reach = {name: (array.min(), array.max()) for name, array in found.items()}
    assert reach["word"] == (0, 3)
    assert reach["letter"] == (0, 8)
    assert reach["length"] == (1, 6)
    assert reach["late"] == (0, 1)
    assert reach["bits"] == (0, 1)
    assert reach["same or not"] == (-1, 1)
    assert reach["weights of Hinge"] == (1, 1)
    assert reach["t of Quadratic"][0] < -2
    np.testing.assert_allclose(found["t of KLDivergence"].sum(axis=1), 1)


def test_made_up_feeds_that_suit_no_one_are_refused_by_the_layer():
    g = mg.Graph(seed=0)
    both = g.input("both", (), dtype=int)
    g.output(Embedding(1, 2)(both), LSTM(2)(g.input("x", (3, 2)), both))
    with pytest.raises(FeedError, match="Embedding"):
        g.forward(feeds(Namespace(data=None, examples=3, seed=0), g))
