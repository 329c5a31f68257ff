"""Initial values of weights, drawn from a graph's generator."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from .errors import GraphError
from .param import Array, Param, Shape

Initializer: TypeAlias = Callable[[Shape, np.random.Generator], Array]
"""A function that makes the first values of a weight: (shape, rng) -> array of that shape."""
Initial: TypeAlias = "str | Initializer | Param"
"""What a layer's weights start as: a name, a function, or another layer's Param to share."""


def zeros(shape: Shape, rng: np.random.Generator) -> Array:
    """All elements 0."""
    return np.zeros(shape)


def ones(shape: Shape, rng: np.random.Generator) -> Array:
    """All elements 1."""
    return np.ones(shape)


def normal(shape: Shape, rng: np.random.Generator) -> Array:
    """Unit normals N(0, 1), as in the book's first program (Nielsen, chapter 1)."""
    return rng.standard_normal(shape)


@dataclass(frozen=True)
class Scaled:
    """Zero-mean values of variance scale / fan, so that signals keep their size from layer to layer.

    fan is the number of inputs of a neuron ("in"), of its outputs ("out"), or the mean of both ("mean"), for weights
    of shape (n_out, n_in, *window). Uniform values lie in ± sqrt(3 scale / fan).
    """

    scale: float
    fan: Literal["in", "out", "mean"]
    distribution: Literal["normal", "uniform"]

    def __call__(self, shape: Shape, rng: np.random.Generator) -> Array:
        """Draw the values."""
        window = math.prod(shape[2:])
        fan_out, fan_in = shape[0] * window, math.prod(shape[1:])
        fan = {"in": fan_in, "out": fan_out, "mean": (fan_in + fan_out) / 2}[self.fan]
        deviation = math.sqrt(self.scale / max(fan, 1))
        if self.distribution == "normal":
            return deviation * rng.standard_normal(shape)
        return rng.uniform(-math.sqrt(3) * deviation, math.sqrt(3) * deviation, shape)


glorot_normal = Scaled(1.0, "mean", "normal")
"""Variance 2 / (n_in + n_out): Glorot and Bengio 2010, for tanh and sigmoid."""
glorot_uniform = Scaled(1.0, "mean", "uniform")
"""The same variance, uniform."""
he_normal = Scaled(2.0, "in", "normal")
"""Variance 2 / n_in: He, Zhang, Ren and Sun 2015, for ReLU."""
he_uniform = Scaled(2.0, "in", "uniform")
"""The same variance, uniform."""
lecun_normal = Scaled(1.0, "in", "normal")
"""Variance 1 / n_in: LeCun, Bottou, Orr and Müller 1998."""
lecun_uniform = Scaled(1.0, "in", "uniform")
"""The same variance, uniform."""

NAMED: dict[str, Initializer] = {
    "zeros": zeros,
    "ones": ones,
    "normal": normal,
    "glorot_normal": glorot_normal,
    "glorot_uniform": glorot_uniform,
    "he_normal": he_normal,
    "he_uniform": he_uniform,
    "lecun_normal": lecun_normal,
    "lecun_uniform": lecun_uniform,
}
"""What each name stands for."""


def resolve(spec: str | Initializer) -> Initializer:
    """Turn a name, or a function (shape, rng) -> array, into an initializer; raises GraphError for another thing."""
    if isinstance(spec, str) and spec in NAMED:
        return NAMED[spec]
    if callable(spec):
        return spec
    if isinstance(spec, np.ndarray):
        raise GraphError("takes no array as initial values: assign it after the first use, layer.w.value = array")
    known = ", ".join(NAMED)
    raise GraphError(f"has no initializer {spec!r}: take one of {known}, a function (shape, rng) -> array, or a Param")
