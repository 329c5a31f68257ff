"""The example of a run whose numbers are shown, and what C is in that run."""

from __future__ import annotations

import numpy as np

from ..costs import Cost
from ..errors import GraphError
from ..layer import Node
from ..numbers import is_whole
from ..param import Array
from ..results import Results
from .formula import Formula, Letter, Prose, Words, listed, math
from .letters import called

COUNTING = "Indices count from 0, as in the code; the book's count from 1."


class Sample:
    """One example of a run that went backward.

    Raises NotComputedError before `run.backward()`, GraphError for an example that there isn't.
    """

    def __init__(self, run: Results, example: int):
        self.run = run
        self.sweep = run.swept_back()
        if not is_whole(example) or not 0 <= example < run.m:
            raise GraphError(
                f"example is a whole number from 0 to {run.m - 1}, as the run has {run.m}, got {example!r}"
            )
        self.example = int(example)

    def row(self, array: Array) -> Array:
        """The example's part of an array that a record of the run shows."""
        return array if self.run.single else array[self.example]

    @property
    def title(self) -> str:
        """Whose numbers these are."""
        return "Numbers" if self.run.m == 1 else f"Numbers of example {self.example} (of 0 to {self.run.m - 1})"

    def is_plain(self, cost: Node) -> bool:
        """Whether the error of a cost is 1 for each example, and no more comes back to it."""
        return not self.sweep.errands[cost].sources and bool(np.all(self.run[cost].error == 1))

    @property
    def went_back_from_costs(self) -> bool:
        """Whether C, of which derivatives are taken, is a sum of costs and nothing else."""
        return all(isinstance(seed.layer, Cost) and self.is_plain(seed) for seed in self.sweep.seeds)

    @property
    def cost(self) -> float:
        """C, where it is a sum of costs."""
        costs = self.run.costs
        return sum(costs[seed.name] for seed in self.sweep.seeds)

    @property
    def mixing(self) -> Node | None:
        """A node that mixes the examples, so that none has a cost of its own; None where there is none."""
        return next((node for node in self.sweep.place if node.layer.mixes_examples), None)

    @property
    def c(self) -> Letter:
        """What the example's share of a gradient is a derivative of: C_x, or C where examples mix."""
        return Letter("C", (), () if self.mixing or not self.went_back_from_costs else ("x",))

    @property
    def share(self) -> Formula:
        """A remark on the example's share of a gradient, where it isn't ∂C_x."""
        return () if self.c.sub else (Words("the share of this example"),)

    def what_is_c(self) -> Prose:
        """A sentence that says what C stands for."""
        seeds = sorted(self.sweep.seeds, key=lambda seed: seed.id)
        names, c, c_x = listed(map(called, seeds), " and "), math("C"), math(Letter("C", (), ("x",)))
        if not self.went_back_from_costs:
            return (" ", c, " is the sum of the outputs of ", *names, ", times the error given to run.backward.")
        if len(seeds) < len(self.run.swept().plan.costs):
            whose: Prose = (", of ", *names, " alone,")
        else:
            whose = (", of ", *names, " together,") if len(seeds) > 1 else (",",)
        if self.mixing is None:
            return (" ", c, " is here the cost ", c_x, " of one example", *whose, " as in the book's derivation.")
        return (" ", c, " is here the sum of all ", c_x, *whose, " as ", called(self.mixing), " mixes the examples.")
