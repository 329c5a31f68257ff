"""What layers promise, 1–4 of the design (5 is in test_record.py), and how a layer that breaks it is named."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from oddities import Pair, Scale, around, close, custom, equal, gradients, slopes

import minigraph as mg
from minigraph.costs import Quadratic, SoftmaxCrossEntropy
from minigraph.errors import GraphError, LayerError, ShapeError
from minigraph.layers import Activation, Add, Concat, Dense, Dropout, Identity, Multiply, Softmax

M = 4
rng = np.random.default_rng(5)
X, T = rng.normal(size=(M, 3)), rng.normal(size=(M, 2))


def who(g):
    """How messages name the node under test: what, which, and the line that added it."""
    file, line = g["custom"].source.split(":")
    assert 'name="custom"' in (Path(__file__).parent / file).read_text().splitlines()[int(line) - 1]
    return f"Custom 'custom' (added at {file}:{line})"


# ---- 1: nothing about a run on the layer ----


def rich():
    """A graph with one of everything that remembers something between forward and backward."""
    g = mg.Graph(seed=0)
    again = Dense(3, ["tanh", "sigmoid", "relu"])
    h = g.input("x", 3) >> again >> Dropout(0.3) >> again
    h = Concat()(Multiply()(h, again(h)), Softmax()(h), h >> Activation("softplus"))
    g.cost(SoftmaxCrossEntropy(), Dense(3)(h), target="label", name="label cost")
    g.cost(Quadratic(), Dense(2, "leaky_relu")(h))
    return g


def batch(seed, m=M):
    rng = np.random.default_rng(seed)
    return {"x": rng.normal(size=(m, 3)), "label": rng.integers(0, 3, m), "t": rng.normal(size=(m, 2))}


def test_promise_01_two_runs_of_one_graph_do_not_disturb_each_other():
    g = rich()
    alone = [gradients(mg.Run(g, training=True, seed=i).forward(batch(i)).backward()) for i in (1, 2)]
    one, two = (mg.Run(g, training=True, seed=i).forward(batch(i)) for i in (1, 2))
    one.backward()
    two.backward()
    for run, expected in ((one, alone[0]), (two, alone[1])):
        equal(gradients(run), expected)


def test_promise_01_eight_threads_run_one_graph():
    g, together = rich(), threading.Barrier(8)

    def work(i):
        run, found = mg.Run(g, training=True, seed=i), []
        for k in range(20):
            found += gradients(run.forward(batch(100 * i + k, m=2 + k % 3)).backward())
        return found

    def work_together(i):
        together.wait()
        return work(i)

    expected = [work(i) for i in range(8)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(work_together, range(8)))
    finally:
        sys.setswitchinterval(interval)
    for mine, theirs in zip(found, expected, strict=True):
        equal(mine, theirs)


# ---- 2: nothing is written into what was handed over ----


def test_promise_02_a_layer_may_return_its_input():
    g = mg.Graph(seed=0)
    h = g.input("x", 3) >> Dense(3, "tanh", name="h")
    passed = h >> Identity() >> Dropout(0.5) >> custom()
    g.cost(Quadratic(), Add()(Dense(2, "tanh")(passed), Dense(2, "tanh", name="k")(h)))
    run = g.forward(x=X, t=T).backward()
    for seed in (1, 2):
        other = batch(seed)
        run.forward(x=other["x"], t=other["t"]).backward()
        fresh = g.forward(x=other["x"], t=other["t"]).backward()
        equal(gradients(run), gradients(fresh))
        assert np.array_equal(run["h"].a, np.tanh(run["h"].z))


def test_promise_02_what_a_users_function_returns_is_copied():
    table, slope = np.full((M, 2), 0.25), np.full((M, 2), 3.0)
    g = mg.Sequential(3, Dense(2, (lambda z: table, lambda z: slope), name="own"), Dense(2, (lambda z: z, abs)))
    g.cost(Quadratic(), g.nodes[-1])
    run = g.forward(x=X, t=T).backward()
    run.forward(x=2 * X, t=T).backward()
    assert (table == 0.25).all()
    assert (slope == 3.0).all()
    assert np.array_equal(run["own"].a, table)
    assert not np.shares_memory(run["own"].a, table)
    assert not np.shares_memory(run["dense"].a, run["dense"].z)
    close(run["own"].delta, 3.0 * run["own"].error)
    close(run["dense"].delta, abs(run["dense"].z) * (run["dense"].z - T))


def test_promise_02_a_users_function_that_writes_into_its_argument_is_stopped():
    def double(z):
        z *= 2
        return z

    g = mg.Sequential(3, Dense(2, (double, np.ones_like), name="own"))
    with pytest.raises(LayerError, match=r"Dense 'own' \(added at .*read-only"):
        g.forward(x=X)


# ---- 3 and 4: what forward and backward return ----

FORWARDS = {
    "nothing": lambda self, at, x: None,
    "a list": lambda self, at, x: x.tolist(),
    "a tuple": lambda self, at, x: (x,),
    "a number": lambda self, at, x: 1.0,
    "a row too few": lambda self, at, x: x[1:],
    "a column too many": lambda self, at, x: np.hstack([x, x[:, :1]]),
    "one row for all": lambda self, at, x: x.mean(axis=0, keepdims=True),
    "float32": lambda self, at, x: x.astype("float32"),
    "complex": lambda self, at, x: x * 1j,
}
BACKWARDS = {
    "nothing": lambda self, at, error: None,
    "a list": lambda self, at, error: [error],
    "a tuple": lambda self, at, error: (error,),
    "the mean": lambda self, at, error: error.mean(axis=0),
    "float32": lambda self, at, error: error.astype("float32"),
    "transposed": lambda self, at, error: error.T,
}
PAIRS = {
    "nothing": lambda self, at, error: None,
    "one for two": lambda self, at, error: error,
    "a tuple of one": lambda self, at, error: (error,),
    "three for two": lambda self, at, error: (error, error, error),
    "none for the second": lambda self, at, error: (error, None),
    "one without its rows": lambda self, at, error: (error[0], error),
}


@pytest.mark.parametrize("forward", FORWARDS.values(), ids=FORWARDS)
def test_promise_04_a_forward_that_returns_something_else_is_named(forward):
    g = around(custom(forward=forward))
    with pytest.raises(LayerError, match=r"forward must return an array of shape \(4, 3\) float64, got ") as caught:
        g.forward(x=X, t=T)
    assert str(caught.value).startswith(who(g))


@pytest.mark.parametrize("backward", BACKWARDS.values(), ids=BACKWARDS)
def test_promise_03_a_backward_that_returns_something_else_is_named(backward):
    g = around(custom(backward=backward))
    run = g.forward(x=X, t=T)
    with pytest.raises(LayerError, match=r"backward must return an array of shape \(4, 3\) float64") as caught:
        run.backward()
    assert str(caught.value).startswith(who(g))


@pytest.mark.parametrize("backward", PAIRS.values(), ids=PAIRS)
def test_promise_03_one_error_an_input(backward):
    g = around(custom(Pair, backward=backward), twice=True)
    run = g.forward(x=X, t=T)
    with pytest.raises(LayerError, match=r"Custom 'custom' .*: backward must return (2 errors|an array)"):
        run.backward()


def test_promise_03_what_nobody_needs_may_be_skipped():
    needs = []

    def backward(self, at, error):
        needs.append(at.needs)
        return (error * at.inputs[1] if at.needs[0] else None), None

    g = mg.Graph(seed=0)
    node = g.add(custom(Pair, backward=backward), g.input("x", 3) >> Dense(3), g.input("y", 3))
    g.cost(Quadratic(), node, target="t3")
    run = g.forward(x=X, y=X, t3=X).backward()
    assert needs == [(True, False)]
    assert np.isfinite(run.grad(g["dense"].layer.w)).all()
    with pytest.raises(LayerError, match="for input 1, got None"):
        run.backward(wrt="y")


GRADS = {
    "forgotten": (
        lambda self, at, error: error,
        r"set at.grad\[self.p\] to an array of shape \(3,\) float64, got None",
    ),
    "an example each": (
        lambda self, at, error: at.grad.update({self.p: error}) or error,
        r"got an array of shape \(4, 3",
    ),
    "float32": (lambda self, at, error: at.grad.update({self.p: error[0].astype("f4")}) or error, "float32"),
    "a number": (lambda self, at, error: at.grad.update({self.p: 0.0}) or error, "got 0.0"),
    "another's": (
        lambda self, at, error: at.grad.update({self.p: error[0], mg.Param(np.ones(3)): error[0]}) or error,
        "no attribute of the layer",
    ),
}


@pytest.mark.parametrize(("backward", "said"), GRADS.values(), ids=GRADS)
def test_promise_03_each_param_gets_its_gradient(backward, said):
    g = around(custom(Scale, backward=backward))
    run = g.forward(x=X, t=T)
    with pytest.raises(LayerError, match=f"Custom 'custom' .*{said}"):
        run.backward()
    g["custom"].layer.frozen = True
    if "attribute" not in said:
        g.forward(x=X, t=T).backward()


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_promise_03_a_layer_that_fails_is_named_and_its_fault_kept(direction):
    def fail(self, at, array):
        raise ValueError("3 is too large")

    g = around(custom(**{direction: fail}))
    with pytest.raises(LayerError) as caught:
        g.forward(x=X, t=T).backward()
    assert str(caught.value) == f"{who(g)}: {direction} failed with ValueError: 3 is too large"
    assert isinstance(caught.value.__cause__, ValueError)


def test_promise_03_one_param_used_twice_in_a_layer_counts_once():
    def build(self, shape, rng, dtype):
        shape = Scale.build(self, shape, rng, dtype)
        self.same = self.p
        return shape

    g = around(custom(Scale, build=build))
    layer = g["custom"].layer
    layer.p.value = np.array([0.5, -1.0, 2.0])
    run = g.forward(x=X, t=T).backward()
    expected = slopes(lambda: g.forward(x=X, t=T).cost, layer.p.value)
    close(run.grad(layer.p), expected)
    close(run.grad(layer.p, per="use")["custom"], expected)
    before = layer.p.value.copy()
    mg.SGD(0.1).step(g.forward(x=X, t=T).backward())
    close(layer.p.value, before - 0.1 * expected)
    assert "of them" not in g.summary()
    assert len(g.params) == 5


@pytest.mark.parametrize("built", [None, 3, "3", (3.5,), (0,), (-1,), np.ones(3)], ids=repr)
def test_promise_04_build_returns_a_shape(built):
    g = mg.Graph()
    h = g.input("x", 3)
    with pytest.raises((LayerError, ShapeError), match=r"'custom'.*test_contract\.py:\d+"):
        g.add(custom(build=lambda self, shape, **_: built), h)
    assert g.nodes == [h]


@pytest.mark.parametrize("fault", [ValueError("too large"), TypeError("too large"), KeyError("too large")], ids=repr)
def test_promise_15_a_build_that_fails_is_named_and_its_fault_kept(fault):
    def build(self, shape, **_):
        raise fault

    g = mg.Graph()
    h = g.input("x", 3)
    with pytest.raises(LayerError, match=r"Custom 'custom'.*too large.*test_contract\.py:\d+") as caught:
        g.add(custom(build=build), h)
    assert caught.value.__cause__ is fault
    assert g.nodes == [h]


def test_promise_04_a_layer_that_mixes_examples_says_so():
    def forward(self, at, x):
        return x - x.mean(axis=0)

    def backward(self, at, error):
        return error - error.mean(axis=0)

    g = around(custom(forward=forward, backward=backward, mixes_examples=True))
    run = g.forward(x=X, t=T).backward()
    w = g["h"].layer.w
    close(run.grad(w), slopes(lambda: g.forward(x=X, t=T).cost, w.value))
    with pytest.raises(GraphError, match="Custom 'custom' mixes examples"):
        run.grad(w, per="example")


def test_promise_15_a_build_that_makes_params_anew_is_stopped_and_the_trained_ones_stay():
    class Anew(Scale):
        def build(self, shape, *, rng, dtype):
            self.ws = [self.param(f"w{i}", shape, "normal", rng=rng, dtype=dtype) for i in range(2)]
            return shape

    g, layer = mg.Graph(seed=0), Anew()
    x = g.input("x", 3)
    g.add(layer, x)
    before = list(layer.ws)
    with pytest.raises(LayerError, match=r"made new Params in the place of its ws\.0, ws\.1: build is called for each"):
        g.add(layer, x)
    assert all(one is other for one, other in zip(layer.ws, before, strict=True))
