"""Equations in pieces, so that their lines end where a narrow page ends."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from reference_maths import Reader, joined, normal, tex

PROSE = 3
"""So many words side by side are set as prose."""

_PLAIN = re.compile(r"\\text\{([^{}]*)\}")


@dataclass(frozen=True)
class Piece:
    """A part of an equation behind which a line may end: TeX, or words in prose."""

    text: str
    is_words: bool = False


def pieces(text: str) -> list[Piece]:
    """One equation in parts: words side by side are prose, and a comma outside of parentheses ends a part."""
    tex(text)  # raises what there is to raise
    found: list[tuple[bool, list[tuple[str, str, bool]]]] = []
    depth, ended = 0, True
    for term in Reader(normal(text)).terms():
        depth += (term[1] == "open") - (term[1] == "close")
        is_word = depth == 0 and bool(_PLAIN.fullmatch(term[0]))
        if ended or is_word != found[-1][0]:
            found.append((is_word, []))
        found[-1][1].append(term)
        ended = depth == 0 and term[0] == ","
    parts: list[Piece] = []
    for is_word, terms in _lone_words_joined(found):
        words = " ".join(_PLAIN.fullmatch(code)[1] for code, *_ in terms) if is_word else ""
        if parts and parts[-1].is_words and not is_word and terms[0][0] in (",", ";", ":", "."):
            parts[-1] = Piece(parts[-1].text + terms[0][0], True)
            terms = terms[1:]
        if terms:
            parts.append(Piece(words, True) if is_word else Piece(joined(terms)))
    return parts


def _lone_words_joined(found: Iterable[tuple[bool, Any]]) -> list[tuple[bool, Any]]:
    """A single word is no prose: it joins the formula that it stands in, unless that ended with a comma."""
    out: list[tuple[bool, Any]] = []
    for is_word, terms in found:
        is_word = is_word and len(terms) >= PROSE
        if out and not is_word and not out[-1][0] and out[-1][1][-1][0] != ",":
            out[-1] = (False, [*out[-1][1], *terms])
        else:
            out.append((is_word, [*terms]))
    return out
