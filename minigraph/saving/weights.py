"""Weights for a graph that is there already."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..errors import FileError
from ..graph import Graph
from ..layer import Layer
from ..param import Array, Param
from ..record import flag
from .files import WIRING, File
from .store import reading


class Loaded(NamedTuple):
    """What didn't fit together when weights were loaded with strict=False."""

    missing: tuple[str, ...]
    """Names of Params and statistics that got nothing."""
    unknown: tuple[str, ...]
    """Names of arrays that the graph has no place for."""


class Statistic(NamedTuple):
    """Where a layer keeps a running mean or the like."""

    layer: Layer
    name: str

    @property
    def value(self) -> Array:
        """The array."""
        array: Array = getattr(self.layer, self.name)
        return array


def places(graph: Graph) -> dict[str, Param | Statistic]:
    """Where weights go, by name: Params as in `graph.params`, running statistics as "norm.mean"."""
    found: dict[str, Param | Statistic] = dict(graph.params)
    seen: set[Layer] = set()
    for node in graph.nodes:
        if node.layer not in seen:
            seen.add(node.layer)
            found.update((f"{node.name}.{name}", Statistic(node.layer, name)) for name in node.layer.statistics)
    return found


def load_weights(graph: Graph, source: str | Path | Mapping[str, ArrayLike], strict: bool = True) -> Loaded:
    """Put weights into a graph's Params, as `Graph.load_weights` says."""
    flag(strict, "strict")
    there = places(graph)
    if isinstance(source, Mapping):
        what, given = "the mapping", dict[str, Any](source)
    else:
        file = File(source)
        what, given = repr(str(file.path)), dict[str, Any](reading(file, lambda: _weights_in(file)))
    missing = tuple(name for name in there if name not in given)
    unknown = tuple(name for name in given if name not in there)
    if strict and (missing or unknown):
        lacks = f"lacks {_listed(missing)}" if missing else ""
        extra = f"has {_listed(unknown)}, which the graph hasn't" if unknown else ""
        raise FileError(
            f"{what} doesn't fit graph {graph.name!r}: it {' and '.join(filter(None, (lacks, extra)))}; "
            "strict=False passes over both"
        )
    if there and len(missing) == len(there):
        raise FileError(f"{what} has none of the names of graph {graph.name!r}, which takes {_listed(missing)}")
    taken = {name: _fitting(name, place, given[name], what, strict) for name, place in there.items() if name in given}
    before = {name: place.value.copy() for name, place in there.items() if name in taken}
    try:
        _put(there, taken)
    except BaseException:  # Ctrl-C in the middle
        _put(there, before)
        raise
    return Loaded(missing, unknown)


def _weights_in(file: File) -> dict[str, Array]:
    """All arrays of a file or, of one with a wiring, those that are weights."""
    if WIRING not in file.metadata:
        return {name: file[name] for name in file.shapes}
    wiring = file.text(WIRING)
    names = [tensor for tensor, _ in wiring["params"]]
    for layer in wiring["layers"]:
        names.extend(layer["statistics"].values())
    return {name: file[name] for name in names}


def _fitting(name: str, place: Param | Statistic, value: Any, what: str, strict: bool) -> Array:
    """The array for a place, which is neither broadcast nor rounded unasked; raises FileError where it doesn't fit."""
    there = place.value
    try:
        array = np.asarray(value)
    except ValueError as fault:
        raise FileError(f"{name!r} of {what} makes no array: {fault}") from None
    if array.dtype.kind not in "fiub" or isinstance(value, np.ma.MaskedArray):
        raise FileError(f"{name!r} takes real numbers of shape {there.shape}, got {array.dtype} from {what}")
    if array.shape != there.shape:
        hint = ": transpose it" if array.shape == there.shape[::-1] else ""
        raise FileError(f"{name!r} takes an array of shape {there.shape}, got {array.shape!s:.80} from {what}{hint}")
    if strict and array.dtype.kind == "f" and array.dtype.itemsize > there.dtype.itemsize:
        raise FileError(
            f"{name!r} is of {there.dtype}, {what} has it in {array.dtype}: strict=False rounds it, "
            f"mg.load(…).copy('float32') a whole graph"
        )
    with np.errstate(invalid="ignore", over="ignore"):
        taken = array.astype(there.dtype)
        if (np.isfinite(taken) != np.isfinite(array)).any():
            raise FileError(f"{name!r} of {what} has numbers beyond the largest of {there.dtype}")
        if array.dtype.kind != there.dtype.kind and (taken.astype(array.dtype) != array).any():
            raise FileError(f"{name!r} is of {there.dtype}, which would round what {what} has in {array.dtype}")
    return taken


def _put(there: Mapping[str, Param | Statistic], values: Mapping[str, Array]) -> None:
    for name, array in values.items():
        place = there[name]
        if isinstance(place, Param):
            place.value = array
        else:
            setattr(place.layer, place.name, array)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"{name!r:.50}" for name in names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
