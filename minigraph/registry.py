"""Registered classes and functions: what files may name beside what minigraph brings along."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, overload

from .errors import GraphError

T = TypeVar("T")

_registered: dict[str, Any] = {}


@overload
def register(thing: T, *, name: str | None = None) -> T: ...
@overload
def register(*, name: str) -> Callable[[T], T]: ...
def register(thing: Any = None, *, name: str | None = None) -> Any:
    """Let files name a layer, an activation or a function of one's own, and return it: also as a decorator.

        @mg.register                                        mg.register(swish)
        @dataclass(eq=False)                                mg.register(lambda z: z * z, name="square")
        class Gate(mg.Layer): ...

    `g.save` writes the name, and `mg.load` takes what is registered under it then: a file never makes Python import
    or run anything. Classes are dataclasses, as they are made anew from their fields. The name is the class's or the
    function's own unless given. Registering a class or a function of the same name in the same module, or another
    lambda there, takes the other's place, as when a notebook's cell runs again. Raises GraphError for a name that is
    taken, for what has none, and for what is neither a class nor a function.
    """
    if thing is None and name is not None:
        return lambda thing: register(thing, name=name)
    known = getattr(thing, "__name__", None) if name is None else name
    if not callable(thing) or not isinstance(known, str):
        raise GraphError(f"mg.register takes a class or a function, got {thing!r}")
    if name is None and not known.isidentifier():
        raise GraphError(f"mg.register takes a name for what has none: mg.register({known}, name='…')")
    there = _registered.get(known)
    if there is not None and there is not thing and _home(there) != _home(thing):
        raise GraphError(f"{known!r} is registered already, for {there!r}: choose another, mg.register(…, name='…')")
    _registered[known] = thing
    return thing


def found(name: str) -> Any:
    """What is registered under a name, or None."""
    return _registered.get(name)


def name_of(thing: Any) -> str | None:
    """The name under which a class or a function is registered, or None."""
    return next((name for name, there in list(_registered.items()) if there is thing), None)


def _home(thing: Any) -> tuple[str | None, str | None]:
    return getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
