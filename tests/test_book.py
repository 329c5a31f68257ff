"""The source documents as tests: what the book says of z, a, δ and C, line by line.

A test's name carries the rows that it covers: A the introduction and its notation, B the algorithm and its exercises,
C the derivation of BP1–BP4. What B makes of the algorithm (B7–B14: its exercises, many examples, learning) is in
test_book_learning.py. Rows without a test, or with a part of one:

    A4, A6, C5   drawings of single neurons: with the neuron view. So are the mark on the odd neuron (B7) and the
                 equations as captions (C10, C12, C16, C20); the order in which the equations run is tested here
    A3, B6, C13  the "what if" helper and the view of single steps come later; their numbers are tested here
    B15          the header of a note: nothing to test
    C9, C17      the text that `explain` prints comes with `explain`; the chain rule and the product are tested here
    C18          the diagnosis comes later; the zero column is tested here

What is expected is written out in plain loops, in formulas or as differences, never with the library's own functions.
"""

# ruff: noqa: E741  (l is the book's letter for layers)

import math
import re
from collections import Counter
from contextlib import suppress
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

import minigraph as mg
from minigraph.costs import BinaryCrossEntropy, Cost, Quadratic, SoftmaxCrossEntropy
from minigraph.errors import FeedError, GraphError, LayerError, NoPathError, NotComputedError, ShapeError
from minigraph.layers import Add, Concat, Dense, Identity, Multiply, Softmax

SIZES = [4, 5, 3, 2]  # neighbors differ: between layers of equal size a forgotten transpose wouldn't show
L = len(SIZES)
LAYERS = range(2, L + 1)  # those of neurons; layer 1 is the input
INNER = range(2, L)  # those that BP2 is for
M = 7
_rng = np.random.default_rng(3)
X, Y = _rng.normal(size=(M, SIZES[0])), _rng.uniform(size=(M, SIZES[-1]))
H = 1e-6


def network(sizes=SIZES, kinds=None, dense=Dense, seed=1):
    """The book's network: an input, layers l = 2 … L of neurons, the quadratic cost; w and b drawn from N(0, 1)."""
    kinds = kinds or {}
    neurons = [dense(n, kinds.get(l, "sigmoid"), weights="normal", biases="normal") for l, n in enumerate(sizes[1:], 2)]
    return mg.Sequential(sizes[0], *neurons, cost=Quadratic(), seed=seed)


def learned(g, x=X, t=Y):
    """The network with a finished run and, by l, its Params w^l and b^l."""
    neurons = {l: node.layer for l, node in enumerate((n for n in g.nodes if isinstance(n.layer, Dense)), 2)}
    return SimpleNamespace(
        g=g,
        run=g.forward(x=x, t=t).backward(),
        w={l: layer.w for l, layer in neurons.items()},
        b={l: layer.b for l, layer in neurons.items()},
    )


@pytest.fixture
def net():
    """A run over the whole batch: row x of z, a, δ belongs to example x."""
    return learned(network())


@pytest.fixture
def one():
    """A run over a single example: z, a, δ are vectors, as in the book."""
    return learned(network(), X[0], Y[0])


def close(found, expected, rtol=1e-12):
    """Equal shapes, and no element off by more than rtol of the largest."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    assert abs(found - expected).max() <= rtol * abs(expected).max()


def slopes(f, array):
    """∂f/∂array, element by element: (f(+h) − f(−h)) / 2h, writing into the array and putting back what was there."""
    found = np.empty_like(array)
    for i in np.ndindex(array.shape):
        there = array[i]
        array[i] = there + H
        above = f()
        array[i] = there - H
        found[i] = (above - f()) / (2 * H)
        array[i] = there
    return found


def sigma(z):
    return 1 / (1 + np.exp(-z))


def sigma_slope(z):
    return np.exp(-z) / (1 + np.exp(-z)) ** 2


def values(params):
    """Copies of w^l or b^l as they are now, by l."""
    return {l: param.value.copy() for l, param in params.items()}


def five_steps(w, b, x, y, f=lambda l, j: sigma, slope=lambda l, j: sigma_slope):
    """Document B's algorithm for one example, component by component; neuron j of layer l has the function f(l, j)."""
    last, size = max(w), {1: len(x)} | {l: len(b[l]) for l in b}
    z, a, delta = {}, {1: x}, {}
    for l in range(2, last + 1):
        z[l] = [sum(w[l][j, k] * a[l - 1][k] for k in range(size[l - 1])) + b[l][j] for j in range(size[l])]
        a[l] = [f(l, j)(z[l][j]) for j in range(size[l])]
    delta[last] = [(a[last][j] - y[j]) * slope(last, j)(z[last][j]) for j in range(size[last])]
    for l in range(last - 1, 1, -1):
        sent = [sum(w[l + 1][k, j] * delta[l + 1][k] for k in range(size[l + 1])) for j in range(size[l])]
        delta[l] = [sent[j] * slope(l, j)(z[l][j]) for j in range(size[l])]
    dw = {l: np.array([[a[l - 1][k] * delta[l][j] for k in range(size[l - 1])] for j in range(size[l])]) for l in w}
    db = {l: np.array(delta[l]) for l in w}
    return SimpleNamespace(z=z, a=a, delta=delta, dw=dw, db=db)


