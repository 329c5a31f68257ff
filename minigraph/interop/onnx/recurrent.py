"""Recurrent layers as ONNX operators: whole sequences by RNN, GRU and LSTM, single steps by what they are made of."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import activations
from ...layers import GRU, LSTM, RNN, GRUCell, LSTMCell, Recurrent, RNNCell
from ...param import Param
from .model import Model
from .neurons import linear
from .registry import register

_ORDERS = {RNN: (0,), GRU: (1, 0, 2), LSTM: (0, 3, 1, 2)}
"""Where ONNX's gates are among ours: z r h of r z n, and i o f c of i f g o."""


@register(RNN, GRU, LSTM)
def recurrent(model: Model, layer: Recurrent, x: str, *others: str) -> str:
    """The operator over the sequence; step by step where it lacks the activation."""
    ragged = len(others) > 0 and model.node.inputs[-1].shape == ()
    starts, lengths = (others[:-1], others[-1]) if ragged else (others, None)
    if isinstance(layer, RNN) and type(layer.sigma) not in _NAMED:
        return _unrolled(model, layer, x, starts[0] if starts else None, lengths)
    order = _ORDERS[type(layer)]
    named: dict[str, Any] = {"activations": [_NAMED[type(layer.sigma)]]} if isinstance(layer, RNN) else {}
    named |= {"linear_before_reset": 1} if isinstance(layer, GRU) else {}
    every, h, *c = model.ops(
        type(layer).__name__,
        1 + layer.parts,
        model.op("Transpose", x, perm=[1, 0, 2]),
        _gates(model, layer.w, order),
        _gates(model, layer.u, order),
        _biases(model, layer, order),
        None if lengths is None else model.op("Cast", lengths, to=int(model.onnx.TensorProto.INT32)),
        *(model.op("Unsqueeze", start, model.constant([0])) for start in starts),
        hidden_size=layer.units,
        direction="reverse" if layer.reverse else "forward",
        **named,
    )
    if layer.returns == "sequence":  # (T, 1, m, n)
        return model.op("Transpose", model.op("Squeeze", every, model.constant([1])), perm=[1, 0, 2])
    if layer.returns == "state":  # (1, m, n) each
        return model.op("Transpose", model.op("Concat", h, *c, axis=0), perm=[1, 0, 2])
    return model.op("Squeeze", c[0] if layer.returns == "cell" else h, model.constant([0]))


_NAMED: dict[type[Any], str] = {activations.Tanh: "Tanh", activations.Sigmoid: "Sigmoid", activations.ReLU: "Relu"}
"""The activations that every reader has for its RNN."""


def _gates(model: Model, param: Param, order: tuple[int, ...]) -> str:
    """Weights, or biases, in ONNX's order of gates, with an axis for the direction in front."""
    return model.op("Unsqueeze", _sorted(model, param, order), model.constant([0]))


def _sorted(model: Model, param: Param, order: tuple[int, ...]) -> str:
    if order == tuple(sorted(order)):
        return model.param(param)
    rows = np.arange(param.shape[0]).reshape(len(order), -1)[list(order)].reshape(-1)
    return model.op("Gather", model.param(param), model.constant(rows), axis=0)


def _biases(model: Model, layer: Recurrent, order: tuple[int, ...]) -> str | None:
    """Those of the inputs, then those of the state, which only the GRU has."""
    if layer.b is None:
        return None
    inner = getattr(layer, "c", None)
    second = model.constant(np.zeros(layer.b.shape)) if inner is None else _sorted(model, inner, order)
    joined = model.op("Concat", _sorted(model, layer.b, order), second, axis=0)
    return model.op("Unsqueeze", joined, model.constant([0]))


def _unrolled(model: Model, layer: RNN, x: str, h: str | None, lengths: str | None) -> str:
    """A step for each t, as the cell makes it."""
    T, n = model.node.inputs[0].shape[0], layer.units
    v, states = linear(model, x, 2, layer.w, layer.b), {}
    if h is None and lengths is not None:
        shape = model.op("Concat", model.examples(), model.constant([n]), axis=0)
        h = model.op("Expand", model.constant(np.zeros((1, n))), shape)
    for t in reversed(range(T)) if layer.reverse else range(T):
        after = _step(model, layer, model.op("Gather", v, model.constant(t), axis=1), h)
        if lengths is not None:
            there = model.reshaped(model.op("Less", model.constant(t), lengths), (1,))
            after, shown = model.op("Where", there, after, h), model.op("Where", there, after, model.constant(0.0))
        else:
            shown = after
        h, states[t] = after, shown
    if layer.returns == "last":
        return str(h)
    return model.op("Concat", *(model.reshaped(states[t], (1, n)) for t in range(T)), axis=1)


# ---- single steps ----


@register(RNNCell)
def rnn_cell(model: Model, layer: RNNCell, x: str, h: str | None = None) -> str:
    """σ(x wᵀ + h uᵀ + b)."""
    return _step(model, layer, linear(model, x, 1, layer.w, layer.b), h)


def _step(model: Model, layer: RNNCell, v: str, h: str | None) -> str:
    z = v if h is None else model.op("Add", v, linear(model, h, 1, layer.u, None))
    return model.activated(layer.sigma, z)


@register(LSTMCell)
def lstm_cell(model: Model, layer: LSTMCell, x: str, state: str | None = None) -> str:
    """f ⊙ c + i ⊙ g and o ⊙ tanh of that, stacked."""
    z, c = linear(model, x, 1, layer.w, layer.b), None
    if state is not None:
        h, c = (model.op("Gather", state, model.constant(part), axis=1) for part in (0, 1))
        z = model.op("Add", z, linear(model, h, 1, layer.u, None))
    z_i, z_f, z_g, z_o = _split(model, z, 4, layer.units)
    after = model.op("Mul", model.op("Sigmoid", z_i), model.op("Tanh", z_g))
    if c is not None:
        after = model.op("Add", model.op("Mul", model.op("Sigmoid", z_f), c), after)
    out = model.op("Mul", model.op("Sigmoid", z_o), model.op("Tanh", after))
    return model.op("Concat", *(model.reshaped(part, (1, layer.units)) for part in (out, after)), axis=1)


@register(GRUCell)
def gru_cell(model: Model, layer: GRUCell, x: str, h: str | None = None) -> str:
    """(1 − z) ⊙ ñ + z ⊙ h, as ñ + z ⊙ (h − ñ)."""
    start = model.constant(np.zeros((1, layer.units))) if h is None else h
    v = _split(model, linear(model, x, 1, layer.w, layer.b), 3, layer.units)
    q = _split(model, linear(model, start, 1, layer.u, layer.c), 3, layer.units)
    r, z = (model.op("Sigmoid", model.op("Add", v[gate], q[gate])) for gate in (0, 1))
    new = model.op("Tanh", model.op("Add", v[2], model.op("Mul", r, q[2])))
    return model.op("Add", new, model.op("Mul", z, model.op("Sub", start, new)))


def _split(model: Model, z: str, gates: int, n: int) -> list[str]:
    return model.ops("Split", gates, z, model.constant([n] * gates), axis=1)
