"""What a drawing of neurons points at: one highlighted path, or one of the four figures of the book's chapter."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ...costs import Penalty
from ...errors import RenderError
from ...graph import Graph
from ...layer import Node
from ...layers import Dense
from ...numbers import is_whole
from ...symbols import Symbols
from .letters import Symbol, index, ordinal, shortened

LETTERS = {"w": "w", "b": "b", "z": "z", "a": "a", "delta": "δ"}
"""What can be labeled, and the letter it bears."""
FIGURES = ("weights", "biases", "cost", "notation")
"""The figures of the book's chapter: weight notation, bias and activation notation, outputs into the cost, all."""

Highlight: TypeAlias = "tuple[Node | str | int, int] | tuple[Node | str | int, int, int]"
Sentence: TypeAlias = "list[Symbol | str]"


@dataclass
class Marks:
    """What is labeled, what is bold, and what is said about it."""

    symbols: Symbols
    neurons: dict[tuple[Node, int], set[str]] = field(default_factory=dict)
    """The letters that each highlighted neuron bears."""
    weight: tuple[Node, int, int] | None = None
    """The highlighted weight: a Dense node, j and k."""
    names_weight: bool = False
    outputs: list[Node] = field(default_factory=list)
    """Nodes whose neurons all bear their a."""
    figure: str = ""
    about: str = ""
    captions: list[Sentence] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.neurons or self.outputs)

    @property
    def forced(self) -> dict[Node, set[int]]:
        """The neurons that have to be shown."""
        forced: dict[Node, set[int]] = {}
        for node, j in self.neurons:
            forced.setdefault(node, set()).add(j)
        return forced

    def symbol(self, letter: str, node: Node, *places: int) -> Symbol:
        """A letter of a layer, of its neuron j or, with j and k, of a weight."""
        last = node in self.outputs and self.symbols.is_numbered(node)
        return Symbol(LETTERS[letter], "L" if last else shortened(self.symbols[node]), index(*places))

    def letters(self, node: Node, j: int) -> set[str]:
        """What a neuron bears."""
        return self.neurons.get((node, j), {"a"} if node in self.outputs else set())

    def where(self, node: Node, j: int) -> str:
        """A neuron in words: "the 2nd neuron in layer 3"."""
        layer = f"layer {self.symbols[node]}" if self.symbols.is_numbered(node) else f"“{shortened(node.name)}”"
        return f"the {ordinal(j)} neuron in {layer}"

    def path(self, node: Node, j: int, k: int, letters: Collection[str]) -> None:
        """Mark neuron k of what a node takes, the weight, and neuron j."""
        self.weight, self.names_weight = (node, j, k), "w" in letters
        self.neurons[node.inputs[0], k] = {"a"} & set(letters)
        self.neurons[node, j] = set(letters) - {"w"}


def highlighted(graph: Graph, highlight: Highlight | None, labels: Iterable[str] | None) -> Marks:
    """Marks for a neuron, (node, j), or for the path to it from neuron k of the layer before, (node, j, k).

    A node goes by its name or by the book's l; j and k count from 0, as in w[j, k]. Raises RenderError for neurons and
    letters that there aren't.
    """
    marks = Marks(Symbols(graph))
    if highlight is None:
        if labels is not None:
            raise RenderError("labels are those of one path: say which, highlight=(node, j, k)")
        return marks
    node, j, k = _found(marks.symbols, highlight)
    usual = ["a"] if k is None else ["w"]
    letters = usual if labels is None else [labels] if isinstance(labels, str) else list(labels)
    for letter in letters:
        _check(node, k, letter)
    said = "neurons are counted from 1 here, from 0 in Python"
    if k is None:
        marks.neurons[node, j] = set(letters)
        marks.captions = [[f"{said}: this is ", marks.symbol("a", node, j), f", a[{j}]"]]
    else:
        marks.path(node, j, k, letters)
        marks.captions = [[f"{said}: ", marks.symbol("w", node, j, k), f" is w[{j}, {k}]"]]
    return marks


def pictured(graph: Graph, figure: str, highlight: Highlight | None) -> Marks:
    """Marks and caption of one of the book's figures, at the book's place if the network has it, else the next to it.

    Raises RenderError for a figure that there isn't, and for a network that has nothing of what it shows.
    """
    if figure not in FIGURES:
        raise RenderError(f"the figures are {', '.join(map(repr, FIGURES))}, not {figure!r}")
    marks = Marks(Symbols(graph), figure=figure)
    if figure == "cost":
        _cost(marks, highlight)
        return marks
    aside = graph.aside
    dense = [node for node in graph.nodes if isinstance(node.layer, Dense) and node not in aside]
    if figure == "biases":
        _biases(marks, [node for node in dense if _has_biases(node)], highlight)
        return marks
    if not dense:
        raise RenderError(f"graph {graph.name!r} has no weights to show: the figure {figure!r} takes a Dense layer")
    node, j, k = _found(marks.symbols, highlight or _usual(dense))
    if k is None:
        raise RenderError(f"the figure {figure!r} shows a weight: highlight=(node, j, k), got {highlight!r}")
    _weights(marks, node, j, k) if figure == "weights" else _notation(marks, node, j, k)
    return marks


# ---- the figures ----


def _weights(marks: Marks, node: Node, j: int, k: int) -> None:
    marks.path(node, j, k, ["w"])
    marks.about = "weight notation"
    source, target = marks.where(node.inputs[0], k), marks.where(node, j)
    marks.captions = [[marks.symbol("w", node, j, k), f" is the weight from {source}"], [f"to {target}"]]