# ---- Document A: notation, two assumptions, the quadratic cost ----


def test_A1_any_weight_and_any_bias(net):
    for param in net.g.params.values():
        close(net.run.grad(param), slopes(lambda: net.g.forward(x=X, t=Y).cost, param.value), 1e-7)


def test_A1_C13_any_weight_also_where_paths_fork_and_weights_are_shared():
    g = mg.Graph("two towers", seed=2)
    left, right = g.input("left", 4), g.input("right", 4)
    tower = Dense(3, "sigmoid", name="tower")
    both = Concat()(tower(left), tower(right, name="again"))
    h = Dense(5, "tanh", name="h")(both)
    out = Dense(2, "sigmoid", name="out")(Add()(h, h, Dense(5, name="side")(h)))
    g.cost(Quadratic(), out)
    feeds = {"left": X, "right": X[::-1] ** 2, "t": Y}
    run = g.forward(feeds).backward()
    for param in g.params.values():
        close(run.grad(param), slopes(lambda: g.forward(feeds).cost, param.value), 1e-7)

    # what came back along each edge, their sum, then the scaling by h's own slope
    back = [run.edge("h", "add", 0).grad, run.edge("h", "add", 1).grad, run.edge("h", "side").grad]
    error = run["out"].delta @ g["out"].layer.w.value
    for found, expected in zip(back, [error, error, error @ g["side"].layer.w.value], strict=True):
        close(found, expected)
    close(run["h"].error, back[0] + back[1] + back[2])
    close(run["h"].delta, run["h"].error * (1 - np.tanh(run["h"].z) ** 2))


@pytest.mark.parametrize("width", [3, 30])
def test_A2_one_backward_call_a_layer_where_differences_need_two_forwards_a_weight(width):
    calls = Counter()

    class Counted(Dense):
        def forward(self, at, a):
            calls["forward"] += 1
            return super().forward(at, a)

        def backward(self, at, error):
            calls["backward"] += 1
            return super().backward(at, error)

    net = learned(network([4, width, 2], dense=Counted))
    gradients = [net.run.grad(p) for p in net.g.params.values()]
    assert calls == {"forward": 2, "backward": 2}
    calls.clear()
    differences = [slopes(lambda: net.g.forward(x=X, t=Y).cost, p.value) for p in net.g.params.values()]
    assert calls == {"forward": 2 * 2 * (4 * width + width + width * 2 + 2)}
    for gradient, difference in zip(gradients, differences, strict=True):
        close(gradient, difference, 1e-7)


def test_A3_C6_the_gradient_tells_how_the_cost_moves(net):
    def missed(eps):  # C(w + ε e_jk) − C(w) − ε ∂C/∂w_jk, for every weight and bias
        for param in net.g.params.values():
            gradient = net.run.grad(param)
            for jk in np.ndindex(param.shape):
                there = param.value[jk]
                param.value[jk] += eps
                yield net.g.forward(x=X, t=Y).cost - net.run.cost - eps * gradient[jk]
                param.value[jk] = there

    ratio = np.linalg.norm(list(missed(1e-3))) / np.linalg.norm(list(missed(0.5e-3)))
    assert ratio == pytest.approx(4, rel=0.01)  # O(ε²); a gradient that is off would give 2


