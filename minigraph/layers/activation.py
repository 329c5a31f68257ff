"""Activations as layers of their own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import activations
from ..errors import ShapeError
from ..layer import Layer
from ..param import Array, Shape
from ..record import Record


@dataclass(eq=False)
class Activation(Layer):
    """An elementwise function of its input.

        a = σ(x)                             x, a (m, *shape)
        error to the input = error ⊙ σ'(x)

    `kind` is what `Dense` takes as `activation`; a list has one for each element of the last axis.
    """

    kind: activations.Spec
    sigma: activations.Activation = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.sigma = activations.resolve(self.kind, taker="Activation")

    def build(self, shape: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples of any shape, which stays."""
        if isinstance(self.sigma, activations.PerNeuron) and shape[-1:] != (len(self.sigma.kinds),):
            raise ShapeError(f"has {len(self.sigma.kinds)} activations, got samples of shape {shape}")
        return shape

    def forward(self, at: Record, x: Array) -> Array:
        """a = σ(x)."""
        at.a = self.sigma(x, out=at.a)
        return at.a

    def backward(self, at: Record, error: Array) -> Array:
        """error ⊙ σ'(x)."""
        at.sent = self.sigma.backward(error, at.inputs[0], at.a, out=at.sent)
        return at.sent

    def describe(self) -> str:
        """The activation's name."""
        return f"Activation {self.sigma}"


@dataclass(eq=False)
class Softmax(Layer):
    """Probabilities from weighted inputs, along the last axis. Not elementwise: a_j depends on every x_k.

    a_j = e^x_j / Σ_k e^x_k                                    x, a (m, …, k)
    error to the input = a ⊙ (error − Σ_j error_j a_j) = Jᵀ · error,   J_jk = a_j (δ_jk − a_k)
    """

    def build(self, shape: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples (…, k), which stay."""
        if not shape:
            raise ShapeError("takes samples with at least one axis, got single numbers")
        return shape

    def forward(self, at: Record, x: Array) -> Array:
        """e^x / Σ e^x, shifted by the largest x so that nothing overflows."""
        at.a = np.subtract(x, x.max(axis=-1, keepdims=True), out=at.a)
        np.exp(at.a, out=at.a)
        np.divide(at.a, at.a.sum(axis=-1, keepdims=True), out=at.a)
        return at.a

    def backward(self, at: Record, error: Array) -> Array:
        """a ⊙ (error − Σ error a)."""
        at.sent = np.multiply(error, at.a, out=at.sent)
        np.subtract(error, at.sent.sum(axis=-1, keepdims=True), out=at.sent)
        np.multiply(at.sent, at.a, out=at.sent)
        return at.sent
