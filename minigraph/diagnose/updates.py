"""Updates in proportion to the weights: the ratio of their norms."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ..graph import Graph
from ..measures import rms, shown
from .findings import Finding, quoted
from .seen import Seen

HEALTHY = 1e-3
""""A rough heuristic is that this ratio should be somewhere around 1e-3" (Karpathy, CS231n, notes on learning)."""
SMALLEST = 1e-5
"""Below, a weight takes 100,000 updates to become another; "the learning rate might be too low" (CS231n)."""
LARGEST = 0.1
"""Above, a weight becomes another within ten updates; "the learning rate is likely too high" (CS231n)."""

TOO_SMALL = "a larger lr; if others' ratios are fine, look for what makes the gradient small here"
NONE = "another lr changes nothing: look for what makes the gradient 0, as zeros in the weights or inputs beside it do"
TOO_LARGE = "a smaller lr, or a warm-up; clip_norm=1.0; larger initial weights if they are near 0"


def judge_updates(graph: Graph, ratios: Mapping[str, float], *, source: str = "") -> list[Finding]:
    """Findings about Params whose update is out of proportion: ratios ‖Δw‖ / ‖w‖ below 1e-5 or above 0.1.

    Around 1e-3 is healthy, as a rule of thumb (Karpathy, CS231n), hence two powers of ten to either side. Ratios go by
    the Params' names in `graph.params`; NaN stands for one that wasn't measured. Biases, which often start at 0, and
    other Params of one axis aren't judged. `source` says in the evidence how ratios came about.
    """
    owners = {param: node for node in reversed(graph.nodes) for param in node.layer.params.values()}
    found = []
    for name, param in graph.params.items():
        ratio = ratios.get(name, math.nan)
        if len(param.shape) < 2 or math.isnan(ratio) or SMALLEST <= ratio <= LARGEST:
            continue
        bound, than = (SMALLEST, "less") if ratio < SMALLEST else (LARGEST, "more")
        evidence = (
            f"an update changes {quoted(name)} by {shown(ratio)} of its norm{source}, {than} than {bound:g}; "
            f"around {HEALTHY:g} is usual"
        )
        remedy = TOO_LARGE if ratio > LARGEST else TOO_SMALL if ratio else NONE
        found.append(Finding("update ratio", owners[param].name, evidence, remedy, {"ratio": ratio}, params=(name,)))
    return sorted(found, key=lambda finding: -_excess(float(finding.data["ratio"])))


def _excess(ratio: float) -> float:
    """By how many powers of ten a ratio is off what is usual."""
    return abs(math.log10(ratio / HEALTHY)) if ratio else math.inf


def planned(seen: Seen, lr: float) -> Mapping[str, float]:
    """lr ‖∂C/∂w‖ / ‖w‖ for each Param whose gradient is computed: what plain gradient descent does."""
    ratios = {}
    for param, name in seen.names.items():
        gradient = seen.gradient(param)
        norm = rms(param.value)
        if gradient is not None and norm and math.isfinite(norm):
            ratios[name] = lr * rms(gradient) / norm
    return ratios
