"""Activations: values, slopes, tails and kinks, functions of one's own, one activation a neuron, softmax, PReLU."""

import math
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import numpy as np
import pytest
from cases.activation import TORCH

import minigraph as mg
from minigraph import activations
from minigraph.activations import ELU, NAMED, LeakyReLU
from minigraph.errors import GraphError, LayerError
from minigraph.layers import Activation, Dense, Function, LogSoftmax, PReLU, Softmax

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

E, LN2, LN3 = math.e, math.log(2), math.log(3)
LAMBDA, LAMBDA_ALPHA = 1.0507009873554805, 1.7580993408473766
KNOWN = {  # z, σ(z), σ'(z)
    "identity": [(-2.0, -2.0, 1.0), (0.0, 0.0, 1.0), (3.0, 3.0, 1.0)],
    "sigmoid": [(0.0, 0.5, 0.25), (math.log(3), 0.75, 0.1875), (-math.log(4), 0.2, 0.16)],
    "tanh": [(0.0, 0.0, 1.0), (math.log(2), 0.6, 0.64), (-math.log(3), -0.8, 0.36)],
    "relu": [(-2.0, 0.0, 0.0), (-0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (1e-300, 1e-300, 1.0), (3.0, 3.0, 1.0)],
    "leaky_relu": [(-2.0, -0.02, 0.01), (-0.0, 0.0, 0.01), (0.0, 0.0, 0.01), (1e-300, 1e-300, 1.0), (3.0, 3.0, 1.0)],
    "softplus": [(0.0, math.log(2), 0.5), (math.log(E - 1), 1.0, 1 - 1 / E), (-math.log(3), math.log(4 / 3), 0.25)],
    "elu": [(-LN2, -0.5, 0.5), (-0.0, 0.0, 1.0), (0.0, 0.0, 1.0), (1e-300, 1e-300, 1.0), (3.0, 3.0, 1.0)],
    "selu": [
        (-LN2, -LAMBDA_ALPHA / 2, LAMBDA_ALPHA / 2),
        (-0.0, 0.0, LAMBDA_ALPHA),
        (0.0, 0.0, LAMBDA_ALPHA),
        (1e-300, LAMBDA * 1e-300, LAMBDA),
        (3.0, 3 * LAMBDA, LAMBDA),
    ],
    "gelu": [
        (0.0, 0.0, 0.5),
        (1.0, 0.84134474606854294859, 1.0833154705876862984),
        (-1.0, -0.15865525393145705141, -0.083315470587686298383),
        (3.0, 2.9959503059051097164, 1.011945647204183927),
    ],
    "gelu_tanh": [
        (0.0, 0.0, 0.5),
        (1.0, 0.84119199060827670478, 1.0829640838457825551),
        (-1.0, -0.15880800939172329522, -0.08296408384578255514),
        (3.0, 2.9963626079182269812, 1.0115841666309697262),
    ],
    "silu": [(0.0, 0.0, 0.5), (LN3, 0.75 * LN3, 0.75 + 0.1875 * LN3), (-2 * LN2, -0.4 * LN2, 0.2 - 0.32 * LN2)],
    "mish": [(0.0, 0.0, 0.6), (LN2, 0.8 * LN2, 0.8 + 0.24 * LN2), (-LN2, -LN2 * 5 / 13, 5 / 13 - LN2 * 48 / 169)],
}


@every
def test_known_values_and_slopes_also_at_the_kinks(name):
    z, a, slope = zip(*KNOWN[name], strict=True)
    got = values(name, z)
    np.testing.assert_allclose(got[0], a, rtol=1e-15)
    np.testing.assert_allclose(got[1], slope, rtol=2e-15)


@pytest.mark.parametrize("slope", [0.25, 0.0, -1.5, 3.0])
def test_the_slope_of_leaky_relu_can_be_chosen(slope):
    z = np.array([-2.0, 0.0, 3.0, np.inf])
    kind = LeakyReLU(slope)
    np.testing.assert_array_equal(kind(z), [-2 * slope, 0.0, 3.0, np.inf])
    np.testing.assert_array_equal(kind.backward(np.full(4, 2.0), z, kind(z)), [2 * slope, 2 * slope, 2.0, 2.0])


@pytest.mark.parametrize("alpha", [0.5, 0.0, -1.5, 3.0])
def test_the_alpha_of_elu_can_be_chosen(alpha):
    z = np.array([-LN2, 0.0, 3.0, -np.inf, np.inf])
    kind = ELU(alpha)
    np.testing.assert_allclose(kind(z), [-alpha / 2, 0.0, 3.0, -alpha, np.inf], rtol=1e-15)
    sent = kind.backward(np.full(5, 2.0), z, kind(z))
    np.testing.assert_allclose(sent, [alpha, 2 * alpha, 2.0, 0.0, 2.0], rtol=1e-15)
    assert str(kind) == f"elu({alpha:g})"


@pytest.mark.parametrize("kind", [ELU, LeakyReLU])
@pytest.mark.parametrize("value", [math.nan, math.inf, None, "1", True])
def test_a_slope_that_is_no_finite_number_is_refused(kind, value):
    with pytest.raises(GraphError, match=f"finite.* got {value!r}"):
        kind(value)


def test_gelu_is_z_times_the_normal_distribution_everywhere():
    z = np.concatenate([np.linspace(-12, 12, 50_001), np.linspace(-1, 1, 513)])  # the grid of the table, and between
    expected = [math.erfc(-v / math.sqrt(2)) / 2 for v in z.tolist()]
    density = [math.exp(-v * v / 2) / math.sqrt(2 * math.pi) for v in z.tolist()]
    a, slope = values("gelu", z)
    np.testing.assert_allclose(a, z * expected, rtol=1e-15, atol=5e-16)
    np.testing.assert_allclose(slope, expected + z * density, rtol=1e-15, atol=5e-16)
    rough = z.astype("float32").astype(float)
    expected = [math.erfc(-v / math.sqrt(2)) / 2 for v in rough.tolist()]
    np.testing.assert_allclose(values("gelu", z, "float32")[0], rough * expected, rtol=2e-7, atol=2e-7)


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
    np.testing.assert_allclose(values("silu", z)[0], np.multiply(z, sigma), rtol=1e-12)
    rest = [float(1 / (1 + Decimal(v).exp())) for v in z]
    np.testing.assert_allclose(values("silu", z)[1], np.multiply(sigma, 1 + np.multiply(z, rest)), rtol=1e-12)
    powers = np.exp(z[:5])
    np.testing.assert_allclose(values("elu", z[:5])[1], powers, rtol=1e-12)
    np.testing.assert_allclose(values("mish", z[:4])[0], z[:4] * np.tanh(np.log1p(powers[:4])), rtol=1e-12)
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
    limits |= {"sigmoid": np.sign(z) > 0, "elu": np.maximum(z, -1)}
    limits |= {"selu": np.maximum(np.multiply(LAMBDA, z), -LAMBDA_ALPHA)}
    np.testing.assert_allclose(a, limits.get(name, np.maximum(z, 0)), rtol=1e-6, atol=1e-30)
    slopes = {"identity": 1.0, "tanh": 0.0, "leaky_relu": np.where(np.sign(z) > 0, 1.0, 0.01), "sigmoid": 0.0}
    slopes |= {"selu": np.where(np.sign(z) > 0, LAMBDA, 0.0)}
    np.testing.assert_allclose(slope, slopes.get(name, np.sign(z) > 0), rtol=1e-6, atol=1e-30)


@every
def test_infinite_arguments_give_limits_without_warnings(name):
    a, slope = values(name, [-np.inf, np.inf])
    limits = {"identity": [-np.inf, np.inf], "leaky_relu": [-np.inf, np.inf], "sigmoid": [0, 1], "tanh": [-1, 1]}
    limits |= {"elu": [-1, np.inf], "selu": [-LAMBDA_ALPHA, np.inf]}
    np.testing.assert_array_equal(a, limits.get(name, [0, np.inf]))
    slopes = {"identity": [1, 1], "leaky_relu": [0.01, 1], "sigmoid": [0, 0], "tanh": [0, 0], "selu": [0, LAMBDA]}
    np.testing.assert_array_equal(slope, slopes.get(name, [0, 1]))


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
    falling = name in ("gelu", "gelu_tanh", "silu", "mish")  # at −1.5
    assert sent.tolist() == [0.0 if name == "relu" else -np.inf if falling else np.inf, np.inf]


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


@pytest.mark.parametrize("layout", [np.asarray, np.asfortranarray, lambda x: np.repeat(x, 2, axis=1)[:, ::2]])
@in_both_precisions
@every
def test_many_elements_are_what_each_row_is(name, dtype, layout):
    z, error = np.random.default_rng(6).normal(size=(2, 21, 1999)).astype(dtype)
    kind = NAMED[name]
    z, error = layout(3 * z), layout(error)
    a = kind(z, out=np.full_like(z, np.nan))
    sent = kind.backward(error, z, a, out=np.full_like(z, np.nan))
    for i in range(len(z)):
        np.testing.assert_allclose(a[i], kind(z[i].copy()), rtol=1e-6 if dtype == "float32" else 1e-14)
        alone = kind.backward(error[i].copy(), z[i].copy(), a[i].copy())
        np.testing.assert_allclose(sent[i], alone, rtol=1e-5 if dtype == "float32" else 1e-13, atol=1e-15)


@every
def test_threads_may_share_an_activation(name):
    zs = np.random.default_rng(7).normal(size=(8, 40_000))
    kind = NAMED[name]
    alone = [kind.backward(z, z, kind(z)) for z in zs]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda z: kind.backward(z, z, kind(z)), zs))
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("kind", [LeakyReLU, ELU])
def test_a_slope_from_numpy_keeps_float32(kind):
    z = np.array([[-1.0, 2.0]], "float32")
    a, sent = through(Activation(kind(np.float64(0.5))), z, z, dtype="float32")
    assert a.dtype == sent.dtype == np.float32
    assert repr(kind(np.float64(0.5))) in ("LeakyReLU(slope=0.5)", "ELU(alpha=0.5)")


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


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 3), (4, 6, 2, 3), (1, 6, 1, 1)])
def test_a_list_along_axis_1_is_each_channel_on_its_own(shape):
    z, error = np.random.default_rng(8).normal(size=(2, *shape))
    kinds = activations.resolve(KINDS, 6, "Conv2D", axis=1)
    buffer = np.full(shape, np.nan)
    a = kinds(z)
    sent = kinds.backward(error, z, a, out=buffer)
    assert sent is buffer
    through_layer = through(Activation(KINDS, axis=0), z, error)
    for j, kind in enumerate(KINDS):
        alone = through(Activation(kind), z[:, j], error[:, j])
        for got in ((a, sent), through_layer):
            np.testing.assert_allclose(got[0][:, j], alone[0], rtol=1e-15)
            np.testing.assert_allclose(got[1][:, j], alone[1], rtol=1e-15)


