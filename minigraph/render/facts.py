"""What there is to say of a layer in a drawing: its hyper-parameters."""

from __future__ import annotations

from dataclasses import MISSING, Field, fields
from typing import Any

import numpy as np

from ..layer import Layer
from ..numbers import is_real
from ..param import Param

INITIAL = {"name", "frozen", "weights", "biases", "recurrent", "recurrent_biases"}
"""What a layer starts as, rather than what it is."""
SAID = {
    *("units", "filters", "shape", "activation", "kind", "kernel_size", "pool_size", "output_size", "heads", "groups"),
    *(
        "index",
        "causal",
        "reverse",
        "exponent",
        "size",
        "of",
        "f",
        "slope",
        "channels",
        "axes",
        "rate",
        "std",
        "factors",
    ),
    "strength",
}
"""What a box says anyway: by its shapes, or by `describe()`."""


def hyper_parameters(layer: Layer) -> dict[str, Any]:
    """What a layer was made with, by name, in hashable form: without Params, initial values and running statistics.

    Of a layer that isn't minigraph's own it is all that it holds.
    """
    if type(layer).__module__.partition(".")[0] == __name__.partition(".")[0]:
        values = {field.name: getattr(layer, field.name) for field in fields(layer) if field.init}
    else:
        values = dict(vars(layer))
    left_out = INITIAL | set(layer.statistics)
    return {name: _settled(value) for name, value in values.items() if name not in left_out and not _trains(value)}


def worth_saying(layer: Layer) -> list[str]:
    """The hyper-parameters that neither shapes nor `describe()` tell, where they aren't as usual: "stride 2"."""
    said = []
    for field in fields(layer):
        if not field.init or field.name in INITIAL or field.name in SAID:
            continue
        value = getattr(layer, field.name)
        if value is not None and not _is_usual(field, value):
            said.append(_in_words(field.name.replace("_", " "), value))
    return [words for words in said if words]


def _is_usual(field: Field[Any], value: Any) -> bool:
    default = field.default if field.default_factory is MISSING else field.default_factory()
    if isinstance(value, tuple) and not isinstance(default, tuple):  # one number for every axis
        return bool(value) and all(_is_usual(field, part) for part in value)
    return default is not MISSING and type(default) is type(value) and _settled(default) == _settled(value)


def _in_words(name: str, value: Any) -> str:
    """A few words for what is short enough, else nothing."""
    if isinstance(value, bool):
        return name if value else f"no {name}"
    if is_real(value):
        return f"{name} {value:g}"
    if isinstance(value, str):
        return f"{name} {value}"
    if isinstance(value, tuple) and 0 < len(value) <= 4 and all(map(is_real, value)):
        return f"{name} {'×'.join(f'{part:g}' for part in value)}"
    return ""


def _trains(value: Any) -> bool:
    return isinstance(value, (Param, Layer))


def _settled(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype.str, value.tobytes()
    if isinstance(value, (list, tuple)):
        return tuple(map(_settled, value))
    if isinstance(value, dict):
        return tuple((key, _settled(part)) for key, part in value.items())
    try:
        hash(value)
    except TypeError:
        return repr(value)
    return value
