"""Draw the README's two pictures by running its example, and the networks and gradient flows of the gallery."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

import minigraph as mg
from minigraph.blocks import residual, transformer_encoder, unroll
from minigraph.costs import Quadratic, SoftmaxCrossEntropy, TripletMargin
from minigraph.layers import (
    Activation,
    BatchNorm,
    Concat,
    Conv2D,
    Dense,
    Embedding,
    GlobalAvgPool,
    LayerNorm,
    LSTMCell,
    MaxPool2D,
    PositionalEncoding,
    UpSample2D,
)

docs = Path(__file__).resolve().parent
digits = mg.datasets.mnist()
rng = np.random.default_rng(0)


def readme():
    """Run the README's example, which draws two pictures."""
    [example] = re.findall(r"```python\n(.*?)```", (docs.parent / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    exec(example, {})


def mlp():
    """The book's network of three layers."""
    g = mg.Sequential(784, Dense(30, "sigmoid"), Dense(10, "sigmoid"), cost=Quadratic(), name="MLP", seed=0)
    return g, {"x": digits.x_test[:10], "t": mg.datasets.one_hot(digits.y_test[:10])}


def residual_net():
    """Four equal residual blocks between a stem and an average."""
    g = mg.Graph("residual net", seed=0)
    h = g.input("image", (1, 28, 28)) >> Conv2D(
        16, 3, stride=2, padding=1, bias=False, weights="he_normal", name="stem"
    )
    h = h >> BatchNorm() >> Activation("relu")
    for i in range(1, 5):
        h = h >> residual(h, 16, name=f"block {i}")
    g.cost(SoftmaxCrossEntropy(), h >> GlobalAvgPool() >> Dense(10, name="digit"), target="label")
    return g, {"image": digits.x_test[:10].reshape(-1, 1, 28, 28), "label": digits.y_test[:10]}


def u_net():
    """Down, up again, and skips across."""

    def conv(filters, name):
        return Conv2D(filters, 3, padding="same", activation="relu", weights="he_normal", name=name)

    g = mg.Graph("U-Net", seed=0)
    fine = g.input("image", (1, 16, 16)) >> conv(8, "fine")
    middle = fine >> MaxPool2D(2) >> conv(16, "middle")
    coarse = middle >> MaxPool2D(2) >> conv(32, "coarse")
    up = Concat(axis=0)(middle, coarse >> UpSample2D(2)) >> conv(16, "middle up")
    up = Concat(axis=0)(fine, up >> UpSample2D(2)) >> conv(8, "fine up")
    g.cost(SoftmaxCrossEntropy(axis=0), up >> Conv2D(3, 1, name="class"), target="pixels")
    return g, {"image": rng.random((8, 1, 16, 16)), "pixels": rng.integers(0, 3, (8, 16, 16))}


def transformer():
    """24 equal blocks."""
    g = mg.Graph("transformer", seed=0)
    h = g.input("text", 16, dtype=int) >> Embedding(60, 32) >> PositionalEncoding()
    for i in range(1, 25):
        h = h >> transformer_encoder(h, 4, 64, norm_first=True, causal=True, name=f"block {i}")
    g.cost(SoftmaxCrossEntropy(), h >> LayerNorm() >> Dense(60, name="logits"), target="next")
    return g, {"text": rng.integers(0, 60, (8, 16)), "next": rng.integers(0, 60, (8, 16))}


def siamese():
    """Three uses of one tower."""
    tower = mg.Sequential(784, Dense(64, "relu", name="hidden"), Dense(8, name="place"), seed=0)
    g = mg.Graph("siamese net")
    inputs = [g.input(name, 784) for name in ("anchor", "positive", "negative")]
    g.cost(TripletMargin(), *(g.add(tower, x, name=f"tower of {x.name}") for x in inputs))
    return g, {x.name: digits.x_test[i * 10 : i * 10 + 10] for i, x in enumerate(inputs)}


def lstm():
    """Six uses of one cell."""
    g = mg.Graph("LSTM, unrolled", seed=0)
    h = unroll(LSTMCell(8), g.input("x", (6, 4)), returns="last")
    g.cost(Quadratic(), h >> Dense(2, name="out"), target="t")
    return g, {"x": rng.normal(size=(10, 6, 4)), "t": rng.normal(size=(10, 2))}


def gallery():
    """Networks and flows; the deep ones folded, for else they would be long."""
    folded = {"transformer": {"fold": True}, "residual_net": {"fold": True}}
    for make in (mlp, residual_net, u_net, transformer, siamese, lstm):
        name, (g, feeds) = make.__name__, make()
        run = g.forward(feeds).backward()
        g.draw(f"{name}.svg", **folded.get(name, {}))
        run.draw(f"{name}_flow.svg", **folded.get(name, {}))


if __name__ == "__main__":
    (docs / "images").mkdir(exist_ok=True)
    os.chdir(docs / "images")
    readme()
    gallery()
