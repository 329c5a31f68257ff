"""Memory: predicted against measured, what recomputing saves and costs, and growth over many steps.

    python tests/benchmarks/memory.py [--only predicted,recompute,growth] [--steps 100000] [--json FILE] [--docs]

Bytes are tracemalloc's, which numpy tells of every array. The measured peak is that of building the net, then training
it or having it answer once, the batch aside in training. --docs writes all tables into docs/performance.md, between
<!-- memory --> and <!-- /memory -->.
"""

from __future__ import annotations

import argparse
import gc
import json
import re
import statistics
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import machine
import numpy as np

import minigraph as mg
from minigraph.blocks import residual, transformer_encoder
from minigraph.costs import Quadratic, SoftmaxCrossEntropy
from minigraph.inference import Inference
from minigraph.layers import LSTM, Add, Concat, Conv2D, Dense, Flatten, MaxPool2D
from minigraph.memory import memory

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
BLOCK = re.compile(r"(<!-- memory -->\n).*?(<!-- /memory -->)", re.DOTALL)
PARTS = ("predicted", "recompute", "growth")
MB = 10**6
Feeds = dict[str, np.ndarray]


# ---- nets ----


def mlp(g: mg.Graph) -> None:
    """784-512-512-10, ReLU"""
    _classes(g, g.input("x", 784) >> Dense(512, "relu") >> Dense(512, "relu"))


def deep(g: mg.Graph) -> None:
    """50 layers of width 64, sigmoid"""
    h = g.input("x", 64)
    for _ in range(50):
        h = h >> Dense(64, "sigmoid")
    _classes(g, h)


def cnn(g: mg.Graph) -> None:
    """LeNet on 28×28"""
    h = g.input("x", (1, 28, 28)) >> Conv2D(6, 5, padding=2, activation="relu") >> MaxPool2D(2)
    h = h >> Conv2D(16, 5, activation="relu") >> MaxPool2D(2) >> Flatten()
    _classes(g, h >> Dense(120, "relu") >> Dense(84, "relu"))


def transformer(g: mg.Graph) -> None:
    """2 encoder blocks, d 64, T 32"""
    h = g.input("x", (32, 64))
    for i in range(2):
        h = h >> transformer_encoder(h, 4, 256, name=str(i))
    _classes(g, h)


def lstm(g: mg.Graph) -> None:
    """LSTM 64 on 50 steps of 32"""
    _classes(g, g.input("x", (50, 32)) >> LSTM(64, returns="last"))


def resnet(g: mg.Graph) -> None:
    """2 residual blocks with BatchNorm, 16×16"""
    h = g.input("x", (3, 16, 16))
    for filters in (8, 16):
        h = h >> residual(h, filters, stride=filters // 8)
    _classes(g, h >> Flatten())


def shared(g: mg.Graph) -> None:
    """one layer of width 256, used 3 times"""
    x, layer = g.input("x", 256), Dense(256, "tanh")
    _classes(g, Concat()(layer(layer(x)), layer(x)))


def forks(g: mg.Graph) -> None:
    """20 forks and joins of width 128"""
    h = g.input("x", 128)
    for _ in range(20):
        h = Add()(h, h >> Dense(128, "tanh"))
    _classes(g, h)


def recomputed(g: mg.Graph) -> None:
    """64 layers of width 128, recomputed"""
    _chain(g, 64, 128, True)


def _classes(g: mg.Graph, h: Any) -> None:
    g.cost(SoftmaxCrossEntropy(), h >> Dense(10), target="t")


def _chain(g: mg.Graph, n: int, width: int, recompute: bool) -> None:
    """A block of n blocks, each a Dense layer."""
    block = mg.Graph("chain", seed=0, dtype=g.dtype.name)
    h = block.input("x", width)
    for _ in range(n):
        h = h >> Dense(width, "tanh")
    g.cost(Quadratic(), g.block(block, g.input("x", width), name="b", recompute=recompute), target="t")


NETS = (mlp, deep, cnn, transformer, lstm, resnet, shared, forks, recomputed)
OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "SGD": lambda: mg.SGD(0.01),
    "momentum": lambda: mg.SGD(0.01, momentum=0.9),
    "Adam": lambda: mg.Adam(),
}
TRIALS = (("float32", 10, "SGD"), ("float32", 128, "Adam"), ("float64", 32, "momentum"))


