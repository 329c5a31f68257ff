"""The derivation at one node of a run, in the four moves of the book, with the numbers of one example."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from ..costs import Cost
from ..errors import GraphError
from ..layer import Neurons, Node
from ..param import Array
from ..results import Results
from ..schedule import Errand, consumers
from ..summary import one_line, shapes_of
from ..views import error_state, why_missing
from .costs import cost_blocks
from .docstrings import words_of
from .explanation import Explanation
from .formula import (
    Block,
    Formula,
    Letter,
    Line,
    Math,
    Name,
    Prose,
    Words,
    equations,
    heading,
    math,
    paragraph,
    partial,
    values,
)
from .letters import Letters, called, is_dense, opened
from .params import param_blocks
from .sample import COUNTING, Sample
from .sigmas import formulas, is_linear, letter, named, of_kind, slope_at
from .terms import Term, arriving, result, summed, terms
from .weight import Element


def explain(run: Results, node: Node | str, *, w: Any = None, b: Any = None, example: int = 0) -> Explanation:
    """The derivation of a node's error and gradients in four moves, with the numbers of one example of a run.

    The moves are the book's: define, expand by the chain rule, substitute, simplify. `w=(j, k)` explains one weight,
    `b=j` one bias, counted from 0. Gradients are also given as learning takes them, as means over the examples.

    Raises NotComputedError before `run.backward()`, GraphError for a node, an element or an example that there isn't
    and, for an element, what `run.grad` raises. Where a node has no error for another reason, the text says why.
    """
    found = run.ran(node)
    letters, sample = Letters(run.graph), Sample(run, example)
    if w is not None and b is not None:
        raise GraphError(f"explain takes w=(j, k) or b=j, not both, got w={w!r}, b={b!r}")
    if w is not None or b is not None:
        name, index = ("w", w) if b is None else ("b", b)
        return Explanation(Element(letters, sample, found, name, index).blocks())
    missing = why_missing(run, found, f"error of {found.name!r}")
    if missing is not None and error_state(run, found) == "not yet":
        raise missing
    if isinstance(found.layer, Cost):
        return Explanation(cost_blocks(letters, sample, found, str(missing or "")))
    if missing is not None:
        lacking = paragraph(f"This run has no such number: {missing}.")
        blocks = [*_definition(letters, found), lacking]
    else:
        blocks = _moves(letters, sample, found)
    title = heading(1, "The error of ", called(found))
    return Explanation(opened(letters, title, _opening(sample, found), blocks))


def _moves(letters: Letters, sample: Sample, node: Node) -> list[Block]:
    """Define, expand, substitute, simplify; the numbers; what follows for the node's Params."""
    errand = sample.sweep.errands[node]
    parts = terms(letters, errand, sample.is_plain)
    return [
        *_definition(letters, node),
        *_expansion(letters, errand, parts),
        *_idle_uses(sample, node),
        *_substitution(letters, node, parts),
        *_result(letters, node, parts),
        *_numbers(letters, sample, node, parts),
        *param_blocks(letters, sample, node),
    ]


def _opening(sample: Sample, node: Node) -> Prose:
    says = f" is {one_line(node.layer.describe())}, samples {shapes_of(node)}."
    return (called(node), says, *sample.what_is_c(), f" {COUNTING}")


def _definition(letters: Letters, node: Node) -> list[Block]:
    error, c, title = letters.error(node, "j"), letters.cost(), heading(2, "1. Define")
    one = "neuron " if len(node.shape) == 1 else "element "
    if isinstance(node.layer, Neurons):
        line = Line((error,), "≡", (partial(c, letters.z(node, "j")),))
        says: Prose = ("The error of ", one, math("j"), " is how fast the cost changes with its weighted input:")
        return [title, paragraph(*says), equations(line)]
    changes: Prose = (" is how fast the cost changes with ", math(letters.a(node, "j")), ", an element of its output")
    if isinstance(error, Letter):
        says = (called(node), " has no weights and so no weighted input: its error", *changes, ":")
        return [title, paragraph(*says), equations(Line((error,), "≡", (letters.slope(node, "j"),)))]
    return [title, paragraph("The error of ", called(node), ", ", math(error), ",", *changes, ".")]


