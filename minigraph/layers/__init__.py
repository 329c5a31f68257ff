"""The layers, one module a family."""

from ..layer import Input, Layer, Neurons
from .activation import Activation, Softmax
from .dense import Dense
from .merge import Add, Concat, Multiply, Subtract
from .noise import Dropout
from .shape import Flatten, Identity, Reshape, StopGradient

__all__ = [
    "Activation",
    "Add",
    "Concat",
    "Dense",
    "Dropout",
    "Flatten",
    "Identity",
    "Input",
    "Layer",
    "Multiply",
    "Neurons",
    "Reshape",
    "Softmax",
    "StopGradient",
    "Subtract",
]
