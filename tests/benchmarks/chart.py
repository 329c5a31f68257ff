"""The chart: how many times as long as minigraph each contestant takes, work by work."""

from __future__ import annotations

from pathlib import Path

import matplotlib
from contest import NAMES, Result

LOOKS = {
    "gemms": ("|", "#6b7280"),
    "hand": ("D", "#111827"),
    "tricks": ("d", "#6b7280"),
    "pytorch": ("o", "#d9480f"),
    "compile": ("s", "#e8a33d"),
    "jax": ("^", "#1c7ed6"),
    "sklearn": ("v", "#2b8a3e"),
    "autograd": ("P", "#9c36b5"),
}


def draw(results: list[Result], path: Path) -> None:
    """One line a work, one mark a contestant, on white, so that it can be read on any page."""
    matplotlib.use("svg" if path.suffix == ".svg" else "agg")
    matplotlib.rcParams.update({"svg.hashsalt": "minigraph", "svg.fonttype": "path", "font.family": "sans-serif"})
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 1.6 + 0.42 * len(results)), layout="constrained", facecolor="white")
    for name, (mark, color) in LOOKS.items():
        found = [(result.factor(name), -i) for i, result in enumerate(results) if name in result.times]
        if found:
            hollow = {"facecolors": "none"} if name == "tricks" else {}
            color = {"edgecolors": color} if hollow else {"color": color}
            size = 150 if mark == "|" else 52
            axes.scatter(*zip(*found, strict=True), size, marker=mark, label=NAMES[name], zorder=3, **color, **hollow)
    axes.axvline(1, color="#c92a2a", linewidth=2, label="minigraph")
    axes.set_xscale("log")
    axes.set_yticks([-i for i in range(len(results))], [f"{r.work.title} ({r.work.key})" for r in results])
    ticks = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50]
    axes.set_xticks(ticks, [f"{tick:g}×" for tick in ticks])
    axes.minorticks_off()
    axes.set_ylim(-len(results) + 0.4, 0.6)
    axes.grid(color="#e5e7eb", zorder=0)
    axes.set_xlabel("time of a training step, minigraph's = 1 (left: faster, right: slower)")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0)
    figure.legend(loc="outside upper center", ncols=5, frameon=False)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)
