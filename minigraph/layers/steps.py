"""Time steps: what recurrent cells and recurrent layers over whole sequences have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from ..errors import GraphError, ShapeError
from ..initializers import Initial
from ..layer import Layer
from ..numbers import is_whole
from ..param import Array, Param, Shape
from ..record import Record
from .flags import check_flags


@dataclass(eq=False)
class Cell(Layer):
    """What recurrent layers have in common: a state, which each time step makes of the one before and of an input.

    A subclass has one step forward, `step`, the slopes of all steps at once, `slopes`, and one step back, `step_back`.
    Arrays over time are (T, m, …), those of gates (T, gates, m, n). A cell as a node takes a single step, T = 1.
    """

    units: int
    bias: bool = field(default=True, kw_only=True)
    weights: Initial = field(default="glorot_uniform", kw_only=True)
    recurrent: Initial = field(default="glorot_uniform", kw_only=True)
    biases: Initial = field(default="zeros", kw_only=True)
    w: Param = field(init=False, repr=False)
    u: Param = field(init=False, repr=False)
    b: Param | None = field(init=False, repr=False)

    gates: ClassVar[int] = 1
    """How many weighted inputs each unit has."""
    parts: ClassVar[int] = 1
    """How many numbers each unit keeps as its state: h, or h and c."""

    def __post_init__(self) -> None:
        if not is_whole(self.units) or self.units < 1:
            raise GraphError(f"{type(self).__name__} takes a positive whole number of units, got {self.units!r}")
        self.units = int(self.units)
        check_flags(self, "bias")

    def build(self, *shapes: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples (k,), alone or with a state -> the next state."""
        state = (self.units,) if self.parts == 1 else (self.parts, self.units)
        if len(shapes) > 2:
            raise ShapeError(f"takes an input and a state, if any, got {len(shapes)} inputs")
        if len(shapes[0]) != 1:
            raise ShapeError(f"takes vectors, those of one time step, got samples of shape {shapes[0]}: unroll it")
        if shapes[1:] not in ((), (state,)):
            raise ShapeError(f"takes a state of shape {state}, got {shapes[1]}")
        self.create(shapes[0][0], rng, dtype)
        return state

    def create(self, k: int, rng: np.random.Generator, dtype: np.dtype[Any]) -> None:
        """Create the Params for inputs of k numbers."""
        rows = self.gates * self.units
        self.w = self.param("w", (rows, k), self.weights, rng=rng, dtype=dtype)
        self.u = self.param("u", (rows, self.units), self.recurrent, rng=rng, dtype=dtype)
        self.b = self.param("b", (rows,), self.biases, rng=rng, dtype=dtype) if self.bias else None

    def forward(self, at: Record, x: Array, *state: Array) -> Array:
        """The state after one step."""
        ends = self.ahead(at, x[np.newaxis], self._split(state[0]) if state else ())
        at.a = self._joined(at, "a", ends)
        return at.a

    def backward(self, at: Record, error: Array) -> Any:
        """One step back: see the cell's equations."""
        sent, starts = self.back(at, None, self._split(error))
        at.delta = at.deltas[0]
        if len(at.inputs) == 1:
            return sent if sent is None else sent[0]
        return sent if sent is None else sent[0], self._joined(at, "start", starts)

    def _split(self, state: Array) -> list[Array]:
        return [state] if self.parts == 1 else [state[:, i] for i in range(self.parts)]

    def _joined(self, at: Record, name: str, parts: list[Array]) -> Array:
        if self.parts == 1:
            return parts[0]
        joined = at.buffer(name, (at.m, self.parts, self.units))
        for i, part in enumerate(parts):
            np.copyto(joined[:, i], part)
        return joined

    # ---- T steps ----

    def prepare(self, at: Record) -> Array | None:
        """Make what the steps share; returns what is added to each x wᵀ, (gates · n,), if anything."""
        return None if self.b is None else self.b.value

    def step(self, at: Record, t: int, z: Array, hu: Array) -> None:
        """Make at.gates[t] and each part's at.states[t + 1] of its [t], of z = x wᵀ + b and of h uᵀ (gates, m, n)."""
        raise NotImplementedError

    def slopes(self, at: Record) -> None:
        """Make at.slopes: of each δ what is known before the error of its step is."""
        raise NotImplementedError

    def step_back(self, at: Record, t: int, delta: Array, now: list[Array], then: list[Array]) -> None:
        """Make δ (gates, m, n), and the errors `then` of the state's parts before step t, of those `now` after it."""
        raise NotImplementedError

    def settle(self, at: Record) -> None:
        """Make, of all steps at once, what no earlier step needs."""

    def ahead(self, at: Record, x: Array, starts: Sequence[Array], past: Array | None = None) -> list[Array]:
        """T steps over x (T, m, k) from a state, or from zeros; returns the parts (m, n) of the last state.

        Where `past` (T, m, 1) says that an example has ended its state stays as it is.
        """
        T, m, k = x.shape
        n, gates = self.units, self.gates
        at.past, at.rows = past, x.reshape(T * m, k)
        at.gates = at.buffer("gates", (T, gates, m, n))
        at.states = [at.buffer(f"state {i}", (T + 1, m, n)) for i in range(self.parts)]
        for i, part in enumerate(at.states):
            np.copyto(part[0], starts[i] if starts else 0.0)
        at.weighed, b = np.dot(at.rows, self.w.value.T, out=at.weighed), self.prepare(at)
        if b is not None:
            np.add(at.weighed, b, out=at.weighed)
        z, ut = at.weighed.reshape(T, m, gates, n).swapaxes(1, 2), self.u.value.T
        if T > 7:  # BLAS makes up for the copy with the steps
            ut = at.buffer("uᵀ", ut.shape)
            np.copyto(ut, self.u.value.T)
        h, rows = at.states[0], at.buffer("hu", (m, gates * n))
        hu = rows.reshape(m, gates, n).swapaxes(0, 1)
        for t in range(T):
            np.dot(h[t], ut, out=rows)
            self.step(at, t, z[t], hu)
            if past is not None:
                for part in at.states:
                    np.copyto(part[t + 1], part[t], where=past[t])
        return [part[T] for part in at.states]

    def back(self, at: Record, errors: Array | None, ends: Sequence[Any]) -> tuple[Array | None, list[Array]]:
        """T steps back from errors (T, m, n) of each h, if any, and from those of the parts of the last state.

        Sets the gradients; returns the errors of x (T, m, k), if wanted, and of the parts of the first state.
        """
        T, gates, m, n = at.gates.shape
        at.deltas = at.inner = at.buffer("deltas", (T, m, gates * n))
        self.slopes(at)
        delta = at.inner.reshape(T, m, gates, n).swapaxes(1, 2)
        at.errors = [at.buffer(f"error {i}", (T + 1, m, n)) for i in range(self.parts)]
        for part, end in zip(at.errors, ends, strict=True):
            np.copyto(part[T], end)
        for t in reversed(range(T)):
            now, then = ([part[i] for part in at.errors] for i in (t + 1, t))
            if errors is not None:
                np.add(now[0], errors[t], out=now[0])
            self.step_back(at, t, delta[t], now, then)
            if at.past is not None:
                for part in at.errors:
                    np.copyto(part[t], part[t + 1], where=at.past[t])
        self.settle(at)
        if at.past is not None:
            for array in (at.deltas, at.inner):
                np.copyto(array, 0.0, where=at.past)
        rows = at.deltas.reshape(T * m, -1)
        if not self.frozen:
            self._credit(at, rows, at.inner.reshape(T * m, -1))
        starts = [part[0] for part in at.errors]
        if not at.needs[0]:
            return None, starts
        at.sent = np.dot(rows, self.w.value, out=at.sent)
        return at.sent.reshape(T, m, -1), starts

    def _credit(self, at: Record, rows: Array, inner: Array) -> None:
        """Set the gradient of each Param; one that stands in two places has two shares."""
        h, ones = at.states[0][:-1].reshape(-1, self.units), at.buffer("ones", (len(rows),))
        np.copyto(ones, 1.0)
        shares = [(self.w, rows, at.rows), (self.u, inner, h), (self.b, rows, ones)]
        done: set[Param] = set()
        for param, delta, inputs in [*shares, (getattr(self, "c", None), inner, ones)]:
            if param in done:
                share = np.dot(delta.T, inputs, out=at.buffer("share", param.shape))
                np.add(at.grad[param], share, out=at.grad[param])
            elif param is not None:
                at.grad[param] = np.dot(delta.T, inputs, out=at.grad.get(param))
                done.add(param)
