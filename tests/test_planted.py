"""Bugs planted into built-in layers, one at a time: the gradient check finds each at its node and at no other.

A bug is an edit of the source of one function. The wrong layer stands amid a graph, beside a right one of its kind.
"""

import copy
import inspect
import sys
import textwrap
from dataclasses import dataclass
from types import FunctionType

import numpy as np
import oddities
import pytest
from cases import CASES

import minigraph as mg
from minigraph import layers
from minigraph.check import check
from minigraph.costs import Cost, Quadratic
from minigraph.layers import Activation, Multiply

ROWS = {case.id: case for case in CASES}
NUMBERS = 3  # compared one by one of each array


@dataclass(frozen=True)
class Bug:
    """A function with a piece of its source replaced, and what the check must say of it."""

    what: str
    row: str  # of tests/cases
    where: str  # a method of the layer, "sigma." one of its activation, or what its methods call
    old: str
    new: str
    found: str  # the wrong inputs, by number, and Params; or "!" and part of a message about the contract
    training: bool = False
    m: int = 4


def plant(layer, where, old, new):
    """Make a layer wrong, by giving it another class."""
    if where.startswith("sigma."):
        layer.sigma = copy.copy(layer.sigma)
        object.__setattr__(layer.sigma, "__class__", wrong(type(layer.sigma), where[6:], old, new))
    else:
        layer.__class__ = wrong(type(layer), where, old, new)
    return layer


def wrong(kind, where, old, new):
    """A subclass with one method edited or, where its methods call a function or a class by name, that edited."""
    owner, _, name = where.rpartition(".")
    if not owner and hasattr(kind, name):
        return type(kind.__name__, (kind,), {name: edited(getattr(kind, name), old, new)})
    callee, changed = owner or name, {}
    for method, function in inspect.getmembers(kind, inspect.isfunction):
        there = function.__globals__.get(callee)
        if there is not None and callee in function.__code__.co_names:
            other = wrong(there, name, old, new) if owner else edited(there, old, new)
            changed[method] = FunctionType(
                function.__code__,
                {**function.__globals__, callee: other},
                method,
                function.__defaults__,
                function.__closure__,
            )
    assert changed, f"no method of {kind.__name__} calls {callee}"
    return type(kind.__name__, (kind,), changed)


def edited(function, old, new):
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(old) == 1, f"{old!r} stands {source.count(old)} times in {function.__qualname__}"
    room = dict(vars(sys.modules[function.__module__]))
    exec("from __future__ import annotations\n" + source.replace(old, new), room)
    return room[function.__name__]


def amid(row, layer, m=4, dtype="float64"):
    """inputs -> something -> the layer, as "planted", and a right one -> something of both -> cost; with feeds."""
    case, rng = ROWS[row], np.random.default_rng(5)
    feeds = {f"x{i}": x for i, x in enumerate(case.inputs(rng, m))}
    g = mg.Graph(row, seed=11, dtype=dtype)
    sources = []
    for (name, x), shape in zip(feeds.items(), case.shapes, strict=True):
        node = g.input(name, shape, int if x.dtype.kind == "i" else None)
        sources.append(node)
        if x.dtype.kind == "f" and len(sources) - 1 not in case.node().constant_inputs:
            before = oddities.Scale() if shape else layers.Scale(0.99)  # nearly the draws that the row wants
            sources[-1] = g.add(before, node, name=f"before {name}")
            for param in before.params.values():
                param.value = np.full(param.shape, 0.995)
    right, planted = (g.add(each, *sources, name=name) for each, name in ((case.make(), "right"), (layer, "planted")))
    for node in (right, planted):
        for param in node.layer.params.values():
            param.value = param.value + rng.normal(size=param.shape)
        for name in node.layer.statistics:
            there = getattr(node.layer, name)
            setattr(node.layer, name, (there + rng.uniform(0.5, 2.0, there.shape)).astype(dtype))
    if not isinstance(layer, Cost):
        g.cost(Quadratic(), Multiply()(right, planted) >> Activation("tanh"), target="t")
        feeds["t"] = rng.normal(size=(m, *planted.shape))
    return g, feeds


