"""The summands of the error at a node: what each of its uses sends back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..activations import Activation
from ..costs import Cost
from ..layer import Neurons, Node
from ..layers import Add
from ..param import Array
from ..results import Results
from ..schedule import Errand
from .costs import gradient_of
from .formula import Formula, Letter, Line, Part, Words, partial
from .letters import Letters, is_dense, is_transposed, noted
from .passing import Passing, passing


@dataclass(frozen=True)
class Term:
    """What one use of a node's output adds to ∂C/∂a there, as formulas and as numbers."""

    expanded: Formula
    """Its component j by the chain rule."""
    component: Formula
    """Its component j with the facts put in, to stand alone."""
    factor: Formula
    """The same as a factor or a summand, in parentheses where it needs them."""
    vector: Formula
    """All components at once, to stand alone."""
    vector_factor: Formula
    facts: tuple[Line, ...]
    """What the derivatives in it are."""
    origin: Formula
    """Whence it comes, in a few words."""
    numbers: Callable[[Results], Array]
    """Its numbers in a run, as the run's records show them."""
    through: Formula
    """By what the output acts on the cost there."""
    label: str = ""
    """The equation of the book that it belongs to."""
    beside: tuple[tuple[Formula, Callable[[Results], Array]], ...] = ()
    """What else its numbers come from, beside errors and weights."""
    sigma: Activation | None = None
    """A function in it."""
    speaker: type | None = None
    """The class whose docstring has to say how it comes about, where no formula here does."""


def terms(letters: Letters, errand: Errand, is_plain: Callable[[Node], bool]) -> list[Term]:
    """The summands of the error that arrives at a node, in the order of its uses, those of sums first.

    `is_plain` says of a cost whether nothing scales its examples but itself, so that its error is 1 for each.
    """
    node = errand.node
    given = [_given(letters, node)] if errand.seeded else []
    uses = sorted(errand.sources, key=lambda use: (type(use[0].layer) is not Add, use[0].id, use[1]))
    return given + [_sent(letters, node, user, slot, is_plain) for user, slot in uses]


def arriving(letters: Letters, node: Node, index: str = "") -> Part:
    """What the uses of a node add up to: ∂C/∂a, which is the error itself of layers other than neurons."""
    return letters.slope(node, index) if isinstance(node.layer, Neurons) else letters.error(node, index)


def summed(left: Part, summands: list[Formula]) -> list[Line]:
    """An equation for a sum, with a line for each summand."""
    first, *others = summands
    lines = [Line((left,), "=", first)]
    for summand in others:
        lines.append(Line((), "−", summand[1:]) if summand[0] == "−" else Line((), "+", summand))
    return lines


def result(letters: Letters, node: Node, parts: list[Term], index: str, slope: Formula) -> list[Line]:
    """The error of a node, with an index or, for "", as a vector: what its uses send back, times the slope, if any."""
    alone = [part.component if index else part.vector for part in parts]
    if not isinstance(node.layer, Neurons):
        return summed(letters.error(node, index), alone)
    factors = [part.factor if index else part.vector_factor for part in parts]
    lines: list[Line] = []
    product = factors[0] if slope else alone[0]
    if len(parts) > 1:
        lines, product = summed(letters.slope(node, index), factors), (letters.slope(node, index),)
    times = (" " if index else " ⊙ ", *slope) if slope else ()
    labels = dict.fromkeys(part.label for part in parts)
    label = "" if "" in labels else ", ".join(labels)
    return [*lines, Line((letters.error(node, index),), "=", (*product, *times), label=label)]


def _given(letters: Letters, node: Node) -> Term:
    e = Letter("e", letters.sup(node))
    e_j = Letter("e", letters.sup(node), ("j",))

    def numbers(run: Results) -> Array:
        sweep = run.swept_back()
        given: Array = sweep.sent[sweep.seed_place[node]]
        return given[0] if run.single else given

    fact = Line((e,), "=", (Words("the error given to run.backward"),))
    return Term((e_j,), (e_j,), (e_j,), (e,), (e,), (fact,), (Words("as given"),), numbers, (e_j,))


