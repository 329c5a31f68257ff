"""Hyper-parameters as JSON: numbers and texts as they are, everything else by what it refers to."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from ..activations import PerNeuron
from ..errors import FileError, GraphError
from ..layer import Layer
from ..param import Array, Param, Transposed
from .kinds import kind_of, named


class Writer:
    """Turns values into JSON, and gathers the Params, arrays, layers and objects that they refer to."""

    def __init__(self, names: dict[Param, str]):
        self.tensors: dict[str, Array] = {}
        """What goes into the file, by name."""
        self.params: list[tuple[str, str]] = []
        """The name in the file and the Param's own."""
        self.layers: list[dict[str, Any]] = []
        self.objects: list[dict[str, Any]] = []
        self.given: list[Param] = []
        """The Params, in the order of `params`."""
        self.owners: list[Layer] = []
        """The layers, in the order of `layers`."""
        self._names = names
        self._counts: dict[str, int] = {}
        self._places: dict[Any, int] = {}
        self._alive: list[Any] = []

    def tensor(self, name: str, array: Array) -> str:
        """Put an array into the file, under that name or one that is free and like it."""
        free = name = name.encode("utf-8", "backslashreplace").decode()
        while free in self.tensors or free == "__metadata__":
            self._counts[name] = self._counts.get(name, 0) + 1
            free = f"{name}_{self._counts[name]}"
        self.tensors[free] = array
        return free

    def param(self, param: Param) -> int:
        """The number of a Param among those of the file."""
        if param not in self._places:
            self._places[param] = len(self.params)
            self.given.append(param)
            self.params.append((self.tensor(self._names.get(param, param.name), param.value), param.name))
        return self._places[param]

    def layer(self, layer: Layer, name: str) -> int:
        """The number of a layer among those of the file; `name` is what its own arrays go by."""
        if layer not in self._places:
            what = f"{type(layer).__name__} {name!r}"
            row: dict[str, Any] = {"kind": kind_of(type(layer), what), "fields": self._fields(layer, name)}
            there = {attribute: value for attribute, value in vars(layer).items() if isinstance(value, Param)}
            row["params"] = {path: self.param(param) for path, param in (layer.params | there).items()}
            row["statistics"] = {
                attribute: self.tensor(f"{name}.{attribute}", np.asarray(getattr(layer, attribute)))
                for attribute in layer.statistics
            }
            self._places[layer] = len(self.layers)
            self.owners.append(layer)
            self.layers.append(row)
        return self._places[layer]

    def value(self, value: Any, name: str) -> Any:
        """A value as JSON; raises GraphError for what a file can't hold."""
        match value:
            case None | bool() | str():
                return value
            case np.bool_() | np.number() if not isinstance(value.item(), np.generic):
                return self.value(value.item(), name)
            case int():
                return int(value)
            case float():
                return float(value) if math.isfinite(value) else {"float": repr(value)}
            case list() if type(value) is list:
                return [self.value(part, name) for part in value]
            case tuple() if type(value) is tuple:
                return {"tuple": [self.value(part, name) for part in value]}
            case dict() if type(value) is dict:
                return {"dict": [[self.value(k, name), self.value(v, self._under(name, k))] for k, v in value.items()]}
            case slice():
                return {"slice": [self.value(part, name) for part in (value.start, value.stop, value.step)]}
            case np.ndarray() if type(value) in (np.ndarray, np.memmap) and value.dtype.kind in "fiub":
                return {"array": self.tensor(name, value)}
            case Param():
                return {"param": self.param(value)}
            case Transposed():
                return {"transposed": self.param(value.param)}
            case Layer():
                return {"layer": self.layer(value, name)}
            case PerNeuron():
                return {"neurons": self.value(value.kinds, name), "axis": value.axis}
        if value is Ellipsis:
            return {"ellipsis": None}
        if is_dataclass(value) and not isinstance(value, type):
            return {"object": self._object(value, name)}
        if callable(value):
            return {"function": kind_of(value, name)}
        raise GraphError(f"{name} can't be saved: a file holds numbers, texts, arrays and lists of them, got {value!r}")

    def _under(self, name: str, key: Any) -> str:
        """What arrays go by that stand under a key."""
        inner = key if isinstance(key, str) else self._names.get(key, key.name) if isinstance(key, Param) else ""
        return f"{name}.{inner}".rstrip(".")

    def _object(self, value: Any, name: str) -> int:
        """Two neurons with one activation object have one again."""
        if id(value) not in self._places:
            row = {"kind": kind_of(type(value), name), "fields": self._fields(value, name)}
            self._places[id(value)] = len(self.objects)
            self.objects.append(row)
            self._alive.append(value)
        return self._places[id(value)]

    def _fields(self, thing: Any, name: str) -> dict[str, Any]:
        given = [field.name for field in fields(thing) if field.init]
        return {field: self.value(getattr(thing, field), f"{name}.{field}") for field in given}


