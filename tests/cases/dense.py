"""Rows of fully connected neurons."""

import math

import numpy as np

from minigraph.layers import Dense

from .activation import MIXED, MIXED_SIGMA, PAIR, SIGMA
from .case import Case, Refused


def dense(*functions):
    """Neurons j with functions[j] each, or all with the only one, along the last axis."""

    def reference(given, a):
        w = given.w.tolist()
        b = given.b.tolist() if hasattr(given, "b") else [0.0] * len(w)
        f = functions * len(w) if len(functions) == 1 else functions
        out = np.empty((*a.shape[:-1], len(w)))
        for i in np.ndindex(out.shape[:-1]):
            z = [math.fsum(wjk * ak for wjk, ak in zip(wj, a[i].tolist(), strict=True)) for wj in w]
            out[i] = [f[j](zj + b[j]) for j, zj in enumerate(z)]
        return out

    return reference


def linear(torch, given, a):
    return torch.nn.functional.linear(a, given.w, getattr(given, "b", None))


NO_VECTOR = (
    Refused(((),), "takes vectors", "got single numbers"),
    Refused(((3,), (3,)), "takes 1 input", "got 2"),
)

BY_NAME = [Case(f"Dense-{name}", lambda name=name: Dense(3, name), ((4,),), dense(f)) for name, f in SIGMA.items()]

# fmt: off
CASES = [
    *BY_NAME,
    Case("Dense", lambda: Dense(3), ((4,),), dense(SIGMA["identity"]), refuses=NO_VECTOR, torch=linear),
    Case("Dense-no-bias", lambda: Dense(3, "tanh", bias=False), ((4,),), dense(SIGMA["tanh"])),
    Case("Dense-pair", lambda: Dense(2, PAIR, weights="normal", biases="normal"), ((3,),), dense(math.sin)),
    Case("Dense-per-neuron", lambda: Dense(5, MIXED), ((3,),), dense(*MIXED_SIGMA)),
    Case("Dense-sequence", lambda: Dense(3, "tanh", biases="normal"), ((5, 4),), dense(SIGMA["tanh"]),
         torch=lambda torch, given, a: torch.tanh(linear(torch, given, a))),
    Case("Dense-image", lambda: Dense(2, bias=False), ((2, 1, 3),), dense(SIGMA["identity"]), torch=linear),
    Case("Dense-1", lambda: Dense(1, "sigmoid"), ((1,),), dense(SIGMA["sigmoid"])),
]
