"""Scripts: sweeps made again as calls of numpy leave, bit for bit, what the layers themselves would."""

import contextlib
import tracemalloc
from dataclasses import dataclass

import numpy as np
import pytest
from oddities import Noise, Through, around, custom, everything, fed
from wirings import ROWS, feeds, wired

import minigraph as mg
from minigraph.activations import Sigmoid
from minigraph.calls import steady, written
from minigraph.costs import Quadratic
from minigraph.errors import LayerError, StaleError
from minigraph.layers import Concat, Dense, Flatten, Multiply, Scale
from minigraph.record import Clock, Record
from minigraph.trace import Traced, noted


def scripted(run):
    """The names of the nodes whose layers aren't called, forward and back."""
    sweeps = run._forward, run._backward
    return [sweep.script and {node.name for node in sweep.place if node in sweep.script} for sweep in sweeps]


def trained(g, sweeps=4, *, seed=0, **options):
    """An unguarded training run after some steps."""
    run, optimizer = mg.Run(g, training=True, guard=False, **options), mg.SGD(0.1)
    for i in range(sweeps):
        run.forward(fed(seed + i)).backward()
        optimizer.step(run)
    return run


def alike(run, g, fed, sweep, **options):
    """The run tells what a fresh one of the graph does that counts from the same sweep."""
    fresh = mg.Run(g, seed=run.clock.seed, **options)
    fresh.clock.sweep = sweep - 1
    fresh.forward(fed, until=run._plan.asked[2]).backward()
    found, expected = everything(run), everything(fresh)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].tobytes() == array.tobytes(), name
    for one, other in zip(gradients_there(run), gradients_there(fresh), strict=True):
        assert one.tobytes() == other.tobytes()
    assert run.trained().gradients().tobytes() == fresh.trained().gradients().tobytes()


def gradients_there(run):
    return [run.grad(param) for param in run.trained().uses]


# ---- the same numbers ----


@pytest.mark.parametrize("guard", [True, False], ids=["guarded", "bare"])
@pytest.mark.parametrize("name", [*ROWS, *range(20)])
def test_later_sweeps_equal_fresh_runs_bit_for_bit_whatever_happens_between(name, guard):
    w = wired(name)
    run, rng = mg.Run(w.graph, training=True, seed=3, guard=guard), np.random.default_rng(5)
    given, same = [feeds(w.graph, 4, seed, w.until) for seed in range(4)], 0
    for i in range(16):
        now = given[i % 4] if i % 3 else given[0]
        run.forward(now, until=w.until).backward()
        alike(run, w.graph, now, run.clock.sweep, training=True)
        same += run._forward.script is not None
        action = rng.integers(6)
        if action == 0:
            run.forward(now, until=w.until, observe=lambda node, view: None).backward(observe=lambda node, view: None)
        elif action == 1:
            run.backward()
        elif action == 2 and len(now) > 1:
            some = next(iter(now))
            run.forward({some: given[1][some]}, until=w.until).backward()
        elif action == 3:
            for param in w.graph.params.values():
                param.value = param.value * 0.9
        elif action == 4:
            mg.SGD(0.05).step(run)
    assert same


def test_feeds_may_be_any_arrays_also_parts_of_each_other():
    g = mg.Graph(seed=0)
    x, y = g.input("x", (2, 3)), g.input("y", 6)
    h = Flatten()(x)
    g.cost(Quadratic(), Dense(6, "sigmoid")(Concat()(h, Dense(6)(Multiply()(y, y)), y)), target="t")
    big, run = np.random.default_rng(0).normal(size=(60, 6)), mg.Run(g, guard=False, seed=1)
    for i in range(8):
        now = {"x": big[i : i + 5].reshape(5, 2, 3), "y": big[i + 20 : i + 25], "t": np.asfortranarray(big[i : i + 5])}
        run.forward(now).backward()
        alike(run, g, now, run.clock.sweep)
    assert scripted(run)[0] == {"flatten", "multiply", "dense", "concat", "dense_1", "quadratic"}


