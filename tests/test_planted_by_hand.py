"""Bugs planted into layers written by hand, one at a time: the gradient check finds each, and the right layer passes.

Each layer stands amid a graph that forks, shares and joins. Batches are as long as samples, so that a wrong axis fits.
"""

import numpy as np
import pytest
from test_check import WIDTH, normal
from test_planted import assert_found

import minigraph as mg
from minigraph.check import check
from minigraph.costs import Quadratic
from minigraph.layers import Concat, Dense

FEEDS = {"x": normal(WIDTH, WIDTH), "t": normal(WIDTH, 2, seed=1)}


def amid(planted, takes=1):
    """x -> shared, shared again -> the layer, as "planted", perhaps with more inputs -> joined with what went in."""
    g = mg.Graph(seed=3)
    shared = Dense(WIDTH, "tanh")
    h = g.input("x", WIDTH) >> shared
    h = shared(h)
    node = g.add(planted, h, *(h >> Dense(units) for units in (WIDTH, 1)[: takes - 1]), name="planted")
    g.cost(Quadratic(), Concat()(node, h) >> Dense(2), target="t")
    return g


def layer(forward, backward, start="normal", base=mg.Layer, shape=(WIDTH,), **attributes):
    """A layer of functions (x, …, p) -> a and (error, x, …, a, p) -> the errors and, at last, p's gradient."""

    def build(self, *shapes, rng, dtype):
        self.p = self.param("p", shape, start, rng=rng, dtype=dtype)
        return shapes[0]

    def ahead(self, at, *inputs):
        at.a = forward(*inputs, self.p.value)
        return at.a

    def back(self, at, error):
        *sent, at.grad[self.p] = backward(error, *at.inputs, at.a, self.p.value)
        return sent if len(sent) > 1 else sent[0]

    methods = {"build": build, "forward": ahead, "backward": back, **attributes}
    return lambda: type("ByHand", (base,), methods)()


