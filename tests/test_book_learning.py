"""The source documents as tests, continued: what document B makes of the algorithm.

Its two exercises (B7, B8), one example and many (B9–B11), and learning (B12–B14). The network, its data and the
algorithm by components are those of test_book.py. The mark on exercise 1's neuron in drawings, and the simplified
equations that `explain` prints in exercise 2, come with those modules.
"""

# ruff: noqa: E741  (l is the book's letter for layers)

import math

import numpy as np
import pytest
from test_book import LAYERS, SIZES, L, M, X, Y, close, five_steps, learned, network, sigma, sigma_slope, slopes, values

import minigraph as mg
from minigraph.costs import Quadratic, SoftmaxCrossEntropy
from minigraph.errors import FeedError, GraphError
from minigraph.layers import Dense, Identity

# ---- Exercise 1: neuron `odd` of layer l has f = sin instead of σ ----

EXERCISE_1 = pytest.mark.parametrize(("l", "odd"), [(3, 1), (L, 0)], ids=["hidden", "output"])


def with_odd_neuron(l, odd):
    kinds = ["sigmoid"] * SIZES[l - 1]
    kinds[odd] = (np.sin, np.cos)
    return network(kinds={l: kinds})


@EXERCISE_1
def test_B7_exercise_1_against_the_algorithm_with_f_there_and_against_differences(l, odd):
    net = learned(with_odd_neuron(l, odd))
    for x in range(M):
        by_hand = five_steps(
            values(net.w),
            values(net.b),
            X[x],
            Y[x],
            f=lambda layer, j: np.sin if (layer, j) == (l, odd) else sigma,
            slope=lambda layer, j: np.cos if (layer, j) == (l, odd) else sigma_slope,
        )
        for layer in LAYERS:
            close(net.run.layers[layer].a[x], by_hand.a[layer])
            close(net.run.layers[layer].delta[x], by_hand.delta[layer])
            close(net.run.grad(net.w[layer], per="example")[x], by_hand.dw[layer])
    for param in net.g.params.values():
        close(net.run.grad(param), slopes(lambda: net.g.forward(x=X, t=Y).cost, param.value), 1e-7)


@EXERCISE_1
def test_B7_exercise_1_forward_only_a_j_changes_and_what_lies_behind_it(l, odd):
    plain, modified = network().forward(x=X, t=Y).layers, with_odd_neuron(l, odd).forward(x=X, t=Y).layers
    others = np.arange(SIZES[l - 1]) != odd
    for before in range(1, l):
        np.testing.assert_array_equal(modified[before].a, plain[before].a)
    np.testing.assert_array_equal(modified[l].z, plain[l].z)
    np.testing.assert_array_equal(modified[l].a[:, others], plain[l].a[:, others])
    close(modified[l].a[:, odd], np.sin(plain[l].z[:, odd]))
    for behind in range(l + 1, L + 1):
        assert (modified[behind].z != plain[behind].z).all()


@EXERCISE_1
def test_B7_exercise_1_backward_only_the_factor_in_delta_j_changes(l, odd):
    error = np.random.default_rng(4).normal(size=(M, SIZES[l - 1]))  # the same from behind, in both networks
    plain, modified = (learned(g) for g in (network(), with_odd_neuron(l, odd)))
    for net in (plain, modified):
        net.run.backward(net.run.layers[l].node, error)
    others = np.arange(SIZES[l - 1]) != odd
    delta, usual, z = modified.run.layers[l].delta, plain.run.layers[l].delta, plain.run.layers[l].z
    np.testing.assert_array_equal(delta[:, others], usual[:, others])
    close(delta[:, odd], error[:, odd] * np.cos(z[:, odd]))
    a = plain.run.layers[l - 1].a
    close(modified.run.grad(modified.b[l]), sum(delta) / M)  # BP3, BP4 and BP2 are as ever
    close(modified.run.grad(modified.w[l]), np.einsum("xj,xk->jk", delta, a) / M)
    close(modified.run.layers[l - 1].delta, delta @ modified.w[l].value * sigma_slope(plain.run.layers[l - 1].z))


def test_B7_exercise_1_f_without_its_derivative_is_refused_by_number():
    with pytest.raises(GraphError, match=r"neuron 2\b.*derivative"):
        Dense(3, ["sigmoid", "sigmoid", np.sin])


# ---- Exercise 2: linear neurons throughout, σ(z) = z ----

LINEAR = dict.fromkeys(LAYERS, "identity")


def test_B8_exercise_2_a_network_of_linear_neurons_is_one_affine_map():
    net = learned(network(kinds=LINEAR))
    w, b = values(net.w), values(net.b)
    w_total = w[4] @ w[3] @ w[2]
    b_total = w[4] @ w[3] @ b[2] + w[4] @ b[3] + b[4]
    for x in range(M):
        close(net.run.layers[L].a[x], w_total @ X[x] + b_total)