def test_A5_A10_C1_every_letter_of_the_notation_has_its_number(one):
    by_hand = five_steps(values(one.w), values(one.b), X[0], Y[0])
    for l in LAYERS:
        layer = one.run.layers[l]
        assert layer.b.shape == layer.a.shape == (SIZES[l - 1],)
        for j in range(SIZES[l - 1]):
            assert layer.b[j] == one.b[l].value[j]
            assert [layer.w[j, k] for k in range(SIZES[l - 2])] == one.w[l].value[j].tolist()
            close(layer.z[j], by_hand.z[l][j])
            close(layer.a[j], by_hand.a[l][j])
            close(layer.delta[j], by_hand.delta[l][j])


@pytest.mark.parametrize(("attribute", "symbol"), [("w", "w"), ("b", "b"), ("z", "z"), ("delta", "δ")])
def test_A5_C1_the_input_layer_has_no_weights_and_says_so(net, attribute, symbol):
    close(net.run.layers[1].a, X)
    with pytest.raises(GraphError, match=rf"no {symbol}\^1: layer 1 is the input"):
        getattr(net.run.layers[1], attribute)


def test_A7_A8_A13_C3_component_matrix_and_batch_form_agree(net):
    for x in range(M):
        a = X[x]
        for l in LAYERS:
            w, b, layer = net.w[l].value, net.b[l].value, net.run.layers[l]
            z_by_components = []
            for j in range(SIZES[l - 1]):
                z_j = b[j]
                for k in range(SIZES[l - 2]):
                    z_j += w[j, k] * a[k]
                z_by_components.append(z_j)
            close(layer.z[x], z_by_components)
            close(layer.z[x], w @ a + b)
            a = [1 / (1 + math.exp(-z_j)) for z_j in z_by_components]
            close(layer.a[x], a)


@pytest.mark.parametrize("fan_in", [1, 100])
def test_A7_the_bias_is_added_once_whatever_the_fan_in(fan_in):
    layer = Dense(2, weights="ones", biases=lambda shape, rng: np.array([0.25, -0.5]))
    g = mg.Sequential(fan_in, layer)
    assert g.forward(x=np.ones((3, fan_in)))["dense"].z.tolist() == [[fan_in + 0.25, fan_in - 0.5]] * 3


def test_A9_w_jk_leads_from_neuron_k_to_neuron_j_alone(net):
    w, layer = net.w[3].value, net.run.layers[3]
    assert w.shape == (SIZES[2], SIZES[1])
    for j, k in np.ndindex(w.shape):
        w[j, k] += 0.5
        moved = net.g.forward(x=X, t=Y).layers[3].z - layer.z
        w[j, k] -= 0.5
        expected = np.zeros_like(moved)
        expected[:, j] = 0.5 * net.run.layers[2].a[:, k]
        close(moved, expected)


@pytest.mark.parametrize("name", mg.activations.NAMED)
def test_A11_an_activation_acts_on_each_component(name):
    v = np.linspace(-3, 3, 10)
    run = mg.Sequential(10, mg.layers.Activation(name)).forward(x=v)
    single = mg.Sequential(1, mg.layers.Activation(name))
    close(run["activation"].a, [single.forward(x=v[j : j + 1])["activation"].a[0] for j in range(10)], 1e-15)


def test_A11_softmax_is_not_of_this_kind():
    g = mg.Sequential(3, Softmax())
    before, after = g.forward(x=[1.0, 2.0, 3.0]), g.forward(x=[1.0, 2.0, 4.0])
    assert (before["softmax"].a[:2] != after["softmax"].a[:2]).all()
    assert "Not elementwise" in Softmax.__doc__
    with pytest.raises(GraphError, match="softmax"):
        Dense(3, "softmax")


def test_A12_z_is_kept_and_a_is_exactly_sigma_of_it(net):
    for name in ("dense", "dense_1", "dense_2"):
        z, a = net.run[name].z, net.run[name].a
        np.testing.assert_array_equal(a, mg.activations.sigmoid(z))
        np.testing.assert_allclose(a, 1 / (1 + np.exp(-z)), rtol=1e-14)


