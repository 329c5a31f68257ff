"""The book's letters, as they belong to the nodes of a graph."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from ..graph import Graph
from ..layer import Neurons, Node
from ..layers import Dense
from ..param import Transposed
from ..summary import one_line
from ..symbols import Symbols
from .formula import (
    Block,
    Formula,
    Fraction,
    Heading,
    Letter,
    Name,
    Part,
    Prose,
    Table,
    letters_in,
    math,
    paragraph,
    partial,
)

LONGEST = 16
"""Longer names are shortened above a letter; if that makes several alike, by the node's place in the graph."""

IN_A_SENTENCE = 6
"""More superscripts than these are told in a table."""


class Letters:
    """The letters w, b, z, a, δ, C of a graph's nodes, with superscripts that tell the nodes apart."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.symbols = Symbols(graph)
        is_numbered = self.symbols.is_numbered
        marks = [self.symbols[n] if is_numbered(n) else _shortened(one_line(n.name)) for n in graph.nodes]
        count = Counter(marks)
        self._marks: dict[Node, Part] = {
            node: mark if is_numbered(node) else Name(mark if count[mark] == 1 else f"#{i}")
            for i, (node, mark) in enumerate(zip(graph.nodes, marks, strict=True))
        }
        self._uses = Counter((edge.source, edge.target) for edge in graph.edges)

    def sup(self, node: Node) -> Formula:
        """What stands above the letters of a node: l, or its name, shortened if it is long."""
        return (self._marks[node],)

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
        return Letter("C", () if node is None or not self.symbols.cost(node) else self.sup(node))

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
        return partial(self.cost(), self._on_edge(source, target, slot, index))

    def taken(self, target: Node, slot: int, index: str = "") -> Letter:
        """The output that a node takes in a slot, told apart where it takes the same in several."""
        source = target.inputs[slot]
        several = self._uses[source, target] > 1
        return self._on_edge(source, target, slot, index) if several else self.a(source, index)

    def _on_edge(self, source: Node, target: Node, slot: int, index: str) -> Letter:
        several = self._uses[source, target] > 1
        sup = (*self.sup(source), "→", *self.sup(target), *((f":{slot}",) if several else ()))
        return Letter("a", sup, _sub(index))

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
    """A node in a remark: its name, of a long one the end."""
    name = one_line(node.name)
    return Name(name if len(name) <= 24 else f"…{name[-23:]}")


def opened(letters: Letters, title: Heading, text: Prose, blocks: Sequence[Block]) -> list[Block]:
    """A title, its opening sentences, and what follows; the superscripts in it that aren't a node's name are told."""
    above = {part for letter in letters_in([title, paragraph(*text), *blocks]) for part in letter.sup}
    marks = [(node, letters.sup(node)[0]) for node in letters.graph.nodes]
    told = [(math(mark), called(node)) for node, mark in marks if mark in above and mark != Name(node.name)]
    if len(told) > IN_A_SENTENCE:
        rows = tuple(((mark,), (name,)) for mark, name in told)
        return [title, paragraph(*text), Table(("superscript", "node"), rows), *blocks]
    items = [item for mark, name in told for item in (", ", mark, " is ", name)]
    return [title, paragraph(*text, *((" Superscripts: ", *items[1:], ".") if items else ())), *blocks]


def _shortened(name: str) -> str:
    """A name of at most 16 characters: folders by their initials, then words by their first letters, else its end."""
    if len(name) <= LONGEST:
        return name
    *folders, last = name.split("/")
    initials = [re.sub(r"([^\W\d_])[^\W\d_]+|\s+", r"\1", folder) for folder in folders]
    for end in (last, re.sub(r"([^\W\d_]{4})[^\W\d_]+", r"\1", last)):
        if len(short := "/".join([*initials, end])) <= LONGEST:
            return short
    return f"…{name[1 - LONGEST :]}"


def _sub(index: str) -> Formula:
    return (index,) if index else ()
