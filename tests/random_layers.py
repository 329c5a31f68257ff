"""The table of what random graphs are woven of: one row a kind of node, which says what it goes on and how it is added.

`add(w, x)` adds nodes on x, a node of the graph that the weaver w is at, and returns the last of them. What w picks is
drawn. A kind is "rough" if it has kinks, where differences tell nothing; "constant" if its gradient isn't the
derivative, as something counts as a constant; "noisy" if training computes something else than inference; "mixing" if
examples have no gradients of their own.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from cases.case import fractions, normal

import minigraph as mg
from minigraph import layers
from minigraph.layers import GRU, LSTM, RNN, Activation, Bias, Concat, Conv2D, Dense, Dropout, Embedding, MatMul, Slice
from minigraph.layers import MultiHeadAttention as Heads
from minigraph.layers import ScaledDotProductAttention as Attention

SMOOTH = ("tanh", "sigmoid", "softplus", "gelu", "gelu_tanh", "silu", "mish", "identity")
KINKED = ("relu", "leaky_relu", "elu", "selu")
SHAPES = (3,), (2, 3), (2, 3, 3), (2, 4, 3), ()
SYMBOLS = 5
LARGE = 40


@dataclass(frozen=True)
class Kind:
    """How one kind of node is added on nodes with samples of some ranks, and of at most so many elements."""

    add: Callable
    ranks: tuple = (0, 1, 2, 3)
    trait: str | None = None
    most: int = 1000

    def fits(self, x):
        return len(x.shape) in self.ranks and math.prod(x.shape) <= self.most


def layer(make, *ranks, **options):
    """A layer with one input, made for samples of a shape."""
    return Kind(lambda w, x: make(w, x.shape)(x), ranks or (0, 1, 2, 3), **options)


@mg.register
def slope_of_arctan(x):
    return 1.0 / (1.0 + x * x)


def positive(w, x):
    """A node of numbers above 0.4."""
    return Bias(0.4)(w.pick(layers.Square(), Activation("softplus"), Activation("sigmoid"))(x))


def sigmas(w, n):
    """An activation for n neurons, or one for each."""
    names = SMOOTH + KINKED * ("rough" in w.traits)
    return w.pick(*names) if w.flag() else [w.pick(*names) for _ in range(n)]


# ---- several inputs ----


def broadcast(w, x, many=2):
    """x and other nodes, or itself, whose samples broadcast with it."""
    chosen = [x]
    for _ in range(w.whole(1, many)):
        shape = np.broadcast_shapes(*(node.shape for node in chosen))
        chosen.append(w.pick(x, *(node for node in w.nodes if makes(np.add, shape, node.shape))))
    return chosen


def makes(function, *shapes):
    """Whether a function takes arrays of these shapes, and makes one that isn't large."""
    try:
        return function(*map(np.zeros, shapes)).size <= LARGE
    except ValueError:
        return False


def concat(w, x):
    axis = w.whole(-len(x.shape), -1)

    def rest(node):
        return len(node.shape), (*node.shape[:axis], *node.shape[axis:][1:])

    return Concat(axis)(x, *w.several(*(node for node in w.nodes if rest(node) == rest(x))))


def matmul(w, x):
    return MatMul()(x, w.pick(turned(x), *(node for node in w.nodes if makes(np.matmul, x.shape, node.shape))))


def turned(x):
    rank = len(x.shape)
    return layers.Transpose((*range(rank - 2), rank - 1, rank - 2))(x) if rank > 1 else x


def split(w, x):
    n = x.shape[-1]
    return layers.Split(n if w.flag() else [1, n - 1] if n > 1 else 1)(x)[-1]


# ---- images ----


def conv(w, shape, kind):
    groups, kernel = w.pick(1, shape[0]), tuple(w.whole(1, min(2, n)) for n in shape[1:])
    filters, dilation = groups * w.whole(1, 2), w.whole(1, 2) if min(shape[1:]) > 2 else 1
    options = {"stride": w.whole(1, 2), "padding": w.pick(0, 1, "same"), "bias": w.flag()}
    return kind(filters, kernel, dilation=dilation, groups=groups, activation=sigmas(w, filters), **options)


