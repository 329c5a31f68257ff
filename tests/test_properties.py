"""What holds for every graph, whatever its layers, costs and wiring: tried on random ones, the same in each run."""

import functools

import mirror
import numpy as np
from hypothesis import strategies as st
from properties import EVERYTHING, attempt, holds_for, near, same_numbers, swept

import minigraph as mg
from minigraph.layers import BatchNorm

NOT_MIRRORED = {"SoftmaxCrossEntropy, weighed"}

# ---- numbers from elsewhere ----


def slope(cost, array, direction, h=1e-3):
    """The derivative of a cost while an array moves along a direction; its error goes with h⁴."""
    start, costs = array.copy(), {}
    for k in (-2, -1, 1, 2):
        array[...] = start + k * h * direction
        costs[k] = cost()
    array[...] = start
    return (8.0 * (costs[1] - costs[-1]) - (costs[2] - costs[-2])) / (12.0 * h)


@holds_for(45, "mixing")
def test_gradients_equal_differences_along_any_direction(w, data):
    run, rng = swept(w), np.random.default_rng(data.draw(st.integers(0, 99)))
    feeds = {name: array.copy() for name, array in w.feeds.items()}
    again = mg.Run(w.graph, guard=False)
    found = [(param.value, attempt(functools.partial(run.grad, param))) for param in w.graph.params.values()]
    found += [(feeds[x.name], attempt(lambda x=x: run[x].delta / run.m)) for x in w.floats()]
    for array, gradient in found:
        element = np.zeros(array.size)
        element[rng.integers(array.size)] = 1.0
        along = rng.normal(size=array.size)
        for direction in (along / np.linalg.norm(along), element):
            direction = direction.reshape(array.shape)
            expected = slope(lambda: again.forward(feeds).cost, array, direction)
            if gradient is None:
                assert expected == 0.0
            else:
                near((gradient * direction).sum(), expected, size=np.linalg.norm(gradient) + 1e-3, rel=1e-7)


@holds_for(65, "rough", "constant", "mixing", without=NOT_MIRRORED)
def test_gradients_equal_those_of_autograd(w, data):
    run = swept(w)
    cost, by_params, by_floats = mirror.gradients(w)
    near(run.cost, cost, size=0.01)
    for param, expected in by_params.items():
        found = attempt(functools.partial(run.grad, param))
        near(np.zeros(param.shape) if found is None else found, expected, size=0.01)
    for name, expected in by_floats.items():
        found = attempt(lambda name=name: run[name].delta)
        near(np.zeros_like(expected) if found is None else found / run.m, expected, size=0.01)


# ---- sweeps ----

CHANGES = ("none", "none", "none", "feeds", "feeds", "some feeds", "batch", "weights", "elements", "step", "mode")
CHANGES += ("backward again", "watched", "freeze")


@holds_for(30, *EVERYTHING)
def test_later_sweeps_equal_a_fresh_run_bit_for_bit_whatever_changes_between(w, data):
    g, rng = w.graph, np.random.default_rng(0)
    batches = (2, 3, 5) if g.find(BatchNorm) else (1, 2, 4, None)
    m, feeds, guard = batches[1], w.fed(batches[1], 0), data.draw(st.booleans())
    run = mg.Run(g, seed=3, training=data.draw(st.booleans()), guard=guard)
    changes = data.draw(st.lists(st.sampled_from(CHANGES), min_size=3, max_size=6))
    for i, change in enumerate(["none", *changes, "mode", "none", "none", "none"]):
        partly, params = {}, list(g.params.values())
        if change == "batch":
            m = data.draw(st.sampled_from(batches))
        if change in ("feeds", "batch"):
            feeds = w.fed(m, i)
        elif change == "some feeds" and not run.training:  # noise that isn't behind them would stay
            name = data.draw(st.sampled_from(list(feeds)))
            partly = {name: w.fed(m, i)[name]}
            feeds = {**feeds, **partly}
        elif change == "weights":
            for param in params:
                param.value = param.value + rng.normal(scale=0.1, size=param.shape)
        elif change == "elements" and params:
            rng.choice(params).value[..., 0] += 0.1
        elif change == "step" and run.trained().uses:
            mg.SGD(0.01, momentum=0.5).step(run)
        elif change == "mode":
            run.training = not run.training
        elif change == "freeze" and params:
            layer = rng.choice([node.layer for node in g if node.layer.params])
            layer.frozen = not layer.frozen
        watch = (lambda node, view: None) if change == "watched" else None
        run.forward(partly or feeds, observe=watch).backward(wrt=w.floats(), observe=watch)
        if change == "backward again":
            run.backward(wrt=w.floats())
        fresh = mg.Run(g, seed=3, training=run.training)
        fresh.clock.sweep = run.clock.sweep - 1
        same_numbers(run, fresh.forward(feeds).backward(wrt=w.floats()))
    assert run._forward.script is not None
    assert run._backward.script is not None


# ---- shares ----


@holds_for(50, "rough", "constant")
def test_gradients_per_use_and_per_example_add_up_to_the_whole(w, data):
    run = swept(w)
    example = data.draw(st.integers(0, run.m - 1))
    alone = swept(w, {name: array[example] for name, array in w.feeds.items()})
    for param in w.graph.params.values():
        whole = attempt(functools.partial(run.grad, param))
        if whole is not None:
            uses, examples = run.grad(param, per="use"), run.grad(param, per="example")
            near(sum(uses.values()), whole, size=1e-3)
            near(examples.mean(axis=0), whole, size=1e-3)
            near(examples[example], alone.grad(param), size=1e-3)
