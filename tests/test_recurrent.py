"""Recurrent layers: both directions, states, results, Params, extremes."""

import numpy as np
import pytest

import minigraph as mg
from minigraph.costs import Quadratic
from minigraph.errors import GraphError, NotComputedError, ShapeError
from minigraph.layers import GRU, LSTM, RNN, Concat, Dense, GRUCell, LSTMCell, RNNCell, Slice

PAIRS = [(RNN, RNNCell), (LSTM, LSTMCell), (GRU, GRUCell)]
LAYERS = [layer for layer, _ in PAIRS]
kinds = pytest.mark.parametrize("kind", LAYERS, ids=lambda kind: kind.__name__)
results = pytest.mark.parametrize(("kind", "returns"), [(k, r) for k in LAYERS for r in k.results])
pairs = pytest.mark.parametrize(("kind", "cell"), PAIRS, ids=lambda kind: kind.__name__)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def shared(layer, kind, **settings):
    """A layer or cell of another kind with the same Params."""
    if hasattr(layer, "c"):
        settings["recurrent_biases"] = layer.c
    return kind(layer.units, weights=layer.w, recurrent=layer.u, biases=layer.b, **settings)


def stirred(layer, seed=3):
    """The layer, its Params moved off their start."""
    for i, param in enumerate(layer.params.values()):
        param.value = param.value + 0.5 * normal(*param.shape, seed=seed + i)
    return layer


def wired(layer, T, k, *, state=False, lengths=False, dtype="float64"):
    """A graph of the one layer, as node "y"."""
    g = mg.Graph(seed=1, dtype=dtype)
    inputs = [g.input("x", (T, k))]
    inputs += [g.input(name, layer.units) for name in ("h0", "c0")[: layer.parts]] if state else []
    inputs += [g.input("lengths", (), dtype=int)] if lengths else []
    g.output(layer(*inputs, name="y"))
    return g


def back(g, error, **feeds):
    """A run, swept both ways, with the errors of all float inputs."""
    wrt = [name for name, x in feeds.items() if np.asarray(x).dtype.kind == "f"]
    return g.forward(**feeds).backward("y", error, wrt=wrt)


# ---- directions, states, results ----


@kinds
def test_reverse_is_the_sequence_turned_round(kind):
    layer, x, error = kind(3), normal(4, 5, 2), normal(4, 5, 3, seed=1)
    g = wired(layer, 5, 2)
    stirred(layer)
    there, g = back(g, error, x=x), wired(shared(layer, kind, reverse=True), 5, 2)
    run = back(g, error[:, ::-1], x=x[:, ::-1])
    np.testing.assert_array_equal(run["y"].a[:, ::-1], there["y"].a)
    np.testing.assert_array_equal(run["x"].error[:, ::-1], there["x"].error)
    np.testing.assert_array_equal(run["y"].delta[:, ::-1], there["y"].delta)


def test_both_directions_are_a_composition():
    g = mg.Graph(seed=0)
    x = g.input("x", (5, 2))
    both = Concat()(LSTM(3)(x), LSTM(4, reverse=True)(x))
    assert both.shape == (5, 7)
    g.cost(Quadratic(), both >> Dense(1), target="t")
    assert mg.check(g, x=normal(3, 5, 2), t=normal(3, 5, 1, seed=1)).ok


@kinds
def test_no_state_is_a_state_of_zeros(kind):
    layer, x, error = kind(3), normal(2, 4, 2), normal(2, 4, 3, seed=1)
    plain = back(wired(layer, 4, 2), error, x=x)
    run = back(
        wired(layer, 4, 2, state=True), error, x=x, **dict.fromkeys(("h0", "c0")[: layer.parts], np.zeros((2, 3)))
    )
    np.testing.assert_array_equal(run["y"].a, plain["y"].a)
    np.testing.assert_array_equal(run["x"].error, plain["x"].error)


