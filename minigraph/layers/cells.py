"""Recurrent cells: one time step as one node."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from ..activations import Activation, Spec, resolve
from ..initializers import Initial
from ..param import Array, Param
from ..record import Record
from .steps import Cell


@dataclass(eq=False)
class RNNCell(Cell):
    """One step of simple recurrent neurons.

        z = x wᵀ + h uᵀ + b,   h' = σ(z)          x (m, k)   h, h' (m, n)   w (n, k)   u (n, n)   b (n,)
        δ = error ⊙ σ'(z)
        ∂C/∂w = δᵀ x,   ∂C/∂u = δᵀ h,   ∂C/∂b = Σ_x δ
        errors to the inputs = δ w to x, δ u to h

    Takes x and h, or x alone: then h = 0. `units` is n, `activation` what Dense takes; `weights`, `recurrent` and
    `biases` say what w, u and b start as, and share those of another cell or layer: `RNNCell(8, weights=rnn.w,
    recurrent=rnn.u, biases=rnn.b)`. PyTorch's RNNCell has w = weight_ih, u = weight_hh, b = bias_ih + bias_hh.
    """

    activation: Spec = "tanh"
    sigma: Activation = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.sigma = resolve(self.activation, self.units, type(self).__name__)

    def step(self, at: Record, t: int, z: Array, hu: Array) -> None:
        """h' = σ(z)."""
        z, after = np.add(z[0], hu[0], out=at.gates[t, 0]), at.states[0][t + 1]
        _put(self.sigma(z, out=after), after)

    def slopes(self, at: Record) -> None:
        """σ'(z)."""
        z, h = at.gates[:, 0], at.states[0][1:]
        at.slopes = at.buffer("slopes", z.shape)
        _put(self.sigma.backward(np.broadcast_to(at.ones[:1], z.shape), z, h, out=at.slopes), at.slopes)

    def step_back(self, at: Record, t: int, delta: Array, now: list[Array], then: list[Array]) -> None:
        """δ = error ⊙ σ'(z), and δ u."""
        np.multiply(now[0], at.slopes[t], out=at.deltas[t])
        np.dot(at.deltas[t], self.u.value, out=then[0])

    def describe(self) -> str:
        """The layer and its activation."""
        return f"{type(self).__name__} {self.sigma}"


@dataclass(eq=False)
class LSTMCell(Cell):
    """One step of long short-term memory (Hochreiter and Schmidhuber 1997; forget gates: Gers et al. 2000).

        (z_i, z_f, z_g, z_o) = x wᵀ + h uᵀ + b          x (m, k)   h, c (m, n)   w (4n, k)   u (4n, n)   b (4n,)
        i, f, o = σ(z_i), σ(z_f), σ(z_o),   g = tanh z_g          σ(z) = 1 / (1 + e^−z)
        c' = f ⊙ c + i ⊙ g,   h' = o ⊙ tanh c'

        ε = error_c' + error_h' ⊙ o ⊙ (1 − tanh² c')
        δ_i = ε ⊙ g ⊙ i (1 − i),   δ_f = ε ⊙ c ⊙ f (1 − f),   δ_g = ε ⊙ i ⊙ (1 − g²)
        δ_o = error_h' ⊙ tanh c' ⊙ o (1 − o),   δ = (δ_i, δ_f, δ_g, δ_o)          (m, 4n)
        ∂C/∂w = δᵀ x,   ∂C/∂u = δᵀ h,   ∂C/∂b = Σ_x δ
        errors to the inputs = δ w to x, δ u to h, ε ⊙ f to c

    Takes x and the state, h and c stacked as (m, 2, n), or x alone: then both are 0. Its output is h' and c', stacked
    too. `weights`, `recurrent` and `biases` are as RNNCell's. PyTorch's LSTMCell has w = weight_ih, u = weight_hh,
    b = bias_ih + bias_hh.
    """

    gates: ClassVar[int] = 4
    parts: ClassVar[int] = 2
    quiet: ClassVar[dict[str, Any]] = {"over": "ignore"}  # in e^−z, where σ is 0

    def step(self, at: Record, t: int, z: Array, hu: Array) -> None:
        """c' = f ⊙ c + i ⊙ g,   h' = o ⊙ tanh c'."""
        (h, c), (i, f, g, o) = at.states, at.gates[t]
        np.add(z, hu, out=at.gates[t])
        at.g = np.tanh(g, out=at.g)
        _sigmoid(at.gates[t])  # of all four at once, as they lie behind each other
        g[...] = at.g
        after, tanh = c[t + 1], at.buffer("tanh c", (len(at.gates), *g.shape))[t]
        np.multiply(f, c[t], out=after)
        np.multiply(i, g, out=tanh)
        np.add(after, tanh, out=after)
        np.tanh(after, out=tanh)
        np.multiply(o, tanh, out=h[t + 1])

    def slopes(self, at: Record) -> None:
        """δ without ε and error_h', and what of error_h' goes to ε."""
        at.slopes = slopes = at.buffer("slopes", at.gates.shape)
        i, _, g, o = at.gates.swapaxes(0, 1)
        tanh = at.buffer("tanh c", g.shape)
        np.subtract(1.0, at.gates, out=slopes)
        np.multiply(slopes, at.gates, out=slopes)
        at.through = _one_minus_square(g, at.through)
        np.multiply(at.through, i, out=slopes[:, 2])
        for gate, factor in ((0, g), (1, at.states[1][:-1]), (3, tanh)):
            np.multiply(slopes[:, gate], factor, out=slopes[:, gate])
        _one_minus_square(tanh, at.through)
        np.multiply(at.through, o, out=at.through)

    def step_back(self, at: Record, t: int, delta: Array, now: list[Array], then: list[Array]) -> None:
        """ε, δ, and δ u and ε ⊙ f."""
        epsilon = np.multiply(now[0], at.through[t], out=then[1])
        np.add(epsilon, now[1], out=epsilon)
        np.multiply(at.slopes[t, :3], epsilon, out=delta[:3])
        np.multiply(at.slopes[t, 3], now[0], out=delta[3])
        np.multiply(epsilon, at.gates[t, 1], out=epsilon)
        np.dot(at.deltas[t], self.u.value, out=then[0])


