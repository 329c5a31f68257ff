"""NaN and infinite numbers: where they arose, forward or back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..costs import Penalty
from ..layer import Input, Node
from ..measures import shown
from ..param import Array, Param
from ..schedule import consumers
from ..wiring import Edge
from .findings import Data, Finding, listed, names_of, quoted
from .seen import Seen

FEEDS = "look at the data, np.isfinite(x).all(), and at divisions and logarithms in its preparation"
WEIGHTS = (
    "weights from before the step that broke them; then a smaller lr, or clip_norm=1.0, and look at run.diagnose(lr=…) "
    "before it breaks again"
)
NODE = (
    "keep what enters within bounds: a normalization or smaller weights before it, a stable cost on logits "
    "(SoftmaxCrossEntropy, BinaryCrossEntropy) instead of a logarithm, a small number added under a root or a division"
)
BACK = (
    "keep what enters off the places where the slope is infinite or undefined, as sqrt and log have at 0; smaller "
    "weights or a smaller weight of the cost, where numbers overflow"
)


def not_finite(seen: Seen) -> list[Finding]:
    """Each place where numbers that aren't finite arose: in forward order or, if that sweep was fine, going back.

    Infinity that is gone again before the end, as masks put it under a softmax, is none.
    """
    return list(_forward(seen)) or list(_back(seen))


def _forward(seen: Seen) -> Iterator[Finding]:
    bad = {node for node in seen.nodes if not np.isfinite(seen.output(node)).all()}
    harmful = _harmful(seen, bad)
    told: set[Param] = set()
    for node in seen.nodes:
        is_penalty = isinstance(node.layer, Penalty)
        broken = _broken(node.layer.chosen if isinstance(node.layer, Penalty) else node.layer.params)
        arose = not broken and node in harmful and bad.isdisjoint(node.inputs)
        if arose or (broken and not is_penalty and not told.issuperset(broken)):
            yield _arisen(seen, node, broken, len(harmful - {node}))
            told.update(broken)


def _harmful(seen: Seen, bad: set[Node]) -> set[Node]:
    """Of the nodes with infinite numbers those with NaN and those from which they get to an end of the run."""
    users, harmful = consumers(seen.nodes), set[Node]()
    for node in reversed(seen.nodes):
        ends = not users[node] or any(user in harmful for user, _ in users[node])
        if node in bad and (ends or np.isnan(seen.output(node)).any()):
            harmful.add(node)
    return harmful


def _arisen(seen: Seen, node: Node, broken: dict[Param, str], others: int) -> Finding:
    """A finding about a node whose output isn't finite though its inputs are, or that has such weights."""
    output = seen.output(node)
    statistics = [name for name in node.layer.statistics if not _is_finite(getattr(node.layer, name, None))]
    ran_fine = np.isfinite(output).all()
    what = "its output is finite still" if ran_fine else f"its output has {_counted(output)}"
    if isinstance(node.layer, Input):
        cause, remedy, why = "feeds", FEEDS, "they came in with the feed"
    elif broken or statistics:
        cause, remedy = "weights", WEIGHTS
        named = [f"{quoted(seen.names[param])} has {counted}" for param, counted in broken.items()]
        why = ", ".join([*named, *(f"its {name} isn't finite" for name in statistics)])
    else:
        cause, remedy = "node", NODE
        sizes = [float(np.abs(array).max(initial=0)) for array in seen.record(node).inputs]
        why = "they arose here, of finite " + (f"inputs of up to {shown(max(sizes))} in size" if sizes else "weights")
    spread = f"; {others:,} more node{'s have' if others > 1 else ' has'} such numbers" if others else ""
    evidence = f"{why}, but {what}" if ran_fine else f"{what}: {why}{spread}"
    data: Data = {"cause": cause, "direction": "forward", **_counts(output)}
    return Finding("not finite", node.name, evidence, remedy, data, params=names_of(broken, seen.names))


def _back(seen: Seen) -> Iterator[Finding]:
    bad = {node for node in seen.returned if not np.isfinite(seen.record(node).error).all()}
    for node in seen.returned:
        at, errand = seen.record(node), seen.run.swept_back().errands[node]
        if node in bad:
            arriving = [(Edge(node, user, slot), seen.back(Edge(node, user, slot))) for user, slot in errand.sources]
            if all(_is_finite(array) for _, array in arriving):
                edges = tuple(edge for edge, _ in arriving)
                given = errand.seeded and not edges
                why = "it was given so to run.backward" if given else "it is a sum of finite errors"
                remedy = "give a finite error" if given else BACK
                yield _arisen_back(node, f"its error has {_counted(at.error)}: {why}", remedy, at.error, edges)
            continue
        into = [Edge(source, node, slot) for slot, source in enumerate(node.inputs) if errand.needs[slot]]
        sent = {edge: array for edge in into if (array := seen.back(edge)) is not None and not _is_finite(array)}
        grads = {param: array for param, array in at.grad.items() if not _is_finite(array)}
        if sent or grads:
            worst: Array = next(iter([*sent.values(), *grads.values()]))
            to = [f"what it sends to {listed(edge.source for edge in sent)}"] if sent else []
            names = names_of(grads, seen.names)
            of = [f"its part of ∂C/∂ of {listed(names)}"] if grads else []
            evidence = f"{' and '.join([*to, *of])} has {_counted(worst)}, though the error that arrives is finite"
            yield _arisen_back(node, evidence, BACK, worst, tuple(sent), names)


def _arisen_back(
    node: Node, evidence: str, remedy: str, worst: Array, edges: tuple[Edge, ...], params: tuple[str, ...] = ()
) -> Finding:
    data: Data = {"cause": "node", "direction": "backward", **_counts(worst)}
    return Finding("not finite", node.name, evidence, remedy, data, (), edges, params)


def _broken(params: dict[str, Param]) -> dict[Param, str]:
    """The Params with numbers that aren't finite, and what they are."""
    return {param: _counted(param.value) for param in params.values() if not np.isfinite(param.value).all()}


def _is_finite(array: Any) -> bool:
    return not isinstance(array, np.ndarray) or bool(np.isfinite(array).all())


def _counts(array: Array) -> dict[str, float]:
    return {"nan": int(np.isnan(array).sum()), "infinite": int(np.isinf(array).sum()), "of": array.size}


def _counted(array: Array) -> str:
    nan, infinite, size = _counts(array).values()
    parts = [f"{nan:,} NaN"] * bool(nan) + [f"{infinite:,} infinite"] * bool(infinite)
    first = ", ".join(map(str, np.argwhere(~np.isfinite(array))[0]))
    return f"{' and '.join(parts)} of {size:,} numbers, the first at [{first}]"
