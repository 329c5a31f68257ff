"""Layers that pass on all of their input or a part: views, parts, splits, reductions and fixed numbers."""

import copy
import pickle

import numpy as np
import pytest

import minigraph as mg
from minigraph.errors import GraphError, ShapeError
from minigraph.layers import (
    Bias,
    Broadcast,
    ExpandDims,
    Max,
    Mean,
    Scale,
    Slice,
    Split,
    Squeeze,
    Sum,
    Transpose,
)


def both_sweeps(layer, x, error=None, dtype="float64"):
    g = mg.Graph(dtype=dtype)
    g.add(layer, g.input("x", x.shape[1:]), name="node")
    run = g.forward(x=x)
    return run.backward("node", np.ones(run["node"].a.shape) if error is None else error, wrt="x")


WRONG = [
    *((Transpose, axes) for axes in ((0, 0), 1.0, "ab", (True, 0), (), [0.5])),
    *((Squeeze, axis) for axis in (1.0, True, "last", (), (1, 1), [None])),
    *((ExpandDims, axis) for axis in (1.0, True, "last", None, (0, 1))),
    *((Broadcast, shape) for shape in (0, -1, 2.5, True, (2, 0), "ab", None, (2, -1))),
    *((Slice, index) for index in (True, 1.5, "a", [1], np.array([1]), (0, [1]), (..., ...), slice(1.0))),
    *((Slice, index) for index in (slice(0, 1, 0), slice(True, None), slice("a"))),
    *((Split, sections) for sections in (0, -1, 2.5, True, [], [2, 0], [1, 2.0], "ab", None)),
    *((kind, axes) for kind in (Sum, Mean, Max) for axes in (1.0, True, "last", (), (1, 1), [None])),
    *((kind, value) for kind in (Scale, Bias) for value in (True, "a", [], [[1], [2, 3]], 1j, [True], [None], {})),
]


@pytest.mark.parametrize(("kind", "value"), WRONG, ids=lambda v: getattr(v, "__name__", repr(v)))
def test_constructors_refuse_what_makes_no_sense_and_show_it(kind, value):
    with pytest.raises(GraphError, match=kind.__name__) as caught:
        kind(value)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("make", [lambda: Sum(keepdims=1), lambda: Max(0, "yes"), lambda: Mean(keepdims=None)])
def test_keepdims_is_true_or_false(make):
    with pytest.raises(GraphError, match="takes True or False as keepdims"):
        make()


@pytest.mark.parametrize("axes", [(0, 0), 1.5, True, (), "last", None])
@pytest.mark.parametrize("kind", [Scale, Bias])
def test_axes_of_numbers_are_whole_and_different(kind, axes):
    with pytest.raises(GraphError, match=rf"{kind.__name__} takes axes"):
        kind(axes=axes)


def test_axes_that_meet_only_in_samples_of_some_shape_are_refused_there():
    for layer in (Sum((0, -2)), Squeeze((0, -2)), Transpose((0, -2)), Scale(axes=(0, -2))):
        with pytest.raises(ShapeError, match=r"\(0, -2\), got samples of shape \(1, 1\)"):
            mg.Sequential((1, 1), layer)


# ---- parts ----


@pytest.mark.parametrize("layer", [Slice((1, slice(None, None, 2))), Transpose(), Broadcast((4, 2, 5)), ExpandDims(0)])
def test_what_needs_no_arithmetic_makes_a_view(layer):
    run = both_sweeps(layer, np.arange(30.0).reshape(3, 2, 5))
    assert np.shares_memory(run["node"].a, run["x"].a)


def test_outside_of_the_part_the_error_is_0_in_every_sweep():
    x = np.arange(12.0).reshape(2, 6)
    run = both_sweeps(Slice(slice(1, 5, 2)), x, np.full((2, 2), 7.0))
    np.testing.assert_array_equal(run["x"].error, [[0, 7, 0, 7, 0, 0]] * 2)
    run.forward(x=-x).backward("node", np.full((2, 2), -1.0), wrt="x")
    np.testing.assert_array_equal(run["x"].error, [[0, -1, 0, -1, 0, 0]] * 2)


def test_an_index_is_shown_as_it_is_written():
    index = (np.int64(0), ..., slice(None, -1), None, slice(None, None, 2), slice(1, 2))
    assert Slice(index).describe() == "Slice [0, ..., :-1, None, ::2, 1:2]"


def test_layers_with_slices_copy_and_pickle():
    g = mg.Sequential((4, 3), Slice((slice(1, 3), -1)))
    x = np.arange(24.0).reshape(2, 4, 3)
    for twin in (copy.deepcopy(g), pickle.loads(pickle.dumps(g)), g.copy(dtype="float32")):
        np.testing.assert_array_equal(twin.forward(x=x)["slice"].a, x[:, 1:3, -1])


# ---- splits ----


