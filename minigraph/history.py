"""What happened during training, epoch by epoch."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .errors import RenderError
from .param import Array

COLUMNS = ("epoch", "cost", "accuracy", "validation_cost", "validation_accuracy", "seconds")


class Score(NamedTuple):
    """How well a graph does on some examples."""

    cost: float
    """The mean of C_x, summed over the cost nodes."""
    accuracy: float | None
    """Share of examples classified right, from 0 to 1; None unless exactly one cost has targets that name classes."""


class History:
    """One entry an epoch, each column an array: epoch, cost, accuracy, validation_cost, validation_accuracy, seconds.

    Accuracies run from 0 to 1. NaN stands where there was nothing to measure: no validation, no classes.
    """

    def __init__(self) -> None:
        self.rows: list[tuple[float, ...]] = []

    def append(self, score: Score, checked: Score | None, seconds: float) -> None:
        """Add an epoch."""
        numbers = (*score, *(checked or (None, None)), seconds)
        self.rows.append((len(self.rows) + 1, *(np.nan if x is None else float(x) for x in numbers)))

    @property
    def epoch(self) -> Array:
        """1, 2, …"""
        return self._column("epoch").astype(int)

    @property
    def cost(self) -> Array:
        """Mean cost over the batches of each epoch, as they came."""
        return self._column("cost")

    @property
    def accuracy(self) -> Array:
        """Share of examples classified right over the batches of each epoch, as they came."""
        return self._column("accuracy")

    @property
    def validation_cost(self) -> Array:
        """Cost on the validation data after each epoch."""
        return self._column("validation_cost")

    @property
    def validation_accuracy(self) -> Array:
        """Share of validation examples classified right after each epoch."""
        return self._column("validation_accuracy")

    @property
    def seconds(self) -> Array:
        """Training time of each epoch in seconds, without validation."""
        return self._column("seconds")

    def _column(self, name: str) -> Array:
        return np.array([row[COLUMNS.index(name)] for row in self.rows], dtype=float)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, float]]:
        return (dict(zip(COLUMNS, row, strict=True)) for row in self.rows)

    def to_csv(self, path: str | Path) -> Path:
        """Write a table with a header line; what wasn't measured stays empty."""
        path = Path(path)
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows([["" if np.isnan(x) else x for x in row] for row in self.rows])
        return path

    def plot(self, path: str | Path | None = None) -> Any:
        """Plot cost and accuracy over epochs; returns the matplotlib figure, and saves it if a path is given.

        Raises RenderError when matplotlib is missing.
        """
        try:
            from matplotlib.figure import Figure
        except ImportError:
            raise RenderError("plotting needs matplotlib: pip install 'minigraph[plot]'") from None
        figure = Figure(figsize=(8, 3), layout="constrained")
        for axes, name in zip(figure.subplots(1, 2), ("cost", "accuracy"), strict=True):
            for column, label in ((name, "training"), (f"validation_{name}", "validation")):
                values = self._column(column)
                if not np.isnan(values).all():
                    axes.plot(self.epoch, values, marker="o", markersize=3, label=label)
            axes.set(xlabel="epoch", ylabel=name)
            if axes.lines:
                axes.legend()
        if path is not None:
            figure.savefig(path)
        return figure

    def __repr__(self) -> str:
        if not self.rows:
            return "<History: no epoch yet>"
        last = ", ".join(f"{k} {v:.4g}" for k, v in dict(zip(COLUMNS, self.rows[-1], strict=True)).items() if v == v)
        return f"<History: {last}>"