LABELS = np.arange(M) % 2
COSTS = {
    "quadratic": (Quadratic(), None, Y, lambda a, y: sum((y - a) ** 2) / 2),
    "weighted": (Quadratic(weight=3.0), None, Y, lambda a, y: 1.5 * sum((y - a) ** 2)),
    "binary cross-entropy": (
        BinaryCrossEntropy(),
        None,
        Y,
        lambda z, y: -sum(y * np.log(sigma(z)) + (1 - y) * np.log(1 - sigma(z))),
    ),
    "labels": (SoftmaxCrossEntropy(), None, LABELS, lambda z, y: -np.log(np.exp(z[y]) / sum(np.exp(z)))),
    "one-hot": (SoftmaxCrossEntropy(), 2, np.eye(2)[LABELS], lambda z, y: -np.log(np.exp(z @ y) / sum(np.exp(z)))),
}


@pytest.mark.parametrize(("cost", "declared", "target", "by_hand"), COSTS.values(), ids=COSTS)
def test_A14_C7_the_cost_is_the_average_of_the_costs_of_the_examples(cost, declared, target, by_hand):
    layer = Dense(2, weights="normal")
    g = mg.Sequential(4, layer, seed=5)
    if declared is not None:
        g.input("t", declared)
    node = g.cost(cost, g["dense"], target="t")
    run = g.forward(x=X, t=target)
    each = [g.forward(x=X[i], t=target[i]).cost for i in range(M)]
    close(each, [by_hand(run["dense"].a[i], target[i]) for i in range(M)])
    close(run[node].a, each)
    close(run.cost, sum(each) / M)
    close(run.backward().grad(layer.w), slopes(lambda: g.forward(x=X, t=target).cost, layer.w.value), 1e-7)


def test_A14_a_cost_of_the_batch_as_a_whole_is_refused():
    class Worst(Cost):
        def forward(self, at, a, y):
            return np.max(abs(a - y))

    g = mg.Sequential(4, Dense(2), cost=Worst())
    with pytest.raises(LayerError, match=r"forward .*\(7,\)"):
        g.forward(x=X, t=Y)


def test_A15_B11_the_gradient_is_the_average_of_the_examples_gradients(net):
    singles = [net.g.forward(x=X[i], t=Y[i]).backward() for i in range(M)]
    for param in net.g.params.values():
        each = net.run.grad(param, per="example")
        assert each.shape == (M, *param.shape)
        close(each, [single.grad(param) for single in singles])
        close(net.run.grad(param), sum(each) / M)


def test_A16_C7_the_cost_is_a_function_of_the_outputs_and_y_is_no_variable(net):
    assert net.g.outputs == [net.g["dense_2"]]
    for run in (net.run, net.g.forward(x=X, t=Y).backward(wrt="t")):  # not even when asked for
        with pytest.raises(NoPathError, match="'t'"):
            run["t"].delta  # noqa: B018
        with pytest.raises(NoPathError, match="constant"):
            run.edge("t", "quadratic").grad  # noqa: B018
    net.g.cost(Quadratic(), net.g["dense"], target="t2")
    assert net.g.outputs == [net.g["dense_2"], net.g["dense"]]


def drawn_edges(dot):
    """The edges of a drawing and how they are drawn, by the names of the nodes."""
    names = {int(k): name for k, name in re.findall(r"^\s*n(\d+) \[.* tooltip=(\w+)", dot, re.M)}
    edges = re.findall(r"^\s*n(\d+) -> n(\d+) \[(.*)\]$", dot, re.M)
    return {(names[int(u)], names[int(v)]): look for u, v, look in edges}


def test_A17_outputs_lead_into_the_cost_and_y_comes_from_the_side(net):
    edges = drawn_edges(net.g.picture().dot)
    into_cost = {source: look for (source, target), look in edges.items() if target == "quadratic"}
    assert list(into_cost) == ["dense_2", "t"]
    assert "dashed" in into_cost["t"]
    assert not any("dashed" in look for (source, _), look in edges.items() if source != "t")