def _graph(net: Callable[[mg.Graph], None], dtype: str) -> mg.Graph:
    g = mg.Graph(net.__name__, seed=0, dtype=dtype)
    net(g)
    gc.collect()
    return g


def _feeds(g: mg.Graph, m: int) -> Feeds:
    rng = np.random.default_rng(0)
    whole = {node.name for node in g.inputs if node.dtype.kind == "i"}
    shapes = {node.name: (m, *node.shape) for node in g.inputs}
    return {
        name: rng.integers(0, 10, shape) if name in whole else rng.standard_normal(shape).astype(g.dtype)
        for name, shape in shapes.items()
    }


def _steps(g: mg.Graph, feeds: Feeds, optimizer: Any, n: int) -> None:
    run = mg.Run(g, training=True, guard=False)
    for _ in range(n):
        run.forward(feeds).backward()
        if optimizer is not None:
            optimizer.step(run)


def _peak(make: Callable[[], mg.Graph], work: Callable[[mg.Graph], None]) -> int:
    """The most bytes that graph and work take, once everything that is made only once is there."""
    work(make())
    gc.collect()
    tracemalloc.start()
    try:
        g = make()
        tracemalloc.reset_peak()
        work(g)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# ---- predicted and measured ----


def predicted() -> list[dict[str, Any]]:
    rows = []
    for net in NETS:
        for dtype, m, name in TRIALS:
            g, optimizer = _graph(net, dtype), OPTIMIZERS[name]
            feeds = _feeds(g, m)
            asked = {node.name: feeds[node.name] for node in g.free_inputs}

            def make(net: Any = net, dtype: str = dtype) -> mg.Graph:
                return _graph(net, dtype)

            def train(g: mg.Graph, feeds: Feeds = feeds, optimizer: Any = optimizer) -> None:
                _steps(g, feeds, optimizer(), 5)

            def answer(g: mg.Graph, asked: Feeds = asked) -> None:
                batch = {name: array.copy() for name, array in asked.items()}
                Inference(g, g.outputs).outputs(batch)

            rows.append(
                {
                    "net": net.__doc__,
                    "dtype": dtype,
                    "batch": m,
                    "optimizer": name,
                    "training": [memory(g, m, optimizer=optimizer()).total, _peak(make, train)],
                    "inference": [memory(g, m, training=False).total, _peak(make, answer)],
                }
            )
    return rows


# ---- recomputing ----


def recompute(m: int = 256, width: int = 64, rounds: int = 7) -> list[dict[str, Any]]:
    """Chains of n equal blocks: peaks above weights and gradients, and times, kept and recomputed in turns."""
    rows = []
    for n in (16, 64, 256):
        row: dict[str, Any] = {"n": n}
        steps: dict[str, Callable[[], None]] = {}
        for name, again in (("kept", False), ("recomputed", True)):

            def net(g: mg.Graph, n: int = n, again: bool = again) -> None:
                _chain(g, n, width, again)

            g = _graph(net, "float32")
            feeds, run = _feeds(g, m), mg.Run(g, training=True, guard=False)

            def step(run: mg.Run = run, feeds: Feeds = feeds) -> None:
                run.forward(feeds).backward()

            gc.collect()
            tracemalloc.start()
            for _ in range(4):
                step()
            held = run.trained().flat.nbytes  # the gradients; weights and feeds were there before
            tracemalloc.reset_peak()
            for _ in range(2):
                step()
            row[name] = {"bytes": tracemalloc.get_traced_memory()[1] - held}
            tracemalloc.stop()
            steps[name] = step
        times: dict[str, list[float]] = {name: [] for name in steps}
        for _ in range(rounds):
            for name, step in steps.items():
                began = time.perf_counter()
                step()
                times[name].append(time.perf_counter() - began)
        for name, found in times.items():
            row[name]["ms"] = 1000 * statistics.median(found)
        ratios = [b / a for a, b in zip(times["kept"], times["recomputed"], strict=True)]
        rows.append({**row, "time ratio": statistics.median(ratios)})
    return rows