def _expansion(letters: Letters, errand: Errand, parts: list[Term]) -> list[Block]:
    node = errand.node
    a, lines = letters.a(node, "j"), []
    if isinstance(node.layer, Neurons):
        z = letters.z(node, "j")
        lines.append(Line((letters.error(node, "j"),), "=", (letters.slope(node, "j"), " · ", partial(a, z))))
    total, summands = arriving(letters, node, "j"), [part.expanded for part in parts]
    if summands != [(total,)]:
        lines += summed(total, summands)
    ways: list[str | Name | Math] = [math(a), " acts on the cost"]
    if len(node.shape) > 1 and any(is_dense(user) for user, _ in errand.sources):
        ways.insert(0, "At each position along the other axes, j and k count along the last one. ")
    if isinstance(node.layer, Neurons):
        ways[-2:] = [math(letters.z(node, "j")), " acts on the cost through ", math(a), ", and ", math(a)]
    if len(parts) > 1:
        ways += [f" in {len(parts)} ways, whose contributions add up:"]
    else:
        ways += [" through ", math(*parts[0].through), ":" if lines else ": there is nothing to expand."]
    return [heading(2, "2. Expand by the chain rule"), paragraph(*ways), *([equations(*lines)] if lines else [])]


def _idle_uses(sample: Sample, node: Node) -> list[Block]:
    """Why nothing comes back from some uses."""
    active = sample.sweep.errands[node].sources
    items: list[str | Name | Math] = []
    for user, slot in consumers(node.graph.nodes)[node]:
        if (user, slot) in active:
            continue
        if slot in user.constant_inputs:
            why = "which takes it as a constant"
        elif user not in sample.run.swept().place:
            why = "which this run doesn't compute"
        else:
            why = "from which no path leads to the cost"
        items += [", and none from " if items else "No error comes back from ", called(user), f", {why}"]
    return [paragraph(*items, ".")] if items else []


def _substitution(letters: Letters, node: Node, parts: list[Term]) -> list[Block]:
    blocks: list[Block] = [heading(2, "3. Substitute")]
    if isinstance(node.layer, Neurons):
        sigma, a, z = node.layer.sigma, letters.a(node, "j"), letters.z(node, "j")
        line = Line((a,), "=", (letter(sigma, "j"), "(", z, ")"))
        slope = ("1",) if is_linear(sigma) else slope_at(sigma, z, "j")
        blocks += [equations(line, Line((partial(a, z),), "=", slope)), *formulas(sigma)]
    facts = list(dict.fromkeys(fact for part in parts for fact in part.facts))
    if facts:
        blocks.append(equations(*facts))
    for sigma in {str(part.sigma): part.sigma for part in parts if part.sigma is not None}.values():
        blocks += of_kind(sigma, base=named(sigma)[0])
    for speaker in dict.fromkeys(part.speaker for part in parts if part.speaker is not None):
        blocks += words_of(speaker, f"What comes back from {speaker.__name__} is taken as a whole. ")
    return blocks


def _result(letters: Letters, node: Node, parts: list[Term]) -> list[Block]:
    blocks: list[Block] = [heading(2, "4. Simplify")]
    slopes: dict[str, Formula] = {"j": (), "": ()}
    if isinstance(node.layer, Neurons) and is_linear(node.layer.sigma):
        linear = (" is linear, ", math("σ(z) = z"), ": as ", math("σ' = 1"), ", that factor drops out.")
        blocks.append(paragraph(called(node), *linear))
    elif isinstance(node.layer, Neurons):
        slopes = {index: slope_at(node.layer.sigma, letters.z(node, index), index) for index in slopes}
    forms = [result(letters, node, parts, index, slope) for index, slope in slopes.items()]
    if len(parts) > 1:
        return [*blocks, *(equations(*lines) for lines in forms)]
    return [*blocks, equations(*forms[0], *forms[1])]


def _numbers(letters: Letters, sample: Sample, node: Node, parts: list[Term]) -> list[Block]:
    run, view = sample.run, sample.run[node]
    lines: list[Line] = []

    def show(left: Formula, array: Array, note: Formula = ()) -> None:
        line = Line(left, "=", (values(sample.row(array)),), note)
        if all((line.left, line.right) != (before.left, before.right) for before in lines):
            lines.append(line)

    if isinstance(node.layer, Neurons):
        show((letters.z(node),), view.z)
        show((letters.a(node),), view.a)
    for part in parts:
        for left, array in part.beside:
            show(left, array(run))
    count = Counter(part.vector for part in parts)
    for part in parts:
        often = (Words(f", {count[part.vector]} times"),) if count[part.vector] > 1 else ()
        show(part.vector, part.numbers(run), part.origin + often)
    if len(parts) > 1 or not isinstance(node.layer, Neurons):
        show((arriving(letters, node),), view.error, (Words("their sum"),) if len(parts) > 1 else ())
    if isinstance(node.layer, Neurons):
        if not is_linear(node.layer.sigma):
            show(slope_at(node.layer.sigma, letters.z(node)), _slopes(node.layer, view.z, view.a))
        show((letters.error(node),), view.delta)
    return [heading(2, sample.title), equations(*lines)]


def _slopes(layer: Neurons, z: Array, a: Array) -> Array:
    """σ'(z) for all examples."""
    return layer.sigma.backward(np.ones_like(z), z, a)
