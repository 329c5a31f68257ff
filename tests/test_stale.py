"""Whatever happens between and within sweeps, no wrong number can be read: promise 8 of the design."""

import contextlib
from itertools import count

import numpy as np
import pytest
from oddities import Scale, alike, around, custom, deep, equal, everything, fed, gradients, traced

import minigraph as mg
from minigraph.costs import Quadratic
from minigraph.errors import FeedError, LayerError, NotComputedError, StaleError
from minigraph.layers import Dense, Identity


def test_promise_08_views_of_an_earlier_sweep_are_not_readable():
    run = deep().forward(fed(0)).backward()
    view, edge = run["y"], run.edge("x", "again")
    run.forward(fed(1)).backward()
    attributes = ["a", "z", "delta", "error", "inputs", "grad", "state", "m", "sent"]
    for read in [lambda name=name: getattr(view, name) for name in attributes] + [lambda: edge.a, lambda: edge.grad]:
        with pytest.raises(StaleError, match="belongs to sweep 1 of its run, which is at sweep 2"):
            read()
    assert "computed" not in repr(view)


def test_promise_08_what_backward_left_is_not_readable_after_the_next_forward():
    run = deep().forward(fed(0)).backward()
    assert run["y"].sent.shape == (4, 9)
    run.forward(fed(1))
    for name in ("delta", "error", "grad", "sent"):
        with pytest.raises((NotComputedError, AttributeError)):
            getattr(run["y"], name)
    with pytest.raises(NotComputedError, match="not computed yet"):
        run.grad(run.graph.params["y.w"])


