"""Elementwise layers at kinks, poles and the ends of their domains; in PyTorch's company where it is installed."""

import math

import numpy as np
import pytest

import minigraph as mg
from minigraph.errors import GraphError
from minigraph.layers import Abs, Exp, Log, Negative, Power, Sin, Sqrt, Square

in_both_precisions = pytest.mark.parametrize("dtype", ["float32", "float64"])


def through(layer, x, error=None, dtype="float64"):
    """Output of one layer over one example, and the error of its input; 1 comes back if nothing else is said."""
    x = np.array([x], dtype)
    g = mg.Sequential(x.shape[1:], layer, dtype=dtype)
    error = np.ones_like(x) if error is None else np.array([error], dtype)
    run = g.forward(x=x).backward(g.nodes[-1], error, wrt="x")
    assert run[g.nodes[-1]].a.dtype == run["x"].error.dtype == dtype
    return run[g.nodes[-1]].a[0].tolist(), run["x"].error[0].tolist()


BIG = {"float32": 1e38, "float64": 1e308}


@in_both_precisions
def test_the_slope_of_abs_at_0_is_0(dtype):
    a, slope = through(Abs(), [-2.0, -0.0, 0.0, 3.0, -math.inf], dtype=dtype)
    assert a == [2.0, 0.0, 0.0, 3.0, math.inf]
    assert slope == [-1.0, 0.0, 0.0, 1.0, -1.0]


@in_both_precisions
def test_extreme_values_in_the_domain_raise_no_warning(dtype):
    big = BIG[dtype]
    with np.errstate(all="raise", under="ignore"):
        assert through(Exp(), [-1e5, -math.inf, 0.0], dtype=dtype) == ([0, 0, 1], [0, 0, 1])
        a, slope = through(Log(), [1 / big, 1.0, big], dtype=dtype)
        np.testing.assert_allclose(a, [-math.log(big), 0, math.log(big)], rtol=1e-6)
        np.testing.assert_allclose(slope, [big, 1, 1 / big], rtol=1e-5)
        a, slope = through(Sqrt(), [1 / big, 4.0, big], dtype=dtype)
        np.testing.assert_allclose(a, [big**-0.5, 2, big**0.5], rtol=1e-5)
        np.testing.assert_allclose(slope, [big**0.5 / 2, 0.25, big**-0.5 / 2], rtol=1e-5)
        assert through(Negative(), [big, -big, 0.0], dtype=dtype)[1] == [-1, -1, -1]
        np.testing.assert_allclose(through(Sin(), [1e5, -1e5], dtype=dtype)[0], [math.sin(1e5), -math.sin(1e5)], 1e-4)
        assert through(Square(), [0.0, -3.0], dtype=dtype) == ([0, 9], [0, -6])


# layer, x, its output, its slope, what numpy says forward and backward
ENDS = [
    (Log(), 0.0, -math.inf, math.inf, "divide by zero", "divide by zero"),
    (Log(), -1.0, math.nan, -1.0, "invalid value", None),
    (Sqrt(), 0.0, 0.0, math.inf, None, "divide by zero"),
    (Sqrt(), -1.0, math.nan, math.nan, "invalid value", None),
    (Exp(), 1e5, math.inf, math.inf, "overflow", None),
    (Power(0.5), 0.0, 0.0, math.inf, None, "divide by zero"),
    (Power(0.5), -1.0, math.nan, math.nan, "invalid value", "invalid value"),
    (Power(-1), 0.0, math.inf, -math.inf, "divide by zero", "divide by zero"),
    (Power(1 / 3), -8.0, math.nan, math.nan, "invalid value", "invalid value"),
]


@in_both_precisions
@pytest.mark.parametrize(("layer", "x", "a", "slope", "forth", "back"), ENDS)
def test_at_the_ends_of_the_domain_the_docstring_is_kept_and_numpy_warns(layer, x, a, slope, forth, back, dtype):
    g = mg.Sequential(1, layer, dtype=dtype)

    def forward():
        return g.forward(x=[[x]])

    run = warned(forward, forth)
    warned(lambda: run.backward(g.nodes[-1], [[1.0]], wrt="x"), back)
    np.testing.assert_array_equal(run[g.nodes[-1]].a, [[a]])
    np.testing.assert_array_equal(run["x"].error, [[slope]])


def warned(f, message):
    if message is None:
        return f()
    with pytest.warns(RuntimeWarning, match=message):
        return f()


@in_both_precisions
@pytest.mark.parametrize("number", [int, float, np.int64, np.float64, np.float32])
def test_whole_exponents_of_any_sign_take_negative_numbers(number, dtype):
    assert through(Power(number(3)), [-2.0, 0.0, 2.0], dtype=dtype) == ([-8, 0, 8], [12, 0, 12])
    assert through(Power(number(2)), [-2.0, 0.0, 2.0], dtype=dtype) == ([4, 0, 4], [-4, 0, 4])
    assert through(Power(number(-2)), [-2.0, 2.0], dtype=dtype) == ([0.25, 0.25], [0.25, -0.25])


def test_exponents_0_and_1_have_no_pole():
    assert through(Power(0), [-2.0, 0.0, 2.0, math.inf], [3.0] * 4) == ([1] * 4, [0] * 4)
    assert through(Power(1), [-2.0, 0.0, 2.0], [3.0, 3.0, 3.0]) == ([-2, 0, 2], [3, 3, 3])


@pytest.mark.parametrize("exponent", [None, "2", math.nan, math.inf, True, 1j, [2]])
def test_an_exponent_that_is_no_finite_number_is_refused(exponent):
    with pytest.raises(GraphError, match=r"^Power takes a finite number as exponent, got ") as caught:
        Power(exponent)
    assert repr(exponent) in str(caught.value)


def test_the_exponent_is_shown():
    assert [Power(2).describe(), Power(-0.5).describe()] == ["Power 2", "Power -0.5"]


@pytest.mark.parametrize("layer", [Exp(), Log(), Sqrt(), Square(), Abs(), Sin(), Power(2.5), Power(-1), Negative()])
def test_nan_comes_out_where_it_went_in_and_nowhere_else(layer):
    a, slope = through(layer, [1.0, math.nan, 2.0])
    assert np.isnan(a).tolist() == [False, True, False]
    assert not np.isnan(slope)[[0, 2]].any()


EXTREME = [0.0, -0.0, 1e-5, -1e-5, 1.0, -1.0, 30.0, -30.0, 1e3, -1e3, 1e5, -1e5]
IN_TORCH = {
    "exp": Exp(),
    "log": Log(),
    "sqrt": Sqrt(),
    "square": Square(),
    "abs": Abs(),
    "sin": Sin(),
    "neg": Negative(),
    **{f"pow {p}": Power(p) for p in (-2, -1, -0.5, 0, 0.5, 1, 2, 2.5, 3)},
}


@pytest.mark.parametrize("name", IN_TORCH)
def test_extreme_values_are_those_of_pytorch(name):
    torch = pytest.importorskip("torch", reason="needs PyTorch to compare with")
    name, *exponent = name.split()
    values = [v for v in EXTREME if not (exponent and math.copysign(1, v) < 0 == v)]  # PyTorch has (−0)^½ = −0
    x = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    error = np.random.default_rng(0).normal(size=len(values))
    result = getattr(torch, name)(x, *map(float, exponent))
    result.backward(torch.tensor(error))
    with np.errstate(all="ignore"):
        a, sent = through(IN_TORCH[" ".join([name, *exponent])], values, error)
    np.testing.assert_allclose(a, result.detach().numpy(), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(sent, x.grad.numpy(), rtol=1e-9, atol=1e-9)
