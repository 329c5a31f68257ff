"""The read-only faces of a run: a node's record, an edge, a layer of a chain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from .costs import Cost
from .errors import GraphError, MinigraphError, NoPathError, NotComputedError, StaleError
from .layer import Input, Neurons, Node
from .param import Array, Param
from .record import Record

if TYPE_CHECKING:
    from .results import Results

State: TypeAlias = Literal["computed", "not yet", "no path", "not asked"]


class RecordView:
    """What one node computed in the current sweep of a run: `run["h1"]`. Arrays are read-only.

    `a` is the output, `z` and `delta` the neurons' weighted input and error δ = Σ_x ∂C_x/∂z (for layers without weights
    `delta` is the error of their output), `error` what arrived, `inputs` what came in, `grad` this node's share of each
    ∂C/∂Param, summed over examples. What the layer saved besides goes by the name the layer gave it. Rows are examples;
    a run of one example has none. Raises NotComputedError, NoPathError or StaleError for what isn't there.
    """

    def __init__(self, run: Results, node: Node):
        self._run = run
        self._sweep = run.clock.sweep
        self.node = node

    @property
    def a(self) -> Array:
        """The output: an activation a, or C_x for a cost."""
        self._record()
        return self._shown(self._run.swept().outputs[self.node.id])

    @property
    def z(self) -> Array:
        """The weighted input z of neurons."""
        z = self._record().z
        if z is None:
            raise NotComputedError(f"{self._who} has no z: only layers of neurons, such as Dense, weigh their inputs")
        return self._shown(z)

    @property
    def inputs(self) -> tuple[Array, ...]:
        """The arrays that came in, in the order of the slots."""
        return tuple(self._shown(x) for x in self._record().inputs)

    @property
    def delta(self) -> Array:
        """δ = Σ_x ∂C_x/∂z; for a layer without weights Σ_x ∂C_x/∂(output). Row i belongs to example i."""
        at = self._returned("δ")
        return self._shown(at.error if at.delta is None else at.delta)

    @property
    def error(self) -> Array:
        """Σ_x ∂C_x/∂(output): the sum of what came back along the edges."""
        return self._shown(self._returned("error").error)

    @property
    def grad(self) -> Mapping[Param, Array]:
        """This node's share of ∂C/∂Param for each of its Params, summed over examples (run.grad gives the mean)."""
        at = self._returned("gradient")
        if self.node.layer.frozen and self.node.layer.params:
            raise NotComputedError(f"{self._who} is frozen: no gradient is computed for its Params")
        return MappingProxyType({param: read_only(share) for param, share in at.grad.items()})

    @property
    def state(self) -> State:
        """Whether δ is "computed", "not yet", has "no path" to the cost, or was "not asked" for."""
        self._check_sweep()
        return error_state(self._run, self.node)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        at = self._record()
        value = getattr(at, name)
        if value is not None and not at.is_from_forward(name):
            self._returned(name)
        if value is None:
            there = ", ".join(sorted(key for key in vars(at) if not key.startswith("_")))
            raise AttributeError(f"{self._who} saved no {name!r}: it has {there}")
        return read_only(value) if isinstance(value, np.ndarray) else value

    @property
    def _who(self) -> str:
        return f"{type(self.node.layer).__name__} {self.node.name!r}"

    def _check_sweep(self) -> None:
        run = self._run
        if self._sweep != run.clock.sweep:
            raise StaleError(
                f"this record of {self.node.name!r} belongs to sweep {self._sweep} of its run, which is at sweep "
                f"{run.clock.sweep}: take run[{self.node.name!r}] again"
            )

    def _record(self) -> Record:
        self._check_sweep()
        sweep = self._run.swept()
        if sweep.place[self.node] >= self._run.forward_done:
            raise NotComputedError(f"{self._who} is not computed yet: the forward sweep hasn't reached it or failed")
        if sweep.records[self.node].forgotten:
            raise NotComputedError(forgotten(self.node))
        return sweep.records[self.node]

    def _returned(self, what: str) -> Record:
        at = self._record()
        missing = why_missing(self._run, self.node, f"{what} of {self.node.name!r}")
        if missing is not None:
            raise missing
        return at

    def _shown(self, array: Array) -> Array:
        return read_only(array[0, ...] if self._run.single else array)

    def __repr__(self) -> str:
        stale = self._sweep != self._run.clock.sweep
        return f"<record of {self.node.name!r} in sweep {self._sweep}: {'stale' if stale else f'δ {self.state}'}>"


class EdgeView:
    """One value on its way from a source to a target's input number `slot`: forward and back."""

    def __init__(self, run: Results, source: Node, target: Node, slot: int):
        self._run = run
        self._sweep = run.clock.sweep
        self.source = source
        self.target = target
        self.slot = slot

    @property
    def a(self) -> Array:
        """The value that went forward: the source's output."""
        return self._target().inputs[self.slot]

    @property
    def grad(self) -> Array:
        """Σ_x ∂C_x/∂a as it came back along this edge, before the sum at a fork; row i belongs to example i."""
        view = self._target()
        view._record()
        what = f"error along {self.source.name!r} -> {self.target.name!r} (slot {self.slot})"
        missing = why_missing(self._run, self.target, what, self.slot)
        if missing is not None:
            raise missing
        return view._shown(self._run.swept_back().edge(self.target, self.slot))

    @property
    def state(self) -> State:
        """Whether `grad` is "computed", "not yet", has "no path" to the cost, or was "not asked" for."""
        self._target()._check_sweep()
        return error_state(self._run, self.target, self.slot)

    def _target(self) -> RecordView:
        view = RecordView(self._run, self.target)
        view._sweep = self._sweep
        return view

    def __repr__(self) -> str:
        return f"<edge {self.source.name!r} -> {self.target.name!r}, slot {self.slot}, in sweep {self._sweep}>"


