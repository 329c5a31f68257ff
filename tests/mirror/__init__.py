"""The layers and costs again, written for HIPS autograd, which finds their gradients itself.

For each class one function from single samples, without a batch axis; `p` gives it the value of a Param.
"""

import autograd.numpy as np
from autograd import value_and_grad
from autograd.tracer import getval

from minigraph.costs import Cost
from minigraph.layers import Input

from . import costs, elementwise, sequences, shapes, weighted, windows
from .table import MIRROR

__all__ = ["MIRROR", "costs", "elementwise", "gradients", "sequences", "shapes", "weighted", "windows"]


def gradients(w):
    """C of a random graph with its feeds, and its gradients by each Param and by each input of floats."""
    g, m = w.graph, len(next(iter(w.feeds.values())))
    params = list(g.params.values())
    floats = [node.name for node in w.floats()]

    def cost(values, feeds):
        total = sum(0.0 * np.sum(array) for array in [*values, *feeds])  # autograd warns of what leads nowhere
        values, feeds = dict(zip(params, values, strict=True)), {**w.feeds, **dict(zip(floats, feeds, strict=True))}
        samples = {}
        for node in g.nodes:
            if isinstance(node.layer, Input):
                samples[node] = [feeds[node.name][x] for x in range(m)]
                continue

            def p(param, layer=node.layer):
                return getval(values[param]) if layer.frozen else values[param]

            def hold(slot, sample, constant=node.constant_inputs):
                return getval(sample) if slot in constant else sample

            mirrored = MIRROR[type(node.layer)]
            samples[node] = [
                mirrored(node.layer, p, *(hold(slot, samples[source][x]) for slot, source in enumerate(node.inputs)))
                for x in range(m)
            ]
            if isinstance(node.layer, Cost):
                total = total + sum(samples[node]) / m
        return total

    given = [param.value for param in params], [w.feeds[name] for name in floats]
    value, (by_params, by_floats) = value_and_grad(cost, (0, 1))(*given)
    return value, dict(zip(params, by_params, strict=True)), dict(zip(floats, by_floats, strict=True))
