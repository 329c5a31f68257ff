"""Pooling, enlarging and padding: ties, borders, what isn't finite, and what is refused."""

import numpy as np
import pytest

import minigraph as mg
from minigraph.errors import GraphError
from minigraph.layers import AdaptiveAvgPool2D, AvgPool2D, GlobalAvgPool, MaxPool2D, Pad, UpSample2D

NAN, INF = float("nan"), float("inf")


def both(layer, x, error=None, dtype="float64"):
    """Output of a layer, and the error that it sends back when 1, or the given error, arrives at each element."""
    x = np.asarray(x, dtype)
    g = mg.Graph(dtype=dtype)
    g.add(layer, g.input("x", x.shape[1:]), name="node")
    run = g.forward(x=x)
    run.backward("node", np.ones_like(run["node"].a) if error is None else error, wrt="x")
    return run["node"].a, run.edge("x", "node").grad


def image(*rows):
    return np.array(rows, float)[None, None]


# ---- maxima ----


def test_the_first_of_equal_maxima_row_by_row_gets_all_of_the_error():
    a, sent = both(MaxPool2D(2), image([0, 3, 3, 1], [3, 3, 2, 3], [5, 5, 7, 7], [5, 5, 7, 7]))
    np.testing.assert_array_equal(a, image([3, 3], [5, 7]))
    np.testing.assert_array_equal(sent, image([0, 1, 1, 0], [0, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]))


def test_errors_of_overlapping_windows_add_up_at_their_common_winner():
    a, sent = both(MaxPool2D((1, 3), stride=1), image([1, 5, 2, 0, 4]), image([1, 10, 100]))
    np.testing.assert_array_equal(a, image([5, 5, 4]))
    np.testing.assert_array_equal(sent, image([0, 11, 0, 0, 100]))


@pytest.mark.parametrize("smallest", [-3.0, -INF])
def test_padding_never_wins(smallest):
    a, sent = both(MaxPool2D(3, 2, 1), np.full((2, 1, 3, 3), smallest))
    np.testing.assert_array_equal(a, np.full((2, 1, 2, 2), smallest))
    np.testing.assert_array_equal(sent, [image([1, 1, 0], [1, 1, 0], [0, 0, 0])[0]] * 2)


def test_an_infinite_error_reaches_the_winner_only():
    _, sent = both(MaxPool2D(2), image([1, 2], [3, 0]), image([INF]))
    np.testing.assert_array_equal(sent, image([0, 0], [INF, 0]))


@pytest.mark.parametrize("layer", [MaxPool2D(3, 1), MaxPool2D(3, 1, 1), AvgPool2D(3, 1), AvgPool2D(3, 1, 1)], ids=repr)
def test_nan_comes_out_of_its_windows_and_of_no_other(layer):
    x = np.random.default_rng(0).normal(size=(2, 2, 6, 7))
    whole = both(layer, x)[0]
    x[1, 0, 2, 3] = NAN
    a, sent = both(layer, x)
    expected, p = np.zeros_like(a, bool), layer.padding
    expected[1, 0, p : 3 + p, 1 + p : 4 + p] = True
    np.testing.assert_array_equal(np.isnan(a), expected)
    np.testing.assert_array_equal(a[~expected], whole[~expected])
    assert np.isfinite(sent).all()
    assert isinstance(layer, AvgPool2D) or sent[1, 0, 2, 3] == 9


def test_a_window_of_more_elements_than_a_byte_counts():
    x = np.zeros((1, 1, 18, 18))
    x[0, 0, 16, 16] = 1.0
    a, sent = both(MaxPool2D(17, 1), x)
    np.testing.assert_array_equal(a, np.ones((1, 1, 2, 2)))
    np.testing.assert_array_equal(sent, 4 * x)


@pytest.mark.parametrize("layer", [MaxPool2D(2), AvgPool2D(2), MaxPool2D(2, 3), AvgPool2D(2, 3)], ids=repr)
def test_what_is_in_no_window_gets_no_error(layer):
    _, sent = both(layer, np.arange(1.0, 26.0).reshape(1, 1, 5, 5))
    out = [4] if layer.stride is None else [2]
    assert not sent[..., out, :].any()
    assert not sent[..., out].any()
    assert sent.sum() == 4


# ---- averages ----


def test_the_divisor_counts_padding_if_asked_and_never_what_lies_beyond():
    x = np.ones((1, 1, 4, 4))  # windows of 3, 3 and 2 elements along each axis, the first with one of padding,
    three = np.array([2 / 3, 1, 1 / 2])  # the last with one of padding; the one behind that is beyond
    np.testing.assert_allclose(both(AvgPool2D(3, 2, 1, ceil_mode=True), x)[0], np.outer(three, three)[None, None])
    without = AvgPool2D(3, 2, 1, ceil_mode=True, count_include_pad=False)
    np.testing.assert_allclose(both(without, x)[0], np.ones((1, 1, 3, 3)))


