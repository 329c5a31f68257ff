"""The activations' formulas, σ with its slope σ'."""

from __future__ import annotations

from collections.abc import Sequence

from ..activations import (
    ELU,
    GELU,
    SELU,
    Activation,
    Function,
    Identity,
    LeakyReLU,
    PerNeuron,
    ReLU,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)
from ..summary import one_line
from .docstrings import equations_of
from .formula import Block, Formula, Letter, Line, Name, Part, Words, equations, math, paragraph

_WHERE = (Words(" where "), "z > 0,", Words(" else "))
_EXP, _EXP_MINUS = Letter("e", ("z",)), Letter("e", ("−z",))

_FORMULAS: dict[type, tuple[Formula, Formula]] = {
    Identity: (("z",), ("1",)),
    Sigmoid: (("1 / (1 + ", _EXP_MINUS, ")"), ("a (1 − a)",)),
    Tanh: ((Words("tanh "), "z"), ("1 − a²",)),
    ReLU: ((Words("max"), "(z, 0)"), ("1", *_WHERE, "0")),
    LeakyReLU: (("z", *_WHERE, Words("slope"), " · z"), ("1", *_WHERE, Words("slope"))),
    Softplus: ((Words("ln"), "(1 + ", _EXP, ")"), ("1 / (1 + ", _EXP_MINUS, ")")),
    ELU: (("z", *_WHERE, "α (", _EXP, " − 1)"), ("1", *_WHERE, "α ", _EXP)),
    SELU: (("λ z", *_WHERE, "λα (", _EXP, " − 1),  λ = 1.0507…, α = 1.6732…"), ("λ", *_WHERE, "λα ", _EXP)),
    GELU: (("z Φ(z)",), ("Φ(z) + z Φ'(z),  Φ(z) = (1 + ", Words("erf"), "(z / √2)) / 2")),
    SiLU: (("z s,  s = 1 / (1 + ", _EXP_MINUS, ")"), ("s + z s (1 − s)",)),
}
"""σ(z) and σ'(z) of the kinds whose formulas fit one line."""

_BY_OUTPUT = (Sigmoid, Tanh)
"""Those whose slope is a formula of a = σ(z)."""


def kinds_of(sigma: Activation) -> list[tuple[Activation, list[int]]]:
    """The activations of a layer, each with its neurons; with none where all neurons have the same."""
    return list(sigma.groups) if isinstance(sigma, PerNeuron) else [(sigma, [])]


def is_linear(sigma: Activation) -> bool:
    """Whether σ(z) = z for every neuron, so that σ' = 1."""
    return all(isinstance(kind, Identity) for kind, _ in kinds_of(sigma))


def letter(sigma: Activation, index: str = "") -> Letter:
    """σ, or σ_j where each neuron has its own."""
    return Letter("σ", (), (index,) if index and isinstance(sigma, PerNeuron) else ())


def named(sigma: Activation) -> Formula:
    """An activation as a function with its own name; σ where neurons have several."""
    return (letter(sigma) if isinstance(sigma, PerNeuron) else Name(one_line(str(sigma))),)


def slope_at(sigma: Activation, z: Letter, index: str = "") -> Formula:
    """σ'(z)."""
    return (letter(sigma, index), "'(", z, ")")


def formulas(sigma: Activation) -> list[Block]:
    """What σ and σ' are, for each kind of neuron."""
    return [block for kind, neurons in kinds_of(sigma) for block in of_kind(kind, neurons)]


def of_kind(kind: Activation, neurons: Sequence[int] = (), base: Part = "σ") -> list[Block]:
    """What a function and its slope are; of some neurons only, if these are named."""
    base = Letter("σ", (), (neurons_text(neurons),)) if neurons else base
    known = _FORMULAS.get(type(kind))
    if known is not None:
        sigma, slope = known
        is_named = isinstance(base, Name)
        by_output: Formula = (",  a = ", base, "(z)") if isinstance(kind, _BY_OUTPUT) else ()
        lines = [
            Line((base, "(z)"), "=", sigma, _settings(kind, is_named)),
            Line((base, "'(z)"), "=", (*slope, *by_output)),
        ]
        return [equations(*(lines[1:] if is_named and isinstance(kind, Tanh) else lines))]  # its name says the first
    what = math(base)
    quote = equations_of(type(kind))
    if isinstance(kind, Function):
        return [paragraph(what, " is ", Name(str(kind)), ", with the slope that was given.")]
    says = f". {type(kind).__name__} says of itself:" if quote else ", whose class says no equations of itself."
    return [paragraph(what, " is ", Name(str(kind)), says), *quote]


def neurons_text(neurons: Sequence[int]) -> str:
    """Indices in a few characters: 0…4, 7."""
    runs: list[list[int]] = []
    for j in neurons:
        if runs and runs[-1][-1] == j - 1:
            runs[-1] = [runs[-1][0], j]
        else:
            runs.append([j])
    shown = [f"{run[0]}…{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs]
    return ", ".join(shown[:4]) + (", …" if len(shown) > 4 else "")


def _settings(kind: Activation, is_named: bool) -> Formula:
    """An activation's numbers, behind its name unless that is there."""
    numbers = []
    match kind:
        case LeakyReLU(slope):
            numbers = [f"slope = {slope:g}"]
        case ELU(alpha):
            numbers = [f"α = {alpha:g}"]
    said = ", ".join([*([] if is_named else [str(kind)]), *numbers])
    return (Words(said),) if said else ()
