"""Sweeps of one run: what may change between them, sums at forks, and what observers see. Promises 6 and 7."""

import numpy as np
import pytest
from oddities import Pair, alike, around, close, custom, deep, equal, everything, fed

import minigraph as mg
from minigraph.costs import Quadratic
from minigraph.errors import GraphError, NotComputedError, StaleError
from minigraph.layers import Add, Dense, Identity

rng = np.random.default_rng(5)


# ---- 6: what changes between sweeps ----


def test_promise_06_batch_sizes_change():
    g = deep()
    run = mg.Run(g)
    for seed, m in enumerate((5, 1, 5, None, 1, 2, None, 5)):
        run.forward(fed(seed, m)).backward()
        alike(run, g.forward(fed(seed, m)).backward())
        assert run["y"].a.shape == ((2,) if m is None else (m, 2))


def test_promise_06_records_are_empty_after_a_change():
    seen = []
    g = around(custom(forward=lambda self, at, x: seen.append(at.kept) or setattr(at, "kept", len(x)) or x))
    run = mg.Run(g)
    steps = [{"m": 5}, {"m": 5}, {"m": 1}, {"m": None}, {}, {"training": True}, {}, {"until": "custom"}, {}]
    for step in steps:
        run.forward(fed(0, step.get("m", 4)), **{key: step[key] for key in step if key != "m"})
    assert seen == [None, 5, None, None, None, None, 4, None, None]


def test_promise_06_anything_may_change_at_any_time():
    g = deep()
    run, rng = mg.Run(g), np.random.default_rng(0)
    for seed in range(120):
        feeds = fed(seed, (4, 4, 1, None)[rng.integers(4)])
        options = {"training": bool(rng.integers(2)), "until": (None, None, "y", ["mode"])[rng.integers(4)]}
        run.forward(feeds, **options)
        fresh = g.forward(feeds, **options)
        for _ in range(rng.integers(1, 3)):
            wrt = (None, "x", ["x", "again"])[rng.integers(3)]
            node = "mode" if options["until"] == ["mode"] else "y"
            if options["until"] is None and rng.integers(2):
                run.backward(wrt=wrt)
                fresh.backward(wrt=wrt)
            else:
                error = rng.normal(size=run[node].a.shape)
                run.backward(node, error, wrt=wrt)
                fresh.backward(node, error, wrt=wrt)
            alike(run, fresh)
            for key in ("again.w", "y.w"):
                if key == "again.w" or node == "y":
                    assert np.array_equal(run.grad(g.params[key]), fresh.grad(g.params[key]))


def test_promise_06_lists_of_wishes_may_change_in_place_and_may_be_iterators():
    g = deep()
    until, wrt = ["mode"], ["x"]
    run = g.forward(fed(0), until=until)
    assert [view.node.name for view in run] == ["x", "again", "mode"]
    until.append("cost")
    run.forward(fed(0), until=until).backward(wrt=wrt)
    assert run["cost"].a.shape == (4,)
    assert run["again"].state == run["x"].state == "computed"
    wrt[:] = ["t"]
    assert run.backward(wrt=wrt)["x"].state == "not asked"
    assert [view.node.name for view in g.forward(fed(0), until=(name for name in ["again"]))] == ["x", "again"]
    assert run.forward(fed(0)).backward(wrt=(name for name in ["x"]))["x"].state == "computed"


@pytest.mark.parametrize("wish", [5, mg.Param(np.ones(2)), "nowhere", ["h", 5]], ids=repr)
def test_wishes_that_mean_nothing(wish):
    run = around(custom()).forward(fed(0))
    with pytest.raises(GraphError):
        run.backward(wrt=wish)
    with pytest.raises(GraphError):
        run.forward(fed(0), until=wish)


# ---- 7: the sum at a fork ----


def test_promise_07_a_fork_is_never_summed_into_an_array_that_a_layer_returned():
    g = mg.Graph(seed=0)
    h = Dense(2, name="h")(g.input("x", 3))
    a, b = Identity(name="a")(h), Identity(name="b")(h)
    g.cost(Quadratic(), Add(name="s")(a, b), name="cost")
    run = g.forward(fed(0)).backward()
    d = 2 * run["h"].a - fed(0)["t"]  # an in-place sum at h gives 2d on all these edges, for they share one array
    for source, target in (("s", "cost"), ("a", "s"), ("b", "s"), ("h", "a"), ("h", "b")):
        assert np.array_equal(run.edge(source, target).grad, d)
    assert np.array_equal(run["h"].delta, 2 * d)


def test_promise_07_nor_into_the_error_that_was_given():
    g = mg.Graph(seed=0)
    h = Dense(2, name="h")(g.input("x", 3))
    Identity(name="a")(h), Identity(name="b")(h)
    g.output("a", "b")
    one, two, three = rng.normal(size=(3, 4, 2))
    kept = one.copy(), two.copy(), three.copy()
    run = g.forward(x=fed(0)["x"]).backward({"a": one, "b": two, "h": three})
    equal([one, two, three], kept)
    equal([run.edge("h", "a").grad, run.edge("h", "b").grad, run["a"].error], [one, two, one])
    close(run["h"].delta, one + two + three)


