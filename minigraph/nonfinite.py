"""NaN and infinite numbers at one node: how they arose there, and what to do."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from .backward import BackwardSweep
from .costs import Penalty
from .errors import FeedError, NonFiniteError
from .forward import ForwardSweep
from .layer import Input, Node
from .measures import shown
from .naming import listed, quoted
from .param import Array, Param
from .results import Results
from .wiring import Edge

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
GIVEN = "give a finite error"

Cause: TypeAlias = Literal["feeds", "weights", "node"]
Names: TypeAlias = Mapping[Param, str]


@dataclass(frozen=True)
class Fault:
    """A node where NaN or infinite numbers begin, going forward or back."""

    node: Node
    direction: Literal["forward", "backward"]
    cause: Cause
    evidence: str
    """What it is, and why, in one sentence."""
    remedy: str
    worst: Array
    """The numbers that aren't finite, among others."""
    edges: tuple[Edge, ...] = ()
    """Those that such numbers went back along, or that add up to them."""
    params: tuple[Param, ...] = ()
    """Those that have such numbers, or whose gradients have."""

    @property
    def data(self) -> dict[str, float | str]:
        """The cause, the direction, and how many numbers are NaN or infinite."""
        return {"cause": self.cause, "direction": self.direction, **_counts(self.worst)}


def arisen(
    node: Node, output: Array, inputs: Sequence[Array], broken: Mapping[Param, str], names: Names, spread: str = ""
) -> Fault:
    """The fault of a node whose output isn't finite though its inputs are, or that has such weights."""
    statistics = [name for name in node.layer.statistics if not is_finite(getattr(node.layer, name, None))]
    ran_fine = is_finite(output)
    what = "its output is finite still" if ran_fine else f"its output has {counted(output)}"
    cause: Cause
    if isinstance(node.layer, Input):
        cause, remedy, why = "feeds", FEEDS, "they came in with the feed"
    elif broken or statistics:
        cause, remedy = "weights", WEIGHTS
        named = [f"{quoted(names[param])} has {said}" for param, said in broken.items()]
        why = ", ".join([*named, *(f"its {name} isn't finite" for name in statistics)])
    else:
        cause, remedy = "node", NODE
        sizes = [float(np.abs(array).max(initial=0)) for array in inputs]
        why = "they arose here, of finite " + (f"inputs of up to {shown(max(sizes))} in size" if sizes else "weights")
    evidence = f"{why}, but {what}" if ran_fine else f"{what}: {why}{spread}"
    return Fault(node, "forward", cause, evidence, remedy, output, params=tuple(broken))


def arisen_in_sum(node: Node, error: Array, edges: tuple[Edge, ...], given: bool) -> Fault:
    """The fault of a node whose error isn't finite though what came back along its edges is."""
    why = "it was given so to run.backward" if given else "it is a sum of finite errors"
    evidence = f"its error has {counted(error)}: {why}"
    return Fault(node, "backward", "node", evidence, GIVEN if given else BACK, error, edges)


def arisen_back(
    node: Node, sent: Mapping[Edge, Array], grads: Mapping[Param, Array], names: Names, single: bool = False
) -> Fault | None:
    """The fault of a node that sends errors, or makes gradients, that aren't finite; None if all are."""
    sent = {edge: array[0] if single else array for edge, array in sent.items() if not is_finite(array)}
    grads = {param: array for param, array in grads.items() if not is_finite(array)}
    if not sent and not grads:
        return None
    worst = next(iter([*sent.values(), *grads.values()]))
    to = [f"what it sends to {listed(edge.source for edge in sent)}"] if sent else []
    of = [f"its part of ∂C/∂ of {listed(names[param] for param in grads)}"] if grads else []
    evidence = f"{' and '.join([*to, *of])} has {counted(worst)}, though the error that arrives is finite"
    return Fault(node, "backward", "node", evidence, BACK, worst, tuple(sent), tuple(grads))


# ---- in a sweep that is watched ----


def stop_forward(run: Results, sweep: ForwardSweep, node: Node) -> None:
    """Raise FeedError or NonFiniteError if the output that a node has just computed isn't finite."""
    a = sweep.outputs[node.id]
    if is_finite(a):
        return
    output = a[0, ...] if sweep.single else a
    if isinstance(node.layer, Input):
        raise FeedError(
            f"input {node.name!r} (added at {node.source}) takes finite numbers in a run with watch_nonfinite, got "
            f"{counted(output)}: {FEEDS}"
        )
    inputs = sweep.records[node].inputs
    fault = arisen(node, output, inputs, broken(params_of(node)), _names(run))
    raise _error(run, fault, [_ranges(node, inputs)])


