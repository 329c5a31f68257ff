"""Fully connected neurons."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from ..activations import Spec, resolve
from ..errors import GraphError, ShapeError
from ..initializers import Initial
from ..layer import Neurons
from ..numbers import is_whole
from ..param import Array, Param, Shape, Transposed
from ..record import Record
from .flags import check_flags
from .ones import ones


@dataclass(eq=False)
class Dense(Neurons):
    """Fully connected neurons.

        z = a wᵀ + b,   output σ(z)          a (m, …, k)   w (n, k)   b (n,)   z (m, …, n)
        δ = error ⊙ σ'(z)                    BP1, BP2
        ∂C/∂b = Σ_x δ,   ∂C/∂w = δᵀ a        BP3, BP4
        error to the input = δ w             BP2

    `units` is n. Where samples have more axes than one, the neurons look along the last, and Σ_x goes over all others.
    `activation` is a name, an activation object, a pair (f, slope) of functions of z, or a list with one of these for
    each neuron. `w` starts as `weights` says, `b` as `biases` says; `bias=False` leaves b out. `weights=other.w` shares
    another layer's Param, `weights=other.w.T` shares it transposed: z = a w + b with w (k, n), ∂C/∂w = aᵀ δ. Without an
    activation it is PyTorch's Linear, weight = w and bias = b, which starts otherwise.
    """

    units: int
    activation: Spec = "identity"
    bias: bool = True
    weights: Initial | Transposed = "glorot_uniform"
    biases: Initial = "zeros"
    w: Param = field(init=False, repr=False)
    b: Param | None = field(init=False, repr=False)

    steady: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not is_whole(self.units) or self.units < 1:
            raise GraphError(f"Dense takes a positive whole number of units, got {self.units!r}")
        check_flags(self, "bias")
        self.sigma = resolve(self.activation, int(self.units), "Dense")

    def build(self, shape: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples (…, k) -> (…, n)."""
        if not shape:
            raise ShapeError("takes vectors, got single numbers: put Reshape(1) before it")
        form, initial = (self.units, shape[-1]), self.weights
        if isinstance(initial, Transposed):
            form, initial = form[::-1], initial.param
        self.w = self.param("w", form, initial, rng=rng, dtype=dtype)
        self.b = self.param("b", (self.units,), self.biases, rng=rng, dtype=dtype) if self.bias else None
        return (*shape[:-1], self.units)

    def weigh(self, at: Record, a: Array) -> Array:
        """z = a wᵀ + b."""
        w = self.w.value if isinstance(self.weights, Transposed) else self.w.value.T
        at.rows = np.dot(_rows(a), w, out=at.rows)
        if self.b is not None:
            np.add(at.rows, self.b.value, out=at.rows)
        z: Array = at.rows if a.ndim == 2 else at.rows.reshape(*a.shape[:-1], self.units)
        return z

    def backward(self, at: Record, error: Array) -> Array | None:
        """δ from the error (BP1, BP2), the Params' gradients from δ (BP3, BP4), the input's error from δ (BP2)."""
        tied = isinstance(self.weights, Transposed)
        delta = at.delta = self.sigma.backward(error, at.z, at.a, out=at.delta)
        a = at.inputs[0]
        each = at.ones if a.ndim == 2 else ones(at, a.size // a.shape[-1])
        a, delta = _rows(a), _rows(delta)
        if not self.frozen:
            if self.b is not None:
                at.grad[self.b] = np.dot(each, delta, out=at.grad.get(self.b))
            left, right = (a, delta) if tied else (delta, a)
            at.grad[self.w] = np.dot(left.T, right, out=at.grad.get(self.w))
        if at.needs[0]:
            at.sent = np.dot(delta, self.w.value.T if tied else self.w.value, out=at.sent)
            return at.sent if at.inputs[0].ndim == 2 else at.sent.reshape(at.inputs[0].shape)
        return None


def _rows(array: Array) -> Array:
    """Every vector along the last axis as a row, whatever stands before."""
    return array if array.ndim == 2 else array.reshape(-1, array.shape[-1])
