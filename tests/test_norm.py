"""Normalization: running statistics through whole runs, hard numbers, and what is refused."""

import copy

import numpy as np
import pytest

import minigraph as mg
from minigraph.costs import Quadratic
from minigraph.errors import FeedError, GraphError, ShapeError
from minigraph.layers import BatchNorm, Dense, Flatten, GroupNorm, LayerNorm, RMSNorm

ALL = [BatchNorm, LayerNorm, lambda: LayerNorm(3), lambda: GroupNorm(2), RMSNorm, lambda: RMSNorm(3)]
CENTERED = [BatchNorm, lambda: LayerNorm(3), lambda: GroupNorm(2), lambda: GroupNorm(4)]
named = {"ids": lambda make: repr(make())}


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def both(layer, x, error, training=True, dtype="float64"):
    """Output of a layer, and the error that it sends back."""
    g = mg.Graph(dtype=dtype)
    g.add(layer, g.input("x", x.shape[1:]), name="node")
    run = g.forward(x=x, training=training).backward("node", error, wrt="x")
    return run["node"].a, run.edge("x", "node").grad


def network(shape=(3, 4, 5), seed=0, **options):
    """A graph with BatchNorm after an input of that shape, and a layer to train behind it."""
    bn = BatchNorm(**options)
    return mg.Sequential(shape, bn, Flatten(), Dense(2), cost=Quadratic(), seed=seed), bn


def statistics(bn):
    return bn.mean.copy(), bn.variance.copy()


def moments(x):
    """Mean and unbiased variance of each channel."""
    axes = (0, *range(2, x.ndim))
    return x.mean(axis=axes), x.var(axis=axes, ddof=1)


# ---- running statistics ----


def test_a_training_step_moves_the_running_statistics_once_and_a_sweep_alone_does_not():
    g, bn = network(momentum=0.25)
    x, t = 3 + normal(6, 3, 4, 5), normal(6, 2)
    run = mg.Run(g, training=True)
    for _ in range(3):
        run.forward(x=x, t=t).backward()
    np.testing.assert_array_equal(statistics(bn), [np.zeros(3), np.ones(3)])
    mg.SGD(0.1).step(run)
    mean, variance = moments(x)
    np.testing.assert_allclose(bn.mean, 0.25 * mean, rtol=1e-12)
    np.testing.assert_allclose(bn.variance, 0.75 + 0.25 * variance, rtol=1e-12)


def test_checks_and_inference_leave_the_running_statistics():
    g, bn = network()
    x, t = normal(6, 3, 4, 5), normal(6, 2)
    mg.SGD(0.1).step(g.forward(x=x, t=t, training=True).backward())
    before = statistics(bn)
    for training in (True, False):
        report = mg.check(g, x=normal(5, 3, 4, 5, seed=1), t=normal(5, 2, seed=2), training=training)
        assert report.ok, str(report)
    mg.SGD(0.1).step(g.forward(x=x, t=t).backward())
    np.testing.assert_array_equal(statistics(bn), before)


def test_inference_is_a_fixed_affine_map_by_the_running_statistics():
    g, bn = network(momentum=1.0)
    first, x = 2 + 3 * normal(8, 3, 4, 5), normal(4, 3, 4, 5, seed=1)
    mg.SGD(0.0).step(g.forward(x=first, t=normal(8, 2), training=True).backward())
    node = next(node for node in g.nodes if node.layer is bn)
    mean, variance = (part[:, None, None] for part in moments(first))
    a = g.forward(x=x, until=[node])[node].a
    np.testing.assert_allclose(a, (x - mean) / np.sqrt(variance + 1e-5), rtol=1e-12)
    for row in range(4):
        np.testing.assert_array_equal(g.forward(x=x[row : row + 1], until=[node])[node].a, a[row : row + 1])


