"""Text of a drawing as LaTeX that plain pdflatex sets, with the letters of mathematics in math mode."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from ..explain.characters import ACCENTS, SYMBOLS

BOLD, ITALIC, SUPERSCRIPT, SUBSCRIPT = 1, 2, 8, 16


class Run(NamedTuple):
    """A piece of a line in one look."""

    text: str
    flags: int = 0
    """A sum of BOLD, ITALIC, SUPERSCRIPT and SUBSCRIPT, as in Graphviz's layouts."""


def typeset(runs: Iterable[Run]) -> str:
    """Return a line of text as LaTeX, in ASCII only.

    Greek letters, signs of mathematics, and a lone letter that has a sub- or superscript, or stands behind ∂ or ∇ or
    before an equals sign or between ‖, are set as maths. Signs of legends are drawn: \\mgshape{path} in an em-square of
    0.7 em. What plain LaTeX lacks a letter for becomes \\mgnone{1F389}, with its number in Unicode.
    """
    line = ""
    for style, letters in groupby(_letters(runs), key=lambda letter: letter.style):
        code = _joined(_pieces(list(letters)))
        line += f"{{{_STYLES[style]}{code}}}" if style else code
    return line.strip(" ")


class _Letter(NamedTuple):
    char: str
    script: str
    """ "^", "_" or nothing."""
    style: int


class _Piece(NamedTuple):
    code: str
    maths: bool


def _letters(runs: Iterable[Run]) -> Iterator[_Letter]:
    style = 0
    for run in runs:
        script = "^" if run.flags & SUPERSCRIPT else "_" if run.flags & SUBSCRIPT else ""
        style = style if script else run.flags & (BOLD | ITALIC)  # a script is set like what it stands on
        for char in unicodedata.normalize("NFC", run.text):
            kind, _, codes = unicodedata.decomposition(char).partition(" ")
            if kind in _SCRIPTS and " " not in codes:
                yield _Letter(chr(int(codes, 16)), _SCRIPTS[kind], style)
            else:
                yield _Letter(_RAISED.get(char, char), "^" if char in _RAISED else script, style)


def _pieces(letters: list[_Letter]) -> list[_Piece]:
    pieces: list[_Piece] = []
    before, taken = "", set[str]()  # the plain text up to here, the scripts behind it
    for script, group in groupby(letters, key=lambda letter: letter.script):
        text = "".join(letter.char for letter in group)
        if not script:
            pieces += _plain(text)
            before, taken = text, set()
            continue
        if not taken and re.search(r"(?<![^\W_])[A-Za-z]$", before):
            pieces[-1] = _Piece(pieces[-1].code, True)
        elif script in taken or not pieces or not pieces[-1].maths:
            pieces.append(_Piece("{}", True))
            taken = set()
        pieces.append(_script(script, text))
        taken.add(script)
    return pieces


def _plain(text: str) -> Iterator[_Piece]:
    symbols = {found.start() for found in _SYMBOL.finditer(text)}
    for i, char in enumerate(text):
        if i in symbols:
            yield _Piece(char, True)
        elif text[i - 1 : i + 1] == "  ":
            yield _Piece("{} ", False)  # TeX takes several spaces for one
        else:
            yield _one(char)


def _script(script: str, text: str) -> _Piece:
    """A sub- or superscript: in math mode if all of it has a place there; words upright, other letters as symbols."""
    pieces = [
        _Piece(char, True) if re.match(r"[\w+()=,./:*!-]", char, re.ASCII) and char != "_" else _one(char)
        for char in text
    ]
    if all(piece.maths for piece in pieces):
        code = "".join(piece.code for piece in pieces).strip()
        return _Piece(f"{script}{{{re.sub(_WORD, _UPRIGHT, code)}}}", True)
    return _Piece(f"{script}{{\\hbox{{\\scalebox{{0.7}}{{{_joined(pieces)}}}}}}}", True)


def _one(char: str) -> _Piece:
    if code := _MATHS.get(char):
        return _Piece(code + " " * (code[0] == "\\" and code[-1].isalpha()), True)
    if code := _TEXT.get(char):
        return _Piece(code, False)
    if " " <= char <= "~":
        return _Piece(char, False)
    base, *marks = list(unicodedata.normalize("NFD", char))
    if len(marks) == 1 and marks[0] in ACCENTS and base.isascii() and base.isalpha():
        return _Piece(f"\\{ACCENTS[marks[0]]}{{{_DOTLESS.get(base, base)}}}", False)
    plain = unicodedata.normalize("NFKC", char)
    if plain != char:
        return _Piece(_joined(map(_one, plain)), False)
    return _Piece(f"\\mgnone{{{ord(char):04X}}}", False)


def _joined(pieces: Iterable[_Piece]) -> str:
    """LaTeX in which pieces of maths that follow each other share their dollar signs."""
    line = ""
    for maths, group in groupby(pieces, key=lambda piece: piece.maths):
        code = "".join(piece.code for piece in group)
        line += f"${code.strip()}$" if maths else code
    return line


