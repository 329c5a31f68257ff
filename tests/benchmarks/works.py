"""The works: one row each, with the network, the batch, the learning rate and what is aimed at."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

import minigraph as mg
from minigraph.blocks import transformer_encoder
from minigraph.costs import Quadratic, SoftmaxCrossEntropy
from minigraph.layers import LSTM, Activation, Add, Conv2D, Dense, Flatten, MaxPool2D, Multiply


@dataclass(frozen=True)
class MLP:
    """Dense layers `1`, `2`, …: sigmoid and quadratic cost, or ReLU and softmax with cross-entropy (labels)."""

    sizes: tuple[int, ...]
    sigma: str
    gain: float = 1.0

    def graph(self, g: mg.Graph) -> None:
        h, last = g.input("x", self.sizes[0]), len(self.sizes) - 1
        for i, (k, n) in enumerate(pairwise(self.sizes), 1):
            w = (self.gain * g.rng.standard_normal((n, k)) / np.sqrt(k)).astype("float32")
            b = (-0.5 * w.sum(axis=1) if self.gain != 1.0 else np.zeros(n)).astype("float32")
            plain = self.sigma == "relu" and i == last
            sigma = "identity" if plain else self.sigma
            h = g.add(Dense(n, sigma, weights=mg.Param(w), biases=mg.Param(b)), h, name=str(i))
        g.cost(SoftmaxCrossEntropy() if self.sigma == "relu" else Quadratic(), h, target="t")

    def data(self, rng: np.random.Generator, m: int) -> tuple[np.ndarray, np.ndarray]:
        x = rng.random((m, self.sizes[0]), "float32")
        labels = rng.integers(0, self.sizes[-1], m)
        return x, labels if self.sigma == "relu" else np.eye(self.sizes[-1], dtype="float32")[labels]


class CNN:
    """LeNet-5 with ReLU and maxima: 6@5×5, pool, 16@5×5, pool, 120, 84, 10; softmax with cross-entropy."""

    def graph(self, g: mg.Graph) -> None:
        h = g.input("x", (1, 28, 28)) >> Conv2D(6, 5, padding=2, activation="relu", weights="he_normal", name="1")
        h = h >> MaxPool2D(2) >> Conv2D(16, 5, activation="relu", weights="he_normal", name="2") >> MaxPool2D(2)
        h = h >> Flatten() >> Dense(120, "relu", weights="he_normal", name="3")
        h = h >> Dense(84, "relu", weights="he_normal", name="4") >> Dense(10, name="5")
        g.cost(SoftmaxCrossEntropy(), h, target="t")

    def data(self, rng: np.random.Generator, m: int) -> tuple[np.ndarray, np.ndarray]:
        return rng.random((m, 1, 28, 28), "float32"), rng.integers(0, 10, m)


class Convolution:
    """32 filters 3×3, padding 1, on (16, 28, 28), with a given error; the error of the input is computed, too."""

    def graph(self, g: mg.Graph) -> None:
        g.output(g.input("x", (16, 28, 28)) >> Conv2D(32, 3, padding=1, name="1"))

    def data(self, rng: np.random.Generator, m: int) -> tuple[np.ndarray, np.ndarray]:
        return rng.random((m, 16, 28, 28), "float32"), rng.standard_normal((m, 32, 28, 28), "float32")


class Transformer:
    """Two encoder blocks, d = 64, 4 heads, 256 hidden, T = 32, then 10 classes for each step."""

    blocks, heads, d, T, hidden, classes = 2, 4, 64, 32, 256, 10

    def graph(self, g: mg.Graph) -> None:
        h = g.input("x", (self.T, self.d))
        for i in range(self.blocks):
            h = h >> transformer_encoder(h, self.heads, self.hidden, name=str(i))
        g.cost(SoftmaxCrossEntropy(), h >> Dense(self.classes, name="logits"), target="t")

    def data(self, rng: np.random.Generator, m: int) -> tuple[np.ndarray, np.ndarray]:
        return rng.standard_normal((m, self.T, self.d), "float32"), rng.integers(0, self.classes, (m, self.T))


class Memory:
    """LSTM with 64 hidden on 50 steps of 32 numbers, then 10 classes from its last state."""

    T, k, n, classes = 50, 32, 64, 10

    def graph(self, g: mg.Graph) -> None:
        h = g.input("x", (self.T, self.k)) >> LSTM(self.n, returns="last", name="lstm")
        g.cost(SoftmaxCrossEntropy(), h >> Dense(self.classes, name="out"), target="t")

    def data(self, rng: np.random.Generator, m: int) -> tuple[np.ndarray, np.ndarray]:
        return rng.standard_normal((m, self.T, self.k), "float32"), rng.integers(0, self.classes, m)


@dataclass(frozen=True)
class DAG:
    """200 nodes of width 16: Dense with tanh, tanh alone, sums and products of two; loose ends are summed up."""

    nodes: int = 200
    width: int = 16
    plan: tuple[tuple[str, tuple[int, ...]], ...] = field(init=False)
    """What each node is and which nodes it takes: 0 is the input, node i stands at place i − 1."""

    def __post_init__(self) -> None:
        rng, plan, loose = np.random.default_rng(5), [("dense", (0,))], {1}
        while len(plan) + 1 < self.nodes - len(loose):
            near = range(max(1, len(plan) - 7), len(plan) + 1)
            kind = ("dense", "tanh", "add", "multiply")[rng.choice(4, p=[0.4, 0.15, 0.3, 0.15])]
            count = min(1 + (kind in ("add", "multiply")), len(near))
            sources = tuple(int(i) for i in rng.choice(near, count, replace=False))
            plan.append((kind if count == 2 or kind in ("dense", "tanh") else "dense", sources))
            loose = loose - set(sources) | {len(plan)}
        while len(loose) > 1:
            one, other = sorted(loose)[:2]
            plan.append(("add", (one, other)))
            loose = loose - {one, other} | {len(plan)}
        plan.append(("dense", (len(plan),)))
        object.__setattr__(self, "plan", tuple(plan))

    def graph(self, g: mg.Graph) -> None:
        values = [g.input("x", self.width)]
        for i, (kind, sources) in enumerate(self.plan, 1):
            dense = Dense(self.width, "tanh")
            layer = {"dense": dense, "tanh": Activation("tanh"), "add": Add(), "multiply": Multiply()}[kind]
            values.append(g.add(layer, *(values[j] for j in sources), name=str(i)))
        g.cost(Quadratic(), values[-1], target="t")

    def data(self, rng: np.random.Generator, m: int) -> tuple[np.ndarray, np.ndarray]:
        return rng.standard_normal((m, self.width), "float32"), rng.random((m, self.width), "float32")


@dataclass(frozen=True)
class Work:
    """A training step to measure: forward, backward and plain SGD with the mean gradient, float32."""

    key: str
    title: str
    net: MLP | CNN | Convolution | Transformer | Memory | DAG
    batch: int
    lr: float
    aims: tuple[tuple[str, float], ...]
    """Contestants, and how many times faster than each minigraph is to be: 1 / 1.05 allows it 5 % more time."""

    def graph(self) -> mg.Graph:
        """The network, with the weights from which everyone starts."""
        g = mg.Graph(self.title, seed=1, dtype="float32")
        self.net.graph(g)
        return g

    def start(self) -> dict[str, np.ndarray]:
        """Copies of the weights, by minigraph's names."""
        return {name: param.value.copy() for name, param in self.graph().params.items()}

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """A batch: inputs, and targets or labels (or the error that is given)."""
        return self.net.data(np.random.default_rng(2), self.batch)


