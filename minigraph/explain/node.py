"""The error of one node, derived in the four moves of the book, with the numbers of a run."""

from __future__ import annotations

import numpy as np

from ..layer import Neurons, Node
from ..param import Array
from ..schedule import Errand, consumers
from ..summary import one_line, shapes_of
from .docstrings import words_of
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
from .letters import Letters, called, is_dense, legend
from .sample import COUNTING, Sample
from .sigmas import formulas, is_linear, letter, slope_at
from .terms import Term, arriving, result, summed, terms


def error_blocks(letters: Letters, sample: Sample, node: Node) -> list[Block]:
    """Define, expand, substitute, simplify, and the numbers."""
    errand = sample.sweep.errands[node]
    parts = terms(letters, errand, sample.is_plain)
    return [
        *_opening(letters, sample, node),
        *_definition(letters, node),
        *_expansion(letters, errand, parts),
        *_idle_uses(sample, node),
        *_substitution(letters, node, parts),
        *_result(letters, node, parts),
        *_numbers(letters, sample, node, parts),
    ]


def lacking_blocks(letters: Letters, sample: Sample, node: Node, reason: str) -> list[Block]:
    """The definition, and the reason why this run has no such number."""
    opening = _opening(letters, sample, node) + _definition(letters, node)
    return [*opening, paragraph(f"This run has no such number: {reason}.")]


def _opening(letters: Letters, sample: Sample, node: Node) -> list[Block]:
    users = [user for user, _ in consumers(letters.graph.nodes)[node]]
    return [
        heading(1, "The error of ", called(node)),
        paragraph(
            called(node),
            f" is {one_line(node.layer.describe())}, samples {shapes_of(node)}.",
            *legend(letters, [*node.inputs, node, *users]),
            *sample.what_is_c(),
            f" {COUNTING}",
        ),
    ]


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
        lines.append(Line(left, "=", (values(sample.row(array)),), note))

    if isinstance(node.layer, Neurons):
        show((letters.z(node),), view.z)
        show((letters.a(node),), view.a)
    for part in parts:
        for left, array in part.beside:
            show(left, array(run))
    for part in parts:
        show(part.vector, part.numbers(run), part.origin)
    if len(parts) > 1:
        show((arriving(letters, node),), view.error, (Words("their sum"),))
    if isinstance(node.layer, Neurons):
        if not is_linear(node.layer.sigma):
            show(slope_at(node.layer.sigma, letters.z(node)), _slopes(node.layer, view.z, view.a))
        show((letters.error(node),), view.delta)
    return [heading(2, sample.title), equations(*lines)]


def _slopes(layer: Neurons, z: Array, a: Array) -> Array:
    """σ'(z) for all examples."""
    return layer.sigma.backward(np.ones_like(z), z, a)
