"""Graphs and a training that hold all that a file can say, for files that are to be damaged."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

import minigraph as mg
from minigraph.blocks import residual, transformer_encoder
from minigraph.costs import L1, L2, Quadratic, SoftmaxCrossEntropy
from minigraph.layers import (
    LSTM,
    AdaptiveAvgPool2D,
    Add,
    BatchNorm,
    Bias,
    Concat,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalAvgPool,
    LayerNorm,
    MaxPool2D,
    MultiHeadAttention,
    Pad,
    PositionalEncoding,
    PReLU,
    Reshape,
    Scale,
    Slice,
    StopGradient,
    Transpose,
)  # fmt: skip
from minigraph.numbers import is_whole
from minigraph.saving.weights import places

X, T = np.random.default_rng(0).normal(size=(22, 4)), np.arange(22) % 3


@mg.register
@dataclass(eq=False)
class Fuzzed(mg.Layer):
    """x ⊙ p^n, with a factor for each name."""

    exponent: int = 1
    factors: dict = None

    def __post_init__(self):
        if not is_whole(self.exponent) or not 0 < self.exponent < 9:
            raise mg.errors.GraphError(f"Fuzzed takes an exponent from 1 to 8, got {self.exponent!r}")

    def build(self, shape, *, rng, dtype):
        self.p = self.param("p", shape[-1:], "ones", rng=rng, dtype=dtype)
        return shape

    def forward(self, at, x):
        return x * self.p.value**self.exponent

    def backward(self, at, error):
        n = self.exponent
        axes = tuple(range(error.ndim - 1))
        at.grad[self.p] = (error * at.inputs[0] * n * self.p.value ** (n - 1)).sum(axis=axes)
        return error * self.p.value**n


@mg.register(name="fuzzed")
def squared(z):
    return z * z


@mg.register(name="slope of fuzzed")
def doubled(z):
    return 2 * z


def tokens():
    """Sharing, tied weights, attention, recurrence, noise."""
    g = mg.Graph("tokens", seed=1, dtype="float32")
    index = g.input("index", 5, dtype=int)
    embedding = Embedding(7, 4, weights="glorot_normal")
    h = g.add(Scale(2.0), g.add(embedding, index, name="embed"))
    h = g.add(PositionalEncoding(), h)
    h = g.add(transformer_encoder(h, 2, 6, dropout=0.1), h, name="encoder")
    h = Add()(h, g.add(LSTM(4), h), g.add(MultiHeadAttention(2, causal=True), h))
    out = g.add(Dense(7, bias=False, weights=embedding.w), h, name="scores")
    g.cost(SoftmaxCrossEntropy(ignore_index=0), out, target="label")
    return g


def images():
    """Images, blocks used twice, running statistics, a channel's own activation."""
    g = mg.Graph("images", seed=2)
    x = g.input("x", (2, 6, 6))
    block = residual(x, 2)
    h = g.block(block, g.add(block, x, name="one"), name="two", recompute=True)
    h = Conv2D(3, 3, padding="same", activation=["relu", "tanh", mg.activations.LeakyReLU(0.2)])(Pad(1)(h))
    h = BatchNorm(affine=False)(AdaptiveAvgPool2D((4, 3))(MaxPool2D(3, 2, padding=1)(h)))
    h = PReLU(channels=True)(h)
    flat, mean = Flatten()(Transpose((1, 2, 0))(h)), GlobalAvgPool()(h)
    y = Dense(2, name="y")(Concat()(flat, mean, Flatten()(Slice((0, slice(1, 3), ...))(h))))
    g.cost(Quadratic(weight=0.5), y, target="t", weights="importance")
    g.output(y, h)
    return g


def dense():
    """Constants, functions, penalties, tied weights, a layer of one's own, names of all kinds."""
    g = mg.Graph("dense", seed=3)
    x = g.input('a:b <c> {d} | "e" δ', 6)
    encoder = Dense(4, (np.sin, np.cos), name="encoder")
    h = LayerNorm()(Bias(np.arange(4.0))(Scale(factor=np.linspace(1, 2, 4))(encoder(x))))
    own = Fuzzed(2, {"a": 1, "b": [2.0, (3, None)]})
    h = g.add(own, g.add(own, h, name="own"), name="own again")
    h = Dropout(0.3)(Dense(4, ["sigmoid", "relu", (squared, doubled), mg.activations.ELU(0.5)], name="kinds")(h))
    y = g.add(Dense(6, weights=encoder.w.T), Reshape((4,))(Reshape((2, -1))(h)), name="decoder")
    g.cost(Quadratic(), y, target=StopGradient()(x), name="again")
    g.cost(L2(0.1, ["*.w"]))
    g.cost(L1(0.2, encoder.b))
    g.freeze("decoder")
    return g


GRAPHS = {make.__name__: make for make in (tokens, images, dense)}


def training(seed=4):
    layers = Dense(5, "tanh"), BatchNorm(), Dropout(0.2), Dense(3)
    g = mg.Sequential(4, *layers, cost=SoftmaxCrossEntropy(), seed=seed)
    rate = mg.schedules.Plateau(0.02, factor=0.5, patience=0)
    options = {
        "optimizer": mg.Adam(rate, groups={"*.b": {"lr": 0.01}}, clip_norm=1.0),
        "metrics": ["accuracy", mg.metrics.top_k(2)],
        "stopping": mg.EarlyStopping(5),
        "validation": {"x": X, "t": T},
    }
    more = {"accumulate": 2, "batch_size": 4, "epochs": 3, "seed": 5, "progress": False, "history": mg.History()}
    return g, {"data": {"x": X, "t": T}, **options, **more}


def originals(folder):
    """Write the files that are to be damaged: graphs, weights alone, checkpoints within and between epochs."""
    folder = Path(folder)
    for name, make in GRAPHS.items():
        make().save(folder / f"{name}.safetensors")
    g = images()
    save_file(
        {name: place.value for name, place in places(g).items()}, folder / "weights.safetensors", {"of": "images"}
    )
    (folder / "runs").mkdir()
    g, options = training()
    mg.fit(g, **options, checkpoint=folder / "runs" / "run.safetensors", every=1, keep=99)
    for number, file in enumerate(sorted((folder / "runs").iterdir())):
        if number in (8, 11):
            shutil.copy(file, folder / f"checkpoint{number}.safetensors")
    shutil.rmtree(folder / "runs")