def test_records_show_the_inputs_of_the_current_sweep():
    run = trained(around(Scale()), 5)
    for i in (7, 8):
        now = fed(i)
        run.forward(now)
        assert np.array_equal(run["h"].inputs[0], now["x"])
        assert np.array_equal(run["cost"].inputs[1], now["t"])


# ---- whom it calls ----


def counting(base, *args, **options):
    """A layer of a class derived from a built-in one, and the list of the calls it gets."""
    calls = []

    class Counting(base):
        def forward(self, at, *inputs):
            calls.append("forward")
            return super().forward(at, *inputs)

        def backward(self, at, error):
            calls.append("backward")
            return super().backward(at, error)

    return Counting(*args, **options), calls


def test_layers_of_ones_own_are_called_in_every_sweep_and_built_in_ones_are_not():
    layer, calls = counting(Dense, 3, "tanh")
    run = trained(around(layer), 6)
    assert calls == ["forward", "backward"] * 6
    assert scripted(run) == [{"h", "y", "cost"}] * 2
    assert not steady(layer)
    assert steady(Dense(3))


def test_activations_of_ones_own_are_called_in_every_sweep():
    calls = []

    def f(z):
        calls.append(1)
        return np.sin(z)

    run = trained(around(Dense(3, (f, np.cos))), 6)
    assert len(calls) == 6
    assert scripted(run) == [{"h", "y", "cost"}] * 2

    class Own(Sigmoid):
        pass

    assert not steady(Dense(3, Own()))


def test_noise_is_drawn_anew():
    g, run = around(Noise()), None
    run = trained(g, 5, seed=0)
    before = run["custom"].r.copy()
    run.forward(fed(4)).backward()
    assert not np.isclose(before, run["custom"].r).any()
    alike(run, g, fed(4), run.clock.sweep, training=True)


def test_what_watches_sees_every_node():
    run, seen = trained(around(Scale()), 5), []
    run.forward(fed(9), observe=lambda node, view: seen.append(node.name))
    assert seen == ["x", "t", "h", "custom", "y", "cost"]


# ---- layers that say what isn't so ----


def claiming(**methods):
    """A layer that says it is steady."""
    return custom(steady=True, **methods)


def hidden_in_a_list(self, at, x):
    return np.array(x.tolist())


def hidden_behind_asarray(self, at, x):
    a = at.buffer("a", x.shape)
    np.exp(np.asarray(x), out=np.asarray(a))
    return a


def steered_by_a_number(self, at, x):
    return np.multiply(x, 2.0 if float(x.sum()) > 0 else 3.0, out=at.buffer("a", x.shape))


def steered_by_a_truth(self, at, x):
    return x * 2.0 if (x[0] > 0).any() else x * 3.0


def by_fancy_index(self, at, x):
    return x[np.argsort(x[:, 0])]


def drawn_once(self, at, x):
    at.mask = at.rng.random(x.shape)
    return np.multiply(x, at.mask, out=at.buffer("a", x.shape))


def two_in_turn(self, at, x):
    at.turn = not at.turn
    return np.multiply(x, 2.0, out=at.buffer(f"a{at.turn}", x.shape))


LIES = [hidden_in_a_list, hidden_behind_asarray, steered_by_a_number, steered_by_a_truth, by_fancy_index]
LIES += [drawn_once, two_in_turn]


@pytest.mark.parametrize("forward", LIES, ids=lambda f: f.__name__)
def test_a_layer_that_says_it_is_steady_and_is_not_is_found_out(forward):
    g = around(claiming(forward=forward))
    run = mg.Run(g, training=True, guard=False, seed=2)
    for i in range(8):
        run.forward(fed(i)).backward()
        alike(run, g, fed(i), run.clock.sweep, training=True)
    assert scripted(run)[0] in ({"h", "y", "cost"}, None)


