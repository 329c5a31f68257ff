"""minigraph, as its users write a training loop."""

from __future__ import annotations

import minigraph as mg

from . import Entry


def enter(work):
    g = work.graph()
    x, t = work.data()
    run, sgd = mg.Run(g, training=True, guard=False), mg.SGD(lr=work.lr)

    def step():
        run.forward(x=x, t=t).backward()
        sgd.step(run)

    def step_with_error():
        run.forward(x=x).backward("1", t, wrt="x")
        sgd.step(run)

    weights = lambda: {name: param.value for name, param in g.params.items()}  # noqa: E731
    return Entry(step if g.costs else step_with_error, weights)