def test_two_runs_alive_keep_their_own_statistics_until_each_is_committed():
    g, bn = network()
    batches = [(normal(6, 3, 4, 5, seed=k) * (k + 1), normal(6, 2, seed=k)) for k in range(2)]
    runs = [mg.Run(g, training=True) for _ in batches]
    for run, (x, t) in zip(runs, batches, strict=True):
        run.forward(x=x, t=t)
    for run in runs:
        run.backward()
    expected = np.array([np.zeros(3), np.ones(3)])
    for run, (x, _) in zip(runs, batches, strict=True):
        run.commit()
        expected = 0.9 * expected + 0.1 * np.array(moments(x))
        np.testing.assert_allclose(statistics(bn), expected, rtol=1e-12)


def test_statistics_taken_over_between_the_sweeps_do_not_change_the_way_back():
    g, bn = network()
    x, t = normal(6, 3, 4, 5), normal(6, 2)
    expected = g.forward(x=x, t=t).backward(wrt="x")["x"].error.copy()
    run = g.forward(x=x, t=t)
    bn.mean, bn.variance = bn.mean + 5.0, bn.variance * 7.0
    np.testing.assert_array_equal(run.backward(wrt="x")["x"].error, expected)


def test_copies_have_statistics_of_their_own_in_the_dtype_of_the_copy():
    g, bn = network()
    x, t = normal(6, 3, 4, 5), normal(6, 2)
    mg.SGD(0.1).step(g.forward(x=x, t=t, training=True).backward())
    before = statistics(bn)
    for dtype in ("float64", "float32"):
        twin = g.copy(dtype)
        other = next(node.layer for node in twin.nodes if isinstance(node.layer, BatchNorm))
        np.testing.assert_array_equal(other.mean, before[0].astype(dtype))
        mg.SGD(0.1).step(twin.forward(x=x, t=t, training=True).backward())
        assert other.mean.dtype == other.variance.dtype == dtype
        assert (other.mean != before[0].astype(dtype)).all()
        np.testing.assert_array_equal(statistics(bn), before)


def test_a_frozen_layer_still_uses_the_batch_and_moves_its_statistics():
    g, bn = network(frozen=True)
    x, t = 3 + normal(6, 3, 4, 5), normal(6, 2)
    run = g.forward(x=x, t=t, training=True).backward()
    node = next(node for node in g.nodes if node.layer is bn)
    np.testing.assert_allclose(run[node].a.mean(axis=(0, 2, 3)), 0.0, atol=1e-12)
    mg.SGD(0.1).step(run)
    np.testing.assert_allclose(bn.mean, 0.1 * moments(x)[0], rtol=1e-12)
    np.testing.assert_array_equal(bn.gamma.value, np.ones(3))


def test_each_use_of_a_shared_layer_moves_the_statistics():
    bn, g = BatchNorm(), mg.Graph(seed=0)
    u, v = (bn(g.input(name, (3, 4))) for name in "uv")
    g.cost(Quadratic(), u, target="s")
    g.cost(Quadratic(), v, target="t")
    x, y = normal(5, 3, 4), 2 + normal(5, 3, 4, seed=1)
    mg.SGD(0.1).step(g.forward(u=x, v=y, s=x, t=y, training=True).backward())
    np.testing.assert_allclose(bn.mean, 0.9 * 0.1 * moments(x)[0] + 0.1 * moments(y)[0], rtol=1e-12)


@pytest.mark.parametrize("shape", [(3,), (3, 5), (3, 4, 5)], ids=str)
def test_five_training_steps_are_those_of_pytorch(shape):
    torch = pytest.importorskip("torch", reason="needs PyTorch to compare with")
    g = mg.Sequential(shape, BatchNorm(), cost=Quadratic(), seed=0)
    bn, optimizer = g.nodes[1].layer, mg.SGD(0.1, momentum=0.9)
    kind = (torch.nn.BatchNorm1d, torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)[len(shape) - 1]
    theirs = kind(3, dtype=torch.float64)
    their_optimizer = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9)
    for step in range(5):
        x, t = 1 + 2 * normal(6, *shape, seed=step), normal(6, *shape, seed=9 + step)
        optimizer.step(g.forward(x=x, t=t, training=True).backward())
        their_optimizer.zero_grad()
        ((theirs(torch.tensor(x)) - torch.tensor(t)) ** 2 / 2).sum().div(6).backward()
        their_optimizer.step()
    pairs = [(bn.gamma.value, theirs.weight), (bn.beta.value, theirs.bias)]
    for ours, other in [*pairs, (bn.mean, theirs.running_mean), (bn.variance, theirs.running_var)]:
        np.testing.assert_allclose(ours, other.detach().numpy(), rtol=1e-9, atol=1e-9)


