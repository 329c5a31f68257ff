"""Work j: an epoch of `fit` on the digits, against its training steps alone."""

from __future__ import annotations

import contextlib
import io
import os
import statistics
import time
from dataclasses import dataclass

import numpy as np

import minigraph as mg
from minigraph.costs import Quadratic
from minigraph.layers import Dense

BATCH, LR = 10, 3.0
AIM = 0.05


@dataclass
class Epoch:
    """Seconds of an epoch in each round: of fit, progress bar and history included, and of the steps alone."""

    digits: int
    whole: bool
    fit: list[float]
    steps: list[float]

    @property
    def overhead(self) -> float:
        """How much longer fit takes, as a part of the steps: the median of the rounds' ratios."""
        return statistics.median(a / b for a, b in zip(self.fit, self.steps, strict=True)) - 1

    @property
    def title(self) -> str:
        what = "all" if self.whole else "the embedded"
        missing = "" if self.whole else ", as MINIGRAPH_DATA names no folder with all of them"
        return f"one epoch of fit, {what} {self.digits} digits{missing}; 784-30-10, batch {BATCH}"


def measured(rounds: int) -> Epoch:
    """Epochs of both kinds in turn, at most 10 of each."""
    folder = os.environ.get("MINIGRAPH_DATA")
    digits = mg.datasets.mnist(folder)
    x, t = digits.x_train, mg.datasets.one_hot(digits.y_train)
    result = Epoch(len(x), bool(folder), [], [])
    trained, bare = net(), net()
    run, sgd, one = mg.Run(bare, training=True, guard=False), mg.SGD(lr=LR), mg.SGD(lr=LR)
    order = np.random.default_rng(0).permutation(len(x))
    shuffled = {"x": x[order], "t": t[order]}
    batches = [
        {name: array[start : start + BATCH] for name, array in shuffled.items()} for start in range(0, len(x), BATCH)
    ]
    for batch in batches[:100]:
        run.forward(batch).backward()
        sgd.step(run)
    for _ in range(max(3, min(10, rounds))):
        with contextlib.redirect_stderr(io.StringIO()):  # where the progress bar goes
            began = time.perf_counter()
            mg.fit(trained, {"x": x, "t": t}, epochs=1, batch_size=BATCH, optimizer=one)
            result.fit.append(time.perf_counter() - began)
        began = time.perf_counter()
        for batch in batches:
            run.forward(batch).backward()
            sgd.step(run)
        result.steps.append(time.perf_counter() - began)
    return result


def net() -> mg.Graph:
    return mg.Sequential(784, Dense(30, "sigmoid"), Dense(10, "sigmoid"), cost=Quadratic(), seed=0, dtype="float32")
