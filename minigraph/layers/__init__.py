"""The layers, one module a family."""

from ..layer import Input, Layer, Neurons
from . import operators
from .activation import Activation, Function, LogSoftmax, PReLU, Softmax
from .affine import Bias, Scale
from .attention import MultiHeadAttention, ScaledDotProductAttention
from .cells import GRUCell, LSTMCell, RNNCell
from .conv import Conv1D, Conv2D, ConvTranspose2D
from .dense import Dense
from .elementwise import Abs, Exp, Log, Negative, Power, Sin, Sqrt, Square
from .embedding import Embedding, PositionalEncoding
from .merge import Add, Concat, Divide, MatMul, Multiply, Stack, Subtract
from .noise import Dropout, GaussianNoise
from .norm import BatchNorm, GroupNorm, LayerNorm, RMSNorm
from .pool import AdaptiveAvgPool2D, AvgPool2D, GlobalAvgPool, MaxPool2D
from .recurrent import GRU, LSTM, RNN, Recurrent
from .reduce import Max, Mean, Sum
from .resize import Pad, UpSample2D
from .shape import Broadcast, ExpandDims, Flatten, Identity, Reshape, Squeeze, StopGradient, Transpose
from .slicing import Slice, Split
from .steps import Cell

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Abs",
    "Activation",
    "AdaptiveAvgPool2D",
    "Add",
    "AvgPool2D",
    "BatchNorm",
    "Bias",
    "Broadcast",
    "Cell",
    "Concat",
    "Conv1D",
    "Conv2D",
    "ConvTranspose2D",
    "Dense",
    "Divide",
    "Dropout",
    "Embedding",
    "Exp",
    "ExpandDims",
    "Flatten",
    "Function",
    "GRUCell",
    "GaussianNoise",
    "GlobalAvgPool",
    "GroupNorm",
    "Identity",
    "Input",
    "LSTMCell",
    "Layer",
    "LayerNorm",
    "Log",
    "LogSoftmax",
    "MatMul",
    "Max",
    "MaxPool2D",
    "Mean",
    "MultiHeadAttention",
    "Multiply",
    "Negative",
    "Neurons",
    "PReLU",
    "Pad",
    "PositionalEncoding",
    "Power",
    "RMSNorm",
    "RNNCell",
    "Recurrent",
    "Reshape",
    "Scale",
    "ScaledDotProductAttention",
    "Sin",
    "Slice",
    "Softmax",
    "Split",
    "Sqrt",
    "Square",
    "Squeeze",
    "Stack",
    "StopGradient",
    "Subtract",
    "Sum",
    "Transpose",
    "UpSample2D",
]

operators.install()