def test_B8_exercise_2_the_errors_lose_sigma_prime_and_the_gradients_have_closed_forms():
    net = learned(network(kinds=LINEAR))
    w, layers = values(net.w), net.run.layers
    close(layers[4].delta, layers[4].a - Y)
    close(layers[3].delta.T, w[4].T @ layers[4].delta.T)
    close(layers[2].delta.T, w[3].T @ w[4].T @ (layers[4].a - Y).T)
    residual = (layers[4].a - Y).T / M  # ∂C/∂w^l = (w^L … w^{l+1})ᵀ · residual · (a^{l−1})ᵀ
    for l, behind in {4: np.eye(2), 3: w[4], 2: w[4] @ w[3]}.items():
        close(net.run.grad(net.w[l]), behind.T @ residual @ layers[l - 1].a)
        close(net.run.grad(net.b[l]), behind.T @ residual.sum(axis=1))


# ---- One example and many ----


def test_B9_one_example_has_no_batch_axis_and_the_same_numbers():
    one = learned(network(), X[0], Y[0])
    batch = learned(network(), X[:1], Y[:1])
    for l in LAYERS:
        for letter in ("z", "a", "delta"):
            single, row = getattr(one.run.layers[l], letter), getattr(batch.run.layers[l], letter)
            assert single.shape == (SIZES[l - 1],)
            close(single, row[0])
        close(one.run.grad(one.w[l]), batch.run.grad(batch.w[l]))


@pytest.mark.parametrize("m", [1, 2, 7])
def test_B10_B11_axis_0_of_z_a_delta_counts_the_examples(m):
    g = network()
    batch = g.forward(x=X[:m], t=Y[:m]).backward()
    for x in range(m):
        alone = g.forward(x=X[x], t=Y[x]).backward()
        for l in LAYERS:
            close(batch.layers[l].z[x], alone.layers[l].z)
            close(batch.layers[l].a[x], alone.layers[l].a)
            close(batch.layers[l].delta[x], alone.layers[l].delta)


def test_B10_an_empty_batch_is_an_error():
    with pytest.raises(FeedError, match="empty"):
        network().forward(x=X[:0], t=Y[:0])


# ---- Learning: one step ----

ETA = 0.3


@pytest.mark.parametrize("m", [1, 3, M])
def test_B12_one_step_by_the_sum_over_the_batch_with_the_old_weights(m):
    net = learned(network(), X[:m], Y[:m])
    w, b = values(net.w), values(net.b)
    examples = [five_steps(w, b, X[x], Y[x]) for x in range(m)]
    mg.SGD(lr=ETA).step(net.run)
    for l in reversed(LAYERS):
        close(net.w[l].value - w[l], -ETA / m * sum(example.dw[l] for example in examples), 1e-11)
        close(net.b[l].value - b[l], -ETA / m * sum(example.db[l] for example in examples), 1e-11)


def test_B12_one_step_of_one_neuron_by_hand():
    g = mg.Sequential(1, Dense(1, "sigmoid"), cost=Quadratic(), seed=0)
    g.params["dense.w"].value = [[0.6]]
    g.params["dense.b"].value = [0.9]
    run = g.forward(x=[1.0], t=[0.0]).backward()
    mg.SGD(lr=0.15).step(run)
    # z = 0.6 + 0.9 = 1.5, a = 0.817574, δ = a · a (1 − a) = 0.121938, and 0.15 δ = 0.018291
    assert g.params["dense.w"].value[0, 0] == pytest.approx(0.581709, abs=1e-6)
    assert g.params["dense.b"].value[0] == pytest.approx(0.881709, abs=1e-6)


def test_B13_the_order_of_the_layers_is_immaterial():
    after = []
    for order in (LAYERS, reversed(LAYERS)):
        net = learned(network())
        for l in order:  # the gradients stay those of the old weights while the weights change one by one
            net.w[l].value -= ETA * net.run.grad(net.w[l])
            net.b[l].value -= ETA * net.run.grad(net.b[l])
        after.append([p.value for p in net.g.params.values()])
    net = learned(network())
    mg.SGD(lr=ETA).step(net.run)
    for up, down, stepped in zip(*after, (p.value for p in net.g.params.values()), strict=True):
        np.testing.assert_array_equal(up, down)
        close(up, stepped, 1e-14)


# ---- Learning: mini-batches and epochs, which the book leaves to the reader ----


class Logged(Identity):
    """Lets x through and writes down which examples came by: their numbers stand in the first column of x."""

    def __init__(self):
        super().__init__()
        self.batches = []

    def forward(self, at, x):
        self.batches.append(x[:, 0].astype(int).tolist())
        return x


def numbered(n):
    rng = np.random.default_rng(n)
    return {"x": np.column_stack([np.arange(n), rng.normal(size=(n, 2))]), "t": rng.uniform(size=(n, 2))}


