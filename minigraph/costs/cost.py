"""Cost: a layer whose output is C_x, one number an example, and whose average over examples is C."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from ..errors import FeedError, GraphError, ShapeError
from ..layer import Layer
from ..numbers import is_real
from ..param import Array, Shape
from ..record import Record

TINY = float(np.float32(1e-12))  # PyTorch's 10⁻¹², which it rounds to float32 also where it computes in float64


@dataclass(eq=False)
class Cost(Layer):
    """A cost of the outputs: C = (1/m) Σ_x C_x (assumption 1), C_x a function of the outputs (assumption 2).

    Inputs are the judged outputs a (m, *shape), then the target y, then the examples' weights w (m,) if there are any;
    the output is C_x (m,), times `weight`, times w_x. So C = (1/m) Σ_x w_x C_x: weights are not made to add up to m.
    """

    weight: float = field(default=1.0, kw_only=True)

    judged: ClassVar[int] = 1
    """How many outputs of the network it judges: its first inputs."""
    takes_target: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.weight = real(self, "finite weight", self.weight)

    def constants(self, shapes: Sequence[Shape]) -> frozenset[int]:
        """All but the judged outputs: the target, the weights of the examples."""
        return frozenset(range(self.judged, len(shapes)))

    def choose(self, graph: Any) -> None:
        """Pick the Params that the cost is about from those of the graph; most costs are about none."""

    def target(self, *shapes: Shape) -> tuple[Shape, type]:
        """Sample shape and type (float or int) of the targets that go with outputs of these shapes."""
        return shapes[0], float

    def build(self, *shapes: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Outputs, targets that fit them, single numbers as weights of the examples -> single numbers."""
        n = self.judged + self.takes_target
        if len(shapes) not in (n, n + 1):
            outputs = "an output" if self.judged == 1 else f"{self.judged} outputs"
            target = " and its target" if self.takes_target else ""
            raise ShapeError(f"takes {outputs}{target}, got {len(shapes)} input{'s' * (len(shapes) != 1)}")
        if shapes[n:] not in ((), ((),)):
            raise ShapeError(
                f"takes one weight an example, of shape (), beside its target, got {shapes[n]}: declare them so"
            )
        self.suit(*shapes[:n])
        return ()

    def suit(self, *shapes: Shape) -> None:
        """Raise ShapeError for outputs and targets that don't go together."""
        if shapes[1] != shapes[0]:
            fits = math.prod(shapes[0]) == math.prod(shapes[1])
            remedy = f"put Reshape({shapes[1]}) before it" if fits else "declare targets of that shape"
            raise ShapeError(
                f"takes targets of its output's shape {shapes[0]}, got {shapes[1]}: nothing is broadcast, {remedy}"
            )

    def weighed(self, at: Record, c: Array, scale: float, w: Array | None) -> Array:
        """C_x from a multiple of it: times a scale, and times the weight of each example if there is one."""
        at.a = np.multiply(c, scale, out=at.a)
        return at.a if w is None else np.multiply(at.a, w, out=at.a)

    def scales(self, at: Record, error: Array) -> Array:
        """What multiplies ∇C_x of each example: error · weight, times the weight of the example if there is one."""
        scales = error * self.weight
        if len(at.inputs) > self.judged + self.takes_target:
            scales *= like(at.inputs[-1], scales)
        return scales

    def send(self, at: Record, slope: Array, error: Array) -> tuple[Array | None, ...]:
        """What backward returns for one output: ∇ₐC_x times `scales` to the output, nothing to the constants."""
        if error is at.ones and self.weight == 1.0 and len(at.inputs) == 2:  # all there is: nothing to scale
            return slope, None
        at.sent = np.multiply(slope, column(self.scales(at, error), slope), out=at.sent)
        return (at.sent, *(None,) * (len(at.inputs) - 1))

    def names_classes(self, y: Array) -> bool:
        """Whether these targets name classes, so that one can ask how many examples are classified right."""
        return False

    def correct(self, a: Array, y: Array) -> Array:
        """Which examples are classified right, as m booleans, where the targets name classes."""
        raise NotImplementedError(f"{type(self).__name__} names no classes")


class Classifying:
    """Outputs that come near to one-hot rows, or to single bits."""

    def names_classes(self, y: Array) -> bool:
        """One-hot rows, or single bits."""
        y = y.reshape(len(y), -1)
        return bool(np.isin(y, (0, 1)).all() and (y.shape[1] == 1 or (y.sum(axis=1) == 1).all()))

    def correct(self, a: Array, y: Array) -> Array:
        """The largest output is the class's; a single output is nearer to the right one of 0 and 1."""
        a, y = a.reshape(len(a), -1), y.reshape(len(y), -1)
        right: Array = (a[:, 0] > 0.5) == (y[:, 0] > 0.5) if y.shape[1] == 1 else a.argmax(axis=1) == y.argmax(axis=1)
        return right


def real(taker: object, what: str, value: Any, least: float | None = None, *, above: bool = False) -> float:
    """A finite number of at least `least`, or above it, as Python's float; else raises GraphError.

    numpy's own numbers would turn float32 into float64.
    """
    low = least is not None and is_real(value) and (value < least or (above and value == least))
    if not is_real(value) or not math.isfinite(value) or low:
        article = "an" if what.startswith("eps") else "a"
        raise GraphError(f"{type(taker).__name__} takes {article} {what}, got {value!r}")
    return float(value)


def column(scales: Array, slope: Array) -> Array:
    """One number an example, in a shape that multiplies each example's slopes."""
    return scales.reshape(-1, *(1,) * (slope.ndim - 1))


def rows(array: Array) -> Array:
    """All elements of each example in a row."""
    return array if array.ndim == 2 else array.reshape(len(array), -1)


def like(y: Array, a: Array) -> Array:
    """Constants in the dtype of the outputs: integers would turn float32 into float64."""
    return y if y.dtype == a.dtype else y.astype(a.dtype)


def fractions(y: Array, what: str = "targets") -> None:
    """Raise FeedError for values outside [0, 1]."""
    if not (y.min() >= 0.0 and y.max() <= 1.0):
        raise FeedError(f"takes {what} from 0 to 1, got values from {y.min():g} to {y.max():g}: scale them")


def signs(y: Array) -> None:
    """Raise FeedError for targets other than 1 and −1."""
    if not np.array_equal(np.abs(y), np.ones_like(y)):
        other = y[np.abs(y) != 1].flat[0]
        raise FeedError(f"takes targets of 1 and -1, got {other:g}: 2 y - 1 makes them of 1 and 0")


def row_products(u: Array, v: Array, out: Array | None = None) -> Array:
    """Σ_j u_xj v_xj for each row x."""
    result: Array = np.einsum("xj,xj->x", u, v, out=out)
    return result


vecdot = getattr(np, "vecdot", row_products)  # numpy 2 has a faster call for the same sums