def checked(bug, **options):
    layer = plant(ROWS[bug.row].make(), bug.where, bug.old, bug.new)
    g, feeds = amid(bug.row, layer, bug.m)
    return check(g, feeds, training=bug.training, samples=NUMBERS, **options)


def parts(report):
    """The inputs, by number, and the Params for which some node's backward is wrong."""
    found = {finding.part.partition(" (")[0] for finding in report.failures if finding.kind == "gradient"}
    return {part.removeprefix("input ") for part in found}


def assert_found(report, found):
    """The check says what it must of "planted", and no other node is wrong."""
    assert {finding.node for finding in report.failures} == {"planted"}, str(report)
    assert {finding.kind for finding in report.findings if finding.node is None} <= {"consequence"}
    if found.startswith("!"):
        messages = [finding.message for finding in report.failures if finding.kind == "contract"]
        assert any(found[1:] in message for message in messages), str(report)
    else:
        assert parts(report) == set(found.split()), str(report)


def bugs(table, **options):
    """The bugs in a table {(row, where): [(what, old, new, found), …]}."""
    return [Bug(what, *place, *edit, **options) for place, edits in table.items() for what, *edit in edits]


def named(bug):
    return f"{bug.row}: {bug.what}"


# ---- neurons and activations ----

B = "np.dot(each, delta, out=at.grad.get(self.b))"
W = "np.dot(left.T, right, out=at.grad.get(self.w))"
SLOPE = "self.sigma.backward(error, at.z, at.a, out=at.delta)"
NEURONS = {
    ("Dense-tanh", "backward"): [
        ("mean for sum in the bias", B, "delta.mean(axis=0)", "b"),
        ("no gradient of the bias", "if self.b is not None:", "if False:", "!set at.grad[self.b]"),
        ("error for δ in the weights", "(delta, a)", "(_rows(error), a)", "w"),
        ("the slope at a for that at z", SLOPE, "self.sigma.backward(error, at.a, np.tanh(at.a))", "0 w b"),
        ("no slope", SLOPE, "error", "0 w b"),
        ("the first δ for ever", SLOPE, f"{SLOPE} if at.delta is None else at.delta", "!the second sweep"),
        ("first example left out", W, "np.dot(left.T[:, 1:], right[1:])", "w"),
        ("last example twice", W, "np.dot(left.T, right) + np.outer(delta[-1], a[-1])", "w"),
        ("added to what was there", W, "np.add(at.grad.get(self.w, 0.0), np.dot(left.T, right))", "!called again"),
        ("transposed and reshaped", W, "np.dot(right.T, left).reshape(self.w.shape)", "w"),
        ("divided by m", "delta, self.w.value.T if", "delta / at.m, self.w.value.T if", "0"),
        ("the error not asked for", "if at.needs[0]:", "if not at.needs[0]:", "!return the error for input 0"),
        ("δ written over the error", "out=at.delta)", "out=error)", "!writes into the error"),
    ],
    ("Dense-gelu", "backward"): [
        ("the slope at a for that at z", SLOPE, "self.sigma.backward(error, at.a, at.a, out=at.delta)", "0 w b"),
    ],
    ("Dense-sequence", "backward"): [
        ("only the last step", W, "np.dot(at.delta[:, -1].T, at.inputs[0][:, -1])", "w"),
        ("only the first example's steps", B, "np.add.reduce(at.delta[0], axis=0)", "b"),
    ],
    ("Dense-tanh", "weigh"): [
        ("a factor in forward alone", "np.dot(_rows(a), w, out=at.rows)", "2.0 * np.dot(_rows(a), w)", "0 w"),
        ("the bias forgotten in forward", "if self.b is not None:", "if False:", "b"),
    ],
    ("Dense-per-neuron", "sigma.backward"): [
        ("one slope for all neurons", "kind.backward(error", "self.groups[0][0].backward(error", "0 w b"),
        ("a neuron's slope with its neighbor's z", "z[at], a[at]", "np.roll(z, 1, axis=-1)[at], a[at]", "0 w b"),
    ],
    ("Activation-sigmoid", "sigma.backward"): [
        ("1 − a for a (1 − a)", "np.multiply(out, a, out=out)", "pass", "0"),
        ("z for a", "level(a, 1.0), a,", "level(a, 1.0), z,", "0"),
    ],
    ("Activation-tanh", "sigma.backward"): [
        ("z for a", "np.multiply(a, a, out=out)", "np.multiply(z, z, out=out)", "0"),
        ("sign", "np.subtract(1.0, out, out=out)", "np.subtract(out, 1.0, out=out)", "0"),
        ("no square", "np.multiply(a, a, out=out)", "np.positive(a, out=out)", "0"),
    ],
    ("Activation-relu", "sigma.backward"): [("another threshold", "(z, 0.0", "(z, 0.5", "0")],
    ("Activation-relu", "backward"): [("all pass", "self.sigma.backward(error", "(lambda *_, out: error)(error", "0")],
    ("Activation-leaky_relu", "sigma.backward"): [
        ("0 below", "np.multiply(below, self.slope, out=below)", "below.fill(0.0)", "0"),
        ("1 below", "np.multiply(below, self.slope, out=below)", "pass", "0"),
    ],
    ("Activation-softplus", "sigma.backward"): [("z for a", "np.negative(a", "np.negative(z", "0")],
    ("Activation-elu", "sigma._elu_backward"): [("e^z − 1 for e^z", "np.exp(out", "np.expm1(out", "0")],
    ("Activation-selu", "sigma.backward"): [("λ forgotten", "SCALE, SCALE * ALPHA", "1.0, ALPHA", "0")],
    ("Activation-gelu", "sigma._backward"): [
        ("z φ(z) forgotten", "np.add(out, density, out=out)", "pass", "0"),
        ("no root in φ", "1 / math.sqrt(2 * math.pi)", "1 / (2 * math.pi)", "0"),
    ],
    ("Activation-gelu_tanh", "sigma._backward"): [("3 of the cube forgotten", "3 * _C", "_C", "0")],
    ("Activation-silu", "sigma._logistic_slope"): [("s alone forgotten", "np.add(out, 1.0, out=out)", "pass", "0")],
    ("Activation-mish", "sigma._backward"): [("4 forgotten", "np.multiply(out, 4.0, out=out)", "pass", "0")],
    ("PReLU-image", "backward"): [
        ("all of x for its negative part", "np.multiply(error, at.low", "np.multiply(error, at.inputs[0]", "w"),
        ("w forgotten below 0", "at.sent *= self._along(x)", "at.sent *= 1.0", "0"),
    ],
    ("PReLU-channels", "backward"): [
        ("one gradient for all channels", "axis=(0, 2)", "axis=(0, 1, 2)", "!set at.grad"),
    ],
    ("Softmax", "backward"): [
        ("as if it were elementwise", "np.subtract(error, at.product", "np.multiply(error, 1.0 - at.a", "0"),
        ("a forgotten", "np.multiply(at.sent, at.a, out=at.sent)", "pass", "0"),
    ],
    ("Softmax-middle", "backward"): [("wrong axis", "axis=_batch_axis(self.axis)", "axis=-1", "0")],
    ("LogSoftmax", "backward"): [
        ("as if there were one class", "np.subtract(error, at.sent", "np.positive(error", "0"),
        ("no sum of errors", "np.multiply(at.sent, at.sum", "np.multiply(at.sent, error", "0"),
    ],
}  # fmt: skip

