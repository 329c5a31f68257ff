"""The book's letters, as they belong to the nodes of a graph."""

from __future__ import annotations

from collections import Counter

from ..graph import Graph
from ..layer import Neurons, Node
from ..layers import Dense
from ..param import Transposed
from ..summary import one_line
from ..symbols import Symbols
from .formula import Formula, Fraction, Letter, Math, Name, Part, Prose, math, partial

LONGEST = 12
"""Of longer names, the end stands above a letter or, where several end alike, the node's place in the graph."""


class Letters:
    """The letters w, b, z, a, δ, C of a graph's nodes, with superscripts that tell the nodes apart."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.symbols = Symbols(graph)
        self._place = {node: i for i, node in enumerate(graph.nodes)}
        self._marks = {node: _cut(self.symbols[node]) for node in graph.nodes}
        self._count = Counter(self._marks.values())
        self._uses = Counter((edge.source, edge.target) for edge in graph.edges)

    def sup(self, node: Node) -> Formula:
        """What stands above the letters of a node: l, or its name."""
        mark = self._marks[node]
        if self.symbols.is_numbered(node):
            return (mark,)
        return (Name(mark if self._count[mark] == 1 else f"#{self._place[node]}"),)

    def stands_for(self, node: Node) -> bool:
        """Whether the superscript is another than the node's name, so that a reader has to be told."""
        return self.sup(node) != (Name(node.name),)

    def a(self, node: Node, index: str = "") -> Letter:
        """The output of a node."""
        return Letter("a", self.sup(node), _sub(index))

    def z(self, node: Node, index: str = "") -> Letter:
        """The weighted input of neurons."""
        return Letter("z", self.sup(node), _sub(index))

    def w(self, node: Node, index: str = "") -> Letter:
        """The weights of neurons."""
        return Letter("w", self.sup(node), _sub(index))

    def b(self, node: Node, index: str = "") -> Letter:
        """The biases of neurons."""
        return Letter("b", self.sup(node), _sub(index))

    def cost(self, node: Node | None = None) -> Letter:
        """C, or one of several costs."""
        name = "" if node is None else self.symbols.cost(node)
        return Letter("C", (Name(_cut(name)),) if name else ())

    def cost_of_example(self, node: Node) -> Letter:
        """C_x of a cost."""
        return Letter("C", self.cost(node).sup, ("x",))

    def y(self, cost: Node, index: str = "") -> Letter:
        """The target of a cost."""
        return Letter("y", self.cost(cost).sup, _sub(index))

    def slope(self, node: Node, index: str = "") -> Fraction:
        """∂C/∂a of a node's output."""
        return partial(self.cost(), self.a(node, index))

    def error(self, node: Node, index: str = "") -> Part:
        """δ of neurons and of layers without weights; ∂C/∂a of other layers, which may have an error of their own."""
        if isinstance(node.layer, Neurons) or not node.layer.params:
            return Letter("δ", self.sup(node), _sub(index))
        return self.slope(node, index)

    def along(self, source: Node, target: Node, slot: int, index: str = "") -> Fraction:
        """∂C/∂a as it comes back along one edge."""
        several = self._uses[source, target] > 1
        sup = (*self.sup(source), "→", *self.sup(target), *((f":{slot}",) if several else ()))
        return partial(self.cost(), Letter("a", sup, _sub(index)))

    def weighed(self, node: Node, j: str, k: str) -> Formula:
        """z_j of a Dense node as a sum over the neurons k before it."""
        b = (" + ", self.b(node, j)) if "b" in node.layer.params else ()
        w = self.w(node, k + j if is_transposed(node) else j + k)
        return (Letter("Σ", (), (k,)), " ", w, " ", self.a(node.inputs[0], k), *b)

    def outer(self, node: Node) -> Formula:
        """∂C/∂w of a Dense node: δ (a)ᵀ, with the a before it."""
        a, delta = self.a(node.inputs[0]), self.error(node)
        return (a, " (", delta, ")ᵀ") if is_transposed(node) else (delta, " (", a, ")ᵀ")


def is_dense(node: Node) -> bool:
    """Whether the equations of fully connected neurons hold for a node: a subclass may have others."""
    return type(node.layer) is Dense


def is_transposed(node: Node) -> bool:
    """Whether a Dense node has the weights of another layer, transposed."""
    return isinstance(node.layer, Dense) and isinstance(node.layer.weights, Transposed)


def called(node: Node) -> Name:
    """A node in prose: its name, on one line."""
    return Name(one_line(node.name))


def noted(node: Node) -> Name:
    """A node in a remark: its name, cut if it is long."""
    name = one_line(node.name)
    return Name(name if len(name) <= 24 else f"{name[:23]}…")


def legend(letters: Letters, nodes: list[Node]) -> Prose:
    """A sentence that says which superscript stands for which node; nothing where each is the node's name."""
    told = [node for node in dict.fromkeys(nodes) if letters.stands_for(node)]
    items: list[str | Name | Math] = []
    for node in told:
        items += [", " if items else " Superscripts: ", math(*letters.sup(node)), " is ", called(node)]
    return (*items, ".") if items else ()


def _cut(mark: str) -> str:
    mark = one_line(mark)
    return mark if len(mark) <= LONGEST else f"…{mark[1 - LONGEST :]}"


def _sub(index: str) -> Formula:
    return (index,) if index else ()
