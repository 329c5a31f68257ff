"""Backpropagation on any architecture: explicit, checked, visible and fast."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import activations, blocks, costs, errors, initializers, layers, metrics, optimizers, schedules
from .check import check
from .graph import Graph, Sequential
from .history import History, Score
from .layer import Layer, Neurons, Node
from .optimizers import SGD, AdaGrad, Adam, AdamW, RMSprop
from .param import Param
from .record import Record
from .registry import register
from .run import Run
from .stopping import EarlyStopping
from .train import fit, predict
from .trainer import Epoch, epochs, evaluate
from .wiring import Edge

if TYPE_CHECKING:
    from . import datasets
    from .gradient_history import GradientHistory
    from .render.picture import Picture
    from .render.style import Look, Style
    from .render.themes import style
    from .render.view import View
    from .saving import load

_LATER = {
    "GradientHistory": ".gradient_history",
    "Look": ".render.style",
    "Picture": ".render.picture",
    "Style": ".render.style",
    "View": ".render.view",
    "datasets": ".datasets",
    "load": ".saving",
    "style": ".render.themes",
}
"""What is imported at its first use: together it takes as long as all the rest."""

__all__ = [
    "SGD",
    "AdaGrad",
    "Adam",
    "AdamW",
    "EarlyStopping",
    "Edge",
    "Epoch",
    "GradientHistory",
    "Graph",
    "History",
    "Layer",
    "Look",
    "Neurons",
    "Node",
    "Param",
    "Picture",
    "RMSprop",
    "Record",
    "Run",
    "Score",
    "Sequential",
    "Style",
    "View",
    "activations",
    "blocks",
    "check",
    "costs",
    "datasets",
    "epochs",
    "errors",
    "evaluate",
    "fit",
    "initializers",
    "layers",
    "load",
    "metrics",
    "optimizers",
    "predict",
    "register",
    "schedules",
    "style",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version(__name__)
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(_LATER[name], __name__)
    value = globals()[name] = getattr(module, name, module)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
