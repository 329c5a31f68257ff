"""The superscripts that the book's letters bear in a graph: l where that is unambiguous, else the node's name."""

from __future__ import annotations

from collections import Counter

from .graph import Graph
from .layer import Input, Node
from .schedule import levels


def param_letter(name: str) -> tuple[str, str]:
    """The letter and the subscript that a layer's Param goes by: γ for gamma, w and q for w_q."""
    letter, _, below = name.partition("_")
    return ({"gamma": "γ", "beta": "β"}.get(letter, letter), below) if letter else (name, "")


class Symbols:
    """What stands at the letters w, b, z, a, δ of each node of a graph: `Symbols(g)["h1"]` is "2", say.

    The book numbers a chain: l is 1 + the longest path of weighted nodes from the inputs. Here a node has its l if it
    is the only input or weighted node with that l; any other node, one without weights too, goes by its name.
    """

    def __init__(self, graph: Graph):
        self.graph = graph
        self.level = levels(graph.nodes)
        aside, self._costs = graph.aside, len(graph.costs)
        counted = [n for n in graph.nodes if n not in aside and (n.layer.params or isinstance(n.layer, Input))]
        count = Counter(self.level[node] for node in counted)
        self._numbered = {node: self.level[node] for node in counted if count[self.level[node]] == 1}

    def __getitem__(self, node: Node | str) -> str:
        """The superscript of a node's letters."""
        found = self.graph[node]
        return str(self._numbered[found]) if found in self._numbered else found.name

    def is_numbered(self, node: Node | str) -> bool:
        """Whether the superscript is the book's l."""
        return self.graph[node] in self._numbered

    def cost(self, node: Node | str) -> str:
        """The superscript of C: nothing where the graph has one cost, else the cost's name."""
        found = self.graph[node]
        return found.name if self._costs > 1 else ""
