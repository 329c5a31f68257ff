"""The network in a file, with the user's own layers known."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from importlib import import_module
from typing import Any

from ..errors import FileError
from ..graph import Graph
from ..saving import load


def loaded(given: Namespace) -> Graph:
    """Import the modules asked for, then load the file; raises FileError where either fails."""
    if given.modules:
        here = os.getcwd()
        sys.path.insert(0, here)
        try:
            for name in given.modules:
                _run(name)
        finally:
            if here in sys.path:
                sys.path.remove(here)
    return load(given.model)


def view(given: Namespace) -> dict[str, Any]:
    """The options of `mg.View`."""
    return {name: getattr(given, name) for name in ("fold", "depth", "detail", "direction")}


def _run(name: str) -> None:
    try:
        import_module(name)
    except (Exception, SystemExit) as fault:
        if isinstance(fault, ModuleNotFoundError) and fault.name == name:
            raise FileError(f"there is no module {name!r} to import, neither in this folder nor installed") from None
        raise FileError(f"module {name!r} can't be imported: {type(fault).__name__}: {fault}") from fault
