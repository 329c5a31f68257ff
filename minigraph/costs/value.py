"""A cost that the network computes itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..param import Array, Shape
from ..record import Record
from .cost import Cost, column


@dataclass(eq=False)
class Value(Cost):
    """The output itself, summed up, as the cost: for costs composed of nodes.

    C_x = Σ_j a_j,   ∇ₐC_x = 1          a (m, *shape) -> C_x (m,)
    """

    takes_target: ClassVar[bool] = False

    steady: ClassVar[bool] = True

    def suit(self, *shapes: Shape) -> None:
        """Outputs of any shape."""

    def forward(self, at: Record, a: Array, w: Array | None = None) -> Array:
        """Σ_j a_j for each example."""
        at.a = np.add.reduce(a.reshape(len(a), -1), axis=1, out=at.a)
        return self.weighed(at, at.a, self.weight, w)

    def backward(self, at: Record, error: Array) -> Array | tuple[Array, None]:
        """error for every element."""
        sent = at.buffer("sent", at.inputs[0].shape)
        sent[...] = column(self.scales(at, error), sent)
        return (sent, None) if len(at.inputs) > 1 else sent
