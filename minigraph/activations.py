"""Elementwise activation functions σ with their slopes σ'."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from .errors import GraphError, LayerError
from .numbers import is_real
from .param import Array


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


# arrays of no axis, of the dtype at hand: numpy takes them faster than Python's numbers
_ONE = {np.dtype(kind): np.array(1, kind) for kind in ("float32", "float64")}
_TOP = {np.dtype("float32"): np.array(88, "float32"), np.dtype("float64"): np.array(709, "float64")}

Spec: TypeAlias = "str | Activation | tuple[Callable[[Array], Any], Callable[[Array], Any]] | Sequence[Any]"


@dataclass(frozen=True)
class Identity:
    """σ(z) = z,   σ'(z) = 1: linear neurons. Returns what it is given and never writes into `out`."""

    def __call__(self, z: Array, out: Array | None = None) -> Array:
        """σ(z)."""
        return z

    def backward(self, error: Array, z: Array, a: Array, out: Array | None = None) -> Array:
        """error ⊙ 1."""
        return error

    def __str__(self) -> str:
        return "identity"


@dataclass(frozen=True)
class Sigmoid:
    """σ(z) = 1 / (1 + e^−z) = e^z / (1 + e^z),   σ'(z) = a (1 − a)."""

    def __call__(self, z: Array, out: Array | None = None) -> Array:
        """σ(z)."""
        e = np.minimum(z, _TOP.get(z.dtype, 709.0), out=out)  # e^z overflows above; σ there is 1 anyway
        np.exp(e, out=e)
        return np.divide(e, np.add(e, _ONE.get(e.dtype, 1.0)), out=e)

    def backward(self, error: Array, z: Array, a: Array, out: Array | None = None) -> Array:
        """error ⊙ a (1 − a)."""
        out = np.subtract(_ONE.get(a.dtype, 1.0), a, out=out)
        np.multiply(out, a, out=out)
        return np.multiply(out, error, out=out)

    def __str__(self) -> str:
        return "sigmoid"


@dataclass(frozen=True)
class Tanh:
    """σ(z) = tanh z,   σ'(z) = 1 − a²."""

    def __call__(self, z: Array, out: Array | None = None) -> Array:
        """σ(z)."""
        return np.tanh(z, out=out)

    def backward(self, error: Array, z: Array, a: Array, out: Array | None = None) -> Array:
        """error ⊙ (1 − a²)."""
        out = np.multiply(a, a, out=out)
        np.subtract(1.0, out, out=out)
        return np.multiply(out, error, out=out)

    def __str__(self) -> str:
        return "tanh"


@dataclass(frozen=True)
class ReLU:
    """σ(z) = max(z, 0),   σ'(z) = 1 where z > 0, else 0 (also at the kink z = 0)."""

    def __call__(self, z: Array, out: Array | None = None) -> Array:
        """σ(z)."""
        return np.maximum(z, 0.0, out=out)

    def backward(self, error: Array, z: Array, a: Array, out: Array | None = None) -> Array:
        """error where z > 0, else 0."""
        out = np.empty_like(error) if out is None else out
        np.copyto(out, error)
        np.copyto(out, 0.0, where=z <= 0.0)
        return out

    def __str__(self) -> str:
        return "relu"


@dataclass(frozen=True)
class LeakyReLU:
    """σ(z) = z where z > 0, else slope · z,   σ'(z) = 1 where z > 0, else slope (also at z = 0)."""

    slope: float = 0.01

    def __post_init__(self) -> None:
        if not is_real(self.slope) or not np.isfinite(self.slope):
            raise GraphError(f"leaky ReLU takes a finite slope, got {self.slope!r}")
        object.__setattr__(self, "slope", float(self.slope))  # numpy's own numbers would turn float32 into float64

    def __call__(self, z: Array, out: Array | None = None) -> Array:
        """σ(z)."""
        out = np.multiply(z, self.slope, out=out)
        np.copyto(out, z, where=z > 0.0)
        return out

    def backward(self, error: Array, z: Array, a: Array, out: Array | None = None) -> Array:
        """error where z > 0, else slope · error."""
        out = np.multiply(error, self.slope, out=out)
        np.copyto(out, error, where=z > 0.0)
        return out

    def __str__(self) -> str:
        return "leaky_relu" if self.slope == 0.01 else f"leaky_relu({self.slope:g})"