@dataclass(eq=False)
class GRUCell(Cell):
    """One step of a gated recurrent unit (Cho et al. 2014), with the reset gate behind the recurrent weights.

        (v_r, v_z, v_n) = x wᵀ + b          x (m, k)   h (m, n)   w (3n, k)   u (3n, n)   b, c (3n,)
        (q_r, q_z, q_n) = h uᵀ + c
        r, z = σ(v_r + q_r), σ(v_z + q_z),   ñ = tanh(v_n + r ⊙ q_n)          σ(z) = 1 / (1 + e^−z)
        h' = (1 − z) ⊙ ñ + z ⊙ h

        δ_n = error ⊙ (1 − z) ⊙ (1 − ñ²),   δ_z = error ⊙ (h − ñ) ⊙ z (1 − z),   δ_r = δ_n ⊙ q_n ⊙ r (1 − r)
        δ = (δ_r, δ_z, δ_n),   ι = (δ_r, δ_z, δ_n ⊙ r)          (m, 3n)
        ∂C/∂w = δᵀ x,   ∂C/∂b = Σ_x δ,   ∂C/∂u = ιᵀ h,   ∂C/∂c = Σ_x ι
        errors to the inputs = δ w to x, ι u + error ⊙ z to h

    Takes x and h, or x alone: then h = 0. `weights`, `recurrent`, `biases` and `recurrent_biases` say what w, u, b
    and c start as, and share those of another cell or layer. PyTorch's GRUCell has w = weight_ih, u = weight_hh,
    b = bias_ih, c = bias_hh.
    """

    recurrent_biases: Initial = field(default="zeros", kw_only=True)
    c: Param | None = field(init=False, repr=False)

    gates: ClassVar[int] = 3
    quiet: ClassVar[dict[str, Any]] = {"over": "ignore"}  # in e^−z, where σ is 0

    def create(self, k: int, rng: np.random.Generator, dtype: np.dtype[Any]) -> None:
        """Create the Params for inputs of k numbers."""
        super().create(k, rng, dtype)
        rows = (self.gates * self.units,)
        self.c = self.param("c", rows, self.recurrent_biases, rng=rng, dtype=dtype) if self.bias else None

    def step(self, at: Record, t: int, z: Array, hu: Array) -> None:
        """h' = ñ + z ⊙ (h − ñ)."""
        h, gates = at.states[0], at.gates[t]
        q = at.buffer("q_n", at.states[0][1:].shape)[t]
        if self.c is not None:
            np.add(hu, self.c.value.reshape(3, 1, -1), out=hu)
        q[...] = hu[2]
        np.add(z[:2], hu[:2], out=gates[:2])
        _sigmoid(gates[:2])
        r, update, n = gates
        np.multiply(r, q, out=n)
        np.add(n, z[2], out=n)
        np.tanh(n, out=n)
        after = np.subtract(h[t], n, out=h[t + 1])
        np.multiply(after, update, out=after)
        np.add(after, n, out=after)

    def slopes(self, at: Record) -> None:
        """δ_z and δ_n without error, δ_r without δ_n."""
        at.slopes = slopes = at.buffer("slopes", at.gates.shape)
        h, n = at.states[0][:-1], at.gates[:, 2]
        at.inner = at.buffer("inner", at.deltas.shape)
        np.subtract(1.0, at.gates, out=slopes)
        at.through = _one_minus_square(n, at.through)
        np.multiply(at.through, slopes[:, 1], out=slopes[:, 2])
        np.multiply(slopes[:, :2], at.gates[:, :2], out=slopes[:, :2])
        np.multiply(slopes[:, 0], at.buffer("q_n", h.shape), out=slopes[:, 0])
        np.subtract(h, n, out=at.through)
        np.multiply(slopes[:, 1], at.through, out=slopes[:, 1])

    def step_back(self, at: Record, t: int, delta: Array, now: list[Array], then: list[Array]) -> None:
        """δ, ι, and ι u + error ⊙ z."""
        (r, z, _), n = at.gates[t], self.units
        np.multiply(at.slopes[t, 1:], now[0], out=delta[1:])
        np.multiply(at.slopes[t, 0], delta[2], out=delta[0])
        inner = at.inner[t]
        inner[:, : 2 * n] = at.deltas[t, :, : 2 * n]
        np.multiply(delta[2], r, out=inner[:, 2 * n :])
        np.dot(inner, self.u.value, out=then[0])
        at.kept = np.multiply(now[0], z, out=at.kept)
        np.add(then[0], at.kept, out=then[0])


def _put(result: Array, there: Array) -> None:
    """Activations may ignore `out`."""
    if result is not there:
        there[...] = result


def _sigmoid(z: Array) -> None:
    """σ(z) = 1 / (1 + e^−z) in place of z."""
    np.negative(z, out=z)
    np.exp(z, out=z)
    np.add(z, 1.0, out=z)
    np.divide(1.0, z, out=z)


def _one_minus_square(a: Array, out: Array | None) -> Array:
    out = np.multiply(a, a, out=out)
    return np.subtract(1.0, out, out=out)
