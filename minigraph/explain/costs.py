"""The costs, from which errors come: what they are, what they send back, as formulas where these are short."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from ..costs import BinaryCrossEntropy, Cost, MeanSquaredError, Quadratic, SoftmaxCrossEntropy
from ..layer import Node
from ..summary import one_line
from .docstrings import words_of
from .formula import Block, Formula, Fraction, Letter, Line, Words, equations, heading, paragraph, partial, values
from .letters import Letters, called, noted, opened
from .params import batch_blocks
from .sample import Sample


def cost_blocks(letters: Letters, sample: Sample, node: Node, missing: str) -> list[Block]:
    """What a cost is, what it sends back, and the numbers; `missing` says why nothing goes back from it, if so."""
    says = f" is {one_line(node.layer.describe())}, an average over the examples."
    if missing:
        back: list[Block] = [paragraph(f"This run sent nothing back from it: {missing}.")]
    else:
        back = batch_blocks(letters, sample, node) if node.layer.params else []
    numbers = equations(*_numbers(letters, sample, node))
    blocks = [*definition(letters, node), heading(2, sample.title), numbers, *back]
    return opened(letters, heading(1, "The cost ", called(node)), (called(node), says), blocks)


def definition(letters: Letters, node: Node) -> list[Block]:
    """C, C_x and the gradient of C_x."""
    c, c_x = letters.cost(node), letters.cost_of_example(node)
    mean = Line((c,), "=", (Fraction(("1",), ("m",)), " ", Letter("Σ", (), ("x",)), " ", c_x))
    gradient = gradient_of(letters, node)
    if gradient is None:
        return [equations(mean), *words_of(type(node.layer))]
    slope = Line((partial(c_x, letters.a(node.inputs[0], "j")),), "=", gradient.component("j", True))
    return [equations(mean, Line((c_x,), "=", gradient.cost), *gradient.meanings, slope)]


@dataclass(frozen=True)
class Gradient:
    """C_x of an output a and a target y, and ∇ₐC_x = factor (minuend − y)."""

    cost: Formula
    factor: Formula
    minuend: Letter
    y: Letter
    meanings: tuple[Line, ...] = ()
    """What its other letters mean."""

    def component(self, j: str, alone: bool) -> Formula:
        """∂C_x/∂a_j; a difference in parentheses unless it stands alone."""
        return self._difference(Letter(self.minuend.base, self.minuend.sup, (j,)), _at(self.y, j), alone)

    def vector(self, alone: bool) -> Formula:
        """∇ₐC_x."""
        return self._difference(self.minuend, self.y, alone)

    def _difference(self, minuend: Letter, y: Letter, alone: bool) -> Formula:
        difference = (minuend, " − ", y)
        return difference if alone and not self.factor else (*self.factor, "(", *difference, ")")


def gradient_of(letters: Letters, node: Node) -> Gradient | None:
    """The gradient of a cost node; None where the words of the cost's class have to do."""
    cost = node.layer
    assert isinstance(cost, Cost)
    kind = type(cost)
    if kind not in (Quadratic, MeanSquaredError, BinaryCrossEntropy, SoftmaxCrossEntropy):
        return None
    weight: Formula = () if cost.weight == 1.0 else (values(cost.weight), " · ")
    if len(node.inputs) > 2:
        weight += (Letter("w", (), ("x",)), " · ")
    a, y, n = letters.a(node.inputs[0]), letters.y(node), prod(node.inputs[0].shape)
    target = Line((y,), "=", (letters.a(node.inputs[1]),), (Words("the target"),))
    squares: Formula = ("‖", y, " − ", a, "‖²")
    if kind is Quadratic:
        return Gradient((*weight, "½ ", *squares), weight, a, y, (target,))
    if kind is MeanSquaredError:
        means = Line(("n",), "=", (str(n),), note=(Words("elements of an example"),))
        return Gradient((*weight, "(1/n) ", *squares), (*weight, "(2/n) "), a, y, (target, means))
    p = Letter("p", letters.sup(node.inputs[0]))
    if isinstance(cost, BinaryCrossEntropy):
        return _of_bits(weight, a, p, y, target) if cost.reduction == "sum" else None
    assert isinstance(cost, SoftmaxCrossEntropy)
    has_extras = cost.label_smoothing or cost.class_weights is not None or cost.ignore_index is not None
    are_labels = [len(source.shape) for source in node.inputs[:2]] == [1, 0]
    return _of_classes(weight, a, p, y, target) if are_labels and not has_extras else None


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


def _of_bits(weight: Formula, a: Letter, p: Letter, y: Letter, target: Line) -> Gradient:
    p_j, y_j = _at(p, "j"), _at(y, "j")
    terms: Formula = ("(", y_j, Words(" ln "), p_j, " + (1 − ", y_j, ") ", Words("ln"), "(1 − ", p_j, "))")
    means = Line((p_j,), "=", ("1 / (1 + ", Letter("e", ("−", _at(a, "j"))), ")"))
    return Gradient(("−", *weight, _SUM_J, " ", *terms), weight, p, y, (target, means))


def _of_classes(weight: Formula, a: Letter, p: Letter, y: Letter, target: Line) -> Gradient:
    p_j, y_j = _at(p, "j"), _at(y, "j")
    powers = [Letter("e", (_at(a, index),)) for index in "ji"]
    means = (
        target,
        Line((p_j,), "=", (powers[0], " / ", Letter("Σ", (), ("i",)), " ", powers[1])),
        Line((y_j,), "=", (Words("1 for the example's class j, else 0"),)),
    )
    return Gradient(("−", *weight, _SUM_J, " ", y_j, Words(" ln "), p_j), weight, p, y, means)


_SUM_J = Letter("Σ", (), ("j",))


def _at(letter: Letter, j: str) -> Letter:
    return Letter(letter.base, letter.sup, (j,))
