"""Tables of what must be refused: a row is something to do, and what must be said of it."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import minigraph as mg
from minigraph.costs import Quadratic, SoftmaxCrossEntropy
from minigraph.layers import Dense, Embedding

X, T, LABELS = np.arange(12.0).reshape(4, 3) / 10, np.ones((4, 2)), np.array([0, 1, 1, 0])
FEEDS = {"x": X, "t": T, "index": LABELS, "label": LABELS}
LONGEST = 300
"""Characters: what is longer isn't read."""


class Bad(NamedTuple):
    """Something to do with the graph of `net`, the error that it raises, what that must say, and the line it names."""

    do: Callable
    error: type
    names: tuple
    at: str | None
    """A text that stands only in that line, of `net` or of the table; "call": the row itself; None: no line to name."""


def bad(do, error, *names, at="call"):
    return Bad(do, error, names, at)


def net(dtype="float64"):
    """x -> h -> y -> cost, and an embedding, whose rows are judged, too."""
    g = mg.Graph("net", seed=0, dtype=dtype)
    x = g.input("x", 3)  # x stands here
    h = g.add(Dense(4, "tanh"), x, name="h")
    y = g.add(Dense(2), h, name="y")  # y stands here
    g.cost(Quadratic(), y, target="t", name="cost")  # t stands here
    index = g.input("index", (), dtype=int)  # index stands here
    rows = g.add(Embedding(2, 5), index, name="rows")  # rows stand here
    g.cost(SoftmaxCrossEntropy(), rows, target="label", name="labels")  # label stands here
    return g


def check(row):
    """Do it; hold the message against the row, and see that the graph still does what it did."""
    g = net()
    nodes, before = list(g.nodes), g.forward(FEEDS, seed=0).cost
    with pytest.raises(mg.errors.MinigraphError) as caught:
        row.do(g)
    said = str(caught.value)
    assert type(caught.value) is row.error, said
    for part in row.names:
        assert part in said, said
    assert len(said) <= LONGEST, said
    assert "\n" not in said, said
    if row.at is not None:
        assert any(f"{line} " in f"{said} ".replace(")", " ").replace(";", " ") for line in lines(row)), said
    assert g.nodes == nodes
    assert g.forward(FEEDS, seed=0).cost == before


def lines(row):
    """The lines of which the message must name one, as file:line."""
    code = row.do.__code__
    if row.at == "call":
        file = Path(code.co_filename)
        return {f"{file.name}:{line}" for *_, line in code.co_lines() if line}
    found = []
    for file in {Path(code.co_filename), Path(__file__)}:
        here = file.read_text(encoding="utf-8").splitlines()
        found += [f"{file.name}:{i}" for i, line in enumerate(here, 1) if line.endswith(f"# {row.at}")]
    assert len(found) == 1, found
    return set(found)
