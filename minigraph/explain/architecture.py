"""The whole backpropagation of an architecture, in symbols."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..costs import Cost, Penalty
from ..graph import Graph
from ..layer import Input, Neurons, Node
from ..layers import Activation as ActivationLayer
from ..param import Param
from ..schedule import Errand, errands, reaches, topological
from ..summary import kind_of, one_line
from .costs import definition
from .docstrings import words_of
from .explanation import Explanation
from .formula import (
    Block,
    Formula,
    Fraction,
    Letter,
    Line,
    Name,
    Words,
    equations,
    heading,
    listed,
    math,
    paragraph,
    partial,
)
from .letters import Letters, called, is_dense, is_transposed, opened
from .params import param_letter
from .passing import passing, value
from .sigmas import is_linear, kinds_of, named, of_kind
from .terms import result, terms

TOGETHER = 24
"""After so many lines a new block of equations begins."""


def document(graph: Graph) -> Explanation:
    """The equations of a whole graph, forward and backward, node by node in order: the algorithm on this architecture.

    Errors begin at the costs or, where there are none, at the outputs.
    """
    letters, order = Letters(graph), topological(graph.nodes)
    plan = errands(order, graph.costs or graph.outputs, [])
    blocks = [
        heading(2, "Forward"),
        *_together(line for node in order for line in _forward(letters, node)),
        *_costs(letters),
        heading(2, "Backward"),
        *_together(_backward(letters, plan)),
        *_without(letters, order, plan),
        heading(2, "Gradients"),
        *_learning(letters),
        *_activations(order),
        *_own_words(order, letters),
    ]
    outline = (
        "For one example, as in the book: all outputs, node by node; then all errors, in the opposite order, "
        "each with the gradients that follow from it; then the mean over the examples."
    )
    where = " The graph has no cost: errors are given to run.backward, for its outputs." if not graph.costs else ""
    title = heading(1, "Backpropagation on ", Name(one_line(graph.name)))
    return Explanation(opened(letters, title, (outline, where), blocks))


def _forward(letters: Letters, node: Node) -> list[Line]:
    a, layer = letters.a(node), node.layer
    note: Formula = (called(node), Words(", "), Name(one_line(kind_of(node, False))))
    if isinstance(layer, Input):
        return [Line((a,), "=", (Words("the input "), called(node)))]
    if isinstance(layer, Penalty):
        chosen = listed([Name(one_line(name)) for name in layer.chosen])
        return [Line((letters.cost_of_example(node),), "=", (Words(type(layer).__name__), "(", *chosen, ")"), note)]
    if not isinstance(layer, Neurons):
        left = letters.cost_of_example(node) if isinstance(layer, Cost) else a
        return [Line((left,), "=", value(letters, node), note)]
    z = letters.z(node)
    activated = (z,) if is_linear(layer.sigma) else (*named(layer.sigma), "(", z, ")")
    return [Line((z,), "=", _weighed(letters, node), note), Line((a,), "=", activated)]


def _weighed(letters: Letters, node: Node) -> Formula:
    a = letters.a(node.inputs[0])
    if not is_dense(node):
        return (Words("weighted sums of "), a)
    w: Formula = ("(", letters.w(node), ")ᵀ") if is_transposed(node) else (letters.w(node),)
    return (*w, " ", a, *((" + ", letters.b(node)) if "b" in node.layer.params else ()))


def _backward(letters: Letters, plan: list[Errand]) -> Iterator[Line]:
    forked = {errand.node for errand in plan if errand.sources}
    for errand in plan:
        node, layer = errand.node, errand.node.layer
        if not isinstance(layer, Cost):
            slope: Formula = ()
            if isinstance(layer, Neurons) and not is_linear(layer.sigma):
                slope = (*named(layer.sigma), "'(", letters.z(node), ")")
            yield from result(letters, node, terms(letters, errand, lambda cost: cost not in forked), "", slope)
        if not layer.frozen:
            yield from _gradients(letters, node)


def _gradients(letters: Letters, node: Node) -> Iterator[Line]:
    delta = letters.error(node)
    for name in sorted(node.layer.params):
        slope = partial(_C_X, param_letter(letters, node, name))
        if not is_dense(node):
            yield Line((slope,), "=", (Words(f"as {type(node.layer).__name__} says, at "), called(node)))
        elif name == "b":
            yield Line((slope,), "=", (delta,), label="BP3")
        else:
            yield Line((slope,), "=", letters.outer(node), label="BP4")


_C_X = Letter("C", (), ("x",))


def _without(letters: Letters, order: list[Node], plan: list[Errand]) -> list[Block]:
    """Which nodes get no error, by reasons."""
    visited, reach = {errand.node for errand in plan}, reaches(letters.graph.costs or letters.graph.outputs)
    idle = [node for node in order if node not in visited and node in reach]
    cut = [node for node in order if node not in reach]
    reasons = ((idle, "as nothing trainable stands there"), (cut, "as no path leads from there to the cost"))
    return [paragraph("No error goes to ", *listed(map(called, nodes)), f", {why}.") for nodes, why in reasons if nodes]


def _learning(letters: Letters) -> list[Block]:
    p = Letter("p")
    mean: Formula = (Fraction(("1",), ("m",)), " ", Letter("Σ", (), ("x",)), " ", partial(_C_X, p))
    blocks: list[Block] = [
        paragraph("Of each Param ", math(p), ", learning takes the mean over the ", math("m"), " examples of a batch:"),
        equations(Line((partial(letters.cost(), p),), "=", mean)),
    ]
    uses: dict[Param, list[tuple[Node, str]]] = {}
    for node in letters.graph.nodes:
        for name, param in node.layer.params.items():
            uses.setdefault(param, []).append((node, name))
    for ends in uses.values():
        if len(ends) > 1:
            same = listed([param_letter(letters, node, name) for node, name in ends], " = ")
            blocks.append(paragraph("One Param with several uses, whose gradients add up: ", math(*same), "."))
    return blocks


def _activations(order: list[Node]) -> list[Block]:
    sigmas = [node.layer.sigma for node in order if isinstance(node.layer, (Neurons, ActivationLayer))]
    used = [kind for sigma in sigmas if not is_linear(sigma) for kind, _ in kinds_of(sigma)]
    kinds = {(type(kind), str(kind)): kind for kind in used}
    blocks = [block for kind in kinds.values() for block in of_kind(kind, base=named(kind)[0])]
    return [heading(2, "Activations"), *blocks] if blocks else []


def _own_words(order: list[Node], letters: Letters) -> list[Block]:
    """The equations of the layers that no formula here explains, each class once."""
    classes = dict.fromkeys(type(node.layer) for node in order if not _is_written_out(letters, node))
    blocks = [block for kind in classes for block in words_of(kind)]
    return [heading(2, "Layers in their own words"), *blocks] if blocks else []


def _is_written_out(letters: Letters, node: Node) -> bool:
    if is_dense(node) or isinstance(node.layer, (Input, Cost)):
        return True
    passed = [passing(letters, node, slot) for slot in range(len(node.inputs))]
    return all(passed) and not node.layer.params


def _costs(letters: Letters) -> list[Block]:
    blocks: list[Block] = []
    for node in letters.graph.costs:
        blocks += [paragraph("The cost ", called(node), ":"), *definition(letters, node)]
    return [heading(2, "Cost" if len(letters.graph.costs) == 1 else "Costs"), *blocks] if blocks else []


def _together(lines: Iterable[Line]) -> list[Block]:
    """Blocks of about as many lines as stand well together; a sum over several lines is not broken."""
    groups: list[list[Line]] = []
    for line in lines:
        if not groups or (line.left and len(groups[-1]) >= TOGETHER):
            groups.append([])
        groups[-1].append(line)
    return [equations(*group) for group in groups]
