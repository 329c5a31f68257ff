"""A model of data-parallel training: what a step takes on N ranks, from figures of two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from works import WORKS

Figures = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Network:
    """Messages take α + bytes/β; an all-reduce around a ring of N ranks is 2(N − 1) of them, of 1/N of the bytes."""

    name: str
    alpha: float
    """Seconds."""
    beta: float
    """Bytes a second."""

    def all_reduce(self, ranks: int, size: int) -> float:
        """Seconds: 2(N − 1)/N · bytes/β + 2(N − 1) α."""
        return 2 * (ranks - 1) / ranks * size / self.beta + 2 * (ranks - 1) * self.alpha


ASSUMED = (Network("10 Gbit/s Ethernet", 30e-6, 1.1e9), Network("100 Gbit/s InfiniBand", 2e-6, 11e9))
"""Assumptions, not measurements: latency and bandwidth as programs see them."""

RANKS = (8, 32, 128, 512, 1000)


def fitted(messages: Mapping[str, float]) -> Network:
    """α and β of this machine's memory, by least squares of relative errors: two ranks take 2α + bytes/β."""
    sizes, seconds = np.array([float(size) for size in messages]), np.array([*messages.values()])
    columns = np.stack([2 / seconds, sizes / seconds], axis=1)
    alpha, slope = np.linalg.lstsq(columns, np.ones(len(seconds)), rcond=None)[0]
    return Network("this machine's memory", float(alpha), float(1 / slope))


def compute(figures: Figures, key: str) -> tuple[float, float]:
    """Seconds a step takes whatever its examples are, and for each example, with all cores busy and nothing to tell."""
    batch = WORKS[key].batch
    parts = {name: one["step"] for name, one in figures.items() if name.startswith(f"{key} apart/")}
    m = np.array([batch // int(name.rpartition("/")[2]) for name in parts])
    seconds = np.array([*parts.values()])
    base, slope = np.linalg.lstsq(np.stack([1 / seconds, m / seconds], axis=1), np.ones(len(m)), rcond=None)[0]
    return float(base), float(slope)


def size(key: str) -> int:
    """Bytes of a work's gradients."""
    return sum(param.value.nbytes for param in WORKS[key].graph().params.values())


def report(figures: Figures) -> str:
    """All tables, as markdown."""
    here = fitted(figures["messages"])
    lines = [
        "| work | ranks × threads | batch | step, ms | speed-up | efficiency | share of messages |",
        "|" + "---|" * 7,
    ]
    lines += [line for key in ("a", "c", "d") for line in _measured(figures, key)]
    lines += ["", f"two ranks here: α {here.alpha * 1e6:.1f} µs, β {here.beta / 1e9:.2f} GB/s", ""]
    lines += ["| bytes | Allreduce, ms | model, ms |", "|---|---|---|"]
    for text, seconds in figures["messages"].items():
        lines.append(f"| {int(text):,} | {seconds * 1e3:.3f} | {here.all_reduce(2, int(text)) * 1e3:.3f} |")
    lines += ["", "| work | batch | predicted, ms | measured, ms | error |", "|---|---|---|---|---|"]
    for key in ("c", "d"):
        for batch, name in ((WORKS[key].batch, "2×1"), (2 * WORKS[key].batch, "2×1 weak")):
            model, found = _step(figures, key, here, 2, batch), figures[f"{key} {name}"]["step"]
            lines.append(f"| {key} | {batch} | {model * 1e3:.2f} | {found * 1e3:.2f} | {model / found - 1:+.0%} |")
    for key in ("c", "d"):
        base, slope = compute(figures, key)
        lines += ["", f"{key}: {base * 1e3:.2f} ms + {slope * 1e6:.1f} µs an example, {size(key) / 1e6:.2f} MB", ""]
        lines += _predicted(figures, key)
    return "\n".join(lines)


def _measured(figures: Figures, key: str) -> list[str]:
    one, batch = figures[f"{key} 1×1"]["step"], WORKS[key].batch
    lines = []
    for name in ("1×1", "1×2", "2×1", "2×1 weak"):
        if f"{key} {name}" not in figures:
            continue
        found, ranks = figures[f"{key} {name}"], 1 if name.startswith("1") else 2
        weak = name.endswith("weak")
        gain = one / found["step"] * (2 if weak else 1)
        share = f"{found['message'] / found['step']:.0%}" if ranks > 1 else ""
        cells = (key, name.removesuffix(" weak"), batch * (1 + weak), f"{found['step'] * 1e3:.3g}", f"{gain:.2f}")
        cores = 1 if name == "1×1" else 2
        lines.append("| " + " | ".join(map(str, (*cells, f"{gain / cores:.0%}", share))) + " |")
    return lines


def _step(figures: Figures, key: str, network: Network, ranks: int, batch: int) -> float:
    base, slope = compute(figures, key)
    return base + slope * -(-batch // ranks) + network.all_reduce(ranks, size(key))


def _predicted(figures: Figures, key: str) -> list[str]:
    """Speed-up over one rank, and share of messages: of one batch cut up, and with a batch for each rank."""
    batch = WORKS[key].batch
    base, slope = compute(figures, key)
    one = base + slope * batch
    lines = ["| network | ranks | batch | step, ms | speed-up | efficiency | share of messages |", "|" + "---|" * 7]
    for network in ASSUMED:
        for ranks in RANKS:
            for whole in ([batch] if ranks <= batch else []) + [ranks * batch]:
                step = _step(figures, key, network, ranks, whole)
                gain = one / step * whole / batch
                share = network.all_reduce(ranks, size(key)) / step
                row = (network.name, ranks, f"{whole:,}", f"{step * 1e3:.1f}", f"{gain:.1f}", f"{gain / ranks:.0%}")
                lines.append("| " + " | ".join(map(str, (*row, f"{share:.0%}"))) + " |")
    return lines
