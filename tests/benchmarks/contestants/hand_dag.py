"""A DAG by hand: all calls of a step with their arrays, in a list."""

from __future__ import annotations

import numpy as np

from . import Entry
from .hand import Flat


def enter(work):
    net, m = work.net, work.batch
    x, t = work.data()
    start = work.start()
    params, grads = Flat(start), Flat(start)
    new = lambda: np.empty((m, net.width), "float32")  # noqa: E731
    ones, one, rate = np.ones(m, "float32"), np.float32(1), np.float32(work.lr / m)
    calls, values = [], [x]
    for i, (kind, sources) in enumerate(net.plan, 1):
        a, out = [values[j] for j in sources], new()
        values.append(out)
        if kind == "dense":
            w, b = params.views[f"{i}.w"], params.views[f"{i}.b"]
            calls += [(np.dot, (a[0], w.T, out)), (np.add, (out, b, out)), (np.tanh, (out, out))]
        elif kind == "tanh":
            calls.append((np.tanh, (a[0], out)))
        else:
            calls.append((np.add if kind == "add" else np.multiply, (*a, out)))
    errors = {len(net.plan): [new()]}
    calls.append((np.subtract, (values[-1], t, errors[len(net.plan)][0])))
    for i in range(len(net.plan), 0, -1):
        kind, sources = net.plan[i - 1]
        first, *others = errors.pop(i)
        error = new() if others else first
        for other in others:
            calls.append((np.add, (first, other, error)))
            first = error
        a = [values[j] for j in sources]
        if kind in ("dense", "tanh"):
            y, delta = values[i], new()
            calls += [(np.multiply, (y, y, delta)), (np.subtract, (one, delta, delta))]
            calls.append((np.multiply, (error, delta, delta)))
            if kind == "dense":
                grad_w, grad_b = grads.views[f"{i}.w"], grads.views[f"{i}.b"]
                calls += [(np.dot, (ones, delta, grad_b)), (np.dot, (delta.T, a[0], grad_w))]
                sent = [new()]
                if sources != (0,):
                    calls.append((np.dot, (delta, params.views[f"{i}.w"], sent[0])))
            else:
                sent = [delta]
        elif kind == "add":
            sent = [error, error]
        else:
            sent = [new(), new()]
            calls += [(np.multiply, (error, a[1], sent[0])), (np.multiply, (error, a[0], sent[1]))]
        for j, one_sent in zip(sources, sent, strict=True):
            errors.setdefault(j, []).append(one_sent)
    calls += [(np.multiply, (grads.all, rate, grads.all)), (np.subtract, (params.all, grads.all, params.all))]

    def step():
        for function, arrays in calls:
            function(*arrays)

    return Entry(step, lambda: params.views)
