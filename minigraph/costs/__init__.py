"""Costs: layers whose output is C_x, one number an example, and whose average over examples is C."""

from .cost import Cost
from .entropy import BinaryCrossEntropy, BinaryCrossEntropyOnProbabilities, KLDivergence
from .margins import CosineEmbedding, Hinge, TripletMargin
from .penalties import L1, L2, Penalty
from .softmax import SoftmaxCrossEntropy
from .squares import Huber, MeanAbsoluteError, MeanSquaredError, Quadratic, SmoothL1
from .value import Value

__all__ = [
    "L1",
    "L2",
    "BinaryCrossEntropy",
    "BinaryCrossEntropyOnProbabilities",
    "CosineEmbedding",
    "Cost",
    "Hinge",
    "Huber",
    "KLDivergence",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Penalty",
    "Quadratic",
    "SmoothL1",
    "SoftmaxCrossEntropy",
    "TripletMargin",
    "Value",
]