@pytest.mark.parametrize(
    ("split", "parts"),
    [
        (Split(2), ([0, 1], [2, 3])),
        (Split([1, 3]), ([0], [1, 2, 3])),
        (Split((np.int64(1), 2, 1), axis=1), ([0], [1, 2], [3])),
        (Split(1), ([0, 1, 2, 3],)),
        (Split(3, axis=0), None),
    ],
)
def test_a_split_is_a_node_for_each_part(split, parts):
    x = np.arange(24.0).reshape(2, 3, 4)
    g = mg.Graph()
    nodes = g.input("x", (3, 4)) >> split
    assert [node.name for node in nodes] == [f"split/{i}" for i in range(len(nodes))]
    assert {node.block for node in nodes} == {("split",)}
    g.output(*nodes)
    run = g.forward(x=x)
    for i, node in enumerate(nodes):
        expected = x[:, i : i + 1] if parts is None else x[:, :, parts[i]]
        assert node.shape == expected.shape[1:]
        np.testing.assert_array_equal(run[node].a, expected)
    run.backward({node: np.full((2, *node.shape), i + 1.0) for i, node in enumerate(nodes)}, wrt="x")
    expected = np.empty((2, 3, 4))
    for i in range(len(nodes)):
        expected[(slice(None), i) if parts is None else (slice(None), slice(None), parts[i])] = i + 1
    np.testing.assert_array_equal(run["x"].error, expected)


def test_half_used_splits_send_zeros_for_the_rest():
    g = mg.Graph()
    _, second = Split(2)(g.input("x", 4), name="halves")
    assert second.name == "halves/1"
    run = g.forward(x=np.ones((1, 4)), until=second).backward(second, np.full((1, 2), 3.0), wrt="x")
    np.testing.assert_array_equal(run["x"].error, [[0, 0, 3, 3]])


SPLITS = [
    (Split(3), r"Split 'split' cuts axis 1 into 3 equal parts, got samples of shape \(2, 4\)"),
    (Split(5), r"cuts axis 1 into 5 equal parts"),
    (Split([1, 2]), r"cuts axis 1 into sizes \[1, 2\], got samples of shape \(2, 4\)"),
    (Split([4, 1], axis=0), r"cuts axis 0 into sizes \[4, 1\]"),
    (Split(2, axis=2), r"cuts axis 2, got samples of shape \(2, 4\)"),
]


@pytest.mark.parametrize(("split", "message"), SPLITS)
def test_what_does_not_fit_adds_nothing(split, message):
    g = mg.Graph()
    x = g.input("x", (2, 4))
    with pytest.raises(ShapeError, match=message + r".*added at test_shape\.py:\d+\)$"):
        split(x)
    assert [node.name for node in g] == ["x"]
    halves = Split(2)(x)  # the name is still free
    assert [node.name for node in halves] == ["split/0", "split/1"]


def test_splits_take_one_input_of_floats_and_names_that_are_free():
    g = mg.Graph()
    x, k = g.input("x", 4), g.input("k", 4, dtype=int)
    with pytest.raises(ShapeError, match="Split 'split' takes 1 input, got 2"):
        Split(2)(x, x)
    with pytest.raises(ShapeError, match="Split 'split' takes floats, got the integers of 'k'"):
        Split(2)(k)
    with pytest.raises(GraphError, match="names are unique"):
        g.add(Split(2), x, name="k")
    for wrong in (1.0, None, True):
        with pytest.raises(GraphError, match="whole number as axis"):
            Split(2, axis=wrong)
    with pytest.raises(GraphError, match="takes text as its name"):
        Split(2, name=3)
    assert [node.name for node in Split(2)(x) + Split(2)(x)] == ["split/0", "split/1", "split_1/0", "split_1/1"]


def test_a_block_may_hold_a_split():
    inner = mg.Graph("gate")
    left, right = Split(2)(inner.input("x", 4))
    inner.output(left * right)
    g = mg.Graph()
    out = g.input("x", 4) >> inner
    assert [node.name for node in g] == ["x", "gate/split/0", "gate/split/1", "gate/multiply"]
    assert g["gate/split/0"].block == ("gate", "split")
    np.testing.assert_array_equal(g.forward(x=[[1.0, 2.0, 3.0, 5.0]])[out].a, [[3, 10]])


# ---- reductions ----


def test_ties_share_the_error_evenly():
    run = both_sweeps(Max(), np.array([[1.0, 3.0, 3.0], [-2.0, -2.0, -2.0], [0.0, -0.0, -1.0]]), [6.0, 6.0, 6.0])
    np.testing.assert_array_equal(run["x"].error, [[0, 3, 3], [2, 2, 2], [3, 3, 0]])


