"""Equations, as docstrings write them in unicode on one line, as TeX, and back to see that nothing was lost.

What isn't understood raises `Unread`, and whoever asked shows the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from reference_readback import ACCENTS, BIG, FUNCTIONS, LOWERED, RAISED, bare, read_back

from minigraph.explain.characters import SYMBOLS

INDICES = {"ij", "kl", "λα"}
"""Products of letters, as are runs of letters beside a plus; every other run of letters is a word."""
SIGNS = set("=+−·⊙/←→<>≤≥≠∈∇∂∞½…⌊⌋⌈⌉‖|[]()*,;:.!'Φφπ") | set("αβγδεζηθικλμνξρστυχψωΓΔΘΛΞΥΨΩ")
BETWEEN = set("=+−·⊙←→<>≤≥≠∈")
"""Signs that bring their own space."""
KINDS = dict.fromkeys(BETWEEN, "sign") | dict.fromkeys(",;:", "comma")
KINDS |= dict.fromkeys("([⌊⌈", "open") | dict.fromkeys(")]⌋⌉", "close")

_WORD = re.compile(r"[A-Za-z]{2,}[0-9]?(?:-[a-z]+)*(?:'s?\b)?")
_NAME = re.compile(r"[A-Za-z]+[0-9]?(?:_[A-Za-z]+)+")
_INDEX = re.compile(r"[^\W_]|[+−·/](?=[^\W_])|,(?=[^\W_])")
_CLOSING = {"(": ")", "{": "}", "⌊": "⌋"}


class Unread(Exception):
    """Something in an equation that these rules don't cover."""


def tex(text: str) -> str:
    """One equation as TeX. Raises Unread for what isn't understood, or doesn't read back as it was."""
    code = Reader(normal(text)).read()
    if read_back(code) != bare(text):
        raise Unread(f"{text!r} reads back as {read_back(code)!r}")
    return code


