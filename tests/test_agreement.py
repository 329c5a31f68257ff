"""What layers and scheduler both keep: promises 9, 10 and 12–16 of the design."""

import numpy as np
import pytest
from oddities import Scale, Through, around, close, custom, fed, slopes

import minigraph as mg
from minigraph.costs import BinaryCrossEntropy, Quadratic, SoftmaxCrossEntropy
from minigraph.errors import GraphError, NoPathError, ShapeError
from minigraph.layers import Activation, Add, Concat, Dense, Flatten, Identity, Multiply, Softmax, StopGradient

# ---- 9: errors are per example and not divided by m ----


def test_promise_09_errors_do_not_change_with_the_batch():
    g = around(custom())
    big = g.forward(fed(0, m=6)).backward(wrt="x")
    for rows in (slice(0, 1), slice(2, 5)):
        small = g.forward({name: array[rows] for name, array in fed(0, m=6).items()}).backward(wrt="x")
        for name in ("x", "h", "custom", "y"):
            close(small[name].delta, big[name].delta[rows])
        close(small.edge("custom", "y").grad, big.edge("custom", "y").grad[rows])
        assert np.array_equal(small["cost"].error, np.ones(len(small["y"].a)))


def test_promise_09_a_row_of_delta_is_the_derivative_of_the_sum_over_examples():
    offset = np.zeros((3, 3))
    g = around(custom(forward=lambda self, at, x: x + offset))
    run = g.forward(fed(0, 3)).backward()
    close(run["custom"].delta, slopes(lambda: g.forward(fed(0, 3))["cost"].a.sum(), offset))


def test_promise_09_costs_are_vectors_and_the_cost_their_mean():
    g = around(custom())
    run = g.forward(fed(0, 5))
    y, t = run["y"].a, fed(0, 5)["t"]
    expected = [0.5 * sum((y[i, j] - t[i, j]) ** 2 for j in range(2)) for i in range(5)]
    close(run["cost"].a, expected)
    assert run.cost == pytest.approx(sum(expected) / 5, rel=1e-14)
    alone = g.forward(fed(0, None))
    assert alone["cost"].a.shape == ()
    assert alone.cost == alone["cost"].a


@pytest.mark.parametrize("m", [1, 3, 8])
def test_promise_09_gradients_are_means_and_an_optimizer_applies_them(m):
    g = around(Scale())
    run = g.forward(fed(0, m)).backward()
    expected = {}
    for name, param in g.params.items():
        close(run.grad(param), slopes(lambda: g.forward(fed(0, m)).cost, param.value))
        expected[name] = param.value - 0.3 * run.grad(param)
    mg.SGD(0.3).step(run)
    for name, param in g.params.items():
        close(param.value, expected[name])


# ---- 10: shares ----


def test_promise_10_a_records_grad_is_this_uses_share_summed_over_examples():
    g = mg.Graph(seed=0)
    tower = Dense(3, "tanh")
    g.cost(Quadratic(), Multiply()(tower(g.input("x", 3), name="u"), tower(g.input("y", 3), name="v")), name="cost")
    rng = np.random.default_rng(0)
    feeds = {name: rng.normal(size=(5, 3)) for name in ("x", "y", "t")}
    run = g.forward(feeds).backward()
    shares = {name: sum(np.outer(run[name].delta[i], run[name].inputs[0][i]) for i in range(5)) for name in "uv"}
    for name in "uv":
        close(run[name].grad[tower.w], shares[name])
        close(run.grad(tower.w, per="use")[name], shares[name] / 5)
    close(run.grad(tower.w), (shares["u"] + shares["v"]) / 5)
    examples = run.grad(tower.w, per="example")
    assert examples.shape == (5, 3, 3)
    for i in range(5):
        expected = sum(np.outer(run[name].delta[i], run[name].inputs[0][i]) for name in "uv")
        close(examples[i], expected)


# ---- 12 and 13: neurons, activations, delta ----


def test_promise_12_delta_is_the_derivative_by_z():
    nudge = np.zeros((4, 3))
    dense = type("Nudged", (Dense,), {"weigh": lambda self, at, a: Dense.weigh(self, at, a) + nudge})(
        3, ["tanh", "relu", (lambda z: z**2, lambda z: 2 * z)]
    )
    g = around(dense)
    run = g.forward(fed(0)).backward()
    close(run["custom"].delta, slopes(lambda: g.forward(fed(0))["cost"].a.sum(), nudge))
    assert abs(run["custom"].delta).min(axis=0)[0] > 0


def test_promise_12_a_list_gives_each_neuron_its_own():
    kinds = ["tanh", "sigmoid", "relu", "identity"]
    g = mg.Sequential(3, Dense(4, kinds), cost=Quadratic(), seed=0)
    x = fed(0)["x"]
    run = g.forward(x=x, t=np.zeros((4, 4))).backward()
    z = run["dense"].z
    close(run["dense"].a, np.stack([np.tanh(z[:, 0]), 1 / (1 + np.exp(-z[:, 1])), z[:, 2] * (z[:, 2] > 0), z[:, 3]], 1))


def test_promise_13_without_weights_delta_is_the_error_of_the_output():
    g = mg.Graph(seed=0)
    x = g.input("x", 3)
    node = Concat()(Add()(Dense(3, "tanh")(x), x), Softmax()(x), Activation("tanh")(Multiply()(x, x)))
    g.cost(Quadratic(), Dense(2)(node), name="cost")
    run = g.forward(fed(0)).backward(wrt=[node.name for node in g.nodes if node is not g["t"]])
    for name in ("add", "softmax", "multiply", "activation", "concat", "cost"):
        assert np.array_equal(run[name].delta, run[name].error)


