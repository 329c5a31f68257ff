"""TeX of equations read back as text, and the text made bare of what doesn't matter, so that both can be compared."""

from __future__ import annotations

import re
import unicodedata

from minigraph.explain.characters import SYMBOLS

RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻ᵀᵗ", "0123456789−Tt", strict=True))
LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉ₐ", "0123456789a", strict=True))
ACCENTS = {"\u0302": r"\hat", "\u0303": r"\tilde", "\u0304": r"\bar"}
FUNCTIONS = {name: rf"\{name}" for name in ("tanh", "sin", "cos", "ln", "exp", "max", "min")}
FUNCTIONS |= {name: rf"\operatorname{{{name}}}" for name in ("sign", "softmax", "erf", "onehot")}
BIG = {"Σ": r"\sum", "Π": r"\prod"}


def bare(text: str) -> str:
    """An equation without spaces, with every script behind a ^ or _, and without the brackets of scripts and roots."""
    text = unicodedata.normalize("NFC", re.sub("[ `]", "", text.replace("->", "→")))
    for row, mark in ((RAISED, "^"), (LOWERED, "_")):
        text = re.sub(f"[{''.join(row)}]+", lambda run, row=row, mark=mark: mark + "".join(map(row.get, run[0])), text)
    return _unbracketed(unicodedata.normalize("NFC", text))


def read_back(code: str) -> str:
    """What TeX of these rules says, as `bare` does: commands go back to signs by the table of signs alone."""
    signs = {command: sign for sign, command in SYMBOLS.items() if re.fullmatch(r"\\[A-Za-z]+", command)}
    signs |= {command: name for name, command in FUNCTIONS.items() if "{" not in command}
    signs |= {command: sign for sign, command in BIG.items()} | {r"\|": "‖", r"\_": "_", r"\,": "", r"\ ": ""}
    signs |= {r"\sqrt": "√", r"\text": "", r"\mathit": "", r"\mathtt": "", r"\operatorname": "", r"\frac": ""}
    signs |= {command: f"\0{accent}" for accent, command in ACCENTS.items()}
    code = code.replace(r"\tfrac{1}{2}", "½").replace(r"}{\partial", r"}/{\partial")
    tokens = re.findall(r"\\[A-Za-z]+|\\.|.", code)
    text = "".join(signs[token] if token[0] == "\\" else token for token in tokens if token != " ")
    text = re.sub(r"\0(.)\{(.)\}", r"\2\1", text).replace("-", "−")
    return _unbracketed(unicodedata.normalize("NFC", text))


def _unbracketed(text: str) -> str:
    """Without braces, and without the parentheses right behind a ^, a √ or, alone, a _."""
    out, open_, drop = "", [], "^√_"
    for c in text:
        if c == "(":
            open_.append(bool(out) and out[-1] in drop)
            c = "" if open_[-1] else c
        elif c == ")" and open_ and open_.pop():
            c = ""
        out += "" if c in "{}" else c
    return out.replace("-", "−")
