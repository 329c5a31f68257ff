"""Wiring: nodes, their names and edges, and what follows from them."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from .caller import user_line
from .costs import Cost
from .errors import GraphError
from .layer import Input, Layer, Node, graph_of
from .names import Names
from .param import Param, Shape
from .schedule import consumers

if TYPE_CHECKING:
    from .graph import Graph


class Edge(NamedTuple):
    """One value on its way: the source's output, as input number `slot` of the target."""

    source: Node
    target: Node
    slot: int


class Wiring:
    """The nodes of a graph in the order they were added, with their names and edges."""

    def __init__(self, name: str):
        self.name = name
        self.nodes: list[Node] = []
        self.names = Names()
        self.edition = 0
        """Grows with every change, so that runs notice."""
        self.cuts = 0
        """Grows with every change of what was there already: what older runs hold doesn't belong together any more."""
        self.recomputed: set[tuple[str, ...]] = set()
        """The blocks, by their path, that training runs compute again in place of keeping what they computed."""
        self._next_id = 0
        self._outputs: list[Node] = []

    def append(
        self,
        layer: Layer,
        name: str,
        inputs: tuple[Node, ...],
        shape: Shape,
        dtype: np.dtype[Any],
        block: tuple[str, ...] = (),
        source: str | None = None,
    ) -> Node:
        """Put a node that is known to be right behind the others; `Graph.add` is what checks."""
        line = user_line() if source is None else source
        node = Node(cast("Graph", self), self._next_id, layer, name, inputs, shape, dtype, block, line)
        self._next_id += 1
        self.nodes.append(node)
        self.names.nodes[name] = node
        self.edition += 1
        return node

    def drop_last(self) -> None:
        """Take back the node that was added last."""
        del self.names.nodes[self.nodes.pop().name]
        self._next_id -= 1
        self.edition += 1

    def __iter__(self) -> Iterator[Node]:
        """The nodes, in the order they were added."""
        return iter(list(self.nodes))

    def __len__(self) -> int:
        return len(self.nodes)

    def __bool__(self) -> bool:
        return True

    def __contains__(self, name: object) -> bool:
        """Whether there is a node of that name, or that node."""
        if isinstance(name, Node):
            return self.names.nodes.get(name.name) is name
        return self.names.nodes.get(str(name)) is not None

    def __getitem__(self, name: str | Node) -> Node:
        """The node of that name; raises GraphError with the names that come near."""
        if isinstance(name, Node):
            graph_of((*self.nodes[:1], name), f"graph {self.name!r}")
            return name
        return self.names.find(name, self.name)

    @property
    def inputs(self) -> list[Node]:
        """The inputs, targets among them, in the order they were added."""
        return [node for node in self.nodes if isinstance(node.layer, Input)]

    @property
    def costs(self) -> list[Node]:
        """The cost nodes; the cost of the graph is their sum."""
        return [node for node in self.nodes if isinstance(node.layer, Cost)]

    @property
    def aside(self) -> set[Node]:
        """Costs, what comes after them, and what leads to nothing but their targets: no part of the network itself."""
        aside: set[Node] = set()
        for node in self.nodes:
            if isinstance(node.layer, Cost) or not aside.isdisjoint(node.inputs):
                aside.add(node)
        users = consumers(self.nodes)
        for node in reversed(self.nodes):
            for_targets = [
                slot in user.constant_inputs if isinstance(user.layer, Cost) else user in aside
                for user, slot in users[node]
            ]
            if for_targets and all(for_targets):
                aside.add(node)
        return aside

    @property
    def targets(self) -> list[Node]:
        """The inputs that lead to nothing but targets of costs."""
        aside = self.aside
        return [node for node in self.inputs if node in aside]

    @property
    def free_inputs(self) -> list[Node]:
        """The inputs without the targets: what a block takes."""
        aside = self.aside
        return [node for node in self.inputs if node not in aside]

    @property
    def outputs(self) -> list[Node]:
        """The declared outputs; else what the costs are functions of; else the nodes that nothing takes."""
        if self._outputs:
            return list(self._outputs)
        judged = [
            source for node in self.costs for slot, source in enumerate(node.inputs) if slot not in node.constant_inputs
        ]
        used = {source for node in self.nodes for source in node.inputs}
        return list(dict.fromkeys(judged)) or [
            node for node in self.nodes if node not in used and not isinstance(node.layer, Cost)
        ]

    @property
    def edges(self) -> list[Edge]:
        """Every (source, target, slot), in the order of targets and slots."""
        return [Edge(source, node, slot) for node in self.nodes for slot, source in enumerate(node.inputs)]

    @property
    def params(self) -> dict[str, Param]:
        """The distinct Params, each under the name of its first use: "h1.w", or "h1.w_1" if that is another's."""
        found: dict[str, Param] = {}
        seen: set[Param] = set()
        for node in self.nodes:
            for attribute, param in node.layer.params.items():
                if param not in seen:
                    seen.add(param)
                    first = name = f"{node.name}.{attribute}"
                    count = 0
                    while name in found:
                        count += 1
                        name = f"{first}_{count}"
                    found[name] = param
        return found

    def resolve(self, nodes: Any) -> list[Node]:
        """Turn None, a node, a name, or several of these into a list of nodes; raises GraphError for others."""
        several = settled(nodes)
        if several is None:
            return []
        return [self[node] for node in (several if isinstance(several, tuple) else [several])]

    def find(self, what: str | type[Layer]) -> list[Node]:
        """The nodes of that name, else those whose names match the pattern ("enc/*"), or those of a type of layer."""
        if isinstance(what, type):
            return [node for node in self.nodes if isinstance(node.layer, what)]
        if not isinstance(what, str):
            raise GraphError(f"nodes are found by a name, a pattern or a type of layer, got {what!r}")
        return [self[what]] if what in self else [node for node in self.nodes if fnmatchcase(node.name, what)]

    def rename(self, node: Node | str, name: str) -> Node:
        """Give a node another name, and return it; raises GraphError when the name is taken."""
        found = self[node]
        self.names.nodes[self.names.claim(name)] = found
        del self.names.nodes[found.name]
        found.name = name
        self.edition += 1
        return found

    def output(self, *nodes: Node | str) -> None:
        """Declare what the graph is for: nodes that `predict` returns and that count as used."""
        self._outputs = list(dict.fromkeys([*self._outputs, *(self[node] for node in nodes)]))

    def __getstate__(self) -> dict[str, Any]:
        # flat, so that a chain of 100,000 nodes pickles without recursion
        place = {node: i for i, node in enumerate(self.nodes)}
        state = self.__dict__.copy()
        state["nodes"] = [
            (n.id, n.layer, n.name, tuple(place[s] for s in n.inputs), n.shape, n.dtype, n.block, n.source)
            for n in self.nodes
        ]
        state["names"] = self.names.map(place.__getitem__)
        state["_outputs"] = [place[node] for node in self._outputs]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        rows, names, outputs = state.pop("nodes"), state.pop("names"), state.pop("_outputs")
        self.__dict__.update(state)
        self.nodes = []
        for id, layer, name, sources, shape, dtype, block, line in rows:
            inputs = tuple(self.nodes[i] for i in sources)
            self.nodes.append(Node(cast("Graph", self), id, layer, name, inputs, shape, dtype, block, line))
        self.names = names.map(self.nodes.__getitem__)
        self._outputs = [self.nodes[i] for i in outputs]


def settled(nodes: Any) -> Any:
    """None, a node or a name as it is, several of these as a tuple, which nobody can change afterwards."""
    if nodes is None or isinstance(nodes, (str, Node)):
        return nodes
    try:
        return tuple(nodes)
    except TypeError:
        raise GraphError(f"nodes are meant by name, or as nodes, got {nodes!r}") from None