def test_A19_the_picture_tells_how_much_comes_back_along_each_edge(net):
    links = [("dense", "dense_1"), ("dense_1", "dense_2"), ("dense_2", "quadratic")]
    edges = drawn_edges(net.run.picture().dot)
    assert [edge for edge, look in edges.items() if "dir=back" in look] == links
    sizes = [np.sqrt(np.mean(net.run.edge(*link).grad ** 2)) for link in links]
    numbers = [float(re.search(r">([\d.e+-]+)</FONT>", edges[link])[1]) for link in links]
    widths = [float(re.search(r"penwidth=([\d.]+)", edges[link])[1]) for link in links]
    assert numbers == pytest.approx(sizes, rel=0.01)
    assert np.argsort(widths).tolist() == np.argsort(sizes).tolist()
    before = drawn_edges(net.g.forward(x=X, t=Y).picture().dot)
    assert not any("dir=back" in look for look in before.values())  # no gradients before there are any


def test_A18_the_quadratic_cost_by_hand():
    g = mg.Graph(seed=0)
    g.cost(Quadratic(), g.input("a", 2), target="y")
    a, y = [[3.0, 4.0], [1.0, 1.0]], [[0.0, 0.0], [1.0, 3.0]]
    run = g.forward(a=a, y=y).backward(wrt="a")
    assert run["quadratic"].a.tolist() == [12.5, 2.0]  # half of 3² + 4², half of 0² + 2²
    assert run.cost == (25 + 4) / (2 * run.m) == 7.25
    assert run.edge("a", "quadratic").grad.tolist() == [[3.0, 4.0], [0.0, -2.0]]  # a − y


def test_A18_the_summary_names_L_x_y_and_the_cost(net):
    table = net.g.summary()
    assert f"L = {L}" in table
    for words in (["1", "x", "input"], ["t", "target"], ["quadratic", "Quadratic"]):
        assert any(line.split()[: len(words)] == words for line in table.splitlines()), words


# ---- Document B: the algorithm ----


def test_B1_step_1_the_activation_of_layer_1_is_x(net):
    np.testing.assert_array_equal(net.run.layers[1].a, X)
    assert net.run.layers.L == len(net.run.layers) == L
    with pytest.raises(GraphError, match=r"l = 1.* L = 4"):
        net.run.layers[0]


def test_B2_B4_forward_visits_2_to_L_and_backward_the_reverse():
    forward, backward = [], []
    g = network()
    run = g.forward(x=X, t=Y, observe=lambda node, _: forward.append(node.name))
    run.backward(observe=lambda node, _: backward.append(node.name))
    assert [name for name in forward if name not in ("x", "t")] == ["dense", "dense_1", "dense_2", "quadratic"]
    assert backward == ["quadratic", "dense_2", "dense_1", "dense"]


def test_B1_B2_B3_B4_B5_C21_the_five_steps(net):
    for x in range(M):
        by_hand = five_steps(values(net.w), values(net.b), X[x], Y[x])
        for l in LAYERS:
            layer = net.run.layers[l]
            close(layer.z[x], by_hand.z[l])
            close(layer.a[x], by_hand.a[l])
            close(layer.delta[x], by_hand.delta[l])
            close(net.run.grad(net.w[l], per="example")[x], by_hand.dw[l])
            close(net.run.grad(net.b[l], per="example")[x], by_hand.db[l])


def test_B4_first_the_transpose_then_the_hadamard_product():
    net = learned(network([3, 3, 3, 3]), X[0, :3], X[1, :3])  # square, so that only the value can tell
    for l in INNER:
        w, delta, slope = net.w[l + 1].value, net.run.layers[l + 1].delta, sigma_slope(net.run.layers[l].z)
        close(net.run.layers[l].delta, (w.T @ delta) * slope)
        for slip in (w.T @ (delta * slope), (w @ delta) * slope):
            assert abs(net.run.layers[l].delta - slip).max() > 0.01 * abs(slip).max()


def test_B5_all_gradients_come_out_of_one_backward(net):
    steps = []
    net.run.backward(observe=lambda node, _: steps.append(node))
    assert len(steps) == len(set(steps)) == L  # the cost and L − 1 layers, each once
    again = learned(network()).run
    for l in LAYERS:
        twin = again.layers[l].node.layer
        np.testing.assert_array_equal(net.run.grad(net.w[l]), again.grad(twin.w))  # a second backward adds nothing up
        np.testing.assert_array_equal(net.run.grad(net.b[l]), again.grad(twin.b))


