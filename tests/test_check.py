"""The gradient check: finds what is wrong where it is wrong, and raises no false alarm."""

import copy
import time
from dataclasses import dataclass

import numpy as np
import pytest
from cases import CASES

import minigraph as mg
from minigraph import backward, forward
from minigraph.check import Report, check, whole
from minigraph.costs import BinaryCrossEntropy, Quadratic, SoftmaxCrossEntropy
from minigraph.errors import CheckError, FeedError, GraphError, LayerError
from minigraph.layers import (
    Activation,
    Add,
    Concat,
    Dense,
    Dropout,
    Identity,
    Multiply,
    Softmax,
    StopGradient,
    Subtract,
)

WIDTH = 6  # also the batch size: sums over the wrong axis have the right shape


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


# ---- right layers, in parts that the bugs replace ----


@dataclass(eq=False)
class Plain(mg.Layer):
    def build(self, shape, *, rng, dtype):
        self.w = self.param("w", (WIDTH, shape[0]), "glorot_uniform", rng=rng, dtype=dtype)
        self.b = self.param("b", (WIDTH,), "normal", rng=rng, dtype=dtype)
        self.mean = np.zeros(WIDTH)
        return (WIDTH,)

    def forward(self, at, x):
        at.z = x @ self.w.value.T + self.b.value
        at.a = np.tanh(at.z)
        return at.a

    def backward(self, at, error):
        at.delta = error * self.slope(at)
        at.grad[self.w] = self.for_w(at, at.delta)
        at.grad[self.b] = self.for_b(at, at.delta)
        return self.for_x(at, at.delta)

    def slope(self, at):
        return 1 - at.a**2

    def for_w(self, at, delta):
        return delta.T @ at.inputs[0]

    def for_b(self, at, delta):
        return delta.sum(axis=0)

    def for_x(self, at, delta):
        return delta @ self.w.value


@dataclass(eq=False)
class Product(mg.Layer):
    def build(self, *shapes, rng, dtype):
        return shapes[0]

    def forward(self, at, x, y):
        return x * y

    def backward(self, at, error):
        x, y = at.inputs
        return error * y, error * x


@dataclass(eq=False)
class Mask(mg.Layer):
    def build(self, shape, *, rng, dtype):
        return shape

    def forward(self, at, x):
        at.keep = (at.rng.random(x.shape) < 0.5) / 0.5
        return x * at.keep

    def backward(self, at, error):
        return error * at.keep


def instead(layer, **methods):
    """A new layer of a class that has other methods than the right one."""
    return lambda: type(f"Wrong{layer.__name__}", (layer,), methods)()


def fifty(planted, takes=1):
    """A graph of 50 nodes and more, with shared layers and forks, and one node "planted" amid it."""
    g = mg.Graph("fifty", seed=3)
    x = g.input("x", WIDTH)
    shared, h = Dense(WIDTH, "tanh"), x
    while len(g.nodes) < 50:
        before, place = h, len(g.nodes)
        left = shared(h) >> Plain()
        right = (h >> Dense(WIDTH, ["sigmoid"] * 3 + ["tanh"] * 3)) >> Mask()
        h = Add()(left, right, h) >> Softmax()
        if place in (15, 23):
            h = Product()(h, left)
        if 20 < place < 30:
            h = g.add(planted, h, *[right] * (takes - 1), name="planted")
        h = Concat()(h, before) >> Dense(WIDTH, "softplus")
    g.cost(Quadratic(), h, target="t")
    return g


FIFTY = {"x": normal(WIDTH, WIDTH), "t": normal(WIDTH, WIDTH, seed=1)}


def test_a_right_graph_of_fifty_nodes():
    for training in (False, True):
        report = check(fifty(Plain()), FIFTY, training=training)
        assert report.ok, str(report)
        assert report.checked.nodes >= 50
        assert not report.findings
    for planted, takes in ((Mask(), 1), (Product(), 2)):
        assert check(fifty(planted, takes), FIFTY)


# ---- planted bugs ----


def writing_into_error(self, at, error):
    error *= self.slope(at)
    at.grad[self.w], at.grad[self.b] = self.for_w(at, error), self.for_b(at, error)
    return self.for_x(at, error)


