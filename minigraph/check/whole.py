"""The check of a graph end to end, as one function of its Params and inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..costs import Cost
from ..errors import LayerError, MinigraphError, NoPathError
from ..graph import Graph
from ..layer import Input, Node
from ..param import Array, Param
from ..record import Record
from ..run import Run
from ..schedule import reaches
from .differences import Piece, Verdict, along, judge, scattered
from .probe import called, same

DIRECTIONS = 3  # through all Params together
SWEEPS = 3  # the first backward sweep is guarded, later ones take shorter ways
LEAVES = 32  # Params and inputs that are compared one by one, too: a choice of them when there are more


class Whole:
    """C as a function of a graph's Params and inputs, computed by a plain sweep of its own for comparison with a run.

    Without a cost it is Σ R ⊙ outputs, with random errors R. What enters where no error flows (targets, StopGradient)
    is held at the run's values.
    """

    def __init__(self, run: Run, rng: np.random.Generator):
        self.run = run
        self.rng = rng
        self.order = [view.node for view in run]
        self.seeds = seeds_of(run.graph)
        self.weights = [
            np.ones(run.m) if isinstance(node.layer, Cost) else rng.standard_normal((run.m, *node.shape))
            for node in self.seeds
        ]
        self.weight = np.concatenate([weight.ravel() for weight in self.weights]) / run.m
        outputs = run.swept().outputs
        self.masks: dict[Param, Array] = {}
        """0 where a Param gets no gradient by definition, else 1; only Params that have such places."""
        for node in self.order:
            for name, param in node.layer.params.items():
                if node.layer.fixed(name) is not None:
                    self.masks.setdefault(param, np.ones(param.shape))[node.layer.fixed(name)] = 0.0
        self.fed = {node: outputs[node.id].copy() for node in self.order if isinstance(node.layer, Input)}
        self.held = self._hold()

    def _hold(self) -> dict[tuple[Node, int], Array]:
        """What enters as a constant though it depends on Params or inputs."""
        varying: set[Node] = set()
        held = {}
        for node in self.order:
            closed = node.constant_inputs
            if node.dtype.kind == "f" and (
                isinstance(node.layer, Input)
                or node.layer.params
                or any(source in varying for slot, source in enumerate(node.inputs) if slot not in closed)
            ):
                varying.add(node)
            for slot, source in enumerate(node.inputs):
                if slot in closed and source in varying:
                    held[node, slot] = self.run.swept().outputs[source.id].copy()
        return held

    def sweep(self) -> dict[Node, Array]:
        """Every node's output for the Params and inputs as they are now, with the run's random numbers."""
        run, outputs = self.run, dict[Node, Array](self.fed)
        for node in self.order:
            if isinstance(node.layer, Input):
                continue
            at = Record(run.swept().ones, run.training, run.clock, node.id)
            at.inputs = tuple(self.held.get((node, slot), outputs[u]) for slot, u in enumerate(node.inputs))
            outputs[node] = called("forward", node.layer.forward, at, *at.inputs)
        return outputs

    def output(self) -> Array:
        """What is differentiated, as one flat array; NaN where a layer fails."""
        try:
            outputs = self.sweep()
        except LayerError:  # a step may leave a function's domain
            return np.full(self.weight.size, np.nan)
        return np.concatenate([outputs[node].ravel() for node in self.seeds])

    def forward_differs(self) -> Node | None:
        """The first node whose output in the run isn't what its layer makes of its inputs, if there is one."""
        for node, output in self.sweep().items():
            if not same(output, self.run.swept().outputs[node.id]):
                return node
        return None

    def verdicts(self, thorough: bool, tolerance: float) -> Iterator[tuple[str, Verdict]]:
        """Go backward, and hold run.grad against differences along random directions.

        The directions lead through all Params together; when `thorough`, also through single Params and inputs.
        """
        run = self.run
        source = self.source(run.single)
        for _ in range(SWEEPS):
            run.backward(source)
        params = run.graph.params
        grads = [self._sum_of_uses(param) for param in params.values()]
        masks = [self.masks.get(param) for param in params.values()]
        for _ in range(DIRECTIONS if params and thorough else bool(params)):
            yield "all Params together", self._along([p.value for p in params.values()], grads, tolerance, masks)
        if not thorough:
            return
        reach = reaches(self.seeds)
        inputs = [node for node in self.fed if node.dtype.kind == "f" and node in reach]
        leaves: list[Any] = [*params, *inputs]
        if len(leaves) > LEAVES:
            leaves = [leaves[i] for i in np.sort(self.rng.choice(len(leaves), LEAVES, replace=False))]
        for name in leaves:
            if not isinstance(name, Node):
                param = params[name]
                grad = self.gradient(param, run)
                yield name, self._along([param.value], [grad], tolerance, [self.masks.get(param)])
        if inputs:
            for _ in range(SWEEPS):
                run.backward(source, wrt=inputs)
        for node in leaves:
            if isinstance(node, Node):
                yield node.name, self._along([self.fed[node]], [run[node].error / run.m], tolerance)

    def _sum_of_uses(self, param: Param) -> Array:
        shares = [self.run[node].grad[param] for node in self.run.swept_back().uses.get(param, ())]
        total: Array = sum(shares, np.zeros(param.shape))
        return total / self.run.m

    def source(self, single: bool = False) -> dict[Node, Array] | None:
        """What a run goes backward from: its costs, or the random errors of its outputs."""
        if any(isinstance(node.layer, Cost) for node in self.seeds):
            return None
        errors = [weight[0] if single else weight for weight in self.weights]
        return dict(zip(self.seeds, errors, strict=True))

    def gradient(self, param: Param, run: Run) -> Array:
        """A Param's gradient in a run, which is 0 where no path leads to it."""
        try:
            return np.array(run.grad(param))
        except NoPathError:
            return np.zeros(param.shape)

    def _along(
        self,
        arrays: Sequence[Array],
        grads: Sequence[Array],
        tolerance: float,
        masks: Sequence[Array | None] = (None,),
    ) -> Verdict:
        pieces: list[Piece] = []
        shares = []
        for array, grad, mask in zip(arrays, grads, masks, strict=True):
            flat = array.reshape(-1)
            moves = np.maximum(1.0, np.abs(flat)) * scattered(self.rng, flat.size)
            if mask is not None:
                moves *= mask.reshape(-1)
            pieces.append((flat, slice(None), moves))
            shares.append(grad.reshape(-1) * moves)
        every = np.concatenate(shares)
        line = along(pieces, self.output)
        return judge(line, self.weight, float(every.sum()), float(np.linalg.norm(every)), tolerance)

    def beside(self) -> Whole:
        """The same at a point nearby, off the kinks that this one may stand on; moves the graph's Params there.

        Raises MinigraphError, with Params as they were, where a layer doesn't take the values there.
        """
        graph, run = self.run.graph, self.run
        kept = {param: param.value.copy() for param in graph.params.values()}
        for param in graph.params.values():
            param.value = _moved(param.value, self.rng)
        open_inputs = reaches(self.seeds) - {node.inputs[slot] for node, slot in self._constants()}
        feeds = {
            node.name: _moved(x, self.rng) if node in open_inputs and node.dtype.kind == "f" else x
            for node, x in self.fed.items()
        }
        try:
            return Whole(graph.forward(feeds, training=run.training, seed=run.clock.seed), self.rng)
        except MinigraphError:
            for param, value in kept.items():
                param.value = value
            raise

    def _constants(self) -> Iterator[tuple[Node, int]]:
        return ((node, slot) for node in self.order for slot in node.constant_inputs if slot < len(node.inputs))


def seeds_of(graph: Graph) -> list[Node]:
    """Where errors start: the costs or, where there are none, the outputs."""
    return graph.costs or [node for node in graph.outputs if node.inputs]


def _moved(array: Array, rng: np.random.Generator) -> Array:
    moved: Array = array + 1e-3 * np.maximum(1.0, np.abs(array)) * rng.standard_normal(array.shape)
    return moved
