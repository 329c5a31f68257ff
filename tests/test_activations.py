"""Activations: values, slopes, tails and kinks, functions of the user's own, one activation a neuron, softmax."""

import math
from decimal import Decimal

import numpy as np
import pytest

import minigraph as mg
from minigraph import activations
from minigraph.activations import NAMED, LeakyReLU
from minigraph.errors import GraphError, LayerError
from minigraph.layers import Activation, Dense, Softmax

every = pytest.mark.parametrize("name", NAMED)
in_both_precisions = pytest.mark.parametrize("dtype", ["float32", "float64"])


def values(name, z, dtype="float64"):
    """σ(z) and σ'(z)."""
    z = np.array(z, dtype)
    a = NAMED[name](z)
    return a, NAMED[name].backward(np.ones_like(z), z, a)


def through(layer, x, error, **options):
    """Output of one layer over a batch, and the error of its input."""
    g = mg.Sequential(x.shape[1:], layer, **options)
    run = g.forward(x=x).backward(g.nodes[-1], error, wrt="x")
    return run[g.nodes[-1]].a, run["x"].error


# ---- values and slopes ----

E = math.e
KNOWN = {  # z, σ(z), σ'(z)
    "identity": [(-2.0, -2.0, 1.0), (0.0, 0.0, 1.0), (3.0, 3.0, 1.0)],
    "sigmoid": [(0.0, 0.5, 0.25), (math.log(3), 0.75, 0.1875), (-math.log(4), 0.2, 0.16)],
    "tanh": [(0.0, 0.0, 1.0), (math.log(2), 0.6, 0.64), (-math.log(3), -0.8, 0.36)],
    "relu": [(-2.0, 0.0, 0.0), (-0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (1e-300, 1e-300, 1.0), (3.0, 3.0, 1.0)],
    "leaky_relu": [(-2.0, -0.02, 0.01), (-0.0, 0.0, 0.01), (0.0, 0.0, 0.01), (1e-300, 1e-300, 1.0), (3.0, 3.0, 1.0)],
    "softplus": [(0.0, math.log(2), 0.5), (math.log(E - 1), 1.0, 1 - 1 / E), (-math.log(3), math.log(4 / 3), 0.25)],
}


@every
def test_known_values_and_slopes_also_at_the_kinks(name):
    z, a, slope = zip(*KNOWN[name], strict=True)
    got = values(name, z)
    np.testing.assert_allclose(got[0], a, rtol=1e-15)
    np.testing.assert_allclose(got[1], slope, rtol=2e-15)


def test_the_slope_of_leaky_relu_can_be_chosen():
    z = np.array([-2.0, 0.0, 3.0])
    kind = LeakyReLU(0.25)
    np.testing.assert_array_equal(kind(z), [-0.5, 0.0, 3.0])
    np.testing.assert_array_equal(kind.backward(np.full(3, 2.0), z, kind(z)), [0.5, 0.5, 2.0])


def precisely(z):
    """e^z / (1 + e^z) and ln(1 + e^z), to 28 digits."""
    power = Decimal(z).exp()
    return float(power / (1 + power)), float((1 + power).ln() if z > -20 else power - power**2 / 2)


def test_tails_keep_their_digits():
    assert values("sigmoid", [-40.0])[0][0] == pytest.approx(4.248354255291589e-18, rel=1e-12, abs=0)
    z = [-700.0, -300.0, -40.0, -20.5, -3.0, 0.1, 5.0, 36.0, 300.0, 709.5]
    sigma, softplus = zip(*map(precisely, z), strict=True)
    np.testing.assert_allclose(values("sigmoid", z)[0], sigma, rtol=1e-12)
    np.testing.assert_allclose(values("softplus", z)[0], softplus, rtol=1e-12)
    np.testing.assert_allclose(values("softplus", z)[1], sigma, rtol=1e-12)
    below = z[:5]
    np.testing.assert_allclose(values("sigmoid", below)[1], [s * (1 - s) for s in sigma[:5]], rtol=1e-12)


@in_both_precisions
@every
def test_huge_arguments_give_finite_numbers_without_warnings(name, dtype):
    z = [-1e4, -1e3, -745.2, -104.0, -88.8, 88.0, 88.8, 104.0, 709.0, 709.8, 1e3, 1e4]
    with np.errstate(all="raise", under="ignore"):
        a, slope = values(name, z, dtype)
    assert a.dtype == slope.dtype == dtype
    assert np.isfinite(a).all()
    limits = {"identity": z, "tanh": np.sign(z), "leaky_relu": np.where(np.sign(z) > 0, z, np.multiply(z, 0.01))}
    limits |= dict.fromkeys(("relu", "softplus"), np.maximum(z, 0)) | {"sigmoid": np.sign(z) > 0}
    np.testing.assert_allclose(a, limits[name], rtol=1e-6, atol=1e-30)
    slopes = {"identity": 1.0, "tanh": 0.0, "leaky_relu": np.where(np.sign(z) > 0, 1.0, 0.01), "sigmoid": 0.0}
    np.testing.assert_allclose(slope, slopes.get(name, np.sign(z) > 0), rtol=1e-6, atol=1e-30)


@every
def test_infinite_arguments_give_limits_without_warnings(name):
    a, slope = values(name, [-np.inf, np.inf])
    limits = {"sigmoid": [0, 1], "tanh": [-1, 1], "relu": [0, np.inf], "softplus": [0, np.inf]}
    np.testing.assert_array_equal(a, limits.get(name, [-np.inf, np.inf]))
    slopes = {"identity": [1, 1], "leaky_relu": [0.01, 1], "relu": [0, 1], "softplus": [0, 1]}
    np.testing.assert_array_equal(slope, slopes.get(name, [0, 0]))


def with_nan(name, error_at_nan):
    """Output and error of a layer with NaN in one element of its input, and without, and where that element is."""
    z = np.random.default_rng(0).normal(size=(3, 4))
    spoilt, error = z.copy(), np.ones_like(z)
    spoilt[1, 2], error[1, 2] = np.nan, error_at_nan
    return through(Activation(name), spoilt, error), through(Activation(name), z, np.ones_like(z)), np.isnan(spoilt)


@every
def test_nan_comes_out_where_it_went_in_and_nowhere_else(name):
    (a, sent), clean, there = with_nan(name, 1.0)
    assert np.isnan(a).tolist() == there.tolist()
    for got, expected in ((a, clean[0]), (sent, clean[1])):
        np.testing.assert_array_equal(got[~there], expected[~there])


@every
def test_nan_that_comes_back_goes_on_back(name):
    (_, sent), _, there = with_nan(name, np.nan)
    assert np.isnan(sent).tolist() == there.tolist()


@every
def test_an_infinite_error_is_not_multiplied_by_zero(name):
    z = np.array([-1.5, 1.5])
    sent = NAMED[name].backward(np.array([np.inf, np.inf]), z, NAMED[name](z))
    assert sent.tolist() == [0.0 if name == "relu" else np.inf, np.inf]


@in_both_precisions
@every
def test_out_is_written_into_and_arguments_are_not(name, dtype):
    z = np.linspace(-2, 2, 6, dtype=dtype).reshape(2, 3)
    error = np.full_like(z, 0.7)
    kind = NAMED[name]
    a = kind(z)
    sent = kind.backward(error, z, a)
    for array in (z, a, error):
        array.flags.writeable = False
    buffer = np.full_like(z, np.nan)
    again = kind(z, out=buffer)
    assert again is (z if name == "identity" else buffer)
    np.testing.assert_array_equal(again, a)
    again = kind.backward(error, z, a, out=buffer)
    assert again is (error if name == "identity" else buffer)
    np.testing.assert_array_equal(again, sent)


def test_a_slope_from_numpy_keeps_float32():
    z = np.array([[-1.0, 2.0]], "float32")
    a, sent = through(Activation(LeakyReLU(np.float64(0.5))), z, z, dtype="float32")
    assert a.dtype == sent.dtype == np.float32


# ---- functions of the user's own ----


def slope_of_cube(z):
    return 3 * z**2


def in_place(z):
    z *= 2
    return z


X = np.array([[0.5, -1.0, 2.0], [1.5, 0.0, -0.5]])
UP = np.array([[1.0, 2.0, -3.0], [0.5, -1.0, 4.0]])
OWN = {
    "a cube": (lambda z: z**3, slope_of_cube, X**3, 3 * X**2),
    "its argument": (lambda z: z, lambda z: z, X, X),
    "a view": (lambda z: z[...], lambda z: z.T.T, X, X),
    "a reversed view": (lambda z: z[::-1][::-1], np.cos, X, np.cos(X)),
    "a number": (lambda z: 3, lambda z: 0.0, 0 * X + 3, 0 * X),
    "lists": (lambda z: z.tolist(), lambda z: (2 * z).tolist(), X, 2 * X),
    "integers": (lambda z: (z > 0).astype(int), lambda z: z > 0, X > 0, X > 0),
}


@pytest.mark.parametrize("what", OWN)
@pytest.mark.parametrize("layer", [Activation, lambda pair: Dense(3, pair, weights=lambda s, r: np.eye(3))])
def test_a_pair_of_functions_may_return(what, layer):
    f, slope, a, factor = OWN[what]
    g = mg.Sequential(3, layer((f, slope)))
    run = g.forward(x=X)
    for x in (X, -X, X):  # again: what was returned must not have become a buffer
        run.forward(x=x).backward(g.nodes[-1], UP, wrt="x")
    np.testing.assert_array_equal(run[g.nodes[-1]].a, a)
    np.testing.assert_array_equal(run["x"].error, UP * factor)
    np.testing.assert_array_equal(run["x"].a, X)


@in_both_precisions
def test_a_pair_of_functions_keeps_the_precision(dtype):
    a, sent = through(Activation((lambda z: np.float64(2) * z, lambda z: np.float64(2))), X, UP, dtype=dtype)
    assert a.dtype == sent.dtype == dtype


FAULTY = {
    "forward writes": ((in_place, np.cos), "forward failed with ValueError: .* read-only"),
    "slope writes": ((np.sin, in_place), "backward failed with ValueError: .* read-only"),
    "forward drops an axis": ((lambda z: z.sum(axis=1), np.cos), r"\(2, 3\).*\(2,\)"),
    "forward would broadcast": ((lambda z: z[:1], np.cos), r"\(2, 3\).*\(1, 3\)"),
    "slope would broadcast": ((np.sin, lambda z: z[:, :1]), r"\(2, 3\).*\(2, 1\)"),
    "forward returns nothing": ((lambda z: None, np.cos), "(failed|got)"),
    "slope returns nothing": ((np.sin, lambda z: None), "(failed|got)"),
    "forward raises": ((lambda z: 1 // 0, np.cos), "forward failed with ZeroDivisionError"),
}


@pytest.mark.parametrize("what", FAULTY)
@pytest.mark.parametrize("layer", [Activation, lambda pair: Dense(3, pair)], ids=["Activation", "Dense"])
def test_a_pair_of_functions_must_not(what, layer):
    pair, message = FAULTY[what]
    g = mg.Sequential(3, layer(pair))
    with pytest.raises(LayerError, match=rf"^(Dense|Activation) '{g.nodes[-1].name}' \(added at test_.*{message}"):
        g.forward(x=X).backward(g.nodes[-1], UP, wrt="x")


# ---- one activation a neuron ----

KINDS = ["sigmoid", "relu", (np.sin, np.cos), "sigmoid", LeakyReLU(0.5), "identity"]


def test_a_list_is_each_neuron_on_its_own():
    z = np.random.default_rng(1).normal(size=(4, 2, 6))
    error = np.random.default_rng(2).normal(size=z.shape)
    a, sent = through(Activation(KINDS), z, error)
    for j, kind in enumerate(KINDS):
        alone = through(Activation(kind), z[..., j], error[..., j])
        np.testing.assert_allclose(a[..., j], alone[0], rtol=1e-15)
        np.testing.assert_allclose(sent[..., j], alone[1], rtol=1e-15)


def test_a_list_in_dense_is_each_neuron_on_its_own():
    rng = np.random.default_rng(3)
    x, error = rng.normal(size=(4, 5)), rng.normal(size=(4, 6))
    g = mg.Sequential(5, Dense(6, KINDS, biases="normal"), seed=0)
    w, b = g.params.values()
    run = g.forward(x=x).backward("dense", error)
    for j, kind in enumerate(KINDS):
        lone = mg.Sequential(
            5, Dense(1, kind, weights=lambda s, r, j=j: w.value[[j]], biases=lambda s, r, j=j: b.value[[j]])
        )
        alone = lone.forward(x=x).backward("dense", error[:, [j]])
        np.testing.assert_allclose(run["dense"].a[:, [j]], alone["dense"].a, rtol=1e-12)
        np.testing.assert_allclose(run["dense"].delta[:, [j]], alone["dense"].delta, rtol=1e-12)
        np.testing.assert_allclose(run.grad(w)[[j]], alone.grad(lone.params["dense.w"]), rtol=1e-12)


def test_a_list_shows_its_kinds_in_order():
    assert str(Activation(["tanh", "tanh", (np.sin, np.cos), "tanh"]).sigma) == "tanh ×2, sin ×1, tanh ×1"


# ---- what stands for an activation ----


@every
def test_names_stand_for_objects(name):
    assert Activation(name).sigma is NAMED[name] is getattr(activations, name)
    assert Dense(2, NAMED[name]).sigma is NAMED[name]
    assert str(NAMED[name]) == name


def test_an_object_of_ones_own_stands_for_itself():
    class Square:
        def __call__(self, z, out=None):
            return np.multiply(z, z, out=out)

        def backward(self, error, z, a, out=None):
            return np.multiply(2 * z, error, out=out)

    a, sent = through(Activation(Square()), X, UP)
    np.testing.assert_array_equal(a, X**2)
    np.testing.assert_array_equal(sent, 2 * X * UP)


def test_a_pair_of_objects_is_a_list_not_a_function_with_its_slope():
    assert str(Dense(2, (activations.relu, activations.tanh)).sigma) == "relu ×1, tanh ×1"


NO_ACTIVATION = [
    (Dense, (3, "sigmod"), "'sigmod'.* sigmoid, tanh"),
    (Dense, (3, ["tanh", "relu", "sigmod"]), "'sigmod'.*neuron 2"),
    (Dense, (2, ["tanh", np.sin]), "'sin'.*neuron 1.*slope"),
    (Dense, (2, np.sin), "'sin'.*slope"),
    (Dense, (2, ["tanh", 3]), "3.*neuron 1"),
    (Dense, (3, ["tanh", "relu"]), "3 neurons, got 2"),
    (Dense, (3, ["tanh"] * 4), "3 neurons, got 4"),
    (Dense, (3, []), "3 neurons, got 0"),
    (Dense, (3, None), "None"),
    (Dense, (3, activations.Sigmoid), "Sigmoid"),
    (Activation, ("sigmod",), "'sigmod'.* sigmoid, tanh"),
    (Activation, (["tanh", (np.sin, np.cos), np.exp],), "'exp'.*neuron 2.*slope"),
]


@pytest.mark.parametrize(("layer", "args", "message"), NO_ACTIVATION, ids=repr)
def test_what_stands_for_no_activation_is_refused_by_name(layer, args, message):
    with pytest.raises(GraphError, match=message):
        layer(*args)


def test_the_layer_is_named_too():
    with pytest.raises(GraphError, match="Dense"):
        Dense(2, "sigmod")


# ---- softmax: not elementwise ----


@in_both_precisions
@pytest.mark.parametrize("big", [1e3, 1e4])
def test_softmax_of_huge_arguments_is_finite(dtype, big):
    x = np.array([[big, 0, -big], [-big, -big, -big], [big, big, 0]])
    with np.errstate(all="raise", under="ignore"):
        a, sent = through(Softmax(), x, np.array([[1.0, 2, 3]] * 3), dtype=dtype)
    np.testing.assert_allclose(a, [[1, 0, 0], [1 / 3] * 3, [0.5, 0.5, 0]], rtol=1e-6)
    np.testing.assert_allclose(sent, [[0, 0, 0], [-1 / 3, 0, 1 / 3], [-0.25, 0.25, 0]], atol=1e-6)


def test_softmax_rows_add_up_to_1_and_errors_to_0():
    rng = np.random.default_rng(4)
    a, sent = through(Softmax(), 5 * rng.normal(size=(6, 2, 4)), rng.normal(size=(6, 2, 4)))
    np.testing.assert_allclose(a.sum(axis=-1), 1, rtol=1e-14)
    np.testing.assert_allclose(sent.sum(axis=-1), 0, atol=1e-15)


def test_softmax_of_minus_infinity_is_0():
    a, sent = through(Softmax(), np.array([[-np.inf, 0.0, 0.0]]), np.array([[1.0, 2.0, 3.0]]))
    np.testing.assert_array_equal(a, [[0, 0.5, 0.5]])
    np.testing.assert_array_equal(sent, [[0, -0.25, 0.25]])


def test_nan_stays_in_its_row_of_softmax():
    x = np.zeros((3, 2, 2))
    x[1, 0, 1] = np.nan
    a, sent = through(Softmax(), x, x * 0 + 1.0)
    expected = np.zeros((3, 2), bool)
    expected[1, 0] = True
    for got in (a, sent):
        assert np.isnan(got).all(axis=-1).tolist() == np.isnan(got).any(axis=-1).tolist() == expected.tolist()


# ---- against PyTorch ----


@pytest.mark.parametrize("name", [*NAMED, "softmax"])
def test_against_pytorch(name):
    torch = pytest.importorskip("torch", reason="needs PyTorch to compare with")
    f = torch.nn.functional
    kind = {
        "identity": lambda z: z * 1,
        "leaky_relu": lambda z: f.leaky_relu(z, 0.01),
        "softplus": f.softplus,
        "softmax": lambda z: torch.softmax(z, -1),
    }.get(name) or getattr(torch, name)
    rng = np.random.default_rng(5)
    x, error = 4 * rng.normal(size=(5, 3, 4)), rng.normal(size=(5, 3, 4))
    x[0, 0] = 0.0
    there = torch.tensor(x, requires_grad=True)
    result = kind(there)
    result.backward(torch.tensor(error))
    a, sent = through(Softmax() if name == "softmax" else Activation(name), x, error)
    np.testing.assert_allclose(a, result.detach().numpy(), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(sent, there.grad.numpy(), rtol=1e-9, atol=1e-9)
