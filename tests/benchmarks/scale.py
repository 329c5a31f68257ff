"""Time per node of all that walks over a graph, for chains, fans and random graphs of 100 to 100,000 nodes.

    python tests/benchmarks/scale.py [--shapes chain,fan] [--largest 1e5] [--json FILE] [--docs]

Linear is flat: each figure is µs per node. Small graphs are done over and over, and the median counts; garbage is
collected before each task, and as Python likes during it. With --json, shapes measured earlier stay in the file.
--docs writes them all into docs/performance.md, between <!-- scale --> and <!-- /scale -->, and draws the chart.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import pickle
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import machine
import numpy as np

import minigraph as mg
from minigraph.costs import Quadratic
from minigraph.layers import Activation, Add, Dense
from minigraph.schedule import topological

DOCS = Path(__file__).parents[2] / "docs"
PAGE, CHART = DOCS / "performance.md", DOCS / "images" / "scale.svg"
BLOCK = re.compile(r"(<!-- scale -->\n).*?(<!-- /scale -->)", re.DOTALL)
WALKED = 4000
"""Small graphs are done until so many nodes were walked over."""

Results = dict[str, dict[str, dict[str, float]]]
"""µs per node by shape, task and number of nodes."""


# ---- shapes ----


def chain(n: int) -> mg.Graph:
    g = mg.Graph("chain", seed=0)
    node = g.input("x", 2)
    for i in range(n - 3):
        node = g.add(Activation("tanh") if i % 2 else Dense(2), node)
    g.cost(Quadratic(), node)
    return g


def fan(n: int) -> mg.Graph:
    g = mg.Graph("fan", seed=0)
    x = g.input("x", 2)
    g.cost(Quadratic(), g.add(Add(), *(g.add(Dense(2, "tanh"), x) for _ in range(n - 4))))
    return g


def costs(n: int) -> mg.Graph:
    g = mg.Graph("costs", seed=0)
    node = g.add(Dense(2, "tanh"), g.input("x", 2))
    for _ in range(n - 3):
        g.cost(Quadratic(), node)
    return g


def dag(n: int) -> mg.Graph:
    rng = np.random.default_rng(0)
    g = mg.Graph("random", seed=0)
    nodes, used = [g.input("x", 2)], set()
    for i in range(n - 4):
        taken = [nodes[int(k)] for k in rng.integers(max(0, i - 50), i + 1, 1 + i % 3)]
        nodes.append(g.add(Dense(2, "tanh") if len(taken) == 1 else Add(), *taken))
        used.update(taken)
    g.cost(Quadratic(), g.add(Add(), *(node for node in nodes if node not in used)))
    return g


SHAPES: dict[str, tuple[Callable[[int], mg.Graph], str]] = {
    "chain": (chain, "a chain"),
    "fan": (fan, "one node that feeds all others, and their sum"),
    "costs": (costs, "one node that feeds as many costs"),
    "dag": (dag, "a random graph, one to three inputs each"),
}


# ---- tasks ----

TASKS = (
    *("build", "order", "validate", "forward, first", "backward, first", "forward, second", "backward, second"),
    *("forward, later", "backward, later", "summary", "copy", "pickle and back", "network as DOT", "flow as DOT"),
)


def works(build: Callable[[int], mg.Graph], n: int) -> Iterator[tuple[str, Callable[[], Any], Callable[[Any], Any]]]:
    """Each task: its name, what is made for it beforehand, and what is timed."""
    g = build(n)
    feeds = {node.name: np.zeros((2, *node.shape)) for node in g.inputs}
    run = g.forward(feeds).backward()
    for _ in range(3):  # from then on sweeps are as they stay
        run.forward(feeds).backward()
    none: Callable[[], Any] = lambda: None  # noqa: E731
    yield "build", none, lambda _: build(n)
    yield "order", none, lambda _: topological(g.nodes)
    yield "validate", none, lambda _: g.validate(feeds)
    yield "forward, first", none, lambda _: g.forward(feeds)
    yield "backward, first", lambda: g.forward(feeds), lambda run: run.backward()
    yield "forward, second", lambda: g.forward(feeds).backward(), lambda run: run.forward(feeds)
    yield "backward, second", lambda: g.forward(feeds).backward().forward(feeds), lambda run: run.backward()
    yield "forward, later", none, lambda _: run.forward(feeds)
    yield "backward, later", none, lambda _: run.backward()
    yield "summary", none, lambda _: g.summary()
    yield "copy", none, lambda _: g.copy()
    yield "pickle and back", none, lambda _: pickle.loads(pickle.dumps(g))
    yield "network as DOT", none, lambda _: g.picture().dot
    yield "flow as DOT", none, lambda _: run.picture(findings=False).dot


def measured(shape: str, n: int, collecting: bool) -> dict[str, float]:
    """µs per node of each task."""
    found = {}
    for name, prepare, work in works(SHAPES[shape][0], n):
        print(f"\r{shape}, {n:,} nodes: {name:30}", end="\r", file=sys.stderr, flush=True)
        times = []
        if n < WALKED:  # what is imported or compiled the first time would count
            work(prepare())
        for _ in range(max(1, WALKED // n)):
            given = prepare()
            gc.collect()
            if not collecting:
                gc.disable()
            began = time.perf_counter()
            kept = work(given)
            times.append(time.perf_counter() - began)
            gc.enable()
            del kept, given
        found[name] = statistics.median(times) / n * 1e6
    return found


def import_ms() -> float:
    """How long `import minigraph`, numpy included, takes in a fresh process once there is bytecode."""
    code = "import time; began = time.perf_counter(); import minigraph; print(time.perf_counter() - began)"
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": folder}
        run = lambda: subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=env)  # noqa: E731
        _, *times = (float(run().stdout) for _ in range(8))
    return 1e3 * statistics.median(times)


# ---- what is said of it ----


def setup(tasks: dict[str, dict[str, float]], n: str) -> float:
    """What the first two sweeps forward and back take longer than later ones, µs per node."""
    sweeps = [f"{way}, {which}" for way in ("forward", "backward") for which in ("first", "second")]
    return sum(tasks[sweep][n] - tasks[f"{sweep.partition(',')[0]}, later"][n] for sweep in sweeps)


def text(results: Results, ms: float) -> str:
    """A table for each shape, in Markdown."""
    parts = ["  \n".join(machine.described()[key] for key in ("machine", "python"))]
    for shape, tasks in results.items():
        sizes = sorted(next(iter(tasks.values())), key=int)
        heads = ["µs per node", *(f"{int(n):,}" for n in sizes), "most / least"]
        table = [heads, *(_row(name, [tasks[name][n] for n in sizes]) for name in TASKS)]
        table.append(_row("set-up of a run, in all", [setup(tasks, n) for n in sizes]))
        parts.append(f"**{shape}**, {SHAPES[shape][1]}:\n\n" + "\n".join(_markdown(table)))
    steepest = max(max(row.values()) / min(row.values()) for tasks in results.values() for row in tasks.values())
    largest = {shape: max(next(iter(tasks.values())), key=int) for shape, tasks in results.items()}
    costs = ", ".join(f"{shape} {setup(results[shape], n):.0f}" for shape, n in largest.items())
    parts.append(
        f"Steepest: {steepest:.1f} ×. The first two sweeps of a run, forward and back, set it up; beyond what later "
        f"sweeps take that costs, in µs per node of the largest graphs: {costs}. "
        f"`import minigraph`, numpy included: {ms:.0f} ms."
    )
    return "\n\n".join(parts)


def _row(name: str, figures: list[float]) -> list[str]:
    return [name, *(f"{figure:.1f}" for figure in figures), f"{max(figures) / min(figures):.1f}"]


def _markdown(table: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["| " + " | ".join(cell.ljust(n) for cell, n in zip(row, widths, strict=True)) + " |" for row in table]
    return [lines[0], "|" + "|".join("-" * (n + 2) for n in widths) + "|", *lines[1:]]


def draw(results: Results, path: Path) -> None:
    """A panel for each shape: nodes across, µs per node up, both on log scales; linear is level."""
    import matplotlib

    matplotlib.use("svg" if path.suffix == ".svg" else "agg")
    matplotlib.rcParams.update({"svg.hashsalt": "minigraph", "svg.fonttype": "none", "font.family": "sans-serif"})
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(
        1, len(results), figsize=(1 + 3 * len(results), 5.2), sharey=True, squeeze=False, layout="constrained"
    )
    colors = [matplotlib.colormaps["tab20"](i) for i in (0, 7, 15, 2, 4, 3, 9, 11, 5, 8, 10, 12, 6, 16)]
    for axes, (shape, tasks) in zip(panels[0], results.items(), strict=True):
        for i, name in enumerate(TASKS):
            points = sorted((int(n), figure) for n, figure in tasks[name].items())
            axes.loglog(*zip(*points, strict=True), "os^Dv"[i % 5] + "-", color=colors[i], markersize=4.5, label=name)
        axes.set_title(shape, fontsize=11)
        axes.set_xlabel("nodes")
        axes.grid(color="#e5e7eb")
        axes.spines[["top", "right"]].set_visible(False)
        axes.minorticks_off()
    ticks = [0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500]
    panels[0, 0].set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    panels[0, 0].set_ylabel("µs per node (level = linear)")
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, facecolor="white")
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shapes", default=",".join(SHAPES), help="some of them: chain,fan; '' for none anew")
    parser.add_argument("--largest", type=float, default=1e5, help="nodes of the largest graph")
    parser.add_argument("--no-gc", action="store_true", help="without Python's garbage collection")
    parser.add_argument("--json", type=Path, help="a file for all figures; shapes that are there already stay")
    parser.add_argument("--docs", action="store_true", help="write the tables and the chart into docs/")
    given = parser.parse_args()
    sizes = [n for n in (100, 1000, 10_000, 100_000) if n <= given.largest]
    results: Results = json.loads(given.json.read_text())["shapes"] if given.json and given.json.exists() else {}
    for shape in filter(None, given.shapes.split(",")):
        columns = {n: measured(shape, n, not given.no_gc) for n in sizes}
        results[shape] = {name: {str(n): columns[n][name] for n in sizes} for name in TASKS}
    results = {shape: results[shape] for shape in SHAPES if shape in results}
    print(" " * 60, end="\r", file=sys.stderr)
    ms = import_ms()
    said = text(results, ms)
    print(said)
    if given.json:
        about = {"import ms": ms, "unit": "µs per node", **machine.described()}
        given.json.write_text(json.dumps({**about, "shapes": results}, indent=1))
    if given.docs:
        page = PAGE.read_text()
        if not BLOCK.search(page):
            raise SystemExit(f"{PAGE} has no block <!-- scale --> … <!-- /scale -->")
        PAGE.write_text(BLOCK.sub(lambda block: f"{block[1]}{said}\n{block[2]}", page))
        draw(results, CHART)


if __name__ == "__main__":
    main()
