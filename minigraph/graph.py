"""Graph: a network to run, look at, copy and take apart."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from . import surgery
from .assembly import Assembly, float_dtype
from .block import Block
from .costs import Cost, Penalty
from .errors import GraphError
from .feeds import merged
from .gist import gist
from .inlining import inline
from .layer import Layer, Node
from .schedule import Problem, problems

if TYPE_CHECKING:
    from .explain import Explanation
    from .memory import Memory
    from .render.picture import Picture
    from .render.style import Style
    from .run import Run
    from .saving import Loaded

_counting_runs = threading.Lock()


class Graph(Assembly, Block):
    """The wiring of a network: nodes in the order they were added, their names, the Params of their layers.

    `dtype` is "float64" or "float32". `seed` decides the initial weights and, with the count of runs, their noise.
    """

    def inline(self, graph: Any, inputs: Sequence[Node], name: str | None) -> Any:
        """Put this graph's nodes into another graph, as a block: what `graph.add` does with a graph."""
        return inline(self, graph, inputs, name)

    def block(self, block: Block, *inputs: Node, name: str | None = None, recompute: bool = False) -> Any:
        """Add a graph as a block of nodes, as `add` does; with `recompute`, for training in less memory.

        Training runs (`fit`, `Run(…, training=True, guard=False)`) then don't keep what the block's nodes compute for
        the way back, but compute it a second time: the same gradients, bit for bit, in about one and a half times the
        time. Of a block of N nodes about √N outputs are kept, and what lies between two of them at a time.
        `run["node"]` can't show what isn't kept; runs that are looked at, `g.forward(…)` and `fit(watch=…)`, keep it
        all. Chen, Xu, Zhang and Guestrin 2016. Raises GraphError for what isn't a block, and what `add` raises.
        """
        if not isinstance(block, Block):
            raise GraphError(f"g.block takes a graph, got {gist(block)}: g.add takes layers")
        before = len(self.nodes)
        result = self.add(block, *inputs, name=name)
        if recompute:
            self.recomputed |= {node.block[:1] for node in self.nodes[before:]}
        return result

    # ---- taking apart ----

    def replace(self, name: Node | str, layer: Layer | Block, *inputs: Node) -> Node:
        """Put another layer, or a block with one output, in a node's place, and return the node that stands there now.

        It has the old node's name and inputs, unless others are given. As with every edit, shapes downstream are
        checked again, older runs become stale, and where anything doesn't fit nothing is changed. Raises GraphError and
        ShapeError as `add` does, and GraphError with the path of a cycle.
        """
        return surgery.replace(self, name, layer, inputs)

    def insert(self, layer: Layer | Block, *, between: tuple[Node | str, Node | str], name: str | None = None) -> Node:
        """Put a layer, or a block, on the way from one node to another, and return the new node.

        Where the value enters several times, all its edges go through the new node. Raises what `replace` raises.
        """
        return surgery.insert(self, layer, between, name)

    def remove(self, name: Node | str) -> None:
        """Take a node out: its input goes where its output went. A cost goes with the target that only it had.

        Raises GraphError where several inputs could take its place, and what `replace` raises.
        """
        surgery.remove(self, name)

    def between(self, starts: Any, ends: Any) -> Graph:
        """The part from some nodes, which become its inputs, to others, its outputs: a Graph that shares the Params.

        Both are a node, a name or several. What else the ends depend on comes along. Raises GraphError where no path
        leads from a start to an end.
        """
        first, last = self.resolve(starts), self.resolve(ends)
        return surgery.part(self, first, last, f"{self.name}: {_names(first)} to {_names(last)}")

    def until(self, ends: Any) -> Graph:
        """Some nodes, one or several by name, and all that they depend on: a Graph that shares the Params."""
        last = self.resolve(ends)
        return surgery.part(self, [], last, f"{self.name} until {_names(last)}")

    def freeze(self, what: str | type[Layer] = "*", frozen: bool = True) -> list[Node]:
        """Have the layers of the nodes that `find` finds count as constants, or not any more; returns those nodes.

        A layer used elsewhere, too, is frozen there as well. Penalties follow the layers they are about. Raises
        GraphError when no such node has Params.
        """
        nodes = [node for node in self._found(what) if node.layer.params and not isinstance(node.layer, Penalty)]
        if not nodes:
            raise GraphError(f"graph {self.name!r} has no Params in the nodes that {what!r} finds")
        for node in nodes:
            node.layer.frozen = frozen
        return nodes

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
        watch_nonfinite: bool = False,
        **named: ArrayLike,
    ) -> Run:
        """Make a new Run and sweep it forward over the fed arrays: batches with examples as rows, or one example.

        `until` names the nodes wanted: only they and what they depend on are run and asked for. Feeds go by input
        name, as keywords or, for names that are no identifiers, a mapping. `observe(node, record)` is called after each
        node. With `watch_nonfinite` sweeps stop where NaN or infinite numbers arise, see `Run`. Raises FeedError.
        """
        from .run import Run

        run = Run(self, training=training, seed=seed, watch_nonfinite=watch_nonfinite)
        return run.forward(merged(feeds, named), until=until, observe=observe)

    def next_seed(self) -> int:
        """The seed of the next run: the same sequence for the same graph seed."""
        with _counting_runs:
            self._runs += 1
            count = self._runs
        state = np.random.SeedSequence(self._entropy, spawn_key=(count,)).generate_state(1, np.uint64)
        return int(state[0])

    def memory(self, batch: int, *, optimizer: Any = None, training: bool = True) -> Memory:
        """Predict the bytes that training takes, or with training=False answering, in batches of a size: `print` it.

        Labels are made up: see `minigraph.memory.memory`. Raises GraphError without a cost, or for layers that refuse.
        """
        from .memory import memory

        return memory(self, batch, optimizer=optimizer, training=training)

    def summary(self) -> str:
        """A table: l, name, layer, shapes in and out, Params, with whom they are shared, and totals."""
        from .summary import table

        return table(self)

    def explain(self) -> Explanation:
        """Write the whole backpropagation of this architecture: forward, then backward, in the book's letters."""
        from .explain import document

        return document(self)

    def picture(self, *, style: Style | str = "light", **view: Any) -> Picture:
        """A drawing of the network, for a notebook or to be saved; options are those of `mg.View`, `style` a theme.

        g.picture(fold=True, style="print"), g.picture(around="h1", radius=2). Raises GraphError for other options.
        """
        from .render.network import network_picture
        from .render.themes import style as themed
        from .render.view import view_of

        return network_picture(self, view_of(view), themed(style))

    def draw(
        self, path: str | Path, *, style: Style | str = "light", timeout: float = 30.0, dpi: float = 192.0, **view: Any
    ) -> Path:
        """Draw the network into a file; the format goes by the extension, as in `Picture.save`. Returns the path."""
        return self.picture(style=style, **view).save(path, timeout=timeout, dpi=dpi)

    def neurons(self, *, style: Style | str = "light", **options: Any) -> Picture:
        """A small network neuron by neuron, with its weights: g.neurons(highlight=("h1", 1, 3), labels=["w", "b"]).

        - `figure`: one of the book's: "weights", "biases", "cost" or "notation"
        - `highlight`: a weight, (node, j, k), or a neuron, (node, j), counted from 0; the book's l may stand for a node
        - `labels`: what is written there: some of "w", "b", "z", "a", "delta"
        - `numbers`: True writes the weights' numbers, too
        - `limit`: of layers with more neurons the first half of so many and the last are shown; 12

        A run's also take `shade` and `example`. Raises GraphError for other options, RenderError where no neurons are.
        """
        from .render.neurons import neurons_picture

        return neurons_picture(self, style, options)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return self.picture()._repr_mimebundle_(include, exclude)

    def copy(
        self, dtype: str | None = None, *, share: bool | str | type[Layer] | Iterable[str | type[Layer]] = False
    ) -> Graph:
        """A graph of its own, with copies of all layers and Params, converted to another dtype if asked.

        `share=True` shares all layers and so their Params, `share="enc/*"` (or several such) those of the nodes that
        `find` finds. A penalty is never shared, but is about the shared Params. Raises GraphError when nothing is
        found, and for shared layers of another dtype.
        """
        several = isinstance(share, Iterable) and not isinstance(share, (str, type))
        wishes: Any = share if several else ["*"] if share is True else [] if share is False else [share]
        shared = {n.layer for wish in wishes for n in self._found(wish) if not isinstance(n.layer, Penalty)}
        kind = self.dtype if dtype is None else float_dtype(dtype, "a copy")
        if kind != self.dtype and any(layer.params or layer.statistics for layer in shared):
            raise GraphError(f"a copy in {kind} can't share Params of {self.dtype}: leave out share=, or dtype=")
        kept: list[Any] = [*shared, *(param for layer in shared for param in layer.params.values())]
        twin = deepcopy(self, {id(thing): thing for thing in kept})
        if kind != self.dtype:
            twin.recast(kind)
        return twin

    # ---- files ----

    def save(self, path: str | Path) -> Path:
        """Write architecture and weights into one file in the safetensors format, and return its path.

        `mg.load(path)` makes the same graph of it: outputs, gradients and drawings are equal bit for bit. Whatever
        happens meanwhile, the path holds the file that was there or the whole new one. Nothing is pickled: layers and
        functions of one's own go by the names they are registered under, see `mg.register`. Raises GraphError for those
        that aren't, OSError where the disk says no; then nothing was written.
        """
        from .saving import save

        return save(self, path)

    def load_weights(self, source: str | Path | Mapping[str, ArrayLike], *, strict: bool = True) -> Loaded:
        """Put weights into the Params and running statistics that are there: all or, where one doesn't fit, none.

        `source` is a safetensors file, by `save` or by anyone else, or a mapping of arrays; names are those in
        `g.params`, with statistics as "norm.mean". Shapes must be equal. With `strict` all names must be, too, and
        float64 isn't rounded to float32; without, the names that didn't fit together are returned. Raises FileError
        that names them, OSError where a file can't be read.
        """
        from .saving import load_weights

        return load_weights(self, source, strict)

    def to_onnx(self, path: str | Path, *, until: Any = None, dtype: Any = None) -> Path:
        """Write the forward graph, or the part `until` some nodes, as ONNX: see `minigraph.interop.onnx.to_onnx`."""
        from .interop.onnx import to_onnx

        return to_onnx(self, path, until=until, dtype=dtype)

    def to_networkx(self) -> Any:
        """The graph as a networkx.MultiDiGraph: see `minigraph.interop.networkx.to_networkx`."""
        from .interop.networkx import to_networkx

        return to_networkx(self)

    def _found(self, pattern: str | type[Layer]) -> list[Node]:
        nodes = self.find(pattern)
        if not nodes:
            raise GraphError(f"graph {self.name!r} has no node that {pattern!r} finds")
        return nodes

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"<Graph {self.name!r}: {len(self.nodes)} nodes, {sum(p.size for p in self.params.values())} parameters>"


def _names(nodes: Iterable[Node]) -> str:
    return ", ".join(node.name for node in nodes)


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
