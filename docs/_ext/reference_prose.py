"""Docstrings of the house in parts: paragraphs, lists, code, and equations; `code` and names within the prose."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from reference_maths import Unread
from reference_pieces import Piece, pieces


@dataclass(frozen=True)
class Code:
    """What stands between backticks."""

    text: str


@dataclass(frozen=True)
class Link:
    """A public name, as it is written, and the full one."""

    text: str
    target: str
    is_code: bool


@dataclass(frozen=True)
class Lowered:
    """A letter with an index, h_0 or Σ_x; `text` is as it was written."""

    text: str
    letter: str
    index: str


Inline: TypeAlias = "tuple[str | Code | Link | Lowered, ...]"


@dataclass(frozen=True)
class Paragraph:
    """Prose."""

    text: Inline


@dataclass(frozen=True)
class Bullets:
    """A list of paragraphs."""

    items: tuple[Inline, ...]


@dataclass(frozen=True)
class Preformatted:
    """Lines as they are: code, and what no rule covers."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Equations:
    """Rows of columns of equations, each in pieces; and the lines that they were."""

    rows: tuple[tuple[tuple[tuple[Piece, ...], ...], ...], ...]
    lines: tuple[str, ...]


Block: TypeAlias = "Paragraph | Bullets | Preformatted | Equations"
Resolve: TypeAlias = Callable[[str], "str | None"]
"""The full name that a piece of code, or a word, means; None where it means none."""

_MATHS = re.compile("[∂δσηΣ⊙←√ᵀπγβτ∞²]|C_x|[a-z]_[a-z]")
_PYTHON = re.compile(r"\bmg\.|\bself\b|>>|\"|\b\w+=\w|\*\*|\b\w{2,}\.\w+\(")
_LEFT = re.compile(r"(no error to the input|(errors? to ((the|each) )?inputs?( \w)?|∂\S+|[^\s=]+(, [^\s=]+)*) (=|←) )")
_LOWERED = re.compile(r"(?<![\w.])([A-Za-zΣΠδεηι])_(?:([a-z0-9]{1,3})|\{([^{}]+)\})(?![\w(])")
_THEIRS_BEFORE = re.compile(r"(PyTorch's |[\w.])$")
_THEIRS_BEHIND = re.compile(r" (of|in) PyTorch")
_STATEMENT = re.compile(r"(for|with|while|if|def|class) .*[)\w]:")
"""The first line of code that isn't indented, but goes on with what is."""
_TAIL = re.compile(r"([^:`]* = [^:`]*): (\w.*)")
"""An equation, and words behind it."""
_NAME = re.compile(r"(?:[A-Z][a-z0-9]*[A-Z][A-Za-z0-9]*)(?:\.[a-z_]\w*)*")


def blocks(doc: str, resolve: Resolve = lambda name: None) -> list[Block]:
    """The parts of a docstring in order. What an equation's rules don't cover stays as its lines are."""
    found: list[Block] = []
    head = None
    for indented, lines in _parts(inspect.cleandoc(doc).split("\n")):
        if indented and head:
            found[-1] = Preformatted((head, *(f"    {line}".rstrip() for line in lines)))
        elif indented:
            found.append(_indented(lines))
        elif lines[0].startswith("- "):
            items = re.split(r"\n- ", "\n".join(lines)[2:])
            found.append(Bullets(tuple(inline(" ".join(item.split()), resolve) for item in items)))
        elif unindented := _equations_in_prose(lines):
            found.append(unindented)
        elif len(lines) == 1 and (split := _TAIL.match(lines[0])) and (begun := _equations_in_prose([split[1]])):
            found += [begun, Paragraph(inline(split[2][0].upper() + split[2][1:], resolve))]
        else:
            found.append(Paragraph(inline(" ".join(lines), resolve)))
        head = lines[0] if not indented and len(lines) == 1 and _STATEMENT.fullmatch(lines[0]) else None
    return found


