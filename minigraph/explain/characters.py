"""Characters as LaTeX: what plain pdflatex, with amsmath, sets for each of them."""

from __future__ import annotations

import re
import unicodedata

_GREEK = {
    "αβγδεζηθικλμνξπρσςτυφχψω": "alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi pi rho "
    "sigma varsigma tau upsilon varphi chi psi omega",
    "ϑϕϵ": "vartheta phi epsilon",
    "ΓΔΘΛΞΠΣΥΦΨΩ": "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega",
}
_NAMED = {
    "∂∇⊙⊕⊗∘·•×÷±≡≈≠≤≥": "partial nabla odot oplus otimes circ cdot bullet times div pm equiv approx neq leq geq",
    "→←↔↑↓⇒∞∈√⊤⊥": "to leftarrow leftrightarrow uparrow downarrow Rightarrow infty in surd top bot",
    "⌊⌋⌈⌉⟨⟩…⋯⋮": "lfloor rfloor lceil rceil langle rangle ldots cdots vdots",
    "∑∏∫∼∝∀∃∪∩⊂": "sum prod int sim propto forall exists cup cap subset",
    "ℓ": "ell",
}
SYMBOLS = {
    char: f"\\{word}"
    for chars, words in (_GREEK | _NAMED).items()
    for char, word in zip(chars, words.split(), strict=True)
}
"""What stands for a character in TeX's mathematics, beside ASCII."""
SYMBOLS |= {"−": "-", "‖": r"\|", "′": "'", "½": r"\tfrac{1}{2}", "ᵀ": "^{T}", "ₐ": "_{a}", "⁻": "^{-}"}
SYMBOLS |= {"ℝ": r"\mathrm{R}"} | {c: f"_{{{n}}}" for n, c in enumerate("₀₁₂₃₄₅₆₇₈₉")}
SYMBOLS |= {c: f"^{{{n}}}" for n, c in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")}

LETTERS = {"ß": r"\ss{}", "æ": r"\ae{}", "Æ": r"\AE{}", "œ": r"\oe{}", "Œ": r"\OE{}", "ø": r"\o{}", "Ø": r"\O{}"}
"""What stands for letters and quotation marks in text."""
LETTERS |= {"ł": r"\l{}", "Ł": r"\L{}", "–": "--", "—": "---", "’": "'", "‘": "`", "“": "``", "”": "''"}

ACCENTS = dict(
    zip("\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327", "`'^~=u.\"rHvc", strict=True)
)
"""The command for a mark above or below a letter."""

_ASCII = {c: f"\\{c}" for c in "{}$&#%_"} | {c: f"{{{c}}}" for c in "-?!'"}
_ASCII |= {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"}
_ASCII |= {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\char34{}", "`": r"\char96{}"}
_TYPEWRITER = {c: rf"\char{ord(c)}{{}}" for c in "{}$&#%_\\^~<>|\"`'"}  # its font has all of ASCII
_TYPEWRITER["…"] = r"\cell{\scriptscriptstyle\ldots}"


def escape(text: str) -> str:
    """Text as LaTeX: accents and the signs of formulas are set, other characters go by their number, U+1F600."""
    return _set(text, _ASCII, r"\ensuremath{%s}")


def typewriter(text: str) -> str:
    """Text for a font in which every character is equally wide; `\\cell` sets a sign of formulas in that width."""
    return _set(text, _TYPEWRITER, r"\cell{%s}")


def _set(text: str, ascii: dict[str, str], symbol: str) -> str:
    parts = []
    for match in re.finditer(r"(.)([\u0300-\u036f]*)", unicodedata.normalize("NFC", text), re.DOTALL):
        base, marks = match.groups()
        if base not in SYMBOLS and base not in LETTERS:
            base, marks = unicodedata.normalize("NFD", base)[0], unicodedata.normalize("NFD", base)[1:] + marks
        if base in ascii or (base.isascii() and base.isprintable()):
            piece = ascii.get(base, base)
        elif base in SYMBOLS:
            piece = symbol % SYMBOLS[base]
        else:
            piece = LETTERS.get(base) or _number(base)
        for mark in marks:
            piece = rf"\{ACCENTS[mark]}{{{piece}}}" if mark in ACCENTS else piece + _number(mark)
        parts.append(piece)
    return "".join(parts)


def _number(c: str) -> str:
    return rf"\texttt{{U+{ord(c):04X}}}"
