"""GradientSteps: the sizes kept at some steps of a training, for reading."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from ..costs import Penalty
from ..errors import GraphError, NotComputedError
from ..layer import Node
from ..measures import Flow
from ..numbers import is_whole
from ..param import Array, Param
from ..wiring import Edge
from .sizes import Norm, Places, Sizes, Use, norm

T = TypeVar("T")


class GradientSteps:
    """The sizes kept at some steps, over the steps by name or at one step for the whole graph.

    Arrays have a float64 for each step kept, NaN where there was nothing to measure; `deltas`, `flows` and `grads` tell
    why. All raise NotComputedError while no step is kept, GraphError with the names that come near for unknown ones.
    """

    def __init__(self) -> None:
        self._kept: list[Sizes] = []
        self._places: Places | None = None

    def settle(self) -> None:
        """Measure what is measured later than the rest: how far weights moved."""

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def steps(self) -> Array:
        """The numbers of the steps kept, from 1."""
        return np.array([sizes.step for sizes in self._kept], dtype=int)

    def spread(self, most: int) -> list[int]:
        """At most so many of the steps kept, evenly from the first to the last; raises NotComputedError without any."""
        _ = self.places  # raises
        chosen = np.unique(np.linspace(0, len(self) - 1, min(len(self), most)).astype(int))
        return [int(step) for step in self.steps[chosen]]

    @property
    def cost(self) -> Array:
        """C of the batch of each step; NaN where the run had none."""
        return np.array([np.nan if sizes.cost is None else sizes.cost for sizes in self._kept], dtype=np.float64)

    @property
    def nodes(self) -> list[str]:
        """The names of the graph's nodes, as they were at the first step kept."""
        return [] if self._places is None else list(self._places.names)

    @property
    def params(self) -> list[str]:
        """The names of the graph's Params, as in graph.params then."""
        return [] if self._places is None else list(self._places.params.values())

    # ---- over the steps ----

    def delta(self, node: Node | str) -> Array:
        """Root mean square of δ, per element over the batch; for layers without weights, of the error of the output."""
        return self.column("delta", self.places.node(node))

    def mean_delta(self, node: Node | str) -> Array:
        """Norm of (1/m) Σ_x δ^x, the mean over the examples, which the book plots as ‖δ^l‖; for Dense, ‖∂C/∂b‖."""
        return self.column("mean_delta", self.places.node(node))

    def edge(self, source: Node | str, target: Node | str, slot: int | None = None) -> Array:
        """Root mean square of ∂C_x/∂a as it came back along an edge, before the sum at a fork.

        `slot` is the number of the target's input, needed only where the same value enters twice.
        """
        return self.column("edge", self.places.edge(source, target, slot))

    def grad(self, param: Param | Node | str, use: str | None = None) -> Array:
        """‖∂C/∂w‖ of a Param, itself or by its name in graph.params: the mean over examples, summed over all uses.

        `grad("h1", "w")` is the part of one node's use, by the name that its layer has for the Param.
        """
        if use is None:
            return self.column("grad", self.places.param(param))
        if isinstance(param, Param):
            raise GraphError("the part of one use goes by the node and its name for the Param: grad('h1', 'w')")
        return self.column("use", self.places.use(param, use))

    def weight(self, param: Param | str) -> Array:
        """‖w‖ of a Param at each step, before the update."""
        return self.column("weight", self.places.param(param))

    def update(self, param: Param | str) -> Array:
        """‖Δw‖ of the update that followed each step; NaN if none did yet."""
        self.settle()
        return self.column("update", self.places.param(param))

    def update_ratio(self, param: Param | str) -> Array:
        """‖Δw‖ / ‖w‖ of a Param: 0 where it didn't move, ∞ where it moved away from 0, NaN if none did yet."""
        update, weight = self.update(param), self.weight(param)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(update == 0.0, 0.0, update / weight)

    # ---- at one step ----

    def deltas(self, step: int) -> dict[Node, Flow]:
        """The root mean square of each node's δ at a step that was kept, and its state: "no path", "not run", …"""
        sizes = self._at(step)
        return dict(zip(self.places.nodes, _joined(Flow, sizes.node_states, sizes.delta), strict=True))

    def flows(self, step: int) -> dict[Edge, Flow]:
        """What came back along each edge at a step that was kept: `measures.flow` of its run."""
        sizes = self._at(step)
        return dict(zip(self.places.edges, _joined(Flow, sizes.edge_states, sizes.edge), strict=True))

    def grads(self, step: int) -> dict[Use, Norm]:
        """The norm of each use's part of ∂C/∂w at a step that was kept, and its state, which may be "frozen"."""
        sizes = self._at(step)
        return dict(zip(self.places.uses, _joined(Norm, sizes.use_states, sizes.use), strict=True))

    def totals(self, step: int) -> dict[Param, tuple[Norm, float]]:
        """‖∂C/∂w‖ of each Param at a step that was kept, summed over all uses, and ‖w‖."""
        sizes = self._at(step)
        norms = [
            Norm(state, float(size)) if state == "computed" else Norm(state)
            for state, size in zip(sizes.grad_states, sizes.grad, strict=True)
        ]
        return dict(zip(self.places.params, zip(norms, map(float, sizes.weight), strict=True), strict=True))

    def weights(self, step: int) -> dict[Node, float]:
        """‖∂C/∂w‖ / ‖w‖ of each node at a step that was kept: its use's part, all its Params together.

        Left out are nodes that got no gradient (`grads` tells why), those whose Params are all 0, and penalties.
        """
        sizes, pairs = self._at(step), dict[Node, list[tuple[float, float]]]()
        for use, size, state in zip(self.places.uses, sizes.use, sizes.use_states, strict=True):
            if state == "computed" and not isinstance(use.node.layer, Penalty):
                pairs.setdefault(use.node, []).append((size, sizes.weight[self.places.param(use.param)]))
        norms = {node: (norm(np.array(pair)[:, 0]), norm(np.array(pair)[:, 1])) for node, pair in pairs.items()}
        return {node: grad / weight for node, (grad, weight) in norms.items() if weight != 0.0}

    # ---- for what is made of them ----

    @property
    def places(self) -> Places:
        """Where in a row of sizes each node, edge and Param is."""
        if self._places is None:
            raise NotComputedError("no step is kept yet: mg.fit(…, watch=[gradients]), or gradients(run)")
        return self._places

    def column(self, kind: str, place: int) -> Array:
        """One place of one kind of `Sizes`, over the steps."""
        return np.array([getattr(sizes, kind)[place] for sizes in self._kept], dtype=np.float64)

    def table(self) -> Iterator[tuple[Any, ...]]:
        """Every number kept: step, what, node, target, slot, Param, value or None, and the state: why there is none."""
        self.settle()
        places = self.places
        name = dict(zip(places.nodes, places.names, strict=True))
        nodes, params = [(name[node], "", "", "") for node in places.nodes], [("", "", "", p) for p in self.params]
        edges = [(name[edge.source], name[edge.target], edge.slot, "") for edge in places.edges]
        uses = [(name[use.node], "", "", use.name) for use in places.uses]
        for sizes in self._kept:
            yield sizes.step, "cost", "", "", "", "", sizes.cost, "not run" if sizes.cost is None else "computed"
            for what, whose, values, states in (
                ("delta", nodes, sizes.delta, sizes.node_states),
                ("mean_delta", nodes, sizes.mean_delta, sizes.node_states),
                ("edge", edges, sizes.edge, sizes.edge_states),
                ("use", uses, sizes.use, sizes.use_states),
                ("grad", params, sizes.grad, sizes.grad_states),
                ("weight", params, sizes.weight, ["computed"] * len(params)),
                ("update", params, sizes.update, [sizes.update_state] * len(params)),
            ):
                for names, value, state in zip(whose, values.tolist(), states, strict=True):
                    yield sizes.step, what, *names, value if state == "computed" else None, state

    def _at(self, step: int) -> Sizes:
        steps = [sizes.step for sizes in self._kept] if self.places else []
        if is_whole(step) and step in steps:
            return self._kept[steps.index(step)]
        some = ", ".join(map(str, steps[:3])) + (f", … {steps[-1]}" if len(steps) > 3 else "")
        near = f"; the nearest is {min(steps, key=lambda kept: abs(kept - step))}" if is_whole(step) else ""
        raise GraphError(f"step {step!r} is not among those kept, {some}{near}")


def _joined(kind: Callable[..., T], states: Sequence[str], sizes: Array) -> list[T]:
    pairs = zip(states, sizes.tolist(), strict=True)
    return [kind(state, size) if state == "computed" else kind(state) for state, size in pairs]
