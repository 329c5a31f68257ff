"""Forward and backward of single layers, float32: minigraph against PyTorch, errors to the inputs included.

    python tests/benchmarks/layers.py [--rounds 40]

Contestants take turns, round by round, so that a drifting machine hits all alike; a ratio is the median of the rounds'
ratios. Thread counts are left as they are.
"""

import argparse
import statistics

import numpy as np
import torch
from steps import timed

import minigraph as mg
from minigraph.layers import GRU, LSTM, AvgPool2D, BatchNorm, Conv2D, LayerNorm, MaxPool2D, MultiHeadAttention

nn = torch.nn
WORK = {
    "Conv2D 16@3×3 on 32×(1,28,28)": ((1, 28, 28), 32, lambda: Conv2D(16, 3), lambda: nn.Conv2d(1, 16, 3)),
    "Conv2D 32@3×3 on 32×(16,14,14)": ((16, 14, 14), 32, lambda: Conv2D(32, 3), lambda: nn.Conv2d(16, 32, 3)),
    "Conv2D 16@5×5 on 64×(8,28,28)": ((8, 28, 28), 64, lambda: Conv2D(16, 5), lambda: nn.Conv2d(8, 16, 5)),
    "MaxPool2D 2 on 32×(16,28,28)": ((16, 28, 28), 32, lambda: MaxPool2D(2), lambda: nn.MaxPool2d(2)),
    "AvgPool2D 2 on 32×(16,28,28)": ((16, 28, 28), 32, lambda: AvgPool2D(2), lambda: nn.AvgPool2d(2)),
    "BatchNorm on 32×(16,28,28)": ((16, 28, 28), 32, BatchNorm, lambda: nn.BatchNorm2d(16)),
    "LayerNorm on 32×(32,64)": ((32, 64), 32, LayerNorm, lambda: nn.LayerNorm(64)),
    "Attention, 4 heads, 32×(32,64)": (
        (32, 64), 32, lambda: MultiHeadAttention(4), lambda: nn.MultiheadAttention(64, 4, batch_first=True)),
    "LSTM 64 on 32×(20,32)": ((20, 32), 32, lambda: LSTM(64), lambda: nn.LSTM(32, 64, batch_first=True)),
    "GRU 64 on 32×(20,32)": ((20, 32), 32, lambda: GRU(64), lambda: nn.GRU(32, 64, batch_first=True)),
}  # fmt: skip


def ours(shape, x, layer):
    g = mg.Graph(seed=0, dtype="float32")
    node = g.add(layer, g.input("x", shape), name="y")
    g.output(node)
    run = mg.Run(g, training=True, guard=False)
    error = np.ones((len(x), *node.shape), "float32")
    return lambda: run.forward(x=x).backward("y", error, wrt="x")


def theirs(x, module):
    tensor = torch.from_numpy(x).requires_grad_()

    def step():
        attention = isinstance(module, nn.MultiheadAttention)
        y = module(tensor, tensor, tensor, need_weights=False) if attention else module(tensor)
        y = y[0] if isinstance(y, tuple) else y
        tensor.grad = None
        for parameter in module.parameters():
            parameter.grad = None
        y.backward(torch.ones_like(y))

    return step


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    print(f"{'float32, forward and backward':34}{'ours µs':>10}{'torch µs':>10}{'ours/torch':>12}")
    for name, (shape, m, layer, module) in WORK.items():
        x = np.random.default_rng(0).normal(size=(m, *shape)).astype("float32")
        steps = ours(shape, x, layer()), theirs(x, module())
        for step in steps:
            step()
        pairs = [[1e6 * timed(step, 5) for step in steps] for _ in range(rounds)]
        mine, other = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(a / b for a, b in pairs)
        print(f"{name:34}{mine:>10.0f}{other:>10.0f}{ratio:>12.2f}")


if __name__ == "__main__":
    main()
