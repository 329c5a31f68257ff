"""What a layer takes as its activation: a name, an object, a pair of functions, or one of these for each neuron."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from ..errors import GraphError, LayerError
from ..gist import gist
from ..param import Array
from .plain import Identity, LeakyReLU, ReLU, Sigmoid, Softplus, Tanh
from .smooth import ELU, GELU, SELU, GELUTanh, Mish, SiLU


@runtime_checkable
class Activation(Protocol):
    """An elementwise function σ(v)_j = σ(v_j), of any shape.

    `out` is an array that a former call returned, or None: write the result into it, or allocate.
    """

    def __call__(self, z: Array, out: Array | None = None) -> Array:
        """σ(z)."""
        ...

    def backward(self, error: Array, z: Array, a: Array, out: Array | None = None) -> Array:
        """error ⊙ σ'(z), where a = σ(z)."""
        ...


Spec: TypeAlias = "str | Activation | tuple[Callable[[Array], Any], Callable[[Array], Any]] | Sequence[Any]"
"""What a layer takes: a name, an object, a pair (f, slope), or a list with one of these for each neuron."""


@dataclass(frozen=True)
class Function:
    """A user's own σ = f with σ' = slope, each a function of z alone, elementwise.

    What they return is copied, so they may return their argument or a view of it; they see z read-only.
    Raises LayerError when they return another shape than z's (a number, for a constant, is fine).
    """

    f: Callable[[Array], Any]
    slope: Callable[[Array], Any]
    name: str = ""

    def __post_init__(self) -> None:
        if not callable(self.f) or not callable(self.slope) or not isinstance(self.name, str):
            raise GraphError(
                f"an activation takes functions of an array, f and slope, and a text as its name, got {gist(self.f)}, "
                f"{gist(self.slope)} and {gist(self.name)}"
            )

    def __call__(self, z: Array, out: Array | None = None) -> Array:
        """σ(z)."""
        out = np.empty_like(z) if out is None else out
        out[...] = self._call(self.f, z)
        return out

    def backward(self, error: Array, z: Array, a: Array, out: Array | None = None) -> Array:
        """error ⊙ slope(z)."""
        slope = self._call(self.slope, z).astype(z.dtype, copy=False)
        product: Array = np.multiply(error, slope, out=out)
        return product

    def _call(self, function: Callable[[Array], Any], z: Array) -> Array:
        shown = z.view()
        shown.flags.writeable = False
        result = np.asarray(function(shown))
        if result.dtype.kind not in "fiub" or result.shape not in ((), z.shape):
            got = f"{result.dtype} of shape {result.shape}"
            raise LayerError(f"activation {self} must return numbers of z's shape {z.shape}, got {got}")
        return result

    def __str__(self) -> str:
        return self.name or getattr(self.f, "__name__", "function")


class PerNeuron:
    """An activation of its own for each neuron (exercise 1 of the book), or for each channel.

    The neurons lie along the last axis; channels along axis 1 of images (m, c, h, w), the batch axis counted.
    """

    def __init__(self, kinds: Sequence[Activation], axis: int = -1):
        self.kinds = tuple(kinds)
        self.axis = axis
        groups: dict[int, tuple[Activation, list[int]]] = {}
        for j, kind in enumerate(self.kinds):
            groups.setdefault(id(kind), (kind, []))[1].append(j)
        self.groups = list(groups.values())

    def __call__(self, z: Array, out: Array | None = None) -> Array:
        """σ(z)."""
        out = np.empty_like(z) if out is None else out
        for kind, neurons in self.groups:
            at = self._index(neurons, z.ndim)
            out[at] = kind(z[at])
        return out

    def backward(self, error: Array, z: Array, a: Array, out: Array | None = None) -> Array:
        """error_j σ_j'(z_j) for each neuron j."""
        out = np.empty_like(z) if out is None else out
        for kind, neurons in self.groups:
            at = self._index(neurons, z.ndim)
            out[at] = kind.backward(error[at], z[at], a[at])
        return out

    def _index(self, neurons: list[int], rank: int) -> tuple[Any, ...]:
        return (*(slice(None),) * (self.axis % rank), neurons)

    def __str__(self) -> str:
        return ", ".join(f"{kind} ×{len(list(run))}" for kind, run in groupby(map(str, self.kinds)))


identity, sigmoid, tanh, relu, leaky_relu, softplus = Identity(), Sigmoid(), Tanh(), ReLU(), LeakyReLU(), Softplus()
elu, selu, gelu, gelu_tanh, silu, mish = ELU(), SELU(), GELU(), GELUTanh(), SiLU(), Mish()
NAMED: dict[str, Activation] = {
    str(kind): kind
    for kind in (identity, sigmoid, tanh, relu, leaky_relu, softplus, elu, selu, gelu, gelu_tanh, silu, mish)
}
"""What each name stands for."""


def resolve(spec: Spec, neurons: int | None = None, taker: str = "a layer", axis: int = -1) -> Activation:
    """Turn a name, an object, a pair (f, slope) or a list with one of these a neuron into an activation.

    The neurons lie along `axis` of a batch, the channels of a convolution along axis 1. Raises GraphError, in the
    taker's name, for an unknown name, a function without its slope, and a list whose length isn't `neurons`.
    """
    if isinstance(spec, PerNeuron):
        axis = spec.axis if neurons is None else axis
        spec = spec.kinds
    if not isinstance(spec, (list, tuple)) or _is_pair(spec):
        return _resolve_one(spec, taker, "")
    one = "neuron" if axis == -1 else "channel"
    if not spec or neurons not in (None, len(spec)):
        count = "" if neurons is None else f"{neurons} "
        raise GraphError(f"{taker} takes one activation for each of its {count}{one}s, got {len(spec)}")
    return PerNeuron([_resolve_one(kind, taker, f" for {one} {j}") for j, kind in enumerate(spec)], axis)


def _is_pair(spec: Any) -> bool:
    functions = isinstance(spec, tuple) and len(spec) == 2 and all(callable(f) for f in spec)
    return functions and not any(isinstance(f, Activation) for f in spec)


def _resolve_one(spec: Any, taker: str, where: str) -> Activation:
    if isinstance(spec, str) and spec in NAMED:
        return NAMED[spec]
    if _is_pair(spec):
        return Function(*spec)
    elementwise = not isinstance(spec, PerNeuron) and not hasattr(spec, "build")  # as layers have it
    if isinstance(spec, Activation) and not isinstance(spec, type) and elementwise:
        return spec
    if callable(spec) and elementwise:
        name = getattr(spec, "__name__", spec)
        raise GraphError(f"{taker}: the activation {name!r}{where} has no derivative: give the pair (f, slope)")
    if isinstance(spec, str) and spec == "prelu":
        raise GraphError(f"{taker} has no 'prelu'{where}: prelu trains a slope, put the layer PReLU() after this one")
    near = difflib.get_close_matches(spec.lower(), NAMED, 1) if isinstance(spec, str) else []
    hint = f"did you mean {near[0]!r}? There are" if near else "take one of"
    if isinstance(spec, str) and spec == "softmax":
        hint = "softmax takes all neurons together, put the layer Softmax() after this one; there are"
    raise GraphError(f"{taker} has no activation {gist(spec)}{where}: {hint} {', '.join(NAMED)}, or a pair (f, slope)")
