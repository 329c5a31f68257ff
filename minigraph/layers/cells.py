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

    steady: ClassVar[bool] = True

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
        at.slopes, ones = at.buffer("slopes", z.shape), at.buffer("ones of z", z.shape)
        np.copyto(ones, 1.0)
        _put(self.sigma.backward(ones, z, h, out=at.slopes), at.slopes)

    def step_back(self, at: Record, t: int, delta: Array, now: list[Array], then: list[Array]) -> None:
        """δ = error ⊙ σ'(z), and δ u."""
        np.multiply(now[0], at.slopes[t], out=delta[0])
        np.dot(at.inner[t], self.u.value, out=then[0])

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

    steady: ClassVar[bool] = True

    gates: ClassVar[int] = 4
    parts: ClassVar[int] = 2

    def prepare(self, at: Record) -> Array | None:
        """b, and scratch."""
        T, gates, m, n = at.gates.shape
        at.g, at.tanh = at.buffer("g", (m, n)), at.buffer("tanh c'", (T, m, n))
        _prepare_sigmoid(at, gates)
        return super().prepare(at)

    def step(self, at: Record, t: int, z: Array, hu: Array) -> None:
        """c' = f ⊙ c + i ⊙ g,   h' = o ⊙ tanh c'."""
        (h, c), gates, tanh = at.states, at.gates[t], at.tanh[t]
        (i, f, g, o), after = gates, c[t + 1]
        np.add(z, hu, out=gates)
        np.tanh(g, out=at.g)
        _sigmoid(at, gates)  # of all four at once, as they lie behind each other
        np.copyto(g, at.g)
        np.multiply(f, c[t], out=after)
        np.multiply(i, g, out=tanh)
        np.add(after, tanh, out=after)
        np.tanh(after, out=tanh)
        np.multiply(o, tanh, out=h[t + 1])

    def slopes(self, at: Record) -> None:
        """δ without ε and error_h', and what of error_h' goes to ε."""
        (h, c), (i, f, g, o) = at.states, at.gates.swapaxes(0, 1)
        at.slopes, at.through = at.buffer("slopes", at.gates.shape), at.buffer("through", g.shape)
        product = at.through  # for the time being
        to_i, to_f, to_g, to_o = at.slopes.swapaxes(0, 1)
        np.subtract(at.one, at.gates, out=at.slopes)
        np.multiply(i, g, out=product)
        np.multiply(to_i, product, out=to_i)
        np.multiply(product, g, out=product)
        np.subtract(i, product, out=to_g)
        np.multiply(f, c[:-1], out=product)
        np.multiply(to_f, product, out=to_f)
        np.multiply(to_o, h[1:], out=to_o)
        np.multiply(h[1:], at.tanh, out=product)
        np.subtract(o, product, out=at.through)

    def step_back(self, at: Record, t: int, delta: Array, now: list[Array], then: list[Array]) -> None:
        """ε, δ, and δ u and ε ⊙ f."""
        slopes, epsilon = at.slopes[t], then[1]
        np.multiply(now[0], at.through[t], out=epsilon)
        np.add(epsilon, now[1], out=epsilon)
        np.multiply(slopes[:3], epsilon, out=delta[:3])
        np.multiply(slopes[3], now[0], out=delta[3])
        np.multiply(epsilon, at.gates[t, 1], out=epsilon)
        np.dot(at.inner[t], self.u.value, out=then[0])


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

    steady: ClassVar[bool] = True

    recurrent_biases: Initial = field(default="zeros", kw_only=True)
    c: Param | None = field(init=False, repr=False)

    gates: ClassVar[int] = 3

    def create(self, k: int, rng: np.random.Generator, dtype: np.dtype[Any]) -> None:
        """Create the Params for inputs of k numbers."""
        super().create(k, rng, dtype)
        rows = (self.gates * self.units,)
        self.c = self.param("c", rows, self.recurrent_biases, rng=rng, dtype=dtype) if self.bias else None

    def prepare(self, at: Record) -> Array | None:
        """b and, of c, what isn't behind the reset gate; scratch."""
        T, _, m, n = at.gates.shape
        at.q, at.kept = at.buffer("q_n", (T, m, n)), at.buffer("kept", (m, n))
        _prepare_sigmoid(at, 2)
        if self.b is None or self.c is None:
            return None
        sums = at.buffer("b + c", self.b.shape)
        np.add(self.b.value, self.c.value, out=sums)
        np.copyto(sums[2 * n :], self.b.value[2 * n :])
        return sums

    def step(self, at: Record, t: int, z: Array, hu: Array) -> None:
        """h' = ñ + z ⊙ (h − ñ)."""
        h, gates, q = at.states[0], at.gates[t], at.q[t]
        (r, update, n), after = gates, h[t + 1]
        if self.c is None:
            np.copyto(q, hu[2])
        else:
            np.add(hu[2], self.c.value[2 * self.units :], out=q)
        np.add(z[:2], hu[:2], out=gates[:2])
        _sigmoid(at, gates[:2])
        np.multiply(r, q, out=n)
        np.add(n, z[2], out=n)
        np.tanh(n, out=n)
        np.subtract(h[t], n, out=after)
        np.multiply(after, update, out=after)
        np.add(after, n, out=after)

    def slopes(self, at: Record) -> None:
        """ι and δ_n without error: all are linear in it."""
        (r, z, n), h = at.gates.swapaxes(0, 1), at.states[0][:-1]
        at.slopes = at.buffer("slopes", (4, *n.shape)).swapaxes(0, 1)
        to_r, to_z, to_q, to_n = at.slopes.swapaxes(0, 1)
        at.inner = at.buffer("inner", at.deltas.shape)
        np.multiply(n, n, out=to_n)
        np.subtract(at.one, to_n, out=to_n)
        np.subtract(at.one, z, out=to_z)
        np.multiply(to_n, to_z, out=to_n)
        np.multiply(to_z, z, out=to_z)
        np.subtract(h, n, out=to_r)
        np.multiply(to_z, to_r, out=to_z)
        np.multiply(to_n, r, out=to_q)
        np.subtract(at.one, r, out=to_r)
        np.multiply(to_r, to_q, out=to_r)
        np.multiply(to_r, at.q, out=to_r)

    def step_back(self, at: Record, t: int, delta: Array, now: list[Array], then: list[Array]) -> None:
        """ι, and ι u + error ⊙ z."""
        np.multiply(at.slopes[t, :3], now[0], out=delta)
        np.dot(at.inner[t], self.u.value, out=then[0])
        np.multiply(now[0], at.gates[t, 1], out=at.kept)
        np.add(then[0], at.kept, out=then[0])

    def settle(self, at: Record) -> None:
        """δ, which differs from ι in δ_n."""
        n = self.units
        np.copyto(at.deltas[:, :, : 2 * n], at.inner[:, :, : 2 * n])
        np.multiply(at.slopes[:, 3], at.errors[0][1:], out=at.deltas[:, :, 2 * n :])


def _put(result: Array, there: Array) -> None:
    """Activations may ignore `out`."""
    if result is not there:
        np.copyto(there, result)


def _prepare_sigmoid(at: Record, gates: int) -> None:
    _, _, m, n = at.gates.shape
    at.top, at.below = (at.buffer(name, (gates, m, n)) for name in ("top", "1 + e^z"))
    at.one = at.buffer("one", ())
    np.copyto(at.top, 88.0)  # where σ is 1: e^z overflows above
    np.copyto(at.one, 1.0)


def _sigmoid(at: Record, z: Array) -> None:
    """σ(z) = e^z / (1 + e^z) in place of z."""
    np.minimum(z, at.top, out=z)  # an array of tops, as numpy is slow to compare with a number
    np.exp(z, out=z)
    np.add(z, at.one, out=at.below)
    np.divide(z, at.below, out=z)