def softmax(x):
    powers = np.exp(x - x.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def softmax_back(e, a):
    return a * (e - (e * a).sum(axis=1, keepdims=True))


def total(x):
    """ln Σ e^x of each row."""
    return np.log(np.exp(x).sum(axis=1, keepdims=True))


def powers(x, start):
    """1, x, x² … of the first of each row, from that one on."""
    return x[:, :1] ** np.arange(start, start + WIDTH - 1)


def powers_back(e, lower):
    return np.eye(1, WIDTH) * (e[:, 1:] * np.arange(1, WIDTH) * lower).sum(axis=1, keepdims=True)


def length(x):
    return np.sqrt((x * x).sum(axis=-1, keepdims=True))


def onto(x, e):
    """What of e lies along x, for each row."""
    return x * (x * e).sum(axis=-1, keepdims=True) / (x * x).sum(axis=-1, keepdims=True)


def turned(x):
    return np.cumsum(x[:, ::-1], axis=1)[:, ::-1]


def put(error, places, add):
    sent = np.zeros_like(error)
    if add:
        np.add.at(sent, (slice(None), places), error)
    else:
        sent[:, places] = error
    return sent


def window(x, before, behind):
    """The sum of the elements from so many before to so many behind each."""
    wide = np.pad(x, ((0, 0), (before, behind)))
    return sum(wide[:, k : k + x.shape[1]] for k in range(before + behind + 1))


def circular(x, k):
    return np.fft.irfft(np.fft.rfft(x) * np.fft.rfft(k), WIDTH)


def correlated(e, k):
    return np.fft.irfft(np.fft.rfft(e) * np.conj(np.fft.rfft(k)), WIDTH)


def whitened(x):
    return (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-3)


def whitened_back(e, x, a):
    return (e - e.mean(axis=0) - a * (e * a).mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-3)


def outside(x):
    return np.sqrt(x.var(axis=0) + 1e-3) / (x.std(axis=0) + 1e-3)


PLACES = np.array([0, 2, 2, 5, 1, 0])
SQUARE = {"shape": (WIDTH, WIDTH)}
MIXING = {"mixes_examples": True}
SCALE = lambda x, p: x * p, lambda e, x, a, p: (e * p, (e * x).sum(0))

# what, forward, right backward, wrong backward, what is wrong, options
BY_HAND = [
    ("the last element forgotten", *SCALE,
     lambda e, x, a, p: (e * p * (np.arange(WIDTH) < WIDTH - 1), (e * x).sum(0)), "0"),
    ("the first example doubled", *SCALE,
     lambda e, x, a, p: (e * p, (e * x).sum(0) + (e * x)[0]), "p"),
    ("wrong for m > 1", *SCALE,
     lambda e, x, a, p: (e * p, (e * x).mean(0) * min(len(x), 2)), "p"),
    ("summed along the wrong axis", *SCALE,
     lambda e, x, a, p: (e * p, (e * x).sum(1)), "p"),
    ("weight decay within backward", *SCALE,
     lambda e, x, a, p: (e * p, (e * x).sum(0) + 1e-3 * p), "p"),
    ("errors clipped", *SCALE,
     lambda e, x, a, p: (np.clip(e, -1, 1) * p, (e * x).sum(0)), "0"),
    ("only positive errors", *SCALE,
     lambda e, x, a, p: (np.maximum(e, 0) * p, (e * x).sum(0)), "0"),
    ("slopes cut to integers", *SCALE,
     lambda e, x, a, p: (e * p.astype(int), (e * x).sum(0)), "0"),
    ("what was saved in half precision", *SCALE,
     lambda e, x, a, p: (e * p, (e * x.astype("float16")).sum(0)), "p"),
    ("gradient reversed", *SCALE,
     lambda e, x, a, p: (-0.1 * e * p, (e * x).sum(0)), "0"),
    ("a Param used twice, assigned twice", lambda x, p: np.tanh(x * p) * p,
     lambda e, x, a, p: (e * p**2 / np.cosh(x * p) ** 2, (e * (np.tanh(x * p) + p * x / np.cosh(x * p) ** 2)).sum(0)),
     lambda e, x, a, p: (e * p**2 / np.cosh(x * p) ** 2, (e * p * x / np.cosh(x * p) ** 2).sum(0)), "p"),
    ("skip connection forgotten", lambda x, p: x + np.tanh(x * p),
     lambda e, x, a, p: (e + e * p / np.cosh(x * p) ** 2, (e * x / np.cosh(x * p) ** 2).sum(0)),
     lambda e, x, a, p: (e * p / np.cosh(x * p) ** 2, (e * x / np.cosh(x * p) ** 2).sum(0)), "0"),
    ("skip connection counted twice", lambda x, p: x + np.tanh(x * p),
     lambda e, x, a, p: (e + e * p / np.cosh(x * p) ** 2, (e * x / np.cosh(x * p) ** 2).sum(0)),
     lambda e, x, a, p: (2 * e + e * p / np.cosh(x * p) ** 2, (e * x / np.cosh(x * p) ** 2).sum(0)), "0"),
    ("a constant with too few digits", lambda x, p: np.tanh(0.044715 * x**3) * p,
     lambda e, x, a, p: (e * p * 3 * 0.044715 * x**2 / np.cosh(0.044715 * x**3) ** 2, (e * a / p).sum(0)),
     lambda e, x, a, p: (e * p * 3 * 0.04472 * x**2 / np.cosh(0.044715 * x**3) ** 2, (e * a / p).sum(0)), "0"),
    ("softmax as if elementwise", lambda x, p: softmax(x * p),
     lambda e, x, a, p: ((back := softmax_back(e, a)) * p, (back * x).sum(0)),
     lambda e, x, a, p: (e * a * (1 - a) * p, (softmax_back(e, a) * x).sum(0)), "0"),
    ("normalized without its projection", lambda x, p: x / length(x) * p,
     lambda e, x, a, p: ((e * p - onto(x, e * p)) / length(x), (e * x / length(x)).sum(0)),
     lambda e, x, a, p: (e * p / length(x), (e * x / length(x)).sum(0)), "0"),
    ("weight normalization without its projection", lambda x, p: x * p / length(p),
     lambda e, x, a, p: (e * p / length(p), ((g := (e * x).sum(0)) - onto(p, g)) / length(p)),
     lambda e, x, a, p: (e * p / length(p), (e * x).sum(0) / length(p)), "p"),
    ("statistics taken for constants", lambda x, p: whitened(x) * p,
     lambda e, x, a, p: (whitened_back(e * p, x, a / p), (e * a / p).sum(0)),
     lambda e, x, a, p: (e * p / np.sqrt(x.var(axis=0) + 1e-3), (e * a / p).sum(0)), "0", MIXING),
    ("the mean's share forgotten", lambda x, p: whitened(x) * p,
     lambda e, x, a, p: (whitened_back(e * p, x, a / p), (e * a / p).sum(0)),
     lambda e, x, a, p: (whitened_back(e * p, x, a / p) + (e * p).mean(0), (e * a / p).sum(0)), "0", MIXING),
    ("ε outside of the root", lambda x, p: whitened(x) * p,
     lambda e, x, a, p: (whitened_back(e * p, x, a / p), (e * a / p).sum(0)),
     lambda e, x, a, p: (whitened_back(e * p, x, a / p) * outside(x), (e * a / p).sum(0)), "0", MIXING),
    ("sums run the same way back", lambda x, p: np.cumsum(x * p, axis=1),
     lambda e, x, a, p: (turned(e) * p, (turned(e) * x).sum(0)),
     lambda e, x, a, p: (np.cumsum(e, axis=1) * p, (turned(e) * x).sum(0)), "0"),
    ("= for += where places repeat", lambda x, p: x[:, PLACES] * p,
     lambda e, x, a, p: (put(e * p, PLACES, True), (e * x[:, PLACES]).sum(0)),
     lambda e, x, a, p: (put(e * p, PLACES, False), (e * x[:, PLACES]).sum(0)), "0"),
    ("a permutation not inverted", lambda x, p: np.sort(x, axis=1) * p,
     lambda e, x, a, p: (np.take_along_axis(e * p, x.argsort(1).argsort(1), 1), (e * np.sort(x, axis=1)).sum(0)),
     lambda e, x, a, p: (np.take_along_axis(e * p, x.argsort(1), 1), (e * np.sort(x, axis=1)).sum(0)), "0"),
    ("a window on the wrong side", lambda x, p: window(x, 2, 1) * p,
     lambda e, x, a, p: (window(e * p, 1, 2), (e * window(x, 2, 1)).sum(0)),
     lambda e, x, a, p: (window(e * p, 2, 1), (e * window(x, 2, 1)).sum(0)), "0"),
    ("a window too short by one", lambda x, p: window(x, 2, 1) * p,
     lambda e, x, a, p: (window(e * p, 1, 2), (e * window(x, 2, 1)).sum(0)),
     lambda e, x, a, p: (window(e * p, 1, 1), (e * window(x, 2, 1)).sum(0)), "0"),
    ("convolution for correlation", circular,
     lambda e, x, a, p: (correlated(e, p), correlated(e, x).sum(0)),
     lambda e, x, a, p: (correlated(e, p), circular(e, x).sum(0)), "p"),
    ("kernel not turned round", circular,
     lambda e, x, a, p: (correlated(e, p), correlated(e, x).sum(0)),
     lambda e, x, a, p: (circular(e, p), correlated(e, x).sum(0)), "0"),
    ("powers off by one", lambda x, p: x[:, :1] ** np.arange(WIDTH) * p,
     lambda e, x, a, p: (powers_back(e * p, powers(x, 0)), (e * x[:, :1] ** np.arange(WIDTH)).sum(0)),
     lambda e, x, a, p: (powers_back(e * p, powers(x, 1)), (e * x[:, :1] ** np.arange(WIDTH)).sum(0)), "0"),
    ("errors pass where values are cut off", lambda x, p: np.clip(x, -0.3, 0.3) * p,
     lambda e, x, a, p: (e * p * (np.abs(x) < 0.3), (e * np.clip(x, -0.3, 0.3)).sum(0)),
     lambda e, x, a, p: (e * p, (e * np.clip(x, -0.3, 0.3)).sum(0)), "0"),
    ("rounded ahead, straight through back", lambda x, p: np.round(x, 1) * p,
     lambda e, x, a, p: (0 * e, (e * np.round(x, 1)).sum(0)),
     lambda e, x, a, p: (e * p, (e * np.round(x, 1)).sum(0)), "0"),
    ("powers for shares in log Σ e^x", lambda x, p: total(x) * p,
     lambda e, x, a, p: (softmax(x) * (e * p).sum(1, keepdims=True), (e * total(x)).sum(0)),
     lambda e, x, a, p: (np.exp(x) * (e * p).sum(1, keepdims=True), (e * total(x)).sum(0)), "0"),
    ("a square matrix transposed", lambda x, p: x @ p, lambda e, x, a, p: (e @ p.T, x.T @ e),
     lambda e, x, a, p: (e @ p, x.T @ e), "0", SQUARE),
    ("an outer product turned", lambda x, p: x @ p, lambda e, x, a, p: (e @ p.T, x.T @ e),
     lambda e, x, a, p: (e @ p.T, e.T @ x), "p", SQUARE),
    ("a symmetric form taken for half", lambda x, p: np.einsum("xi,ij,xj->x", x, p, x)[:, None] * x**0,
     lambda e, x, a, p: (e.sum(1, keepdims=True) * (x @ (p + p.T)), np.einsum("x,xi,xj->ij", e.sum(1), x, x)),
     lambda e, x, a, p: (e.sum(1, keepdims=True) * 2 * (x @ p), np.einsum("x,xi,xj->ij", e.sum(1), x, x)), "0", SQUARE),
    ("two inputs swapped", lambda x, y, p: x * p + y,
     lambda e, x, y, a, p: (e * p, e, (e * x).sum(0)), lambda e, x, y, a, p: (e, e * p, (e * x).sum(0)), "0 1"),
    ("a gate for its rest", lambda x, y, p: p * x + (1 - p) * y,
     lambda e, x, y, a, p: (e * p, e * (1 - p), (e * (x - y)).sum(0)),
     lambda e, x, y, a, p: (e * p, e * p, (e * (x - y)).sum(0)), "1"),
    ("half of a gate's gradient", lambda x, y, p: p * x + (1 - p) * y,
     lambda e, x, y, a, p: (e * p, e * (1 - p), (e * (x - y)).sum(0)),
     lambda e, x, y, a, p: (e * p, e * (1 - p), (e * x).sum(0)), "p"),
    ("a bilinear form turned", lambda x, y, p: (x @ p) * y,
     lambda e, x, y, a, p: ((e * y) @ p.T, e * (x @ p), x.T @ (e * y)),
     lambda e, x, y, a, p: ((e * y) @ p.T, e * (x @ p.T), x.T @ (e * y)), "1", SQUARE),
    ("summed back along the examples", lambda x, y, c, p: (x + y * p) * c,
     lambda e, x, y, c, a, p: (e * c, e * c * p, (e * (x + y * p)).sum(1, keepdims=True), (e * c * y).sum(0)),
     lambda e, x, y, c, a, p: (e * c, e * c * p, (e * (x + y * p)).sum(0)[:, None], (e * c * y).sum(0)), "2"),
    ("not summed back", lambda x, y, c, p: (x + y * p) * c,
     lambda e, x, y, c, a, p: (e * c, e * c * p, (e * (x + y * p)).sum(1, keepdims=True), (e * c * y).sum(0)),
     lambda e, x, y, c, a, p: (e * c, e * c * p, e * (x + y * p), (e * c * y).sum(0)), "!the error for input 2"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("ahead", "right", "wrong", "found", "options"),
    [(*row[1:5], dict(*row[5:])) for row in BY_HAND],
    ids=[row[0] for row in BY_HAND],
)
def test_a_bug_in_a_layer_by_hand_is_found_at_its_node_and_nowhere_else(ahead, right, wrong, found, options):
    takes = ahead.__code__.co_argcount - 1
    report = check(amid(layer(ahead, right, **options)(), takes), FEEDS, samples=5)
    assert report.ok, str(report)
    assert_found(check(amid(layer(ahead, wrong, **options)(), takes), FEEDS, samples=5), found)
