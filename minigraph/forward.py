"""The forward sweep over a graph's nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from .contract import blame, check_output
from .layer import Layer, Node
from .param import Array, Param, Shape
from .plan import Plan
from .recompute import Segment, segments
from .record import Clock, Record
from .script import Adrift, Script
from .sweep import Sweep, Watch, guarded, unguarded, watcher


class ForwardSweep(Sweep):
    """Empty records and prepared calls for m examples, or for a single one without a batch axis."""

    def __init__(self, plan: Plan, m: int, single: bool, clock: Clock, keep: bool = True):
        super().__init__()
        order, dtype = plan.order, plan.dtype
        self.plan = plan
        self.m = m
        self.single = single
        self.place = {node: i for i, node in enumerate(order)}
        self.ones = np.ones(m, dtype)
        self.ones.flags.writeable = False
        self.records = {node: Record(self.ones, plan.training, clock, node.id) for node in order}
        self.outputs: list[Any] = [None] * (max(node.id for node in order) + 1)
        self.cost_seeds = dict.fromkeys(plan.costs, self.ones)
        self.copied: set[int] = set()
        """Inputs, by id, whose feeds have to be copied, as some call takes a part of them."""
        self.inbox: list[tuple[str, Shape, np.dtype[Any], Array, Array, int]] = []
        for node in plan.inputs:
            at = self.records[node]
            at.inputs = ()
            at.a = self.outputs[node.id] = np.empty((m, *node.shape), node.dtype)
            held = at.a[0, ...] if single else at.a
            self.inbox.append((node.name, held.shape, held.dtype, held, at.a, node.id))
        self.steps = []
        for node in order[len(plan.inputs) :]:
            ids = [source.id for source in node.inputs]
            several = None if len(ids) == 1 else itemgetter(*ids) if ids else _nothing
            self.steps.append((node, node.id, node.layer.forward, self.records[node], ids[0] if ids else 0, several))
        self.segments: dict[Node, Segment] = {}
        """Where nothing is kept that can be computed again, by the nodes in them."""
        self._ends: dict[Node, Segment] = {}
        if plan.training and plan.recomputed and not keep:
            self._chances = 0
            for segment in segments(order[len(plan.inputs) :], plan.recomputed):
                self.segments.update(dict.fromkeys(segment.nodes, segment))
                self._ends[segment.nodes[-1]] = segment
            self._step_of = {step[0]: step for step in self.steps}
        commits = [node for node in order if type(node.layer).commit is not Layer.commit]
        self.committers = [(node.layer, self.records[node]) for node in commits]

    def take(self, arrays: Mapping[Node, Array]) -> None:
        """Copy arrays that were admitted into the records of their inputs."""
        for node, (*_, held, whole, k) in zip(self.plan.inputs, self.inbox, strict=True):
            if node in arrays:
                self.outputs[k] = whole
                np.copyto(held, arrays[node])

    def behind(self, fed: set[Node], changed: Sequence[Param]) -> list[Any]:
        """The steps that depend on some inputs or Params, or on running statistics, which move unseen."""
        if self.segments:
            return self.steps
        moved, params, steps = set(fed), set(changed), []
        for step in self.steps:
            node = step[0]
            unseen = not node.inputs or (node.layer.statistics and not self.plan.training)
            if unseen or not moved.isdisjoint(node.inputs) or not params.isdisjoint(node.layer.params.values()):
                moved.add(node)
                steps.append(step)
        return steps

    def run(self, steps: list[Any] | None = None, observe: Watch | None = None) -> None:
        """Compute every node, or only some steps; layers are held to their contract the first time."""
        if observe is None and steps is None and self.verified:
            if self._led(self.outputs):
                return
            if self._chances:
                return self._write()
        self.script = None
        compute = _compute if self.verified else _compute_guarded
        for node in self.segments:
            self.records[node].forgotten = None
        watch = observe if self.verified else watcher(self._verify, observe)
        if watch is not None:
            for node in self.plan.inputs:
                watch(node)
        for step in self.steps if steps is None else steps:
            try:
                compute(self.outputs, step)
            except Exception as fault:
                raise blame(step[0], "forward", fault) from fault
            if watch is not None:
                watch(step[0])
            if step[0] in self._ends:
                self._ends[step[0]].forget(self.records, self.outputs)
        self.verified = True

    def recall(self, segment: Segment) -> None:
        """Compute again what a segment forgot."""
        for node in segment.nodes:
            self.records[node].forgotten = None
        segment.recall(self.outputs, lambda node: _compute(self.outputs, self._step_of[node]))

    def _verify(self, node: Node) -> None:
        check_output(node, self.outputs[node.id], self.m)
        self.records[node].seal()

    # ---- as a script ----

    def _write(self) -> None:
        """Compute every node, and write down how."""
        self._chances -= 1
        self.script, script, outputs = None, Script("forward", self._doubted), self.outputs
        for step in self.steps:
            node, k, forward, at, one, several = step
            at.inputs = (outputs[one],) if several is None else several(outputs)
            before, a = outputs[k], script.write(node, forward, at, at.inputs)
            if a is None:
                try:
                    a = _compute(outputs, step)
                except Exception as fault:
                    raise blame(node, "forward", fault) from fault
            outputs[k] = a
            if node in script:
                continue
            if a is before:
                script.add_whole(node, (_call, (outputs, step, a)), a)
            else:
                outputs[k] = np.array(a)
                script.add_whole(node, (_copy, (outputs, step, outputs[k])), outputs[k])
        parts = script.expect({k: outputs[k] for *_, k in self.inbox if k not in self.copied})
        self.copied |= parts
        self.script = None if parts else script


# functions of a sweep's outputs, not of the sweep: its script keeps them


def _compute(outputs: list[Any], step: Any) -> Any:
    """Have one node's layer compute its output."""
    _, k, forward, at, one, several = step
    if several is None:
        x = outputs[one]
        at.inputs = (x,)
        a = outputs[k] = forward(at, x)
    else:
        at.inputs = several(outputs)
        a = outputs[k] = forward(at, *at.inputs)
    return a


def _compute_guarded(outputs: list[Any], step: Any) -> None:
    """The same with read-only inputs, so that numpy stops a layer that writes into them."""
    _, k, forward, at, one, several = step
    given = (outputs[one],) if several is None else several(outputs)
    at.inputs = guarded(given)
    outputs[k] = unguarded(forward(at, *at.inputs), at.inputs, given)
    at.inputs = given


def _call(outputs: list[Any], step: Any, a: Array) -> None:
    """Call the layer, which wrote into the same array each time so far."""
    if _compute(outputs, step) is not a:
        raise Adrift


def _copy(outputs: list[Any], step: Any, kept: Array) -> None:
    """Call the layer, and copy the array that it made for those who take it."""
    np.copyto(kept, _compute(outputs, step))
    outputs[step[1]] = kept


def _nothing(outputs: list[Any]) -> tuple[()]:
    return ()
