"""Rows of recurrent layers and their cells."""

import math

import numpy as np

from minigraph.layers import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell

from .activation import MIXED, MIXED_SIGMA, SIGMA
from .case import Case, Refused, normal

# ---- one step of one example, on lists of floats ----


def weighed(w, x, b):
    return [math.fsum(wjk * xk for wjk, xk in zip(wj, x, strict=True)) + bj for wj, bj in zip(w, b, strict=True)]


def squash(z):
    return 1 / (1 + math.exp(-z))


def biases(given, name):
    return getattr(given, name).tolist() if hasattr(given, name) else [0.0] * len(given.w)


def simple(*functions):
    def step(given, x, h):
        inner = weighed(given.u.tolist(), h, biases(given, "b"))
        f = functions * len(h) if len(functions) == 1 else functions
        return ([f[j](z) for j, z in enumerate(weighed(given.w.tolist(), x, inner))],)

    return step


def lstm(given, x, h, c):
    n = len(h)
    z = weighed(given.w.tolist(), x, weighed(given.u.tolist(), h, biases(given, "b")))
    after_h, after_c = [], []
    for j in range(n):
        i, f, g, o = squash(z[j]), squash(z[n + j]), math.tanh(z[2 * n + j]), squash(z[3 * n + j])
        after_c.append(f * c[j] + i * g)
        after_h.append(o * math.tanh(after_c[j]))
    return after_h, after_c


def gru(given, x, h):
    n, after = len(h), []
    v, q = weighed(given.w.tolist(), x, biases(given, "b")), weighed(given.u.tolist(), h, biases(given, "c"))
    for j in range(n):
        r, z = squash(v[j] + q[j]), squash(v[n + j] + q[n + j])
        after.append((1 - z) * math.tanh(v[2 * n + j] + r * q[2 * n + j]) + z * h[j])
    return (after,)


# ---- one step, and all steps, of each example ----


def one(step, parts=1):
    """A cell: its state is stacked where it has several parts."""

    def reference(given, x, *state):
        out = np.full((len(x), parts, given.u.shape[1]), np.nan)
        start = state[0].reshape(out.shape) if state else np.zeros(out.shape)
        for e in range(len(x)):
            out[e] = step(given, x[e].tolist(), *start[e].tolist())
        return out if parts > 1 else out[:, 0]

    return reference


def over(step, parts=1, returns="sequence", reverse=False):
    """A layer over sequences; what `returns` says is picked at the end."""

    def reference(given, x, *others):
        m, T, _ = x.shape
        lengths = others[-1].tolist() if others and others[-1].ndim == 1 else [T] * m
        sequence, last = np.zeros((m, T, given.u.shape[1])), np.full((m, parts, given.u.shape[1]), np.nan)
        for e in range(m):
            states = [s[e].tolist() for s in others if s.ndim == 2] or [[0.0] * given.u.shape[1]] * parts
            steps = range(lengths[e])
            for t in reversed(steps) if reverse else steps:
                states = step(given, x[e, t].tolist(), *states)
                sequence[e, t] = states[0]
            last[e] = states
        return {"sequence": sequence, "last": last[:, 0], "cell": last[:, -1], "state": last}[returns]

    return reference


# ---- PyTorch's ----


def loaded(torch, kind, given, **settings):
    """PyTorch's module as a function, with the row's Params in place of its own."""
    module = getattr(torch.nn, kind)(given.w.shape[1], given.u.shape[1], dtype=torch.float64, **settings)
    end = "" if kind.endswith("Cell") else "_l0"
    none = torch.zeros(len(given.w), dtype=torch.float64)
    params = {"weight_ih": given.w, "weight_hh": given.u}
    params |= {"bias_ih": getattr(given, "b", none), "bias_hh": getattr(given, "c", none)}
    params = {name + end: value for name, value in params.items()}
    return lambda *inputs: torch.func.functional_call(module, params, inputs)


