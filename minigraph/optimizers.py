"""Optimizers: how the weights move once all errors are known."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from .errors import GraphError, StaleError
from .numbers import is_real
from .param import Array, Param, moment
from .run import Run
from .sweep import BackwardSweep


@dataclass(eq=False)
class SGD:
    """Mini-batch gradient descent, with momentum and an L2 term if wanted.

        w ← w − (η/m) Σ_x δ^x (a^x)ᵀ,   b ← b − (η/m) Σ_x δ^x          η = lr, m the examples of this batch
        with weight_decay λ:  g = ∂C/∂w + λ w in place of ∂C/∂w        (the term ½ λ w² in the cost)
        with momentum μ:      v ← μ v + g,   w ← w − η v               (v = g in the first step)

    As in PyTorch, the L2 term takes all Params, biases too. Params without a path to the cost stay as they are.
    """

    lr: float
    momentum: float = 0.0
    weight_decay: float = 0.0
    _velocity: dict[Param, Array] = field(default_factory=dict, init=False, repr=False)
    _sweep: BackwardSweep | None = field(default=None, init=False, repr=False)
    _taken: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        for name, value in (("lr", self.lr), ("momentum", self.momentum), ("weight_decay", self.weight_decay)):
            if not is_real(value) or not math.isfinite(value) or value < 0:
                raise GraphError(f"SGD takes a finite {name} of 0 or more, got {value!r}")

    def step(self, run: Run) -> None:
        """Move every Param that got a gradient in this run, all by gradients of the old weights.

        Raises NotComputedError when the run has not gone backward, StaleError for a second step by the same sweep.
        """
        sweep = run.trained()
        if sweep is self._sweep and run.clock.sweep == self._taken:
            raise StaleError("this optimizer took its step for this sweep already: sweep forward and backward again")
        self._taken = run.clock.sweep
        if sweep is not self._sweep:
            self._sweep = sweep
            self._scaled = np.empty_like(sweep.flat)
            self._pieces = sweep.pieces_of(self._scaled)
        plain = not (self.momentum or self.weight_decay)
        np.multiply(sweep.gradients(), (self.lr if plain else 1.0) / sweep.forward.m, out=self._scaled)
        now = moment()
        for param, pieces in self._pieces:
            value = param.value
            for piece in pieces if plain else [self._velocity_of(param, pieces)]:
                np.subtract(value, piece, out=value)
            param.version = now
        run.commit()

    def _velocity_of(self, param: Param, pieces: list[Array]) -> Array:
        """η v, after v ← μ v + g."""
        g = pieces[0]
        for piece in pieces[1:]:
            np.add(g, piece, out=g)
        if self.weight_decay:
            np.add(g, param.value * self.weight_decay, out=g)
        if self.momentum:
            v = self._velocity.get(param)
            if v is None:
                v = self._velocity[param] = g.copy()
            else:
                np.multiply(v, self.momentum, out=v)
                np.add(v, g, out=v)
            g = v
        return g * self.lr
