"""The two sweeps over a graph's nodes, each prepared once and then run as a plain loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from operator import itemgetter
from typing import Any, TypeAlias

import numpy as np

from .errors import LayerError, MinigraphError
from .layer import Layer, Node
from .param import Array, Param, Shape
from .plan import Plan
from .record import Clock, Record
from .schedule import errands, reaches

Watch: TypeAlias = Callable[[Node], None]


class ForwardSweep:
    """Empty records and prepared calls for m examples, or for a single one without a batch axis."""

    def __init__(self, plan: Plan, m: int, single: bool, clock: Clock):
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
        self.verified = False
        self.inbox: list[tuple[str, Shape, np.dtype[Any], Array, int]] = []
        for node in plan.inputs:
            at = self.records[node]
            at.inputs = ()
            at.a = self.outputs[node.id] = np.empty((m, *node.shape), node.dtype)
            held = at.a[0, ...] if single else at.a
            self.inbox.append((node.name, held.shape, held.dtype, held, node.id))
        self.steps = []
        for node in order[len(plan.inputs) :]:
            ids = [source.id for source in node.inputs]
            several = None if len(ids) == 1 else itemgetter(*ids) if ids else _nothing
            self.steps.append((node, node.id, node.layer.forward, self.records[node], ids[0] if ids else 0, several))
        commits = [node for node in order if type(node.layer).commit is not Layer.commit]
        self.committers = [(node.layer, self.records[node]) for node in commits]

    def take(self, arrays: Mapping[Node, Array]) -> None:
        """Copy arrays that were admitted into the records of their inputs."""
        for node, (_, _, _, held, k) in zip(self.plan.inputs, self.inbox, strict=True):
            if node in arrays:
                self.outputs[k] = self.records[node].a
                np.copyto(held, arrays[node])

    def behind(self, fed: set[Node], changed: Sequence[Param]) -> list[Any]:
        """The steps that depend on some inputs or Params, or on running statistics, which move unseen."""
        moved, params, steps = set(fed), set(changed), []
        for step in self.steps:
            node = step[0]
            unseen = not node.inputs or (node.layer.statistics and not self.plan.training)
            if unseen or not moved.isdisjoint(node.inputs) or not params.isdisjoint(node.layer.params.values()):
                moved.add(node)
                steps.append(step)
        return steps

    def run(self, observe: Watch | None, steps: list[Any] | None = None) -> None:
        """Compute every node, or only some steps; layers are held to their contract the first time."""
        outputs = self.outputs
        watch = observe if self.verified else watcher(self._verify, observe)
        if watch is not None:
            for node in self.plan.inputs:
                watch(node)
        for node, k, forward, at, one, several in self.steps if steps is None else steps:
            try:
                if several is None:
                    x = outputs[one]
                    at.inputs = (x,)
                    outputs[k] = forward(at, x)
                else:
                    at.inputs = several(outputs)
                    outputs[k] = forward(at, *at.inputs)
            except Exception as fault:
                raise blame(node, "forward", fault) from fault
            if watch is not None:
                watch(node)
        self.verified = True

    def _verify(self, node: Node) -> None:
        a = self.outputs[node.id]
        if not _is(a, (self.m, *node.shape), node.dtype):
            expected = _said((self.m, *node.shape), node.dtype)
            raise LayerError(f"{_named(node)}: forward must return {expected}, got {_kind(a)}")
        self.records[node].seal()


def _nothing(outputs: list[Any]) -> tuple[()]:
    return ()


class BackwardSweep:
    """Prepared calls that send errors back from the seeds to everything before them that wants an error."""

    def __init__(self, forward: ForwardSweep, errors: Mapping[Node, Array], wrt: Any, wanted: Sequence[Node]):
        seeds = list(errors)
        self.forward = forward
        self.seeds = seeds
        self.errands = {errand.node: errand for errand in errands(forward.plan.order, seeds, wanted)}
        self.place = {node: i for i, node in enumerate(self.errands)}
        self.records = forward.records
        self._errors: Mapping[Node, Array] = {}
        self._wrt = wrt
        self._edition = Layer.edition
        self.uses: dict[Param, list[Node]] = {}
        self.verified = False
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
            fork = _Fork(edges, np.empty((forward.m, *node.shape), forward.plan.dtype)) if len(edges) > 1 else None
            self.steps.append((node, node.id, node.layer.backward, at, *edges[0], fork))

    def serves(self, errors: Mapping[Node, Array], wrt: Any) -> bool:
        """Whether this is the sweep for errors at these nodes, and for these wishes."""
        same_seeds = errors is self._errors or errors.keys() == set(self.seeds)
        return same_seeds and wrt == self._wrt and self._edition == Layer.edition

    def run(self, errors: Mapping[Node, Array], observe: Watch | None) -> None:
        """Send the seeds' errors back; layers are held to their contract the first time."""
        sent = self.sent
        if errors is not self._errors:
            for node, error in errors.items():
                sent[self.seed_place[node]] = error
            self._errors = errors
        watch = observe if self.verified else watcher(self._verify, observe)
        for node, k, backward, at, v, slot, fork in self.steps:
            if fork is not None:
                error = fork(sent)
            elif slot is None:
                error = sent[v]
            else:
                error = sent[v][slot]
            at.error = error
            try:
                sent[k] = backward(at, error)
            except Exception as fault:
                raise blame(node, "backward", fault) from fault
            if watch is not None:
                watch(node)
        if not self.verified:
            self._settle()
            self.verified = True

    def _settle(self) -> None:
        """Move all shares of gradients into one array, where layers go on writing them: see `gradients`."""
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
        for at, param, view in self.homes:
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

    def _verify(self, node: Node) -> None:
        at, sent = self.records[node], self.sent[node.id]
        n = len(node.inputs)
        if n > 1 and (not isinstance(sent, (tuple, list)) or len(sent) != n):
            raise LayerError(f"{_named(node)}: backward must return {n} errors, one an input, got {_kind(sent)}")
        for i, (needed, x) in enumerate(zip(at.needs, at.inputs, strict=True)):
            if needed and not _is(self.edge(node, i), x.shape, x.dtype):
                expected, got = _said(x.shape, x.dtype), _kind(self.edge(node, i))
                raise LayerError(f"{_named(node)}: backward must return {expected} for input {i}, got {got}")
        for name, param in {} if node.layer.frozen else node.layer.params.items():
            if not _is(at.grad.get(param), param.shape, param.dtype):
                expected, got = _said(param.shape, param.dtype), _kind(at.grad.get(param))
                raise LayerError(f"{_named(node)}: backward must set at.grad[self.{name}] to {expected}, got {got}")
        if not at.grad.keys() <= set(node.layer.params.values()):
            raise LayerError(f"{_named(node)}: backward set at.grad for a Param that is no attribute of the layer")


