"""Fully connected neurons."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..activations import Spec, resolve
from ..errors import GraphError, ShapeError
from ..initializers import Initializer
from ..layer import Neurons
from ..numbers import is_whole
from ..param import Array, Param, Shape
from ..record import Record


@dataclass(eq=False)
class Dense(Neurons):
    """Fully connected neurons.

        z = a wᵀ + b,   output σ(z)          a (m, k)   w (n, k)   b (n,)   z (m, n)
        δ = error ⊙ σ'(z)                    BP1, BP2
        ∂C/∂b = Σ_x δ,   ∂C/∂w = δᵀ a        BP3, BP4
        error to the input = δ w             BP2

    `units` is n. `activation` is a name, an activation object, a pair (f, slope) of functions of z, or a list with
    one of these for each neuron. `w` starts as `weights` says, `b` as `biases` says; `bias=False` leaves b out.
    """

    units: int
    activation: Spec = "identity"
    bias: bool = True
    weights: str | Initializer = "glorot_uniform"
    biases: str | Initializer = "zeros"
    w: Param = field(init=False, repr=False)
    b: Param | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not is_whole(self.units) or self.units < 1:
            raise GraphError(f"Dense takes a positive whole number of units, got {self.units!r}")
        self.sigma = resolve(self.activation, int(self.units), "Dense")

    def build(self, shape: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples (k,) -> (n,)."""
        if len(shape) != 1:
            raise ShapeError(f"takes vectors, got samples of shape {shape}: put Flatten() before it")
        self.w = self.param("w", (self.units, shape[0]), self.weights, rng=rng, dtype=dtype)
        self.b = self.param("b", (self.units,), self.biases, rng=rng, dtype=dtype) if self.bias else None
        return (self.units,)

    def weigh(self, at: Record, a: Array) -> Array:
        """z = a wᵀ + b."""
        z: Array = np.dot(a, self.w.value.T, out=at.z)
        if self.b is not None:
            np.add(z, self.b.value, out=z)
        return z

    def backward(self, at: Record, error: Array) -> Array | None:
        """δ from the error (BP1, BP2), the Params' gradients from δ (BP3, BP4), the input's error from δ (BP2)."""
        delta = at.delta = self.sigma.backward(error, at.z, at.a, out=at.delta)
        if not self.frozen:
            if self.b is not None:
                at.grad[self.b] = np.dot(at.ones, delta, out=at.grad.get(self.b))
            at.grad[self.w] = np.dot(delta.T, at.inputs[0], out=at.grad.get(self.w))
        if at.needs[0]:
            at.sent = np.dot(delta, self.w.value, out=at.sent)
            return at.sent
        return None
