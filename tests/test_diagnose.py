"""Diagnosis: each fault is found in a network built to have it, and not in its healthy twin."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
from cases import CASES
from wirings import ROWS, wired

import minigraph as mg
from minigraph.activations import sigmoid
from minigraph.blocks import transformer_encoder, unroll
from minigraph.costs import (
    L2,
    BinaryCrossEntropy,
    BinaryCrossEntropyOnProbabilities,
    Cost,
    Quadratic,
    SoftmaxCrossEntropy,
    Value,
)
from minigraph.diagnose import Finding, diagnose, judge_updates
from minigraph.errors import GraphError, NotComputedError
from minigraph.layer import Neurons
from minigraph.layers import (
    GRU,
    LSTM,
    Activation,
    Add,
    BatchNorm,
    Concat,
    Conv2D,
    Dense,
    Divide,
    Exp,
    Flatten,
    LayerNorm,
    Log,
    LogSoftmax,
    LSTMCell,
    MaxPool2D,
    RNNCell,
    Scale,
    Slice,
    Softmax,
    Sqrt,
    StopGradient,
    Sum,
)
from minigraph.wiring import Edge

FLOW = ("vanishing", "exploding", "exploding activations")


def graph(dtype="float64", seed=0):
    return mg.Graph("patient", seed=seed, dtype=dtype)


def run_of(g, m=32, seed=1, **feeds):
    """A run forward and back on random numbers: unit normals, classes, or what is given."""
    rng = np.random.default_rng(seed)
    for node in g.inputs:
        shape = (m, *node.shape)
        feeds.setdefault(node.name, rng.integers(0, 2, shape) if node.dtype.kind == "i" else rng.normal(size=shape))
    return g.forward(feeds).backward()


def chain(widths, kind, weights="glorot_uniform", dtype="float64", apart=False, seed=0):
    """Neurons h1, h2, …, perhaps with their activations in nodes apart, s1, s2, …"""
    g = graph(dtype, seed)
    node = g.input("x", widths[0])
    for i, n in enumerate(widths[1:], 1):
        node = g.add(Dense(n, "identity" if apart else kind, weights=weights), node, name=f"h{i}")
        node = g.add(Activation(kind), node, name=f"s{i}") if apart else node
    g.cost(Quadratic(), node, target="t")
    return g


def residual(blocks, width, kind="tanh", norm=False, layers=1, weights="glorot_uniform", dtype="float64", seed=0):
    """Dense neurons, then blocks that add something to what they take, then an output."""
    g = graph(dtype, seed)
    h = g.input("x", width) >> Dense(width)
    for _ in range(blocks):
        branch = h >> LayerNorm() if norm else h
        for _ in range(layers):
            branch = branch >> Dense(width, kind, weights=weights)
        h = Add()(h, branch >> Dense(width) if norm else branch)
    g.cost(Quadratic(), h >> Dense(2), target="t")
    return g


def found(run, *kinds, **options):
    return [finding for finding in diagnose(run, **options) if finding.kind in kinds]


def size_of_error(run, name):
    """The root mean square of what arrived at a node, by the definition."""
    error = run[name].error
    return math.sqrt(sum(float(x) ** 2 for x in error.ravel()) / error.size)


# ---- vanishing and exploding ----


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_eight_sigmoid_layers_vanish_from_the_first_edge_on(dtype):
    g = chain([10] * 9, "sigmoid", dtype=dtype)
    run = run_of(g)
    diagnosis = diagnose(run)
    assert diagnosis.kinds == ("vanishing",)
    (finding,) = diagnosis
    assert finding.node == "h8"
    assert finding.edges == tuple(Edge(g[f"h{i - 1}"], g[f"h{i}"], 0) for i in range(8, 1, -1))
    assert finding.nodes == tuple(f"h{i}" for i in range(8, 0, -1))
    assert finding.params[:2] == ("h8.w", "h8.b")
    first, last = size_of_error(run, "h8"), size_of_error(run, "h1")
    assert finding.data["first"] == pytest.approx(first, rel=1e-6)
    assert finding.data["last"] == pytest.approx(last, rel=1e-6)
    assert finding.data["factor"] == pytest.approx((last / first) ** (1 / 7), rel=1e-6)
    assert "over 7 layers" in finding.evidence
    assert "from 'h8' to 'h7'" in finding.evidence
    assert last > 1e-7  # a cut at 1e-7, as others have, would pass it


def test_activations_and_scales_in_nodes_apart_are_no_layers():
    g = chain([10] * 9, "sigmoid", apart=True)
    for i in range(1, 9):
        g.insert(Scale(), between=(f"h{i}", f"s{i}"), name=f"c{i}")
    (finding,) = diagnose(run_of(g))
    assert (finding.kind, finding.data["layers"]) == ("vanishing", 7)
    assert finding.edges[0] == Edge(g["c8"], g["s8"], 0)  # where σ' enters
    assert finding.edges[-1].source is g["s1"]


def test_the_first_bad_edge_is_where_healthy_layers_end():
    g = graph()
    h = g.input("x", 16)
    for i in range(6):
        h = g.add(Dense(16, "sigmoid"), h, name=f"bad{i}")
    for i in range(6):
        h = g.add(Dense(16), h, name=f"good{i}")
    g.cost(Quadratic(), h, target="t")
    (finding,) = diagnose(run_of(g))
    assert finding.kind == "vanishing"
    assert finding.edges[0] == Edge(g["bad4"], g["bad5"], 0)
    assert finding.data["end"] == "bad0"


def mixed(g):
    """A pyramid, a layer that makes all tiny at once, a narrow waist."""
    h = g.input("x", 256)
    for n in (128, 64, 4, 64, 8):
        h = h >> Dense(n, "tanh")
    g.cost(Quadratic(), h >> Scale(1e-6) >> Dense(3), target="t")
    return g


def sigmoid_with_skips(g):
    h = g.input("x", 12)
    for _ in range(10):
        h = Add()(h, h >> Dense(12, "sigmoid") >> Dense(12, "sigmoid"))
    g.cost(Quadratic(), h >> Dense(2), target="t")
    return g


def costs_on_the_way(g):
    h = g.input("x", 10)
    for i in range(12):
        h = h >> Dense(10, "sigmoid")
        if i % 3 == 0:
            g.cost(Quadratic(), h, target=f"t{i}")
    g.cost(Quadratic(), h, target="t")
    return g


def recurrent(g, cell, T, returns):
    g.cost(Quadratic(), unroll(cell, g.input("x", (T, 4)), returns=returns) >> Dense(2), target="t")
    return g


def transformer(g, norm_first):
    h = g.input("x", (5, 12))
    for _ in range(8):
        h = h >> transformer_encoder(h, 2, 24, norm_first=norm_first)
    g.cost(Quadratic(), h >> Flatten() >> Dense(3), target="t")
    return g


def convolutions(g):
    h = g.input("x", (2, 16, 16))
    for filters in (8, 8, 16, 16):
        h = h >> Conv2D(filters, 3, padding="same", activation="relu", weights="he_normal")
        h = h >> MaxPool2D(2)
    g.cost(SoftmaxCrossEntropy(), h >> Flatten() >> Dense(10), target="t")
    return g


def pooled(g):
    """Going back each layer has four times as many elements, three of four of them 0: the norm stays."""
    h = g.input("x", (1, 256, 256))
    for _ in range(8):
        h = h >> Conv2D(1, 1, weights="ones") >> MaxPool2D(2)
    g.cost(Quadratic(), h >> Flatten(), target="t")
    return g


HEALTHY = {
    "the book's": lambda: chain([784, 30, 10], "sigmoid"),
    "the book's, as it starts there": lambda: chain([784, 30, 10], "sigmoid", "normal"),
    "two hidden layers of sigmoid neurons": lambda: chain([784, 30, 30, 10], "sigmoid"),
    "50 of tanh": lambda: chain([32] * 51, "tanh"),
    "50 of tanh, float32": lambda: chain([32] * 51, "tanh", dtype="float32"),
    "100 of tanh": lambda: chain([64] * 101, "tanh"),
    "100 of tanh, narrow": lambda: chain([16] * 101, "tanh"),  # noise
    "20 of relu": lambda: chain([64] * 21, "relu", "he_normal"),
    "pyramid": lambda: chain([1024, 512, 256, 128, 64, 32, 16, 10], "relu", "he_normal"),
    "hourglass": lambda: chain([784, 256, 64, 16, 4, 16, 64, 256, 784], "tanh"),
    "one tiny edge": lambda: mixed(graph()),
    "50 residual blocks": lambda: residual(50, 16),
    "50 residual blocks, float32": lambda: residual(50, 16, dtype="float32"),
    "50 residual blocks of two layers": lambda: residual(50, 16, layers=2),
    "50 residual blocks with norms before": lambda: residual(50, 16, norm=True),
    "50 residual blocks of relu with norms": lambda: residual(50, 16, "relu", norm=True, weights="he_normal"),
    "sigmoid branches beside skips": lambda: sigmoid_with_skips(graph()),
    "costs on the way": lambda: costs_on_the_way(graph()),
    "short recurrent": lambda: recurrent(graph(), RNNCell(8), 5, "last"),
    "long recurrent with a cost at every step": lambda: recurrent(graph(), RNNCell(8), 40, "sequence"),
    "transformer": lambda: transformer(graph(), norm_first=False),
    "transformer with norms before": lambda: transformer(graph(), norm_first=True),
    "convolutions": lambda: convolutions(graph()),
    "half of each side at every layer": lambda: pooled(graph()),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_networks_have_healthy_flows(name):
    assert found(run_of(HEALTHY[name]()), *FLOW) == []


@pytest.mark.parametrize(
    ("make", "kinds"),
    [
        (lambda: chain([30] * 9, "relu", "normal"), {"exploding", "exploding activations"}),
        (lambda: chain([30] * 9, "identity", "normal", "float32"), {"exploding", "exploding activations"}),
        (lambda: chain([30] * 25, "tanh", "normal"), {"exploding"}),  # tanh keeps activations below 1
        (lambda: residual(50, 16, "relu", layers=2, weights="he_normal"), {"exploding", "exploding activations"}),
        (lambda: residual(50, 16, "relu", layers=2), {"exploding", "exploding activations"}),  # 1.13 a layer
        (lambda: chain([30] * 21, "relu"), {"vanishing"}),
        (lambda: chain([4] * 151, "identity", lambda shape, rng: 0.93 * np.eye(4)), {"vanishing"}),  # slowly
        (lambda: chain([784, 30, 30, 30, 30, 10], "sigmoid"), {"vanishing"}),  # as in the book's chapter 5
        (lambda: recurrent(graph(), RNNCell(8), 40, "last"), {"vanishing"}),
        (lambda: recurrent(graph(), LSTMCell(8), 40, "last"), {"vanishing"}),  # forget gates of 1/2
    ],
)
def test_flows_that_run_away_are_told_apart(make, kinds):
    assert {finding.kind for finding in found(run_of(make()), *FLOW)} == kinds


def test_what_grew_before_makes_up_for_nothing():
    """Going back the gradient grows a millionfold and then vanishes: both are told."""
    g = graph()
    h = g.input("x", 10)
    for i in range(8):
        h = g.add(Dense(10, "sigmoid"), h, name=f"small{i}")
    for i in range(10):
        h = g.add(Dense(10, weights="normal"), h, name=f"large{i}")
    g.cost(Quadratic(), h, target="t")
    by_kind = {finding.kind: finding for finding in found(run_of(g), "vanishing", "exploding")}
    assert by_kind["exploding"].edges[0] == Edge(g["large8"], g["large9"], 0)
    assert by_kind["vanishing"].edges[0] == Edge(g["small6"], g["small7"], 0)
    assert by_kind["vanishing"].data["end"] == "small0"


def test_it_is_the_way_of_most_of_the_gradient_that_counts():
    g = graph()
    h = g.input("x", 10)
    for i in range(8):
        side = h >> Dense(10, "tanh") >> Scale(1e-4)
        h = Add(name=f"add{i}")(g.add(Dense(10, "sigmoid"), h, name=f"main{i}"), side)
    g.cost(Quadratic(), h, target="t")
    (finding,) = found(run_of(g), *FLOW)
    assert finding.kind == "vanishing"
    assert {node.rstrip("01234567") for node in finding.nodes} == {"main", "add"}


def test_it_is_the_largest_input_that_counts_forward():
    g = graph()
    x = h = g.input("x", 10)
    for i in range(8):
        h = Add()(g.add(Dense(10, "relu", weights="normal"), h, name=f"main{i}"), x >> Dense(10, "tanh"))
    g.cost(Quadratic(), h, target="t")
    (finding,) = found(run_of(g), "exploding activations")
    assert {node.rstrip("_01234567") for node in finding.nodes} == {"x", "main", "add"}


def test_exploding_begins_where_large_weights_begin():
    g = chain([30] * 9, "relu", "normal")
    by_kind = {finding.kind: finding for finding in diagnose(run_of(g))}
    assert by_kind["exploding"].edges[0] == Edge(g["h7"], g["h8"], 0)
    assert by_kind["exploding"].data["factor"] > 1
    assert by_kind["exploding activations"].edges[0] == Edge(g["x"], g["h1"], 0)
    assert by_kind["exploding activations"].data["end"] == "h8"


def test_a_branch_that_vanishes_beside_a_skip_is_a_finding_about_the_branch():
    g = graph()
    x = g.input("x", 10) >> Dense(10, name="stem")
    h = x
    for i in range(8):
        h = g.add(Dense(10, "sigmoid"), h, name=f"deep{i}")
    g.cost(Quadratic(), Add(name="add")(x, h) >> Dense(2, name="out"), target="t")
    (finding,) = found(run_of(g), *FLOW)
    assert finding.kind == "vanishing"
    assert {edge.source.name for edge in finding.edges} == {f"deep{i}" for i in range(7)}


def test_all_ways_along_which_it_vanishes_are_told():
    g = graph()
    ends = []
    for tower in "uv":
        h = g.input(f"x{tower}", 10)
        for i in range(8):
            h = g.add(Dense(10, "sigmoid"), h, name=f"{tower}{i}")
        ends.append(h)
    g.cost(Quadratic(), Concat()(*ends) >> Dense(3, name="out"), target="t")
    edges = {(edge.source.name, edge.target.name) for f in found(run_of(g), "vanishing") for edge in f.edges}
    assert edges >= {(f"{tower}{i}", f"{tower}{i + 1}") for tower in "uv" for i in range(7)}


def test_gradients_that_underflow_are_judged_where_they_are_not_0():
    run = run_of(chain([10] * 101, "sigmoid", dtype="float32"))
    assert not run["h1"].delta.any()
    (finding,) = found(run, *FLOW)
    assert 0 < finding.data["last"] < 1e-40
    assert finding.edges[0].source.name == "h99"


# ---- dead and saturated ----


def relus(layers, share):
    """A graph with 20 ReLUs behind x, the layers given; some of them have a bias of −100."""
    g = graph()
    h = g.input("x", (2, 5, 5) if isinstance(layers[0], Conv2D) else 6)
    for layer in layers:
        h = g.add(layer, h)
    g.cost(Quadratic(), h >> Flatten() >> Dense(2), target="t")
    layers[0].b.value[: round(share * 20)] = -100.0
    return g


RELUS = {
    "Dense": lambda: [Dense(20, "relu", weights="he_normal", name="h")],
    "a kind for each neuron": lambda: [Dense(20, ["relu"] * 20, weights="he_normal", name="h")],
    "a node apart": lambda: [Dense(20, weights="he_normal"), Activation("relu", name="h")],
    "channels": lambda: [Conv2D(20, 3, activation="relu", weights="he_normal", name="h")],
    "channels apart": lambda: [Conv2D(20, 3, weights="he_normal"), BatchNorm(), Activation("relu", name="h")],
}


@pytest.mark.parametrize(("share", "level"), [(0.0, None), (0.1, None), (0.4, "note"), (0.9, "alarm"), (1.0, "alarm")])
@pytest.mark.parametrize("name", RELUS)
def test_dead_relus_are_counted(name, share, level):
    findings = found(run_of(relus(RELUS[name](), share), m=64), "dead")
    assert [finding.level for finding in findings] == [level] * (level is not None)
    for finding in findings:
        assert (finding.node, finding.data["units"], finding.data["dead"]) == ("h", 20, round(share * 20))
        assert "in this batch of 64" in finding.evidence


@pytest.mark.parametrize(("m", "share", "count"), [(5, 0.9, 0), (5, 1.0, 1), (1, 0.9, 0), (1, 1.0, 1), (16, 0.9, 1)])
def test_in_a_few_examples_only_a_whole_layer_is_dead(m, share, count):
    g = relus(RELUS["Dense"](), share)
    g["h"].layer.w.value[:] *= 1e-3  # so that what isn't dead is neither by chance
    g["h"].layer.b.value[round(share * 20) :] = 1.0
    assert len(found(run_of(g, m=m), "dead")) == count


def test_the_channels_of_an_image_are_units():
    g = graph()
    image = np.ones((20, 3, 4, 4)) * np.array([1.0, -1.0, 1.0])[:, None, None]
    g.cost(Quadratic(), g.input("x", (3, 4, 4)) >> Activation("relu") >> Flatten() >> Dense(2), target="t")
    (finding,) = found(run_of(g, m=20, x=image), "dead")
    assert (finding.data["dead"], finding.data["units"]) == (1, 3)


def test_a_unit_is_dead_when_it_is_off_in_every_use():
    for shift, count in ((200.0, 0), (0.0, 1)):
        g = graph()
        shared = Dense(20, "relu")
        u, v = shared(g.input("x", 6), name="u"), shared(g.input("y", 6), name="v")
        g.cost(Quadratic(), Add()(u, v) >> Dense(2), target="t")
        shared.b.value[:] = -100.0
        shared.w.value[:] = np.abs(shared.w.value)
        findings = found(run_of(g, m=30, x=np.full((30, 6), shift)), "dead")
        assert [finding.nodes for finding in findings] == [("u", "v")] * count


@pytest.mark.parametrize("kind", ["sigmoid", "tanh", "softplus", (np.arctan, lambda z: 1 / (1 + z**2)), ["tanh"] * 20])
def test_large_weights_saturate(kind):
    def net(scale):
        g = graph()
        g.cost(Quadratic(), g.input("x", 30) >> Dense(20, kind, name="h") >> Dense(2), target="t")
        g["h"].layer.w.value[:] *= scale
        g["h"].layer.b.value[:] -= scale
        return run_of(g)

    assert found(net(1.0), "saturated", "dead") == []
    (finding,) = found(net(50.0), "saturated", "dead")
    assert (finding.kind, finding.node) == ("saturated", "h")
    assert 0.5 <= finding.data["share"] <= 1.0


def test_the_share_of_saturated_outputs_and_of_their_error():
    g = chain([3, 4, 2], "tanh", weights="normal")
    g["h1"].layer.w.value[:] *= 10.0
    run = run_of(g, m=9)
    (finding,) = found(run, "saturated")
    flat = [(i, j) for i, j in np.ndindex(9, 4) if 1 - math.tanh(run["h1"].z[i, j]) ** 2 < 0.1]
    error = run["h1"].error ** 2
    assert finding.data["share"] == pytest.approx(len(flat) / 36)
    assert finding.data["share of the error"] == pytest.approx(sum(error[at] for at in flat) / error.sum())


@pytest.mark.parametrize(("on", "level"), [(9, "note"), (10, "note"), (17, "note"), (18, "alarm"), (20, "alarm")])
def test_where_most_outputs_are_saturated_it_is_an_alarm(on, level):
    g = chain([1, 20, 1], "sigmoid")
    g["h1"].layer.w.value[:] = 0.0
    g["h1"].layer.b.value[:] = np.where(np.arange(20) < on, 9.0, 0.0)
    g["h2"].layer.w.value[:] = np.where(np.arange(20) < on, 0.1, 0.001)
    assert [finding.level for finding in found(run_of(g), "saturated")] == ([level] if on > 9 else [])


@pytest.mark.parametrize("kind", ["relu", "leaky_relu", "identity"])
def test_what_has_two_slopes_is_not_saturated(kind):
    g = chain([6, 10, 2], kind)
    g["h1"].layer.b.value[:] = -100.0
    assert found(run_of(g), "saturated") == []


def test_the_books_slow_neuron_and_its_cure():
    """Chapter 3: w = b = 2, so that the output is 0.98 where 0 is right: with cross-entropy σ' cancels."""

    def neuron(cost, t):
        g = graph()
        g.cost(cost, g.input("x", 1) >> Dense(1, "sigmoid", name="h"), target="t")
        g["h"].layer.w.value[:] = g["h"].layer.b.value[:] = 2.0
        return g.forward(x=[1.0], t=[t])

    slow = neuron(Quadratic(), 0.0)
    assert diagnose(slow).kinds == ()  # who knows what is right
    (finding,) = diagnose(slow.backward())
    assert finding.kind == "saturated"
    assert "cross-entropy" in finding.remedy
    assert "in this one example" in finding.evidence
    assert diagnose(neuron(BinaryCrossEntropyOnProbabilities(), 0.0).backward()).kinds == ()