def test_errors_that_are_not_always_the_same_array_are_copied_or_followed():
    turns = custom(backward=lambda self, at, error: np.multiply(error, 2.0, out=None))
    g = around(turns)
    run = trained(g, 6, seed=2)
    assert scripted(run) == [{"h", "y", "cost"}] * 2
    run.forward(fed(3)).backward()
    alike(run, g, fed(3), run.clock.sweep, training=True)


# ---- what changes between sweeps ----


def test_hyper_parameters_may_change_between_sweeps():
    cost = Quadratic()
    g = mg.Sequential(3, Dense(2), cost=cost, seed=0)
    run = trained(g, 5)
    cost.weight = 3.0
    run.forward(fed(1)).backward()
    alike(run, g, fed(1), run.clock.sweep, training=True)
    assert run.cost == pytest.approx(3.0 * np.mean(0.5 * ((run["dense"].a - fed(1)["t"]) ** 2).sum(axis=1)))


def test_a_layer_frozen_or_given_another_activation_between_sweeps_is_so():
    layer = Dense(3, "tanh")
    g = around(layer)
    run = trained(g, 5)
    layer.sigma = Sigmoid()
    run.forward(fed(1)).backward()
    alike(run, g, fed(1), run.clock.sweep, training=True)
    g.freeze("custom")
    for i in range(5):
        run.forward(fed(i)).backward()
        alike(run, g, fed(i), run.clock.sweep, training=True)
    assert layer.w not in run.trained().uses


def test_another_batch_size_starts_with_empty_records():
    g = around(Scale())
    run = trained(g, 5)
    for m in (3, 4, 1, 4):
        run.forward(fed(6, m)).backward()
        alike(run, g, fed(6, m), run.clock.sweep, training=True)


# ---- what goes wrong on the way ----


def test_a_warning_that_became_an_error_names_the_node():
    g = mg.Sequential(3, Dense(3, name="low"), squared(), Dense(2), cost=Quadratic(), seed=0)
    run = trained(g, 5)
    big = fed(0)
    big["x"] = big["x"] * 1e200
    with pytest.raises(LayerError, match=r"'squared/multiply' \(added at .*\): forward failed with RuntimeWarning"):
        run.forward(big)
    with pytest.raises(StaleError, match="interrupted"):
        run.backward()
    run.forward(fed(1)).backward()
    alike(run, g, fed(1), run.clock.sweep, training=True)


@dataclass(eq=False)
class OwnArrays(Dense):
    """Dense neurons whose gradients come in new arrays each time."""

    steady = True

    def backward(self, at, error):
        at.grad.clear()
        return super().backward(at, error)


def test_gradients_that_layers_put_elsewhere_get_to_optimizers():
    g = around(OwnArrays(3, "tanh"))
    run = mg.Run(g, training=True, guard=False, seed=3)
    for i in range(6):
        run.forward(fed(i)).backward()
        alike(run, g, fed(i), run.clock.sweep, training=True)
    assert "custom" in scripted(run)[1]


def squared():
    block = mg.Graph("squared")
    x = block.input("x", 3)
    block.output(block.add(Multiply(), x, x, name="multiply"))
    return block


def test_ctrl_c_in_the_middle_leaves_nothing_to_read_and_the_next_sweep_is_right():
    breaks = []

    def forward(self, at, x):
        if breaks:
            raise KeyboardInterrupt
        return x * 1.0

    g = around(custom(forward=forward))
    run = trained(g, 5)
    breaks.append(1)
    with contextlib.suppress(KeyboardInterrupt):
        run.forward(fed(1))
    with pytest.raises(StaleError, match="interrupted"):
        run.backward()
    breaks.clear()
    for i in range(4):
        run.forward(fed(i)).backward()
        alike(run, g, fed(i), run.clock.sweep, training=True)


# ---- what is written down ----


