"""Layers that scale and shift their input, by trainable numbers or by fixed ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from ..errors import GraphError
from ..layer import Layer
from ..numbers import is_real
from ..param import Array, Param, Shape
from ..record import Record
from .axes import chosen, found
from .broadcasting import common, lifted, summed_back


@dataclass(eq=False)
class Scale(Layer):
    """A factor for each element along some axes of the samples, trainable, or fixed ones.

        a = γ ⊙ x                                      x, a (m, …, k, …)   γ (k,)
        error to the input = error ⊙ γ,   ∂C/∂γ = Σ_x error ⊙ x, summed over all axes but γ's

    γ, the Param `gamma`, starts at 1 and has the sizes of `axes`, in their order in the samples; the batch axis isn't
    counted. With a number or an array as `factor`, γ is fixed and broadcasts with the samples by numpy's rules,
    `axes` mean nothing, and the error is summed over the axes along which x was broadcast.
    """

    steady: ClassVar[bool] = True

    factor: Any = None
    axes: Any = (-1,)
    gamma: Param | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        self.factor = None if self.factor is None else fixed(self.factor, "Scale", "factor")
        self.axes = chosen(self.axes, "Scale")

    def build(self, shape: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples with these axes, or that broadcast with the factor."""
        if self.factor is not None:
            self.gamma = None
            return common((shape, np.shape(self.factor)))
        self.gamma = self.param("gamma", _sizes(self.axes, shape), "ones", rng=rng, dtype=dtype)
        return shape

    def forward(self, at: Record, x: Array) -> Array:
        """γ ⊙ x."""
        x, gamma = _in_line(at, x, self.factor, self.gamma, self.axes)
        at.a = np.multiply(x, gamma, out=at.a)
        return at.a

    def backward(self, at: Record, error: Array) -> Array | None:
        """error ⊙ γ, and ∂C/∂γ."""
        x, gamma = _in_line(at, at.inputs[0], self.factor, self.gamma, self.axes)
        if self.gamma is not None and not self.frozen:
            _gather(at, self.gamma, np.multiply(error, x, out=at.buffer("product", error.shape)))
        if not at.needs[0]:
            return None
        at.sent = np.multiply(error, gamma, out=at.sent)
        return summed_back(at, "sum", at.sent, at.inputs[0].shape)

    def describe(self) -> str:
        """The layer and its factor, if that is fixed."""
        return f"Scale{_shown(self.factor)}"


@dataclass(eq=False)
class Bias(Layer):
    """A summand for each element along some axes of the samples, trainable, or fixed ones.

        a = x + β                                      x, a (m, …, k, …)   β (k,)
        error to the input = error,   ∂C/∂β = Σ_x error, summed over all axes but β's

    β, the Param `beta`, starts at 0 and has the sizes of `axes`, in their order in the samples; the batch axis isn't
    counted. With a number or an array as `offset`, β is fixed and broadcasts with the samples by numpy's rules,
    `axes` mean nothing, and the error is summed over the axes along which x was broadcast.
    """

    steady: ClassVar[bool] = True

    offset: Any = None
    axes: Any = (-1,)
    beta: Param | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        self.offset = None if self.offset is None else fixed(self.offset, "Bias", "offset")
        self.axes = chosen(self.axes, "Bias")

    def build(self, shape: Shape, *, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples with these axes, or that broadcast with the offset."""
        if self.offset is not None:
            self.beta = None
            return common((shape, np.shape(self.offset)))
        self.beta = self.param("beta", _sizes(self.axes, shape), "zeros", rng=rng, dtype=dtype)
        return shape

    def forward(self, at: Record, x: Array) -> Array:
        """x + β."""
        x, beta = _in_line(at, x, self.offset, self.beta, self.axes)
        at.a = np.add(x, beta, out=at.a)
        return at.a

    def backward(self, at: Record, error: Array) -> Array | None:
        """The error, and ∂C/∂β."""
        if self.beta is not None and not self.frozen:
            _gather(at, self.beta, error)
        return summed_back(at, "sum", error, at.inputs[0].shape) if at.needs[0] else None

    def describe(self) -> str:
        """The layer and its offset, if that is fixed."""
        return f"Bias{_shown(self.offset)}"


def fixed(value: Any, taker: str, word: str) -> Any:
    """A number as a float, an array as a read-only copy with floats; raises GraphError for another thing."""
    if is_real(value):
        return float(value)
    try:
        array = np.array(value)
    except ValueError:
        array = np.empty(0)  # rows of different lengths
    if array.dtype.kind not in "fiu" or array.size == 0:
        raise GraphError(f"{taker} takes a number or an array of numbers as {word}, got {value!r}")
    array = array.astype(np.float64, copy=False)  # 1 / array is taken of it, whatever the graph's dtype
    array.flags.writeable = False
    return array if array.ndim else float(array)


def _sizes(axes: tuple[int, ...], shape: Shape) -> Shape:
    return tuple(shape[k] for k in sorted(found(axes, shape, "has numbers along")))


def _in_line(at: Record, x: Array, constant: Any, param: Param | None, axes: tuple[int, ...]) -> tuple[Array, Any]:
    """x and the numbers that meet it, in shapes in which numpy broadcasts them as meant."""
    if param is None:
        if isinstance(constant, float):
            return x, constant
        return lifted(x, max(x.ndim - 1, constant.ndim)), constant.astype(x.dtype, copy=False)
    if at.form is None:
        places = found(axes, x.shape[1:], "")
        at.form = tuple(n if k in places else 1 for k, n in enumerate(x.shape[1:]))
    return x, param.value.reshape(at.form)


def _gather(at: Record, param: Param, products: Array) -> None:
    """Set the Param's gradient: the sum over the examples and the axes that it has no numbers along."""
    share = at.grad.get(param)
    if share is None:
        share = np.empty(param.shape, at.dtype)
    axes = tuple(k for k, n in enumerate((1, *at.form)) if n == 1)
    np.add.reduce(products, axis=axes, keepdims=True, out=share.reshape(1, *at.form))
    at.grad[param] = share


def _shown(constant: Any) -> str:
    if constant is None:
        return ""
    return f" {constant:g}" if isinstance(constant, float) else f" by an array {constant.shape}"