def test_a_list_for_channels_speaks_of_channels():
    with pytest.raises(GraphError, match="Conv2D takes one activation for each of its 3 channels, got 2"):
        activations.resolve(["tanh", "relu"], 3, "Conv2D", axis=1)
    with pytest.raises(GraphError, match="Conv2D has no activation 'sigmod' for channel 1"):
        activations.resolve(["tanh", "sigmod"], 2, "Conv2D", axis=1)


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
    (Dense, (3, "prelu"), r"^Dense has no 'prelu': prelu trains a slope, put the layer PReLU\(\) after this one$"),
    (Dense, (2, ["tanh", "prelu"]), r"^Dense has no 'prelu' for neuron 1: .* PReLU\(\)"),
    (Activation, ("prelu",), r"^Activation has no 'prelu': .* PReLU\(\)"),
    (Activation, ("tanh", 0.5), "Activation takes a whole number as axis, got 0.5"),
    (Activation, (["tanh", "relu"], None), "Activation takes a whole number as axis, got None"),
    (Function, (np.sin, "cos"), "Function takes two functions .* got <ufunc 'sin'>, 'cos'"),
    (Function, (None, np.cos), "Function takes two functions .* got None, <ufunc 'cos'>"),
    (PReLU, (3,), "PReLU takes channels=True or False, got 3"),
    (PReLU, (False, math.inf), "PReLU takes a finite number.* got inf"),
    (PReLU, (False, None), "PReLU takes a finite number.* got None"),
    (PReLU, (False, True), "PReLU takes a finite number.* got True"),
    *((kind, (axis,), "takes a whole number as axis") for kind in (Softmax, LogSoftmax) for axis in (1.0, True, None)),
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