def error_state(run: Results, node: Node, slot: int | None = None) -> State:
    """How it stands with the error of a node or, with a slot, along the edge into it."""
    if slot is not None and slot in node.constant_inputs:
        return "no path"
    if run.backward_done < 0:
        return "not yet"
    sweep = run.swept_back()
    if sweep.records[node].forgotten:
        return "not asked"
    if node in sweep.place and (slot is None or sweep.errands[node].needs[slot]):
        return "computed" if sweep.place[node] < run.backward_done else "not yet"
    return "not asked" if node in sweep.reach else "no path"


def why_missing(run: Results, node: Node, what: str, slot: int | None = None) -> MinigraphError | None:
    """The error to raise when somebody wants an error that isn't computed; None when it is."""
    state = error_state(run, node, slot)
    if run.swept().records[node].forgotten:
        return NotComputedError(forgotten(node))
    if state == "not yet":
        begun = run.backward_done >= 0
        step = "the backward sweep hasn't reached it or failed" if begun else "call run.backward() first"
        return NotComputedError(f"the {what} is not computed yet: {step}")
    if state == "no path":
        if slot is not None and slot in node.constant_inputs:
            return NoPathError(f"there is no {what}: {node.name!r} takes it as a constant, no error flows there")
        seeds = ", ".join(repr(seed.name) for seed in run.swept_back().seeds)
        return NoPathError(f"there is no {what}: no path leads from {node.name!r} to {seeds}")
    if state == "not asked":
        source = node if slot is None else node.inputs[slot]
        return NotComputedError(
            f"the {what} was not asked for, as nothing trainable stands there: run.backward(wrt={source.name!r})"
        )
    return None


def forgotten(node: Node) -> str:
    """What to say of a node whose arrays aren't kept."""
    who, remedy = f"{type(node.layer).__name__} {node.name!r}", "look at g.forward(…), or Run(…, keep=True)"
    return f"{who} is in a block that training recomputes and doesn't keep: {remedy}"


class Chain:
    """The book's numbering of a plain chain: l = 1 is the input, l = 2 … L are layers of neurons."""

    def __init__(self, run: Results):
        self._run = run
        self._nodes = _plain_chain(run)

    @property
    def L(self) -> int:
        """The number of layers, the input counted."""
        return len(self._nodes)

    def __len__(self) -> int:
        return len(self._nodes)

    def __iter__(self) -> Iterator[ChainLayer]:
        return (self[l] for l in range(1, self.L + 1))  # noqa: E741

    def __getitem__(self, l: int) -> ChainLayer:  # noqa: E741
        if not isinstance(l, (int, np.integer)) or not 1 <= l <= self.L:
            raise GraphError(f"layers are numbered from l = 1, the input, to L = {self.L}; got {l!r}")
        return ChainLayer(self._run, self._nodes[l - 1], int(l))


class ChainLayer:
    """Layer l of a plain chain: z, a, delta, w, b. The input, l = 1, has only a."""

    def __init__(self, run: Results, node: Node, l: int):  # noqa: E741
        self.l = l
        self.node = node
        self._record = run[node]

    @property
    def a(self) -> Array:
        """a^l; a^1 is the input x."""
        return self._record.a

    @property
    def z(self) -> Array:
        """z^l = w^l a^{l−1} + b^l."""
        self._not_the_input("z")
        return self._record.z

    @property
    def delta(self) -> Array:
        """δ^l = ∂C_x/∂z^l."""
        self._not_the_input("δ")
        return self._record.delta

    @property
    def w(self) -> Array:
        """w^l, with w[j, k] from neuron k of layer l − 1 to neuron j of layer l."""
        self._not_the_input("w")
        return read_only(self.node.layer.params["w"].value)

    @property
    def b(self) -> Array:
        """b^l."""
        self._not_the_input("b")
        if "b" not in self.node.layer.params:
            raise GraphError(f"there is no b^{self.l}: {self.node.name!r} was made with bias=False")
        return read_only(self.node.layer.params["b"].value)

    def _not_the_input(self, letter: str) -> None:
        if self.l == 1:
            raise GraphError(f"there is no {letter}^1: layer 1 is the input, which has no weights; its a^1 is x")


def _plain_chain(run: Results) -> list[Node]:
    targets = set(run.graph.targets)
    nodes = [view.node for view in run if not isinstance(view.node.layer, Cost) and view.node not in targets]
    remedy = "use run['name'] instead"
    for before, node in zip([None, *nodes], nodes, strict=False):
        if before is None:
            if not isinstance(node.layer, Input):
                raise GraphError(f"no plain chain: {node.name!r} comes first and is no input; {remedy}")
        elif node.inputs != (before,):
            raise GraphError(
                f"no plain chain, so l is ambiguous: {node.name!r} doesn't just follow {before.name!r}; {remedy}"
            )
        elif not isinstance(node.layer, Neurons):
            raise GraphError(f"no plain chain of neurons: {node.name!r} is {node.layer.describe()}; {remedy}")
    return nodes


def read_only(array: Array) -> Array:
    """A view of an array that can't be written to."""
    view = array.view()
    view.flags.writeable = False
    return view