# ---- hard numbers ----


@pytest.mark.parametrize("make", CENTERED, **named)
def test_a_small_spread_around_a_large_mean_is_not_lost_in_float32(make):
    x = (1024 + normal(16, 4, 8, 8) / 16).astype(np.float32)
    error = normal(16, 4, 8, 8, seed=1).astype(np.float32)
    rough, fine = both(make(), x, error, dtype="float32"), both(make(), x.astype(float), error.astype(float))
    for got, expected in zip(rough, fine, strict=True):
        assert got.dtype == np.float32
        assert np.abs(got - expected).max() < 1e-5 * np.abs(expected).max()


def test_running_statistics_of_a_small_spread_around_a_large_mean_in_float32():
    x = (1024 + normal(64, 4, 8, 8) / 16).astype(np.float32)
    g = mg.Sequential((4, 8, 8), BatchNorm(momentum=1.0), dtype="float32")
    run = mg.Run(g, training=True).forward(x=x)
    run.commit()
    mean, variance = moments(x.astype(float))
    np.testing.assert_allclose(g.nodes[1].layer.mean, mean, rtol=1e-7)
    np.testing.assert_allclose(g.nodes[1].layer.variance, variance, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("value", [0.0, 0.1, 1e10])
@pytest.mark.parametrize("make", CENTERED, **named)
def test_equal_numbers_become_0_and_their_errors_stay_finite(make, value, dtype):
    x = np.full((5, 4, 3, 3), value, dtype)
    a, sent = both(make(), x, normal(5, 4, 3, 3).astype(dtype), dtype=dtype)
    assert np.abs(a).max() < 1e-6
    assert np.isfinite(sent).all()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_root_mean_square_of_zeros_is_the_root_of_the_dtypes_epsilon(dtype):
    a, sent = both(RMSNorm(), np.zeros((2, 3), dtype), np.ones((2, 3), dtype), dtype=dtype)
    np.testing.assert_array_equal(a, np.zeros((2, 3)))
    np.testing.assert_allclose(sent, np.finfo(dtype).eps ** -0.5, rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-15, 1e15])