def writing_into_output(self, at, error):
    at.a *= at.a
    at.grad[self.w], at.grad[self.b] = self.for_w(at, error * (1 - at.a)), self.for_b(at, error * (1 - at.a))
    return self.for_x(at, error * (1 - at.a))


def writing_into_input(self, at, x):
    x -= 0.5
    return Plain.forward(self, at, x)


def writing_into_input_later(self, at, delta):
    grad = delta.T @ at.inputs[0]
    at.inputs[0][1] = 0.0
    return grad


def writing_into_bias_later(self, at, delta):
    self.b.value[2] += 0.1
    return delta.sum(axis=0)


def writing_into_ones(self, at, delta):
    at.ones *= 2
    return at.ones @ delta / 2


def writing_into_weights(self, at, x):
    self.w.value[0] *= 1.5
    return Plain.forward(self, at, x)


def adding_up(self, at, delta):
    return at.grad.get(self.b, 0) + delta.sum(axis=0)


def keeping_on_the_layer(self, at, x):
    self.x = x
    return Plain.forward(self, at, x)


def running_mean_at_once(self, at, x):
    self.mean += 0.1 * (x.mean(axis=0) - self.mean)
    return Plain.forward(self, at, x)


def saving_once(self, at, x):
    if at.x is None:
        at.x = x.copy()
    return Plain.forward(self, at, x)


def drawing_once(self, at, x):
    if at.keep is None:
        at.keep = (at.rng.random(x.shape) < 0.5) / 0.5
    return x * at.keep


def drawing_again(self, at, error):
    return error * ((at.rng.random(error.shape) < 0.5) / 0.5)


def drawing_from_elsewhere(self, at, x):
    at.keep = (np.random.default_rng().random(x.shape) < 0.5) / 0.5
    return x * at.keep


def centering_the_batch(self, at, x):
    return Plain.forward(self, at, x - 0.1 * x.mean(axis=0))


def looking_at_the_neighbor(self, at, x):
    return Plain.forward(self, at, x + 1e-3 * np.roll(x, 1, axis=0))


def one_off(array):
    array[3, 4] *= 1.001
    return array


