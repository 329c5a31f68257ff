"""Stability: numbers at the edges are finite, exact to the last digits, and no NaN goes where it doesn't belong.

What is exact is computed to 60 digits with `decimal`, by formulas of its own.
"""

from decimal import Decimal

import numpy as np
import pytest

import minigraph as mg
from minigraph.activations import ELU, NAMED, LeakyReLU
from minigraph.layers import Activation, Divide, Log, LogSoftmax, Max, MaxPool2D, Power, PReLU, Softmax, Square

pytestmark = pytest.mark.usefixtures("digits")
in_both_precisions = pytest.mark.parametrize("dtype", ["float32", "float64"])
SIZES = (1e4, 1e3, 745.0, 709.0, 104.0, 88.0, 20.0, 3.0, 0.5, 1e-8, 1e-30, 0.0)


def edges(dtype):
    """Numbers of both signs, from the largest that have to be stable to the smallest that there are, and −0."""
    info = np.finfo(dtype)
    sizes = [*SIZES, float(info.tiny) / 4, float(info.smallest_subnormal)]
    return np.array([sign * size for size in sizes for sign in (1, -1)], dtype)


def both(layer, x, error, dtype, **options):
    """Output of a layer, and the error that it sends back; whatever numpy warns of is an error."""
    g = mg.Graph(dtype=dtype)
    g.add(layer, g.input("x", x.shape[1:]), name="node")
    with np.errstate(all="raise", under="ignore"):
        run = g.forward(x=x, **options).backward("node", error, wrt="x")
    assert run["node"].a.dtype == run["x"].error.dtype == dtype
    return run["node"].a, run["x"].error


def near(got, exact, rtol, atol):
    """Finite, and as near to the exact numbers as that."""
    assert np.isfinite(got).all()
    np.testing.assert_allclose(got.ravel(), np.ravel(exact).astype(float), rtol=rtol, atol=atol)


# ---- activations, exactly ----

PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459")
SCALE, ALPHA = Decimal("1.0507009873554804934193349852946"), Decimal("1.6732632423543772848170429916717")


def logistic(z):
    return 1 / (1 + (-z).exp())


def expm1(z):
    return z.exp() - 1 if abs(z) > Decimal("1e-25") else z + z * z / 2


def softplus(z):
    power = z.exp()
    return (1 + power).ln() if power > Decimal("1e-30") else power - power * power / 2


def tanh(z):
    low = expm1(2 * -abs(z))
    return (-low / (2 + low)).copy_sign(z)


def density(z):
    return (-z * z / 2).exp() / (2 * PI).sqrt()


def normal(z):
    """Φ(z), by a series near 0 and by a continued fraction far out."""
    u = abs(z)
    if u < 4:
        term = total = u
        for n in range(1, 100):
            term *= -u * u / (2 * n)
            total += term / (2 * n + 1)
        upper = Decimal("0.5") - total / (2 * PI).sqrt()
    else:
        fraction = u
        for k in range(300, 0, -1):
            fraction = u + k / fraction
        upper = density(u) / fraction
    return upper if z < 0 else 1 - upper


def bent(u, slope):
    """z s and its slope, s = 1 / (1 + e^−u), u a function of z."""
    return lambda z: z * logistic(u(z)), lambda z: logistic(u(z)) * (1 + z * slope(z) * logistic(-u(z)))


def straight(above, below):
    return lambda z: z * (above if z > 0 else below), lambda z: above if z > 0 else below


def curved(above, below):
    return (
        lambda z: above * z if z > 0 else below * expm1(z),
        lambda z: above if z > 0 else below * z.exp(),
    )


def mish_slope(z):
    return tanh(softplus(z)) + z * (1 - tanh(softplus(z)) ** 2) * logistic(z)


ONE, ROOT, CUBIC = Decimal(1), (8 / PI).sqrt(), Decimal("0.044715")
EXACT = {
    "identity": straight(ONE, ONE),
    "sigmoid": (logistic, lambda z: logistic(z) * logistic(-z)),
    "tanh": (tanh, lambda z: 4 * logistic(2 * z) * logistic(-2 * z)),
    "relu": straight(ONE, Decimal(0)),
    "leaky_relu": straight(ONE, Decimal("0.01")),
    "leaky_relu(0.5)": straight(ONE, Decimal("0.5")),
    "leaky_relu(-3)": straight(ONE, Decimal(-3)),
    "softplus": (softplus, logistic),
    "elu": curved(ONE, ONE),
    "elu(0.5)": curved(ONE, Decimal("0.5")),
    "elu(-3)": curved(ONE, Decimal(-3)),
    "selu": curved(SCALE, SCALE * ALPHA),
    "gelu": (lambda z: z * normal(z), lambda z: normal(z) + z * density(z)),
    "gelu_tanh": bent(lambda z: ROOT * (z + CUBIC * z**3), lambda z: ROOT * (1 + 3 * CUBIC * z * z)),
    "silu": bent(lambda z: z, lambda z: ONE),
    "mish": (lambda z: z * tanh(softplus(z)), mish_slope),
    "prelu": straight(ONE, Decimal("0.25")),
}
KINDS = {str(kind): kind for kind in (*NAMED.values(), LeakyReLU(0.5), LeakyReLU(-3.0), ELU(0.5), ELU(-3.0))}


