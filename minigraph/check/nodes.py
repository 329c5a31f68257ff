"""The gradient check: each node's backward against differences of its own forward, then the whole graph."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping

import numpy as np
from numpy.typing import ArrayLike

from ..errors import CheckError, GraphError, LayerError, MinigraphError
from ..feeds import merged
from ..graph import Graph
from ..layer import Input, Node
from ..param import Array
from ..run import Run
from ..schedule import errands
from .differences import compare
from .probe import Probe, free
from .promises import backward_faults, forward_faults, narrow_faults, unasked_faults
from .report import Kind, Report
from .second import second_order
from .whole import Whole, seeds_of


def check(
    graph: Graph,
    feeds: Mapping[str, ArrayLike] | None = None,
    /,
    *,
    training: bool = False,
    seed: int = 0,
    samples: int = 100,
    tolerance: float = 1e-6,
    order: int = 1,
    raise_on_failure: bool = False,
    **named: ArrayLike,
) -> Report:
    """Check that every gradient in a graph is right, at the values of a run over the fed arrays.

    It works on a float64 copy: the graph stays as it is. Each node is computed alone, with what came into it in the
    run and a random error: what its `backward` answers for every input and Param, frozen ones too, is held against
    central differences of its own `forward`, so that a wrong `backward` shows at its node and at no other. Up to
    `samples` numbers of each array are compared one by one, the rest along a random direction, and all of them along
    another at values moved off those of the run. It counts as wrong to be off by more than `tolerance`, relative to the
    number or to 1/1000 of its array's root mean square. On the way each layer is held to its contract: see
    `minigraph.Layer`. If the graph computes in float32, `backward` has to say much the same there. At last the cost, or
    the outputs with a random error where there is no cost, is compared end to end, by Params and inputs.

    With `order=2`, and nothing wrong so far, second derivatives are compared, too: at points beside the run's, those of
    C by differences of its values with those by differences of gradients. It is for what one point can't show: that
    gradients around it are those of one function. A `backward` that keeps what it once computed, or takes a wrong
    branch nearby, is right at the run's values and wrong next to them. It costs a few sweeps for each Param and input.

    Feeds are those of `graph.forward`; `seed` decides the random numbers. Returns a Report, which is true when all is
    well. Raises FeedError for feeds that don't fit, LayerError where a `forward` fails, and CheckError with the
    report as its text if anything is wrong and `raise_on_failure`.
    """
    if samples < 1 or not tolerance > 0.0:
        raise GraphError(f"check takes samples ≥ 1 and a tolerance > 0, got {samples!r} and {tolerance!r}")
    if order not in (1, 2):
        raise GraphError(f"check takes order=1, or order=2 to compare second derivatives, too, got {order!r}")
    twin = graph.copy("float64")
    needs = {errand.node: errand.needs for errand in errands(twin.nodes, seeds_of(twin), ())}
    frozen = {node for node in twin.nodes if node.layer.frozen}
    narrow = {node.id: node for node in graph.copy().nodes} if graph.dtype == np.float32 else {}
    for node in (*twin.nodes, *narrow.values()):
        node.layer.frozen = False
    report = Report()
    with np.errstate(all="ignore"):  # NaN and Inf are found and told
        run = twin.forward(merged(feeds, named), training=training, seed=seed)
        for node in _sound(run, report):
            _check_node(run, node, report, samples, tolerance, needs.get(node), node in frozen, narrow.get(node.id))
        if not report.skipped and seeds_of(twin):
            _check_whole(run, report, tolerance)
        if order == 2 and not report.skipped and report.ok and seeds_of(twin):
            _check_second(run, report, tolerance)
    if raise_on_failure and not report:
        raise CheckError(str(report))
    return report


def _sound(run: Run, report: Report) -> Iterator[Node]:
    """The nodes whose numbers are all finite; tells of those that are the first to have others."""
    for view in run:
        node, output = view.node, run.swept().outputs[view.node.id]
        came = all(np.isfinite(x).all() for x in run.swept().records[node].inputs)
        if not came:
            report.skipped.append(node.name)
            continue
        sick = {f"its Param {name}": p.value for name, p in node.layer.params.items() if not np.isfinite(p.value).all()}
        if not sick and not np.isfinite(output).all():
            sick["what it was fed" if isinstance(node.layer, Input) else "its output, made of finite numbers,"] = output
        for what, array in sick.items():
            index = tuple(int(k) for k in np.argwhere(~np.isfinite(array))[0])
            report.fault("not finite", node, f"{what} has {array[index]} at {index}")
        if sick:
            report.skipped.append(node.name)
        elif not isinstance(node.layer, Input):
            yield node


def _check_node(
    run: Run,
    node: Node,
    report: Report,
    samples: int,
    tolerance: float,
    needs: tuple[bool, ...] | None,
    frozen: bool,
    narrow: Node | None,
) -> None:
    """Check one node alone."""
    rng = np.random.default_rng((run.clock.seed, node.id))
    probe = Probe(node, run.swept().records[node], run.clock, rng)
    error = rng.standard_normal((run.m, *node.shape))
    report.checked = report.checked._replace(nodes=report.checked.nodes + 1)
    try:
        for message in forward_faults(probe):
            report.fault("contract", node, message)
        if not probe.open and not probe.layer.params:
            return  # nobody calls its backward
        for message in backward_faults(probe, error):
            report.fault("contract", node, message)
        for message in unasked_faults(probe, error, needs, frozen) if needs is not None else ():
            report.fault("contract", node, message)
        for message in narrow_faults(probe, narrow, error) if narrow is not None else ():
            report.fault("contract", node, message)
        wrong = _compare(probe, error, report, samples, tolerance)
        with probe.elsewhere():  # a γ that is 1, or an input that is 0, hides a wrong factor
            _compare(probe, error, report, 1, tolerance, but=wrong, message="away from the run's values")
    except LayerError as fault:
        report.fault("contract", node, str(fault))


def _compare(
    probe: Probe,
    error: Array,
    report: Report,
    samples: int,
    tolerance: float,
    but: Container[str] = (),
    message: str = "",
) -> set[str]:
    """Hold what backward answers against differences; returns the inputs and Params for which it is wrong."""
    node, answer = probe.node, probe.answer(error)
    parts: list[tuple[str, Array, Array, Array | None]] = [
        (f"input {slot} ({node.inputs[slot].name})", probe.inputs[slot], sent, None)
        for slot, sent in answer.sent.items()
    ]
    for name, grad in answer.grad.items():
        parts.append((name, node.layer.params[name].value, grad, free(node.layer, name)))
    wrong = set()
    for part, values, claimed, places in parts:
        if part not in but:
            verdicts = compare(
                values, claimed, probe.output, error.ravel(),
                rng=probe.rng, samples=samples, tolerance=tolerance, free=places, movable=probe.movable(),
            )  # fmt: skip
            report.add("gradient", node, part, verdicts, message)
            wrong |= {part for verdict in verdicts if not verdict.ok}
    return wrong


def _check_whole(run: Run, report: Report, tolerance: float) -> None:
    """Check the graph end to end; what disagrees there is a consequence if a node is wrong."""
    local = not report.ok
    kind: Kind = "consequence" if local else "end to end"
    message = "" if local else "each node is right alone: look at the order, the sums at forks, what layers share"
    try:
        whole = Whole(run, np.random.default_rng(run.clock.seed))
        other = whole.forward_differs()
        if other is not None:
            report.fault(kind, None, f"the run has another output of {other.name!r} than its layer makes of its inputs")
            return
        verdicts = list(whole.verdicts(not local, tolerance))
    except MinigraphError as fault:
        report.fault(kind, None, f"the run fails: {fault}")
        return
    # several kinks in a chain leave no bounds for the slope, and may even hide each other (max(t, 0) − max(−t, 0) is t,
    # yet has slope 0 at 0 when each max has): then the graph has to be right at a point beside them
    if not local and not all(verdict.ok for _, verdict in verdicts) and _right_beside(whole, tolerance):
        verdicts = [(part, v if v.ok else v._replace(ok=True, kink=True)) for part, v in verdicts]
    for part, verdict in verdicts:
        report.add(kind, None, part, [verdict], message)


def _check_second(run: Run, report: Report, tolerance: float) -> None:
    """Check second derivatives of a graph whose first ones are right."""
    for part, verdict in second_order(Whole(run, np.random.default_rng(run.clock.seed)), tolerance):
        report.add("second order", None, part, [verdict], "the gradient isn't that of one function around this point")


def _right_beside(whole: Whole, tolerance: float) -> bool:
    try:
        return all(verdict.ok for _, verdict in whole.beside().verdicts(True, tolerance))
    except MinigraphError:  # a layer doesn't take the values there: that excuses nothing
        return False
