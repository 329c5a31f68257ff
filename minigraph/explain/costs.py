"""The gradients of costs by the outputs that they judge, as formulas where these are short."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from ..costs import BinaryCrossEntropy, Cost, MeanSquaredError, Quadratic, SoftmaxCrossEntropy
from ..layer import Node
from .formula import Formula, Letter, Line, Words, values
from .letters import Letters


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
