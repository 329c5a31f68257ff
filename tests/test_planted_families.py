"""Bugs planted into layers with windows, statistics, time, attention and symbols: see test_planted.py."""

import pytest
from test_planted import assert_found, bugs, checked, named

# ---- windows ----

FLIPPED = "self.w.value[:, :, ::-1, ::-1]"
WINDOWS = {
    ("Conv2D", "backward"): [
        ("kernel not turned round", "self.w.value", FLIPPED, "0"),
        ("x shifted by one", "_images(x)", "np.roll(_images(x), 1, axis=3)", "w"),
        ("filters in the wrong order", "self.w.value", "self.w.value[::-1]", "0"),
    ],
    ("Conv2D-relu", "backward"): [("error for δ", "at, _images(delta)", "at, _images(error)", "0 w")],
    ("Conv2D-relu", "_gradients"): [
        ("mean for sum over places", "np.add.reduce(at.over", "np.mean(at.over", "b"),
        ("one example's bias", "np.dot(at.ones, at.delta.reshape(at.m, -1)",
         "np.positive(at.delta.reshape(at.m, -1)[0]", "b"),
        ("no bias", "layer.b is not None", "layer.b is None", "!set at.grad[self.b]"),
    ],
    ("Conv2D-groups", "Sums.backward"): [
        ("groups in the wrong order", "room.gather(x[part])", "room.gather(x[part][:, ::-1])", "w"),
    ],
    ("Conv2D-lopsided", "Sums._gradient"): [
        ("added to what was there", "np.copyto(grad, share) if first else ", "", "!called again"),
    ],
    ("Conv2D-rest", "Sums.backward"): [("what was there before", "room.sums.fill(0)", "room.sums.fill(1)", "0 w")],
    ("Conv1D", "backward"): [("time runs backward", "self.w.value", "self.w.value[:, :, ::-1]", "0")],
    ("Conv1D-lopsided", "backward"): [("one step too late", "_images(x)", "np.roll(_images(x), 1, axis=3)", "w")],
    ("ConvTranspose2D", "backward"): [
        ("kernel turned round", "delta, self.w.value, None", f"delta, {FLIPPED}, None", "0"),
    ],
    ("ConvTranspose2D-tanh", "backward"): [
        ("error for δ", "self.w.value, delta, grad", "self.w.value, error, grad", "w"),
    ],
    ("MaxPool2D", "backward"): [
        ("to the first of each window", "np.add(at.winner", "np.add(at.first + 0 * at.winner", "0"),
        ("errors of earlier sweeps", "zero=True", "zero=False", "!called again"),
        ("one image for all", "at.image, out=place", "0 * at.image, out=place", "0"),
    ],
    ("MaxPool2D-overlap", "_add_at"): [
        ("= for +=", "np.add.at(sent.reshape(-1), place.reshape(-1), error.reshape(-1))",
         "sent.reshape(-1)[place.reshape(-1)] = error.reshape(-1)", "0"),
    ],
    ("AvgPool2D", "backward"): [("not divided", "np.divide(error, at.d", "np.positive(error", "0")],
    ("AvgPool2D-without-padding", "backward"): [("padding counted", "at.d, out", "at.d.max(), out", "0")],
    ("AvgPool2D-padded", "spread"): [("off by one", "in side.steps():", "in side.steps()[1:]:", "0")],
    ("GlobalAvgPool", "backward"): [("channels counted, too", "shape[2:]", "shape[1:]", "0")],
    ("AdaptiveAvgPool2D", "backward"): [
        ("= for += of rows", "sent[:, :, k:end] +=", "sent[:, :, k:end] =", "0"),
        ("off by one", "rows[..., k:end] +=", "rows[..., k : end - 1] +=", "0"),
    ],
    ("UpSample2D", "backward"): [("the largest copy's error", "return fold(np.add", "return fold(np.maximum", "0")],
    ("Pad-reflect", "backward"): [
        ("= for +=", "error[repeated] +=", "error[repeated] =", "0"),
        ("margins forgotten", "if repeats:", "repeats = []\n    if repeats:", "0"),
    ],
    ("Pad-edge", "backward"): [("mean for sum", "part.sum(", "part.mean(", "0")],
    ("Pad-vector", "backward"): [("the other side", "return inner(error", "return inner(error[:, ::-1]", "0")],
}  # fmt: skip

