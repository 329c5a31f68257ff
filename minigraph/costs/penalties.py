"""Penalties: costs of the Params themselves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, ClassVar

import numpy as np

from ..caller import user_line
from ..errors import GraphError, ShapeError
from ..layer import Layer
from ..param import Array, Param, Shape
from ..record import Record
from .cost import Cost, real


@dataclass(eq=False)
class Penalty(Cost):
    """A cost of chosen Params, the same for each example: it has no inputs, and its output repeats it m times.

    `of` is a pattern ("*.w", "encoder/*") or several, for the names in `graph.params`, or the Params themselves.
    `g.cost(penalty)` picks them from those that the graph has by then, each once. Those of layers that are frozen
    count in the cost, but have no gradient.
    """

    strength: float
    of: str | Param | Iterable[str | Param]
    chosen: dict[str, Param] = field(default_factory=dict, init=False, repr=False)
    owners: dict[str, list[Layer]] = field(default_factory=dict, init=False, repr=False)

    judged: ClassVar[int] = 0
    takes_target: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.strength = real(self, "strength of 0 or more", self.strength, 0.0)
        wishes = [self.of] if isinstance(self.of, (str, Param)) else self.of
        self.of = tuple(wishes) if isinstance(wishes, Iterable) else (wishes,)
        if not self.of or not all(isinstance(wish, (str, Param)) for wish in self.of):
            raise GraphError(f"{type(self).__name__} takes patterns of Params' names, or Params, got {self.of!r}")

    def choose(self, graph: Any) -> None:
        """Pick Params; raises GraphError for what picks none, or if it picked others for a former use.

        A use in another graph, or of a graph that grew, needs a penalty of its own.
        """
        kind, there = type(self).__name__, graph.params
        chosen: dict[str, Param] = {}
        for wish in self.of:  # type: ignore[union-attr]
            found = {name: p for name, p in there.items() if p is wish or name == wish} or {
                name: p for name, p in there.items() if isinstance(wish, str) and fnmatchcase(name, wish)
            }
            if not found:
                has = ", ".join([*list(there)[:6], *["…"][: len(there) > 6]]) or "none"
                line = user_line()
                raise GraphError(f"{kind} found no Param {wish!r} in graph {graph.name!r}: it has {has} (at {line})")
            chosen |= found
        if self.chosen and set(chosen.values()) != set(self.chosen.values()):
            raise GraphError(f"{kind} picked other Params for a former use ({', '.join(self.chosen)}): make another")
        self.chosen = chosen
        names = {p: name for name, p in chosen.items()}
        self.owners = {name: [] for name in chosen}
        for layer in dict.fromkeys(node.layer for node in graph.nodes if not isinstance(node.layer, Penalty)):
            for p in names.keys() & set(layer.params.values()):
                self.owners[names[p]].append(layer)

    @property
    def params(self) -> dict[str, Param]:
        """The chosen Params that some layer may train, by their names in the graph."""
        return {name: p for name, p in self.chosen.items() if not all(layer.frozen for layer in self.owners[name])}

    def build(self, *shapes: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Nothing -> single numbers."""
        if shapes:
            raise ShapeError(f"takes no inputs, no target and no weights of examples, got {len(shapes)}")
        if not self.chosen:
            raise GraphError("picks its Params in g.cost(…): add it so")
        return ()

    def forward(self, at: Record) -> Array:
        """The penalty, for each example."""
        at.a = at.buffer("a", (at.m,))
        at.a.fill(self.weight * self.strength * sum(self.size(at, p.value) for p in self.chosen.values()))
        return at.a

    def backward(self, at: Record, error: Array) -> None:
        """Σ_x error_x · ∂C_x/∂p for each Param p."""
        total = self.weight * self.strength * float(np.add.reduce(error))
        for p in self.params.values():
            at.grad[p] = self.slope(p.value, out=at.grad.get(p))
            np.multiply(at.grad[p], total, out=at.grad[p])

    def size(self, at: Record, p: Array) -> float:
        """What a Param adds to C_x / strength."""
        raise NotImplementedError(f"{type(self).__name__} has no size(self, at, p)")

    def slope(self, p: Array, out: Array | None) -> Array:
        """∂size/∂p."""
        raise NotImplementedError(f"{type(self).__name__} has no slope(self, p, out)")

    def describe(self) -> str:
        """The layer and its strength."""
        return f"{type(self).__name__} {self.strength:g}"


@dataclass(eq=False)
class L1(Penalty):
    """The sum of the absolute weights, which pulls small ones to 0: sparse weights.

    C_x = strength · Σ_p Σ_j |p_j| -> (m,)
    ∂C/∂p = strength · sign(p), 0 where p_j = 0
    """

    def size(self, at: Record, p: Array) -> float:
        """Σ_j |p_j|."""
        return float(np.abs(p).sum())

    def slope(self, p: Array, out: Array | None) -> Array:
        """sign(p)."""
        return np.sign(p, out=out)


@dataclass(eq=False)
class L2(Penalty):
    """The sum of the squared weights, which keeps them small: weight decay.

    C_x = ½ strength · Σ_p Σ_j p_j² -> (m,)
    ∂C/∂p = strength · p

    Plain gradient descent does with it what PyTorch's SGD does with `weight_decay=strength`, but that here one says for
    which Params; the book's λ/n is its strength.
    """

    def size(self, at: Record, p: Array) -> float:
        """½ Σ_j p_j²."""
        return 0.5 * float(np.dot(p.reshape(-1), p.reshape(-1)))

    def slope(self, p: Array, out: Array | None) -> Array:
        """p."""
        return np.positive(p, out=out)
