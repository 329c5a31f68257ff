"""What comes back from layers that only pass values on: their own error, times a slope that is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..activations import Activation as Sigma
from ..activations import PerNeuron
from ..layer import Node
from ..layers import (
    Activation,
    Add,
    Bias,
    Concat,
    ExpandDims,
    Flatten,
    Function,
    Identity,
    Multiply,
    Reshape,
    Scale,
    Squeeze,
    Subtract,
    Transpose,
)
from ..param import Array
from ..results import Results
from ..summary import shape_text
from .formula import Formula, Line, Part, Words, listed, values
from .letters import Letters
from .params import param_letter
from .sigmas import named

MOST = 6
"""A product of more factors is not written out; of a sum of more, the one summand is."""

Numbers = tuple[Formula, Callable[[Results], Array]]
"""A formula with its numbers in a run."""


@dataclass(frozen=True)
class Passing:
    """How an element of one input of a node becomes an element of its output, and how the error comes back."""

    value: Formula
    """The output's element, of all inputs."""
    slope: Formula
    """Its derivative by the input's element."""
    component: Formula
    """Element j of what comes back, to stand alone or as a factor."""
    vector: Formula
    """All elements at once."""
    at: str = "j"
    """The place, in the output, of the input's element j."""
    place: tuple[Line, ...] = ()
    """What that place is, if it needs words."""
    beside: tuple[Numbers, ...] = ()
    """What the slope is made of."""
    sigma: Sigma | None = None
    """A function in it."""


def passing(letters: Letters, user: Node, slot: int) -> Passing | None:
    """What a node does with one input, where that is exactly so for its shapes; None for all other layers."""
    kind = type(user.layer)
    if kind in _MOVED:
        return _moved(letters, user, _MOVED[kind])
    if kind is Concat:
        return _joined(letters, user, slot)
    rule = _ELEMENTWISE.get(kind)
    return rule(letters, user, slot) if rule is not None and user.inputs[slot].shape == user.shape else None


def value(letters: Letters, node: Node) -> Formula:
    """The output of a layer without weighted sums as a formula of its inputs."""
    layer, inputs = node.layer, [letters.a(source) for source in node.inputs]
    sign = _SIGNS.get(type(layer))
    if sign is not None:
        return listed(inputs, sign)
    if type(layer) in (Activation, Function):
        assert isinstance(layer, Activation)
        return (*named(layer.sigma), "(", *inputs, ")")
    return (*inputs,) if type(layer) is Identity else (Words(type(layer).__name__), "(", *listed(inputs), ")")


def _identity(letters: Letters, user: Node, slot: int) -> Passing:
    return _same(letters, user, (letters.taken(user, slot, "j"),))


def _sum(letters: Letters, user: Node, slot: int) -> Passing:
    return _same(letters, user, _combined(letters, user, slot))


def _difference(letters: Letters, user: Node, slot: int) -> Passing:
    combined = _combined(letters, user, slot)
    if slot == 0:
        return _same(letters, user, combined)
    return Passing(combined, ("−1",), ("−", letters.error(user, "j")), ("−", letters.error(user)))


def _bias(letters: Letters, user: Node, slot: int) -> Passing:
    return _same(letters, user, (letters.taken(user, slot, "j"), " + ", Words("an offset")))


def _same(letters: Letters, user: Node, combined: Formula) -> Passing:
    return Passing(combined, ("1",), (letters.error(user, "j"),), (letters.error(user),))


def _product(letters: Letters, user: Node, slot: int) -> Passing | None:
    if len(user.inputs) > MOST or any(source.shape != user.shape for source in user.inputs):
        return None
    others = [source for i, source in enumerate(user.inputs) if i != slot]
    slope: Formula = listed([letters.a(source, "j") for source in others], " ")
    vector: Formula = listed([letters.error(user), *(letters.a(source) for source in others)], " ⊙ ")
    beside = [_output(letters, source) for source in others]
    component = (letters.error(user, "j"), " ", *slope)
    return Passing(_combined(letters, user, slot), slope, component, vector, beside=(_error(letters, user), *beside))