def fitted(n, m, epochs, seed):
    """Train on n numbered examples; the graph, the batches as they came, the history."""
    log = Logged()
    g = mg.Sequential(3, log, Dense(4, "tanh"), Dense(2, "sigmoid"), cost=Quadratic(), seed=8)
    history = mg.fit(g, numbered(n), epochs=epochs, batch_size=m, optimizer=mg.SGD(lr=ETA), progress=False, seed=seed)
    return g, log.batches, history


@pytest.mark.parametrize(("n", "m"), [(10, 1), (10, 3), (10, 5), (10, 10), (10, 99)])
def test_B14_every_example_once_an_epoch_in_batches_of_m(n, m):
    _, batches, history = fitted(n, m, epochs=3, seed=0)
    steps = math.ceil(n / m)
    assert len(batches) == 3 * steps
    assert history.epoch.tolist() == [1, 2, 3]
    orders = []
    for epoch in range(3):
        dealt = batches[epoch * steps : (epoch + 1) * steps]
        assert [len(batch) for batch in dealt[:-1]] == [m] * (steps - 1)
        orders.append([x for batch in dealt for x in batch])
        assert sorted(orders[-1]) == list(range(n))
    assert orders[0] != orders[1] != orders[2] != list(range(n))


def test_B14_the_seed_decides_the_order():
    _, first, history = fitted(20, 4, epochs=2, seed=5)
    _, again, same_history = fitted(20, 4, epochs=2, seed=5)
    _, other, _ = fitted(20, 4, epochs=2, seed=6)
    assert first == again != other
    np.testing.assert_array_equal(history.cost, same_history.cost)


def test_B14_every_example_keeps_its_target():
    g = mg.Sequential(3, Dense(3, weights=lambda shape, rng: np.eye(3)), cost=Quadratic())
    x = numbered(10)["x"]
    history = mg.fit(g, {"x": x, "t": x}, epochs=2, batch_size=3, optimizer=mg.SGD(lr=ETA), progress=False, seed=0)
    assert history.cost.tolist() == [0, 0]


@pytest.mark.parametrize("m", [1, 3, 10], ids=["on-line", "mini-batch", "batch"])
def test_B14_an_epoch_is_the_books_step_for_one_batch_after_the_other(m):
    start = mg.Sequential(3, Logged(), Dense(4, "tanh"), Dense(2, "sigmoid"), cost=Quadratic(), seed=8).params
    w, b = ({l: start[f"{name}.{p}"].value.copy() for l, name in ((2, "dense"), (3, "dense_1"))} for p in "wb")
    g, batches, history = fitted(10, m, epochs=1, seed=1)
    data, costs = numbered(10), []
    for batch in batches:
        examples = [
            five_steps(
                w,
                b,
                data["x"][x],
                data["t"][x],
                f=lambda l, j: np.tanh if l == 2 else sigma,
                slope=lambda l, j: (lambda z: 1 - np.tanh(z) ** 2) if l == 2 else sigma_slope,
            )
            for x in batch
        ]
        costs += [sum((example.a[3] - data["t"][x]) ** 2) / 2 for example, x in zip(examples, batch, strict=True)]
        for l in (3, 2):
            w[l] = w[l] - ETA / len(batch) * sum(example.dw[l] for example in examples)
            b[l] = b[l] - ETA / len(batch) * sum(example.db[l] for example in examples)
    for l, name in ((2, "dense"), (3, "dense_1")):
        close(g.params[f"{name}.w"].value, w[l])
        close(g.params[f"{name}.b"].value, b[l])
    close(history.cost, [sum(costs) / 10])


def test_B14_xor_is_learned():
    g = mg.Sequential(2, Dense(4, "tanh"), Dense(1, "sigmoid"), cost=Quadratic(), seed=0)
    data = {"x": [[0, 0], [0, 1], [1, 0], [1, 1]], "t": [[0], [1], [1], [0]]}
    history = mg.fit(g, data, epochs=500, batch_size=4, optimizer=mg.SGD(lr=2.0), progress=False, seed=0)
    assert history.accuracy[-1] == 1
    assert history.cost[-1] < 0.01 < 0.1 < history.cost[0]
    close(mg.predict(g, x=data["x"]).round(), data["t"])


def test_B14_a_disk_in_a_ring_is_told_apart():
    rng = np.random.default_rng(2)
    labels = np.arange(200) % 2
    radius, angle = np.where(labels, 2, 0) + rng.uniform(0, 1, 200), rng.uniform(0, 2 * np.pi, 200)
    points = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    g = mg.Sequential(2, Dense(8, "tanh"), Dense(2), cost=SoftmaxCrossEntropy(), seed=0)
    optimizer = mg.SGD(lr=0.3)
    history = mg.fit(
        g, {"x": points, "t": labels}, epochs=30, batch_size=16, optimizer=optimizer, progress=False, seed=0
    )
    assert history.accuracy[0] < 0.9
    assert history.accuracy[-1] > 0.99
