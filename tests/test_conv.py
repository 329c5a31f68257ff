"""What a table of rows can't say about convolutions: the ways of summing, the layout, padding, messages."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from cases.conv import one, two

import minigraph as mg
from minigraph.costs import Quadratic
from minigraph.errors import GraphError, ShapeError
from minigraph.layers import Conv1D, Conv2D, ConvTranspose2D, Flatten
from minigraph.layers.sums import Sums
from minigraph.layers.windows import Window


def whole(rng, shape):
    """Small whole numbers, whose sums are exact in any order."""
    return rng.integers(-4, 5, shape).astype(float)


def computed(layer, x, error=None, w=None, b=None):
    """Output, error of the input, gradients of w and b for the weights given, or for small whole ones."""
    rng = np.random.default_rng(3)
    g = mg.Graph(seed=0)
    node = g.add(layer, g.input("x", x.shape[1:]), name="y")
    layer.w.value = whole(rng, layer.w.shape) if w is None else np.reshape(w, layer.w.shape)
    if layer.b is not None:
        layer.b.value = whole(rng, layer.b.shape) if b is None else np.reshape(b, layer.b.shape)
    run = g.forward(x=x)
    a = run["y"].a
    error = whole(rng, a.shape) if error is None else error
    grads = run.backward("y", error, wrt="x")["y"].grad
    assert a.shape == (len(x), *node.shape)
    return a, run["x"].error, grads[layer.w], grads.get(layer.b)


# ---- the sums by hand ----


def test_the_window_meets_the_kernel_unflipped():
    x, error = np.array([[[0.0, 1, 0]]]), np.array([[[1.0, 0, 0]]])
    a, sent, grad, bias = computed(Conv1D(1, 3, padding=1), x, error, [4, 5, 6], 0)
    np.testing.assert_array_equal(a, [[[6, 5, 4]]])
    np.testing.assert_array_equal(sent, [[[5, 6, 0]]])
    np.testing.assert_array_equal(grad, [[[0, 0, 1]]])
    np.testing.assert_array_equal(bias, [1])


def test_the_window_of_a_transposed_convolution_is_laid_down_unflipped():
    x, kernel = np.array([[[[1.0, 10]]]]), [[1, 2, 3]]
    a, *_ = computed(ConvTranspose2D(1, (1, 3), bias=False), x, w=kernel)
    np.testing.assert_array_equal(a, [[[[1, 12, 23, 30]]]])
    a, *_ = computed(ConvTranspose2D(1, (1, 3), (1, 2), (0, 1), (0, 1), bias=False), x, w=kernel)
    np.testing.assert_array_equal(a, [[[[2, 13, 20, 30]]]])


@pytest.mark.parametrize(
    ("kernel", "expected"), [([1, 1], [3, 5, 3]), ([1, 1, 1, 1], [6, 6, 5]), ([0, 1, 0], [1, 2, 3])]
)
def test_same_puts_the_odd_zero_behind(kernel, expected):
    a, *_ = computed(Conv1D(1, len(kernel), padding="same", bias=False), np.array([[[1.0, 2, 3]]]), w=kernel)
    np.testing.assert_array_equal(a, [[expected]])


@pytest.mark.parametrize("stride", [1, 2, 3, 7])
@pytest.mark.parametrize("kernel", [1, 2, 3, 6])
@pytest.mark.parametrize("dilation", [1, 3])
def test_same_makes_one_output_for_each_stride_begun(stride, kernel, dilation):
    for length in range(1, 9):
        layer = Conv1D(1, kernel, stride, "same", dilation)
        g = mg.Sequential((1, length), layer)
        assert g.nodes[-1].shape == (1, math.ceil(length / stride))


# ---- examples side by side, whole or in parts: one result ----

MANY = [  # kernel, stride, padding, dilation, groups
    (3, 1, 0, 1, 1),
    ((3, 2), (1, 2), 1, 1, 1),
    ((2, 3), 1, (2, 0), (3, 1), 1),
    ((4, 1), 1, 0, 1, 2),
    (5, (1, 3), "same", 1, 2),
    (2, 2, "same", (1, 3), 1),
    (1, 1, (0, 2), 1, 2),
    ((1, 2), (3, 5), (1, 4), 1, 1),
]


@pytest.mark.parametrize(("kernel", "stride", "padding", "dilation", "groups"), MANY)
def test_examples_side_by_side_are_summed_as_single_numbers(kernel, stride, padding, dilation, groups):
    x = whole(np.random.default_rng(0), (3, 12, 8, 5))
    a, *_ = computed(layer := Conv2D(2, kernel, stride, padding, dilation, groups), x)
    before = [n for n, _ in layer.window.margins]
    reference = two(a.shape[2:], layer.window.stride, before, layer.window.dilation, groups=groups)
    np.testing.assert_array_equal(a, reference(SimpleNamespace(w=layer.w.value, b=layer.b.value), x))
    for k in range(3):
        alone = computed(layer, x[k : k + 1], error := np.ones((1, *a.shape[1:])), layer.w.value, layer.b.value)
        others = np.zeros(a.shape)
        others[k] = error
        together = computed(layer, x, others, layer.w.value, layer.b.value)
        np.testing.assert_array_equal(together[1][k], alone[1][0])
        np.testing.assert_array_equal(together[2], alone[2])


@pytest.mark.parametrize("kind", [Conv2D, ConvTranspose2D])
@pytest.mark.parametrize("channels", [1, 12])
def test_a_batch_computed_in_parts_gives_the_same_numbers(kind, channels, monkeypatch):
    x = whole(np.random.default_rng(0), (7, channels, 5, 4))
    together = computed(kind(3, 3), x)
    for part in (1, 20, 40):
        monkeypatch.setattr(Sums, "part", part)
        for array, expected in zip(computed(kind(3, 3), x), together, strict=True):
            np.testing.assert_array_equal(array, expected)


def test_gradients_of_many_filters_are_those_of_fewer():
    rng = np.random.default_rng(0)
    x, w, error = whole(rng, (3, 2, 4, 4)), whole(rng, (128, 2, 2, 2)), whole(rng, (3, 128, 3, 3))
    _, _, grad, _ = computed(Conv2D(128, 2), x, error, w)
    _, _, half, _ = computed(Conv2D(64, 2), x, error[:, 64:], w[64:])
    np.testing.assert_array_equal(grad[64:], half)


def test_scratch_has_room_for_one_part_only(monkeypatch):
    monkeypatch.setattr(Sums, "part", 40)
    g = mg.Sequential((12, 5, 4), Conv2D(3, 3))
    held = vars(g.forward(x=np.ones((7, 12, 5, 4))).swept().records[g.nodes[-1]])["_buffers"]
    assert held["columns"].shape == (4 * 108 * 12,)  # of 7 examples 4; 12 × 3 × 3 numbers in 3 rows of 4 windows


def test_parts_leave_nothing_behind_for_the_next_sweep(monkeypatch):
    monkeypatch.setattr(Sums, "part", 40)
    rng = np.random.default_rng(0)
    for layer in (Conv2D(3, 3), Conv2D(3, 3, padding=1), ConvTranspose2D(3, 3)):
        g = mg.Sequential((12, 5, 4), layer, seed=0)
        last, batches = g.nodes[-1], [rng.normal(size=(7, 12, 5, 4)) for _ in range(2)]
        errors = [rng.normal(size=(7, *last.shape)) for _ in batches]
        run = g.forward(x=batches[0]).backward(last, errors[0], wrt="x")
        run.forward(x=batches[1]).backward(last, errors[1], wrt="x")
        fresh = g.forward(x=batches[1]).backward(last, errors[1], wrt="x")
        assert run[last].a.tobytes() == fresh[last].a.tobytes()
        assert run["x"].error.tobytes() == fresh["x"].error.tobytes()
        assert run.grad(layer.w).tobytes() == fresh.grad(layer.w).tobytes()


@pytest.mark.parametrize("stride", [1, 2, (1, 3)])
@pytest.mark.parametrize("groups", [1, 2])
def test_a_transposed_convolution_is_the_way_back_of_a_convolution(stride, groups):
    rng = np.random.default_rng(0)
    x = whole(rng, (2, 4, 7, 8))
    conv = Conv2D(6, (3, 2), stride, 1, bias=False, groups=groups)
    a, sent, *_ = computed(conv, x, w=(w := whole(rng, (6, 4 // groups, 3, 2))))
    error = whole(rng, a.shape)
    _, sent, grad, _ = computed(conv, x, error, w)
    rest = [(n + 2 - k) % s for n, k, s in zip((7, 8), (3, 2), conv.window.stride, strict=True)]
    back = ConvTranspose2D(4, (3, 2), stride, 1, rest, groups=groups, bias=False)
    there, forth, other, _ = computed(back, error, x, w)
    np.testing.assert_array_equal(there, sent)
    np.testing.assert_array_equal(forth, a)
    np.testing.assert_array_equal(other, grad)


@pytest.mark.parametrize("channels", [1, 12])
def test_not_a_number_comes_out_in_its_windows_and_nowhere_else(channels):
    x = whole(np.random.default_rng(0), (2, channels, 6, 7))
    layer = Conv2D(2, 3)
    clean = computed(layer, x)[0]
    error = whole(np.random.default_rng(1), clean.shape)
    x[1, 0, 3, 2] = error[0, 1, 1, 4] = np.nan
    a, sent, *_ = computed(Conv2D(layer.filters, 3), x, error)
    expected = np.zeros(a.shape, bool)
    expected[1, :, 1:4, 0:3] = True
    np.testing.assert_array_equal(np.isnan(a), expected)
    np.testing.assert_array_equal(a[~expected], clean[~expected])
    hit = np.zeros(x.shape, bool)
    hit[0, :, 1:4, 4:7] = True
    np.testing.assert_array_equal(np.isnan(sent), hit)


def test_a_window_larger_than_the_stride_adds_up_and_a_rest_gets_no_error():
    ones = np.ones((1, 1, 6))
    _, sent, *_ = computed(Conv1D(1, 3, bias=False), ones, np.ones((1, 1, 4)), [1, 1, 1])
    np.testing.assert_array_equal(sent, [[[1, 2, 3, 3, 2, 1]]])
    _, sent, *_ = computed(Conv1D(1, 2, 3, bias=False), ones, np.ones((1, 1, 2)), [1, 1])
    np.testing.assert_array_equal(sent, [[[1, 1, 0, 1, 1, 0]]])


def test_a_sequence_is_an_image_one_row_high():
    x = whole(np.random.default_rng(0), (3, 4, 9))
    flat = computed(Conv1D(6, 3, 2, 1, 2, groups=2), x)
    wide = computed(Conv2D(6, (3, 1), (2, 1), (1, 0), (2, 1), groups=2), x[..., None])
    for array, other in zip(flat, wide, strict=True):
        np.testing.assert_array_equal(array.ravel(), other.ravel())
    a, *_ = computed(layer := Conv1D(6, 3, 2, 1, 2, groups=2), x)
    given = SimpleNamespace(w=layer.w.value, b=layer.b.value)
    np.testing.assert_array_equal(a, one(a.shape[2], 2, 1, 2, groups=2)(given, x))


# ---- weights ----


def test_fans_of_a_transposed_convolution_are_those_of_its_neurons():
    for name, fan in [
        ("he_normal", 2 / (4 * 9)),
        ("lecun_normal", 1 / (4 * 9)),
        ("glorot_normal", 2 / (9 * (4 + 400))),
    ]:
        layer = ConvTranspose2D(400, 3, weights=name)
        mg.Sequential((4, 2, 2), layer, seed=0)
        assert layer.w.shape == (4, 400, 3, 3)
        assert np.var(layer.w.value) == pytest.approx(fan, rel=0.05)
    shapes = []
    custom = ConvTranspose2D(6, 3, groups=2, weights=lambda shape, rng: shapes.append(shape) or np.ones(shape))
    mg.Sequential((4, 2, 2), custom)
    assert shapes == [(4, 3, 3, 3)]


def test_a_convolution_and_a_transposed_one_share_their_weights():
    g = mg.Graph(seed=0)
    x = g.input("x", (2, 5, 5))
    conv = Conv2D(3, 3, 2, activation="tanh")
    y = conv(x)
    back = ConvTranspose2D(2, 3, 2, weights=conv.w)
    g.cost(Quadratic(), Flatten()(back(y)), target=Flatten()(x) >> mg.layers.StopGradient())
    assert back.w is conv.w
    batch = {"x": np.random.default_rng(0).normal(size=(2, 2, 5, 5))}
    assert mg.check(g, **batch).ok
    run = g.forward(batch).backward()
    np.testing.assert_allclose(sum(run.grad(conv.w, per="use").values()), run.grad(conv.w))


def test_one_layer_sees_images_of_two_sizes():
    g = mg.Graph(seed=0)
    layer = Conv2D(2, 3, padding=1)
    nodes = [layer(g.input(name, (3, *size))) for name, size in (("x", (4, 5)), ("y", (6, 2)))]
    assert [node.shape for node in nodes] == [(2, 4, 5), (2, 6, 2)]
    with pytest.raises(ShapeError, match="this input needs"):
        layer(g.input("z", (4, 4, 5)))


def test_channels_have_activations_of_their_own():
    x = whole(np.random.default_rng(0), (2, 1, 4, 4))
    a, *_ = computed(Conv2D(2, 2, activation=["identity", "relu"]), x)
    z, *_ = computed(Conv2D(2, 2), x)
    np.testing.assert_array_equal(a[:, 0], z[:, 0])
    np.testing.assert_array_equal(a[:, 1], np.maximum(z[:, 1], 0))


# ---- constructors ----


def test_sizes_of_any_spelling_become_plain_numbers():
    layer = Conv2D(np.int64(2), [np.int32(3), 2], np.array([1, 2]), np.int64(1), (np.int8(1), 2), np.int64(1))
    assert repr(layer) == repr(Conv2D(2, (3, 2), (1, 2), (1, 1), (1, 2), 1))
    assert "int" not in repr(layer)
    assert layer.window == Window((3, 2), (1, 2), (1, 2), ((1, 1), (1, 1)))
    assert layer.describe() == "Conv2D 3×2 identity"
    assert Conv1D(1, 4, activation="relu").describe() == "Conv1D 4 relu"


NEVER = (-1, 1.5, 2.0, True, "3", None, (1, 2, 3), (2, -1), (2, 1.5), (2, True), ())
WRONG = [
    *((what, n) for what in ("filters", "kernel_size", "stride", "dilation", "groups") for n in (*NEVER, 0, (2, 0))),
    *(("padding", n) for n in (*NEVER, "full")),
]


@pytest.mark.parametrize("kind", [Conv1D, Conv2D, ConvTranspose2D])
@pytest.mark.parametrize(("what", "value"), WRONG, ids=repr)
def test_constructors_refuse_what_makes_no_sense_and_show_it(kind, what, value):
    with pytest.raises(GraphError) as caught:
        kind(**{"filters": 2, "kernel_size": 2, what: value})
    assert str(caught.value).startswith(f"{kind.__name__} takes ")
    assert what in str(caught.value)
    assert str(caught.value).endswith(f"got {value!r}")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Conv2D(6, 3, groups=4), "Conv2D takes filters that its 4 groups divide, got 6"),
        (lambda: Conv1D(3, (3, 3)), "Conv1D takes a positive whole number as kernel_size, got (3, 3)"),
        (
            lambda: ConvTranspose2D(3, 3, padding="same"),
            "takes a whole number of 0 or more, or a pair of them, as padding",
        ),
        (
            lambda: ConvTranspose2D(3, 3, 2, output_padding=2),
            "takes an output_padding below its stride (2, 2), got (2, 2)",
        ),
        (lambda: ConvTranspose2D(3, 3, (2, 1), output_padding=1), "below its stride (2, 1), got (1, 1)"),
        (lambda: ConvTranspose2D(3, 3, 2, output_padding=-1), "as output_padding, got -1"),
        (lambda: Conv2D(3, 3, activation=["tanh"] * 2), "Conv2D takes one activation for each of its 3"),
        (lambda: Conv2D(3, 3, activation="rely"), "Conv2D has no activation 'rely'"),
        (lambda: Conv2D(3, 3, weights="glorott")(mg.Graph().input("x", (1, 3, 3))), "no initializer 'glorott'"),
        (lambda: ConvTranspose2D(3, 3, weights="x")(mg.Graph().input("x", (1, 3, 3))), "no initializer 'x'"),
    ],
)
def test_messages_say_what_is_taken(make, says):
    with pytest.raises(GraphError) as caught:
        make()
    assert says in str(caught.value)
