"""The equations of a node's two steps: in MathML with this node's superscripts, or in the words of its layer."""

from __future__ import annotations

import html
import inspect
from typing import NamedTuple

from ...activations import Identity
from ...costs import Cost, Penalty
from ...graph import Graph
from ...layer import Input, Layer, Neurons, Node
from ...layers import Dense
from ...param import Transposed
from ...schedule import Errand
from ...summary import one_line
from ...symbols import Symbols, param_letter

LONGEST = 24
"""Longer names are cut where they are superscripts."""


class Equation(NamedTuple):
    """One line: which of BP1–BP4 it is, if any, its MathML, if any, and what is said beside it."""

    tag: str
    math: str
    words: str


class Equations:
    """The equations of a graph's nodes: the book's for its neurons, and what holds for all nodes."""

    def __init__(self, graph: Graph):
        self.symbols = Symbols(graph)
        self.targets = set(graph.targets)

    def letter(self, letter: str, node: Node) -> str:
        """A letter or a Param's name with the node's superscript, as a part of MathML: w_q is w with subscript q."""
        superscript = self.symbols[node]
        known = self.symbols.is_numbered(node)
        mark = f"<mn>{superscript}</mn>" if known else f"<mtext>{_safe(superscript)}</mtext>"
        letter, below = param_letter(letter)
        if not below:
            return f"<msup>{_symbol(letter)}<mrow>{mark}</mrow></msup>"
        return f"<msubsup>{_symbol(letter)}{_symbol(below)}<mrow>{mark}</mrow></msubsup>"

    def slope(self, letter: str, node: Node, cost: str = "<mi>C</mi>") -> str:
        """∂C by ∂ of a letter, as a part of MathML."""
        return f"<mfrac><mrow>{_D}{cost}</mrow><mrow>{_D}{self.letter(letter, node)}</mrow></mfrac>"

    def error(self, letter: str, node: Node) -> str:
        """∂C_x by ∂ of a letter: errors are those of each example, not divided by m."""
        return self.slope(letter, node, _CX)

    def slope_of_sigma(self, node: Node) -> str:
        """σ′(z) of the node."""
        return math(_call("<mi>σ</mi><mo>′</mo>", self.letter("z", node)))

    def forward(self, node: Node) -> list[Equation]:
        """What the node's forward step computes."""
        a = self.letter("a", node)
        if isinstance(node.layer, Input):
            role = "the target, as it was fed" if node in self.targets else "the input, as it was fed"
            return [Equation("", math(a, _IS, "<mi>y</mi>" if node in self.targets else "<mi>x</mi>"), role)]
        if isinstance(node.layer, Cost):
            mean = f"<mfrac><mn>1</mn><mi>m</mi></mfrac>{_sum('x')}{_CX}"
            return [Equation("", math("<mi>C</mi>", _IS, mean), "Cₓ is the cost of one example x")]
        if type(node.layer) is not Dense:
            return []
        z, before = self.letter("z", node), self.letter("a", node.inputs[0])
        bias = ["<mo>+</mo>", self.letter("b", node)] if node.layer.b is not None else []
        weighed = math(z, _IS, self._weights(node, back=False), before, *bias)
        said = "linear neurons: σ(z) = z" if _is_linear(node.layer) else f"σ: {node.layer.sigma}"
        return [Equation("", weighed, "weighted input"), Equation("", math(a, _IS, _call("<mi>σ</mi>", z)), said)]

    def backward(self, node: Node, errand: Errand) -> list[Equation]:
        """What the node's backward step computes, from the errors that came back along its edges."""
        found = []
        if isinstance(node.layer, Neurons):
            found.append(self._delta(node, node.layer, errand))
        elif len(errand.sources) + errand.seeded > 1:
            said = "the errors along the edges add up: the chain rule for several variables"
            found.append(Equation("sum", math(self.error("a", node), _IS, self._arriving(node)), said))
        if isinstance(node.layer, Cost) and not isinstance(node.layer, Penalty):
            said = "sent to the output: the first factor of BP1"
            found.append(Equation("", math("<msub><mo>∇</mo><mi>a</mi></msub>", _CX), said))
        if type(node.layer) is Dense:
            found += self._of_dense(node, node.layer, errand.needs[0])
        return found

    def tags(self, node: Node, errand: Errand) -> list[str]:
        """Which of the four equations run in the node's backward step."""
        if not isinstance(node.layer, Neurons):
            return []
        from_costs = [isinstance(user.layer, Cost) for user, _ in errand.sources]
        tags = ["BP1"] * any(from_costs) + ["BP2"] * (not all(from_costs))
        if not node.layer.frozen:
            names = node.layer.params
            tags += ["BP3"] * ("b" in names) + ["BP4"] * bool(names.keys() - {"b"})
        return tags

    def _delta(self, node: Node, layer: Neurons, errand: Errand) -> Equation:
        tag = " + ".join(tag for tag in self.tags(node, errand) if tag in ("BP1", "BP2"))
        users = [user for user, _ in errand.sources]
        a, z = self.letter("a", node), self.letter("z", node)
        said = "the error in the output, times the slope of σ"
        if errand.seeded:
            arriving, said = self.error("a", node), "the error that backward was given, times the slope of σ"
            arriving = self._arriving(node) if users else arriving
        elif users and all(isinstance(user.layer, Cost) for user in users):
            arriving = f"<msub><mo>∇</mo>{a}</msub>{_CX}"
        elif len(users) > 1:
            arriving, said = self._arriving(node), "the errors along the edges add up, then comes the slope of σ"
        elif type(users[0].layer) is Dense:
            arriving = f"{self._weights(users[0], back=True)}{self.letter('δ', users[0])}"
            said = "the next layer's errors, weighted and summed, times the slope of σ"
        else:
            arriving = self.error("a", node)
            said = f"what {one_line(users[0].name)} sent back, times the slope of σ"
        factors = [_OPEN, arriving, _CLOSE, "<mo>⊙</mo>", _call("<mi>σ</mi><mo>′</mo>", z)]
        if _is_linear(layer):
            factors, said = [arriving], said.partition(", times")[0].partition(", then")[0] + "; linear: σ′ = 1"
        return Equation(tag, math(self.letter("δ", node), _IS, *factors), said)

    def _of_dense(self, node: Node, layer: Dense, sends: bool) -> list[Equation]:
        found, delta, before = [], self.letter("δ", node), self.letter("a", node.inputs[0])
        if not layer.frozen:
            left, right = (before, delta) if isinstance(layer.weights, Transposed) else (delta, before)
            outer = math(self.error("w", node), _IS, left, _transposed(right))
            if layer.b is not None:
                found.append(
                    Equation("BP3", math(self.error("b", node), _IS, delta), "its mean over examples x is ∂C/∂b")
                )
            found.append(Equation("BP4", outer, "a going in times δ coming out; its mean over x is ∂C/∂w"))
        if sends:
            back = math(self.error("a", node.inputs[0]), _IS, self._weights(node, back=True), delta)
            found.append(Equation("BP2", back, "sent back along the edge: the first half of BP2"))
        return found

    def _weights(self, node: Node, back: bool) -> str:
        """w, transposed on the way back; the other way round where the layer uses another's weights transposed."""
        w = self.letter("w", node)
        return _transposed(w) if back != isinstance(getattr(node.layer, "weights", None), Transposed) else w

    def _arriving(self, node: Node) -> str:
        return f"{_sum('edges', 'mtext')}<msub>{self.error('a', node)}<mtext>edge</mtext></msub>"