# ---- inside of a sweep ----


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_a_run_cannot_be_swept_from_within_its_own_sweep(direction):
    g = deep()
    run = g.forward(fed(0))

    def meddle(node, view):
        run.forward(fed(1))

    again = (lambda **options: run.forward(fed(0), **options)) if direction == "forward" else run.backward
    with pytest.raises(StaleError, match="in the middle of a sweep"):
        again(observe=meddle)
    with pytest.raises(NotComputedError):
        run.grad(g.params["y.w"])
    alike(run.forward(fed(2)).backward(), g.forward(fed(2)).backward())


def test_another_run_may_be_swept_from_within_a_sweep():
    g = deep()
    right = everything(g.forward(fed(0)).backward())

    def meddle(node, view):
        g.forward(fed(1)).backward()

    run = g.forward(fed(0), observe=meddle).backward(observe=meddle)
    found = everything(run)
    assert all(np.array_equal(found[key], right[key]) for key in right)


def test_observers_see_nodes_in_order_and_no_farther_than_the_sweep_has_come():
    g = around(custom(Pair), twice=True)
    told = {"forward": [], "backward": []}

    def watch(direction):
        def observe(node, view):
            told[direction].append(node.name)
            assert view.node is node
            for other in ("x", "h", "k", "custom", "y", "t", "cost"):
                passed = other in told[direction]
                if direction == "forward":
                    assert readable(lambda other=other: run[other].a) == passed
                elif other not in ("x", "t"):
                    assert readable(lambda other=other: run[other].delta) == passed
                    assert run[other].state == ("computed" if passed else "not yet")

        return observe

    run = mg.Run(g)
    for _ in range(2):
        told["forward"].clear()
        told["backward"].clear()
        run.forward(fed(0), observe=watch("forward"))
        run.backward(observe=watch("backward"))
        assert told["forward"] == ["x", "t", "h", "k", "custom", "y", "cost"]
        assert told["backward"] == ["cost", "y", "custom", "k", "h"]


def readable(read):
    try:
        read()
    except NotComputedError as fault:
        if "not computed yet" in str(fault):
            return False
        raise
    return True


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_an_observers_own_fault_goes_through_unchanged(direction):
    fault = ValueError("mine")

    def observe(node, view):
        if node.name == "y":
            raise fault

    run = mg.Run(around(custom()))
    sweep = (
        (lambda **options: run.forward(fed(0), **options)) if direction == "forward" else run.forward(fed(0)).backward
    )
    with pytest.raises(ValueError, match="mine") as caught:
        sweep(observe=observe)
    assert caught.value is fault
    if direction == "forward":
        assert run["y"].a.shape == (4, 2)  # so far it came
        with pytest.raises(StaleError):
            run.backward()
    with pytest.raises(NotComputedError):
        mg.SGD(0.1).step(run)
    alike(run.forward(fed(2)).backward(), run.graph.forward(fed(2)).backward())


# ---- where errors start ----


def test_several_costs_by_name_are_where_errors_start():
    g = mg.Graph(seed=0)
    h = Dense(3, "tanh", name="h")(g.input("x", 4))
    for name in ("a", "b", "c"):
        g.cost(Quadratic(), Dense(2, name=f"y{name}")(h), target="t", name=name)
    feeds = {"x": rng.normal(size=(5, 4)), "t": rng.normal(size=(5, 2))}
    w = g["h"].layer.w
    run = g.forward(feeds)
    parts = {name: run.backward(name).grad(w).copy() for name in ("a", "b", "c")}
    close(run.backward(["a", "c"]).grad(w), parts["a"] + parts["c"])
    close(run.backward((g["a"], "b", "c")).grad(w), run.backward().grad(w).copy())
    equal({"w": run.backward({"a": None, "c": None}).grad(w)}, {"w": run.backward(["a", "c"]).grad(w)})
    with pytest.raises(GraphError, match="'h' is no cost: give the error"):
        run.backward(["a", "h"])
    with pytest.raises(GraphError, match="two errors were given for 'a'"):
        run.backward(["a", "a"])


def test_a_run_says_in_a_line_how_far_it_is():
    g = mg.Sequential(3, Dense(2), cost=Quadratic(), name="net", seed=0)
    run = mg.Run(g)
    assert repr(run) == "<Run of 'net': nothing computed yet>"
    run.forward(x=np.ones((4, 3)), t=np.ones((4, 2)))
    assert repr(run) == "<Run of 'net': a batch of 4, forward>"
    assert repr(run.backward()) == "<Run of 'net': a batch of 4, forward and backward>"
    assert repr(g.forward(x=np.ones(3), t=np.ones(2))) == "<Run of 'net': one example, forward>"
    with pytest.raises(ZeroDivisionError):
        run.forward(x=np.ones((4, 3)), t=np.ones((4, 2)), observe=lambda node, at: 1 / (node.name != "dense"))
    assert repr(run) == "<Run of 'net': a batch of 4, not the whole sweep>"
