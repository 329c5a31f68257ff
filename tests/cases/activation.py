"""Rows of activations, and each σ number by number."""

import math

import numpy as np

from minigraph.activations import LeakyReLU
from minigraph.layers import Activation, Softmax

from .case import NOT_TWO, Case, Refused, elementwise, off_kinks, shares

SIGMA = {
    "identity": lambda z: z,
    "sigmoid": lambda z: 0.5 + 0.5 * math.tanh(0.5 * z),
    "tanh": lambda z: (math.exp(2 * z) - 1) / (math.exp(2 * z) + 1),
    "relu": lambda z: z if z > 0 else 0.0,
    "leaky_relu": lambda z: z if z > 0 else z / 100,
    "softplus": lambda z: math.log(1 + math.exp(z)),
}


PAIR = (np.sin, np.cos)
MIXED = ["tanh", PAIR, "relu", "tanh", LeakyReLU(0.3)]
MIXED_SIGMA = (SIGMA["tanh"], math.sin, SIGMA["relu"], SIGMA["tanh"], lambda z: max(z, 0.3 * z))


def along_last_axis(*functions):
    """The output whose element j along the last axis is functions[j] of the input's element there."""

    def reference(given, x):
        out = np.empty(x.shape)
        for i in np.ndindex(x.shape):
            out[i] = functions[i[-1]](float(x[i]))
        return out

    return reference


def softmax(given, x):
    out = np.empty(x.shape)
    for i in np.ndindex(x.shape[:-1]):
        out[i] = shares(x[i])
    return out


BY_NAME = [
    Case(f"Activation-{name}", lambda name=name: Activation(name), ((3,),), elementwise(f), (off_kinks,))
    for name, f in SIGMA.items()
]

# fmt: off
CASES = [
    *BY_NAME,
    Case("Activation-pair", lambda: Activation(PAIR), ((2, 3),), elementwise(math.sin), refuses=(NOT_TWO,)),
    Case("Activation-number", lambda: Activation("tanh"), ((),), elementwise(SIGMA["tanh"])),
    Case("Activation-1", lambda: Activation("softplus"), ((1, 1),), elementwise(SIGMA["softplus"])),
    Case("Activation-per-neuron", lambda: Activation(MIXED), ((2, 5),), along_last_axis(*MIXED_SIGMA), (off_kinks,), (
        Refused(((5, 4),), "has 5 activations", "got samples of shape (5, 4)"),
        Refused(((),), "has 5 activations", "got samples of shape ()"),
    )),
    Case("Softmax", Softmax, ((4,),), softmax, refuses=(
        Refused(((),), "takes samples with at least one axis", "got single numbers"),
        NOT_TWO,
    )),
    Case("Softmax-3d", Softmax, ((2, 1, 3),), softmax),
    Case("Softmax-1", Softmax, ((1,),), softmax),
]
