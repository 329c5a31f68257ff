"""Where errors begin: a cost, what it is and what it sends back."""

from __future__ import annotations

from ..costs import Cost
from ..layer import Node
from ..summary import one_line
from .costs import gradient_of
from .docstrings import words_of
from .formula import Block, Fraction, Letter, Line, Words, equations, heading, paragraph, partial, values
from .letters import Letters, called, legend, noted
from .params import batch_blocks
from .sample import Sample


def cost_blocks(letters: Letters, sample: Sample, node: Node, missing: str) -> list[Block]:
    """What a cost is, what it sends back, and the numbers; `missing` says why nothing goes back from it, if so."""
    says = f" is {one_line(node.layer.describe())}, an average over the examples."
    if missing:
        back: list[Block] = [paragraph(f"This run sent nothing back from it: {missing}.")]
    else:
        back = batch_blocks(letters, sample, node) if node.layer.params else []
    return [
        heading(1, "The cost ", called(node)),
        paragraph(called(node), says, *legend(letters, list(node.inputs))),
        *definition(letters, node),
        heading(2, sample.title),
        equations(*_numbers(letters, sample, node)),
        *back,
    ]


def definition(letters: Letters, node: Node) -> list[Block]:
    """C, C_x and the gradient of C_x."""
    c, c_x = letters.cost(node), letters.cost_of_example(node)
    mean = Line((c,), "=", (Fraction(("1",), ("m",)), " ", Letter("Σ", (), ("x",)), " ", c_x))
    gradient = gradient_of(letters, node)
    if gradient is None:
        return [equations(mean), *words_of(type(node.layer))]
    slope = Line((partial(c_x, letters.a(node.inputs[0], "j")),), "=", gradient.component("j", True))
    return [equations(mean, Line((c_x,), "=", gradient.cost), *gradient.meanings, slope)]


def _numbers(letters: Letters, sample: Sample, node: Node) -> list[Line]:
    run, cost = sample.run, node.layer
    assert isinstance(cost, Cost)
    mean = Words(f"the mean over the {run.m} examples" if run.m > 1 else "of the one example")
    lines = []
    for slot, (source, array) in enumerate(zip(node.inputs, run[node].inputs, strict=True)):
        if slot not in node.constant_inputs:
            lines.append(Line((letters.a(source),), "=", (values(sample.row(array)),)))
        elif slot == cost.judged and cost.takes_target:
            lines.append(Line((letters.y(node),), "=", (values(sample.row(array)),)))
    lines.append(Line((letters.cost_of_example(node),), "=", (values(sample.row(run[node].a)),)))
    lines.append(Line((letters.cost(node),), "=", (values(run.costs[node.name]),), (mean,)))
    errand = sample.sweep.errands.get(node)
    for slot, needed in enumerate(errand.needs if errand else ()):
        if needed:
            source = node.inputs[slot]
            back = values(sample.row(run.edge(source, node, slot).grad))
            lines.append(
                Line((letters.along(source, node, slot),), "=", (back,), (Words("sent back to "), noted(source)))
            )
    return lines
