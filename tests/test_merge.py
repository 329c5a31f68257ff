"""Layers that make one array of several: what broadcasting, reuse and extreme values must not break."""

import numpy as np
import pytest

import minigraph as mg
from minigraph.errors import GraphError, ShapeError
from minigraph.layers import Add, Concat, Divide, Input, MatMul, Multiply, Stack, Subtract
from minigraph.record import Clock, Record


def both_sweeps(layer, *inputs, error=None, dtype="float64", wrt=None):
    """A run of one layer, named "node", over inputs with the batch axis."""
    g = mg.Graph(dtype=dtype)
    g.add(layer, *(g.input(f"x{i}", x.shape[1:]) for i, x in enumerate(inputs)), name="node")
    run = g.forward({f"x{i}": x for i, x in enumerate(inputs)})
    error = np.ones(run["node"].a.shape) if error is None else error
    return run.backward("node", error, wrt=wrt or [f"x{i}" for i in range(len(inputs))])


def test_samples_are_never_broadcast_against_the_batch_axis():
    x, y = np.arange(9.0).reshape(3, 3), 10 * np.arange(18.0).reshape(3, 2, 3)
    run = both_sweeps(Add(), x, y, error=np.arange(18.0).reshape(3, 2, 3))
    for row in range(3):
        np.testing.assert_array_equal(run["node"].a[row], x[row] + y[row])
        expected = np.arange(18.0).reshape(3, 2, 3)[row].sum(axis=0)
        np.testing.assert_array_equal(run["x0"].error[row], expected)


@pytest.mark.parametrize("m", [1, 2, 3])
@pytest.mark.parametrize("kind", [Add, Subtract, Multiply, Divide])
def test_a_number_an_example_meets_every_element_of_it(kind, m):
    x, y = np.arange(1.0, m + 1), np.arange(1.0, 1 + m * 6).reshape(m, 2, 3)
    sign = {Add: np.add, Subtract: np.subtract, Multiply: np.multiply, Divide: np.divide}[kind]
    for order in ((x, y), (y, x)):
        run = both_sweeps(kind(), *order)
        expected = [sign(*(np.asarray(side[row]) for side in order)) for row in range(m)]
        np.testing.assert_array_equal(run["node"].a, expected)
        assert run["x0"].error.shape == order[0].shape
        assert run["x1"].error.shape == order[1].shape


def test_equal_shapes_send_the_error_itself():
    at = Record(np.ones(2), False, Clock(0), 1)
    at.inputs, at.needs = (np.ones((2, 3)), np.ones((2, 3))), (True, True)
    error = np.ones((2, 3))
    Add().forward(at, *at.inputs)
    assert all(sent is error for sent in Add().backward(at, error))
    Subtract().forward(at, *at.inputs)
    assert Subtract().backward(at, error)[0] is error


def test_errors_that_differ_never_share_memory():
    x, y = np.arange(1.0, 7.0).reshape(2, 3), np.arange(2.0, 8.0).reshape(2, 3)
    for layer in (Subtract(), Multiply(), Divide(), Concat(), Stack()):
        run = both_sweeps(layer, x, y)
        one, other = (run.edge(f"x{i}", "node").grad for i in range(2))
        assert not np.shares_memory(one, other), layer


@pytest.mark.parametrize(
    ("layer", "value", "slope"),
    [
        (Add(), lambda x: 2 * x, lambda x: 2 + 0 * x),
        (Subtract(), lambda x: 0 * x, lambda x: 0 * x),
        (Multiply(), lambda x: x**2, lambda x: 2 * x),
        (Divide(), lambda x: x / x, lambda x: 0 * x),
    ],
    ids=lambda v: type(v).__name__,
)
def test_one_node_as_both_inputs(layer, value, slope):
    x = np.array([[1.0, -2.0, 4.0]])
    g = mg.Graph()
    node = g.input("x", 3)
    g.add(layer, node, node, name="node")
    run = g.forward(x=x).backward("node", np.ones((1, 3)), wrt="x")
    np.testing.assert_allclose(run["node"].a, value(x), atol=1e-15)
    np.testing.assert_allclose(run["x"].error, slope(x), atol=1e-15)


def test_one_node_as_both_factors_of_a_matrix_product():
    x = np.array([[[1.0, 2.0], [3.0, 4.0]]])
    g = mg.Graph()
    node = g.input("x", (2, 2))
    g.add(MatMul(), node, node, name="node")
    run = g.forward(x=x).backward("node", np.ones((1, 2, 2)), wrt="x")
    ones = np.ones((2, 2))
    np.testing.assert_array_equal(run["x"].error[0], ones @ x[0].T + x[0].T @ ones)