@pytest.mark.parametrize(
    "layer",
    [
        AvgPool2D((2, 3)),
        AvgPool2D(3, 2, 1, ceil_mode=True, count_include_pad=False),
        AdaptiveAvgPool2D((4, 3)),
        AdaptiveAvgPool2D((9, 2)),
        GlobalAvgPool(),
    ],
    ids=repr,
)
def test_averages_share_out_all_of_the_error(layer):
    rng = np.random.default_rng(0)
    a, _ = both(layer, rng.normal(size=(2, 3, 8, 9)))
    error = rng.normal(size=a.shape)
    _, sent = both(layer, rng.normal(size=(2, 3, 8, 9)), error)
    np.testing.assert_allclose(sent.sum(axis=(2, 3)), error.reshape(2, 3, -1).sum(axis=2))


def test_infinite_elements_stay_in_their_windows():
    x = np.zeros((1, 1, 4, 6))
    x[..., 0, 0], x[..., 3, 5] = INF, -INF
    expected = image([INF, 0, 0], [0, 0, -INF])
    np.testing.assert_array_equal(both(AvgPool2D(2), x)[0], expected)
    np.testing.assert_array_equal(both(AdaptiveAvgPool2D((2, 3)), x)[0], expected)


# ---- enlarging and padding ----


def test_each_element_gets_the_errors_of_all_its_copies():
    a, sent = both(UpSample2D((1, 2)), image([1, 2], [3, 4]), image([1, 10, 100, 1000], [2, 20, 200, 2000]))
    np.testing.assert_array_equal(a, image([1, 1, 2, 2], [3, 3, 4, 4]))
    np.testing.assert_array_equal(sent, image([11, 1100], [22, 2200]))


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge"])
@pytest.mark.parametrize(
    ("shape", "widths"),
    [
        ((5,), [(4, 4)]),
        ((2, 5), [(0, 4)]),
        ((2, 5), [(4, 0)]),
        ((3, 4, 2), [(3, 2), (1, 0)]),
        ((3, 2, 4), [(2, 1), (0, 0), (3, 3)]),
    ],
)
def test_padding_is_that_of_numpy_and_its_way_back_is_the_transpose(mode, shape, widths):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, *shape))
    options = {"constant_values": 2.5} if mode == "constant" else {}
    margins = [(0, 0)] * (x.ndim - len(widths)) + widths
    layer = Pad(widths, mode, *options.values())
    expected = np.pad(x, margins, mode, **options)
    error = rng.normal(size=expected.shape)
    a, sent = both(layer, x, error)
    np.testing.assert_array_equal(a, expected)
    other = rng.normal(size=x.shape)
    change = np.pad(x + other, margins, mode, **options) - expected
    assert np.sum(sent * other) == pytest.approx(np.sum(error * change))


def test_one_width_goes_around_all_axes_but_that_of_the_channels():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    np.testing.assert_array_equal(both(Pad(2, "reflect"), x)[0], both(Pad([(2, 2)] * 2, "reflect"), x)[0])
    np.testing.assert_array_equal(both(Pad(np.int64(1)), x[:, :, 0])[0], both(Pad(((1, 1),)), x[:, :, 0])[0])


def test_padding_by_minus_infinity_never_wins_a_maximum():
    x = np.full((1, 1, 2, 2), -5.0)
    g = mg.Sequential((1, 2, 2), Pad(1, value=-INF), MaxPool2D(2))
    np.testing.assert_array_equal(g.forward(x=x)[g.nodes[-1]].a, x)


# ---- many settings, against PyTorch ----