def test_outputs_that_are_right_may_be_saturated():
    g = chain([4, 3], "sigmoid")
    g["h1"].layer.w.value[:], g["h1"].layer.b.value[:] = 0.0, [8.0, -8.0, 0.0]
    right = np.tile([1.0, 0.0, 0.0], (32, 1))
    assert found(run_of(g, t=right), "saturated") == []
    assert len(found(run_of(g, t=1 - right), "saturated")) == 1


# ---- inputs near 0 ----


def starved(scale, m=12, hidden=False):
    """Dense neurons, one of whose five inputs is scaled; it comes from a feed, or from other neurons."""
    g = graph()
    h = g.input("x", 5)
    h = h >> Dense(5, weights=lambda shape, rng: np.eye(5)) if hidden else h
    g.cost(Quadratic(), h >> Dense(3, name="h"), target="t")
    return run_of(g, m=m, x=np.random.default_rng(0).uniform(0.5, 1.0, (m, 5)) * [1, 1, scale, 1, 1])


@pytest.mark.parametrize(
    ("scale", "hidden", "level"),
    [(1.0, False, None), (1e-3, False, "alarm"), (0.0, False, "note"), (1e-3, True, "alarm"), (0.0, True, None)],
)
def test_inputs_near_0_are_told_apart_from_saturation(scale, hidden, level):
    run = starved(scale, hidden=hidden)
    findings = [finding for finding in diagnose(run) if "h" in finding.nodes]
    assert [(finding.kind, finding.level) for finding in findings] == [("inputs near 0", level)] * (level is not None)
    for finding in findings:
        assert (finding.data["near 0"], finding.data["inputs"]) == (1, 5)
        assert finding.params == ("h.w",)
        assert finding.edges == (Edge(run.graph["h"].inputs[0], run.graph["h"], 0),)
        rest = np.delete(np.abs(run.grad(run.graph["h"].layer.w)), 2, axis=1)
        assert np.abs(run.grad(run.graph["h"].layer.w))[:, 2].max() <= 0.01 * rest.max()  # BP4


