"""The figures beside a node: what came in, z, a, weights, gradients, what came back, δ, and from which step on."""

from __future__ import annotations

import math as maths
from typing import Any

import numpy as np

from ...activations import Identity
from ...costs import Cost
from ...layer import Input, Neurons, Node
from ...layers import Dense
from ...param import Array, Param, Transposed
from ...results import Results
from ...schedule import Errand
from ...summary import one_line
from ...views import error_state
from .arrays import LADDER, Arrays
from .equations import Equations, math

Figure = dict[str, Any]
"""For the page: group, name, symbol, label; an array's number and since which step it is there, or why it never is."""

SMALL = 4096
"""Gradients of single examples are computed for Params of at most so many numbers."""

SIDE = 8
"""What has fewer rows or columns is no picture."""

LACKING = {
    "no path": "there is none: no path leads from here to the cost",
    "not asked": "not asked for: nothing trainable stands before",
    "not run": "not part of this run",
}


class Steps:
    """The steps of a run, numbered from 1: forward in the order it ran, then backward as far as it went."""

    def __init__(self, run: Results):
        ran = run.swept().place
        self.forward = {node: i for i, node in enumerate(ran, 1)}
        back = run.swept_back() if run.backward_done >= 0 else None
        done = {} if back is None else {n: i for n, i in back.place.items() if i < run.backward_done}
        self.backward = {node: len(ran) + 1 + i for node, i in done.items()}
        self.errands: dict[Node, Errand] = {} if back is None else {node: back.errands[node] for node in done}
        self.uses: dict[Param, list[Node]] = {} if back is None else back.uses


