"""Backpropagation on any architecture: explicit, checked, visible and fast."""

from . import activations, blocks, costs, datasets, errors, initializers, layers, metrics, optimizers, schedules
from .check import check
from .graph import Graph, Sequential
from .history import History, Score
from .layer import Layer, Neurons, Node
from .optimizers import SGD, AdaGrad, Adam, AdamW, RMSprop
from .param import Param
from .record import Record
from .run import Run
from .stopping import EarlyStopping
from .train import fit, predict
from .trainer import Epoch, epochs, evaluate
from .wiring import Edge

__all__ = [
    "SGD",
    "AdaGrad",
    "Adam",
    "AdamW",
    "EarlyStopping",
    "Edge",
    "Epoch",
    "Graph",
    "History",
    "Layer",
    "Neurons",
    "Node",
    "Param",
    "RMSprop",
    "Record",
    "Run",
    "Score",
    "Sequential",
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
    "metrics",
    "optimizers",
    "predict",
    "schedules",
]
