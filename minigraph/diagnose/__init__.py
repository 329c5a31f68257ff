"""Verdicts on a run: what keeps its network from learning, with the evidence and what to try."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ..errors import GraphError
from ..numbers import is_real
from ..results import Results
from .findings import KINDS, Diagnosis, Finding, Kind
from .finite import not_finite
from .flow import activations, gradients
from .logits import squashed
from .reach import unreached
from .seen import Seen
from .units import dead, saturated
from .updates import judge_updates, planned
from .weights import inputs_near_0, symmetric

__all__ = ["KINDS", "Diagnosis", "Finding", "Kind", "diagnose", "judge_updates"]


def diagnose(run: Results, *, lr: float | None = None) -> Diagnosis:
    """Judge what a run has computed in its current sweeps; `print` what it returns, or go through the findings.

    vanishing              ∂C_x/∂a shrinks by 100 or more over several layers, beyond 0.98 a layer
    exploding              it grows by as much, beyond 1.05 a layer
    exploding activations  a grows so on its way forward
    not finite             NaN or ∞, where they arose: with the feeds, with the weights, or in a node
    dead                   a quarter of a layer's ReLUs has z ≤ 0 in the whole batch: a note; most of them: an alarm
    saturated              half of a layer's outputs has σ' below a tenth of its largest, and gets half of the error
    inputs near 0          a fifth of a layer's inputs is near 0 in the whole batch: ∂C/∂w = a_in δ_out (BP4)
    symmetric              units with the same weights and the same gradients
    unreached              Params that aren't frozen and that no path leads from to a cost
    squashed logits        a cross-entropy of logits gets what a Softmax or a sigmoid made of them
    update ratio           with `lr`: lr ‖∂C/∂w‖ / ‖w‖, what gradient descent does, below 1e-5 or above 0.1

    Sizes of gradients and activations are root mean squares per element over the batch, relative to each other: no
    cut is absolute. A trend is a CUSUM over layers with weights, along the edges that bring each node most of its
    error, see `diagnose.trends`: one small edge is none, nor is a change of width, nor a branch beside a skip. Where
    numbers aren't finite, their neighbors aren't judged by size.

    Before `backward` only the forward sweep is judged, and `left_out` says so. Raises NotComputedError before any
    forward sweep, StaleError after the graph's nodes were edited, GraphError when lr isn't positive.
    """
    if lr is not None and not (is_real(lr) and 0.0 < lr < math.inf):
        raise GraphError(f"diagnose takes a positive learning rate as lr, or None, got {lr!r}")
    seen = Seen(run)
    with np.errstate(all="ignore"):  # numbers that overflow are a thing to find here
        return Diagnosis(_findings(seen, lr), _looked_at(seen), _left_out(seen, lr))


def _findings(seen: Seen, lr: float | None) -> Iterator[Finding]:
    yield from not_finite(seen)
    yield from gradients(seen)
    yield from activations(seen)
    yield from dead(seen)
    yield from saturated(seen)
    yield from unreached(seen.run)
    yield from symmetric(seen)
    yield from squashed(seen)
    if lr is not None:
        yield from judge_updates(seen.run.graph, planned(seen, float(lr)), source=f" with lr = {lr:g}")
    yield from inputs_near_0(seen)


def _looked_at(seen: Seen) -> str:
    examples = f"a batch of {seen.m:,}" if seen.m > 1 else "one example"
    back = f", {len(seen.returned):,} of them back" if seen.returned else ""
    return f"{len(seen.nodes):,} node{'s' * (len(seen.nodes) != 1)} forward{back}, with {examples}"


def _left_out(seen: Seen, lr: float | None) -> Iterator[str]:
    if seen.unfinished:
        yield "what comes behind the interruption of the forward sweep"
    if seen.run.backward_done < 0:
        yield "gradients, symmetric units and updates, as run.backward() comes first"
    elif seen.interrupted:
        yield "what comes behind the interruption of the backward sweep"
    elif lr is None:
        yield "updates, which take the learning rate: lr=…"