X, Y, ALL = {"input 0"}, {"input 1"}, {"input 0", "w", "b"}
BUGS = {
    "factor dropped": (instead(Plain, for_w=lambda self, at, d: 0.5 * d.T @ at.inputs[0]), {"w"}),
    "sign flipped": (instead(Plain, for_x=lambda self, at, d: -d @ self.w.value), X),
    "transpose dropped": (instead(Plain, for_x=lambda self, at, d: d @ self.w.value.T), X),
    "outer product turned": (instead(Plain, for_w=lambda self, at, d: at.inputs[0].T @ d), {"w"}),
    "wrong axis": (instead(Plain, for_b=lambda self, at, d: d.sum(axis=1)), {"b"}),
    "mean for sum": (instead(Plain, for_b=lambda self, at, d: d.mean(axis=0)), {"b"}),
    "all by m": (instead(Plain, slope=lambda self, at: (1 - at.a**2) / at.m), ALL),
    "derivative forgotten": (instead(Plain, slope=lambda self, at: 1.0), ALL),
    "z for a": (instead(Plain, slope=lambda self, at: 1 - at.z**2), ALL),
    "error ignored": (instead(Plain, backward=lambda s, at, e: Plain.backward(s, at, 0 * e + 1)), ALL),
    "1 % in the bias": (instead(Plain, for_b=lambda self, at, d: 1.01 * d.sum(axis=0)), {"b"}),
    "bias of one neuron": (instead(Plain, for_b=lambda self, at, d: d.sum(axis=0) * [1, 1, 1, 1, 1, 1.0001]), {"b"}),
    "zeros": (instead(Plain, for_x=lambda self, at, d: 0 * d), X),
    "one wrong number": (instead(Plain, for_x=lambda self, at, d: one_off(d @ self.w.value)), X),
    "error of another example": (instead(Plain, for_x=lambda self, at, d: d[::-1] @ self.w.value), X),
    "NaN": (instead(Plain, for_w=lambda self, at, d: d.T @ at.inputs[0] / 0.0), {"w"}),
    "errors swapped": (instead(Product, backward=lambda s, at, e: (e * at.inputs[0], e * at.inputs[1])), X | Y),
    "error missing for one": (instead(Product, backward=lambda s, at, e: (e * at.inputs[1], 0 * e)), Y),
    "sign of the second": (instead(Product, backward=lambda s, at, e: (e * at.inputs[1], -e * at.inputs[0])), Y),
    "mask drawn again": (instead(Mask, backward=drawing_again), X),
    "wrong shape": (instead(Plain, for_b=lambda self, at, d: d), "at.grad[self.b], an array of shape (6,)"),
    "wrong dtype": (instead(Plain, for_x=lambda self, at, d: d.astype("float32")), "got one of shape (6, 6) float32"),
    "nothing returned": (instead(Plain, for_x=lambda self, at, d: None), "error for input 0, an array"),
    "one error for two": (instead(Product, backward=lambda self, at, e: e), "must return 2 errors"),
    "raises": (instead(Plain, for_b=lambda self, at, d: d @ np.ones(7)), "backward failed with ValueError"),
    "error written into": (instead(Plain, backward=writing_into_error), "writes into the error it is given, at index"),
    "output written into": (instead(Plain, backward=writing_into_output), "writes into the output of forward"),
    "weights written into": (instead(Plain, forward=writing_into_weights), "forward writes into its Param w"),
    "input written into later": (instead(Plain, for_w=writing_into_input_later), "backward writes into its input 0"),
    "bias written into later": (instead(Plain, for_b=writing_into_bias_later), "backward writes into its Param b"),
    "ones written into": (instead(Plain, for_b=writing_into_ones), "backward failed with ValueError"),
    "gradient adds up": (instead(Plain, for_b=adding_up), "backward gives other numbers when it is called again"),
    "state on the layer": (
        instead(Plain, forward=keeping_on_the_layer, for_w=lambda self, at, d: d.T @ self.x),
        "another run left on the layer",
    ),
    "statistics at once": (instead(Plain, forward=running_mean_at_once), "changes the layer (mean)"),
    "stale copy": (instead(Plain, forward=saving_once, for_w=lambda self, at, d: d.T @ at.x), "the second sweep"),
    "stale mask": (instead(Mask, forward=drawing_once), "the second sweep"),
    "random numbers of its own": (instead(Mask, forward=drawing_from_elsewhere), "draw random numbers from at.rng"),
    "examples mixed": (instead(Plain, forward=centering_the_batch), "of the output depends on other examples"),
    "neighbor looked at": (instead(Plain, forward=looking_at_the_neighbor), "of the output depends on other examples"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "found"), BUGS.values(), ids=BUGS)
def test_a_bug_is_found_at_its_node_and_nowhere_else(make, found):
    planted = make()
    report = check(fifty(planted, takes=2 if isinstance(planted, Product) else 1), FIFTY, training=True, samples=10)
    assert not report.ok
    assert {finding.node for finding in report.failures} == {"planted"}
    assert {finding.kind for finding in report.findings if finding.node is None} <= {"consequence"}
    if isinstance(found, set):
        wrong = {finding.part.partition(" (")[0] for finding in report.failures if finding.kind == "gradient"}
        assert wrong == found, str(report)
    else:
        assert any(finding.kind == "contract" and found in finding.message for finding in report.failures), str(report)
    assert "planted" in str(report)
    assert "test_check.py:" in report.failures[0].source


@pytest.mark.parametrize("bug", ["error written into", "input written into later", "random numbers of its own"])
def test_right_numbers_that_break_a_promise_are_told_from_wrong_ones(bug):
    report = check(mg.Sequential(WIDTH, BUGS[bug][0](), seed=0), x=normal(5, WIDTH))
    assert {finding.kind for finding in report.failures} == {"contract"}, str(report)


def test_a_forward_that_writes_into_its_input_fails_in_the_run():
    with pytest.raises(LayerError, match=r"'planted'.*read-only"):
        check(fifty(instead(Plain, forward=writing_into_input)()), FIFTY)