def test_an_error_that_goes_to_two_inputs_is_not_spoiled_by_the_fork_of_one():
    """z = x + y, p = x / z: failure class 2."""
    x, y = np.array([[1.0, 2.0]]), np.array([[3.0, 5.0]])
    g = mg.Graph()
    one, other = g.input("x", 2), g.input("y", 2)
    Divide(name="p")(one, Add()(one, other))
    run = g.forward(x=x, y=y).backward("p", np.ones((1, 2)), wrt=["x", "y"])
    np.testing.assert_allclose(run["x"].error, y / (x + y) ** 2, rtol=1e-14)
    np.testing.assert_allclose(run["y"].error, -x / (x + y) ** 2, rtol=1e-14)


def test_a_product_with_zeros_and_infinities_among_the_others_divides_by_nothing():
    xs = [np.array([[0.0, 0.0, 2.0]]), np.array([[3.0, 0.0, np.inf]]), np.array([[5.0, 7.0, 1.0]])]
    run = both_sweeps(Multiply(), *xs)
    np.testing.assert_array_equal(run["x0"].error, [[15, 0, np.inf]])
    np.testing.assert_array_equal(run["x1"].error, [[0, 0, 2]])
    np.testing.assert_array_equal(run["x2"].error, [[0, 0, np.inf]])


def test_one_error_asked_for_alone_is_right_whatever_was_asked_before():
    xs = [np.full((2, 1), 2.0), np.full((2, 3), 3.0), np.full((2, 3), 5.0)]
    run = both_sweeps(Multiply(), *xs)
    for i, expected in enumerate([45.0, 10.0, 6.0]):
        run.backward("node", np.ones((2, 3)), wrt=f"x{i}")
        np.testing.assert_array_equal(run[f"x{i}"].error, np.full(xs[i].shape, expected))


def test_division_by_zero_warns_and_stays_where_it_is():
    g = mg.Graph()
    g.add(Divide(), g.input("x", 2), g.input("y", 2), name="node")
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        run = g.forward(x=[1.0, 1.0], y=[0.0, 4.0])
    np.testing.assert_array_equal(run["node"].a, [np.inf, 0.25])


def test_extreme_sizes_stay_finite():
    huge, tiny = np.full((1, 2), 1e300), np.full((1, 2), 1e-300)
    run = both_sweeps(Divide(), tiny, huge, error=np.full((1, 2), 1e-5))
    assert np.isfinite(run["x0"].error).all()
    assert np.isfinite(run["x1"].error).all()
    run = both_sweeps(Multiply(), huge, tiny)
    np.testing.assert_allclose(run["node"].a, 1.0)


def test_float32_stays_float32_where_sums_go_back():
    x, y = np.ones((2, 1), "float32"), np.ones((2, 4, 3), "float32")
    for layer in (Add(), Subtract(), Multiply(), Divide(), Multiply()):
        run = both_sweeps(layer, x, y, dtype="float32")
        assert {run["node"].a.dtype, run["x0"].error.dtype, run["x1"].error.dtype} == {np.dtype("float32")}


def test_doubling_ten_times_and_stacked_diamonds():
    g = mg.Graph()
    h = g.input("x", 1)
    for _ in range(10):
        h = Add()(h, h)
    assert g.forward(x=[[1.0]]).backward(h, [[1.0]], wrt="x")["x"].error == 1024


def test_refused_products_are_named_whole():
    g = mg.Graph()
    x, y = g.input("x", (2, 3, 4)), g.input("y", (5, 4, 3))
    with pytest.raises(ShapeError, match=r"MatMul 'mat_mul' takes .* got \(2, 3, 4\) and \(5, 4, 3\)"):
        MatMul()(x, y)
    assert [node.name for node in g.nodes] == ["x", "y"]


@pytest.mark.parametrize("axis", [1.0, True, "last", None])
def test_stack_takes_a_whole_number_as_axis(axis):
    with pytest.raises(GraphError, match="Stack takes a whole number as axis"):
        Stack(axis)


def test_integers_are_refused_in_any_place():
    g = mg.Graph()
    x, k = g.input("x", 3), g.input("k", 3, dtype=int)
    assert isinstance(k.layer, Input)
    for layer in (Add(), Subtract(), Multiply(), Divide(), Stack(), MatMul()):
        with pytest.raises(ShapeError, match="takes floats, got the integers of 'k'"):
            layer(x, k)