@dataclass(eq=False)
class Steps(Through):
    """What a test has it do."""

    do: object

    def forward(self, at, x):
        return self.do(at, x)


DONE = {
    "without out": lambda at, x: np.exp(x) + x * 2.0,
    "in place": lambda at, x: np.add(x, 1.0, out=at.buffer("a", x.shape)).__imul__(3.0),
    "a view of a part": lambda at, x: x[::-1, 1:].T * np.ones((2, 4)),
    "sums": lambda at, x: x.sum(axis=1, keepdims=True) + np.add.reduce(x, axis=1)[:, None] + x.mean(axis=0),
    "products": lambda at, x: np.dot(x, x.T) @ x + np.einsum("ij,kj->ik", x, x, out=at.buffer("e", (4, 4)))[:, :3],
    "items": lambda at, x: _items(at.buffer("a", (4, 4)), x),
    "lowest": lambda at, x: np.maximum(np.minimum(x, 0.5), -0.5),
    "copied": lambda at, x: (np.copyto(at.buffer("a", x.shape), x), at.buffer("a", x.shape))[1],
    "filled": lambda at, x: (at.buffer("a", x.shape).fill(2.0), np.add(at.buffer("a", x.shape), x))[1],
    "whole numbers": lambda at, x: np.power(np.abs(x), 2) / 3,
    "no warnings": lambda at, x: _logarithms(at, x),
    "a function noted": lambda at, x: _picked(at, x),
    "where": lambda at, x: np.multiply(x, 2.0, out=at.buffer("a", x.shape, zero=True), where=x > 0),
}


def _logarithms(at, x):
    with np.errstate(invalid="ignore"):
        return np.log(x, out=at.buffer("a", x.shape))


@noted
def _take_first(a, x):
    a[...] = x[np.zeros(len(x), int)]


def _picked(at, x):
    a = at.buffer("a", x.shape)
    _take_first(a, x)
    return np.add(a, 1.0, out=a)


def _items(a, x):
    a[:, :3] = x
    a[:, 3] = 7.0
    a[1:] *= 2.0
    return a


@pytest.mark.parametrize("do", DONE.values(), ids=DONE)
def test_calls_made_again_do_the_same_with_other_numbers(do):
    layer, at = Steps(do), Record(np.ones(4), False, Clock(0), 0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 3))
    layer.forward(at, x)
    result, calls = written(layer.forward, at, (x,), {})
    assert calls is not None
    assert not any(isinstance(value, Traced) for value in [result, *(at._buffers or {}).values()])
    x[...] = rng.normal(size=x.shape)
    for function, args in calls:
        function(*args)
    expected = layer.forward(Record(np.ones(4), False, Clock(0), 0), x)
    assert result.tobytes() == expected.tobytes()


def test_large_results_that_numpy_would_have_to_allocate_are_left_to_the_layer():
    layer, at = Steps(lambda at, x: x * 2.0 + 1.0), Record(np.ones(4), False, Clock(0), 0)
    assert written(layer.forward, at, (np.ones((4, 100)),), {})[1] is not None
    assert written(layer.forward, at, (np.ones((4, 9000)),), {})[1] is None


def test_steps_after_the_first_allocate_nothing():
    g = mg.Sequential(50, Dense(200, "sigmoid"), Dense(10), cost=Quadratic(), seed=0, dtype="float32")
    rng = np.random.default_rng(0)
    feeds = {"x": rng.normal(size=(30, 50)).astype("f"), "t": rng.normal(size=(30, 10)).astype("f")}
    run, sgd = mg.Run(g, training=True, guard=False), mg.SGD(0.01)
    for _ in range(5):
        run.forward(feeds).backward()
        sgd.step(run)
    tracemalloc.start()
    run.forward(feeds).backward()
    sgd.step(run)
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    run.forward(feeds).backward()
    sgd.step(run)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak - before < (1024 if np.__version__ >= "2" else 2048)