def test_promise_13_the_slope_of_relu_at_0_is_0():
    g = mg.Sequential(3, Dense(2, "relu"), cost=Quadratic())
    run = g.forward(x=np.zeros((4, 3)), t=np.ones((4, 2))).backward()
    assert (run["dense"].error == -1.0).all()
    assert (run["dense"].delta == 0.0).all()


# ---- 14: shapes ----


def test_promise_14_w_jk_leads_from_neuron_k_to_neuron_j():
    g = mg.Sequential(3, Dense(2), seed=0)
    w, b, x = g.params["dense.w"].value, g.params["dense.b"].value, fed(0)["x"]
    assert (w.shape, b.shape) == ((2, 3), (2,))
    b += 1.0
    z = g.forward(x=x)["dense"].z
    for i in range(4):
        for j in range(2):
            assert z[i, j] == pytest.approx(sum(w[j, k] * x[i, k] for k in range(3)) + b[j], rel=1e-12)


def test_promise_14_without_a_batch_axis_it_is_one_example():
    g = mg.Graph(seed=0)
    h = g.input("image", (2, 3)) >> Flatten() >> Dense(4)
    g.cost(SoftmaxCrossEntropy(), h, target="label")
    images, labels = np.random.default_rng(0).normal(size=(5, 2, 3)), np.array([0, 1, 2, 3, 0])
    batch = g.forward(image=images, label=labels).backward(wrt="image")
    for i in range(5):
        one = g.forward(image=images[i], label=int(labels[i])).backward(wrt="image")
        for name in ("image", "flatten", "dense"):
            close(one[name].a, batch[name].a[i])
            close(one[name].delta, batch[name].delta[i])
        assert one["label"].a.shape == ()
        assert one["dense"].inputs[0].shape == (6,)
        assert one.grad(h.layer.w).shape == (4, 6)
        close(one.grad(h.layer.w, per="example"), one.grad(h.layer.w)[None])
    assert batch["label"].a.shape == (5,)
    assert g["label"].shape == ()


# ---- 15: checked once, where the message can name everything ----


def test_promise_15_shapes_are_checked_when_a_node_is_added_and_then_no_more():
    built = []

    def build(self, shape, **_):
        built.append(shape)
        return Through.build(self, shape)

    g = mg.Graph()
    layer = custom(build=build)
    g.output(layer(layer(g.input("x", (2, 3)))))
    assert built == [(2, 3), (2, 3)]
    run = g.forward(x=np.ones((4, 2, 3)))
    run.forward(x=np.ones((1, 2, 3)))
    g.copy().forward(x=np.ones((2, 3)))
    assert len(built) == 2


def test_promise_15_a_wrong_shape_names_layer_node_what_it_takes_what_it_got_and_the_line():
    g = mg.Graph()
    x = g.input("x", ())
    with pytest.raises(ShapeError) as caught:
        g.add(Dense(10), x, name="h1")
    line = caught.traceback[0].lineno + 1
    expected = (
        f"Dense 'h1' takes vectors, got single numbers: put Reshape(1) before it (added at test_agreement.py:{line})"
    )
    assert str(caught.value) == expected
    assert g.nodes == [x]
    assert "h1" not in g.names.nodes


def test_promise_15_integers_do_not_go_into_layers_of_floats():
    g = mg.Graph()
    label = g.input("label", 3, dtype=int)
    for layer in (Dense(2), Flatten(), Identity(), Softmax(), Activation("tanh")):
        with pytest.raises(ShapeError, match="takes floats, got the integers of 'label'"):
            g.add(layer, label)
    with pytest.raises(ShapeError, match="takes floats"):
        Concat()(g.input("x", 3), label)
    assert len(g.nodes) == 2


# ---- 16: targets ----


@pytest.mark.parametrize("cost", [Quadratic(), BinaryCrossEntropy()])
def test_promise_16_targets_are_constants(cost):
    g = mg.Graph(seed=0)
    g.cost(cost, g.input("x", 3) >> Dense(2), target="t", name="cost")
    run = g.forward(x=fed(0)["x"], t=np.full((4, 2), 0.5)).backward(wrt="t")
    for read in (lambda: run["t"].delta, lambda: run.edge("t", "cost").grad):
        with pytest.raises(NoPathError):
            read()
    assert run["t"].state == "no path"
    assert g.targets == [g["t"]]


def test_promise_16_a_computed_target_is_refused_unless_its_gradient_is_stopped():
    g = mg.Graph(seed=0)
    x = g.input("x", 3)
    u, v = Dense(2, name="u")(x), Dense(2, "tanh", name="v")(x)
    nodes = list(g.nodes)
    for target in (v, "v"):
        with pytest.raises(GraphError, match=r"takes an input as its target, got the computed 'v'.*StopGradient\(\)"):
            g.cost(Quadratic(), u, target=target)
    with pytest.raises(GraphError, match="StopGradient"):
        g.add(Quadratic(), u, v)
    assert g.nodes == nodes
    g.cost(Quadratic(), u, target=StopGradient()(v), name="cost")
    g.output(v)
    run = g.forward(x=fed(0)["x"]).backward()
    close(run["u"].delta, run["u"].a - run["v"].a)
    assert run["v"].state == "no path"
    assert len(gradients_with_path(run)) == 2


def gradients_with_path(run):
    found = []
    for param in run.graph.params.values():
        try:
            found.append(run.grad(param))
        except NoPathError:
            continue
    return found
