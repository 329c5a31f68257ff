"""The gradient of one weight or one bias: a_in · δ_out, with the numbers of a run."""

from __future__ import annotations

from typing import Any

from ..errors import GraphError
from ..layer import Node
from ..numbers import is_whole
from ..param import Array
from ..summary import one_line
from .docstrings import words_of
from .formula import (
    Block,
    Formula,
    Letter,
    Line,
    Part,
    Prose,
    Words,
    equations,
    heading,
    math,
    paragraph,
    partial,
    values,
)
from .letters import Letters, called, is_dense, is_transposed, opened
from .params import batch_lines, batch_title, param_letter, positions
from .sample import COUNTING, Sample


class Element:
    """One element of w or b of a node.

    Raises GraphError where there is no such element, and what `run.grad` raises where it has no gradient.
    """

    def __init__(self, letters: Letters, sample: Sample, node: Node, name: str, index: Any):
        self.letters = letters
        self.sample = sample
        self.node = node
        self.name = name
        self.at = _checked(node, name, index)
        self.param = node.layer.params[name]
        self.grad: Array = sample.run.grad(self.param)[self.at]
        self.letter = param_letter(letters, node, name, ",".join(map(str, self.at)))
        self.slope = partial(letters.cost(), self.letter)

    def blocks(self) -> list[Block]:
        """The four moves, the numbers, and how the cost changes with the element."""
        story = self._of_neuron() if is_dense(self.node) else self._of_other()
        blocks = [*story, *self._of_batch(), *self._what_if()]
        kind = "weight" if self.name == "w" else "bias"
        return opened(self.letters, heading(1, f"One {kind} of ", called(self.node)), self._opening(), blocks)

    def _opening(self) -> Prose:
        code = f"{self.name}[{', '.join(map(str, self.at))}]"
        layer = one_line(self.node.layer.describe())
        of = (f" is {code} of ", called(self.node), f", {layer}. {COUNTING}")
        return (math(self.letter), *of, *self.sample.what_is_c())

    def _of_other(self) -> list[Block]:
        define = paragraph(math(self.slope), " is how fast the cost changes with this one number.")
        kind = type(self.node.layer)
        return [heading(2, "1. Define"), define, *words_of(kind)]

    def _of_neuron(self) -> list[Block]:
        letters, node, c = self.letters, self.node, self.letters.cost()
        j, k = self._ends()
        z, delta, a = letters.z(node, j), letters.error(node, j), letters.a(node.inputs[0], k)
        inner: Formula = (a,) if self.name == "w" else ("1",)
        simple: Formula = (a, " ", delta) if self.name == "w" else (delta,)
        facts = (
            Line((z,), "=", letters.weighed(node, j, "k")),
            Line((partial(z, self.letter),), "=", inner),
            Line((partial(c, z),), "=", (delta,), (Words("by definition"),)),
        )
        return [
            heading(2, "1. Define"),
            paragraph(math(self.slope), " is how fast the cost changes with this one number", *self._way(a, j), "."),
            heading(2, "2. Expand by the chain rule"),
            paragraph("It acts on the cost through ", math(z), " alone:"),
            equations(Line((self.slope,), "=", (partial(c, z), " · ", partial(z, self.letter)))),
            heading(2, "3. Substitute"),
            equations(*facts),
            heading(2, "4. Simplify"),
            equations(*self._results(simple)),
            *positions(node),
            heading(2, self.sample.title),
            equations(*self._numbers(a, delta)),
        ]

    def _ends(self) -> tuple[str, str]:
        """The neuron j that it leads to and, of a weight, the k that it comes from."""
        j, k = str(self.at[0]), str(self.at[-1])
        return (k, j) if self.name == "w" and is_transposed(self.node) else (j, k)

    def _way(self, a: Letter, j: str) -> Prose:
        if self.name == "b":
            return (", the bias of neuron ", math(j))
        return (", the weight from ", math(a), " to neuron ", math(j))

    def _results(self, simple: Formula) -> list[Line]:
        letters, node = self.letters, self.node
        if self.name == "b":
            return [Line((self.slope,), "=", simple, label="BP3")]
        whole = partial(letters.cost(), letters.w(node))
        return [
            Line((self.slope,), "=", simple, (Words("that is, "), _A_IN, " ", _DELTA_OUT), "BP4"),
            Line((whole,), "=", letters.outer(node), (Words("of which it is element "), ", ".join(map(str, self.at)))),
        ]

    def _numbers(self, a: Part, delta: Part) -> list[Line]:
        j, k = map(int, self._ends())
        view, row = self.sample.run[self.node], self.sample.row
        product = errors = row(view.delta)[..., j]
        lines = [Line((delta,), "=", (values(errors),))]
        if self.name == "w":
            activations = row(view.inputs[0])[..., k]
            lines.insert(0, Line((a,), "=", (values(activations),)))
            product = activations * errors
        of = partial(self.sample.c, self.letter)
        return [*lines, Line((of,), "=", (values(product.sum()),), self.sample.share)]

    def _of_batch(self) -> list[Block]:
        lines = batch_lines(self.letters, self.sample, self.node, self.name, self.param, self.at)
        return [paragraph(batch_title(self.sample)), equations(*lines)]

    def _what_if(self) -> list[Block]:
        c = self.letters.cost()
        mean = f", the mean over the {self.sample.run.m} examples," if self.sample.run.m > 1 else ""
        change = f"When it grows by a small ε, the cost{mean} changes by about ε times the derivative:"
        if self.sample.went_back_from_costs:
            after: Formula = (values(self.sample.cost), " + (", values(self.grad), ") ε")
            line = Line((c, "(", self.letter, " + ε)"), "≈", after)
        else:
            line = Line((c, "(", self.letter, " + ε) − ", c, "(", self.letter, ")"), "≈", (values(self.grad), " ε"))
        blocks: list[Block] = [heading(2, "What if it were changed?"), paragraph(change), equations(line)]
        if self.name == "w" and is_dense(self.node):
            slow = " near 0, from a neuron that is hardly active, makes it learn slowly; so does a "
            blocks.append(
                paragraph("An ", math(_A_IN), slow, math(_DELTA_OUT), " near 0, of a neuron that is saturated.")
            )
        return blocks


_A_IN, _DELTA_OUT = Letter("a", (), (Words("in"),)), Letter("δ", (), (Words("out"),))


def _checked(node: Node, name: str, index: Any) -> tuple[int, ...]:
    """The index of an element; raises GraphError where there is none."""
    kind, param = type(node.layer).__name__, node.layer.params.get(name)
    if param is None:
        has = ", ".join(node.layer.params) or "none"
        raise GraphError(f"{kind} {node.name!r} has no {name} to explain: its Params are {has}")
    at = index if isinstance(index, tuple) else (index,)
    fits = len(at) == len(param.shape) and all(map(is_whole, at))
    if not fits or not all(0 <= i < n for i, n in zip(at, param.shape, strict=True)):
        below = ", ".join(f"0…{n - 1}" for n in param.shape)
        raise GraphError(f"{name} of {node.name!r} has elements ({below}), counted from 0: got {name}={index!r}")
    return tuple(map(int, at))