class Reader:
    """Goes through the text once; what each token becomes depends on its neighbors only."""

    def __init__(self, text: str):
        self.text, self.at = text, 0

    def read(self) -> str:
        """All of it."""
        return joined(self.terms())

    def terms(self) -> Iterator[tuple[str, str, bool]]:
        """Each piece, its kind, and whether a space stands before it."""
        spaced = False
        while self.at < len(self.text):
            if self.text[self.at] == " ":
                self.at, spaced = self.at + 1, True
            else:
                yield *self._term(), spaced
                spaced = False

    def _term(self) -> tuple[str, str]:
        """The next piece with its scripts, and its kind: text, function, big, sign, open, close, comma or atom."""
        text, start = self.text, self.at
        if fraction := re.compile(r"(?=∂)[^ ]*/∂").match(text, start):
            top = fraction[0][:-2]
            if re.fullmatch(r"∂(cos|[A-Za-z])(_[a-z])?", top):
                self.at = fraction.end() - 1
                return rf"\frac{{{Reader(top).read()}}}{{\partial {self._partial()}}}", "atom"
        word = _WORD.match(text, start)
        name = _NAME.match(text, start)
        if name and word and word[0] not in (*FUNCTIONS, "error") and text[start - 1 : start] != "*":
            self.at = name.end()
            return rf"\mathtt{{{name[0].replace('_', chr(92) + '_')}}}" + self._scripts(""), "text"
        if word:
            self.at = word.end()
            if word[0] in FUNCTIONS:
                return f"{FUNCTIONS[word[0]]}{self._scripts(word[0])} ", "function"
            if word[0] in INDICES or "+" in (text[start - 1 : start], text[self.at : self.at + 1]):
                return word[0], "atom"
            if text[start - 1 : start] == "*":
                return rf"\mathit{{{word[0]}}}" + self._scripts(word[0]), "atom"
            return rf"\text{{{word[0]}}}" + self._scripts(word[0]), "text"
        if self._article():
            self.at += 1
            return r"\text{a}", "text"
        return self._sign()

    def _article(self) -> bool:
        """Whether "a" stands between two words, or begins the text before one: no activation."""
        found = re.compile(r"a [A-Za-z]{2,}").match(self.text, self.at)
        return bool(found) and bool(re.search(r"(^|[A-Za-z]{2,} )$", self.text[: self.at]))

    def _partial(self) -> str:
        """What stands behind the ∂ below the line, with its scripts, or in parentheses."""
        self.at += 1
        if self.text[self.at] == "(":
            return self._group(keep=True)
        return self._term()[0]

    def _sign(self) -> tuple[str, str]:
        text, c = self.text, self.text[self.at]
        self.at += 1
        if c == "`":
            end = text.index("`", self.at)
            name, self.at = text[self.at : end], end + 1
            if not re.fullmatch(r"\w+", name):
                raise Unread(f"the code {name!r}")
            return rf"\mathtt{{{name.replace('_', chr(92) + '_')}}}", "text"
        if c == "√":
            inner = self._group() if text[self.at : self.at + 1] == "(" else self._sign()[0]
            return rf"\sqrt{{{inner}}}", "atom"
        if c in BIG:
            return BIG[c] + self._scripts(c) + " ", "big"
        if c in SIGNS:
            return self._signed(c)
        base, *marks = unicodedata.normalize("NFD", c + (text[self.at : self.at + 1] if self._marked() else ""))
        if marks:
            if len(marks) > 1 or marks[0] not in ACCENTS:
                raise Unread(f"the mark on {c!r}")
            self.at += self._marked()
            return rf"{ACCENTS[marks[0]]}{{{base}}}" + self._scripts(base), "atom"
        if not (c.isascii() and c.isalnum()):
            raise Unread(f"the character {c!r}")
        if c.isdigit():
            more = re.compile(r"[0-9]*(\.[0-9]+)?").match(text, self.at)
            c, self.at = c + more[0], more.end()
        return self._signed(c)

    def _signed(self, c: str) -> tuple[str, str]:
        if (
            c == "−"
            and self.text[self.at : self.at + 1] != " "
            and self.text[: self.at - 1][-1:] in ("", " ", "(", "[")
        ):
            return "{-}", "atom"  # the sign of what follows
        if c == "*":
            return "{*}", "open"  # what follows is several sizes
        return _symbol(c) + self._scripts(c), KINDS.get(c, "atom")

    def _marked(self) -> bool:
        return self.text[self.at : self.at + 1] in {*ACCENTS}

    def _scripts(self, base: str) -> str:
        """What is raised and lowered behind a piece, in the text's order."""
        out, text = "", self.text
        while self.at < len(text):
            c = text[self.at]
            if c in RAISED or c in LOWERED:
                row = RAISED if c in RAISED else LOWERED
                end = self.at
                while end < len(text) and text[end] in row:
                    end += 1
                inner = "".join(_symbol(row[sign]) for sign in text[self.at : end])
                out, self.at = f"{out}{'^' if row is RAISED else '_'}{{{inner}}}", end
            elif c in "^_" and self.at + 1 < len(text):
                self.at += 1
                out += f"{c}{{{self._script(base, c)}}}"
            else:
                break
        return out

    def _script(self, base: str, mark: str) -> str:
        """What belongs to a ^ or _: a group in brackets, or what stands there without a space."""
        text, start = self.text, self.at
        if text[start] == "{":
            return self._group()
        if text[start] in "([":
            groups = ""
            single = mark == "^" or base == "‖"
            while self.at < len(text) and text[self.at] == "(":
                groups += self._group(keep=not single)
                if single:
                    break
            return groups
        inner = ""
        if mark == "^":
            if text[start] in "−-":
                self.at, inner = start + 1, "-"
            if text[self.at] in "|⌊":
                end = text.index("|" if text[self.at] == "|" else "⌋", self.at + 1)
                piece, self.at = text[self.at : end + 1], end + 1
                return inner + Reader(piece).read()
            piece = re.compile(r"[0-9]*[A-Za-z\u0370-\u03ff]*").match(text, self.at)
            if not piece[0]:
                raise Unread(f"what is raised at {text[start:]!r}")
            self.at = piece.end()
            return inner + _symbol(piece[0]) + (self._scripts(piece[0]) if base == "e" else "")
        while self.at < len(text) and ((found := _INDEX.match(text, self.at)) or text[self.at] == "⌊"):
            if text[self.at] in RAISED or text[self.at] in LOWERED:
                break
            if found is None:
                end = text.index("⌋", self.at) + 1
                inner, self.at = inner + Reader(text[self.at : end]).read(), end
            elif found[0] == "/":
                break
            else:
                inner, self.at = inner + _symbol(found[0]), self.at + 1
        if base == "error" and text[self.at : self.at + 1] == "'":
            inner, self.at = f"{inner}'", self.at + 1
        if not inner:
            raise Unread(f"what is lowered at {text[start:]!r}")
        return inner

    def _group(self, keep: bool = False) -> str:
        """What stands in brackets, which are kept if asked."""
        opening = self.text[self.at]
        depth, end = 0, self.at
        while end < len(self.text):
            depth += (self.text[end] == opening) - (self.text[end] == _CLOSING[opening])
            if depth == 0:
                break
            end += 1
        if depth:
            raise Unread(f"{opening!r} without its other half")
        inner = Reader(self.text[self.at + 1 : end]).read()
        self.at = end + 1
        return f"{opening}{inner}{_CLOSING[opening]}" if keep else inner


def joined(terms: Iterable[tuple[str, str, bool]]) -> str:
    """Terms with the space that belongs between them."""
    out, before = "", ""
    for code, kind, spaced in terms:
        out, before = out + (_gap(before, kind, spaced) if out else "") + code, kind
    return re.sub(r"\\text\{[^{}]*\}(\\ \\text\{[^{}]*\})+", lambda run: run[0].replace(r"}\ \text{", " "), out)


def normal(text: str) -> str:
    """The text as it is read."""
    return unicodedata.normalize("NFC", text.strip()).replace("->", "→")


def _symbol(text: str) -> str:
    code = "".join(SYMBOLS.get(c, c) for c in text)
    return f"{code} " if re.search(r"\\[A-Za-z]+$", code) else code


def _gap(before: str, after: str, spaced: bool) -> str:
    """The space between two pieces: signs bring their own, words have one, letters side by side a thin one."""
    if not spaced:
        return "" if before != "function" or after == "open" else r"\,"
    if before == "comma" or ("text" in (before, after) and "sign" not in (before, after)):
        return r"\ "
    if "sign" in (before, after) or before in ("open", "big", "function") or after in ("close", "comma"):
        return ""
    return r"\ " if after == "open" and before == "atom" else r"\,"
