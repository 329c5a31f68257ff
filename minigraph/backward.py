"""The backward sweep over a graph's nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from operator import is_
from typing import Any

import numpy as np

from .contract import blame, check_errors
from .forward import ForwardSweep
from .layer import Layer, Node
from .nested import arrays_in, each
from .param import Array, Param
from .recompute import Segment
from .record import Record
from .schedule import errands, reaches
from .script import Adrift, Script
from .sweep import Sweep, Watch, guarded, unguarded, watcher
from .trace import Call


class BackwardSweep(Sweep):
    """Prepared calls that send errors back from the seeds to everything before them that wants an error."""

    def __init__(self, forward: ForwardSweep, errors: Mapping[Node, Array], wrt: Any, wanted: Sequence[Node]):
        super().__init__()
        seeds = list(errors)
        self.forward = forward
        self.m = forward.m
        """Number of examples that gradients are sums over; who adds those of others to `gradients()` counts them in."""
        self.seeds = seeds
        self.errands = {errand.node: errand for errand in errands(forward.plan.order, seeds, wanted)}
        self.place = {node: i for i, node in enumerate(self.errands)}
        self.records = forward.records
        self._errors: Mapping[Node, Array] = {}
        self._wrt = wrt
        self._edition = Layer.edition
        self._loose: list[tuple[Record, Param, Array]] = []
        self._beside: Script | None = None
        """The forward sweep's script whose arrays this one's calls take."""
        self.uses: dict[Param, list[Node]] = {}
        count = len(forward.outputs)
        self.sent: list[Any] = [None] * (count + len(seeds))
        self.seed_place = {node: count + i for i, node in enumerate(seeds)}
        self.steps = []
        for node, errand in self.errands.items():
            at = self.records[node]
            at.needs = errand.needs
            at.grad.clear()
            for param in {} if node.layer.frozen else dict.fromkeys(node.layer.params.values()):
                self.uses.setdefault(param, []).append(node)
            edges = [(user.id, slot if len(user.inputs) > 1 else None) for user, slot in errand.sources]
            if errand.seeded:
                edges.insert(0, (self.seed_place[node], None))
            fork = Fork(edges) if len(edges) > 1 else None
            self.steps.append((node, node.id, node.layer.backward, at, *edges[0], fork))
        mine = {node: forward.segments[node] for node in self.errands if node in forward.segments}
        self._first = {node: segment for segment, node in {mine[node]: node for node in reversed(mine)}.items()}
        self._last = {node: segment for segment, node in {mine[node]: node for node in mine}.items()}

    def serves(self, errors: Mapping[Node, Array], wrt: Any) -> bool:
        """Whether this is the sweep for errors at these nodes, and for these wishes."""
        same_seeds = errors is self._errors or errors.keys() == set(self.seeds)
        return same_seeds and wrt == self._wrt and self._edition == Layer.edition

    def run(self, errors: Mapping[Node, Array], observe: Watch | None = None) -> None:
        """Send the seeds' errors back; layers are held to their contract the first time."""
        if errors is not self._errors:
            self._take(errors)
        beside = self.forward.script
        if observe is None and self.verified and beside is not None:
            if self._beside is beside and self._led(self.forward.outputs):
                return
            if self._chances:
                return self._write(beside)
        self.script = None
        watch = observe if self.verified else watcher(self._verify, observe)
        compute = _compute if self.verified else _compute_guarded
        for step in self.steps:
            try:
                if step[0] in self._first:
                    self.forward.recall(self._first[step[0]])
                compute(self.sent, step)
            except Exception as fault:
                raise blame(step[0], "backward", fault) from fault
            if watch is not None:
                watch(step[0])
            if step[0] in self._last:
                self._let_go(self._last[step[0]])
        if not self.verified:
            self._settle()
            self.verified = True

    def _take(self, errors: Mapping[Node, Array]) -> None:
        """Take the seeds' errors, into the arrays that are there."""
        ones = self.forward.ones
        for node, error in errors.items():
            k = self.seed_place[node]
            if self.sent[k] is None or (self.sent[k] is ones) != (error is ones):
                self.sent[k], self.script = error, None
            elif error is not ones:
                np.copyto(self.sent[k], error)
        self._errors = errors

    def _let_go(self, segment: Segment) -> None:
        """Forget what a segment computed again, and the errors that went from one of its nodes to another."""
        segment.forget(self.records, self.forward.outputs)
        inside = set(segment.nodes)
        for node in segment.nodes:
            if node in self.errands:
                _, k, *_, fork = self.steps[self.place[node]]
                if inside.issuperset(node.inputs):
                    self.sent[k] = None
                if fork is not None:
                    fork.total = None

    def _verify(self, node: Node) -> None:
        check_errors(node, self.records[node], self.sent[node.id])

    # ---- as a script ----

    def _write(self, beside: Script) -> None:
        """Go back through every node, and write down how, with the arrays that the forward sweep's script leaves."""
        self._chances -= 1
        self.script = self._beside = None
        script, sent = Script("backward", self._doubted), self.sent
        homes: dict[int, list[tuple[Param, Array]]] = {}
        for at, param, view in self.homes:
            homes.setdefault(id(at), []).append((param, view))
        for step in self.steps:
            node, k, backward, at, *_, fork = step
            before = [*arrays_in(sent[k])]
            at.error = _arrived(sent, step)
            if fork is not None:
                script.add(node, fork.calls(sent))
            # what a layer that is called as a whole left on `at` may lie elsewhere next time
            sent[k] = script.write(node, backward, at, (at.error,)) if node in beside else None
            if node in script:
                strays = [(view, at.grad[param]) for param, view in homes.get(id(at), ()) if at.grad[param] is not view]
                script.make(node, [(view.__setitem__, (..., array)) for view, array in strays])
                continue
            if sent[k] is None:
                try:
                    _compute(sent, step)
                except Exception as fault:
                    raise blame(node, "backward", fault) from fault
            now = [*arrays_in(sent[k])]
            if len(now) == len(before) and all(map(is_, now, before)):
                script.add_whole(node, (_call, (sent, step, now)), now)
            else:
                sent[k] = each(np.array, sent[k])
                script.add_whole(node, (_copy, (sent, step, sent[k])), sent[k])
        outputs = self.forward.outputs
        parts = script.expect({k: outputs[k] for *_, k in self.forward.inbox if k not in self.forward.copied})
        if parts:
            self.forward.copied |= parts
            self.forward.script = None
        else:
            self.script, self._beside = script, beside
            mine = {id(self.records[node]) for node in self.place if node in script}
            self._loose = [home for home in self.homes if id(home[0]) not in mine]

    # ---- what is read afterwards ----

    def _settle(self) -> None:
        """Move all shares of gradients into one array, where layers go on writing them: see `gradients`.

        They lie there in the order in which the graph has the Params, as these do in memory.
        """
        order = {param: i for i, param in enumerate(self.forward.plan.params)}
        self.uses = dict(sorted(self.uses.items(), key=lambda use: order[use[0]]))
        shares = [(self.records[node], param) for param, nodes in self.uses.items() for node in nodes]
        self.flat = np.concatenate([at.grad[param].ravel() for at, param in shares]) if shares else np.empty(0)
        views = [view for _, views in self.pieces_of(self.flat) for view in views]
        self.homes = [(at, param, view) for (at, param), view in zip(shares, views, strict=True)]
        for at, param, view in self.homes:
            at.grad[param] = view

    def pieces_of(self, flat: Array) -> list[tuple[Param, list[Array]]]:
        """Cut an array like `flat` into each Param's pieces, as views, one a use."""
        pieces, end = [], 0
        for param, nodes in self.uses.items():
            views = []
            for _ in nodes:
                views.append(flat[end : end + param.size].reshape(param.shape))
                end += param.size
            pieces.append((param, views))
        return pieces

    def gradients(self) -> Array:
        """The shares of all uses of all Params, Σ over x, in one array: one call scales them all."""
        for at, param, view in self.homes if self.script is None else self._loose:
            if at.grad[param] is not view:  # the layer put an array of its own there
                view[...] = at.grad[param]
        return self.flat

    @cached_property
    def reach(self) -> set[Node]:
        """The nodes from which a differentiable path leads to a seed."""
        return reaches(self.seeds)

    def edge(self, target: Node, slot: int) -> Array:
        """What the target sent back along its input number `slot`, before any sum at a fork."""
        sent = self.sent[target.id]
        return sent[slot] if len(target.inputs) > 1 else sent  # type: ignore[no-any-return]