@dataclass(frozen=True)
class Softplus:
    """σ(z) = ln(1 + e^z) = max(z, 0) + ln(1 + e^−|z|),   σ'(z) = 1 / (1 + e^−z) = 1 − e^−a."""

    def __call__(self, z: Array, out: Array | None = None) -> Array:
        """σ(z)."""
        out = np.abs(z, out=out)
        np.negative(out, out=out)
        np.exp(out, out=out)
        np.log1p(out, out=out)
        return np.add(out, np.maximum(z, 0.0), out=out)

    def backward(self, error: Array, z: Array, a: Array, out: Array | None = None) -> Array:
        """error ⊙ (1 − e^−a)."""
        out = np.negative(a, out=out)
        np.expm1(out, out=out)
        np.negative(out, out=out)
        return np.multiply(out, error, out=out)

    def __str__(self) -> str:
        return "softplus"


@dataclass(frozen=True)
class Function:
    """A user's own σ = f with σ' = slope, each a function of z alone, elementwise.

    What they return is copied, so they may return their argument or a view of it; they see z read-only.
    Raises LayerError when they return another shape than z's (a number, for a constant, is fine).
    """

    f: Callable[[Array], Any]
    slope: Callable[[Array], Any]
    name: str = ""

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
    """An activation of its own for each neuron, along the last axis (exercise 1 of the book)."""

    def __init__(self, kinds: Sequence[Activation]):
        self.kinds = tuple(kinds)
        self.groups: list[tuple[Activation, list[int]]] = []
        for kind in {id(kind): kind for kind in self.kinds}.values():
            self.groups.append((kind, [j for j, other in enumerate(self.kinds) if other is kind]))

    def __call__(self, z: Array, out: Array | None = None) -> Array:
        """σ(z)."""
        out = np.empty_like(z) if out is None else out
        for kind, neurons in self.groups:
            out[..., neurons] = kind(z[..., neurons])
        return out

    def backward(self, error: Array, z: Array, a: Array, out: Array | None = None) -> Array:
        """error_j σ_j'(z_j) for each neuron j."""
        out = np.empty_like(z) if out is None else out
        for kind, neurons in self.groups:
            out[..., neurons] = kind.backward(error[..., neurons], z[..., neurons], a[..., neurons])
        return out

    def __str__(self) -> str:
        return ", ".join(f"{kind} ×{len(list(run))}" for kind, run in groupby(map(str, self.kinds)))


identity, sigmoid, tanh, relu, leaky_relu, softplus = (
    Identity(),
    Sigmoid(),
    Tanh(),
    ReLU(),
    LeakyReLU(),
    Softplus(),
)
NAMED: dict[str, Activation] = {str(a): a for a in (identity, sigmoid, tanh, relu, leaky_relu, softplus)}


def resolve(spec: Spec, neurons: int | None = None, taker: str = "a layer") -> Activation:
    """Turn a name, an object, a pair (f, slope) or a list with one of these a neuron into an activation.

    Raises GraphError, in the taker's name, for an unknown name, a function without its slope, and a list whose length
    isn't `neurons`.
    """
    if not isinstance(spec, (list, tuple)) or _is_pair(spec):
        return _resolve_one(spec, taker, "")
    if not spec or neurons not in (None, len(spec)):
        count = "" if neurons is None else f"{neurons} "
        raise GraphError(f"{taker} takes one activation for each of its {count}neurons, got {len(spec)}")
    return PerNeuron([_resolve_one(kind, taker, f" for neuron {j}") for j, kind in enumerate(spec)])


def _is_pair(spec: Any) -> bool:
    functions = isinstance(spec, tuple) and len(spec) == 2 and all(callable(f) for f in spec)
    return functions and not any(isinstance(f, Activation) for f in spec)


def _resolve_one(spec: Any, taker: str, where: str) -> Activation:
    if isinstance(spec, str) and spec in NAMED:
        return NAMED[spec]
    if _is_pair(spec):
        return Function(*spec)
    if isinstance(spec, Activation) and not isinstance(spec, type):
        return spec
    if callable(spec):
        name = getattr(spec, "__name__", spec)
        raise GraphError(f"{taker}: the activation {name!r}{where} has no derivative: give the pair (f, slope)")
    raise GraphError(f"{taker} has no activation {spec!r}{where}: take one of {', '.join(NAMED)}, or a pair (f, slope)")