def test_B6_C20_backward_because_each_error_waits_for_the_next(net):
    run = net.g.forward(x=X, t=Y)
    with pytest.raises(NotComputedError, match=r"δ.*not computed yet"):
        run.layers[L].delta  # noqa: B018

    def known():
        for l in LAYERS:
            with suppress(NotComputedError):
                yield f"δ^{l}", run.layers[l].delta
            with suppress(NotComputedError):
                yield f"∂C/∂b^{l}", run.grad(net.b[l])
            with suppress(NotComputedError):
                yield f"∂C/∂w^{l}", run.grad(net.w[l])

    steps = [set(dict(known()))]
    run.backward(observe=lambda *_: steps.append(set(dict(known()))))
    assert [after - before for before, after in pairwise(steps)] == [
        set(),  # the cost: ∇ₐC, which BP1 takes
        {"δ^4", "∂C/∂b^4", "∂C/∂w^4"},  # BP1, BP3, BP4
        {"δ^3", "∂C/∂b^3", "∂C/∂w^3"},  # BP2, BP3, BP4
        {"δ^2", "∂C/∂b^2", "∂C/∂w^2"},
    ]


# ---- Document C: the four equations ----


def test_C2_shapes_with_n_neurons_in_layer_l_and_m_before(one):
    for l in LAYERS:
        n, m, layer = SIZES[l - 1], SIZES[l - 2], one.run.layers[l]
        assert layer.w.shape == one.run.grad(one.w[l]).shape == (n, m)
        assert layer.b.shape == layer.z.shape == layer.a.shape == layer.delta.shape == (n,)
        assert one.run.layers[l - 1].a.shape == (m,)


def test_C4_the_hadamard_product_is_elementwise():
    g = mg.Graph(seed=0)
    g.output(Multiply()(g.input("s", 3), g.input("t", 3)))
    assert g.forward(s=[1.0, 2.0, 3.0], t=[4.0, 5.0, 6.0])["multiply"].a.tolist() == [4.0, 10.0, 18.0]


def test_C4_operands_of_other_shapes_are_refused_and_never_broadcast(net):
    with pytest.raises(FeedError, match=r"\(7, 2\).*\(7, 1\)"):
        net.run.backward("dense_2", np.ones((M, 1)))
    with pytest.raises(FeedError, match=r"\(2,\).*\(2, 1\)"):
        net.g.forward(x=X[0], t=Y[0][:, None])

    g = mg.Graph(seed=0)
    with pytest.raises(ShapeError, match="broadcast to one"):
        Multiply()(g.input("s", 3), g.input("t", 2))
    with pytest.raises(ShapeError, match="nothing is broadcast"):
        g.cost(Quadratic(), g["s"], target=g.input("y", (3, 1)))

    class Column(Identity):
        def backward(self, at, error):
            return error[:, :1]  # numpy would stretch it over all neurons before

    g = mg.Sequential(4, Dense(3), Column(), Dense(2), cost=Quadratic())
    with pytest.raises(LayerError, match=r"backward .*\(7, 3\).*\(7, 1\)"):
        g.forward(x=X, t=Y).backward()


class Nudged(Dense):
    """Neurons whose weighted input can be pushed, z = w a + b + push: the demon of the book's second chapter."""

    def build(self, shape, **context):
        self.push = np.zeros((M, self.units))
        return super().build(shape, **context)

    def weigh(self, at, a):
        z = super().weigh(at, a)
        z += self.push
        return z


def test_C8_C11_delta_is_the_rate_at_which_C_x_moves_with_z():
    g = network(dense=Nudged)
    run = g.forward(x=X, t=Y).backward()
    for l in LAYERS:
        moved = slopes(lambda: g.forward(x=X, t=Y)["quadratic"].a.sum(), run.layers[l].node.layer.push)
        close(run.layers[l].delta, moved, 1e-7)