FRAMEWORKS = ("pytorch", "compile", "jax", "sklearn", "autograd")
WIDE = (784, 1024, 1024, 1024, 1024, 10)

WORKS = {
    work.key: work
    for work in (
        Work("a", "MLP 784-30-10 sigmoid, batch 10", MLP((784, 30, 10), "sigmoid"), 10, 0.5,
             (("hand", 1 / 1.05), ("pytorch", 6), ("jax", 2))),
        Work("b", "MLP 784-100-10 sigmoid, batch 10", MLP((784, 100, 10), "sigmoid"), 10, 0.5,
             (("hand", 1 / 1.05), ("pytorch", 4), ("jax", 2))),
        Work("c", "MLP 784-512-512-10 ReLU, batch 128", MLP((784, 512, 512, 10), "relu"), 128, 0.1,
             (("hand", 1 / 1.03), *((name, 1) for name in FRAMEWORKS))),
        Work("d", "MLP 784-1024×4-10 ReLU, batch 1024", MLP(WIDE, "relu"), 1024, 0.1,
             (("hand", 1 / 1.03), *((name, 1) for name in FRAMEWORKS))),
        Work("e", "100 layers of width 32, sigmoid, batch 32", MLP((32,) * 101, "sigmoid", gain=4.0), 32, 0.001,
             (("hand", 1 / 1.10), ("pytorch", 3), ("jax", 1))),
        Work("f", "LeNet on 28×28, batch 32", CNN(), 32, 0.1, (("pytorch", 1),)),
        Work("f2", "Conv2D 32@3×3 on (16, 28, 28), batch 32", Convolution(), 32, 1e-4, (("pytorch", 1 / 1.5),)),
        Work("g", "transformer, 2 blocks, d 64, T 32, batch 8", Transformer(), 8, 0.1,
             (("pytorch", 1), ("jax", 1 / 1.5))),
        Work("h", "LSTM 64 on 50 steps, batch 16", Memory(), 16, 0.1, (("pytorch", 1), ("jax", 1 / 1.5))),
        Work("i", "DAG of 200 nodes of width 16, batch 16", DAG(), 16, 0.01, (("pytorch", 1), ("jax", 1 / 1.5))),
    )
}  # fmt: skip
