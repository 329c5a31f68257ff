"""Recurrent layers over whole sequences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from ..errors import FeedError, GraphError, ShapeError
from ..param import Array, Shape
from ..record import Record
from .cells import GRUCell, LSTMCell, RNNCell
from .flags import check_flags
from .steps import Cell


@dataclass(eq=False)
class Recurrent(Cell):
    """What layers over whole sequences have in common: a cell, used over and over along the first axis of samples."""

    returns: str = field(default="sequence", kw_only=True)
    reverse: bool = field(default=False, kw_only=True)

    results: ClassVar[tuple[str, ...]] = ("sequence", "last")
    """What `returns` may ask for."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_flags(self, "reverse")
        if not isinstance(self.returns, str) or self.returns not in self.results:
            known = ", ".join(map(repr, self.results))
            raise GraphError(f"{type(self).__name__} returns one of {known}, got {self.returns!r}")

    def constants(self, shapes: Sequence[Shape]) -> frozenset[int]:
        """The lengths: a last input of single numbers."""
        return frozenset({len(shapes) - 1}) if len(shapes) > 1 and shapes[-1] == () else frozenset()

    def build(self, *shapes: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> Shape:
        """Samples (T, k), with the parts (n,) of a state and with lengths () or without -> what it returns."""
        x, *others = shapes
        if len(x) != 2:
            raise ShapeError(f"takes sequences (T, k), got samples of shape {x}: put Reshape(T, k) before it")
        states = others[:-1] if self.constants(shapes) else others
        if states and states != [(self.units,)] * self.parts:
            parts = " and ".join(["h0", "c0"][: self.parts])
            raise ShapeError(
                f"takes a sequence, then {parts} of shape ({self.units},) or none, then lengths of shape () or none, "
                f"got {' and '.join(map(str, shapes))}"
            )
        self.create(x[1], rng, dtype)
        return {"sequence": (x[0], self.units), "state": (self.parts, self.units)}.get(self.returns, (self.units,))

    def forward(self, at: Record, x: Array, *others: Array) -> Array:
        """One step after the other: see the layer's equations."""
        T, ragged = x.shape[1], bool(others) and others[-1].ndim == 1
        starts = others[:-1] if ragged else others
        past = _past(others[-1], T)[self._order] if ragged else None
        steps = at.buffer("x", (T, at.m, x.shape[2]))
        np.copyto(steps, x.swapaxes(0, 1)[self._order])
        if past is not None:
            np.copyto(steps, 0.0, where=past)  # not even a NaN there is looked at
        ends = self.ahead(at, steps, starts, past)
        if self.returns == "sequence":
            at.a = at.buffer("a", (at.m, T, self.units))
            np.copyto(at.a, self._in_order(at.states[0][1:]))
            if past is not None:
                np.copyto(at.a, 0.0, where=self._in_order(past))
        elif self.returns == "state":
            at.a = self._joined(at, "a", ends)
        else:
            at.a = ends[self.returns == "cell"]
        return at.a

    def backward(self, at: Record, error: Array) -> Any:
        """One step back after the other."""
        errors: Array | None = None
        ends: list[Any] = [0.0] * self.parts
        if self.returns == "sequence":
            errors = error.swapaxes(0, 1)[self._order]
            if at.past is not None:
                kept = at.buffer("errors", errors.shape)
                np.copyto(kept, errors)
                np.copyto(kept, 0.0, where=at.past)
                errors = kept
        elif self.returns == "state":
            ends = self._split(error)
        else:
            ends[self.returns == "cell"] = error
        sent, starts = self.back(at, errors, ends)
        at.delta = self._in_order(at.deltas)
        if sent is not None:
            sent = self._in_order(sent)
        if len(at.inputs) == 1:
            return sent
        given = len(at.inputs) - 1 - (at.past is not None)
        return [sent, *starts[:given], *[None] * (at.past is not None)]

    @property
    def _order(self) -> slice:
        return slice(None, None, -1 if self.reverse else 1)

    def _in_order(self, array: Array) -> Array:
        """(T, m, …) in the order of the steps -> (m, T, …) in the order of the sequence."""
        return array[self._order].swapaxes(0, 1)

    def describe(self) -> str:
        """The layer, and whether it goes backward in time."""
        return super().describe() + " reversed" * self.reverse


def _past(lengths: Array, T: int) -> Array:
    """Which of T steps lie behind the end of each example: (T, m, 1)."""
    if lengths.dtype.kind not in "iu":
        raise FeedError(f"takes integers as lengths, got {lengths.dtype}: declare them with g.input(…, (), dtype=int)")
    if lengths.min() < 1 or lengths.max() > T:
        raise FeedError(f"takes lengths from 1 to {T}, got lengths from {lengths.min()} to {lengths.max()}: clip them")
    past: Array = np.arange(T)[:, np.newaxis, np.newaxis] >= lengths[:, np.newaxis]
    return past


@dataclass(eq=False)
class RNN(Recurrent, RNNCell):
    """Simple recurrent neurons over a sequence.

        z_t = x_t wᵀ + h_{t−1} uᵀ + b,   h_t = σ(z_t)          x (m, T, k)   h_t (m, n)   w (n, k)   u (n, n)   b (n,)
        δ_t = (error_t + δ_{t+1} u) ⊙ σ'(z_t)
        ∂C/∂w = Σ_t δ_tᵀ x_t,   ∂C/∂u = Σ_t δ_tᵀ h_{t−1},   ∂C/∂b = Σ_t Σ_x δ_t
        errors to the inputs = δ_t w to x_t, δ_1 u to h_0

    Takes x; or x and h_0 (m, n), which else is 0; and after these, if examples differ in length, an input of integers
    `lengths` (m,) from 1 to T: later steps of an example give 0, leave its state as it is and take no error.
    `returns` is "sequence", all h_t (m, T, n), or "last", that of each example's last step (m, n). `reverse=True` goes
    from the last step to the first; what it makes of x_t still stands at t. Both ways: `Concat()(RNN(8)(x),
    RNN(8, reverse=True)(x))`. `activation` is what Dense takes. PyTorch's RNN(batch_first=True) has w = weight_ih_l0,
    u = weight_hh_l0, b = bias_ih_l0 + bias_hh_l0; its packed sequences are what lengths make.
    """

    steady: ClassVar[bool] = True


@dataclass(eq=False)
class LSTM(Recurrent, LSTMCell):
    """Long short-term memory over a sequence (Hochreiter and Schmidhuber 1997; forget gates: Gers et al. 2000).

        (z_i, z_f, z_g, z_o)_t = x_t wᵀ + h_{t−1} uᵀ + b          x (m, T, k)   w (4n, k)   u (4n, n)   b (4n,)
        i, f, o = σ(z_i), σ(z_f), σ(z_o),   g = tanh z_g          i_t, f_t, g_t, o_t, h_t, c_t (m, n)
        c_t = f_t ⊙ c_{t−1} + i_t ⊙ g_t,   h_t = o_t ⊙ tanh c_t

        η_t = error_t + δ_{t+1} u,   ε_t = ε_{t+1} ⊙ f_{t+1} + η_t ⊙ o_t ⊙ (1 − tanh² c_t)
        δ_i = ε ⊙ g ⊙ i (1 − i),   δ_f = ε_t ⊙ c_{t−1} ⊙ f (1 − f),   δ_g = ε ⊙ i ⊙ (1 − g²)
        δ_o = η ⊙ tanh c ⊙ o (1 − o),   δ = (δ_i, δ_f, δ_g, δ_o)
        ∂C/∂w = Σ_t δ_tᵀ x_t,   ∂C/∂u = Σ_t δ_tᵀ h_{t−1},   ∂C/∂b = Σ_t Σ_x δ_t
        errors to the inputs = δ_t w to x_t, δ_1 u to h_0, ε_1 ⊙ f_1 to c_0

    Takes x; or x, h_0 and c_0 (m, n), which else are 0; then `lengths`, if any: see RNN. `returns` is "sequence",
    "last", "cell", the last c_t (m, n), or "state", the last h_t and c_t stacked (m, 2, n). PyTorch's
    LSTM(batch_first=True) has w = weight_ih_l0, u = weight_hh_l0, b = bias_ih_l0 + bias_hh_l0.
    """

    steady: ClassVar[bool] = True

    results: ClassVar[tuple[str, ...]] = ("sequence", "last", "cell", "state")


@dataclass(eq=False)
class GRU(Recurrent, GRUCell):
    """Gated recurrent units over a sequence (Cho et al. 2014), with the reset gate behind the recurrent weights.

        (v_r, v_z, v_n)_t = x_t wᵀ + b          x (m, T, k)   w (3n, k)   u (3n, n)   b, c (3n,)
        (q_r, q_z, q_n)_t = h_{t−1} uᵀ + c          r_t, z_t, ñ_t, h_t (m, n)
        r, z = σ(v_r + q_r), σ(v_z + q_z),   ñ = tanh(v_n + r ⊙ q_n)
        h_t = (1 − z_t) ⊙ ñ_t + z_t ⊙ h_{t−1}

        η_t = error_t + ι_{t+1} u + η_{t+1} ⊙ z_{t+1}
        δ_n = η ⊙ (1 − z) ⊙ (1 − ñ²),   δ_z = η_t ⊙ (h_{t−1} − ñ_t) ⊙ z (1 − z),   δ_r = δ_n ⊙ q_n ⊙ r (1 − r)
        δ = (δ_r, δ_z, δ_n),   ι = (δ_r, δ_z, δ_n ⊙ r)
        ∂C/∂w = Σ_t δ_tᵀ x_t,   ∂C/∂b = Σ_t Σ_x δ_t,   ∂C/∂u = Σ_t ι_tᵀ h_{t−1},   ∂C/∂c = Σ_t Σ_x ι_t
        errors to the inputs = δ_t w to x_t, ι_1 u + η_1 ⊙ z_1 to h_0

    Takes x, h_0 and `lengths`, and returns, what RNN does. PyTorch's GRU(batch_first=True) has w = weight_ih_l0,
    u = weight_hh_l0, b = bias_ih_l0, c = bias_hh_l0.
    """

    steady: ClassVar[bool] = True