@pytest.mark.parametrize("l", INNER)
def test_C9_C12_the_chain_rule_link_by_link(l):
    g = network(dense=Nudged)
    run = g.forward(x=X, t=Y).backward()
    pushed, nxt = run.layers[l].node.layer, run.layers[l + 1]
    for j in range(SIZES[l - 1]):

        def z_next(step, j=j):
            pushed.push[:, j] = step
            layers = g.forward(x=X, t=Y).layers
            pushed.push[:, j] = 0
            if l > 2:
                np.testing.assert_array_equal(layers[l - 1].z, run.layers[l - 1].z)  # z^l moves nothing before it
            return layers[l + 1].z

        moved = (z_next(H) - z_next(-H)) / (2 * H)  # ∂z^{l+1}_k/∂z^l_j for all k, row by row
        assert (moved != 0).all()
        close(moved, np.outer(sigma_slope(run.layers[l].z[:, j]), nxt.w[:, j]), 1e-7)  # = w_kj σ'(z_j)
        close(run.layers[l].delta[:, j], (nxt.delta * moved).sum(axis=1), 1e-7)  # δ_j = Σ_k δ_k ∂z_k/∂z_j


@pytest.mark.parametrize("form", ["components", "matrix"])
def test_B3_C10_C19_BP1(one, form):
    z, delta = one.run.layers[L].z, one.run.layers[L].delta
    gradient = one.run.edge("dense_2", "quadratic").grad
    if form == "components":
        for j in range(SIZES[-1]):
            close(gradient[j], one.run.layers[L].a[j] - Y[0][j])  # ∂C/∂a_j
            close(delta[j], gradient[j] * sigma_slope(z[j]))
    else:
        close(delta, (one.run.layers[L].a - Y[0]) * sigma_slope(z))


@pytest.mark.parametrize("form", ["components", "matrix"])
def test_B4_C12_C14_C19_BP2(one, form):
    for l in INNER:
        here, nxt = one.run.layers[l], one.run.layers[l + 1]
        if form == "components":
            for j in range(SIZES[l - 1]):
                total = sum(nxt.w[k, j] * sigma_slope(here.z[j]) * nxt.delta[k] for k in range(SIZES[l]))
                close(here.delta[j], total)
        else:
            close(here.delta, (nxt.w.T @ nxt.delta) * sigma_slope(here.z))
    for l in range(L, 2, -1):  # the same, counted as C counts: from l back to l − 1
        here, before = one.run.layers[l], one.run.layers[l - 1]
        close(before.delta, (here.w.T @ here.delta) * sigma_slope(before.z))


@pytest.mark.parametrize("form", ["components", "matrix"])
def test_B5_C15_C19_BP3(one, net, form):
    for l in LAYERS:
        gradient, delta = one.run.grad(one.b[l]), one.run.layers[l].delta
        if form == "components":
            assert [gradient[j] for j in range(SIZES[l - 1])] == [delta[j] for j in range(SIZES[l - 1])]  # exactly
        else:
            np.testing.assert_array_equal(gradient, delta)
            close(net.run.grad(net.b[l]), sum(net.run.layers[l].delta) / M)  # of a batch: the mean over its rows


@pytest.mark.parametrize("form", ["components", "matrix"])
def test_B5_C16_C17_C19_BP4(one, net, form):
    for l in LAYERS:
        gradient, a_in, delta_out = one.run.grad(one.w[l]), one.run.layers[l - 1].a, one.run.layers[l].delta
        if form == "components":
            for j in range(SIZES[l - 1]):
                for k in range(SIZES[l - 2]):
                    close(gradient[j, k], a_in[k] * delta_out[j])
        else:
            close(gradient, np.outer(delta_out, a_in))
            each = [np.outer(net.run.layers[l].delta[x], net.run.layers[l - 1].a[x]) for x in range(M)]
            close(net.run.grad(net.w[l]), sum(each) / M)


def test_C13_weighted_errors_are_summed_and_then_scaled(one):
    for l in INNER:
        here, nxt = one.run.layers[l], one.run.layers[l + 1]
        summed = one.run.edge(here.node, nxt.node).grad
        for j in range(SIZES[l - 1]):
            contributions = [nxt.w[k, j] * nxt.delta[k] for k in range(SIZES[l])]
            close(summed[j], sum(contributions))
            close(here.delta[j], summed[j] * sigma_slope(here.z[j]))


def test_C18_where_a_in_is_zero_the_weight_does_not_learn_but_the_bias_does():
    x = X.copy()
    x[:, 2] = 0
    net = learned(network(), x)
    gradient = net.run.grad(net.w[2])
    assert (gradient[:, 2] == 0).all()
    assert (gradient[:, [0, 1, 3]] != 0).all()
    assert (net.run.grad(net.b[2]) != 0).all()
