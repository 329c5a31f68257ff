"""One training step of some MLPs, float32: minigraph against a loop written by hand and, where installed, PyTorch.

    python tests/benchmarks/steps.py [--rounds 40]

Contestants take turns, round by round, so that a drifting machine hits all alike; a ratio is the median of the rounds'
ratios. Thread counts are left as they are.
"""

import argparse
import statistics
import time

import numpy as np
from hand import HandMLP

import minigraph as mg
from minigraph.costs import Quadratic
from minigraph.layers import Dense

WORK = {
    "MLP 784-30-10, batch 10": ([784, 30, 10], 10, 200),
    "MLP 784-512-512-10, batch 128": ([784, 512, 512, 10], 128, 5),
    "100 layers of width 32, batch 32": ([32] * 101, 32, 5),
}
LR = 0.01


def minigraph_step(hand, x, y):
    sizes = [x.shape[1], *(len(b) for b in hand.b)]
    layers = [Dense(n, "sigmoid") for n in sizes[1:]]
    g = mg.Sequential(sizes[0], *layers, cost=Quadratic(), seed=0, dtype="float32")
    for layer, w, b in zip(layers, hand.w, hand.b, strict=True):
        layer.w.value, layer.b.value = w, b
    run, sgd = mg.Run(g, training=True, guard=False), mg.SGD(lr=LR)

    def step():
        run.forward(x=x, t=y).backward()
        sgd.step(run)

    return step, layers


def torch_step(hand, x, y):
    try:
        import torch
    except ImportError:
        return None
    layers = []
    for w, b in zip(hand.w, hand.b, strict=True):
        linear = torch.nn.Linear(w.shape[1], w.shape[0])
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(w))
            linear.bias.copy_(torch.from_numpy(b))
        layers += [linear, torch.nn.Sigmoid()]
    net = torch.nn.Sequential(*layers)
    sgd = torch.optim.SGD(net.parameters(), lr=LR)
    tx, ty = torch.from_numpy(x), torch.from_numpy(y)

    def step():
        sgd.zero_grad()
        loss = 0.5 * ((net(tx) - ty) ** 2).sum() / len(tx)
        loss.backward()
        sgd.step()

    return step


def timed(step, count):
    began = time.perf_counter()
    for _ in range(count):
        step()
    return (time.perf_counter() - began) / count


def compare(sizes, m, count, rounds):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((m, sizes[0])).astype(np.float32)
    y = rng.random((m, sizes[-1])).astype(np.float32)
    hand = HandMLP(sizes, m, LR)
    torch = torch_step(hand, x, y)
    ours, layers = minigraph_step(hand, x, y)
    for _ in range(5):  # the same numbers first: else the times mean nothing
        ours()
        hand.step(x, y)
    for layer, w, b in zip(layers, hand.w, hand.b, strict=True):
        np.testing.assert_allclose(layer.w.value, w, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(layer.b.value, b, rtol=1e-4, atol=1e-5)
    steps = {"hand": lambda: hand.step(x, y), "minigraph": ours}
    if torch:
        steps["torch"] = torch
    for step in steps.values():
        timed(step, count)
    times = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            times[name].append(timed(step, count))
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    heads = ("hand µs", "ours µs", "ours/hand", "torch µs", "torch/ours")
    print(f"{'one training step, float32':34}" + "".join(f"{head:>11}" for head in heads))
    for name, (sizes, m, count) in WORK.items():
        times = compare(sizes, m, count, rounds)
        median = {k: statistics.median(v) * 1e6 for k, v in times.items()}
        ratio = statistics.median(o / h for o, h in zip(times["minigraph"], times["hand"], strict=True))
        line = f"{name:34}{median['hand']:11.1f}{median['minigraph']:11.1f}{ratio:11.3f}"
        if "torch" in times:
            faster = statistics.median(t / o for t, o in zip(times["torch"], times["minigraph"], strict=True))
            line += f"{median['torch']:11.1f}{faster:11.2f}"
        print(line)


if __name__ == "__main__":
    main()