def test_every_example_that_leaks_into_another_is_seen():
    for i in range(4):
        for j in range(4):

            def leak(self, at, x, i=i, j=j):
                x = x.copy()
                x[i] += 0.1 * x[j]
                return x

            g = mg.Graph()
            g.add(instead(Mask, forward=leak, backward=lambda self, at, error: error)(), g.input("x", 2))
            report = check(g, x=normal(4, 2))
            assert any("depends on other" in finding.message for finding in report.failures) == (i != j)


def test_a_layer_may_mix_examples_when_it_says_so():
    class Centered(Mask):
        def forward(self, at, x):
            return x - x.mean(axis=0)

        def backward(self, at, error):
            return error - error.mean(axis=0)

    g = mg.Sequential(3, Centered(), cost=Quadratic())
    for examples in (4, 1):
        report = check(g, x=normal(examples, 3), t=normal(examples, 3))
        assert [finding.kind for finding in report.failures] == ["contract"]
        assert "declare mixes_examples = True" in str(report)
    Centered.mixes_examples = True
    assert check(g, x=normal(4, 3), t=normal(4, 3))


def test_one_wrong_number_in_a_big_array_is_found_and_located():
    def wrong(self, at, delta):
        grad = delta.T @ at.inputs[0]
        grad[2, 555] += 0.3
        return grad

    g = mg.Sequential(784, instead(Plain, for_w=wrong)(), cost=Quadratic(), seed=1)
    for seed in range(3):
        report = check(g, x=normal(5, 784), t=normal(5, WIDTH), seed=seed)
        assert [(finding.part, finding.index) for finding in report.failures] == [("w", (2, 555))]
        assert report.failures[0].backward - report.failures[0].differences == pytest.approx(0.3, abs=1e-5)


def test_a_factor_that_the_values_hide():
    class Scale(mg.Layer):
        def build(self, shape, *, rng, dtype):
            self.gamma = self.param("gamma", shape, "ones", rng=rng, dtype=dtype)
            return shape

        def forward(self, at, x):
            return x * self.gamma.value

        def backward(self, at, error):
            at.grad[self.gamma] = (error * at.inputs[0]).sum(axis=0)
            return error

    g = mg.Sequential(4, Scale(), cost=Quadratic())
    report = check(g, x=normal(3, 4), t=normal(3, 4))
    assert {(finding.node, finding.part) for finding in report.failures} == {("scale", "input 0 (x)")}
    assert "away from the run's values" in str(report)
    assert np.array_equal(g["scale"].layer.gamma.value, np.ones(4))

    g = mg.Sequential(4, instead(Plain, for_w=lambda self, at, d: 2 * d.T @ at.inputs[0])(), cost=Quadratic())
    report = check(g, x=np.zeros((3, 4)), t=normal(3, WIDTH))
    assert {finding.part for finding in report.failures} == {"w"}


def test_a_finding_says_where_and_both_numbers():
    g = mg.Sequential(WIDTH, instead(Plain, for_w=lambda self, at, delta: one_off(delta.T @ at.inputs[0]))(), seed=2)
    report = check(g, x=normal(5, WIDTH))
    assert len(report.failures) == 1
    finding = report.failures[0]
    assert (finding.kind, finding.node, finding.layer) == ("gradient", "wrong_plain", "WrongPlain")
    assert (finding.part, finding.index, finding.kink) == ("w", (3, 4), False)
    assert finding.backward == pytest.approx(1.001 * finding.differences, rel=1e-7)
    assert 0 < finding.error <= 0.001
    assert report.worst == finding.error
    for told in ("wrong_plain", "WrongPlain", "(3, 4)", f"{finding.backward:.7g}", f"{finding.differences:.7g}"):
        assert told in str(report)
        assert told in str(finding)
    assert finding.source in str(report)