class Figures:
    """Makes the figures of one run's nodes."""

    def __init__(self, run: Results, steps: Steps, arrays: Arrays, equations: Equations):
        self.run = run
        self.steps = steps
        self.arrays = arrays
        self.equations = equations
        self.pictured = {node.shape for node in run.graph.inputs if image_form(node.shape)}
        self.mixed = any(node.layer.mixes_examples for node in steps.backward)

    def of(self, node: Node) -> list[Figure]:
        """All figures of a node, forward, weights and backward."""
        if node not in self.steps.forward:
            return [self._named("forward", "a", node, "output") | {"lacks": LACKING["not run"]}]
        return [*self._forward(node), *self._weights(node), *self._backward(node)]

    # ---- forward ----

    def _forward(self, node: Node) -> list[Figure]:
        figures = []
        for slot, source in enumerate(node.inputs):
            label = f"in, from {one_line(source.name)}{_slot(source, node, slot)}"
            figures.append(self._output(source, label, self.steps.forward[source]))
        z = self.run.swept().records[node].z
        if isinstance(node.layer, Neurons):
            figures.append(self._figure("forward", "z", node, "weighted input", z, self.steps.forward[node]))
        words = "cost" if isinstance(node.layer, Cost) else "activation" if z is not None else "output"
        figures.append(self._output(node, words, self.steps.forward[node]))
        return figures

    def _output(self, node: Node, label: str, since: int) -> Figure:
        a = self.run.swept().outputs[node.id]
        figure = self._figure("forward", "C" if isinstance(node.layer, Cost) else "a", node, label, a, since)
        if a.dtype.kind == "f" and (len(node.shape) > 1 or node.shape in self.pictured) and image_form(node.shape):
            on = isinstance(node.layer, Input) and looks_like_images(a)
            figure["image"] = {"form": image_form(node.shape), "range": _intensities(a), "on": on}
        return figure

    # ---- weights and their gradients ----

    def _weights(self, node: Node) -> list[Figure]:
        figures = []
        for name, param in node.layer.params.items():
            value = self._named("weights", name, node, "weights" if name == "w" else "biases" if name == "b" else name)
            value |= {"array": self.arrays.whole(param.value), "since": 0}
            figures += [value, *self._gradients(node, name, param)]
        form = image_form(node.inputs[0].shape) if _is_plain_dense(node) else None
        if form and len(node.inputs[0].shape) == 1 and node.inputs[0].shape in self.pictured:
            source = node.inputs[0]
            on = isinstance(source.layer, Input) and looks_like_images(self.run.swept().outputs[source.id])
            for figure in figures:
                if figure["name"] in ("w", "∂C/∂w"):
                    figure["rows"] = {"form": form[1:], "on": on}
        return figures

    def _gradients(self, node: Node, name: str, param: Param) -> list[Figure]:
        uses, since = self.steps.uses.get(param, []), self.steps.backward.get(node)
        whose = "gradient" if len(uses) < 2 else "gradient, this use's part"
        figure = self._named("weights", name, node, whose, slope=True)
        if node.layer.frozen:
            return [figure | {"lacks": "none: the layer is frozen, its weights count as constants"}]
        if since is None:
            return [figure | {"lacks": self.lack(node)}]
        figure |= {"array": self._share(node, param), "since": since}
        if self._is_of_book(node) and name == "w":  # BP4 for one example takes less room as its two factors
            figure["outer"] = [self._delta(node), self.arrays.examples(self.run.swept().outputs[node.inputs[0].id])]
        done = [self.steps.backward.get(use) for use in uses]
        if len(uses) < 2 or None in done:
            return [figure]
        total = self._named("weights", name, node, f"gradient, sum over {len(uses)} uses", slope=True)
        whole = self.arrays.whole(self.run.grad(param), of_batch=True)
        return [figure, total | {"array": whole, "since": max(step for step in done if step is not None)}]

    def _share(self, node: Node, param: Param) -> int:
        """This use's part of ∂C/∂Param, for single examples too if they are few numbers."""
        if self._is_of_book(node) and param.shape == node.shape:
            return self._delta(node)  # BP3
        mean = self.run.swept_back().records[node].grad[param] / float(self.run.m)
        singles = None if self._is_of_book(node) else self._of_examples(node, param)
        return self.arrays.whole(mean, of_batch=True) if singles is None else self.arrays.examples(singles, mean)

    def _is_of_book(self, node: Node) -> bool:
        """Whether BP3 and BP4 give the gradients of single examples: ∂C_x/∂b = δ, ∂C_x/∂w = δ aᵀ."""
        return not self.mixed and _is_plain_dense(node) and len(node.shape) == 1

    def _of_examples(self, node: Node, param: Param) -> Array | None:
        """∂C_x/∂Param of this use for the first examples; None where there is none, or where it would take too long."""
        kept = self.run.swept_back().records[node]
        if self.mixed or param.size > SMALL or self.run.m == 1 or not np.isfinite(kept.grad[param]).all():
            return None
        at = kept.scratch()
        parts = np.empty((min(self.run.m, LADDER[0].examples), *param.shape), param.dtype)
        for x in range(len(parts)):  # backward is linear in the error: all but one row zero leaves one example's share
            error = np.zeros_like(at.error)
            error[x] = at.error[x]
            node.layer.backward(at, error)
            parts[x] = at.grad[param]
        return parts

    # ---- backward ----

    def _backward(self, node: Node) -> list[Figure]:
        since, errand = self.steps.backward.get(node), self.steps.errands.get(node)
        label = "error" if isinstance(node.layer, Neurons) else "error of the output"
        if since is None or errand is None:
            return [self._named("backward", "δ", node, label) | {"lacks": self.lack(node)}]
        back = self.run.swept_back()
        figures, at = [], back.records[node]
        sources = sorted(errand.sources, key=lambda edge: (self.steps.forward[edge[0]], edge[1]))
        edges = [(f"from {one_line(u.name)}{_slot(node, u, slot)}", u, slot) for u, slot in sources]
        fork = len(edges) + errand.seeded > 1
        for words, user, slot in edges:
            figures.append(self._edge(node, words, back.edge(user, slot), since) | ({"scale": "fork"} if fork else {}))
        if fork and errand.seeded:
            given = back.sent[back.seed_place[node]]
            figures.insert(0, self._edge(node, "given to backward", given, since) | {"scale": "fork"})
        if fork:
            figures.append(self._edge(node, "their sum", at.error, since) | {"scale": "fork"})
        if isinstance(node.layer, Neurons) and not isinstance(node.layer.sigma, Identity):
            slope = node.layer.sigma.backward(np.ones_like(at.z), at.z, at.a)
            figure = self._figure("backward", "σ′", node, "slope of σ at z", slope, since)
            figures.append(figure | {"symbol": self.equations.slope_of_sigma(node)})
        figures.append(self._named("backward", "δ", node, label) | {"array": self._delta(node), "since": since})
        for slot, source in enumerate(node.inputs):
            if errand.needs[slot]:
                words = f"sent back to {one_line(source.name)}{_slot(source, node, slot)}"
                figures.append(self._edge(source, words, back.edge(node, slot), since))
        return figures

    def _delta(self, node: Node) -> int:
        at = self.run.swept_back().records[node]
        return self.arrays.examples(at.error if at.delta is None else at.delta)

    def _edge(self, node: Node, label: str, error: Array, since: int) -> Figure:
        letter = "C" if isinstance(node.layer, Cost) else "a"
        symbol = math(self.equations.error(letter, node))
        figure = self._named("backward", f"∂Cₓ/∂{letter}", node, label) | {"symbol": symbol}
        return figure | {"array": self.arrays.examples(error), "since": since}

    def lack(self, node: Node) -> str:
        """Why there is no δ."""
        state = error_state(self.run, node)
        if state != "not yet":
            return LACKING[state]
        why = "the backward sweep was interrupted" if self.run.backward_done >= 0 else "this run has only gone forward"
        return f"not computed yet: {why}"

    # ---- all ----

    def _figure(self, group: str, letter: str, node: Node, label: str, array: Array, since: int) -> Figure:
        return self._named(group, letter, node, label) | {"array": self.arrays.examples(array), "since": since}

    def _named(self, group: str, letter: str, node: Node, label: str, slope: bool = False) -> Figure:
        return {
            "group": group,
            "name": f"∂C/∂{letter}" if slope else letter,
            "symbol": math(self.equations.slope(letter, node)) if slope else self._symbol(letter, node),
            "label": label,
        }

    def _symbol(self, letter: str, node: Node) -> str:
        return math(self.equations.letter(letter, node))