def pool_sizes(w, shape):
    sizes = tuple(w.whole(1, n) for n in shape[1:])
    return {"pool_size": sizes, "stride": w.pick(None, 1), "padding": 1 if min(sizes) > 1 and w.flag() else 0}


def margins(w, shape):
    mode = w.pick("constant", "reflect", "edge")
    most = [min(2, n - 1) for n in shape] if mode == "reflect" else [1] * len(shape)
    return layers.Pad([(w.whole(0, n), w.whole(0, n)) for n in most], mode, 0.5 * (mode == "constant"))


def part(w, shape):
    """A basic index that leaves something."""
    choices = [(slice(None), slice(None, None, -1), slice(0, max(1, n - 1)), -1) for n in shape]
    return Slice(tuple(w.pick(*choice) for choice in choices) or (None,))


# ---- sequences ----


def recurrent(kind):
    def add(w, x):
        states = [node for node in w.nodes if len(node.shape) == 1] if w.flag() else []
        start = w.pick(*states) if states else None
        units = start.shape[0] if start else w.whole(1, 3)
        options = {"activation": sigmas(w, units)} if kind is RNN else {}
        new = kind(units, returns=w.pick(*kind.results), reverse=w.flag(), bias=w.flag(), **options)
        inputs = [start] * (new.parts if start else 0)
        inputs += [w.integers((), x.shape[0] + 1, least=1)] if w.flag() else []
        return new(x, *inputs)

    return Kind(add, (2,))


def cell(kind):
    def add(w, x):
        states = [node for node in w.nodes if node.shape[:-1] == (2,) * (kind.parts > 1) and node.shape]
        if states and w.flag():
            state = w.pick(*states)
            return kind(state.shape[-1])(x, state)
        return kind(w.whole(1, 3), bias=w.flag())(x)

    return Kind(add, (1,))


def attention(w, x):
    keys = w.pick(x, *(node for node in w.nodes if len(node.shape) == 2 and node.shape[1] == x.shape[1]))
    values = w.pick(*(node for node in w.nodes if len(node.shape) == 2 and node.shape[0] == keys.shape[0]))
    options = {"causal": w.flag(), "dropout": 0.3 if "noisy" in w.traits else 0.0}
    return Attention(**options)(x, keys, values, *mask(w, x, keys))


def heads(w, x):
    others = [node for node in w.nodes if len(node.shape) == 2]
    key = w.pick(*others)
    value = w.pick(*(node for node in others if node.shape[0] == key.shape[0]))
    inputs = w.pick((x,), (x, key), (x, key, value))
    count = w.whole(1, 2)
    new = Heads(count, count * w.whole(1, 2), causal=w.flag(), bias=w.flag(), biases="normal")
    return new(*inputs, *mask(w, x if len(inputs) == 3 else None, key if len(inputs) > 1 else x))


def mask(w, queries, keys):
    """Nothing, lengths, or a mask of keys or of pairs."""
    S = keys.shape[0]
    shape = w.pick((), None, (S,), *([(queries.shape[0], S)] if queries else []))
    return [] if shape is None else [w.integers(shape, S + 1 if shape == () else 2)]


def embedding(w, x):
    index = w.integers(w.pick((), (2,), (3,)), SYMBOLS)
    return Embedding(SYMBOLS, w.whole(1, 3), padding_index=w.pick(None, 2) if "constant" in w.traits else None)(index)


# ---- Params again ----


def again(w, x):
    """A layer with Params once more, on nodes of the same shapes."""
    new, inputs = w.pick(*(w.trained or [(layers.Identity(), (x,))]))
    return new(*(w.pick(*(n for n in w.nodes if n.shape == i.shape)) if i in w.nodes else i for i in inputs))