@in_both_precisions
@pytest.mark.parametrize("name", EXACT)
def test_activations_at_the_edges_are_finite_and_exact(name, dtype):
    z = edges(dtype)
    exact = [[float(f(Decimal(float(v)))) for v in z] for f in EXACT[name]]
    eps, tiny = float(np.finfo(dtype).eps), 2 * float(np.finfo(dtype).tiny)
    far = eps**2 if name.startswith("gelu") else tiny  # of GELU's tails the digits are lost, their size isn't
    flat = eps if name in ("sigmoid", "tanh") else far  # 1 − a and 1 − a² know of z what a does
    for times in (1, 50):  # many elements are computed in pieces
        x = np.tile(z, (2, times))
        a, slope = both(PReLU() if name == "prelu" else Activation(KINDS[name]), x, np.ones_like(x), dtype)
        near(a, np.tile(exact[0], (2, times)), 64 * eps, far)
        near(slope, np.tile(exact[1], (2, times)), 64 * eps, flat)
    assert set(KINDS) | {"prelu"} == set(EXACT)


def exact_softmax(x, error):
    """Probabilities, their logarithms, and what goes back through each."""
    x, error = ([Decimal(float(v)) for v in row] for row in (x, error))
    total = sum((v - max(x)).exp() for v in x)
    p = [(v - max(x)).exp() / total for v in x]
    mean = sum(e * q for e, q in zip(error, p, strict=True))
    logs = [v - max(x) - total.ln() for v in x]
    return (
        (p, [q * (e - mean) for e, q in zip(error, p, strict=True)]),
        (logs, [e - q * sum(error) for e, q in zip(error, p, strict=True)]),
    )


@in_both_precisions
@pytest.mark.parametrize(("kind", "which"), [(Softmax, 0), (LogSoftmax, 1)])
def test_softmax_of_rows_from_edge_to_edge_is_finite_and_exact(kind, which, dtype):
    z = edges(dtype)
    x = np.stack([z, z[::-1], np.full_like(z, 1e4), np.full_like(z, -1e4), 0 * z, np.roll(z, 2) / 16])
    error = np.random.default_rng(0).normal(size=x.shape).astype(dtype)
    exact = [exact_softmax(*row)[which] for row in zip(x, error, strict=True)]
    eps = float(np.finfo(dtype).eps)
    for got, expected in zip(both(kind(), x, error, dtype), zip(*exact, strict=True), strict=True):
        near(got, np.array(expected), 32 * eps, 32 * eps)


# ---- ties ----


@pytest.mark.parametrize("layer", [MaxPool2D(3, 1, 1), MaxPool2D((2, 3), 2, (1, 0), ceil_mode=True), MaxPool2D(2)])
@pytest.mark.parametrize("values", [[-3.0, -2.0], [0.0], [-np.inf], [-1.0, 0.0, 2.0]], ids=str)
def test_windows_full_of_ties_hand_out_their_error_once_and_to_the_largest(layer, values):
    x = np.random.default_rng(0).choice(values, (1, 2, 5, 6))
    g = mg.Sequential(x.shape[1:], layer)
    run = g.forward(x=x)
    a = run[g.nodes[-1]].a
    assert np.isin(a, values).all()  # and never the padding
    for window in np.ndindex(a.shape):
        error = np.zeros_like(a)
        error[window] = 0.7
        sent = run.backward(g.nodes[-1], error, wrt="x")["x"].error
        (winner,) = map(tuple, np.argwhere(sent))
        assert sent[winner] == 0.7
        assert x[winner] == a[window]


@pytest.mark.parametrize(("axes", "whole"), [(None, (1, 2)), (0, 1), ((0, 1), (1, 2)), (1, 2)])
def test_ties_of_a_maximum_share_its_error_and_no_more(axes, whole):
    x = np.random.default_rng(0).choice([-3.0, -2.0], (4, 3, 5))
    top = x.max(axis=whole, keepdims=True)
    error = np.random.default_rng(1).normal(size=top.shape)
    a, sent = both(Max(axes, keepdims=True), x, error, "float64")
    np.testing.assert_array_equal(a, top)
    np.testing.assert_array_equal(sent != 0, x == top)
    np.testing.assert_allclose(sent.sum(axis=whole, keepdims=True), error)


# ---- what is the user's: numpy's rules ----

ENDS = [  # layer, inputs, output, errors of the inputs, what numpy says forward and backward
    (Power(3), [1e308], np.inf, [np.inf], "overflow", "overflow"),
    (Power(-1), [1e-310], np.inf, [-np.inf], "overflow", "overflow"),
    (Power(-1), [0.0], np.inf, [-np.inf], "divide by zero", "divide by zero"),
    (Square(), [1e308], np.inf, [np.inf], "overflow", "overflow"),
    (Log(), [5e-324], np.log(5e-324), [np.inf], None, "overflow"),
    (Divide(), [1.0, 0.0], np.inf, [np.inf, -np.inf], "divide by zero", "divide by zero"),
    (Divide(), [-1.0, 0.0], -np.inf, [np.inf, np.inf], "divide by zero", "divide by zero"),
    (Divide(), [0.0, 0.0], np.nan, [np.inf, np.nan], "invalid value", "divide by zero"),
    (Divide(), [1e308, 1e-10], np.inf, [1e10, -np.inf], "overflow", None),
]


@pytest.mark.parametrize(("layer", "inputs", "a", "slopes", "forth", "back"), ENDS)
def test_out_of_bounds_numbers_are_numpys_and_numpy_warns(layer, inputs, a, slopes, forth, back):
    g = mg.Graph()
    names = [f"x{i}" for i in range(len(inputs))]
    g.add(layer, *(g.input(name, ()) for name in names), name="node")
    feeds = {name: [value] for name, value in zip(names, inputs, strict=True)}
    with expected(forth):
        run = g.forward(feeds)
    with expected(back):
        run.backward("node", [1.0], wrt=names)
    np.testing.assert_array_equal(run["node"].a, [a])
    np.testing.assert_allclose([run[name].error[0] for name in names], slopes)


def expected(message):
    return pytest.warns(RuntimeWarning, match=message) if message else np.errstate(all="raise", under="ignore")
