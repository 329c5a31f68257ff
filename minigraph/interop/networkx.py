"""Graphs for networkx: nodes by name, an edge for each input, for all that is known about graphs."""

from __future__ import annotations

from typing import Any

from ..costs import Cost
from ..graph import Graph
from ..layer import Input, Node
from ..measures import flow
from ..results import Results
from ..schedule import levels


def to_networkx(graph: Graph) -> Any:
    """The graph as a networkx.MultiDiGraph: nodes by name in the graph's order, an edge for each input of each.

    Nodes have their `id`, what they are (`layer`, its class, and `description`), `role` ("input", "target", "cost" or
    "layer"), `shape` of a sample, `dtype`, `params` (how many numbers the layer trains, counted at each use), `frozen`,
    `block` (the path of blocks around it, a tuple), `uses` (names of all nodes that use its layer, a tuple) and, but
    for costs and targets, `l`, the book's layer number: 1 + the longest path of weighted nodes from the inputs.

    An edge's key is the `slot`, the number of the target's input, so that a value that is used twice comes by two
    edges; `differentiable` says whether errors flow back along it. The graph has `name`, `dtype` and, if given, `seed`.
    It holds no arrays: changing it changes nothing here. Raises ImportError without networkx.
    """
    made = package().MultiDiGraph(name=graph.name, dtype=graph.dtype.name)
    if graph.seed is not None:
        made.graph["seed"] = graph.seed
    level, targets, named = levels(graph.nodes), set(graph.targets), dict[Any, list[str]]()
    for node in graph.nodes:
        named.setdefault(node.layer, []).append(node.name)
    uses = {layer: tuple(names) for layer, names in named.items()}
    for node in graph.nodes:
        role = _role(node, node in targets)
        number = {"l": level[node]} if role in ("input", "layer") else {}
        made.add_node(
            node.name,
            id=node.id,
            layer=type(node.layer).__name__,
            description=node.layer.describe(),
            role=role,
            shape=node.shape,
            dtype=node.dtype.name,
            params=sum(param.size for param in set(node.layer.params.values())),
            frozen=bool(node.layer.frozen),
            block=node.block,
            uses=uses[node.layer],
            **number,
        )
    for source, target, slot in graph.edges:
        open_ = slot not in target.constant_inputs
        made.add_edge(source.name, target.name, key=slot, slot=slot, differentiable=open_)
    return made


def of_run(run: Results) -> Any:
    """The graph of a run, with the size of the gradient on each edge: what `run.to_networkx` returns."""
    run.swept()
    made = to_networkx(run.graph)
    for edge in run.graph.edges:
        state, size = flow(run, edge)
        data = made.edges[edge.source.name, edge.target.name, edge.slot]
        data["state"] = state
        if state == "computed":
            data["gradient"] = size
    return made


def package() -> Any:
    """The package networkx; raises ImportError that says how to install it."""
    try:
        import networkx
    except ImportError:
        raise ImportError("to_networkx takes the package networkx: pip install 'minigraph[networkx]'") from None
    return networkx


def _role(node: Node, is_target: bool) -> str:
    if isinstance(node.layer, Cost):
        return "cost"
    if isinstance(node.layer, Input):
        return "target" if is_target else "input"
    return "layer"
