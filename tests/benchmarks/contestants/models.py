"""The works as functions of weights and inputs, for JAX and for autograd, whose numpy is handed in."""

from __future__ import annotations

from works import DAG, MLP, Transformer


def cost(np, net):
    """A function of weights by name, inputs and one-hot or other targets: C, the mean over examples."""
    outputs = {MLP: mlp, Transformer: transformer, DAG: dag}[type(net)]
    if isinstance(net, DAG) or (isinstance(net, MLP) and net.sigma == "sigmoid"):
        return lambda p, x, t: 0.5 * np.sum((outputs(np, net, p, x) - t) ** 2) / len(x)
    return lambda p, x, t: cross_entropy(np, outputs(np, net, p, x), t)


def cross_entropy(np, z, t):
    """Of softmax with one-hot rows, the mean over all positions."""
    z = z - np.max(z, axis=-1, keepdims=True)
    logs = z - np.log(np.sum(np.exp(z), axis=-1, keepdims=True))
    return -np.sum(logs * t) / (t.size // t.shape[-1])


def mlp(np, net, p, x):
    last = len(net.sizes) - 1
    for i in range(1, last + 1):
        x = np.dot(x, p[f"{i}.w"].T) + p[f"{i}.b"]
        if net.sigma == "sigmoid":
            x = 1 / (1 + np.exp(-x))
        elif i < last:
            x = np.maximum(x, 0)
    return x


def transformer(np, net, p, x):
    m, T, d = x.shape
    for i in range(net.blocks):
        q = lambda name, i=i: p[f"{i}/{name}"]  # noqa: E731
        parts = [np.dot(x, q(f"attention.w_{one}").T) + q(f"attention.b_{one}") for one in "qkv"]
        query, key, value = (np.swapaxes(np.reshape(part, (m, T, net.heads, d // net.heads)), 1, 2) for part in parts)
        s = np.matmul(query, np.swapaxes(key, 2, 3)) / (d // net.heads) ** 0.5
        s = np.exp(s - np.max(s, axis=-1, keepdims=True))
        c = np.matmul(s / np.sum(s, axis=-1, keepdims=True), value)
        c = np.reshape(np.swapaxes(c, 1, 2), (m, T, d))
        x = normed(np, x + np.dot(c, q("attention.w_o").T) + q("attention.b_o"), q("norm_1.gamma"), q("norm_1.beta"))
        h = np.maximum(np.dot(x, q("hidden.w").T) + q("hidden.b"), 0)
        x = normed(np, x + np.dot(h, q("out.w").T) + q("out.b"), q("norm_2.gamma"), q("norm_2.beta"))
    return np.dot(x, p["logits.w"].T) + p["logits.b"]


def normed(np, x, gamma, beta):
    d = x - np.mean(x, axis=-1, keepdims=True)
    return d / np.sqrt(np.mean(d * d, axis=-1, keepdims=True) + 1e-5) * gamma + beta


def dag(np, net, p, x):
    values = [x]
    for i, (kind, sources) in enumerate(net.plan, 1):
        a = values[sources[0]]
        if kind == "dense":
            values.append(np.tanh(np.dot(a, p[f"{i}.w"].T) + p[f"{i}.b"]))
        elif kind == "tanh":
            values.append(np.tanh(a))
        else:
            values.append(a + values[sources[1]] if kind == "add" else a * values[sources[1]])
    return values[-1]