def _is_plain_dense(node: Node) -> bool:
    return type(node.layer) is Dense and not isinstance(node.layer.weights, Transposed)


def _slot(source: Node, target: Node, slot: int) -> str:
    """Which of several edges between the same nodes."""
    return f", slot {slot}" if target.inputs.count(source) > 1 else ""


def image_form(shape: tuple[int, ...]) -> tuple[int, int, int] | None:
    """(channels, height, width) of samples that may be pictures: (1 or 3, h, w), (h, w), or a vector of h·h numbers."""
    if len(shape) == 1:
        side = maths.isqrt(shape[0])
        shape = (side, side) if side * side == shape[0] else ()
    if len(shape) not in (2, 3):
        return None
    c, h, w = (1, *shape)[-3:]
    return (c, h, w) if c in (1, 3) and min(h, w) >= SIDE else None


def looks_like_images(array: Array) -> bool:
    """Whether an input's samples, of a fitting form, are shown as pictures unless asked otherwise.

    Those with channels are; others if nothing is negative, vectors only if they are long: 784, but not 64, numbers.
    """
    return array.ndim == 4 or (bool(np.all(array >= 0)) and (array.ndim == 3 or array.shape[1] >= 256))


def _intensities(array: Array) -> list[float]:
    """What is black and what is white."""
    finite = array[np.isfinite(array)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    for white in (1.0, 255.0):
        if low >= 0.0 and high <= white:
            return [0.0, white]
    return [low, high]
