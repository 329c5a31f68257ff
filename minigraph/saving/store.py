"""Saving graphs and loading them: one file with the wiring and the weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from ..errors import FileError, MinigraphError
from ..graph import Graph
from .files import File, short, write
from .wiring import built, described

WIRING = "minigraph"
"""The key of the wiring in a file's metadata."""

T = TypeVar("T")


def save(graph: Graph, path: str | Path) -> Path:
    """Write a graph into a file, as `Graph.save` says."""
    wiring, writer = described(graph)
    return write(path, writer.tensors, {WIRING: json.dumps(wiring, separators=(",", ":"))})


def load(path: str | Path) -> Graph:
    """Load a graph that `g.save` wrote: architecture, weights, running statistics, names, blocks, seeds.

    It computes what the saved one computes, bit for bit, and so do its gradients, later runs with noise among them.
    Classes and functions are looked up among minigraph's own and those registered with `mg.register`; a file never
    makes Python import or run anything. Nothing is allocated that isn't in the file. Raises FileError for what is
    damaged, of a newer version, or no such file, and OSError where it can't be read.
    """
    file = File(path)
    return reading(file, lambda: built(text_of(file), file))


def text_of(file: File, key: str = WIRING) -> Any:
    """A text of a file's metadata, as the JSON that it is; raises FileError where there is none."""
    if key not in file.metadata:
        raise FileError(f"it has no {key!r} in its metadata: weights alone go into a graph, g.load_weights(path)")
    return json.loads(file.metadata[key], parse_constant=_refuse)


def _refuse(constant: str) -> Any:
    raise FileError(f"it has the number {constant}")


def reading(file: File, make: Callable[[], T]) -> T:
    """What a function makes of a file; whatever in the file it stumbles over is a FileError that names the file."""
    try:
        return make()
    except MinigraphError as fault:
        said, cause = str(fault), cast(Exception, fault)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as fault:
        said = f"it lacks {fault}" if isinstance(fault, KeyError) else f"{type(fault).__name__}: {fault}"
        cause = fault
    raise FileError(f"{str(file.path)!r} can't be loaded: {short(said)}") from cause