def test_an_input_is_told_by_its_slot_and_source():
    g = mg.Graph()
    x, y = g.input("x", 3), g.input("y", 3)
    g.add(instead(Product, backward=lambda self, at, e: (e * at.inputs[1], -e * at.inputs[0]))(), x, y)
    report = check(g, x=normal(2, 3), y=normal(2, 3, seed=1))
    assert {finding.part for finding in report.failures} == {"input 1 (y)"}
    assert {finding.index for finding in report.failures} == {(i, j) for i in range(2) for j in range(3)}
    assert "and 5 more" in str(report)


def test_a_slope_that_a_user_got_wrong():
    right = Dense(4, (np.sin, np.cos), name="right")
    wrong = Dense(4, (np.sin, lambda z: -np.cos(z)), name="wrong")
    partly = Dense(4, ["tanh", (np.sin, np.cos), (np.square, lambda z: z), "relu"], name="partly")
    g = mg.Sequential(4, right, wrong, partly, cost=Quadratic(), seed=0)
    report = check(g, x=normal(5, 4), t=normal(5, 4))
    assert {finding.node for finding in report.failures} == {"wrong", "partly"}
    assert {f.index for f in report.failures if (f.node, f.part) == ("partly", "b")} == {(2,)}


def test_answers_that_change_when_less_is_asked_for():
    class Hasty(Plain):
        def backward(self, at, error):
            sent = super().backward(at, error)
            if not at.needs[0]:
                at.grad[self.w] = np.zeros(self.w.shape)
            return sent

    class Cold(Plain):
        def backward(self, at, error):
            sent = super().backward(at, error)
            return sent / 2 if self.frozen else sent

    g = mg.Sequential(4, Hasty(), Hasty(), cost=Quadratic(), seed=0)
    report = check(g, x=normal(3, 4), t=normal(3, WIDTH))
    assert [(finding.node, finding.kind) for finding in report.failures] == [("hasty", "contract")]
    assert "when at.needs is (False,)" in report.failures[0].message

    g = mg.Sequential(4, Plain(), Cold(), cost=Quadratic(), seed=0)
    assert check(g, x=normal(3, 4), t=normal(3, WIDTH))
    g["cold"].layer.frozen = True
    report = check(g, x=normal(3, 4), t=normal(3, WIDTH))
    assert [(finding.node, finding.kind) for finding in report.failures] == [("cold", "contract")]
    assert "the layer is frozen" in report.failures[0].message


def test_training_and_inference_are_checked_apart():
    wrong = instead(Plain, for_b=lambda self, at, d: d.sum(axis=0) * (2 if at.training else 1))()
    g = mg.Sequential(3, wrong, cost=Quadratic(), seed=0)
    feeds = {"x": normal(4, 3), "t": normal(4, WIDTH)}
    assert check(g, feeds)
    assert not check(g, feeds, training=True)


# ---- no false alarms ----


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_every_layer_and_cost(case):
    for dtype, training, examples in (("float64", False, 4), ("float32", True, 3), ("float64", True, 2)):
        node, rng = case.node(dtype), np.random.default_rng(5)
        for param in node.layer.params.values():
            param.value = param.value + rng.normal(size=param.shape)
        feeds = {f"x{i}": x for i, x in enumerate(case.inputs(rng, examples))}
        report = check(node.graph, feeds, training=training, samples=10)
        assert report.ok, str(report)


def test_one_example_gives_indices_with_a_batch_axis():
    g = mg.Sequential(4, Dense(3, "tanh"), cost=SoftmaxCrossEntropy(), seed=0)
    assert check(g, x=normal(4), t=2)
    g = mg.Sequential(WIDTH, instead(Plain, for_x=lambda self, at, d: -d @ self.w.value)(), seed=0)
    assert {finding.index for finding in check(g, x=normal(WIDTH)).failures} == {(0, k) for k in range(WIDTH)}


def test_two_costs_a_dead_branch_and_the_same_value_twice():
    g = mg.Graph(seed=0)
    x = g.input("x", 4)
    h = x >> Dense(5, "sigmoid")
    g.cost(Quadratic(weight=3), Multiply()(h, h) >> Dense(2), target="t")
    g.cost(BinaryCrossEntropy(weight=0.2), Subtract()(h, h) >> Dense(1), target="bit")
    g.output(h >> Dense(3, "tanh", name="head"))
    feeds = {"x": normal(6, 4), "t": normal(6, 2), "bit": np.ones((6, 1))}
    report = check(g, feeds)
    assert report.ok, str(report)
    assert report.checked.nodes == 8


