"""Backpropagation on any architecture: explicit, checked, visible and fast."""

from . import activations, costs, datasets, errors, initializers, layers
from .check import check
from .graph import Graph, Sequential
from .history import History, Score
from .layer import Layer, Neurons, Node
from .optimizers import SGD
from .param import Param
from .record import Record
from .run import Run
from .train import evaluate, fit, predict
from .wiring import Edge

__all__ = [
    "SGD",
    "Edge",
    "Graph",
    "History",
    "Layer",
    "Neurons",
    "Node",
    "Param",
    "Record",
    "Run",
    "Score",
    "Sequential",
    "activations",
    "check",
    "costs",
    "datasets",
    "errors",
    "evaluate",
    "fit",
    "initializers",
    "layers",
    "predict",
]