# ---- statistics ----

MEANS = "np.subtract(at.sent, np.multiply(total, share, out=factor), out=at.sent)"
NORMS = {
    ("BatchNorm", "backward"): [
        ("μ and σ² taken for constants", "if at.training:", "if False:", "0"),
        ("γ forgotten", "self.gamma is not None", "False", "0"),
    ],
    ("BatchNorm", "forward"): [
        ("running statistics used in training", "if at.training:", "if False:", "0"),
        ("statistics on the layer at once", "at.mean = mean.reshape(-1)",
         "self.mean = mean.ravel().copy()", "!changes the layer (mean)"),
    ],
    ("BatchNorm-sequence", "send_back"): [
        ("μ taken for a constant", MEANS, "pass", "0"),
        ("σ² taken for a constant", "np.multiply(at.hat, factor", "np.multiply(at.hat, 0.0", "0"),
        ("divided by m alone", "total.size / error.size", "1.0 / at.m", "0"),
    ],
    ("BatchNorm-plain", "send_back"): [("without 1 / σ", "np.multiply(at.sent, gain, out=at.sent)", "pass", "0")],
    ("LayerNorm", "backward"): [
        ("γ forgotten", "np.multiply(part, self.gamma.value.reshape(-1)", "np.positive(part", "0"),
    ],
    ("LayerNorm-2", "_set_gradients"): [("γ and β swapped", "[layer.beta] = total", "[layer.beta] = product", "beta")],
    ("LayerNorm-sequence", "send_back"): [("sign of the second sum", "product, -share", "product, share", "0")],
    ("GroupNorm", "backward"): [
        ("one γ for all channels", "self.gamma.value[:, None]", "self.gamma.value.mean()", "0"),
        ("sums over channels", "at.hat, WITHIN), at.scale", "at.hat, CHANNEL), at.scale", "0"),
    ],
    ("RMSNorm", "backward"): [
        ("sum for mean", "-1.0 / part.shape[2]", "-1.0", "0"),
        ("the root mean square taken for a constant", "np.multiply(at.hat, factor", "np.multiply(at.hat, 0.0", "0"),
        ("x for x̂ in γ", "part, at.hat, ELEMENT", "part, by_last(at.inputs[0], self.axes), ELEMENT", "gamma"),
    ],
}  # fmt: skip

# ---- time ----

TIME = {
    ("LSTM", "slopes"): [
        ("gates in the wrong order", "to_i, to_f, to_g, to_o =", "to_f, to_i, to_g, to_o =", "0 w u b"),
        ("tanh of c without its slope", "np.subtract(o, product, out=at.through)",
         "np.copyto(at.through, o)", "0 w u b"),
        ("c after for c before the step", "np.multiply(f, c[:-1]", "np.multiply(f, c[1:]", "0 w u b"),
    ],
    ("LSTM", "step_back"): [
        ("nothing through c", "np.multiply(epsilon, at.gates[t, 1], out=epsilon)", "epsilon.fill(0.0)", "0 w u b"),
        ("the forget gate forgotten", "np.multiply(epsilon, at.gates[t, 1], out=epsilon)", "pass", "0 w u b"),
    ],
    ("LSTM-state", "backward"): [("h and c swapped", "starts[:given]", "starts[:given][::-1]", "1 2")],
    ("LSTMCell", "backward"): [("h and c swapped", '"start", starts', '"start", starts[::-1]', "1")],
    ("GRU", "slopes"): [
        ("reset gate forgotten", "np.multiply(to_n, r, out=to_q)", "np.copyto(to_q, to_n)", "0 w u b c"),
        ("z for 1 − z", "np.multiply(to_n, to_z, out=to_n)", "np.multiply(to_n, z, out=to_n)", "0 w u b c"),
    ],
    ("GRU", "step_back"): [("past the gates forgotten", "np.add(then[0], at.kept, out=then[0])", "pass", "0 w u b c")],
    ("GRU-biases", "_credit"): [("one gradient for both biases", '"c", None), inner', '"c", None), rows', "c")],
    ("GRUCell", "settle"): [("ι for δ", "at.slopes[:, 3]", "at.slopes[:, 2]", "0 w b")],
    ("RNN", "_credit"): [("h after for h before the step", "at.states[0][:-1]", "at.states[0][1:]", "u")],
    ("RNN", "step_back"): [
        ("no way back in time", "np.dot(at.inner[t], self.u.value, out=then[0])", "then[0].fill(0.0)", "0 w u b"),
        ("u transposed", "self.u.value", "self.u.value.T", "0 w u b"),
        ("no slope", "np.multiply(now[0], at.slopes[t], out=delta[0])", "np.copyto(delta[0], now[0])", "0 w u b"),
    ],
    ("RNN-reverse", "backward"): [
        ("in the order of the steps", "sent = self._in_order(sent)", "sent = sent.swapaxes(0, 1)", "0"),
    ],
    ("RNN-ragged-last", "back"): [
        ("no mask on δ", "np.copyto(array, 0.0, where=at.past)", "pass", "0 u b"),
        ("no mask on the state", "np.copyto(part[t], part[t + 1], where=at.past[t])", "pass", "0 1 w u b"),
    ],
    ("RNN-state", "back"): [("the start's error lost", "[part[0] for", "[0.0 * part[0] for", "1")],
    ("RNN-last", "backward"): [("half of the error", '"cell"] = error', '"cell"] = 0.5 * error', "0 1 w u b")],
}  # fmt: skip