def test_what_stands_behind_a_stopped_gradient_counts_as_constant():
    shared = Dense(3, "tanh")
    g = mg.Graph(seed=0)
    x = g.input("x", 3)
    online, held = shared(x), shared(x >> Dense(3)) >> StopGradient()
    g.cost(Quadratic(), Multiply()(online, held), target="t")
    g.cost(Quadratic(), online, target=held)
    report = check(g, x=normal(4, 3), t=normal(4, 3))
    assert report.ok, str(report)


def test_a_layer_that_sends_nothing_needs_no_backward():
    class Position(mg.Layer):
        constant_inputs = frozenset({0})

        def build(self, shape, *, rng, dtype):
            return shape

        def forward(self, at, x):
            return np.argsort(x, axis=-1).astype(x.dtype)

    g = mg.Graph(seed=0)
    x = g.input("x", 4)
    g.cost(Quadratic(), Multiply()(x >> Position(), x) >> Dense(4), target="t")
    report = check(g, x=normal(3, 4), t=normal(3, 4))
    assert report.ok, str(report)


def test_an_autoencoder_has_its_input_as_its_target():
    g = mg.Graph(seed=0)
    x = g.input("x", 4)
    g.cost(Quadratic(), x >> Dense(2, "tanh") >> Dense(4), target=x)
    assert check(g, x=normal(5, 4))


def test_frozen_layers_are_checked_too():
    frozen = Dense(3, "tanh", frozen=True)
    assert check(mg.Sequential(4, frozen, Dense(2), cost=Quadratic()), x=normal(3, 4), t=normal(3, 2))
    assert frozen.frozen
    wrong = instead(Plain, for_b=lambda self, at, d: 2 * d.sum(axis=0))()
    wrong.frozen = True
    report = check(mg.Sequential(4, wrong, cost=Quadratic()), x=normal(3, 4), t=normal(3, WIDTH))
    assert {finding.part for finding in report.failures} == {"b"}


def test_without_a_cost_outputs_get_random_errors():
    g = mg.Graph(seed=0)
    h = g.input("x", 3) >> Dense(4, "tanh")
    h >> Dense(2)
    h >> Softmax()
    for x in (normal(5, 3), normal(3)):
        report = check(g, x=x)
        assert report.ok, str(report)
    empty = mg.Graph()
    empty.input("x", 3)
    assert check(empty, x=normal(2, 3)).checked == (0, 0)


def test_float32_values_and_integer_feeds():
    g = mg.Sequential(4, Dense(5, "tanh"), Dropout(), Dense(3), cost=SoftmaxCrossEntropy(), dtype="float32", seed=0)
    for training in (False, True):
        report = check(g, x=normal(6, 4).astype("float32"), t=np.arange(6) % 3, training=training)
        assert report.ok, str(report)
        assert report.worst < 1e-6


# ---- numbers that aren't finite ----


def test_the_first_node_that_makes_nan_is_named():
    g = mg.Graph(seed=0)
    h = g.input("x", 3) >> Dense(3, name="before")
    h = h >> Activation((np.log, np.reciprocal), name="log")
    h = h >> Dense(2, name="after")
    g.cost(Quadratic(), h, target="t")
    report = check(g, x=normal(4, 3), t=normal(4, 2))
    assert [(finding.kind, finding.node) for finding in report.findings] == [("not finite", "log")]
    assert report.skipped == ["log", "after", "quadratic"]
    assert report.checked.nodes == 1
    assert "nan at (0, " in str(report)


def test_nan_in_feeds_and_weights_and_infinity():
    g = mg.Sequential(2, Dense(2, name="h"), Activation((np.exp, np.exp), name="e"), seed=0)
    assert [finding.node for finding in check(g, x=[[np.nan, 1.0]]).failures] == ["x"]
    report = check(g, x=[[1e4, 1.0], [-1e4, 1.0]])
    assert [(finding.node, finding.kind) for finding in report.failures] == [("e", "not finite")]
    assert "inf at (" in str(report)
    g["h"].layer.w.value[1, 0] = np.nan
    report = check(g, x=[[1.0, 1.0]])
    assert [finding.node for finding in report.failures] == ["h"]
    assert "Param w has nan at (1, 0)" in str(report)