def settings(rng):
    """Sizes of an image, and a window, stride, padding and mode for it, with ties and what isn't finite."""
    k = rng.integers(1, 5, 2)
    p = [int(rng.integers(0, n // 2 + 1)) for n in k]
    s = None if rng.random() < 0.3 else tuple(int(n) for n in rng.integers(1, 5, 2))
    x = rng.integers(-2, 3, (2, 2, *rng.integers(1, 9, 2))).astype(float)
    return x, (tuple(int(n) for n in k), s, tuple(p), bool(rng.random() < 0.5))


@pytest.mark.parametrize("kind", ["max", "avg", "avg without padding"])
def test_sizes_numbers_ties_and_refusals_are_those_of_pytorch(kind):
    torch = pytest.importorskip("torch", reason="needs PyTorch to compare with")
    rng, refused = np.random.default_rng(1), 0
    for _ in range(200):
        x, chosen = settings(rng)
        if kind == "max":
            x[rng.random(x.shape) < 0.1] = rng.choice([NAN, -INF, INF])
            ours, theirs = MaxPool2D(*chosen), torch.nn.MaxPool2d(*chosen[:3], ceil_mode=chosen[3])
        else:
            include = kind == "avg"
            ours, theirs = AvgPool2D(*chosen, include), torch.nn.AvgPool2d(*chosen, include)
        tensor = torch.tensor(x, requires_grad=True)
        try:
            expected = theirs(tensor)
        except RuntimeError:
            refused += 1
            with pytest.raises(GraphError, match="takes images that hold its windows"):
                both(ours, x)
            continue
        error = rng.normal(size=tuple(expected.shape))
        expected.backward(torch.tensor(error))
        a, sent = both(ours, x, error)
        np.testing.assert_allclose(a, expected.detach().numpy(), rtol=1e-12, atol=1e-12, err_msg=repr((x.shape, ours)))
        np.testing.assert_allclose(sent, tensor.grad.numpy(), rtol=1e-12, atol=1e-12, err_msg=repr((x.shape, ours)))
    assert 0 < refused < 100


# ---- what is refused, and what is said ----


@pytest.mark.parametrize("kind", [MaxPool2D, AvgPool2D])
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"pool_size": 0}, "pool_size, got 0"),
        ({"pool_size": 2.0}, "pool_size, got 2.0"),
        ({"pool_size": True}, "pool_size, got True"),
        ({"pool_size": "22"}, "pool_size, got '22'"),
        ({"pool_size": (2, 2, 2)}, "pool_size, got (2, 2, 2)"),
        ({"pool_size": 2, "stride": 0}, "stride, got 0"),
        ({"pool_size": 2, "stride": (1, -1)}, "stride, got (1, -1)"),
        ({"pool_size": 2, "padding": -1}, "padding, got -1"),
        ({"pool_size": (2, 3), "padding": (0, 2)}, "padding of at most half its pool_size 2×3, got (0, 2)"),
        ({"pool_size": 1, "padding": 1}, "padding of at most half its pool_size 1×1, got 1"),
    ],
)
def test_windows_that_make_no_sense_are_refused_by_name(kind, arguments, said):
    with pytest.raises(GraphError) as caught:
        kind(**arguments)
    assert str(caught.value).startswith(f"{kind.__name__} takes ")
    assert said in str(caught.value)


@pytest.mark.parametrize("size", [0, -1, 1.5, True, "2", None, (1, 2, 3), (2, 0), ()])
@pytest.mark.parametrize("kind", [AdaptiveAvgPool2D, UpSample2D])
def test_sizes_that_make_no_sense_are_refused_by_name(kind, size):
    with pytest.raises(GraphError) as caught:
        kind(size)
    assert str(caught.value).startswith(f"{kind.__name__} takes ")
    assert repr(size) in str(caught.value)


@pytest.mark.parametrize(
    "widths", [-1, 1.0, True, None, "ab", (), (1, 2), [(1,)], [(1, 2, 3)], [(-1, 2)], [(1, 0.5)], [1, (1, 1)]]
)
def test_widths_that_make_no_sense_are_refused(widths):
    with pytest.raises(GraphError, match="Pad takes a whole number of 0 or more as widths, or a pair") as caught:
        Pad(widths)
    assert repr(widths) in str(caught.value)


def test_modes_and_values_that_make_no_sense_are_refused():
    for mode in ("replicate", "zeros", None, 0):
        with pytest.raises(GraphError, match=f"'constant', 'reflect' or 'edge', got {mode!r}"):
            Pad(1, mode)
    for mode, value in (("constant", "0"), ("constant", None), ("constant", True), ("reflect", 1.0), ("edge", NAN)):
        with pytest.raises(GraphError, match=f"real number as value, in the mode 'constant' only, got {value!r}"):
            Pad(1, mode, value)


def test_layers_say_what_sets_them_apart():
    layers = MaxPool2D(2), AvgPool2D((2, 3)), AdaptiveAvgPool2D(7), UpSample2D(2), Pad(1), Pad(1, "edge")
    assert [layer.describe() for layer in layers] == [
        "MaxPool2D 2×2",
        "AvgPool2D 2×3",
        "AdaptiveAvgPool2D 7×7",
        "UpSample2D 2×2",
        "Pad 0",
        "Pad edge",
    ]


def test_numbers_of_numpy_are_as_good_as_those_of_python():
    x = np.random.default_rng(0).normal(size=(2, 1, 6, 6))
    for kind, size in ((MaxPool2D, 2), (AvgPool2D, 3), (AdaptiveAvgPool2D, 4), (UpSample2D, 2)):
        a, _ = both(kind(np.int64(size)), x, dtype="float32")
        np.testing.assert_array_equal(a, both(kind([size, np.int32(size)]), x, dtype="float32")[0])
        assert a.dtype == np.float32