def summary(doc: str, resolve: Resolve = lambda name: None) -> Inline:
    """The first paragraph, without what follows its first sentence where it is long."""
    text = " ".join(inspect.cleandoc(doc).split("\n\n")[0].split("\n"))
    text = re.sub(" {2,}", "  ", text)
    end = re.search(r"(?<=[^.…][.:]) +(?=[A-Z`])", text)
    if end and len(text) > 110:
        text = text[: end.start()].removesuffix(":")
    return inline(text, resolve)


def inline(text: str, resolve: Resolve) -> Inline:
    """Prose with its code and its names marked. A single backtick without its other half is a backtick."""
    out: list[str | Code | Link | Lowered] = []
    for i, part in enumerate(re.split(r"`([^`]+)`", text)):
        if i % 2:
            target = resolve(part)
            out.append(Link(part, target, True) if target else Code(part))
        else:
            out += [bit for named in _named(part, resolve) for bit in _lowered(named)]
    return tuple(part for part in out if part)


def plain(text: Inline) -> str:
    """What it says, backticks and all."""
    return "".join(
        p if isinstance(p, str) else f"`{p.text}`" if isinstance(p, Code) or getattr(p, "is_code", False) else p.text
        for p in text
    )


def _named(text: str, resolve: Resolve) -> Iterator[str | Link]:
    """Words in CamelCase that are public names become links."""
    end = 0
    for found in _NAME.finditer(text):
        theirs = _THEIRS_BEFORE.search(text[: found.start()]) or _THEIRS_BEHIND.match(text, found.end())
        if not theirs and (target := resolve(found[0])):
            yield text[end : found.start()]
            yield Link(found[0], target, False)
            end = found.end()
    yield text[end:]


def _lowered(part: str | Link) -> Iterator[str | Link | Lowered]:
    if isinstance(part, Link):
        yield part
        return
    end = 0
    for found in _LOWERED.finditer(part):
        yield part[end : found.start()]
        yield Lowered(found[0], found[1], found[2] or found[3])
        end = found.end()
    yield part[end:]


def _parts(lines: list[str]) -> Iterator[tuple[bool, list[str]]]:
    """Runs of lines that belong together, and whether they are indented; empty lines within indented ones are kept."""
    part: list[str] = []
    indented = False
    for i, line in enumerate(lines):
        if not line.strip():
            rest = next((later for later in lines[i:] if later.strip()), "")
            if indented and rest.startswith("    "):
                part.append("")
                continue
            if part:
                yield indented, part
            part = []
            continue
        now = line.startswith("    ")
        listed = bool(part) and not indented and part[0].startswith("- ")
        if part and (now != indented and not listed):
            yield indented, part
            part = []
        indented = indented if listed else now
        part.append(line[4:] if now and not listed else line)
    if part:
        yield indented, part


def _indented(lines: list[str]) -> Block:
    text = "\n".join(lines)
    if _PYTHON.search(text) or not (_MATHS.search(text) or _LEFT.match(text)):
        return Preformatted(tuple(lines))
    return equations(lines) or Preformatted(tuple(lines))


def _equations_in_prose(lines: list[str]) -> Equations | None:
    """Equations that aren't indented: every line begins as one does, and none ends a sentence within."""
    lines = [line.removesuffix(".") for line in lines]
    if any("`" in line or ". " in line or ": " in line for line in lines):
        return None
    if not all(_LEFT.match(line) for line in lines):
        return None
    return equations(lines)


def equations(lines: list[str]) -> Equations | None:
    """The lines as equations, if there is a rule for everything in them."""
    try:
        rows = tuple(
            tuple(
                tuple(tuple(pieces(item)) for item in re.split(r"(?<=[,;:]) {2,}| {3,}", column))
                for column in re.split(r"(?<![,;: ]) {4,}", line.strip())
            )
            for line in lines
            if line.strip()
        )
    except (Unread, ValueError):
        return None
    return Equations(rows, tuple(lines))