# ---- end to end ----


def test_a_fault_between_the_nodes_is_one_of_the_whole_graph(monkeypatch):
    feeds = {"x": normal(5, 3), "t": normal(5, 2)}
    g = mg.Graph(seed=0)
    h = g.input("x", 3) >> Dense(3, "tanh")
    g.cost(Quadratic(), Add()(h, h >> Dense(3, "tanh")) >> Dense(2), target="t")
    assert check(g, feeds)

    def first_edge_only(self, sent):
        v, slot = self.edges[0]
        return sent[v] if slot is None else sent[v][slot]

    monkeypatch.setattr(backward.Fork, "__call__", first_edge_only)
    report = check(g, feeds)
    assert {(finding.kind, finding.node) for finding in report.failures} == {("end to end", None)}
    assert "dense.w" in {finding.part for finding in report.failures}
    assert "dense_2.w" not in {finding.part for finding in report.failures}
    assert "the nodes are right, but not the whole graph" in str(report)

    def refused(self):
        raise LayerError("takes other values")

    monkeypatch.setattr(whole.Whole, "beside", refused)
    assert str(check(g, feeds)) == str(report)


def test_a_fault_of_later_sweeps_is_one_of_the_whole_graph(monkeypatch):
    original = backward.BackwardSweep.run

    def failing_later(self, *errors, **options):
        if self.verified:
            raise LayerError("not again")
        original(self, *errors, **options)

    monkeypatch.setattr(backward.BackwardSweep, "run", failing_later)
    report = check(mg.Sequential(3, Dense(3), cost=Quadratic(), seed=0), x=normal(5, 3), t=normal(5, 3))
    assert [(finding.kind, finding.message) for finding in report.failures] == [
        ("end to end", "the run fails: not again")
    ]


def test_a_run_that_hands_on_other_outputs_than_its_layers_return(monkeypatch):
    original = forward.ForwardSweep.run

    def shifted(self, steps=None, observe=None):
        original(self, observe, steps)
        self.outputs[2] = self.outputs[2] + 1e-6

    monkeypatch.setattr(forward.ForwardSweep, "run", shifted)
    report = check(mg.Sequential(3, Dense(3), Dense(2), seed=0), x=normal(5, 3))
    assert {(finding.kind, finding.node) for finding in report.failures} == {("end to end", None)}
    assert "another output of 'dense_1'" in str(report)


def test_what_a_wrong_node_does_to_the_whole_is_a_consequence():
    g = mg.Sequential(WIDTH, Plain(), instead(Plain, slope=lambda self, at: 1.0)(), cost=Quadratic(), seed=0)
    report = check(g, x=normal(4, WIDTH), t=normal(4, WIDTH))
    assert {finding.node for finding in report.failures} == {"wrong_plain"}
    consequences = [finding for finding in report.findings if finding.kind == "consequence"]
    assert consequences
    assert all(finding.node is None for finding in consequences)
    assert "consequence: the whole graph" in str(report)


# ---- the report ----


def test_a_report_reads_well():
    g = mg.Sequential(3, Dense(2, "tanh"), cost=Quadratic(), seed=0)
    report = check(g, x=normal(5, 3), t=normal(5, 2))
    assert isinstance(report, Report)
    assert bool(report)
    assert str(report).startswith("ok: 2 nodes, ")
    assert "numbers compared, largest relative error " in str(report)
    assert repr(report) == f"<Report {report}>"
    assert report.checked.numbers > 15 + 6 + 2 + 10
    assert 0 < report.worst < 1e-6
    assert "\n" not in repr(check(mg.Sequential(3, instead(Plain, slope=lambda self, at: 1.0)()), x=normal(5, 3)))