@kinds
def test_a_sequence_in_two_halves_joined_by_the_state_is_the_sequence(kind):
    T, layer = 6, kind(3)
    whole = wired(layer, T, 2, state=True)
    stirred(layer)
    x, starts = normal(4, T, 2), {n: normal(4, 3, seed=i) for i, n in enumerate(("h0", "c0")[: layer.parts])}
    error = normal(4, 3, 3, seed=7)
    late = np.zeros((4, T, 3))
    late[:, 3:] = error
    one = back(whole, late, x=x, **starts)
    g = mg.Graph()
    first, second = g.input("first", (3, 2)), g.input("second", (3, 2))
    given = [g.input(name, 3) for name in starts]
    returns = "state" if kind is LSTM else "last"
    state = shared(layer, kind, returns=returns)(first, *given)
    parts = [state >> Slice(0), state >> Slice(1)] if kind is LSTM else [state]
    shared(layer, kind)(second, *parts, name="y")
    run = back(g, error, first=x[:, :3], second=x[:, 3:], **starts)
    np.testing.assert_allclose(run["y"].a, one["y"].a[:, 3:], rtol=1e-12, atol=1e-14)
    for name in starts:
        np.testing.assert_allclose(run[name].error, one[name].error, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(run["first"].error, one["x"].error[:, :3], rtol=1e-12, atol=1e-14)
    for param in layer.params.values():
        np.testing.assert_allclose(run.grad(param), one.grad(param), rtol=1e-12, atol=1e-14)


def test_one_layer_serves_sequences_of_different_lengths():
    layer, g = GRU(3), mg.Graph(seed=0)
    short, long = g.input("short", (2, 4)), g.input("long", (9, 4))
    assert layer(short).shape == (2, 3)
    assert layer(long).shape == (9, 3)
    with pytest.raises(ShapeError, match=r"w of shape \(9, 4\)"):
        layer(g.input("wide", (2, 5)))


@kinds
def test_delta_is_the_error_of_the_weighted_inputs_and_b_sums_it(kind):
    layer = kind(3, reverse=True)
    g = wired(layer, 4, 2, lengths=True)
    run = back(g, normal(2, 4, 3, seed=1), x=normal(2, 4, 2), lengths=[4, 2])
    delta = run["y"].delta
    assert delta.shape == (2, 4, 3 * layer.gates)
    np.testing.assert_allclose(delta.sum(axis=(0, 1)) / 2, run.grad(layer.b), rtol=1e-12)
    np.testing.assert_allclose(delta @ layer.w.value, run["x"].error, rtol=1e-12, atol=1e-15)
    assert run.grad(layer.b, per="example").shape == (2, *layer.b.shape)


@pairs
def test_delta_of_a_cell_is_that_of_its_weighted_inputs_too(kind, cell):
    layer, g = cell(3), mg.Graph(seed=0)
    layer(g.input("x", 2), name="y")
    run = back(g, normal(4, *g["y"].shape, seed=1), x=normal(4, 2))
    np.testing.assert_allclose(run["y"].delta.sum(axis=0) / 4, run.grad(layer.b), rtol=1e-12)
    np.testing.assert_allclose(run["y"].delta @ layer.w.value, run["x"].error, rtol=1e-12, atol=1e-15)


# ---- Params ----


def test_one_param_in_two_places_has_both_gradients():
    rng, tied = np.random.default_rng(0), mg.Param(normal(9, 3, seed=1), "tied")
    bias = mg.Param(normal(9, seed=2), "bias")
    layer = GRU(3, weights=tied, recurrent=tied, biases=bias, recurrent_biases=bias)
    apart = GRU(3, weights=lambda *_: tied.value, recurrent=lambda *_: tied.value,
                biases=lambda *_: bias.value, recurrent_biases=lambda *_: bias.value)  # fmt: skip
    x, error = rng.normal(size=(4, 5, 3)), rng.normal(size=(4, 5, 3))
    for _ in range(2):
        run, other = (back(wired(one, 5, 3), error, x=x) for one in (layer, apart))
        np.testing.assert_allclose(run.grad(tied), other.grad(apart.w) + other.grad(apart.u), rtol=1e-12)
        np.testing.assert_allclose(run.grad(bias), other.grad(apart.b) + other.grad(apart.c), rtol=1e-12)
    first = run.grad(tied).copy()
    run.forward(x=x).backward("y", error)
    np.testing.assert_array_equal(run.grad(tied), first)


@pairs
def test_layers_and_cells_take_each_others_params(kind, cell):
    layer, single = kind(3), cell(3, biases="normal")
    wired(layer, 4, 2)
    g = mg.Graph(seed=0)
    single(g.input("x", 2))
    assert {n: p.shape for n, p in layer.params.items()} == {n: p.shape for n, p in single.params.items()}
    step, whole = shared(layer, cell), shared(single, kind)
    step(g["x"])
    wired(whole, 4, 2)
    assert all(step.params[name] is param for name, param in layer.params.items())
    assert all(whole.params[name] is param for name, param in single.params.items())
    twins = kind(3), cell(3)
    wired(twins[0], 4, 2)
    twins[1](mg.Graph(seed=1).input("x", 2))
    for name, param in twins[0].params.items():
        np.testing.assert_array_equal(param.value, twins[1].params[name].value)


@pairs
def test_frozen_layers_send_errors_and_have_no_gradient(kind, cell):
    layer = kind(3, frozen=True)
    run = back(wired(layer, 4, 2), normal(2, 4, 3), x=normal(2, 4, 2))
    assert run["x"].error.any()
    with pytest.raises(NotComputedError, match="frozen"):
        run.grad(layer.w)


# ---- extremes ----


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1e3, 1e30])
@kinds
def test_saturated_gates_give_finite_numbers_without_warning(kind, size, dtype):
    layer = kind(3)
    g = wired(layer, 5, 2, state=True, dtype=dtype)
    stirred(layer)
    x = size * normal(4, 5, 2)
    starts = {name: normal(4, 3, seed=2) for name in ("h0", "c0")[: layer.parts]}
    run = back(g, normal(4, 5, 3, seed=1), x=x, **starts)
    assert run["y"].a.dtype == dtype
    assert np.abs(run["y"].a).max() <= max(1, np.abs(starts["h0"]).max())
    for array in (run["y"].a, run["x"].error, run["h0"].error, *map(run.grad, layer.params.values())):
        assert np.isfinite(array).all()