@pytest.mark.parametrize("make", ALL, **named)
def test_very_small_and_very_large_numbers_in_float32(make, scale):
    x = (scale * normal(4, 4, 3, 5)).astype(np.float32)
    error = normal(4, 4, 3, 5, seed=1).astype(np.float32)
    rough, fine = both(make(), x, error, dtype="float32"), both(make(), x.astype(float), error.astype(float))
    if isinstance(make(), RMSNorm) and scale < 1:
        assert all(np.isfinite(array).all() for array in rough)  # its ε goes by the dtype
        return
    for got, expected in zip(rough, fine, strict=True):
        assert np.abs(got - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("make", ALL[1:], **named)
def test_nan_stays_in_its_example(make):
    x, error = normal(3, 4, 3, 5), normal(3, 4, 3, 5, seed=1)
    whole = both(make(), x, error)
    x[1, 2, 0, 3] = np.nan
    for before, after in zip(whole, both(make(), x, error), strict=True):
        assert np.isnan(after[1]).any()
        np.testing.assert_array_equal(after[[0, 2]], before[[0, 2]])


# ---- relations ----


def test_as_many_groups_as_channels_normalize_images_one_by_one_and_one_group_all_of_a_sample():
    x, error = normal(3, 4, 2, 5), normal(3, 4, 2, 5, seed=1)
    for row in range(3):
        each = both(BatchNorm(), x[row : row + 1], error[row : row + 1])
        for got, expected in zip(both(GroupNorm(4), x, error), each, strict=True):
            np.testing.assert_allclose(got[row : row + 1], expected, rtol=1e-12, atol=1e-12)
    for got, expected in zip(both(GroupNorm(1), x, error), both(LayerNorm(3), x, error), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("make", ALL, **named)
def test_without_params_they_compute_what_they_compute_with_their_first_params(make):
    x, error = normal(3, 4, 2, 5), normal(3, 4, 2, 5, seed=1)
    layer, plain = make(), make()
    plain.affine = False
    for got, expected in zip(both(plain, x, error), both(layer, x, error), strict=True):
        np.testing.assert_array_equal(got, expected)
    assert set(layer.params) == ({"gamma"} if isinstance(layer, RMSNorm) else {"gamma", "beta"})
    assert not plain.params


# ---- what is refused ----


@pytest.mark.parametrize("shape", [(3,), (3, 1), (3, 1, 1)], ids=str)
def test_one_number_a_channel_is_refused_in_training_only(shape):
    g, bn = network(shape)
    feeds = {"x": normal(1, *shape), "t": normal(1, 2)}
    said = r"BatchNorm 'batch.*takes two numbers a channel or more in training, got 1 of samples of shape \(3,"
    with pytest.raises(FeedError, match=said):
        g.forward(feeds, training=True)
    with pytest.raises(FeedError, match=said):
        g.forward({name: x[0] for name, x in feeds.items()}, training=True)
    g.forward(feeds).backward()
    np.testing.assert_array_equal(statistics(bn), [np.zeros(3), np.ones(3)])


def test_another_use_needs_as_many_channels_and_the_dtype():
    for affine in (True, False):
        bn, g = BatchNorm(affine=affine), mg.Graph()
        bn(g.input("x", (3, 4)))
        bn(g.input("y", (3, 7)))
        with pytest.raises(ShapeError, match=r"keeps running statistics of 3 channels .*got samples of shape \(4, 4\)"):
            bn(g.input("z", (4, 4)))
        with pytest.raises(ShapeError, match=r"in float64, got .* in float32: use another BatchNorm"):
            bn(mg.Graph(dtype="float32").input("x", (3, 4)))
    shared, g = LayerNorm(), mg.Graph()
    shared(g.input("x", (2, 3)))
    shared(g.input("y", (3,)))
    with pytest.raises(ShapeError, match=r"gamma of shape \(3,\)"):
        shared(g.input("z", (4,)))


@pytest.mark.parametrize("eps", [-1e-5, float("nan"), float("inf"), "small", True, 1j])
@pytest.mark.parametrize("kind", [BatchNorm, LayerNorm, RMSNorm, lambda eps: GroupNorm(1, eps=eps)])
def test_eps_that_makes_no_sense_is_refused(kind, eps):
    with pytest.raises(GraphError, match="Norm takes a finite eps of 0 or more, got") as caught:
        kind(eps=eps)
    assert repr(eps) in str(caught.value)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        *((lambda v=v: BatchNorm(momentum=v), f"a momentum from 0 to 1, got {v!r}") for v in (-0.1, 1.1, None, True)),
        *((lambda v=v: GroupNorm(v), f"a positive whole number of groups, got {v!r}") for v in (0, -2, 2.0, True, "2")),
        *((lambda v=v: LayerNorm(v), f"a positive whole number of axes, got {v!r}") for v in (0, -1, 1.0, True, (3,))),
        *((lambda v=v: RMSNorm(v), f"a positive whole number of axes, got {v!r}") for v in (0, -1, 1.0, True, None)),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_arguments_that_make_no_sense_are_refused(make, said):
    with pytest.raises(GraphError) as caught:
        make()
    assert said in str(caught.value)


def test_numbers_of_numpy_keep_float32():
    x = normal(4, 6).astype(np.float32)
    for layer in (
        BatchNorm(np.float64(0.2), np.float64(1e-3)),
        LayerNorm(np.int64(1), np.float64(1e-3)),
        GroupNorm(np.int64(2), np.float64(1e-3)),
        RMSNorm(np.int64(1), np.float64(1e-3)),
    ):
        g = mg.Sequential(6, copy.deepcopy(layer), cost=Quadratic(), dtype="float32")
        run = g.forward(x=x, t=x, training=True).backward()
        mg.SGD(0.1).step(run)
        held = [getattr(g.nodes[1].layer, name) for name in layer.statistics]
        assert {array.dtype for array in (run[g.nodes[1]].a, *held)} == {np.dtype("float32")}