class Fork:
    """The sum of the errors that come back along the edges of a fork, in a buffer that no layer ever sees first."""

    def __init__(self, edges: list[tuple[int, int | None]]):
        self.edges = edges
        self.total: Array | None = None

    def __call__(self, sent: list[Any]) -> Any:
        """Add up what was sent along the edges."""
        for add, args in self.calls(sent):
            add(*args)
        return self.total

    def calls(self, sent: list[Any]) -> list[Call]:
        """The additions: of the first two, then of each other to the total."""
        first, *others = (sent[v] if slot is None else sent[v][slot] for v, slot in self.edges)
        if self.total is None:
            self.total = np.empty_like(first, order="C", subok=False)
        terms = [first] + [self.total] * (len(others) - 1)
        return [(np.add, (term, other, self.total)) for term, other in zip(terms, others, strict=True)]


# functions of what a sweep has sent, not of the sweep: its script keeps them


def _compute(sent: list[Any], step: Any) -> Any:
    """Have one node's layer send errors back, from what came back to it."""
    _, k, backward, at, *_ = step
    at.error = _arrived(sent, step)
    errors = sent[k] = backward(at, at.error)
    return errors


def _compute_guarded(sent: list[Any], step: Any) -> None:
    """The same with a read-only error and inputs, so that numpy stops a layer that writes into them."""
    _, k, backward, at, *_ = step
    error, inputs = _arrived(sent, step), at.inputs
    given = (error, *inputs)
    views = guarded(given)
    at.error, *read = views
    at.inputs = tuple(read)
    sent[k] = unguarded(backward(at, at.error), views, given)
    at.error, at.inputs = error, inputs


def _arrived(sent: list[Any], step: Any) -> Any:
    """What came back to a node: along its one edge, or the sum at a fork."""
    *_, v, slot, fork = step
    if fork is not None:
        return fork(sent)
    return sent[v] if slot is None else sent[v][slot]


def _call(sent: list[Any], step: Any, before: list[Array]) -> None:
    """Call the layer, which returned the same arrays each time so far."""
    now = [*arrays_in(_compute(sent, step))]
    if len(now) != len(before) or not all(map(is_, now, before)):
        raise Adrift


def _copy(sent: list[Any], step: Any, kept: Any) -> None:
    """Call the layer, and copy the arrays that it made for those who take them."""
    for there, array in zip(arrays_in(kept), arrays_in(_compute(sent, step)), strict=True):
        np.copyto(there, array)
    sent[step[1]] = kept