def test_a_nearly_closed_gate_keeps_its_relative_precision():
    closed = np.array([-40.0, 40.0, 1.0, 40.0])
    layer = LSTM(1, returns="cell", biases=lambda shape, rng: closed, weights="zeros", recurrent="zeros")
    run = back(wired(layer, 1, 1), np.ones((1, 1)), x=np.zeros((1, 1, 1)))
    leak = np.exp(-40.0) * np.tanh(1.0)
    np.testing.assert_allclose(run["y"].a, [[leak]], rtol=1e-14)
    np.testing.assert_allclose(run.grad(layer.b)[0], leak, rtol=1e-14)


@kinds
def test_a_nan_spoils_its_example_and_what_follows_alone(kind):
    layer = kind(3)
    g = wired(layer, 5, 2)
    x = normal(3, 5, 2)
    clean = g.forward(x=x)["y"].a.copy()
    x[1, 2, 0] = np.nan
    a = g.forward(x=x)["y"].a
    np.testing.assert_array_equal(a[[0, 2]], clean[[0, 2]])
    np.testing.assert_array_equal(a[1, :2], clean[1, :2])
    assert np.isnan(a[1, 2:]).all()


# ---- what is refused ----


@pytest.mark.parametrize("units", [0, -1, 2.0, True, "3", None], ids=repr)
@pytest.mark.parametrize("kind", [kind for pair in PAIRS for kind in pair], ids=lambda kind: kind.__name__)
def test_units_that_make_no_sense_are_refused(kind, units):
    with pytest.raises(GraphError, match=f"{kind.__name__} takes a positive whole number of units, got {units!r}"):
        kind(units)


@pytest.mark.parametrize(("kind", "returns"), [(RNN, "cell"), (GRU, "state"), (LSTM, "all"), (LSTM, None)])
def test_results_that_a_layer_has_not_are_refused(kind, returns):
    with pytest.raises(GraphError, match=f"{kind.__name__} returns one of 'sequence', 'last'.*, got {returns!r}"):
        kind(3, returns=returns)


def test_activations_that_are_none_are_refused():
    with pytest.raises(GraphError, match="RNN has no activation 'tan'"):
        RNN(3, "tan")
    with pytest.raises(GraphError, match="RNNCell takes one activation for each of its 3 neurons, got 2"):
        RNNCell(3, ["tanh", "relu"])


def test_layers_say_which_they_are():
    assert RNN(3, "relu", reverse=True).describe() == "RNN relu reversed"
    assert LSTM(3).describe() == "LSTM"
    assert GRUCell(3).describe() == "GRUCell"