@dataclass(eq=False)
class Level(Neurons):
    """A layer of one's own: σ(w · the mean of the input), whatever its width."""

    sigma = sigmoid

    def build(self, shape, *, rng, dtype):
        self.w = self.param("w", (1, 1), "ones", rng=rng, dtype=dtype)
        return (1,)

    def weigh(self, at, a):
        return a.mean(axis=1, keepdims=True) * self.w.value

    def backward(self, at, error):
        at.delta = self.sigma.backward(error, at.z, at.a)
        a = at.inputs[0]
        at.grad[self.w] = (at.delta * a.mean(axis=1, keepdims=True)).sum(axis=0, keepdims=True)
        return np.broadcast_to(at.delta * self.w.value / a.shape[1], a.shape).copy()


def test_neurons_of_ones_own_are_judged_as_far_as_they_say_what_they_are():
    g = graph()
    level = Level()
    g.cost(Quadratic(), Concat()(level(g.input("x", 3)), level(g.input("y", 5))), target="t")
    assert diagnose(run_of(g)).kinds == ()
    assert diagnose(run_of(g, x=np.full((32, 3), 40.0), y=np.full((32, 5), -40.0))).kinds == ("saturated",)


def test_few_examples_say_nothing_of_inputs_near_0():
    assert found(starved(1e-3, m=3), "inputs near 0") == []