def _sent(letters: Letters, node: Node, user: Node, slot: int, is_plain: Callable[[Node], bool]) -> Term:
    def numbers(run: Results) -> Array:
        return run.edge(node, user, slot).grad

    if is_dense(user):
        return _from_dense(letters, node, user, numbers)
    if isinstance(user.layer, Cost) and is_plain(user):
        return _from_cost(letters, node, user, slot, numbers)
    passed = passing(letters, user, slot)
    if passed is not None:
        return _from_passing(letters, user, slot, passed, numbers)
    whole: Formula = (letters.along(node, user, slot),)
    part: Formula = (letters.along(node, user, slot, "j"),)
    label = "BP2" if isinstance(user.layer, Neurons) else ""
    through = (letters.a(user),)
    return Term(part, part, part, whole, whole, (), _from(user), numbers, through, label, speaker=type(user.layer))


def _from_passing(
    letters: Letters, user: Node, slot: int, passed: Passing, numbers: Callable[[Results], Array]
) -> Term:
    """The error of a layer that only passes values on, times the slope of that."""
    a, taken = letters.a(user, passed.at), letters.taken(user, slot, "j")
    slope, back = partial(a, taken), letters.slope(user, passed.at)
    error = letters.error(user, passed.at)
    facts = [
        Line((a,), "=", passed.value, (Words("at "), noted(user))),
        *passed.place,
        Line((slope,), "=", passed.slope),
    ]
    if error != back:
        facts.append(Line((back,), "=", (error,), (Words("by definition"),)))
    has_words = isinstance(passed.vector[-1], Words)
    factor: Formula = ("(", *passed.vector, ")") if has_words else passed.vector
    return Term(
        (back, " · ", slope),
        passed.component,
        passed.component,
        passed.vector,
        factor,
        tuple(facts),
        _from(user),
        numbers,
        (a,),
        beside=passed.beside,
        sigma=passed.sigma,
    )


def _from_dense(letters: Letters, node: Node, user: Node, numbers: Callable[[Results], Array]) -> Term:
    """Σ_k w_kj δ_k: the first half of BP2."""
    z, a, delta = letters.z(user, "k"), letters.a(node, "j"), letters.error(user, "k")
    tied = is_transposed(user)
    w, whole = letters.w(user, "jk" if tied else "kj"), letters.w(user)
    over_k = Letter("Σ", (), ("k",))
    slope = partial(letters.cost(), z)
    facts = (
        Line((z,), "=", letters.weighed(user, "k", "i"), note=(Words("at "), noted(user))),
        Line((partial(z, a),), "=", (w,)),
        Line((slope,), "=", (delta,), note=(Words("by definition"),)),
    )
    component = (over_k, " ", w, " ", delta)
    vector: Formula = (whole, " ", letters.error(user)) if tied else ("(", whole, ")ᵀ ", letters.error(user))
    expanded = (over_k, " ", slope, " · ", partial(z, a))
    through = (Words("all "), z)
    return Term(expanded, component, component, vector, vector, facts, _from(user), numbers, through, "BP2")


def _from_cost(letters: Letters, node: Node, user: Node, slot: int, numbers: Callable[[Results], Array]) -> Term:
    """∂C/∂a_j: the first half of BP1."""
    c = letters.cost(user)
    slope, through = partial(c, letters.a(node, "j")), (c, Words(" itself"))
    gradient = gradient_of(letters, user) if slot == 0 else None
    if gradient is None:
        nabla = (Letter("∇ₐC", c.sup),)
        one: Formula = (slope,)
        speaker = type(user.layer)
        return Term(one, one, one, nabla, nabla, (), _from(user), numbers, through, "BP1", speaker=speaker)
    facts = (
        Line((letters.cost_of_example(user),), "=", gradient.cost, note=(Words(type(user.layer).__name__),)),
        *gradient.meanings,
        Line((slope,), "=", gradient.component("j", True)),
    )

    beside: list[tuple[Formula, Callable[[Results], Array]]] = [((gradient.y,), lambda run: run[user].inputs[1])]
    if len(user.inputs) > 2:
        beside.append(((Letter("w", (), ("x",)),), lambda run: run[user].inputs[2]))

    return Term(
        (slope,),
        gradient.component("j", True),
        gradient.component("j", False),
        gradient.vector(True),
        gradient.vector(False),
        facts,
        _from(user),
        numbers,
        through,
        "BP1",
        tuple(beside),
    )


def _from(user: Node) -> Formula:
    return (Words("from "), noted(user))
