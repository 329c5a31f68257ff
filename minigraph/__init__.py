"""Backpropagation on any architecture: explicit, checked, visible and fast."""

from . import activations, blocks, costs, datasets, errors, initializers, layers, metrics, optimizers, schedules
from .check import check
from .gradient_history import GradientHistory
from .graph import Graph, Sequential
from .history import History, Score
from .layer import Layer, Neurons, Node
from .optimizers import SGD, AdaGrad, Adam, AdamW, RMSprop
from .param import Param
from .record import Record
from .render.picture import Picture
from .render.style import Look, Style
from .render.themes import style
from .render.view import View
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
    "metrics",
    "optimizers",
    "predict",
    "schedules",
    "style",
]