def test_an_input_of_zeros_is_an_alarm_unless_nothing_is_to_be_learned():
    g = chain([4, 3, 3], "tanh")
    g["h1"].layer.b.value[:] = 0.5
    (finding,) = diagnose(run_of(g, x=np.zeros((32, 4))))
    assert (finding.kind, finding.level, finding.data["share"]) == ("inputs near 0", "alarm", 1.0)
    g.freeze("h1")
    assert found(run_of(g, x=np.zeros((32, 4))), "inputs near 0") == []


def test_one_input_that_is_far_out_is_not_what_others_are_measured_by():
    g = chain([8, 3], "tanh")
    x = np.random.default_rng(0).normal(size=(32, 8))
    x[:, 0] *= 1e4
    assert found(run_of(g, x=x), "inputs near 0") == []


# ---- not finite ----


def test_nan_in_a_feed():
    g = chain([4, 5, 3], "tanh")
    x = np.ones((6, 4))
    x[2, 1], x[3, 0] = np.nan, np.inf
    with np.errstate(invalid="ignore"):  # some machines' matrix products warn of NaN
        runs = [run_of(g, m=6, x=x) for _ in range(2)]
    finding = diagnose(runs[0])[0]
    assert (finding.kind, finding.node) == ("not finite", "x")
    assert finding.data == {"cause": "feeds", "direction": "forward", "nan": 1, "infinite": 1, "of": 24}
    assert finding.evidence.startswith(
        "its output has 1 NaN and 1 infinite of 24 numbers, the first at [2, 1]: they came in with the feed"
    )
    assert found(runs[1], "not finite") == [finding]  # not those behind it