class _Fork:
    """The sum of the errors that come back along the edges of a fork, in a buffer that no layer ever sees first."""

    def __init__(self, edges: list[tuple[int, int | None]], total: Array):
        self.edges = edges
        self.total = total

    def __call__(self, sent: list[Any]) -> Array:
        first, second, *others = (sent[v] if slot is None else sent[v][slot] for v, slot in self.edges)
        np.add(first, second, out=self.total)
        for error in others:
            np.add(self.total, error, out=self.total)
        return self.total


def watcher(verify: Watch, observe: Watch | None) -> Watch:
    """One function to call after a node for both purposes."""
    if observe is None:
        return verify

    def watch(node: Node) -> None:
        verify(node)
        observe(node)

    return watch


def blame(node: Node, direction: str, fault: Exception) -> MinigraphError:
    """The error to raise where a layer failed: it names the node and the line that added it."""
    if isinstance(fault, MinigraphError):
        return type(fault)(f"{_named(node)}: {fault}")
    return LayerError(f"{_named(node)}: {direction} failed with {type(fault).__name__}: {fault}")


def _named(node: Node) -> str:
    return f"{type(node.layer).__name__} {node.name!r} (added at {node.source})"


def _is(array: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    return isinstance(array, np.ndarray) and array.shape == shape and array.dtype == dtype


def _said(shape: tuple[int, ...], dtype: np.dtype[Any]) -> str:
    return f"an array of shape {shape} {dtype}"


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return _said(value.shape, value.dtype)
    if isinstance(value, (tuple, list)):
        return f"{len(value)} of them"
    return repr(value)
