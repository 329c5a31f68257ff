"""What of minigraph is public: every name with its group, its page, its signature and its docstring."""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import pairwise
from types import ModuleType
from typing import Any

from reference_groups import GROUPS, Group


@dataclass(frozen=True)
class Entry:
    """A public name: what it is called, what it is, and the page it stands on."""

    name: str
    """As it is imported, such as minigraph.layers.Dense; of what calls return, the class's own name."""
    thing: Any = field(compare=False, repr=False)
    page: str
    aliases: tuple[str, ...] = ()

    @property
    def short(self) -> str:
        """The name without its module."""
        return self.name.rpartition(".")[2]

    @property
    def module(self) -> str:
        """Where it is imported from."""
        return self.name.rpartition(".")[0]

    @property
    def kind(self) -> str:
        """A class, exception, function or data."""
        if inspect.isclass(self.thing):
            return "exception" if issubclass(self.thing, BaseException) else "class"
        return "function" if inspect.isroutine(self.thing) else "data"

    @cached_property
    def doc(self) -> str:
        """Its own docstring; of data, what stands beneath the assignment, or the docstring of its class."""
        if self.kind != "data":
            own = vars(self.thing).get("__doc__") if inspect.isclass(self.thing) else self.thing.__doc__
            return inspect.cleandoc(own or "")
        parts = [m for name, m in sorted(sys.modules.items()) if f"{name}.".startswith(f"{self.module}.")]
        beneath = next((found[self.short] for m in parts if self.short in (found := documented(m))), "")
        kind = type(self.thing)
        if not beneath and kind in {entry.thing for entry in entries().values() if inspect.isclass(entry.thing)}:
            return f'`{self.thing!r}`, as it goes by the name `"{self.short}"`.'
        return beneath

    @cached_property
    def signature(self) -> str:
        """What it is called with, as text; nothing for data."""
        return "" if self.kind == "data" else signature(self.thing)

    @cached_property
    def source(self) -> str:
        """The file that it stands in, such as minigraph/layers/dense.py."""
        module = getattr(self.thing, "__module__", None) or self.module
        if self.kind == "data":
            module = self.module
        path = inspect.getsourcefile(importlib.import_module(module)) or ""
        return path[path.rindex("minigraph/") :] if "minigraph/" in path else ""

    @cached_property
    def members(self) -> tuple[Member, ...]:
        """Public methods, properties and documented attributes; those of public bases stand there."""
        return tuple(_members(self.thing)) if inspect.isclass(self.thing) else ()


@dataclass(frozen=True)
class Member:
    """A method, property or attribute of a class."""

    name: str
    kind: str
    signature: str
    doc: str


def entries() -> dict[str, Entry]:
    """All entries by name, in the order of their groups."""
    return _entries()


@cache
def _entries() -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    by_thing: dict[int, str] = {}
    for group in GROUPS:
        if group.missing():
            continue
        for short, thing in group.members(public):
            name = f"{group.module}.{short}" if group.module else short
            page = f"{group.page}/{short}" if group.has_pages(short) else group.page
            first = by_thing.setdefault(id(thing), name) if inspect.isclass(thing) or inspect.isroutine(thing) else name
            if name in found:
                continue
            if first == name:
                found[name] = Entry(name, thing, page)
            else:
                there = found[first]
                found[first] = Entry(first, thing, there.page, (*there.aliases, name))
    return found


def groups() -> list[tuple[Group, list[Entry]]]:
    """Each group that is there, with its entries."""
    return [(group, _of(group)) for group in GROUPS if not group.missing()]


def _of(group: Group) -> list[Entry]:
    """A group's entries: by families where it has any, and data last."""
    there = [entry for entry in entries().values() if entry.page.split("/")[0] == group.page]
    folder = group.module.replace(".", "/")
    order = {f"{folder}/{file}.py": place for place, file in enumerate(group.families)}
    return sorted(there, key=lambda entry: (entry.kind == "data", order.get(entry.source, len(order))))


