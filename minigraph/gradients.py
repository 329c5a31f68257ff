"""The gradient of a Param, put together from the shares of its uses and examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .errors import GraphError, MinigraphError, NoPathError, NotComputedError
from .layer import Node
from .param import Array, Param

if TYPE_CHECKING:
    from .results import Results


def shares(run: Results, param: Param) -> list[tuple[Node, Array]]:
    """Each use of a Param with its share of ∂C/∂Param, summed over examples; never empty.

    Raises NotComputedError before `backward` or when every use is frozen, NoPathError where no path leads to the cost,
    StaleError after an edit of the graph.
    """
    run.swept()
    if run.backward_done >= 0:
        sweep = run.swept_back()
        nodes = sweep.uses.get(param, [])
        if nodes and all(sweep.place[node] < run.backward_done for node in nodes):
            return [(node, sweep.records[node].grad[param]) for node in nodes]
    raise _why_missing(run, param)


def _why_missing(run: Results, param: Param) -> MinigraphError:
    uses = [node for node in run.graph.nodes if param in node.layer.params.values()]
    name = next((name for name, p in run.graph.params.items() if p is param), param.name)
    if not uses:
        return GraphError(f"{param!r} is not in graph {run.graph.name!r}: take it from a layer, or from g.params")
    active = [node for node in uses if node in run.swept().records] or [run.ran(uses[0])]
    if run.backward_done < 0:
        return NotComputedError(f"∂C/∂{name} is not computed yet: call run.backward() first")
    sweep = run.swept_back()
    if sweep.uses.get(param):
        return NotComputedError(f"∂C/∂{name} is not computed yet: the backward sweep hasn't reached it or failed")
    if any(node in sweep.reach for node in active):
        return NotComputedError(f"∂C/∂{name} is not computed: layer {active[0].name!r} is frozen")
    seeds = ", ".join(repr(seed.name) for seed in sweep.seeds)
    return NoPathError(f"there is no ∂C/∂{name}: no path leads from {active[0].name!r} to {seeds}")


def gradient(run: Results, param: Param) -> Array:
    """∂C/∂Param: the mean over examples of the sum over uses."""
    (_, total), *others = shares(run, param)
    m = float(run.swept_back().m)  # numpy 1 divides float32 by large integers in float64
    mean = total / m
    for _, share in others:
        mean += share / m
    return mean


def per_use(run: Results, param: Param) -> dict[str, Array]:
    """Each use's part of ∂C/∂Param, by node name; they add up to the whole."""
    found, m = shares(run, param), float(run.swept_back().m)
    return {node.name: share / m for node, share in found}


def per_example(run: Results, param: Param) -> Array:
    """∂C_x/∂Param for each example x, (m, *shape); the mean over x is the whole.

    Raises GraphError where a layer that mixes examples takes part, as no example has a gradient of its own then,
    StaleError where weights changed since.
    """
    uses = shares(run, param)
    run.current()  # as it goes back again, example by example
    sweep = run.swept_back()
    for node in sweep.place:
        if sweep.records[node].forgotten:
            raise NotComputedError(f"no gradient per example: {node.name!r} is recomputed in training, see g.forward")
        if node.layer.mixes_examples:
            raise GraphError(f"no gradient per example: {type(node.layer).__name__} {node.name!r} mixes examples")
    result = np.zeros((run.m, *param.shape), param.dtype)
    for node, _ in uses:
        at = sweep.records[node].scratch()
        for x in range(run.m):  # backward is linear in the error: all but one row zero leaves one example's share
            error = np.zeros_like(at.error)
            error[x] = at.error[x]
            node.layer.backward(at, error)
            result[x] += at.grad[param]
    return result