def torch_cell(kind, **settings):
    def function(torch, given, x, *state):
        cell = loaded(torch, kind, given, **settings)
        if kind != "LSTMCell":
            return cell(x, *state)
        return torch.stack(cell(x, *((s[:, 0], s[:, 1]) for s in state)), dim=1)

    return function


def torch_layer(kind, returns="sequence", reverse=False, **settings):
    def function(torch, given, x, *others):
        layer = loaded(torch, kind, given, batch_first=True, **settings)
        ragged = bool(others) and others[-1].ndim == 1
        m, T = x.shape[:2]
        lengths = others[-1] if ragged else torch.full((m,), T)
        turned = [[*reversed(range(n)), *range(n, T)] if reverse else [*range(T)] for n in lengths.tolist()]
        turn = lambda a: a[torch.arange(m)[:, None], torch.tensor(turned)]  # noqa: E731
        states = [s[None] for s in others if s.ndim == 2]
        start = [tuple(states)] if len(states) == 2 else states
        rnn = torch.nn.utils.rnn
        packed = rnn.pack_padded_sequence(turn(x), lengths, batch_first=True, enforce_sorted=False)
        sequence, last = layer(packed if ragged else turn(x), *start)
        if ragged:
            sequence, _ = rnn.pad_packed_sequence(sequence, batch_first=True, total_length=T)
        last = torch.stack([s[0] for s in last], dim=1) if kind == "LSTM" else last[0][:, None]
        return {"sequence": turn(sequence), "last": last[:, 0], "cell": last[:, -1], "state": last}[returns]

    return function


# ---- rows ----


