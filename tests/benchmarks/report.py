"""The results: as text, as JSON, as tables and a chart for the docs."""

from __future__ import annotations

import re
import statistics
from pathlib import Path
from typing import Any

import epoch as epochs
from contest import NAMES, Result

DOCS = Path(__file__).parents[2] / "docs"
PAGE, CHART = DOCS / "performance.md", DOCS / "images" / "benchmarks.svg"
BLOCK = re.compile(r"(<!-- table: benchmarks.*? -->\n).*?(<!-- end of table -->)", re.DOTALL)


def line(result: Result) -> str:
    """A work's figures in one line: minigraph's time, then how many times as long each of the others takes."""
    figures = [f"minigraph {duration(result.median('ours'))}"]
    for name in NAMES:
        if name in result.times and name != "ours":
            figures.append(f"{name} {result.factor(name):.2f}")
        elif result.absent.get(name):
            figures.append(f"{name}: {result.absent[name]}")
    return f"{result.work.key:3}{', '.join(figures)}"


def duration(seconds: float) -> str:
    """Three digits, in µs, ms or s."""
    for unit, name in ((1e-6, "µs"), (1e-3, "ms")):
        if seconds < 999.5 * unit:
            return f"{figure(seconds / unit)} {name}"
    return f"{figure(seconds)} s"


def figure(number: float) -> str:
    """A number with three digits, or two behind a point."""
    return f"{number:.0f}" if number >= 99.95 else f"{number:.1f}" if number >= 9.995 else f"{number:.2f}"


# ---- tables ----


def text(about: dict[str, str], results: list[Result], epoch: epochs.Epoch | None) -> str:
    """All there is to say, in Markdown."""
    parts = ["  \n".join(f"{about[key]}" for key in about)]
    if results:
        parts += ["\n".join(times(results)), *notes(results)]
    if epoch:
        steps, fit = (statistics.median(seconds) for seconds in (epoch.steps, epoch.fit))
        parts.append(
            f"(j) {epoch.title}: {duration(fit)}, the steps alone {duration(steps)}, overhead {epoch.overhead:.1%}."
        )
    parts.append("\n".join(aims(results, epoch)))
    return "\n\n".join(parts)


def times(results: list[Result]) -> list[str]:
    """A row a work: times of all contestants, and how many times as long as minigraph each of the others takes."""
    columns = [name for name in NAMES if any(name in result.times for result in results)]
    table = [["", "one training step, float32", *(NAMES[name] for name in columns)]]
    for result in results:
        cells = [f"({result.work.key})", result.work.title]
        for name in columns:
            if name not in result.times:
                cells.append("–")
            elif name == "ours":
                cells.append(f"**{duration(result.median(name))}**")
            else:
                cells.append(f"{duration(result.median(name))} ({figure(result.factor(name))})")
        table.append(cells)
    return rows(table)


def notes(results: list[Result]) -> list[str]:
    """What is particular about some contestants in some works."""
    found: dict[tuple[str, str], list[str]] = {}
    for result in results:
        for name, note in {**result.notes, **result.absent}.items():
            if note:
                found.setdefault((name, note), []).append(result.work.key)
    said = [f"{NAMES[name]} in {', '.join(keys)}: {note}" for (name, note), keys in sorted(found.items())]
    return ["; ".join(said) + "."] if said else []


def aims(results: list[Result], epoch: epochs.Epoch | None) -> list[str]:
    """A row an aim: what was aimed at, what came out, whether it is reached."""
    table = [["", "aim", "measured", "reached"]]
    for result in results:
        for name, factor in result.work.aims:
            if name not in result.times:
                continue
            found, other = result.factor(name), NAMES[name]
            if factor < 1:
                aim, measured = f"at most {1 / factor:.2f} × {other}", f"{1 / found:.2f} ×"
            else:
                aim = f"{factor} × faster than {other}" if factor > 1 else f"not slower than {other}"
                measured = f"{found:.2f} × faster" if found >= 1 else f"{1 / found:.2f} × slower"
            table.append([f"({result.work.key})", aim, measured, "yes" if found >= factor else "no"])
    if epoch:
        over = epoch.overhead
        reached = "yes" if over < epochs.AIM else "no"
        table.append(["(j)", f"overhead of fit under {epochs.AIM:.0%}", f"{over:.1%}", reached])
    return rows(table)


def rows(table: list[list[str]]) -> list[str]:
    """Markdown, its columns in line."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["| " + " | ".join(f"{cell:{n}}" for cell, n in zip(row, widths, strict=True)) + " |" for row in table]
    return [lines[0], "|" + "|".join("-" * (n + 2) for n in widths) + "|", *lines[1:]]


# ---- files ----


def record(about: dict[str, str], results: list[Result], epoch: epochs.Epoch | None) -> dict[str, Any]:
    """Everything, with the times of all rounds in seconds."""
    works = {
        result.work.key: {
            "title": result.work.title,
            "median": {name: result.median(name) for name in result.times},
            "times as long as minigraph": {name: result.factor(name) for name in result.times},
            "rounds": result.times,
            "notes": result.notes,
            "absent": result.absent,
        }
        for result in results
    }
    if epoch:
        works["j"] = {"title": epoch.title, "overhead": epoch.overhead, "fit": epoch.fit, "steps": epoch.steps}
    return {**about, "works": works}


def write(about: dict[str, str], results: list[Result], epoch: epochs.Epoch | None) -> None:
    """Put the tables into the page of the docs, and draw the chart."""
    page = PAGE.read_text()
    if not BLOCK.search(page):
        raise SystemExit(f"{PAGE} has no block <!-- table: benchmarks --> … <!-- end of table -->")
    PAGE.write_text(BLOCK.sub(lambda block: f"{block[1]}{text(about, results, epoch)}\n{block[2]}", page))
    if results:
        from chart import draw

        draw(results, CHART)
