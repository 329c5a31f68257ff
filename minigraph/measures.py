"""Sizes of what flows: the root mean square on each edge, and how numbers are shown."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .param import Array
from .results import Results
from .views import error_state
from .wiring import Edge


class Flow(NamedTuple):
    """What went back along an edge: its state and, where that is "computed", its root mean square per element."""

    state: str
    rms: float = 0.0


def flow(run: Results, edge: Edge) -> Flow:
    """The ∂C_x/∂a that came back along an edge, before the sum at a fork: over the batch, per element.

    The state is "computed", "not yet", "no path", "not asked" or, where the run has no such nodes, "not run".
    """
    if edge.target not in run.swept().place:
        return Flow("not run")
    state = error_state(run, edge.target, edge.slot)
    if state != "computed":
        return Flow(state)
    return Flow(state, rms(run.swept_back().edge(edge.target, edge.slot)))


def rms(array: Array) -> float:
    """Root mean square of the elements, without over- or underflow; NaN or ∞ where one of them is."""
    sizes = np.abs(array, dtype=np.float64).ravel()
    largest = float(sizes.max(initial=0.0))
    if largest == 0.0 or not math.isfinite(largest):
        return largest
    sizes /= largest
    return largest * math.sqrt(sizes @ sizes / sizes.size)


def shown(x: float) -> str:
    """A number in three digits: 0.25, 3.12e-5, 0, NaN, ∞."""
    if not math.isfinite(x):
        return "NaN" if math.isnan(x) else "∞" if x > 0 else "−∞"
    if x == 0:
        return "0"
    mantissa, _, power = f"{x:.2e}".partition("e")
    exponent = int(power)
    return f"{x:.{2 - exponent}f}" if -2 <= exponent <= 2 else f"{mantissa}e{exponent}"
