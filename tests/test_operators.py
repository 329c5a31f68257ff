"""Python's operators on nodes add nodes to the graph."""

import operator
import pickle

import numpy as np
import pytest

import minigraph as mg
from minigraph.errors import GraphError, ShapeError
from minigraph.layers import (
    Add,
    Bias,
    Dense,
    Divide,
    MatMul,
    Multiply,
    Negative,
    Power,
    Scale,
    Slice,
    Subtract,
)

ROW = np.array([2.0, -0.5, 4.0])
A = np.array([[[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]]])
B = np.array([[[2.0, 0.25, -4.0], [1.0, 3.0, 5.0]]])


def nodes():
    g = mg.Graph("operators")
    return g, g.input("a", (2, 3)), g.input("b", (2, 3))


def layers_of(g):
    return [type(node.layer) for node in g if node.inputs]


def same(kinds, make, value, slope):
    return pytest.param(kinds, make, value, slope, id="-".join(kind.__name__ for kind in kinds))


SPELLINGS = [
    same([Add], lambda a, b: a + b, lambda a, b: a + b, lambda a, b: 1),
    same([Subtract], lambda a, b: a - b, lambda a, b: a - b, lambda a, b: 1),
    same([Multiply], lambda a, b: a * b, lambda a, b: a * b, lambda a, b: b),
    same([Divide], lambda a, b: a / b, lambda a, b: a / b, lambda a, b: 1 / b),
    same([Negative], lambda a, b: -a, lambda a, b: -a, lambda a, b: -1),
    same([Power], lambda a, b: a**3, lambda a, b: a**3, lambda a, b: 3 * a**2),
    same([Bias], lambda a, b: a + 2, lambda a, b: a + 2, lambda a, b: 1),
    same([Bias], lambda a, b: 2 + a, lambda a, b: a + 2, lambda a, b: 1),
    same([Bias], lambda a, b: a - 2, lambda a, b: a - 2, lambda a, b: 1),
    same([Negative, Bias], lambda a, b: 2 - a, lambda a, b: 2 - a, lambda a, b: -1),
    same([Scale], lambda a, b: a * 2, lambda a, b: a * 2, lambda a, b: 2),
    same([Scale], lambda a, b: 2 * a, lambda a, b: a * 2, lambda a, b: 2),
    same([Scale], lambda a, b: a / 2, lambda a, b: a / 2, lambda a, b: 0.5),
    same([Power, Scale], lambda a, b: 2 / a, lambda a, b: 2 / a, lambda a, b: -2 / a**2),
    same([Bias], lambda a, b: a + ROW, lambda a, b: a + ROW, lambda a, b: 1),
    same([Bias], lambda a, b: ROW + a, lambda a, b: a + ROW, lambda a, b: 1),
    same([Bias], lambda a, b: a - ROW, lambda a, b: a - ROW, lambda a, b: 1),
    same([Bias], lambda a, b: a - np.array([1, 2, 3], "uint8"), lambda a, b: a - [1, 2, 3], lambda a, b: 1),
    same([Negative, Bias], lambda a, b: ROW - a, lambda a, b: ROW - a, lambda a, b: -1),
    same([Scale], lambda a, b: a * ROW, lambda a, b: a * ROW, lambda a, b: ROW),
    same([Scale], lambda a, b: ROW * a, lambda a, b: a * ROW, lambda a, b: ROW),
    same([Scale], lambda a, b: [[1.0], [2.0]] * a, lambda a, b: a * [[1], [2]], lambda a, b: [[1], [2]]),
    same([Scale], lambda a, b: a / ROW, lambda a, b: a / ROW, lambda a, b: 1 / ROW),
    same(
        [Scale],
        lambda a, b: a / np.float32([3, 5, 7]),
        lambda a, b: a / [3, 5, 7],
        lambda a, b: 1 / np.array([3, 5, 7]),
    ),
    same(
        [Scale], lambda a, b: a / np.int8([3, 5, 7]), lambda a, b: a / [3, 5, 7], lambda a, b: 1 / np.array([3, 5, 7])
    ),
    same([Power, Scale], lambda a, b: ROW / a, lambda a, b: ROW / a, lambda a, b: -ROW / a**2),
    same([Scale], lambda a, b: np.float64(3) * a, lambda a, b: 3 * a, lambda a, b: 3),
    same([Scale], lambda a, b: np.float32(3) * a, lambda a, b: 3 * a, lambda a, b: 3),
    same([Bias], lambda a, b: a + np.array(3), lambda a, b: 3 + a, lambda a, b: 1),
]


@pytest.mark.parametrize(("kinds", "make", "value", "slope"), SPELLINGS)
def test_an_operator_adds_the_nodes_it_stands_for(kinds, make, value, slope):
    g, a, b = nodes()
    node = make(a, b)
    assert isinstance(node, mg.Node)
    assert layers_of(g) == kinds
    assert node is g.nodes[-1]
    assert node.source.startswith("test_operators.py:")
    run = g.forward({"a": A} | ({"b": B} if b in node.inputs else {}), until=node)
    run.backward(node, np.ones(run[node].a.shape), wrt="a")
    np.testing.assert_allclose(run[node].a, value(A, B), rtol=1e-15)
    np.testing.assert_allclose(run["a"].error, slope(A, B) * np.ones(A.shape), rtol=1e-15)


