"""The contest: contestants that make the same numbers take turns, round by round."""

from __future__ import annotations

import importlib
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from contestants import Entry
from works import Work

NAMES = {
    "ours": "minigraph",
    "gemms": "GEMMs alone",
    "hand": "by hand",
    "tricks": "by hand, with tricks",
    "pytorch": "PyTorch eager",
    "compile": "torch.compile",
    "jax": "JAX jit",
    "sklearn": "scikit-learn",
    "autograd": "HIPS autograd",
}
"""What contestants are called, by key."""

FILES = {
    "ours": "ours",
    "gemms": "gemms",
    "hand": "hand",
    "tricks": "tricks",
    "pytorch": "pytorch",
    "compile": "compiled",
    "jax": "jax_",
    "sklearn": "sklearn_",
    "autograd": "autograd_",
}
"""Their files in contestants/. PyTorch, whose file says so, comes several times, with other numbers of threads."""

TURN, REST, BUDGET = 8e-3, 0.02, 25.0
"""Seconds: what a turn takes at least, the pause before it, in which the threads of the one before come to rest, and
what all rounds of a work take at most."""

TOLERANCE = 1e-2
"""How far weights may be from minigraph's after three steps, in terms of the way they have gone."""


@dataclass
class Result:
    """What came of a work: for each contestant the seconds a step in each round, or why there are none."""

    work: Work
    times: dict[str, list[float]]
    absent: dict[str, str]
    notes: dict[str, str] = field(default_factory=dict)

    def median(self, name: str) -> float:
        return statistics.median(self.times[name])

    def factor(self, name: str) -> float:
        """How many times as long as minigraph it takes: the median of the rounds' ratios."""
        return statistics.median(b / a for a, b in zip(self.times["ours"], self.times[name], strict=True))


def hold(work: Work, rounds: int, names: list[str], say: Callable[[str], Any]) -> Result:
    """Have contestants enter, compare their weights, time them."""
    entries, absent = entered(work, names, say)
    mine = moved(entries["ours"])
    for name in [name for name in entries if name != "ours"]:
        fault = strays(work, mine, entries[name])
        if fault:
            absent[name.partition(":")[0]] = fault
            del entries[name]
    times = timed(entries, rounds)
    best: dict[str, str] = {}
    for name in times:
        key = name.partition(":")[0]
        if key not in best or statistics.median(times[name]) < statistics.median(times[best[key]]):
            best[key] = name
    notes = {key: " ".join(filter(None, (name.partition(":")[2], entries[name].note))) for key, name in best.items()}
    return Result(work, {key: times[name] for key, name in best.items()}, absent, notes)


def entered(work: Work, names: list[str], say: Callable[[str], Any]) -> tuple[dict[str, Entry], dict[str, str]]:
    """The contestants that take part, and why others don't."""
    entries, absent = {}, {}
    for name in names:
        say(f"{work.key}: {NAMES[name]}")
        try:
            entry = importlib.import_module(f"contestants.{FILES[name]}").enter(work)
        except ImportError as fault:
            absent[name] = f"not installed ({fault.name})"
            continue
        if isinstance(entry, dict):
            entries |= {f"{name}:{variant}": one for variant, one in entry.items()}
        elif isinstance(entry, Entry):
            entries[name] = entry
        else:
            absent[name] = entry or ""
    return entries, absent


def strays(work: Work, mine: dict[str, np.ndarray], other: Entry) -> str:
    """What is wrong with the weights after three steps from the start, if anything is."""
    theirs = moved(other)
    if not theirs:
        return ""
    start = work.start()
    for name, value in mine.items():
        way = np.linalg.norm(value - start[name])
        off = np.linalg.norm(theirs[name] - value)
        if not off <= TOLERANCE * way + 1e-7:
            return f"other numbers: {name} is off by {off:.1e} after a way of {way:.1e}"
    return ""


def moved(entry: Entry) -> dict[str, np.ndarray]:
    """Copies of the weights after three steps."""
    for _ in range(3):
        if entry.before:
            entry.before()
        entry.step()
    return {name: np.array(value) for name, value in entry.weights().items()} if entry.weights else {}


def timed(entries: dict[str, Entry], rounds: int) -> dict[str, list[float]]:
    """Seconds a step, for each contestant in each round."""
    counts, cost = {}, 0.0
    for name, entry in entries.items():
        turn(entry, 1)
        count = counts[name] = max(1, math.ceil(TURN / turn(entry, 3)))
        cost += turn(entry, count) * (count + warm(count)) + REST
    rounds = max(3, min(rounds, int(BUDGET / cost)))
    times: dict[str, list[float]] = {name: [] for name in entries}
    order = list(entries)
    for _ in range(rounds):
        for name in order:
            time.sleep(REST)
            times[name].append(turn(entries[name], counts[name]))
        order = order[1:] + order[:1]  # so that nobody always follows the same one
    return times


def warm(count: int) -> int:
    """Untimed steps before a turn, as caches fill."""
    return max(2, count)


def turn(entry: Entry, count: int) -> float:
    if entry.before:
        entry.before()
    step = entry.step
    for _ in range(warm(count)):
        step()
    began = time.perf_counter()
    for _ in range(count):
        step()
    return (time.perf_counter() - began) / count