@pytest.mark.parametrize("broken", ["h2.w", "h2.b"])
def test_nan_in_the_weights(broken):
    g = chain([4, 5, 3], "tanh")
    g.params[broken].value.flat[0] = np.nan
    (finding,) = found(run_of(g), "not finite")
    assert (finding.node, finding.data["cause"], finding.params) == ("h2", "weights", (broken,))
    assert f"'{broken}' has 1 NaN" in finding.evidence


def test_a_broken_param_is_told_once_and_not_of_its_penalty():
    g = graph()
    shared = Dense(3, "tanh", name="shared")
    u, v = shared(g.input("x", 3)), shared(g.input("y", 3), name="again")
    g.cost(Quadratic(), Add()(u, v), target="t")
    g.cost(L2(0.1, "*"))
    shared.w.value[0, 0] = np.nan
    (finding,) = found(run_of(g), "not finite")
    assert (finding.node, finding.params) == ("shared", ("shared.w",))


def test_weights_that_broke_after_the_sweep():
    g = chain([4, 5, 3], "tanh")
    run = run_of(g)
    g["h1"].layer.w.value[:] = np.inf
    (finding,) = found(run, "not finite")
    assert (finding.node, finding.data["cause"]) == ("h1", "weights")
    assert "its output is finite still" in finding.evidence


def test_running_statistics_that_are_not_finite():
    g = graph()
    g.cost(Quadratic(), g.input("x", 3) >> BatchNorm(name="norm"), target="t")
    layer = g["norm"].layer
    getattr(layer, layer.statistics[0])[0] = np.nan
    (finding,) = found(run_of(g), "not finite")
    assert (finding.node, finding.data["cause"]) == ("norm", "weights")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_numbers_that_arise_in_a_node():
    g = graph()
    x = g.input("x", 3)
    g.cost(Quadratic(), Add()(x >> Exp(name="exp") >> Dense(3), x >> Dense(3, name="fine")), target="t")
    (finding,) = found(run_of(g, x=np.full((4, 3), 710.0), m=4), "not finite")
    assert (finding.node, finding.data["cause"], finding.data["infinite"]) == ("exp", "node", 12)
    assert "of finite inputs of up to 710 in size" in finding.evidence
    assert finding.evidence.endswith("; 3 more nodes have such numbers")  # dense, add and the cost


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_several_places_are_told_in_forward_order():
    g = graph()
    x = g.input("x", 2)
    g.cost(Quadratic(), Add()(Log(name="log")(x), Divide(name="ratio")(x, x)), target="t")
    findings = found(g.forward(x=np.zeros((3, 2)), t=np.zeros((3, 2))), "not finite")
    assert [finding.node for finding in findings] == ["log", "ratio"]


def test_infinity_under_a_softmax_is_a_mask():
    g = graph()
    logits = Add()(g.input("x", 3) >> Dense(3), g.input("mask", 3))
    g.cost(Quadratic(), logits >> Softmax(), target="t")
    assert found(run_of(g, mask=np.tile([0.0, -np.inf, 0.0], (32, 1))), "not finite") == []


