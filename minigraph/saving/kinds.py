"""What files may name: classes and functions of minigraph's, ufuncs of numpy's, and what is registered."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import is_dataclass
from functools import cache
from typing import Any

import numpy as np

from .. import activations, costs, initializers, layers, schedules
from ..errors import FileError, GraphError
from ..registry import found, name_of


@cache
def built_in() -> dict[str, Any]:
    """The classes and functions that files may name, by name: just these, and those that are registered."""
    kinds: dict[str, Any] = {}
    for module in (layers, costs):
        kinds.update((name, getattr(module, name)) for name in module.__all__ if name not in _BASES)
    for prefix, module in (("activations", activations), ("schedules", schedules)):
        classes = {name: thing for name, thing in vars(module).items() if isinstance(thing, type)}
        kinds.update((f"{prefix}.{name}", thing) for name, thing in classes.items() if is_dataclass(thing))
    kinds["initializers.Scaled"] = initializers.Scaled
    kinds.update((f"initializers.{name}", f) for name, f in initializers.NAMED.items() if not is_dataclass(f))
    ufuncs = [
        f for f in vars(np).values() if isinstance(f, np.ufunc) and f.nin == f.nout == 1 and _FLOATS & set(f.types)
    ]
    kinds.update((f"numpy.{f.__name__}", f) for f in ufuncs)
    return kinds


def built_in_of(kind: type) -> bool:
    """Whether a class is one of minigraph's, or derived from one that files may name."""
    return not built_in_classes().isdisjoint(kind.__mro__)


@cache
def built_in_classes() -> frozenset[Any]:
    """The classes among them."""
    return frozenset(thing for thing in built_in().values() if isinstance(thing, type))


_FLOATS = {"d->d", "d->?"}
_BASES = {"Cell", "Cost", "Layer", "Neurons", "Penalty", "Recurrent", "Split"}
"""What is no layer that could compute."""


REGISTERED = "registered."
"""What stands before the names of registered things, so that they may be those of minigraph's own."""


@cache
def _names() -> dict[Any, str]:
    return {thing: name for name, thing in built_in().items()}


def kind_of(thing: Any, what: str) -> str:
    """The name that a file gives to a class or a function; raises GraphError, which says how to register it."""
    name, own = _names().get(thing) if isinstance(thing, Hashable) else None, name_of(thing)
    if name is not None:
        return name
    if own is not None:
        return f"{REGISTERED}{own}"
    called = getattr(thing, "__name__", "")
    said, call = (called, called) if called.isidentifier() else (called or "it", "function, name='…'")
    if found(called) is not None:
        raise GraphError(
            f"{what} can't be saved, as another {called} is registered: build it with that one, or name it"
        )
    raise GraphError(
        f"{what} can't be saved before {said} is registered, by which name files know it: mg.register({call})"
    )


def named(name: Any, what: str) -> Any:
    """What a file means by a name; raises FileError, which says how to register it."""
    own = name.removeprefix(REGISTERED) if isinstance(name, str) and name.startswith(REGISTERED) else None
    thing = built_in().get(name) if own is None and isinstance(name, str) else found(str(own))
    if thing is None:
        register = (
            f": register it before loading, mg.register({own}); on the command line, --import the module that does"
        )
        remedy = "" if own is None else register
        raise FileError(f"{what} {name if own is None else own!r} is not known here{remedy}")
    return thing