def _scaled(letters: Letters, user: Node, slot: int) -> Passing | None:
    layer = user.layer
    assert isinstance(layer, Scale)
    each: Part
    vector: Formula
    if isinstance(layer.factor, float):
        each, vector = values(layer.factor), (values(layer.factor), " ", letters.error(user))
    elif layer.gamma is not None and layer.gamma.shape == user.shape:
        each = param_letter(letters, user, "gamma", "j")
        vector = (param_letter(letters, user, "gamma"), " ⊙ ", letters.error(user))
    else:
        return None
    output, component = (each, " ", letters.taken(user, slot, "j")), (each, " ", letters.error(user, "j"))
    return Passing(output, (each,), component, vector, beside=(_error(letters, user),))


def _activated(letters: Letters, user: Node, slot: int) -> Passing | None:
    layer = user.layer
    assert isinstance(layer, Activation)
    if isinstance(layer.sigma, PerNeuron):
        return None
    taken, before = letters.taken(user, slot, "j"), letters.a(user.inputs[slot])
    slope, slopes = ((*named(layer.sigma), "'(", a, ")") for a in (taken, before))
    component, vector = (letters.error(user, "j"), " ", *slope), (letters.error(user), " ⊙ ", *slopes)
    combined = (*named(layer.sigma), "(", taken, ")")
    return Passing(combined, slope, component, vector, beside=(_error(letters, user),), sigma=layer.sigma)


def _moved(letters: Letters, user: Node, how: str) -> Passing:
    """The same elements in other places."""
    place = "permuted as the axes are" if how == "transposed" else "in row-major order"
    error, to = letters.error(user), shape_text(user.inputs[0].shape)
    return Passing(
        (letters.taken(user, 0, "j"),),
        ("1",),
        (letters.error(user, "j′"),),
        (error, Words(f" {how} back to {to}")),
        "j′",
        (Line(("j′",), "=", (Words(f"the place of element j in the output, {place}"),)),),
    )


def _joined(letters: Letters, user: Node, slot: int) -> Passing:
    """A part of a longer array."""
    layer, shape = user.layer, user.inputs[slot].shape
    assert isinstance(layer, Concat)
    axis = layer.axis % len(shape)
    start = sum(source.shape[axis] for source in user.inputs[:slot])
    stop = start + shape[axis] - 1
    part = str(start) if start == stop else f"{start}…{stop}"
    taken: Formula = (letters.taken(user, slot, "j"),)
    if len(shape) == 1:
        at = f"j+{start}" if start else "j"
        return Passing(taken, ("1",), (letters.error(user, at),), (letters.error(user, part),), at)
    vector = (letters.error(user), Words(f" at {part} of axis {axis}"))
    place = Line(("j′",), "=", (Words(f"element j, {start} places on along axis {axis}"),))
    return Passing(taken, ("1",), (letters.error(user, "j′"),), vector, "j′", (place,))


def _combined(letters: Letters, user: Node, slot: int) -> Formula:
    """Element j of the inputs, with the layer's sign between; the one input alone where they are many or broadcast."""
    sign = _SIGNS[type(user.layer)].replace(" ⊙ ", " ")
    if len(user.inputs) <= MOST and all(source.shape == user.shape for source in user.inputs):
        return listed([letters.taken(user, i, "j") for i in range(len(user.inputs))], sign)
    taken = letters.taken(user, slot, "j")
    return ("…", sign, taken) if slot else (taken, sign, "…")


def _error(letters: Letters, node: Node) -> Numbers:
    return (letters.error(node),), lambda run: run[node].error


def _output(letters: Letters, node: Node) -> Numbers:
    return (letters.a(node),), lambda run: run[node].a


_SIGNS = {Add: " + ", Subtract: " − ", Multiply: " ⊙ "}
_MOVED: dict[type, str] = dict.fromkeys((Reshape, Flatten, Squeeze, ExpandDims), "reshaped") | {Transpose: "transposed"}
_ELEMENTWISE: dict[type, Callable[[Letters, Node, int], Passing | None]] = {
    Identity: _identity,
    Add: _sum,
    Subtract: _difference,
    Multiply: _product,
    Bias: _bias,
    Scale: _scaled,
    Activation: _activated,
    Function: _activated,
}
