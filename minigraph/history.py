"""What happened during training, epoch by epoch."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .errors import GraphError
from .gradient_history.plots import figure_of
from .param import Array

COLUMNS = ("epoch", "cost", "accuracy", "validation_cost", "validation_accuracy", "seconds")


class Score(NamedTuple):
    """How well a graph does on some examples."""

    cost: float
    """The mean of C_x, summed over the cost nodes."""
    accuracy: float | None
    """Share of examples classified right, from 0 to 1; None unless exactly one cost has targets that name classes."""
    metrics: Mapping[str, float] = {}
    """The metrics asked for, by name."""


class History:
    """One entry an epoch, each column an array: epoch, cost, accuracy, validation_cost, validation_accuracy, seconds.

    Accuracies run from 0 to 1. NaN stands where there was nothing to measure: no validation, no classes. Metrics asked
    for have columns of their own: `history["r2"]`, `history["validation_r2"]`.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def append(self, score: Score, checked: Score | None, seconds: float) -> None:
        """Add an epoch."""
        row: dict[str, float] = {"epoch": len(self.rows) + 1, "cost": score.cost}
        row["accuracy"] = _or_nan(score.accuracy)
        row["validation_cost"] = _or_nan(None if checked is None else checked.cost)
        row["validation_accuracy"] = _or_nan(None if checked is None else checked.accuracy)
        row["seconds"] = seconds
        row.update(score.metrics)
        row.update({f"validation_{name}": value for name, value in (checked.metrics if checked else {}).items()})
        self.rows.append(row)

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(dict.fromkeys((*COLUMNS, *(name for row in self.rows for name in row))))

    def __getitem__(self, column: str) -> Array:
        """A column, an entry an epoch; raises GraphError when there is none of that name."""
        if column not in self.columns:
            raise GraphError(f"no column {column!r} in the history: there are {', '.join(self.columns)}")
        return np.array([row.get(column, np.nan) for row in self.rows], dtype=float)

    @property
    def epoch(self) -> Array:
        """1, 2, …"""
        return self["epoch"].astype(int)

    @property
    def cost(self) -> Array:
        """Mean cost over the batches of each epoch, as they came."""
        return self["cost"]

    @property
    def accuracy(self) -> Array:
        """Share of examples classified right over the batches of each epoch, as they came."""
        return self["accuracy"]

    @property
    def validation_cost(self) -> Array:
        """Cost on the validation data after each epoch."""
        return self["validation_cost"]

    @property
    def validation_accuracy(self) -> Array:
        """Share of validation examples classified right after each epoch."""
        return self["validation_accuracy"]

    @property
    def seconds(self) -> Array:
        """Training time of each epoch in seconds, without validation."""
        return self["seconds"]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, float]]:
        return (dict(row) for row in self.rows)

    def to_csv(self, path: str | Path) -> Path:
        """Write a table with a header line; what wasn't measured stays empty."""
        path = Path(path)
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(self.columns)
            for row in self.rows:
                values = [row.get(column, np.nan) for column in self.columns]
                writer.writerow(["" if np.isnan(value) else value for value in values])
        return path

    def plot(self, path: str | Path | None = None) -> Any:
        """Plot cost and accuracy over epochs; returns the matplotlib figure, and saves it if a path is given.

        Raises RenderError when matplotlib is missing.
        """
        figure = figure_of(8, 3)
        for axes, name in zip(figure.subplots(1, 2), ("cost", "accuracy"), strict=True):
            for column, label in ((name, "training"), (f"validation_{name}", "validation")):
                values = self[column]
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
        last = ", ".join(f"{name} {value:.4g}" for name, value in self.rows[-1].items() if value == value)
        return f"<History: {last}>"


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else float(value)
