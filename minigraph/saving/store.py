"""Saving graphs and loading them: one file with the wiring and the weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

from ..errors import FileError, MinigraphError
from ..graph import Graph
from .files import WIRING, File, short, write
from .wiring import built, described

T = TypeVar("T")


def save(graph: Graph, path: str | Path) -> Path:
    """Write a graph into a file, as `Graph.save` says."""
    wiring, writer = described(graph)
    return write(path, writer.tensors, {WIRING: wiring})


def load(path: str | Path) -> Graph:
    """Load a graph that `g.save` wrote: architecture, weights, running statistics, names, blocks, seeds.

    It computes what the saved one computes, bit for bit, and so do its gradients, later runs with noise among them.
    Classes and functions are looked up among minigraph's own and those registered with `mg.register`; a file never
    makes Python import or run anything. Nothing is allocated that isn't in the file. Raises FileError for a file that
    is damaged, of a newer version, or of another kind, and OSError where there is none, or none that can be read.
    """
    file = File(path)
    return reading(file, lambda: built(file.text(WIRING), file))


def reading(file: File, make: Callable[[], T]) -> T:
    """What a function makes of a file; whatever in the file it stumbles over is a FileError that names the file."""
    try:
        return make()
    except MinigraphError as fault:
        said, cause = str(fault), cast(Exception, fault)
    except OSError:
        raise
    except Exception as fault:
        said = f"it lacks {fault}" if isinstance(fault, KeyError) else f"{type(fault).__name__}: {fault}"
        cause = fault
    raise FileError(f"{str(file.path)!r} can't be loaded: {short(said)}") from cause