def test_raise_on_failure():
    g = mg.Sequential(WIDTH, instead(Plain, slope=lambda self, at: 1.0)(), seed=0)
    assert check(mg.Sequential(3, Dense(2), seed=0), x=normal(5, 3), raise_on_failure=True).ok
    with pytest.raises(CheckError) as caught:
        check(g, x=normal(5, WIDTH), raise_on_failure=True)
    assert str(caught.value) == str(check(g, x=normal(5, WIDTH)))
    assert isinstance(caught.value, AssertionError)


def test_what_it_refuses():
    g = mg.Sequential(3, Dense(2), cost=Quadratic())
    with pytest.raises(FeedError, match="'t'"):
        check(g, x=normal(5, 3))
    for bad in ({"samples": 0}, {"tolerance": 0.0}, {"tolerance": np.nan}):
        with pytest.raises(GraphError, match="samples ≥ 1 and a tolerance > 0"):
            check(g, x=normal(5, 3), t=normal(5, 2), **bad)
    with pytest.raises(LayerError, match="forward must return"):
        check(mg.Sequential(3, instead(Mask, forward=lambda self, at, x: x[:, :1])()), x=normal(5, 3))


def test_the_same_seed_gives_the_same_report():
    g = mg.Sequential(20, Dense(20), Dropout(), cost=Quadratic(), seed=0)
    feeds = {"x": normal(5, 20), "t": normal(5, 20)}
    reports = [check(g, feeds, training=True, seed=seed, samples=7) for seed in (1, 1, 2)]
    assert reports[0].worst == reports[1].worst != reports[2].worst


def test_feeds_may_have_any_names():
    g = mg.Graph(seed=0)
    g.cost(Quadratic(), g.input("seed", 2) >> Dense(2), target="a:b <c>")
    assert check(g, {"seed": normal(3, 2), "a:b <c>": normal(3, 2)})


@pytest.mark.parametrize("right", [True, False])
def test_the_graph_stays_as_it_is(right):
    wrong = instead(Plain, forward=writing_into_weights, for_b=lambda self, at, d: d.mean(axis=0))
    make = lambda: Plain() if right else wrong()  # noqa: E731
    layers = [Dense(WIDTH, "relu"), make(), Dropout(), Dense(2, frozen=True)]
    g = mg.Sequential(WIDTH, *layers, cost=Quadratic(), seed=0, dtype="float32")
    twin = mg.Sequential(WIDTH, *copy.deepcopy(layers), cost=Quadratic(), seed=0, dtype="float32")
    x, t = normal(5, WIDTH), normal(5, 2)
    kept = [(param, param.value, param.value.copy(), param.version) for param in g.params.values()]
    attributes = [dict(vars(node.layer)) for node in g.nodes]
    drawn, fed, edition = copy.deepcopy(g.rng.bit_generator.state), (x.copy(), t.copy()), g.edition
    np.random.seed(0)
    numpy_state = np.random.get_state()[1].copy()

    assert bool(check(g, x=x, t=t, training=True)) == right

    for param, array, values, version in kept:
        assert param.value is array
        assert np.array_equal(array, values)
        assert array.dtype == np.float32
        assert param.version == version
    assert [dict(vars(node.layer)) for node in g.nodes] == attributes
    assert g.rng.bit_generator.state == drawn
    assert g.next_seed() == twin.next_seed()
    assert (g.dtype, g.edition, len(g.nodes)) == (np.float32, edition, 7)
    assert np.array_equal(x, fed[0])
    assert np.array_equal(t, fed[1])
    assert np.array_equal(np.random.get_state()[1], numpy_state)


# ---- how far it goes ----


def test_it_is_fast_enough():
    g = mg.Sequential(784, Dense(30, "sigmoid"), Dense(10, "sigmoid"), cost=Quadratic(), seed=0)
    start = time.process_time()
    assert check(g, x=normal(10, 784), t=normal(10, 10))
    assert time.process_time() - start < 2


def test_a_long_chain_needs_no_recursion():
    g = mg.Sequential(2, *[Identity() for _ in range(1500)], Dense(2), cost=Quadratic(), seed=0)
    assert check(g, x=normal(1, 2), t=normal(1, 2), samples=1)