# ---- attention, symbols ----

ROOT = "np.multiply(at.errors[0], 1.0 / math.sqrt(at.q.shape[-1]), out=at.errors[0])"
ATTENTION = {
    ("ScaledDotProductAttention", "backward"): [("no 1 / √d", ROOT, "pass", "0")],
    ("ScaledDotProductAttention-heads", "attend_back"): [
        ("softmax as if it were elementwise", "np.subtract(rows, at.total[:, None], out=rows)", "pass", "0 1"),
        ("p forgotten", "np.multiply(rows, p, out=rows)", "pass", "0 1"),
        ("queries without 1 / √d", "np.matmul(s, at.q,", "np.matmul(s, 2.0 * at.q,", "1"),
    ],
    ("ScaledDotProductAttention-dropout", "attend_back"): [
        ("values by p before dropout", "at.kept.swapaxes", "at.p.swapaxes", "2"),
        ("no mask of dropout", "np.multiply(e, at.keep, out=e)", "pass", "0 1"),
    ],
    ("MultiHeadAttention", "backward"): [
        ("= for += where x is used three times", "np.add(there, part, out=there)", "part", "0"),
        ("√n for √(n/h)", "n // self.heads", "n", "0 w_q b_q"),
        ("w_o transposed", "self.w_o.value, out", "self.w_o.value.T, out", "0 w_q b_q w_k w_v b_v"),
    ],
    ("MultiHeadAttention-memory", "backward"): [
        ("= for += where memory gives keys and values", "np.add(there, part, out=there)", "part", "1"),
    ],
    ("MultiHeadAttention-three", "_gradients"): [
        ("mean for sum in biases", "ones(at, len(delta))", "ones(at, len(delta)) / at.m", "b_q b_v b_o"),
    ],
    ("Embedding", "_add_rows"): [
        ("= for += of a symbol seen again", "total[ordered[starts]] +=", "total[ordered[starts]] =", "w"),
    ],
    ("Embedding-one-symbol", "_add_rows"): [
        ("a symbol seen again left out", "total[ordered[starts]] += np.add.reduceat(rows[order], starts, axis=0)",
         "pass", "w"),
    ],
    ("Embedding-padding", "backward"): [("padding learns", "self.padding_index is not None", "False", "!no gradient")],
}  # fmt: skip

BUGS = bugs(WINDOWS) + bugs(NORMS, training=True) + bugs(TIME) + bugs(ATTENTION, training=True)


@pytest.mark.parametrize("bug", BUGS, ids=named)
def test_a_bug_in_a_built_in_layer_is_found_at_its_node_and_nowhere_else(bug):
    assert_found(checked(bug), bug.found)