@in_both_precisions
def test_log_softmax_of_huge_arguments_is_finite_and_exact(dtype):
    x = np.array([[1e4, 0, -1e4], [-1e4, -1e4, -1e4], [1e4, 1e4, 0]])
    with np.errstate(all="raise", under="ignore"):
        a, sent = through(LogSoftmax(), x, np.array([[1.0, 2, 3]] * 3), dtype=dtype)
    np.testing.assert_allclose(a, [[0, -1e4, -2e4], [-LN3] * 3, [-LN2, -LN2, -1e4 - LN2]], rtol=1e-6)
    np.testing.assert_allclose(sent, [[-5, 2, 3], [-1, 0, 1], [-2, -1, 3]], atol=1e-6)


def test_log_softmax_of_minus_infinity_is_minus_infinity_and_takes_no_part():
    a, sent = through(LogSoftmax(), np.array([[-np.inf, 0.0, 0.0]]), np.array([[0.0, 2.0, 3.0]]))
    np.testing.assert_array_equal(a, [[-np.inf, -LN2, -LN2]])
    np.testing.assert_array_equal(sent, [[0, -0.5, 0.5]])


@pytest.mark.parametrize("axis", [0, 1, -1, -2])
@pytest.mark.parametrize("layer", [Softmax, LogSoftmax])
def test_rows_of_minus_infinity_alone_are_nan_and_say_so(layer, axis):
    x = np.zeros((2, 3, 3))
    x[1, 1, :] = x[1, :, 1] = -np.inf
    with pytest.warns(RuntimeWarning, match="invalid value"):
        a = mg.Sequential((3, 3), layer(axis)).forward(x=x)[layer.__name__.lower().replace("logs", "log_s")].a
    expected = np.zeros((2, 3, 3), bool)
    expected[1, 1 if axis in (1, -1) else slice(None), slice(None) if axis in (1, -1) else 1] = True
    assert np.isnan(a).tolist() == expected.tolist()