def words_of(layer: type[Layer]) -> str:
    """A layer's own equations: the first paragraphs of its docstring; nothing where it has none of its own."""
    for kind in layer.__mro__:
        text = inspect.cleandoc(vars(kind).get("__doc__") or "")
        if kind.__module__ in _BASES or kind is object:
            return ""
        if text and not text.startswith(f"{kind.__name__}("):  # that is how a dataclass without one describes itself
            summary, *paragraphs = text.split("\n\n")
            lines = [inspect.cleandoc(paragraph) for paragraph in paragraphs[:1] if "=" in paragraph]
            lines += [inspect.cleandoc(more) for more in paragraphs[1:] if lines and more.startswith("    ")]
            return "\n\n".join([summary, *lines])
    return ""


def math(*parts: str) -> str:
    """A formula of these parts."""
    return f"<math>{''.join(parts)}</math>"


_BASES = {"minigraph.layer", "minigraph.costs.cost"}
_D = '<mi mathvariant="normal">∂</mi>'
_CX = "<msub><mi>C</mi><mi>x</mi></msub>"
_IS = "<mo>=</mo>"
_OPEN, _CLOSE = '<mo stretchy="false">(</mo>', '<mo stretchy="false">)</mo>'


def _safe(name: str) -> str:
    name = one_line(name)
    return html.escape(name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…")


def _symbol(name: str) -> str:
    return f"<mi>{html.escape(name)}</mi>" if len(name) == 1 else f"<mtext>{_safe(name)}</mtext>"


def _call(function: str, argument: str) -> str:
    return f"{function}{_OPEN}{argument}{_CLOSE}"


def _transposed(letter: str) -> str:
    return f'<msup><mrow>{_OPEN}{letter}{_CLOSE}</mrow><mi mathvariant="normal">T</mi></msup>'


def _sum(over: str, kind: str = "mi") -> str:
    return f"<munder><mo>∑</mo><{kind}>{over}</{kind}></munder>"


def _is_linear(layer: Neurons) -> bool:
    return isinstance(layer.sigma, Identity)