_STYLES = {BOLD: "\\bfseries\\boldmath ", ITALIC: "\\itshape ", BOLD | ITALIC: "\\bfseries\\boldmath\\itshape "}
_SYMBOL = re.compile(r"(?<=[∂∇])[A-Za-z](?![^\W\d_])|(?<![^\W_])[A-Za-z](?= = )|(?<=‖)[A-Za-z](?=‖)")  # ∂C, C = 1, ‖w‖
_WORD, _UPRIGHT = r"(?<![\\A-Za-z])[A-Za-z]{3,}", r"\\mathrm{\g<0>}"
_SCRIPTS = {"<super>": "^", "<sub>": "_"}
_RAISED = {"′": "′", "°": "∘"}

_MATHS = {char: code for char, code in SYMBOLS.items() if re.fullmatch(r"\\[A-Za-z]+", code) and char != "…"}
_MATHS |= {"‖": "\\Vert", "′": "\\prime", "∙": "\\bullet", "◦": "\\circ", "µ": "\\mu", "△": "\\triangle"}
_MATHS |= dict.fromkeys("▸▷▹", "\\triangleright") | dict.fromkeys("◂◁◃", "\\triangleleft")
_MATHS |= {"▽": "\\bigtriangledown", "<": "<", ">": ">", "|": "|", "−": "-", "¬": "\\neg"}

_TEXT = {
    "\\": "\\textbackslash{}", "{": "\\{", "}": "\\}", "^": "\\textasciicircum{}", "~": "\\textasciitilde{}",
    "#": "\\#", "$": "\\$", "%": "\\%", "&": "\\&", "_": "\\_", '"': "''{}", "'": "'{}", "`": "`{}", "-": "-{}",
    "\xa0": "~", "\t": " ", "–": "--{}", "—": "---{}", "⁄": "/", "…": "\\dots{}", "“": "``{}", "”": "''{}", "‘": "`{}",
    "’": "'{}", "ß": "\\ss{}", "æ": "\\ae{}", "Æ": "\\AE{}", "œ": "\\oe{}", "Œ": "\\OE{}", "ø": "\\o{}", "Ø": "\\O{}",
    "ł": "\\l{}", "Ł": "\\L{}", "ı": "\\i{}", "¡": "!`{}", "¿": "?`{}", "§": "\\S{}", "¶": "\\P{}",
    "©": "\\copyright{}", "£": "\\pounds{}",
    "?": "?{}", "!": "!{}",
}  # fmt: skip
_SHAPES = {
    "□": "[draw] (0,0) rectangle (1,1)",
    "▢": "[draw, rounded corners=0.2em] (0,0) rectangle (1,1)",
    "▣": "[draw] (0,0) rectangle (1,1) (0.2,0.2) rectangle (0.8,0.8)",
    "⬚": "[draw, dash pattern=on 0.1em off 0.1em] (0,0) rectangle (1,1)",
    "▨": "[draw] (0,0) rectangle (1,1) (0,0.7) -- (0.3,1) (0,0) -- (1,1) (0.7,0) -- (1,0.3)",
    "◯": "[draw] (0.5,0.5) circle [radius=0.5]",
    "⬡": "[draw] (0.5,0) -- (1,0.25) -- (1,0.75) -- (0.5,1) -- (0,0.75) -- (0,0.25) -- cycle",
    "⎔": "[draw] (0.3,0) -- (0.7,0) -- (1,0.3) -- (1,0.7) -- (0.7,1) -- (0.3,1) -- (0,0.7) -- (0,0.3) -- cycle",
    "⛁": "[draw] (1,0.8) arc [start angle=0, end angle=360, x radius=0.5, y radius=0.2] -- (1,0.2) "
    "arc [start angle=0, end angle=-180, x radius=0.5, y radius=0.2] -- (0,0.8)",
    "❒": "[draw] (0,0) rectangle (0.7,0.7) (0,0.7) -- (0.3,1) -- (1,1) -- (1,0.3) -- (0.7,0) (0.7,0.7) -- (1,1)",
    "◌": "[draw, dash pattern=on 0.1em off 0.1em] (0.5,0.5) circle [radius=0.5]",
    "◹": "[draw] (0,0) -- (0,1) -- (0.6,1) -- (1,0.6) -- (1,0) -- cycle (0.6,1) -- (0.6,0.6) -- (1,0.6)",
    "◰": "[draw] (0,0) rectangle (1,1) (0,0.6) -- (0.5,0.6) -- (0.5,1)",
    "◧": "[draw] (0,0) rectangle (1,1) (0.3,0) -- (0.3,1)",
    "⊞": "[draw] (0,0) rectangle (1,1) (0.5,0) -- (0.5,1) (0,0.5) -- (1,0.5)",
    "■": "[fill] (0,0) rectangle (1,1)",
    "●": "[fill] (0.5,0.5) circle [radius=0.45]",
    "▬": "[fill] (0,0.3) rectangle (1.2,0.6)",
    "◀": "[fill] (0,0.4) -- (1,0.9) -- (1,-0.1) -- cycle",
    "⚠": "[draw] (0,0) -- (1.2,0) -- (0.6,1) -- cycle (0.6,0.65) -- (0.6,0.3) (0.6,0.2) -- (0.6,0.12)",
}
_TEXT |= {char: f"\\mgshape{{{path}}}" for char, path in _SHAPES.items()}
_DOTLESS = {"i": "\\i", "j": "\\j"}