# ---- PReLU ----


def test_the_slope_of_prelu_at_its_kink_is_that_of_the_negative_side():
    layer = PReLU(slope=np.float32(0.5))
    a, sent = through(layer, np.array([[-2.0, -0.0, 0.0, 1e-300, 3.0]]), np.full((1, 5), 4.0))
    np.testing.assert_array_equal(a, [[-1.0, 0.0, 0.0, 1e-300, 3.0]])
    np.testing.assert_array_equal(sent, [[2.0, 2.0, 2.0, 4.0, 4.0]])
    assert layer.w.value.tolist() == [0.5]


def test_prelu_starts_as_in_pytorch_and_as_told():
    rng = np.random.default_rng(0)
    starts = {0.25: PReLU(), -2.0: PReLU(slope=-2), 0.0: PReLU(slope="zeros")}
    starts[7.0] = PReLU(slope=lambda shape, rng: np.full(shape, 7.0))
    for start, layer in starts.items():
        assert layer.build((3, 2), rng=rng, dtype=np.dtype("float32")) == (3, 2)
        assert layer.w.value.tolist() == [start]
        assert layer.w.dtype == np.float32
    several = PReLU(channels=True, slope=0.1)
    several.build((3, 2), rng=rng, dtype=np.dtype("float64"))
    assert several.w.value.tolist() == [0.1] * 3


def test_two_prelus_may_share_their_slope():
    first = PReLU()
    g = mg.Sequential(3, first)
    second = g.add(PReLU(slope=first.w), g.nodes[-1])
    run = g.forward(x=-np.ones((1, 3))).backward(second, np.ones((1, 3)))
    np.testing.assert_allclose(run.grad(first.w), [3 * -2 * 0.25])  # C = Σ w² x


def test_prelu_at_infinity_with_slope_0():
    a, sent = through(PReLU(slope=0), np.array([[np.inf, 1e308, -1e308]]), np.ones((1, 3)))
    np.testing.assert_array_equal(a, [[np.inf, 1e308, 0]])
    np.testing.assert_array_equal(sent, [[1, 1, 0]])


# ---- against PyTorch ----

EXTREME = [0.0, -0.0, 1e-5, -1e-5, 30.0, -30.0, 1e3, -1e3, 1e5, -1e5]
THEIRS = {name: (lambda name=name: Activation(name), theirs) for name, theirs in TORCH.items()} | {
    "softmax": (Softmax, lambda torch, given, z: torch.softmax(z, -1)),
    "softmax along axis 0": (lambda: Softmax(0), lambda torch, given, z: torch.softmax(z, 1)),
    "log_softmax": (LogSoftmax, lambda torch, given, z: torch.log_softmax(z, -1)),
    "prelu": (PReLU, lambda torch, given, z: torch.nn.PReLU(dtype=z.dtype)(z)),
    "prelu of channels": (lambda: PReLU(True), lambda torch, given, z: torch.nn.PReLU(3, dtype=z.dtype)(z)),
    "elu(0.5)": (lambda: Activation(ELU(0.5)), lambda torch, given, z: torch.nn.functional.elu(z, 0.5)),
}


@in_both_precisions
@pytest.mark.parametrize("what", THEIRS)
def test_against_pytorch(what, dtype):
    torch = pytest.importorskip("torch", reason="needs PyTorch to compare with")
    rng = np.random.default_rng(5)
    x, error = (4 * rng.normal(size=(9, 3, 10))).astype(dtype), rng.normal(size=(9, 3, 10)).astype(dtype)
    x[0, 0], x[1, 1], x[2] = 0.0, EXTREME, rng.choice(EXTREME, (3, 10))
    make, theirs = THEIRS[what]
    there = torch.tensor(x, requires_grad=True)
    result = theirs(torch, None, there)
    result.backward(torch.tensor(error))
    a, sent = through(make(), x, error, dtype=dtype)
    assert a.dtype == sent.dtype == dtype
    tolerance = 1e-9 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(a, result.detach().numpy(), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(sent, there.grad.numpy(), rtol=tolerance, atol=tolerance)
