"""SGD: mini-batch gradient descent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import GraphError
from .bundle import Bundle
from .optimizer import Optimizer


@dataclass(eq=False)
class SGD(Optimizer):
    """Mini-batch gradient descent, with momentum (Nesterov's, too) and an L2 term if wanted.

        w ← w − (η/m) Σ_x δ^x (a^x)ᵀ,   b ← b − (η/m) Σ_x δ^x          η = lr, m the examples of this batch
        with weight_decay λ:  g = ∂C/∂w + λ w in place of ∂C/∂w        (the term ½ λ w² in the cost)
        with momentum μ:      v ← μ v + g,   w ← w − η v               (v = g in the first step)
        with nesterov:        v ← μ v + g,   w ← w − η (g + μ v)

    As in PyTorch, the L2 term takes all Params, biases too: groups={"*.b": {"weight_decay": 0}} leaves them out.
    """

    momentum: float = 0.0
    weight_decay: float = 0.0
    nesterov: bool = False

    def check(self) -> None:
        """Numbers of 0 or more; nesterov is a way to have momentum."""
        super().check()
        self._amount("momentum")
        self._amount("weight_decay")
        self._flag("nesterov")
        if self.nesterov and not self.momentum:
            raise GraphError("SGD takes nesterov=True with a momentum above 0, got momentum=0")

    @property
    def linear(self) -> bool:
        """Without momentum and weight decay."""
        return not (self.momentum or self.weight_decay)

    def move(self, bundle: Bundle, rate: float) -> None:
        """η v, after v ← μ v + g."""
        g = bundle.g
        if self.weight_decay:
            bundle.add_weights(self.weight_decay)
        if self.momentum:
            v = bundle.kept("v")
            np.multiply(v, self.momentum, out=v)
            np.add(v, g, out=v)
            if self.nesterov:
                np.add(g, np.multiply(v, self.momentum, out=bundle.scratch("v")), out=g)
                np.multiply(g, rate, out=g)
            else:
                np.multiply(v, rate, out=g)
        else:
            np.multiply(g, rate, out=g)