# ---- elementwise, merging, shapes ----

EACH = "each_summed_back(at, [error] * len(at.inputs))"
PLAIN = {
    ("Exp", "backward"): [("x for a", "error, at.a", "error, at.inputs[0]", "0")],
    ("Log", "backward"): [("product", "np.divide(error", "np.multiply(error", "0")],
    ("Sqrt", "backward"): [("½ forgotten", "at.sent *= 0.5", "at.sent *= 1.0", "0")],
    ("Square", "backward"): [("2 forgotten", "2.0", "1.0", "0")],
    ("Abs", "backward"): [("1 for the sign", "np.sign(at.inputs[0]", "np.square(np.sign(at.inputs[0])", "0")],
    ("Sin", "backward"): [("sine again", "np.cos", "np.sin", "0")],
    ("Power-cube", "backward"): [
        ("p forgotten", "at.sent *= p", "at.sent *= 1.0", "0"),
        ("off by one", "p - 1 if p", "p if p", "0"),
    ],
    ("Negative", "backward"): [("sign", "np.negative(error", "np.positive(error", "0")],
    ("Add-(3, 1)-(1, 4)", "backward"): [("not summed back", EACH, "[error] * len(at.inputs)", "!error for input 0")],
    ("Add-several", "backward"): [
        ("only one input's", EACH, f"{EACH}[:1] + [error * 0.0, *{EACH}[2:]]", "!error for input 1"),
    ],
    ("Broadcast-1s", "summed_back"): [("mean for sum", "np.add.reduce", "np.mean", "0")],
    ("Subtract", "backward"): [
        ("no minus", "np.negative", "np.positive", "1"),
    ],
    ("Multiply", "backward"): [("its own factor", "sent[i], after", "sent[i], xs[i]", "0")],
    ("Multiply-4", "backward"): [("factors lost on the way", "np.multiply(after, xs[i]", "np.positive(xs[i]", "0 1")],
    ("Divide", "backward"): [
        ("no minus", "np.negative(at.below, out=at.below)", "pass", "1"),
        ("the numerator's error times x", "np.divide(error, x2", "np.multiply(error, x2", "0 1"),
    ],
    ("MatMul", "backward"): [
        ("transposed by reshaping", "x2.swapaxes(-1, -2)", "x2.reshape(x2.shape[0], *x2.shape[:0:-1])", "0"),
    ],
    ("MatMul-shared", "backward"): [("not summed back", "e, x.shape)", "e[:, :1] if i == 0 else e, x.shape)", "0")],
    ("Concat-axis-0", "backward"): [("from the end", "np.split(error", "np.split(error[:, ::-1]", "0 1")],
    ("Stack", "backward"): [("in the wrong order", "parts if len", "parts[::-1] if len", "0 2")],
    ("Sum-axes", "backward"): [("mean", "error.reshape(at.kept)", "error.reshape(at.kept) / at.count", "0")],
    ("Mean", "backward"): [("divided by m, too", "error, at.count", "error, at.count * at.m", "0")],
    ("Mean-last", "backward"): [("not divided", "np.divide(error, at.count", "np.positive(error", "0")],
    ("Max-last", "backward"): [
        ("to the smallest", "np.equal(x, at.a.reshape(at.kept)", "np.equal(x, x.min(axis=at.axes, keepdims=True)", "0"),
    ],
    ("Reshape", "backward"): [("column by column", "at.inputs[0].shape", "at.inputs[0].shape, order=\"F\"", "0")],
    ("Transpose-cycle", "backward"): [("not inverted", "np.argsort(at.order)", "at.order", "!error for input 0")],
    ("Slice-part", "backward"): [("the last element left out", "] = error", "] = np.tril(error, -1)", "0")],
    ("Scale-channels", "backward"): [
        ("x forgotten", "np.multiply(error, x,", "np.positive(error,", "gamma"),
        ("γ forgotten", "np.multiply(error, gamma", "np.positive(error", "0"),
    ],
    ("Bias-channels", "_gather"): [("mean for sum", "np.add.reduce", "np.mean", "beta")],
    ("Dropout", "backward"): [
        ("mask without its scale", "error, at.keep", "error, at.keep > 0.0", "0"),
        ("another mask", "error, at.keep", "error, drawn_mask(at, error.shape, self.rate)", "0"),
        ("no mask", "np.multiply(error, at.keep", "np.positive(error", "0"),
    ],
    ("GaussianNoise", "backward"): [("times std", "return error", "return error * self.std", "0")],
    ("PositionalEncoding", "forward"): [("times for plus", "np.add(x", "np.multiply(x", "0")],
}  # fmt: skip

BUGS = bugs(NEURONS) + bugs(PLAIN, training=True)


@pytest.mark.parametrize("bug", BUGS, ids=named)
def test_a_bug_in_a_built_in_layer_is_found_at_its_node_and_nowhere_else(bug):
    assert_found(checked(bug), bug.found)
