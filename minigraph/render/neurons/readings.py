"""What a network or a run knows of single neurons: w, b, z, a, δ of one example, or their means over the batch."""

from __future__ import annotations

from typing import cast

import numpy as np

from ...errors import RenderError
from ...layer import Node
from ...layers import Dense
from ...numbers import is_whole
from ...param import Array, Transposed
from ...results import Results
from ...views import error_state


class Readings:
    """Numbers of neurons: w and b as they are now and, of a run, z, a, δ of an example, or the mean over examples.

    Raises RenderError for an example that there isn't, and StaleError where the weights changed after the run.
    """

    def __init__(self, run: Results | None, example: int | None = None):
        self.run = run
        self.example = example
        self._kept: dict[tuple[str, Node], Array] = {}
        if run is None:
            if example is not None:
                raise RenderError(f"example {example!r} of what? Only runs have examples: run.neurons(example=…)")
            return
        run.current()
        if example is not None and (not is_whole(example) or not 0 <= example < run.m):
            raise RenderError(f"example goes from 0 to {run.m - 1} in this run, got {example!r}")

    @property
    def about(self) -> str:
        """Whose numbers these are."""
        if self.run is None:
            return "weights as they are now"
        if self.run.m == 1:
            return "one example"
        if self.example is None:
            return f"mean of {self.run.m} examples"
        return f"example {self.example} (of 0 to {self.run.m - 1})"

    def of(self, letter: str, node: Node) -> Array | None:
        """All b, z, a or δ of a node, flat; None for what only a run knows where there is none.

        Raises the run's own errors, NotComputedError among them, for what it hasn't computed.
        """
        if letter == "b":
            return np.asarray(_dense(node).params["b"].value)
        if self.run is None:
            return None
        if (letter, node) not in self._kept:
            self._kept[letter, node] = self._read(self.run, letter, node)
        return self._kept[letter, node]

    def _read(self, run: Results, letter: str, node: Node) -> Array:
        record = run[node]
        values = np.asarray(getattr(record, letter), np.float64)
        if run.single:
            return values.reshape(-1)
        rows = values.reshape(len(values), -1)
        if self.example is not None:
            return np.asarray(rows[self.example])
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(np.mean(rows, axis=0))

    def known(self, letter: str, node: Node) -> bool:
        """Whether there is such a number for each of a node's neurons."""
        if letter in ("b", "z") and not isinstance(node.layer, Dense):
            return False
        if letter == "b":
            return _dense(node).b is not None
        return self.run is not None and not self.why_not(letter, node)

    def why_not(self, letter: str, node: Node) -> str:
        """Why a run has no z, a or δ of a node; nothing where it has."""
        if self.run is None or node not in self.run.swept().place:
            return "not part of the run"
        state = error_state(self.run, node) if letter == "delta" else "computed"
        return _WHY[state]


def weights(node: Node) -> Array:
    """w of a Dense node, w[j, k] from neuron k to neuron j also where it is another layer's, transposed."""
    layer = _dense(node)
    return layer.w.value.T if isinstance(layer.weights, Transposed) else layer.w.value


_WHY = {
    "computed": "",
    "not asked": "not asked for",
    "no path": "no path to the cost",
    "not yet": "not computed yet",
}


def _dense(node: Node) -> Dense:
    return cast("Dense", node.layer)
