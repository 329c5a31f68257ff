"""JAX: the whole training step in one jit, with the weights donated."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from works import CNN, Convolution, Memory

from . import Entry, models


def enter(work):
    net, rate = work.net, work.lr
    x, t = (jnp.asarray(array) for array in work.data())
    if isinstance(net, Convolution):
        update = with_error(rate / work.batch)
    else:
        if t.dtype.kind == "i":
            t = jax.nn.one_hot(t, 10)
        cost = {CNN: lenet, Memory: memory}.get(type(net)) or models.cost(jnp, net)

        @partial(jax.jit, donate_argnums=0)
        def update(p, x, t):
            grad = jax.grad(cost)(p, x, t)
            return jax.tree.map(lambda value, slope: value - rate * slope, p, grad), None

    state = {"p": {name: jnp.array(value) for name, value in work.start().items()}}

    def step():
        state["p"], sent = update(state["p"], x, t)
        jax.block_until_ready((state["p"], sent))

    return Entry(step, lambda: state["p"])


def with_error(rate):
    @partial(jax.jit, donate_argnums=0)
    def update(p, x, error):
        _, back = jax.vjp(lambda p, x: convolved(p, x, "1", 1), p, x)
        grad, sent = back(error)
        return {name: value - rate * grad[name] for name, value in p.items()}, sent

    return update


def convolved(p, x, i, padding):
    z = lax.conv_general_dilated(x, p[f"{i}.w"], (1, 1), [(padding, padding)] * 2)
    return z + p[f"{i}.b"][:, None, None]


def lenet(p, x, t):
    for i, padding in (("1", 2), ("2", 0)):
        x = jnp.maximum(convolved(p, x, i, padding), 0)
        x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
    x = x.reshape(len(x), -1)
    for i in "345":
        x = jnp.dot(x, p[f"{i}.w"].T) + p[f"{i}.b"]
        x = x if i == "5" else jnp.maximum(x, 0)
    return models.cross_entropy(jnp, x, t)


def memory(p, x, t):
    n = p["lstm.u"].shape[1]
    inputs = jnp.dot(x.swapaxes(0, 1), p["lstm.w"].T) + p["lstm.b"]

    def one(state, z):
        h, c = state
        z = z + jnp.dot(h, p["lstm.u"].T)
        i, f, g, o = (z[:, k * n : (k + 1) * n] for k in range(4))
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    zero = jnp.zeros((len(x), n), x.dtype)
    (h, _), _ = lax.scan(one, (zero, zero), inputs)
    return models.cross_entropy(jnp, jnp.dot(h, p["out.w"].T) + p["out.b"], t)
