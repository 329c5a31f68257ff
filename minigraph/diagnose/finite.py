"""NaN and infinite numbers in a run: at which nodes they arose, forward or back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from ..costs import Penalty
from ..layer import Node
from ..nonfinite import Fault, arisen, arisen_back, arisen_in_sum, broken, is_finite, params_of
from ..param import Array, Param
from ..schedule import consumers
from ..wiring import Edge
from .findings import Finding, names_of
from .seen import Seen


def not_finite(seen: Seen) -> list[Finding]:
    """Each place where numbers that aren't finite arose: in forward order or, if that sweep was fine, going back.

    Infinity that is gone again before the end, as masks put it under a softmax, is none.
    """
    faults = list(_forward(seen)) or list(_back(seen))
    return [finding_of(fault, seen.names) for fault in faults]


def finding_of(fault: Fault, names: Mapping[Param, str]) -> Finding:
    """What a diagnosis says of a node where such numbers begin."""
    node, params = fault.node.name, names_of(fault.params, names)
    return Finding("not finite", node, fault.evidence, fault.remedy, fault.data, edges=fault.edges, params=params)


def _forward(seen: Seen) -> Iterator[Fault]:
    bad = {node for node in seen.nodes if not is_finite(seen.output(node))}
    harmful = _harmful(seen, bad)
    told: set[Param] = set()
    for node in seen.nodes:
        found = broken(params_of(node))
        arose = not found and node in harmful and bad.isdisjoint(node.inputs)
        if arose or (found and not isinstance(node.layer, Penalty) and not told.issuperset(found)):
            others = len(harmful - {node})
            spread = f"; {others:,} more node{'s have' if others > 1 else ' has'} such numbers" if others else ""
            output, inputs = _as_fed(seen, seen.output(node)), seen.record(node).inputs
            yield arisen(node, output, inputs, found, seen.names, spread)
            told.update(found)


def _harmful(seen: Seen, bad: set[Node]) -> set[Node]:
    """Of the nodes with infinite numbers those with NaN and those from which they get to an end of the run."""
    users, harmful = consumers(seen.nodes), set[Node]()
    for node in reversed(seen.nodes):
        ends = not users[node] or any(user in harmful for user, _ in users[node])
        if node in bad and (ends or np.isnan(seen.output(node)).any()):
            harmful.add(node)
    return harmful


def _back(seen: Seen) -> Iterator[Fault]:
    bad = {node for node in seen.returned if not is_finite(seen.record(node).error)}
    for node in seen.returned:
        at, errand = seen.record(node), seen.run.swept_back().errands[node]
        if node in bad:
            arriving = [Edge(node, user, slot) for user, slot in errand.sources]
            if all(is_finite(seen.back(edge)) for edge in arriving):
                yield arisen_in_sum(node, _as_fed(seen, at.error), tuple(arriving), errand.seeded and not arriving)
            continue
        into = [Edge(source, node, slot) for slot, source in enumerate(node.inputs) if errand.needs[slot]]
        sent = {edge: array for edge in into if (array := seen.back(edge)) is not None}
        fault = arisen_back(node, sent, at.grad, seen.names, seen.run.single)
        if fault is not None:
            yield fault


def _as_fed(seen: Seen, array: Array) -> Array:
    """Without rows where there is one example, so that places are those that its owner sees."""
    return array[0, ...] if seen.run.single else array
