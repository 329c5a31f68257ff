"""Formulas in TeX's mathematics, which LaTeX and Markdown share."""

from __future__ import annotations

import re
from collections.abc import Callable

from .formula import Formula, Fraction, Letter, Line, Name, Values, Words

Upright = Callable[[str], str]
"""Turns text of any kind into what stands in \\text{…}."""

_GREEK = {
    "αβγδεζηθικλμνξπρσςτυφχψω": "alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi pi rho "
    "sigma varsigma tau upsilon varphi chi psi omega",
    "ΓΔΘΛΞΠΣΦΨΩ": "Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega",
}
_SIGNS = {
    "∂": r"\partial",
    "∇": r"\nabla",
    "⊙": r"\odot",
    "·": r"\cdot",
    "×": r"\times",
    "−": "-",
    "±": r"\pm",
    "≡": r"\equiv",
    "≈": r"\approx",
    "≠": r"\neq",
    "≤": r"\leq",
    "≥": r"\geq",
    "→": r"\to",
    "←": r"\leftarrow",
    "…": r"\ldots",
    "⋮": r"\vdots",
    "√": r"\surd",
    "∞": r"\infty",
    "∈": r"\in",
    "‖": r"\|",
    "⌊": r"\lfloor",
    "⌋": r"\rfloor",
    "⌈": r"\lceil",
    "⌉": r"\rceil",
    "½": r"\tfrac{1}{2}",
    "ᵀ": "^{T}",
    "ₐ": "_{a}",
    "₀": "_{0}",
    "₁": "_{1}",
    "₂": "_{2}",
    "⁻": "^{-}",
    "¹": "^{1}",
    "²": "^{2}",
    "³": "^{3}",
    "⁹": "^{9}",
    "′": "'",
    "ℝ": r"\mathrm{R}",
}
SYMBOLS = _SIGNS | {
    letter: f"\\{word}"
    for letters, words in _GREEK.items()
    for letter, word in zip(letters, words.split(), strict=True)
}
"""What stands for a character in TeX's mathematics, beside ASCII."""


def formula(parts: Formula, upright: Upright) -> str:
    """A formula as TeX; `upright` writes names and words."""
    return "".join(_part(part, upright) for part in parts)


def line(row: Line, upright: Upright, label: str) -> str:
    """One equation for an environment that aligns at &; its label in a form of the format's own."""
    note = r"\quad " + formula(row.note, upright) if row.note else ""
    end = label % row.label if row.label else ""
    relation = signs(row.relation)
    gap = "" if row.left else "{}"  # a plus at the beginning of a line has an operator's space
    return f"{formula(row.left, upright)} &{gap}{relation} {formula(row.right, upright)}{note}{end}"


def signs(text: str) -> str:
    """Letters and signs of ours as TeX; two spaces or more are a wide one."""
    text = re.sub(" {2,}", r"\\quad ", text)
    return re.sub(" +(?=[ _^])", "", "".join(_parted(SYMBOLS.get(c, c)) for c in text))


def _part(part: object, upright: Upright) -> str:
    match part:
        case Letter(base, sup, sub):
            base = r"\sum" if base == "Σ" else signs(base).rstrip()
            return _parted(
                base + _script("_", sub, upright) + _script("^", sup, upright)
            )  # }_{ is emphasis in Markdown
        case Fraction(top, bottom):
            return rf"\frac{{{formula(top, upright)}}}{{{formula(bottom, upright)}}}"
        case Values():
            return _values(part, upright)
        case Name(text) | Words(text):
            return rf"\text{{{upright(text)}}}"
        case _:
            return signs(str(part))


def _parted(text: str) -> str:
    """TeX with a space behind it, where a letter could be taken as the end of a command."""
    return f"{text} " if re.search(r"\\[A-Za-z]+$", text) else text


def _script(mark: str, parts: Formula, upright: Upright) -> str:
    return f"{mark}{{{formula(parts, upright)}}}" if parts else ""


def _values(part: Values, upright: Upright) -> str:
    more = rf"\;\text{{({upright(part.more)})}}" if part.more else ""
    rows = [[_number(cell) for cell in row] for row in part.rows]
    if part.rank == 0:
        return rows[0][0]
    if part.rank == 1:
        return "(" + r",\ ".join(rows[0]) + ")" + more
    return r"\begin{pmatrix} " + r" \\ ".join(map(" & ".join, rows)) + r" \end{pmatrix}" + more


def _number(text: str) -> str:
    if text == "NaN":
        return r"\text{NaN}"
    mantissa, _, exponent = text.partition("e")
    return signs(mantissa) + (rf"\cdot 10^{{{exponent}}}" if exponent else "")