class Reader:
    """Turns JSON back into values."""

    def __init__(self, tensors: Any, params: list[Param], layers: list[Layer] | None = None):
        self.tensors = tensors
        self.params = params
        self.layers = layers or []
        self.objects: list[Any] = []
        self._sizes: dict[int, int] = {}
        self._values = self._again = 0

    def make(self, objects: Any, layers: Any) -> None:
        """Make objects and layers of the rows that describe them."""
        for row in objects:
            self.objects.append(self._made(row, "object"))
        for row in layers:
            self.layers.append(self._made(row, "layer"))

    def _made(self, row: Any, what: str) -> Any:
        kind = named(row["kind"], what)
        suits = isinstance(kind, type) and is_dataclass(kind) and issubclass(kind, Layer) == (what == "layer")
        if not suits:
            raise FileError(f"{row['kind']!r} is no {what}")
        values, again = self._values, self._again
        given = {name: self.value(value) for name, value in row["fields"].items()}
        size = self._values - values
        if self._again > again and what == "object" and size > MOST_WITHIN:
            raise FileError(f"it has an object of {size:,} values within others")
        made = kind(**given)
        self._sizes[id(made)] = size
        if isinstance(made, Layer) and not isinstance(made.name, str | None):
            raise FileError(f"{type(made).__name__} takes a text as its name, got {made.name!r:.80}")
        return made

    def value(self, value: Any) -> Any:
        """The value that a piece of JSON means; raises FileError where it means nothing."""
        self._values += 1
        match value:
            case None | bool() | str() | int() | float():
                return value
            case list():
                return [self.value(part) for part in value]
            case {"float": "nan" | "inf" | "-inf" as number}:
                return float(number)
            case {"tuple": list(parts)}:
                return tuple(self.value(part) for part in parts)
            case {"dict": list(pairs)}:
                return self._dict(pairs)
            case {"slice": [start, stop, step]}:
                return slice(*map(self.value, (start, stop, step)))
            case {"array": str(name)}:
                return self.tensors[name]
            case {"param": int(place)}:
                return self.params[within(place, self.params)]
            case {"transposed": int(place)}:
                return Transposed(self.params[within(place, self.params)])
            case {"layer": int(place)}:
                return self._there(self.layers[within(place, self.layers)])
            case {"object": int(place)}:
                return self._there(self.objects[within(place, self.objects)])
            case {"neurons": kinds, "axis": int(axis)}:
                return PerNeuron(self.value(kinds), axis)
            case {"ellipsis": None}:
                return Ellipsis
            case {"function": str(name)}:
                thing = named(name, "function")
                if isinstance(thing, type):
                    raise FileError(f"{name!r} is no function")
                return thing
        raise FileError(f"it has a value that means nothing: {value!r:.80}")

    def _there(self, thing: Any) -> Any:
        """Something made before; raises FileError where things within things, each twice, come to more than can be."""
        size = self._sizes.get(id(thing), 1)
        self._values, self._again = self._values + size, self._again + size
        if self._again > MOST_AGAIN:
            raise FileError(f"what it refers to comes to more than {MOST_AGAIN:,} values")
        return thing

    def _dict(self, pairs: list[Any]) -> dict[Any, Any]:
        made = {self.value(key): self.value(value) for key, value in pairs[:MOST_ODD_KEYS]}
        for key, value in pairs[MOST_ODD_KEYS:]:
            there = self.value(key)
            if not isinstance(there, (str, Param, Layer)) and not (isinstance(there, int) and abs(there) < 2**60):
                raise FileError(f"it has a dict of more than {MOST_ODD_KEYS} keys, with {there!r:.80} among them")
            made[there] = self.value(value)
        if len(made) < len(pairs):
            raise FileError("it has a dict with two values for one key")
        return made


MOST_AGAIN = 3_000_000
"""So many values what a file refers to comes to: each of its layers refers to what is there before, time and again."""

MOST_WITHIN = 1000
"""So many values objects within an object come to: they print as often as they stand there."""

MOST_ODD_KEYS = 1000
"""Large numbers and tuples can be chosen so that all have one hash: a long dict of them would take for ever."""


def within(place: int, there: list[Any]) -> int:
    """A place in a list so far: what a file refers to comes before."""
    if not 0 <= place < len(there):
        raise FileError(f"it refers to number {place} of {len(there)}")
    return place