@pytest.mark.parametrize(("number", "count"), [(np.nan, 1), (np.inf, 0)])
def test_nan_is_told_even_where_it_is_cut_off(number, count):
    g = graph()
    g.cost(Quadratic(), g.input("x", 3) >> Slice(slice(0, 2)) >> Dense(2), target="t")
    assert len(found(run_of(g, x=np.tile([1.0, 2.0, number], (32, 1))), "not finite")) == count


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_backward_is_told_where_forward_was_finite():
    g = graph()
    g.cost(Quadratic(), g.input("x", 3) >> Dense(3, weights="zeros", name="h") >> Sqrt(name="root"), target="t")
    (finding,) = found(run_of(g, x=np.ones((4, 3)), t=np.ones((4, 3)), m=4), "not finite")
    assert (finding.node, finding.data["direction"], finding.data["cause"]) == ("root", "backward", "node")
    assert finding.edges == (Edge(g["h"], g["root"], 0),)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_finite_errors_with_an_infinite_sum():
    g = graph("float32")
    h = g.input("x", 2) >> Dense(2, name="h")
    g.cost(Value(), Sum()(h >> Scale(3e38, name="u")), name="one")
    g.cost(Value(), Sum()(h >> Scale(3e38, name="v")), name="two")
    run = g.forward(x=np.zeros((4, 2))).backward()
    finding = found(run, "not finite")[0]
    assert (finding.node, finding.data["direction"]) == ("h", "backward")
    assert "sum of finite errors" in finding.evidence
    assert {edge.target.name for edge in finding.edges} == {"u", "v"}


# ---- wiring, symmetry, updates ----


def test_a_dead_branch_and_a_stopped_gradient_are_unreached():
    g = graph()
    h = g.input("x", 3) >> Dense(3, "tanh", name="h")
    h >> Dense(2, name="dead") >> StopGradient()
    stop = g.add(StopGradient(), h >> Dense(3, name="stopped"), name="stop")
    g.cost(Quadratic(), Add()(h, stop) >> Dense(2, name="y"), target="t")
    g.output("stop_gradient")
    for run in (g.forward(x=np.ones((4, 3)), t=np.ones((4, 2))), run_of(g)):  # it is a matter of the wiring
        dead, stopped = found(run, "unreached")
        assert (dead.node, dead.params, dead.data["cause"]) == ("dead", ("dead.w", "dead.b"), "dead branch")
        assert (stopped.node, stopped.data["cause"]) == ("stopped", "stopped")
        assert stopped.edges == (Edge(g["stopped"], stop, 0),)
    g.freeze("dead")
    g.freeze("stopped")
    assert found(run_of(g), "unreached") == []


def test_what_has_another_way_or_another_turn_is_reached():
    g = graph()
    x, shared = g.input("x", 3), Dense(3, "tanh", name="shared")
    u = shared(x)
    g.output(shared(u, name="leads nowhere"))
    g.cost(Quadratic(), u >> Dense(2, name="first"), target="t1", name="one")
    g.cost(Quadratic(), u >> Dense(2, name="second"), target="t2", name="two")
    run = run_of(g).backward("one")
    assert found(run, "unreached") == []
    assert found(g.forward({"x": np.ones((2, 3))}, until="shared"), "unreached") == []


def test_a_penalty_is_no_path():
    g = graph()
    h = g.input("x", 3) >> Dense(3, name="h")
    g.output(h >> Dense(2, name="dead"))
    g.cost(Quadratic(), h, target="t")
    g.cost(L2(0.1, "*"))
    assert [finding.node for finding in found(run_of(g), "unreached")] == ["dead"]


def test_without_a_cost_nothing_is_unreached_but_by_backward():
    g = graph()
    x = g.input("x", 3)
    u, v = Dense(2, name="u")(x), Dense(2, name="v")(x)
    g.output(u, v)
    run = g.forward(x=np.ones((4, 3)))
    assert found(run, "unreached") == []
    assert [finding.node for finding in found(run.backward("u", np.ones((4, 2))), "unreached")] == ["v"]


@pytest.mark.parametrize(
    "layer",
    [
        lambda weights: Dense(6, "tanh", weights=weights, name="h"),
        lambda weights: GRU(6, weights=weights, recurrent=weights, returns="last", name="h"),
        lambda weights: LSTM(6, weights=weights, recurrent=weights, returns="last", name="h"),
    ],
)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("start", "after", "count"), [("ones", "ones", 1), ("ones", "normal", 0), ("normal", "ones", 0)]
)
def test_symmetric_units(layer, dtype, start, after, count):
    """They stay equal if equal weights lead on from them, too; else their gradients differ."""
    g = graph(dtype)
    layer = layer(start)
    x = g.input("x", 4 if isinstance(layer, Dense) else (3, 4))
    g.cost(Quadratic(), x >> layer >> Dense(1, weights=after), target="t")
    run = g.forward(x=np.random.default_rng(0).normal(0, 0.3, (8, *x.shape)), t=np.ones((8, 1)))
    assert found(run, "symmetric") == []  # before there are gradients, nobody knows
    findings = found(run.backward(), "symmetric")
    assert [finding.node for finding in findings] == ["h"] * count
    for finding in findings:
        assert finding.data["alike"] == layer.w.shape[0]
        assert "h.w" in finding.params


def test_two_twins_among_random_units():
    g = chain([5, 8, 2], "tanh")
    w, b, ahead = g["h1"].layer.w.value, g["h1"].layer.b.value, g["h2"].layer.w.value
    w[6], b[6], ahead[:, 6] = w[1], b[1], ahead[:, 1]
    (finding,) = found(run_of(g), "symmetric")
    assert (finding.node, finding.data["alike"]) == ("h1", 2)
    assert "units 1, 6:" in finding.evidence


@pytest.mark.parametrize(("apart", "count"), [(1e-12, 1), (1e-5, 0)])
def test_twins_may_be_rounded_apart(apart, count):
    g = chain([5, 8, 2], "tanh")
    w, ahead = g["h1"].layer.w.value, g["h2"].layer.w.value
    w[6], ahead[:, 6] = w[1] * (1 + apart), ahead[:, 1]
    assert len(found(run_of(g), "symmetric")) == count


def test_outputs_that_start_at_zero_are_not_symmetric():
    g = chain([5, 8, 3], "tanh")
    g["h2"].layer.w.value[:] = 0.0
    assert found(run_of(g), "symmetric") == []