def test_at_is_the_product_of_matrices():
    g = mg.Graph()
    node = g.input("x", (2, 3)) @ g.input("y", (3, 4))
    assert (type(node.layer), node.shape) == (MatMul, (2, 4))


def test_brackets_are_a_part():
    g, a, _ = nodes()
    parts = [a[0], a[..., 1:], a[:, None], a[-1, ::-1], a[()]]
    assert layers_of(g) == [Slice] * 5
    run, a = g.forward(a=A, until=parts), A[0]
    for part, expected in zip(parts, [a[0], a[..., 1:], a[:, None], a[-1, ::-1], a], strict=True):
        np.testing.assert_array_equal(run[part].a[0], expected)


def test_operators_group_as_python_does_and_name_nodes_as_always():
    g, a, b = nodes()
    node = 2 * a + b * b - 1
    assert [n.name for n in g][2:] == ["scale", "multiply", "add", "bias"]
    np.testing.assert_array_equal(g.forward(a=A, b=B)[node].a, 2 * A + B * B - 1)


def test_in_place_operators_make_new_nodes():
    g, a, b = nodes()
    h = a
    h += b
    h *= 2
    h -= a
    h /= b
    assert (a.name, h.name) == ("a", "divide")
    np.testing.assert_allclose(g.forward(a=A, b=B)[h].a, ((A + B) * 2 - A) / B)


def test_operands_of_other_shapes_broadcast():
    g = mg.Graph()
    x, y = g.input("x", 3), g.input("y", (2, 1))
    assert (x + y).shape == (2, 3)
    assert (x * np.ones((4, 1))).shape == (4, 3)


def test_nodes_compare_and_hash_by_identity():
    _, a, b = nodes()
    assert a == a
    assert a != b
    assert {a: 1, b: 2}[a] == 1
    assert (a == np.ones(3)) is False
    assert pickle.loads(pickle.dumps(a)).name == "a"


@pytest.mark.parametrize(
    "use", [iter, list, len, lambda a: 1 in a, lambda a: (lambda *b: b)(*a), sum], ids=lambda f: f.__name__
)
def test_a_node_is_no_sequence(use):
    g, a, _ = nodes()
    with pytest.raises(TypeError, match=r"'Node'.*(is not iterable|not a container|no len)"):
        use(a)
    assert layers_of(g) == []


@pytest.mark.parametrize("sign", ["add", "sub", "mul", "truediv", "matmul", "pow"])
@pytest.mark.parametrize("other", [None, "2", True, {}, 1j, Dense(2), Dense])
def test_what_is_no_number_is_not_supported(sign, other):
    g, a, _ = nodes()
    for pair in ((a, other), (other, a)):
        with pytest.raises(TypeError, match=r"unsupported operand|can only concatenate|can't multiply sequence"):
            getattr(operator, sign)(*pair)
    assert layers_of(g) == []


REFUSED = [
    (lambda a: a + np.array(["b"]), GraphError, r"node 'a' \+ takes a number or an array of numbers"),
    (lambda a: a * [[1], [2, 3]], GraphError, r"node 'a' \* takes a number or an array of numbers"),
    (lambda a: np.array([True]) - a, GraphError, r"node 'a' - takes a number or an array of numbers"),
    (lambda a: a / 0, GraphError, "node 'a' / takes numbers other than 0, got 0"),
    (lambda a: a / np.array([1.0, 0.0, 2.0]), GraphError, "node 'a' / takes numbers other than 0"),
    (lambda a: a @ np.ones((3, 2)), GraphError, "node 'a' @ takes another node: for weights.*Dense"),
    (lambda a: np.ones((3, 2)) @ a, GraphError, "node 'a' @ takes another node"),
    (lambda a: a**np.inf, GraphError, "Power takes a finite number"),
    (lambda a: a + np.ones(4), ShapeError, r"Bias 'bias' takes .* got \(2, 3\) and \(4,\)"),
    (lambda a: np.ones(4) - a, ShapeError, r"Bias 'bias' takes .* got \(2, 3\) and \(4,\)"),
    (lambda a: np.ones(4) / a, ShapeError, r"Scale 'scale' takes .* got \(2, 3\) and \(4,\)"),
    (lambda a: a[2], ShapeError, r"Slice 'slice' takes the part \[2\], got samples of shape \(2, 3\)"),
    (lambda a: a["b"], GraphError, "Slice takes whole numbers"),
    (lambda a: a[[0, 1]], GraphError, "picks no elements by arrays"),
    (lambda a: a @ a, ShapeError, r"MatMul 'mat_mul' takes matrices"),
]


@pytest.mark.parametrize(("make", "kind", "message"), REFUSED)
def test_what_is_refused_adds_nothing_and_says_why(make, kind, message):
    g, a, _ = nodes()
    with pytest.raises(kind, match=message):
        make(a)
    assert [node.name for node in g] == ["a", "b"]
    assert (a * 2).name == "scale"


def test_nodes_of_two_graphs_do_not_mix():
    _, a, _ = nodes()
    other = mg.Graph("other").input("z", (2, 3))
    with pytest.raises(GraphError, match=r"'operators'.*'other'"):
        a + other