def borrowed(w, x):
    """The weights of a Dense in another one, as they are or transposed."""
    lenders = [one for one, _ in w.trained if isinstance(one, Dense)]
    fitting = [(one.w, one.w.shape[0]) for one in lenders if one.w.shape[1] == x.shape[-1]]
    fitting += [(one.w.T, one.w.shape[1]) for one in lenders if one.w.shape[0] == x.shape[-1]]
    fitting = fitting or [(Dense(x.shape[-1], "tanh")(x).layer.w.T, x.shape[-1])]
    weights, units = w.pick(*fitting)
    return Dense(units, sigmas(w, units), bias=w.flag(), weights=weights)(x)


def frozen(w, x):
    node = borrowed(w, x)
    node.layer.frozen = True
    return node


def statistics(w, x):
    node = layers.BatchNorm(affine=w.flag())(x)
    node.layer.mean, node.layer.variance = w.rng.normal(size=x.shape[0]), w.rng.uniform(0.5, 2.0, x.shape[0])
    return node


KINDS = {
    # without Params, elementwise
    "Activation": layer(lambda w, s: Activation(sigmas(w, s[-1]) if s else w.pick(*SMOOTH))),
    "Exp": Kind(lambda w, x: layers.Exp()(Activation("tanh")(x))),
    "Function": layer(lambda w, s: layers.Function(np.arctan, slope_of_arctan)),
    "Identity": layer(lambda w, s: layers.Identity()),
    "Log": Kind(lambda w, x: layers.Log()(positive(w, x))),
    "Negative": layer(lambda w, s: layers.Negative()),
    "Power": Kind(lambda w, x: layers.Power(w.pick(-1.0, 0.5, 1.5, 2.0, 3.0))(positive(w, x))),
    "Sin": layer(lambda w, s: layers.Sin()),
    "Sqrt": Kind(lambda w, x: layers.Sqrt()(positive(w, x))),
    "Square": layer(lambda w, s: layers.Square()),
    "Abs": layer(lambda w, s: layers.Abs(), trait="rough"),
    "Dropout": layer(lambda w, s: Dropout(0.3), trait="noisy"),
    "GaussianNoise": layer(lambda w, s: layers.GaussianNoise(0.1), trait="noisy"),
    "StopGradient": layer(lambda w, s: layers.StopGradient(), trait="constant"),
    # of several
    "Add": Kind(lambda w, x: layers.Add()(*broadcast(w, x))),
    "Concat": Kind(concat, (1, 2, 3)),
    "Divide": Kind(lambda w, x: layers.Divide()(x, positive(w, broadcast(w, x, 1)[1]))),
    "MatMul": Kind(matmul, (1, 2, 3)),
    "Multiply": Kind(lambda w, x: layers.Multiply()(*broadcast(w, x))),
    "Stack": Kind(lambda w, x: layers.Stack(w.whole(0, len(x.shape)))(x, *w.several(*w.like(x))), (0, 1, 2)),
    "Subtract": Kind(lambda w, x: layers.Subtract()(*broadcast(w, x, 1))),
    # in other shapes
    "Broadcast": layer(lambda w, s: layers.Broadcast((2, *s)), 0, 1, 2, most=LARGE // 2),
    "ExpandDims": layer(lambda w, s: layers.ExpandDims(w.whole(0, len(s))), 0, 1, 2),
    "Flatten": layer(lambda w, s: layers.Flatten()),
    "Pad": layer(margins, 1, 2, 3, most=16),
    "Reshape": layer(
        lambda w, s: layers.Reshape(w.pick((s[0], -1), (-1, s[0]), (1, s[0], -1), (s[0], -1, 1))), 1, 2, 3
    ),
    "Slice": layer(part),
    "Split": Kind(split, (1, 2, 3)),
    "Squeeze": layer(lambda w, s: layers.Squeeze()),
    "Transpose": layer(lambda w, s: layers.Transpose(w.pick(None, w.shuffled(range(len(s))))), 1, 2, 3),
    # along axes
    "LogSoftmax": layer(lambda w, s: layers.LogSoftmax(w.axis(s)), 1, 2, 3),
    "Max": layer(lambda w, s: layers.Max(w.pick(None, w.axis(s)), w.flag()), 1, 2, 3, trait="rough"),
    "Mean": layer(lambda w, s: layers.Mean(w.pick(None, w.axis(s)), w.flag()), 1, 2, 3),
    "Softmax": layer(lambda w, s: layers.Softmax(w.axis(s)), 1, 2, 3),
    "Sum": layer(lambda w, s: layers.Sum(w.pick(None, w.axis(s)), w.flag()), 1, 2, 3),
    # with Params; norms with an eps that keeps them smooth where all elements are equal
    "BatchNorm": Kind(statistics, (1, 2, 3), "mixing"),
    "Bias": layer(lambda w, s: Bias(w.pick(None, 0.5, np.linspace(-1.0, 1.0, s[-1])), w.axis(s)), 1, 2, 3),
    "Dense": layer(lambda w, s: (lambda n: Dense(n, sigmas(w, n), bias=w.flag()))(w.whole(1, 4)), 1, 2, 3),
    "GroupNorm": layer(lambda w, s: layers.GroupNorm(w.pick(1, s[0]), 0.2, w.flag()), 1, 2, 3),
    "LayerNorm": layer(lambda w, s: layers.LayerNorm(w.whole(1, len(s)), 0.2, w.flag()), 1, 2, 3),
    "PReLU": layer(lambda w, s: layers.PReLU(w.flag()), 1, 2, 3, trait="rough"),
    "RMSNorm": layer(lambda w, s: layers.RMSNorm(w.whole(1, len(s)), 0.2, w.flag()), 1, 2, 3),
    "Scale": layer(lambda w, s: layers.Scale(w.pick(None, -1.5, np.linspace(0.5, 1.0, s[-1])), w.axis(s)), 1, 2, 3),
    # images
    "AdaptiveAvgPool2D": layer(lambda w, s: layers.AdaptiveAvgPool2D((w.whole(1, 2), w.whole(1, 3))), 3),
    "AvgPool2D": layer(lambda w, s: layers.AvgPool2D(**pool_sizes(w, s), count_include_pad=w.flag()), 3),
    "Conv1D": layer(lambda w, s: conv(w, s, layers.Conv1D), 2),
    "Conv2D": layer(lambda w, s: conv(w, s, Conv2D), 3),
    "ConvTranspose2D": layer(lambda w, s: layers.ConvTranspose2D(2, (2, 1), w.whole(1, 2), bias=w.flag()), 3, most=12),
    "GlobalAvgPool": layer(lambda w, s: layers.GlobalAvgPool(), 1, 2, 3),
    "MaxPool2D": layer(lambda w, s: layers.MaxPool2D(**pool_sizes(w, s)), 3, trait="rough"),
    "UpSample2D": layer(lambda w, s: layers.UpSample2D((2, w.whole(1, 2))), 3, most=12),
    # sequences
    "Embedding": Kind(embedding),
    "GRU": recurrent(GRU),
    "GRUCell": cell(layers.GRUCell),
    "LSTM": recurrent(LSTM),
    "LSTMCell": cell(layers.LSTMCell),
    "MultiHeadAttention": Kind(heads, (2,)),
    "PositionalEncoding": layer(lambda w, s: layers.PositionalEncoding(), 2),
    "RNN": recurrent(RNN),
    "RNNCell": cell(layers.RNNCell),
    "ScaledDotProductAttention": Kind(attention, (2,)),
    # Params of others
    "again": Kind(again),
    "borrowed": Kind(borrowed, (1, 2, 3)),
    "frozen": Kind(frozen, (1, 2, 3), "constant"),
    # a block of nodes; one more input
    "block": Kind(lambda w, x: mg.Sequential(x.shape, Dense(2, sigmas(w, 2)), layers.Sin(), seed=1)(x), (1, 2, 3)),
    "input": Kind(lambda w, x: w.input(w.pick(*SHAPES), w.pick(normal, fractions))),
}
