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
    g = mg.Sequential(sizes[0], *(Dense(n, "sigmoid") for n in sizes[1:]), cost=Quadratic(), seed=0, dtype="float32")
    for name, value in zip(
        g.params.values(), [p for pair in zip(hand.w, hand.b, strict=True) for p in pair], strict=True
    ):
        name.value = value
    run, sgd = mg.Run(g, training=True, guard=False), mg.SGD(lr=LR)

    def step():
        run.forward(x=x, t=y).backward()
        sgd.step(run)

    return step, list(g.params.values())


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
    ours, params = minigraph_step(hand, x, y)
    for _ in range(5):  # the same numbers first: else the times mean nothing
        ours()
        hand.step(x, y)
    for value, param in zip([p for pair in zip(hand.w, hand.b, strict=True) for p in pair], params, strict=True):
        np.testing.assert_allclose(param.value, value, rtol=1e-4, atol=1e-5)
    steps = {"hand": lambda: hand.step(x, y), "minigraph": ours, "torch": torch}
    times = {name: [timed(step, count) for _ in ()] for name, step in steps.items() if step}
    for name in times:
        timed(steps[name], count)
    for _ in range(rounds):
        for name, measured in times.items():
            measured.append(timed(steps[name], count))
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    print(
        f"{'one training step, float32':34} {'hand µs':>9} {'ours µs':>9} {'ours/hand':>10} {'torch µs':>9} {'torch/ours':>10}"
    )
    for name, (sizes, m, count) in WORK.items():
        times = compare(sizes, m, count, rounds)
        median = {k: statistics.median(v) * 1e6 for k, v in times.items()}
        ratio = statistics.median(o / h for o, h in zip(times["minigraph"], times["hand"], strict=True))
        line = f"{name:34} {median['hand']:9.1f} {median['minigraph']:9.1f} {ratio:10.3f}"
        if "torch" in times:
            faster = statistics.median(t / o for t, o in zip(times["torch"], times["minigraph"], strict=True))
            line += f" {median['torch']:9.1f} {faster:10.2f}"
        print(line)


if __name__ == "__main__":
    main()