def stop_backward(run: Results, sweep: BackwardSweep, node: Node) -> None:
    """Raise NonFiniteError if the error that came to a node isn't finite, or what it has just made of it."""
    at, errand, single = sweep.records[node], sweep.errands[node], sweep.forward.single
    if errand.seeded and not is_finite(given := sweep.sent[sweep.seed_place[node]]):
        said = counted(given[0, ...] if single else given)
        raise FeedError(
            f"the error of {node.name!r} (added at {node.source}) takes finite numbers in a run with watch_nonfinite, "
            f"got {said}: {GIVEN}"
        )
    if not is_finite(at.error):
        edges = tuple(Edge(node, user, slot) for user, slot in errand.sources)
        fault: Fault | None = arisen_in_sum(node, at.error[0, ...] if single else at.error, edges, given=False)
    else:
        slots = [slot for slot, needed in enumerate(errand.needs) if needed]
        grads = {} if node.layer.frozen else at.grad
        if all(is_finite(sweep.edge(node, slot)) for slot in slots) and all(map(is_finite, grads.values())):
            fault = _arisen_over_uses(run, sweep, node, grads)
            if fault is not None:
                raise _error(run, fault, [])
            return
        sent = {Edge(node.inputs[slot], node, slot): sweep.edge(node, slot) for slot in slots}
        fault = arisen_back(node, sent, grads, _names(run), single)
    if fault is not None:
        arrived = f"the error that arrived went {_range(at.error)}"
        raise _error(run, fault, [arrived, _ranges(node, at.inputs)])


def _arisen_over_uses(run: Results, sweep: BackwardSweep, node: Node, grads: Collection[Param]) -> Fault | None:
    """The fault of a Param whose last share came from this node, where the sum of its finite shares isn't finite."""
    for param in grads:
        users = sweep.uses[param]
        if len(users) > 1 and users[-1] is node:
            total = np.add.reduce([sweep.records[user].grad[param] for user in users])
            if not is_finite(total):
                said = f"∂C/∂ of {quoted(_names(run)[param])} has {counted(total)}: it is a sum of finite parts of"
                evidence = f"{said} {listed(users)}"
                return Fault(node, "backward", "node", evidence, BACK, total, params=(param,))
    return None


def _error(run: Results, fault: Fault, taken: Sequence[str]) -> NonFiniteError:
    node, names = fault.node, _names(run)
    who = f"{type(node.layer).__name__} {node.name!r} (added at {node.source})"
    told = [text for text in (*taken, _state_of(fault, names)) if text]
    more = f" {told[0][0].upper()}{'; '.join(told)[1:]}." if told else ""
    return NonFiniteError(f"{who}, {fault.direction}: {fault.evidence}.{more} Try: {fault.remedy}", fault, run)


def _state_of(fault: Fault, names: Names) -> str:
    """Whether the node's Params are finite, unless the evidence says so."""
    params = params_of(fault.node)
    found = broken(params)
    if fault.cause == "weights":
        return ""
    if found:
        return ", ".join(f"{quoted(names[param])} has {said}" for param, said in found.items())
    if not params:
        return "it has no Params"
    several = len(params) > 1
    return f"its Param{'s' * several} {listed(names[p] for p in params)} {'are' if several else 'is'} finite"


def _ranges(node: Node, inputs: Sequence[Array]) -> str:
    """What came in, from the least to the largest number: of the first few inputs."""
    said = [f"{quoted(source)} went {_range(x)}" for source, x in zip(node.inputs, inputs, strict=True) if x.size]
    more = f" and {len(said) - 4:,} more" if len(said) > 4 else ""
    return f"its input{'s' * (len(said) > 1)} {', '.join(said[:4])}{more}" if said else "it takes no input"


def _range(array: Array) -> str:
    return f"from {shown(float(array.min()))} to {shown(float(array.max()))}"


def _names(run: Results) -> dict[Param, str]:
    return {param: name for name, param in run.graph.params.items()}


# ---- counting ----


def params_of(node: Node) -> list[Param]:
    """The Params that a node computes with: for a penalty those that it is about."""
    named = node.layer.chosen if isinstance(node.layer, Penalty) else node.layer.params
    return list(dict.fromkeys(named.values()))


def broken(params: Collection[Param]) -> dict[Param, str]:
    """The Params with numbers that aren't finite, and how many and where."""
    return {param: counted(param.value) for param in params if not is_finite(param.value)}


def is_finite(array: Any) -> bool:
    """Whether there is no NaN and no infinite number."""
    return not isinstance(array, np.ndarray) or array.dtype.kind != "f" or bool(np.isfinite(array).all())


def _counts(array: Array) -> dict[str, int]:
    return {"nan": int(np.isnan(array).sum()), "infinite": int(np.isinf(array).sum()), "of": array.size}


def counted(array: Array) -> str:
    """How many numbers aren't finite, of how many, and where the first is."""
    nan, infinite, size = _counts(array).values()
    parts = [f"{nan:,} NaN"] * bool(nan) + [f"{infinite:,} infinite"] * bool(infinite)
    first = ", ".join(map(str, np.argwhere(~np.isfinite(array))[0]))
    where = f", the first at [{first}]" if array.ndim else ""
    return f"{' and '.join(parts)} of {size:,} number{'s' * (size != 1)}{where}"