def public(module: ModuleType) -> list[str]:
    """A module's public names: its `__all__`, else what it defines itself, in the order of the file."""
    if hasattr(module, "__all__"):
        return [name for name in module.__all__ if not inspect.ismodule(getattr(module, name))]
    names: list[str] = []
    for node in _tree(module):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            names.append(node.name)
        else:
            names += _assigned(node)
    return [name for name in dict.fromkeys(names) if not name.startswith("_")]


@cache
def documented(thing: Any) -> dict[str, str]:
    """The attributes of a class or module that have a string beneath their assignment, with that string."""
    body = _tree(thing if inspect.ismodule(thing) else sys.modules[thing.__module__])
    if inspect.isclass(thing):
        body = next((node.body for node in body if isinstance(node, ast.ClassDef) and node.name == thing.__name__), [])
    found = {}
    for node, below in pairwise(body):
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str):
            found.update(dict.fromkeys(_assigned(node), inspect.cleandoc(below.value.value)))
    return found


@cache
def _tree(module: ModuleType) -> list[ast.stmt]:
    return ast.parse(inspect.getsource(module)).body


def _assigned(node: ast.stmt) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    names = [part for target in targets for part in (target.elts if isinstance(target, ast.Tuple) else [target])]
    return [name.id for name in names if isinstance(name, ast.Name)]


def _members(kind: type) -> Iterator[Member]:
    theirs = {entry.thing for entry in entries().values() if inspect.isclass(entry.thing)} - {kind}
    seen: set[str] = set()
    for base in kind.__mro__:
        if not base.__module__.startswith("minigraph") or base in theirs:
            continue
        attributes = documented(base)
        for name in dict.fromkeys([*attributes, *vars(base)]):
            value = vars(base).get(name)
            if name.startswith("_") or name in seen:
                continue
            seen.add(name)
            if name in attributes:
                yield Member(name, "attribute", "", attributes[name])
            elif isinstance(value, (property, cached_property)):
                yield Member(name, "property", "", inspect.getdoc(value) or "")
            elif isinstance(value, (staticmethod, classmethod)) or inspect.isfunction(value):
                yield Member(name, "method", signature(getattr(kind, name), bound=True), _doc_of(kind, name))


def _doc_of(kind: type, name: str) -> str:
    return inspect.getdoc(getattr(kind, name)) or ""


def signature(thing: Callable[..., Any], bound: bool = False) -> str:
    """Parameters with their types and defaults, and what is returned, as they are written."""
    try:
        found = inspect.signature(thing)
    except ValueError:  # built in C, as exceptions are
        return ""
    if getattr(thing, "_is_protocol", False):
        return ""
    parameters = list(found.parameters.values())
    if bound and parameters and parameters[0].name == "self":
        parameters = parameters[1:]
    shown, starred = [], False
    for p in parameters:
        if p.kind is p.KEYWORD_ONLY and not starred:
            shown.append("*")
        starred |= p.kind in (p.KEYWORD_ONLY, p.VAR_POSITIONAL)
        shown.append(_parameter(p))
    positional = [i for i, p in enumerate(parameters) if p.kind is p.POSITIONAL_ONLY]
    if positional:
        shown.insert(positional[-1] + 1, "/")
    returns = "" if found.return_annotation in (found.empty, None, "None") else f" -> {_type(found.return_annotation)}"
    return f"({', '.join(shown)}){'' if inspect.isclass(thing) else returns}"


def _parameter(p: inspect.Parameter) -> str:
    stars = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
    text = f"{stars}{p.name}" + ("" if p.annotation is p.empty else f": {_type(p.annotation)}")
    if p.default is p.empty:
        return text
    plain = isinstance(p.default, (str, int, float, tuple, type(None)))
    value = repr(p.default) if plain else "..."  # others show an address, or are made anew by each call
    return f"{text} = {value}"


def _type(annotation: Any) -> str:
    if isinstance(annotation, str):
        return annotation.strip("'\"") if annotation[:1] == annotation[-1:] else annotation
    return getattr(annotation, "__forward_arg__", None) or inspect.formatannotation(annotation)