def ragged(T):
    """Lengths with 1 and T among them."""
    return lambda rng, shape: rng.permutation(np.resize([1, T, (T + 1) // 2], shape))


STEPS = {RNN: (simple(math.tanh), 1), LSTM: (lstm, 2), GRU: (gru, 1)}


def row(id, kind, n, *shapes, lengths=False, refuses=(), torch=True, step=None, settings=None, **options):
    """A layer of n units over inputs of these shapes; `options` are the layer's, `settings` PyTorch's."""
    known, parts = STEPS[kind]
    ways = {key: options[key] for key in ("returns", "reverse") if key in options}
    return Case(
        kind.__name__ + id,
        lambda: kind(n, **options),
        (*shapes, ()) if lengths else shapes,
        over(step or known, parts, **ways),
        (normal,) * len(shapes) + (ragged(shapes[0][0]),) * lengths,
        refuses,
        torch=torch_layer(kind.__name__, **ways, **(settings or {})) if torch else None,
    )


def refused(n, parts):
    state = "h0" if parts == 1 else "h0 and c0"
    takes = f"takes a sequence, then {state} of shape ({n},) or none, then lengths of shape () or none"
    states = ((n,),) * parts
    return (
        Refused(((3,),), "takes sequences (T, k)", "got samples of shape (3,): put Reshape"),
        Refused(((2, 5, 3),), "takes sequences (T, k)", "got samples of shape (2, 5, 3)"),
        Refused(((5, 2), *((n + 1,),) * parts), takes, f"got (5, 2) and ({n + 1},)"),
        Refused(((5, 2), (), *states), takes, f"got (5, 2) and () and ({n},)"),
        Refused(((5, 2), (1,)), takes, "got (5, 2) and (1,)"),
        Refused(((5, 2), *states, (n,)), takes, f"({n},) and ({n},)"),
        Refused(((5, 2), *states, (), ()), takes, "() and ()"),
    )


def cell_refused(*state):
    return (
        Refused(((5, 2),), "takes vectors, those of one time step", "got samples of shape (5, 2): unroll"),
        Refused(((),), "takes vectors, those of one time step", "got samples of shape ()"),
        Refused(((2,), (4,)), f"takes a state of shape {state}", "got (4,)"),
        Refused(((2,), state, state), "takes an input and a state, if any", "got 3 inputs"),
    )


def family(kind):
    """The rows that every kind has: each of its inputs and results once, both ways."""
    parts = STEPS[kind][1]
    states = ((3,),) * parts
    return [
        row("", kind, 3, (5, 2), refuses=refused(3, parts)),
        row("-state", kind, 3, (4, 2), *states),
        row("-no-bias", kind, 2, (3, 4), bias=False),
        row("-last", kind, 3, (4, 2), *states, returns="last"),
        row("-reverse", kind, 2, (4, 3), reverse=True),
        row("-reverse-last", kind, 3, (3, 1), *states, returns="last", reverse=True),
        row("-ragged", kind, 3, (5, 2), lengths=True),
        row("-ragged-last", kind, 3, (4, 1), *states, lengths=True, returns="last"),
        row("-ragged-reverse", kind, 3, (5, 2), *states, lengths=True, reverse=True),
        row("-ragged-reverse-last", kind, 2, (4, 2), lengths=True, returns="last", reverse=True),
        row("-long", kind, 1, (9, 2), biases="normal"),
        row("-1", kind, 1, (1, 1)),
        row("-1-ragged", kind, 1, (1, 1), *((1,),) * parts, lengths=True),
    ]


# fmt: off
CASES = [
    *family(RNN), *family(LSTM), *family(GRU),
    row("-relu", RNN, 3, (4, 2), (3,), activation="relu", step=simple(SIGMA["relu"]),
        settings={"nonlinearity": "relu"}),
    row("-identity", RNN, 2, (3, 2), lengths=True, activation="identity", step=simple(SIGMA["identity"]), torch=False),
    row("-per-neuron", RNN, 5, (3, 2), (5,), activation=MIXED, step=simple(*MIXED_SIGMA), torch=False),
    row("-cell", LSTM, 3, (4, 2), returns="cell"),
    row("-both", LSTM, 2, (4, 3), (2,), (2,), returns="state"),
    row("-ragged-cell", LSTM, 3, (4, 2), (3,), (3,), lengths=True, returns="cell"),
    row("-ragged-reverse-both", LSTM, 2, (5, 2), lengths=True, returns="state", reverse=True),
    row("-biases", GRU, 2, (3, 2), (2,), biases="normal", recurrent_biases="normal"),
    Case("RNNCell", lambda: RNNCell(3), ((2,), (3,)), one(simple(math.tanh)), refuses=cell_refused(3),
         torch=torch_cell("RNNCell")),
    Case("RNNCell-start", lambda: RNNCell(3, bias=False), ((2,),), one(simple(math.tanh)), torch=torch_cell("RNNCell")),
    Case("RNNCell-per-neuron", lambda: RNNCell(5, MIXED), ((2,), (5,)), one(simple(*MIXED_SIGMA))),
    Case("RNNCell-1", lambda: RNNCell(1), ((1,), (1,)), one(simple(math.tanh)), torch=torch_cell("RNNCell")),
    Case("LSTMCell", lambda: LSTMCell(3), ((2,), (2, 3)), one(lstm, 2), refuses=cell_refused(2, 3),
         torch=torch_cell("LSTMCell")),
    Case("LSTMCell-start", lambda: LSTMCell(2), ((4,),), one(lstm, 2), torch=torch_cell("LSTMCell")),
    Case("LSTMCell-1", lambda: LSTMCell(1), ((1,),), one(lstm, 2), torch=torch_cell("LSTMCell")),
    Case("GRUCell", lambda: GRUCell(3), ((2,), (3,)), one(gru), refuses=cell_refused(3), torch=torch_cell("GRUCell")),
    Case("GRUCell-start", lambda: GRUCell(2), ((4,),), one(gru), torch=torch_cell("GRUCell")),
    Case("GRUCell-1", lambda: GRUCell(1), ((1,), (1,)), one(gru), torch=torch_cell("GRUCell")),
]
