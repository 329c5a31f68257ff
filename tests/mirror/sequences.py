"""Recurrence step by step, and attention query by query."""

import math

import autograd.numpy as np
import numpy

from minigraph import layers

from .elementwise import activated, sigmoid
from .shapes import softmax_of
from .table import of, plain


def weighed(layer, p, x, h):
    """x wᵀ + b and h uᵀ, in gates."""
    n = layer.units
    z = np.dot(p(layer.w), x) + (0.0 if layer.b is None else p(layer.b))
    hu = np.dot(p(layer.u), h)
    return [z[i : i + n] for i in range(0, len(z), n)], [hu[i : i + n] for i in range(0, len(hu), n)]


def rnn(layer, p, x, state):
    (z,), (hu,) = weighed(layer, p, x, state[0])
    return (activated(layer.activation, z + hu),)


def lstm(layer, p, x, state):
    i, f, g, o = (z + hu for z, hu in zip(*weighed(layer, p, x, state[0]), strict=True))
    c = sigmoid(f) * state[1] + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru(layer, p, x, state):
    (vr, vz, vn), (qr, qz, qn) = weighed(layer, p, x, state[0])
    if layer.c is not None:
        c = np.reshape(p(layer.c), (3, -1))
        qr, qz, qn = qr + c[0], qz + c[1], qn + c[2]
    z = sigmoid(vz + qz)
    return ((1.0 - z) * np.tanh(vn + sigmoid(vr + qr) * qn) + z * state[0],)


def zeros(layer):
    return (numpy.zeros(layer.units),) * layer.parts


def single(step):
    """A cell: one step from a state, with its parts stacked if there are several."""

    def mirrored(layer, p, x, *state):
        parts = zeros(layer) if not state else state if layer.parts == 1 else tuple(state[0])
        after = step(layer, p, x, parts)
        return after[0] if layer.parts == 1 else np.stack(after)

    return mirrored


def over_sequence(step):
    """A recurrent layer: as many steps as the example is long."""

    def mirrored(layer, p, x, *others):
        T = len(x)
        length = int(others[-1]) if others and numpy.ndim(others[-1]) == 0 else T
        state = tuple(others[: layer.parts]) if len(others) >= layer.parts and numpy.ndim(others[0]) else zeros(layer)
        h = [numpy.zeros(layer.units)] * T
        for t in range(length)[:: -1 if layer.reverse else 1]:
            state = step(layer, p, x[t], state)
            h[t] = state[0]
        return {"sequence": lambda: np.stack(h), "state": lambda: np.stack(state)}.get(
            layer.returns, lambda: state[layer.returns == "cell"]
        )()

    return mirrored


of(layers.RNNCell)(single(rnn))
of(layers.LSTMCell)(single(lstm))
of(layers.GRUCell)(single(gru))
of(layers.RNN)(over_sequence(rnn))
of(layers.LSTM)(over_sequence(lstm))
of(layers.GRU)(over_sequence(gru))


def attended(q, k, v, mask, causal):
    rows = []
    for t in range(len(q)):
        look = numpy.arange(len(k)) < (len(k) if mask is None or numpy.ndim(mask) else mask)
        if numpy.ndim(mask):
            look = look & ((mask if numpy.ndim(mask) == 1 else mask[t]) == 1)
        if causal:
            look = look & (numpy.arange(len(k)) <= t)
        seen = numpy.flatnonzero(look)
        if len(seen):
            rows.append(np.dot(softmax_of(np.dot(k[seen], q[t]) / math.sqrt(q.shape[1])), v[seen]))
        else:
            rows.append(numpy.zeros(v.shape[1]))
    return np.stack(rows)


@of(layers.ScaledDotProductAttention)
def attention(layer, p, q, k, v, mask=None):
    return attended(q, k, v, mask, layer.causal)


@of(layers.MultiHeadAttention)
def heads(layer, p, *inputs):
    count = next((i for i, x in enumerate(inputs) if numpy.ndim(x) != 2 or i == 3), len(inputs))
    xs = [inputs[min(i, count - 1)] for i in range(3)]
    mask = inputs[count] if len(inputs) > count else None

    def projected(letter, x):
        b = getattr(layer, f"b_{letter}")
        return np.dot(x, p(getattr(layer, f"w_{letter}")).T) + (0.0 if b is None else p(b))

    q, k, v = (projected(letter, x) for letter, x in zip("qkv", xs, strict=True))
    width = q.shape[1] // layer.heads
    parts = [slice(i * width, (i + 1) * width) for i in range(layer.heads)]
    found = [attended(q[:, part], k[:, part], v[:, part], mask, layer.causal) for part in parts]
    return projected("o", np.concatenate(found, axis=1))


def with_positions(x):
    T, d = x.shape
    return x + numpy.array(
        [[(math.cos if i % 2 else math.sin)(t / 10000.0 ** (i // 2 * 2 / d)) for i in range(d)] for t in range(T)]
    )


plain(layers.PositionalEncoding, with_positions)