# ---- growth ----


def growth(steps: int) -> dict[str, Any]:
    """Bytes held after so many training steps of 784-30-10 at batch 10, beyond those after the first hundred."""
    net = mg.Sequential(784, Dense(30, "sigmoid"), Dense(10, "sigmoid"), cost=Quadratic(), seed=0, dtype="float32")
    feeds, run, sgd = _feeds(net, 10), mg.Run(net, training=True, guard=False), mg.SGD(0.01)
    marks = sorted({100, steps // 100, steps // 10, steps} - {0})
    held: dict[str, int] = {}
    tracemalloc.start()
    for i in range(1, steps + 1):
        run.forward(feeds).backward()
        sgd.step(run)
        if i in marks:
            gc.collect()
            held[str(i)] = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    first = next(iter(held.values()))
    return {"steps": steps, "grown": {at: now - first for at, now in held.items()}}


# ---- told ----


def _table(head: list[str], rows: list[list[str]]) -> str:
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in [head, *rows]]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _pair(found: list[int]) -> list[str]:
    told, measured = found
    return [f"{told / MB:.2f}", f"{measured / MB:.2f}", f"{100 * (told / measured - 1):+.1f}%"]


def text(results: dict[str, Any]) -> str:
    parts = []
    if "predicted" in results:
        head = [
            "net",
            "dtype",
            "batch",
            "optimizer",
            "training, MB",
            "measured",
            "off",
            "inference, MB",
            "measured",
            "off",
        ]
        rows = [
            [r["net"], r["dtype"], str(r["batch"]), r["optimizer"], *_pair(r["training"]), *_pair(r["inference"])]
            for r in results["predicted"]
        ]
        parts.append(_table(head, rows))
    if "recompute" in results:
        head = ["blocks", "kept, MB", "recomputed, MB", "saved", "kept, ms", "recomputed, ms", "time"]
        rows = []
        for r in results["recompute"]:
            kept, again = r["kept"], r["recomputed"]
            sizes = [
                f"{kept['bytes'] / MB:.2f}",
                f"{again['bytes'] / MB:.2f}",
                f"{kept['bytes'] / again['bytes']:.1f} ×",
            ]
            rows.append([str(r["n"]), *sizes, f"{kept['ms']:.2f}", f"{again['ms']:.2f}", f"{r['time ratio']:.2f} ×"])
        parts.append(_table(head, rows))
    if "growth" in results:
        grown = ", ".join(f"{n:+,} bytes after {int(at):,}" for at, n in results["growth"]["grown"].items())
        parts.append(f"Training 784-30-10 at batch 10, held beyond the first mark: {grown} steps.")
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default=",".join(PARTS), help="some of predicted, recompute, growth")
    parser.add_argument("--steps", type=int, default=100_000, help="how many steps growth is measured over")
    parser.add_argument("--json", type=Path, help="a file for all figures; parts that are there already stay")
    parser.add_argument("--docs", action="store_true", help="write the tables into docs/performance.md")
    given = parser.parse_args()
    results: dict[str, Any] = json.loads(given.json.read_text()) if given.json and given.json.exists() else {}
    for part in filter(None, given.only.split(",")):
        results[part] = (
            growth(given.steps) if part == "growth" else {"predicted": predicted, "recompute": recompute}[part]()
        )
    said = text(results)
    print(said)
    if given.json:
        given.json.write_text(json.dumps({**results, **machine.described()}, indent=1))
    if given.docs:
        page = PAGE.read_text()
        if not BLOCK.search(page):
            raise SystemExit(f"{PAGE} has no block <!-- memory --> … <!-- /memory -->")
        PAGE.write_text(BLOCK.sub(lambda block: f"{block[1]}{said}\n{block[2]}", page))


if __name__ == "__main__":
    main()