def test_transposed_weights_have_units_as_columns():
    g = graph()
    encoder = Dense(4, "tanh", bias=False, name="encoder")
    x = g.input("x", 3)
    g.cost(Quadratic(), x >> encoder >> Dense(3, weights=encoder.w.T, bias=False, name="decoder"), target=x)
    encoder.w.value[:, 2] = encoder.w.value[:, 0]
    data = np.random.default_rng(0).normal(size=(9, 3))
    data[:, 2] = data[:, 0]
    assert [finding.node for finding in found(run_of(g, m=9, x=data), "symmetric")] == ["decoder"]


@pytest.mark.parametrize(
    ("cost", "before", "told"),
    [
        (SoftmaxCrossEntropy, lambda: [Dense(3), Softmax()], "softmax"),
        (SoftmaxCrossEntropy, lambda: [Dense(3, "sigmoid")], "sigmoid"),
        (BinaryCrossEntropy, lambda: [Dense(3), Activation("sigmoid")], "sigmoid"),
        (SoftmaxCrossEntropy, lambda: [Dense(3), LogSoftmax()], None),
        (SoftmaxCrossEntropy, lambda: [Softmax(), Dense(3)], None),
        (BinaryCrossEntropyOnProbabilities, lambda: [Dense(3, "sigmoid")], None),
        (Quadratic, lambda: [Dense(3), Softmax()], None),
    ],
)
def test_logits_are_not_to_be_squashed_before_their_cost(cost, before, told):
    g = mg.Sequential(4, *before(), cost=cost(), seed=0)
    t = np.zeros(5, int) if cost is SoftmaxCrossEntropy else np.full((5, 3), 1 / 3)
    findings = found(g.forward(x=np.ones((5, 4)), t=t), "squashed logits")
    assert [finding.data["before"] for finding in findings] == ([told] if told else [])
    for finding in findings:
        assert finding.nodes == (g.costs[0].name, g.costs[0].inputs[0].name)
        assert f"the {told} of {finding.nodes[1]!r}" in finding.remedy


def test_plain_gradient_descent_is_judged_by_lr():
    g = chain([5, 8, 2], "tanh")
    run = run_of(g)
    ratio = {
        name: float(np.linalg.norm(run.grad(p)) / np.linalg.norm(p.value))
        for name, p in g.params.items()
        if name.endswith("w")
    }
    assert found(run, "update ratio", lr=1e-3 / max(ratio.values())) == []
    large, small = 1.1 * 0.1 / max(ratio.values()), 0.9 * 1e-5 / min(ratio.values())
    (high,), (low,) = found(run, "update ratio", lr=large), found(run, "update ratio", lr=small)
    assert high.params == (max(ratio, key=ratio.get),)
    assert high.data["ratio"] == pytest.approx(0.11)
    assert low.params == (min(ratio, key=ratio.get),)
    assert low.data["ratio"] == pytest.approx(0.9e-5)
    assert "a smaller lr" in high.remedy
    assert "a larger lr" in low.remedy
    assert found(run, "update ratio") == []


def test_where_the_gradient_is_0_another_lr_is_no_remedy():
    g = chain([5, 8, 2], "tanh")
    g["h2"].layer.w.value[:] = 0.0
    (finding,) = found(run_of(g), "update ratio", lr=0.01)
    assert (finding.params, finding.data["ratio"]) == (("h1.w",), 0.0)
    assert "another lr changes nothing" in finding.remedy


def test_measured_updates_are_judged_the_worst_first():
    g = chain([5, 8, 2], "tanh")
    ratios = {"h1.w": 3.0, "h2.w": 1e-9, "h1.b": 5.0}  # biases start at 0: their ratios mean nothing
    assert [finding.params for finding in judge_updates(g, ratios)] == [("h2.w",), ("h1.w",)]
    assert judge_updates(g, {"h1.w": 1e-3, "h2.w": math.nan}) == []
    assert [finding.node for finding in judge_updates(g, {"h1.w": math.inf, "h2.w": 0.0})] == ["h1", "h2"]


# ---- the diagnosis itself ----


def test_findings_go_by_node_and_by_edge():
    g = chain([10] * 9, "sigmoid")
    g["h1"].layer.w.value[:] = 50.0
    run = run_of(g)
    diagnosis = diagnose(run)
    assert diagnosis.kinds == ("vanishing", "saturated")  # the worst first
    assert [finding.kind for finding in diagnosis.of("h1")] == ["vanishing", "saturated"]
    assert [finding.kind for finding in diagnosis.of(g["h5"])] == ["vanishing"]
    assert diagnosis.of("x") == []
    assert diagnosis.about_edge(Edge(g["h1"], g["h2"], 0)) == diagnosis[:1]
    assert diagnosis.about_edge(Edge(g["x"], g["h1"], 0)) == []
    assert len(diagnosis) == 2
    assert all(isinstance(finding, Finding) for finding in diagnosis)
    text = str(diagnosis)
    assert text.index("vanishing gradients") < text.index("saturated units")
    assert all(part in text for finding in diagnosis for part in (finding.evidence, finding.remedy))


def test_notes_are_no_alarms():
    diagnosis = diagnose(starved(0.0))
    assert len(diagnosis) == 1
    assert diagnosis.alarms == []
    assert "note: inputs near 0" in str(diagnosis)
    both = diagnose(run_of(relus(RELUS["Dense"](), 0.4), m=64), lr=1e9)
    assert both.kinds == ("update ratio", "dead")  # alarms go first


def test_before_backward_it_judges_what_is_there():
    g = chain([30] * 9, "relu", "normal")
    run = mg.Run(g)
    with pytest.raises(NotComputedError, match=r"call run\.forward"):
        diagnose(run)
    run.forward(x=np.ones((4, 30)), t=np.ones((4, 30)))
    diagnosis = diagnose(run)
    assert diagnosis.kinds == ("exploding activations",)
    assert "not judged: gradients" in str(diagnosis)
    assert "11 nodes forward, with a batch of 4" in str(diagnosis)
    diagnosis = diagnose(run.backward())
    assert "exploding" in diagnosis.kinds
    assert "not judged: updates" in str(diagnosis)
    assert "9 of them back" in str(diagnosis)


