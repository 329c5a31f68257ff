"""Graph: the wiring of layers into a network, with names, blocks and shared Params."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .inlining import inline
from .costs import Cost
from .errors import GraphError, LayerError, MinigraphError, ShapeError
from .feeds import merged
from .layer import Block, Input, Layer, Node, graph_of, user_line
from .layers import StopGradient
from .numbers import is_whole
from .record import whole
from .schedule import Problem, problems
from .wiring import Wiring

if TYPE_CHECKING:
    from .run import Run

_counting_runs = threading.Lock()


class Graph(Wiring, Block):
    """The wiring of a network: nodes in the order they were added, their names, the Params of their layers.

    `dtype` is "float64" or "float32". `seed` decides the initial weights and, with the count of runs, their noise.
    """

    def __init__(self, name: str = "graph", *, seed: int | None = None, dtype: str = "float64"):
        super().__init__(name)
        self.dtype = _float_dtype(dtype, f"graph {name!r}")
        self.seed = seed
        self._entropy = np.random.SeedSequence(None if seed is None else whole(seed, f"graph {name!r}")).entropy
        self.rng = np.random.default_rng(self._entropy)
        self._runs = 0
        self.warned: int | None = None

    # ---- wiring ----

    def input(self, name: str, shape: int | Iterable[int], dtype: Any = None) -> Node:
        """Add an input for samples of a shape (without the batch axis; () for single numbers) and return its node.

        `dtype=int` is for labels and indices; else the graph's dtype. Raises GraphError for a bad shape or dtype.
        """
        sizes = tuple(shape) if isinstance(shape, Iterable) else (shape,)
        if any(not is_whole(n) or n < 1 for n in sizes):
            raise GraphError(f"input {name!r} takes a shape of positive whole numbers, got {shape!r}")
        try:
            kind = np.dtype(self.dtype if dtype is None else dtype)
        except TypeError:
            raise GraphError(f"input {name!r} takes floats or integers (dtype=int), got dtype {dtype!r}") from None
        if kind.kind not in "fi":
            raise GraphError(f"input {name!r} takes floats or integers (dtype=int), got dtype {kind}")
        kind = np.dtype(np.int64) if kind.kind == "i" else self.dtype
        layer = Input(tuple(int(n) for n in sizes))
        return self.append(layer, self.names.claim(name), (), layer.shape, kind)

    def add(self, layer: Layer | Block, *inputs: Node, name: str | None = None) -> Any:
        """Use a layer on nodes of this graph and return the new node; a graph is inlined as a block of nodes.

        Inlining shares the layers and with them the Params; costs and their targets stay outside. It returns the
        block's output node, or a tuple of them. Raises GraphError and ShapeError with the node, what its layer takes,
        what it got and the line that added it.
        """
        if isinstance(layer, type) and issubclass(layer, Layer):
            raise GraphError(f"g.add takes a layer, got the class {layer.__name__}: call it first, {layer.__name__}(…)")
        if not isinstance(layer, (Layer, Block)):
            raise GraphError(f"g.add takes a layer or a graph, got {layer!r}")
        where = type(layer).__name__
        if not inputs and not (isinstance(layer, Cost) and layer.judged == 0):
            raise GraphError(f"g.add({where}) takes the nodes that feed it, got none (at {user_line()})")
        if inputs and graph_of(inputs, where) is not self:
            graph_of((*self.nodes[:1], *inputs), where)  # names both graphs
            raise GraphError(f"{where} was given nodes of graph {inputs[0].graph.name!r}, not of {self.name!r}")
        if isinstance(layer, Block):
            return layer.inline(self, inputs, name)
        full = self.names.claim(name) if name is not None else self.names.suggest(layer)
        said = f"{where} {full!r}"
        try:
            self._check_kinds(layer, inputs)
            shape = layer.build(*(node.shape for node in inputs), rng=self.rng, dtype=self.dtype)
        except MinigraphError as fault:
            raise type(fault)(f"{said} {fault} (added at {user_line()})") from None
        except Exception as fault:
            takes = _arity(layer)
            if takes is None or takes == len(inputs):
                raise LayerError(
                    f"{said}: build failed with {type(fault).__name__}: {fault} (added at {user_line()})"
                ) from fault
            plural = "s" if takes != 1 else ""
            raise ShapeError(
                f"{said} takes {takes} input{plural}, got {len(inputs)} (added at {user_line()})"
            ) from None
        if not isinstance(shape, tuple) or not all(isinstance(n, (int, np.integer)) and n > 0 for n in shape):
            raise LayerError(
                f"{said}: build must return a sample shape, a tuple, got {shape!r} (added at {user_line()})"
            )
        return self.append(layer, full, inputs, tuple(int(n) for n in shape), self.dtype)

    def cost(
        self,
        layer: Cost,
        *outputs: Node,
        target: str | Node | None = None,
        weights: str | Node | None = None,
        name: str | None = None,
    ) -> Node:
        """Add a cost of outputs and return its node; a target, "t" unless named, that is a new name becomes an input.

        `weights` is an input with a number for each example, by which its C_x counts; a new name becomes an input, too.
        Raises GraphError for a target where the cost takes none, and what `add` raises; then nothing is added.
        """
        if not isinstance(layer, Cost):
            raise GraphError(f"g.cost takes a cost from minigraph.costs, got {layer!r}: g.add takes other layers")
        kind = type(layer).__name__
        if target is not None and not layer.takes_target:
            raise GraphError(f"{kind} takes no target, got {target!r}")
        layer.choose(self)
        sides = [target or "t"] if layer.takes_target else []
        sides += [] if weights is None else [weights]
        graph_of((*self.nodes[:1], *outputs, *(side for side in sides if not isinstance(side, str))), kind)
        if len(outputs) != layer.judged:
            raise ShapeError(f"{kind} judges {layer.judged} of a graph's outputs, got {len(outputs)}")
        new = 0
        try:
            for side in sides:
                if isinstance(side, str) and side not in self.names.nodes:
                    is_target = layer.takes_target and side is sides[0]
                    shape, dtype = layer.target(*(node.shape for node in outputs)) if is_target else ((), float)
                    self.input(side, shape, dtype=int if dtype is int else None)
                    new += 1
            node: Node = self.add(layer, *outputs, *(self[side] for side in sides), name=name)
        except MinigraphError:
            for _ in range(new):
                self.drop_last()
            raise
        return node

    def inline(self, graph: Graph, inputs: Sequence[Node], name: str | None) -> Any:
        """Put this graph's nodes into another graph, as a block: what `graph.add` does with a graph."""
        return inline(self, graph, inputs, name)

    def _check_kinds(self, layer: Layer, inputs: tuple[Node, ...]) -> None:
        constant = layer.constants([node.shape for node in inputs])
        for slot, node in enumerate(inputs):
            floats = slot not in constant or isinstance(layer, StopGradient)
            if floats and node.dtype.kind != "f":
                raise ShapeError(f"takes floats, got the integers of {node.name!r}")
            fixed = isinstance(node.layer, (Input, StopGradient))
            if isinstance(layer, Cost) and slot in constant and not fixed:
                raise GraphError(
                    f"takes an input as its target, got the computed {node.name!r}, to which no error would flow: "
                    f"put StopGradient() between if that is meant"
                )

    # ---- running, looking, copying ----

    def validate(self, feeds: Iterable[str] | None = None, until: Any = None) -> list[Problem]:
        """Report dangling inputs, nodes no output or cost depends on and, given the names of feeds, wrong ones."""
        names = None if feeds is None else list(feeds)
        return problems(self.nodes, [*self.outputs, *self.costs], names, self.resolve(until))

    def forward(
        self,
        feeds: Mapping[str, ArrayLike] | None = None,
        /,
        *,
        until: Any = None,
        training: bool = False,
        seed: int | None = None,
        observe: Callable[[Node, Any], None] | None = None,
        **named: ArrayLike,
    ) -> Run:
        """Make a new Run and sweep it forward over the fed arrays: batches with examples as rows, or one example.

        `until` names the nodes wanted: only they and what they depend on are run and asked for. Feeds go by input
        name, as keywords or, for names that are no identifiers, as a mapping. `observe(node, record)` is called after
        each node. Raises FeedError for feeds that don't fit.
        """
        from .run import Run

        run = Run(self, training=training, seed=seed)
        return run.forward(merged(feeds, named), until=until, observe=observe)

    def next_seed(self) -> int:
        """The seed of the next run: the same sequence for the same graph seed."""
        with _counting_runs:
            self._runs += 1
            count = self._runs
        state = np.random.SeedSequence(self._entropy, spawn_key=(count,)).generate_state(1, np.uint64)
        return int(state[0])

    def summary(self) -> str:
        """A table: l, name, layer, shapes in and out, Params, with whom they are shared, and totals."""
        from .summary import table

        return table(self)

    def draw(self, path: str | Path) -> Path:
        """Draw the network; the format goes by the extension: .dot, .svg, .png or .pdf. Returns the path written."""
        from .render.engine import write
        from .render.network import network_dot

        return write(network_dot(self), path)

    def _repr_svg_(self) -> str:
        from .render.engine import render
        from .render.network import network_dot

        return render(network_dot(self), "svg").decode()

    def copy(self, dtype: str | None = None) -> Graph:
        """A graph of its own, with copies of all layers and Params, converted to another dtype if asked."""
        import copy

        twin = copy.deepcopy(self)
        if dtype is not None:
            kind = _float_dtype(dtype, "a copy")
            for param in twin.params.values():
                param.recast(kind)
            for node in twin.nodes:
                node.dtype = kind if node.dtype.kind == "f" else node.dtype
            for layer in {node.layer for node in twin.nodes}:
                for name in layer.statistics:
                    if getattr(layer, name, None) is not None:
                        setattr(layer, name, getattr(layer, name).astype(kind))
            twin.dtype = kind
        return twin

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"<Graph {self.name!r}: {len(self.nodes)} nodes, {sum(p.size for p in self.params.values())} parameters>"


def Sequential(
    shape: int | Iterable[int],
    *layers: Layer | Graph,
    cost: Cost | None = None,
    name: str = "sequential",
    seed: int | None = None,
    dtype: str = "float64",
) -> Graph:
    """Chain layers into a Graph: input "x" of a shape, the layers, and a cost with target "t" if one is given."""
    g = Graph(name, seed=seed, dtype=dtype)
    node = g.input("x", shape)
    for layer in layers:
        node = g.add(layer, node)
    if cost is not None:
        g.cost(cost, node, target="t")
    return g


def _arity(layer: Layer) -> int | None:
    """How many shapes the layer's `build` takes; None when it takes any number."""
    kinds = [p.kind for p in inspect.signature(layer.build).parameters.values()]
    return None if inspect.Parameter.VAR_POSITIONAL in kinds else kinds.count(inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _float_dtype(dtype: Any, taker: str) -> np.dtype[Any]:
    for kind in (np.dtype("float64"), np.dtype("float32")):
        if dtype in (kind.name, kind.type):
            return kind
    raise GraphError(f"{taker} takes dtype float64 or float32, got {dtype!r}")