CHANGES = {
    "assigned": lambda p: setattr(p, "value", p.value + 1.0),
    "one element in place": lambda p: p.value.__setitem__((0, 0), p.value[0, 0] + 1e-9),
    "all in place": lambda p: np.multiply(p.value, 2.0, out=p.value),
    "augmented": lambda p: setattr(p, "value", p.value.__iadd__(1.0)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("when", ["after", "during forward", "during backward"])
def test_promise_08_a_change_of_weights_is_noticed_and_named(change, when):
    g = around(Scale())
    p = g.params["y.w"]

    def observe(node, view):
        if node.name == "y":
            change(p)

    run = g.forward(fed(0), observe=observe if when == "during forward" else None)
    if when == "after":
        change(p)
    for attempt in range(2 if when != "during backward" else 1):
        with pytest.raises(StaleError, match=r"y\.w changed .*call run\.forward"):
            run.backward(observe=observe if when == "during backward" and not attempt else None)
        with pytest.raises((NotComputedError, StaleError)):
            run.grad(g.params["h.w"])
    equal(gradients(run.forward(fed(0)).backward()), gradients(g.forward(fed(0)).backward()))


def test_promise_08_an_optimizer_makes_a_run_stale():
    g = around(Scale())
    p = g["custom"].layer.p
    for guard in (True, False):
        run = mg.Run(g, guard=guard).forward(fed(0))
        whole = run.backward().grad(p)
        mg.SGD(0.1).step(run)
        assert np.array_equal(run.grad(p), whole)
        with pytest.raises(StaleError, match=r"h\.w, h\.b, custom\.p, y\.w, y\.b changed"):
            run.backward()
        with pytest.raises(StaleError, match="changed"):
            run.grad(p, per="example")  # it would go back again, with the new weights


def test_promise_08_feeds_may_be_overwritten_by_their_owner():
    g = deep()
    feeds = fed(0)
    run = g.forward(feeds)
    for _ in range(2):
        expected = gradients(g.forward(fed(0)).backward())
        for array in feeds.values():
            array.fill(7.0)
        equal(gradients(run.backward()), expected)
        feeds = fed(0)
        run.forward(feeds)


def test_promise_08_a_given_error_may_be_overwritten_too():
    run = around(custom()).forward(fed(0), until="y")
    error = np.ones((4, 2))

    def observe(node, view):
        error.fill(7.0)

    run.backward("y", error, observe=observe)
    assert (run["y"].error == 1.0).all()


def test_promise_08_surgery_makes_a_run_stale():
    g = deep()
    run = g.forward(fed(0))
    g.output(Identity(name="new")(g["y"]))
    with pytest.raises(StaleError, match="graph was changed"):
        run.backward()
    with pytest.raises(NotComputedError, match="'new' was not computed"):
        run["new"]
    alike(run.forward(fed(0)).backward(), g.forward(fed(0)).backward())


def test_promise_08_another_param_makes_a_run_stale():
    g = mg.Graph(seed=0)
    one, two = Dense(3, "tanh"), Dense(3, "sigmoid")
    g.cost(Quadratic(), g.input("x", 3) >> one >> two >> Dense(2))
    run = g.forward(fed(0)).backward()
    two.w = one.w
    with pytest.raises(StaleError, match="another Param"):
        run.backward()
    equal(gradients(run.forward(fed(0)).backward()), gradients(g.forward(fed(0)).backward()))
    assert run.grad(one.w, per="use").keys() == {"dense", "dense_1"}


@pytest.mark.parametrize("fault", [ValueError, KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("sweep", [1, 2])
def test_promise_08_an_interrupted_sweep_says_so_and_the_next_one_is_right(direction, fault, sweep):
    calls = count(1)

    def fail(self, at, array):
        if next(calls) == sweep:
            raise fault("stop")
        return array

    g = around(custom(**{direction: fail}))
    run = mg.Run(g)
    for _ in range(sweep - 1):
        run.forward(fed(0)).backward()
    raised = KeyboardInterrupt if fault is KeyboardInterrupt else LayerError
    with pytest.raises(raised, match="stop"):
        run.forward(fed(1)).backward()
    if direction == "forward":
        with pytest.raises(StaleError, match="interrupted"):
            run.backward()
        for read in (lambda: run["y"].a, lambda: run.cost, lambda: run["custom"].a):
            with pytest.raises(NotComputedError, match="hasn't reached it or failed"):
                read()
    for read in (lambda: run["h"].delta, lambda: run.grad(g["h"].layer.w), lambda: mg.SGD(0.1).step(run)):
        with pytest.raises(NotComputedError):
            read()
    if direction == "backward":
        assert run["h"].a.shape == (4, 3)
        equal(gradients(run.backward()), gradients(g.forward(fed(1)).backward()))
    alike(run.forward(fed(2)).backward(), g.forward(fed(2)).backward())


def test_promise_08_wrong_feeds_leave_nothing_to_read():
    run = deep().forward(fed(0)).backward()
    with pytest.raises(FeedError):
        run.forward(x=fed(0)["x"][:, :1])
    with pytest.raises(StaleError):
        run.backward()
    for read in (lambda: run["y"].a, lambda: run.cost, lambda: run.grad(run.graph.params["y.w"])):
        with pytest.raises(NotComputedError):
            read()


FILES = ("run.py", "plan.py", "sweep.py", "record.py")


def lines_of(call, stop=None):
    """Make a call and say which lines of these files it runs; interrupt it at one, counted as they run."""
    lines = []

    def trace(frame, event, arg):
        if not frame.f_code.co_filename.endswith(FILES):
            return None
        if event == "line":
            lines.append((frame.f_code, frame.f_lineno))
            if len(lines) - 1 == stop:
                raise KeyboardInterrupt
        return trace

    traced(call, trace)
    return lines


@pytest.mark.parametrize(
    ("m", "before", "wrt", "after"),
    [(4, "x", None, ["x", None]), (4, None, "x", [None, "x"]), (4, None, "x", ["x", None]), (2, None, None, [None])],
    ids=["fewer wishes", "more wishes", "more wishes again", "another batch size"],
)
def test_promise_08_an_interrupt_at_any_line_never_leaves_wrong_numbers(m, before, wrt, after):
    g = deep()
    right = [everything(g.forward(fed(seed, m)).backward(wrt="x")) for seed, m in ((0, 4), (1, m), (2, 4))]

    def told(run):
        """Which sweep all numbers of a run belong to."""
        found = everything(run)
        return [i for i in range(3) if all(np.array_equal(found[key], right[i].get(key)) for key in found)]

    def step(run):
        run.forward(fed(1, m)).backward(wrt=wrt)

    run = g.forward(fed(0)).backward(wrt=before)
    lines = lines_of(lambda: step(run))
    # where a line runs again and again, stop at its first, second and last time
    stops = [i for i, line in enumerate(lines) if lines[:i].count(line) < 2 or line not in lines[i + 1 :]]
    for stop in stops:
        run = g.forward(fed(0)).backward(wrt=before)
        with pytest.raises(KeyboardInterrupt):
            lines_of(lambda run=run: step(run), stop)
        with contextlib.suppress(StaleError):
            for wish in after:
                assert told(run.backward(wrt=wish)) in ([0], [1])
            mg.SGD(0.0).step(run)
        assert told(run.forward(fed(2)).backward()) == [2]
        equal(gradients(run), gradients(g.forward(fed(2)).backward()))
        mg.SGD(0.0).step(run)
    assert len(stops) > 50