def _biases(marks: Marks, biased: list[Node], highlight: Highlight | None) -> None:
    marks.about = "bias and activation notation"
    if highlight is None:
        if not biased:
            raise RenderError("the figure 'biases' takes a Dense layer with biases, and there is none")
        first, then = biased[0], biased[min(1, len(biased) - 1)]
        b, a = (first, min(2, first.shape[0] - 1)), (then, 0)
    else:
        node, j, _ = _found(marks.symbols, highlight)
        b = a = (node, j)
    _check(b[0], None, "b")
    marks.neurons.setdefault(b, set()).add("b")
    marks.neurons.setdefault(a, set()).add("a")
    marks.captions = [
        [marks.symbol("b", *b), f" is the bias of {marks.where(*b)},"],
        [marks.symbol("a", *a), f" is the activation of {marks.where(*a)}"],
    ]


def _cost(marks: Marks, highlight: Highlight | None) -> None:
    graph = marks.symbols.graph
    costs = [node for node in graph.costs if not isinstance(node.layer, Penalty)]
    if highlight is not None:
        raise RenderError("the figure 'cost' shows all outputs: leave out highlight=")
    if not costs:
        raise RenderError(f"graph {graph.name!r} has no cost to show: add one with g.cost(…)")
    marks.about = "the outputs into the cost"
    marks.outputs = list(dict.fromkeys(node for cost in costs for node in _judged(cost)))
    outputs: Sentence = [part for node in marks.outputs for part in (", ", marks.symbol("a", node))][1:]
    c, y = Symbol("C"), Symbol("y")
    marks.captions = [["the cost ", c, " = ", c, "(", *outputs, ") is a function of the network’s outputs;"]]
    if any(cost.constant_inputs for cost in costs):
        marks.captions.append(["the target ", y, " helps to define it, but is fixed: nothing that the network learns"])


def _judged(cost: Node) -> list[Node]:
    return [node for slot, node in enumerate(cost.inputs) if slot not in cost.constant_inputs]


def _notation(marks: Marks, node: Node, j: int, k: int) -> None:
    letters = [letter for letter in LETTERS if letter != "b" or _has_biases(node)]
    marks.path(node, j, k, letters)
    marks.about = "all notations"
    z, a, delta = (marks.symbol(letter, node, j) for letter in ("z", "a", "delta"))
    w = Symbol("w", z.above, f"{index(j)}k" if j < 9 else f"{index(j)},k")
    before = marks.symbol("a", node.inputs[0])._replace(below="k")
    bias: Sentence = [" + ", marks.symbol("b", node, j)] if "b" in letters else []
    marks.captions = [
        [z, " = ", Symbol("Σ", "", "k"), " ", w, " ", before, *bias, ",   ", a, " = σ(", z, ")"],
        [delta, " = ∂", Symbol("C"), "/∂", z],
    ]


# ---- what was asked for ----


def _usual(dense: list[Node]) -> tuple[Node, int, int]:
    """The book's weight, from the 4th neuron in layer 2 to the 2nd neuron in layer 3, or the next to it."""
    node = dense[min(1, len(dense) - 1)]
    return node, min(1, node.shape[0] - 1), min(3, node.inputs[0].shape[0] - 1)


def _found(symbols: Symbols, highlight: Any) -> tuple[Node, int, int | None]:
    """The node, j and, if given, k of a highlight."""
    if not isinstance(highlight, tuple) or len(highlight) not in (2, 3):
        raise RenderError(f"highlight takes a neuron, (node, j), or a weight, (node, j, k), got {highlight!r}")
    node, j, k = _node(symbols, highlight[0]), highlight[1], (*highlight, None)[2]
    if node in symbols.graph.aside:
        raise RenderError(
            f"highlight takes neurons of the network, and {node.name!r} is a cost, or leads to nothing else"
        )
    if len(highlight) == 3 and not isinstance(node.layer, Dense):
        raise RenderError(f"highlight takes the weights of a Dense node, and {node.name!r} is {node.layer.describe()}")
    places = {"j": (j, node)} | ({"k": (k, node.inputs[0])} if len(highlight) == 3 else {})
    for letter, (place, of) in places.items():
        size = math.prod(of.shape)
        if not is_whole(place) or not 0 <= place < size:
            raise RenderError(
                f"highlight takes {letter} from 0 to {size - 1}, as {of.name!r} has {size:,} neurons, got {place!r}"
            )
    return node, int(j), None if k is None else int(k)


def _node(symbols: Symbols, wanted: Any) -> Node:
    """The node of a name, or of the book's l."""
    if not is_whole(wanted):
        return symbols.graph[wanted]
    numbered = {symbols[node]: node for node in symbols.graph.nodes if symbols.is_numbered(node)}
    if str(wanted) not in numbered:
        there = ", ".join(numbered) or "none"
        raise RenderError(f"highlight takes an l that is one node's, here {there}, or a node's name, got {wanted!r}")
    return numbered[str(wanted)]


def _check(node: Node, k: int | None, letter: str) -> None:
    """Raise RenderError for a letter that a neuron, or a path with k, doesn't have."""
    if letter not in LETTERS:
        raise RenderError(f"labels are some of {', '.join(map(repr, LETTERS))}, got {letter!r}")
    if letter == "w" and k is None:
        raise RenderError("a label 'w' is of a weight: highlight=(node, j, k)")
    if letter in ("w", "b", "z") and not isinstance(node.layer, Dense):
        raise RenderError(f"{node.name!r} has no {letter}: it is {node.layer.describe()}, not Dense")
    if letter == "b" and not _has_biases(node):
        raise RenderError(f"{node.name!r} has no b: it was made with bias=False")


def _has_biases(node: Node) -> bool:
    return isinstance(node.layer, Dense) and node.layer.b is not None