def test_ties_along_several_axes_as_in_pytorch():
    torch = pytest.importorskip("torch", reason="needs PyTorch to compare with")
    rng = np.random.default_rng(0)
    x, error = rng.integers(0, 3, (4, 3, 5, 2)).astype(float), rng.normal(size=(4, 1, 5, 1))
    tensor = torch.tensor(x, requires_grad=True)
    torch.amax(tensor, (1, 3), keepdim=True).backward(torch.tensor(error))
    run = both_sweeps(Max((0, 2), keepdims=True), x, error)
    np.testing.assert_allclose(run["x"].error, tensor.grad.numpy(), rtol=1e-12, atol=1e-15)


def test_the_largest_of_infinite_and_of_very_negative_numbers():
    run = both_sweeps(Max(), np.array([[-np.inf, -np.inf], [np.inf, 1.0], [-1e308, -1.5e308]]))
    np.testing.assert_array_equal(run["node"].a, [-np.inf, np.inf, -1e308])
    np.testing.assert_array_equal(run["x"].error, [[0.5, 0.5], [1, 0], [1, 0]])


def test_a_nan_comes_out_of_its_own_group_only_both_ways():
    run = both_sweeps(Max(-1), np.array([[[1.0, np.nan], [2.0, 1.0]]]))
    np.testing.assert_array_equal(run["node"].a, [[np.nan, 2]])
    np.testing.assert_array_equal(run["x"].error, [[[np.nan, np.nan], [1, 0]]])


def test_means_and_sums_of_many_float32_numbers_keep_their_digits():
    x = np.full((1, 1000, 1000), 0.1, "float32")
    mean = both_sweeps(Mean(), x, dtype="float32")
    assert mean["node"].a.dtype == mean["x"].error.dtype == np.float32
    np.testing.assert_allclose(mean["node"].a, 0.1, rtol=1e-5)
    np.testing.assert_allclose(mean["x"].error, 1e-6, rtol=1e-6)


def test_the_batch_is_never_reduced():
    x = np.arange(6.0).reshape(3, 2)
    assert both_sweeps(Sum(), x)["node"].a.tolist() == [1, 5, 9]
    assert both_sweeps(Sum(0), x)["node"].a.tolist() == [1, 5, 9]
    with pytest.raises(ShapeError, match=r"reduces axis 1, got samples of shape \(2,\), which have 1"):
        both_sweeps(Sum(1), x)


# ---- factors and offsets ----


def test_scale_starts_at_1_and_bias_at_0_in_the_order_of_the_samples_axes():
    g = mg.Sequential((2, 3, 4), Scale(axes=(-1, 0)), Bias(axes=(2, 1)))
    assert {name: param.shape for name, param in g.params.items()} == {"scale.gamma": (2, 4), "bias.beta": (3, 4)}
    assert (g["scale"].layer.gamma.value == 1).all()
    assert (g["bias"].layer.beta.value == 0).all()
    x = np.arange(24.0).reshape(1, 2, 3, 4)
    np.testing.assert_array_equal(g.forward(x=x)["bias"].a, x)


def test_fixed_numbers_are_no_params_and_do_not_follow_the_array_they_came_from():
    factor = np.array([1.0, 2.0])
    g = mg.Sequential(2, Scale(factor), Bias(factor))
    factor[:] = 77
    assert g.params == {}
    np.testing.assert_array_equal(g.forward(x=[[1.0, 1.0]])["bias"].a, [[2, 4]])
    with pytest.raises(ValueError, match="read-only"):
        g["scale"].layer.factor[0] = 5


@pytest.mark.parametrize("number", [3, 0.1, np.float64(0.1), np.array(0.1), [0.1, 0.2], np.array([1, 2]), np.int64(7)])
@pytest.mark.parametrize("kind", [Scale, Bias])
def test_fixed_numbers_of_any_dtype_leave_float32_alone(kind, number):
    x = np.ones((3, 2), "float32")
    run = both_sweeps(kind(number), x, dtype="float32")
    assert run["node"].a.dtype == run["x"].error.dtype == np.float32
    assert (g := mg.Sequential(2, kind(number)).copy(dtype="float32")).forward(x=x)[g.nodes[-1]].a.dtype == np.float32


def test_a_trained_layer_used_twice_adds_up_and_learns():
    scale = Scale()
    g = mg.Graph(seed=0)
    x = g.input("x", 2)
    g.output(scale(scale(x)))
    scale.gamma.value = [2.0, 3.0]
    run = g.forward(x=[[1.0, 1.0], [1.0, -1.0]]).backward("scale_1", np.ones((2, 2)))
    np.testing.assert_array_equal(run.grad(scale.gamma), [4, 0])  # γ² x: the mean of 2 γ x


def test_descriptions_say_what_is_fixed():
    layers = [Scale(), Scale(2.5), Scale(np.ones((2, 1))), Bias(-1), Bias([1, 2]), Bias(np.array(3))]
    assert [layer.describe() for layer in layers] == [
        "Scale",
        "Scale 2.5",
        "Scale by an array (2, 1)",
        "Bias -1",
        "Bias by an array (2,)",
        "Bias 3",
    ]