def test_nothing_found_says_what_was_looked_at():
    run = run_of(chain([4, 5, 3], "tanh"), m=8)
    assert str(diagnose(run, lr=0.01)) == "nothing found in 5 nodes forward, 3 of them back, with a batch of 8"
    assert repr(diagnose(run)) == "<Diagnosis: nothing found>"


def test_an_interrupted_sweep_is_judged_as_far_as_it_got():
    g = chain([10] * 9, "sigmoid")
    seen = []

    def stop(node, record):
        seen.append(node.name)
        if node.name == "h3":
            raise KeyboardInterrupt

    run = g.forward(x=np.ones((4, 10)), t=np.ones((4, 10)))
    with pytest.raises(KeyboardInterrupt):
        run.backward(observe=stop)
    diagnosis = diagnose(run)
    assert [finding.data["end"] for finding in diagnosis if finding.kind == "vanishing"] == ["h3"]
    assert "interruption of the backward sweep" in str(diagnosis)
    with pytest.raises(KeyboardInterrupt):
        run.forward(x=np.ones((4, 10)), t=np.ones((4, 10)), observe=stop)
    assert "interruption of the forward sweep" in str(diagnose(run))


@pytest.mark.parametrize("lr", [0.0, -1.0, math.nan, math.inf, "0.1", True])
def test_a_learning_rate_that_is_none(lr):
    with pytest.raises(GraphError, match="positive learning rate"):
        diagnose(run_of(chain([3, 2], "tanh")), lr=lr)


HOSTILE = ['a"b', "<b>", "u:v", "{|}", "two\nlines", "🙂\t\x00", "long " * 100]


def test_hostile_names_stay_on_their_lines():
    g = graph()
    h = g.input("x", 8)
    for name in HOSTILE:
        h = g.add(Dense(8, "sigmoid"), h, name=name)
    g.cost(Quadratic(), h, target="t")
    diagnosis = diagnose(run_of(g), lr=1e9)
    assert diagnosis.of("two\nlines")
    text = str(diagnosis)
    assert "two\\nlines" in text
    assert all(line.isprintable() for line in text.split("\n"))
    assert len(text.split("\n")) == len(str(diagnosis).splitlines())


def test_many_findings_alike_are_shortened():
    text = str(diagnose(run_of(chain([12] * 41, "tanh")), lr=1e6))
    assert "… and 35 more nodes:" in text
    assert text.count("an update changes") == 5
    assert text.count("a smaller lr, or a warm-up") == 1


# ---- everywhere ----


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", [*ROWS, *range(30)])
def test_every_wiring_has_a_diagnosis(name, dtype):
    row = wired(name, dtype)
    run = row.forward()
    for diagnosis in (diagnose(run, lr=0.1), diagnose(run.backward(), lr=0.1)):
        assert str(diagnosis)
        nodes, params = {node.name for node in row.graph}, set(row.graph.params)
        for finding in diagnosis:
            assert set(finding.nodes) <= nodes
            assert set(finding.params) <= params
            assert set(finding.edges) <= set(row.graph.edges)
            assert not any(math.isnan(x) for x in finding.data.values() if isinstance(x, float))
    unreached = {node for finding in found(run, "unreached") for node in finding.nodes}
    params = {node.layer: node.layer.params for node in row.graph if not node.layer.frozen}
    weighted = {node.name for node in row.graph if params.get(node.layer)}
    if row.until is None:  # a run of a part has Params that it doesn't run but that are reached
        assert unreached == {
            name for name in weighted if all(not reached(run, p) for p in row.graph[name].layer.params.values())
        }


def reached(run, param):
    try:
        return run.grad(param) is not None
    except NotComputedError:
        return False


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", [*ROWS, *range(10)])
@pytest.mark.parametrize("size", [1e300, math.nan, math.inf, 0.0])
def test_every_wiring_may_break(name, size):
    row = wired(name)
    next(iter(row.graph.params.values())).value[...] = size
    run = row.forward().backward()
    with np.errstate(all="raise"):  # whoever runs it may have asked for errors
        assert str(diagnose(run, lr=1.0))


def test_huge_errors_are_judged_quietly():
    g = chain([10] * 9, "sigmoid")
    run = g.forward(x=np.ones((20, 10)), t=np.ones((20, 10)))
    run.backward("h8", np.full((20, 10), 1e300))
    with np.errstate(all="raise"):
        diagnosis = diagnose(run, lr=1e10)
    assert diagnosis.kinds == ("vanishing", "update ratio")


@pytest.mark.parametrize("m", [1, 5])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_every_layer_has_a_diagnosis(case, m):
    for dtype in ("float64", "float32"):
        node = case.node(dtype)
        arrays = case.inputs(np.random.default_rng(0), max(m, case.fewest))
        run = node.graph.forward({f"x{i}": x for i, x in enumerate(arrays)}, training=True, seed=0)
        wrt = [f"x{i}" for i, x in enumerate(arrays) if x.dtype.kind == "f" and i not in node.constant_inputs]
        if wrt or node.layer.params:
            given = {} if isinstance(node.layer, Cost) else {"source": node, "error": np.ones((run.m, *node.shape))}
            run.backward(**given, wrt=wrt)
        diagnosis = diagnose(run, lr=1e-3)
        assert str(diagnosis)
        assert not {"not finite", "vanishing", "exploding", "unreached"} & set(diagnosis.kinds)


@pytest.mark.parametrize("name", [*ROWS])
def test_single_examples_have_the_diagnosis_of_a_batch_of_one(name):
    row = wired(name, m=1)
    batch = row.forward(seed=0).backward()
    single = row.forward({name: array[0] for name, array in row.feeds.items()}, seed=0).backward()
    assert single.single
    assert not batch.single
    assert str(diagnose(single, lr=0.1)) == str(diagnose(batch, lr=0.1))
