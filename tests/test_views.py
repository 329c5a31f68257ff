# ruff: noqa: B018  (reading is what raises)
"""What users read of a run: read-only, and where a number isn't, why. Promise 11 of the design."""

import numpy as np
import pytest
from oddities import around, close, custom, equal, fed, gradients

import minigraph as mg
from minigraph.costs import Quadratic
from minigraph.errors import FeedError, GraphError, NoPathError, NotComputedError
from minigraph.layers import Activation, Add, Dense, Flatten, Identity, Multiply, StopGradient


@pytest.fixture
def g():
    """x -> h -> u -> cost; h -> v -> aside; h -> stopped into u; `ice` is frozen."""
    g = mg.Graph(seed=0)
    h = Dense(3, "tanh", name="h")(g.input("x", 3) >> Dense(3, name="ice", frozen=True))
    Dense(2, name="v")(h)
    stopped = h >> Dense(3, name="before") >> StopGradient(name="stop")
    u = Add(name="u")(h, stopped, h)
    g.cost(Quadratic(), Dense(2, name="y")(u), name="cost")
    g.output("y", "v")
    return g


@pytest.fixture
def run(g):
    return g.forward(fed(0)).backward()


# ---- read-only ----


def test_promise_11_every_array_is_read_only(run):
    arrays = []
    for view in run:
        arrays += [view.a, *view.inputs]
        if view.state == "computed":
            arrays += [view.delta, view.error]
            arrays += [] if view.node.layer.frozen else view.grad.values()
        arrays += [run.edge(s, view.node, i).a for i, s in enumerate(view.node.inputs)]
    arrays += [run["h"].z, run["y"].sent, run["y"].ones, run.edge("u", "y").grad]
    assert len(arrays) > 30
    for array in arrays:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0.0
    with pytest.raises(TypeError):
        run["h"].grad[run.graph["h"].layer.w] = 0.0
    with pytest.raises(AttributeError):
        run["h"].delta = 0.0


def test_promise_11_a_gradient_is_an_array_of_ones_own(run):
    w, before = run.graph["h"].layer.w, gradients_of(run)
    for found in (run.grad(w), run.grad(w, per="use")["h"], run.grad(w, per="example")):
        found[...] = 7.0
        equal(gradients_of(run), before)


def gradients_of(run):
    return [run.grad(param).copy() for name, param in run.graph.params.items() if name.startswith(("h", "y"))]


def test_promise_11_each_forward_of_a_graph_is_a_run_of_its_own(g):
    one = g.forward(fed(0))
    kept = one["h"].a.copy()
    assert g.forward(fed(1)) is not one
    assert np.array_equal(one["h"].a, kept)


# ---- what isn't there ----


def test_promise_11_before_backward_nothing_is_there_to_read(g):
    run = g.forward(fed(0))
    for read in (
        lambda: run["h"].delta,
        lambda: run["h"].error,
        lambda: run["h"].grad,
        lambda: run["x"].delta,
        lambda: run["v"].delta,
        lambda: run.edge("u", "y").grad,
        lambda: run.grad(g["h"].layer.w),
        lambda: run.grad(g["v"].layer.w, per="use"),
        lambda: run.grad(g["h"].layer.w, per="example"),
    ):
        with pytest.raises(NotComputedError, match=r"not computed yet: call run\.backward\(\) first") as caught:
            read()
        assert not isinstance(caught.value, NoPathError)
    assert {view.state for view in run} == {"not yet"}


def test_promise_11_no_path_not_asked_and_zero_are_told_apart(run):
    g = run.graph
    assert {name: run[name].state for name in ("x", "ice", "h", "v", "before", "stop", "u", "cost")} == {
        **{"x": "not asked", "ice": "not asked", "h": "computed", "v": "no path"},
        **{"before": "no path", "stop": "not asked", "u": "computed", "cost": "computed"},
    }
    with pytest.raises(NoPathError, match="no path leads from 'v' to 'cost'"):
        run["v"].delta
    with pytest.raises(NoPathError, match=r"no ∂C/∂v\.w: no path leads from 'v' to 'cost'"):
        run.grad(g["v"].layer.w)
    with pytest.raises(NoPathError):
        run["before"].grad
    with pytest.raises(NoPathError, match="'cost' takes it as a constant"):
        run.edge("t", "cost").grad
    with pytest.raises(NoPathError, match="'stop' takes it as a constant"):
        run.edge("before", "stop").grad
    with pytest.raises(NotComputedError, match=r"nothing trainable stands there: run\.backward\(wrt='x'\)"):
        run["x"].delta
    with pytest.raises(NotComputedError, match=r"run\.backward\(wrt='stop'\)"):
        run.edge("stop", "u").grad
    with pytest.raises(NotComputedError, match="layer 'ice' is frozen"):
        run.grad(g["ice"].layer.w)
    run.backward("y", np.zeros((4, 2)))
    assert run["h"].state == "computed"
    assert not run["h"].delta.any()
    assert not run.grad(g["h"].layer.w).any()


def test_promise_11_what_was_not_asked_can_be_asked_for(run):
    run.backward(wrt=["x", "stop"])
    assert run["x"].delta.shape == (4, 3)
    assert np.array_equal(run.edge("stop", "u").grad, run["u"].delta)
    with pytest.raises(NotComputedError, match="frozen"):
        run["ice"].grad
    assert run["ice"].delta.shape == (4, 3)
    with pytest.raises(NoPathError):
        run.backward(wrt="t")["t"].delta


def test_promise_11_a_letter_that_a_node_does_not_have(run):
    with pytest.raises(NotComputedError, match="Add 'u' has no z: only layers of neurons"):
        run["u"].z
    with pytest.raises(AttributeError, match=r"Dense 'h' saved no 'mask': it has .*delta"):
        run["h"].mask
    assert not hasattr(run["h"], "__array__")


def test_promise_11_what_did_not_run_is_named(g):
    run = g.forward(fed(0), until="h")
    for read in (lambda: run["y"], lambda: run.edge("u", "y"), lambda: run.grad(g["y"].layer.w)):
        with pytest.raises(NotComputedError, match=r"was not computed, .*'h'.*call g\.forward"):
            read()
    with pytest.raises(NotComputedError, match="computed no cost"):
        run.cost
    with pytest.raises(GraphError, match="stopped before the cost"):
        run.backward()
    assert run["h"].state == "not yet"


def test_promise_11_a_run_that_was_never_swept_says_so(g):
    run = mg.Run(g)
    for read in (lambda: run["h"], lambda: list(run), lambda: run.cost, lambda: run.m, lambda: run.layers):
        with pytest.raises(NotComputedError, match="nothing is computed yet"):
            read()


def test_names_that_are_not_there(run):
    with pytest.raises(GraphError, match=r"no node 'hh' in graph 'graph'.*'h'"):
        run["hh"]
    with pytest.raises(GraphError, match=r"run\.grad takes a Param, as in run\.grad\(layer\.w\)"):
        run.grad(run.graph["h"].layer)
    with pytest.raises(GraphError, match="takes a Param"):
        run.grad("w")
    with pytest.raises(GraphError, match="is not in graph"):
        run.grad(mg.Param(np.ones(3)))
    with pytest.raises(GraphError, match="per is 'use' or 'example'"):
        run.grad(run.graph["h"].layer.w, per="row")


# ---- edges ----


def test_edges_are_named_by_both_ends_and_the_slot_where_needed(run):
    with pytest.raises(GraphError, match=r"'h' enters 'u' by slots \[0, 2\]"):
        run.edge("h", "u")
    for slot in (0, 2):
        edge = run.edge("h", "u", slot)
        assert np.array_equal(edge.a, run["h"].a)
        assert np.array_equal(edge.grad, run["u"].error)
        assert (edge.source.name, edge.target.name, edge.slot) == ("h", "u", slot)
    for wrong in (("x", "y"), ("y", "u"), ("h", "u", 1), ("h", "u", -1), ("y", "x")):
        with pytest.raises(GraphError, match="no edge from"):
            run.edge(*wrong)


def test_an_edge_before_the_fork_differs_from_the_sum_behind_it(run):
    assert np.array_equal(run["h"].error, run.edge("h", "u", 0).grad + run.edge("h", "u", 2).grad)


# ---- going back from anywhere ----


def test_backward_from_a_node_with_an_error(g):
    run, error = g.forward(fed(0)), np.random.default_rng(1).normal(size=(4, 2))
    run.backward("v", error)
    assert np.array_equal(run["v"].error, error)
    close(run.grad(g["v"].layer.w), error.T @ run["h"].a / 4)
    close(run["h"].error, error @ g["v"].layer.w.value)
    with pytest.raises(NoPathError, match="no path leads from 'y' to 'v'"):
        run["y"].delta


def test_backward_from_several_nodes_adds_up(g):
    rng = np.random.default_rng(1)
    errors = {"v": rng.normal(size=(4, 2)), g["y"]: rng.normal(size=(4, 2)), "h": rng.normal(size=(4, 3))}
    run = g.forward(fed(0))
    parts = [run.backward(node, error).grad(g["h"].layer.w) for node, error in errors.items()]
    close(run.backward(errors).grad(g["h"].layer.w), sum(parts))
    whole = run.backward().grad(g["h"].layer.w)
    close(run.backward({"cost": None, "v": errors["v"]}).grad(g["h"].layer.w), whole + parts[0])


def test_backward_from_one_cost_of_two():
    g = mg.Graph(seed=0)
    h = g.input("x", 3) >> Dense(2, "tanh")
    g.cost(Quadratic(), h, name="one")
    g.cost(Quadratic(weight=0.5), h, target="t", name="two")
    run = g.forward(fed(0))
    w = g["dense"].layer.w
    one, two = run.backward("one").grad(w), run.backward("two", np.ones(4)).grad(w)
    close(two, 0.5 * one)
    close(run.backward().grad(w), one + two)
    assert run.cost == run.costs["one"] + run.costs["two"]
    close(run.backward({"one": -2.0 * np.ones(4)}).grad(w), -2.0 * one)


@pytest.mark.parametrize(
    "error",
    [
        np.ones((4, 3)),
        np.ones((1, 2)),
        np.ones(2),
        np.ones((4, 2, 1)),
        1.0,
        "ones",
        [[1.0], [1.0, 2.0]],
        np.ones((4, 2)) * 1j,
        np.full((4, 2), None),
    ],
    ids=repr,
)
def test_an_error_of_another_shape_or_kind_is_refused(g, error):
    run = g.forward(fed(0)).backward()
    before = gradients_of(run)
    with pytest.raises(FeedError, match=r"the error of 'y' .*shape \(4, 2\)"):
        run.backward("y", error)
    equal(gradients_of(run), before)


def test_going_back_from_nothing_from_no_cost_and_from_one_node_twice(g):
    run = g.forward(fed(0))
    with pytest.raises(GraphError, match="without the node it belongs to"):
        run.backward(error=np.ones((4, 2)))
    with pytest.raises(GraphError, match="'y' is no cost: give the error"):
        run.backward("y")
    for source in (["y"], 3, "nowhere", {}, {"y": None}, {"y": np.ones((4, 2)), g["y"]: np.ones((4, 2))}):
        with pytest.raises(GraphError):
            run.backward(source)
    plain = mg.Sequential(3, Dense(2))
    with pytest.raises(GraphError, match="the graph has no cost"):
        plain.forward(x=fed(0)["x"]).backward()


def test_frozen_layers_pass_errors_on():
    whole = gradients(around(custom()).forward(fed(0)).backward())
    thawed = around(custom())
    thawed["y"].layer.frozen = True
    run = thawed.forward(fed(0)).backward()
    assert np.array_equal(run.grad(thawed["h"].layer.w), whole[0])
    thawed["h"].layer.frozen = True
    assert run.backward()["cost"].state == "not asked"
    thawed["y"].layer.frozen = thawed["h"].layer.frozen = False
    equal(gradients(run.backward()), whole)


# ---- the book's numbers ----


def chain(*layers, cost=True):
    return mg.Sequential(3, *layers, cost=Quadratic() if cost else None, seed=0)


def test_layers_of_a_plain_chain_have_the_books_numbers():
    g = chain(Dense(4, "tanh"), Dense(3, "sigmoid", bias=False), Dense(2, "tanh"))
    run = g.forward(fed(0)).backward()
    layers = run.layers
    assert layers.L == len(layers) == 4
    assert [layer.l for layer in layers] == [1, 2, 3, 4]
    assert np.array_equal(layers[1].a, fed(0)["x"])
    for l, name in ((2, "dense"), (3, "dense_1"), (4, "dense_2")):  # noqa: E741
        assert layers[l].node is g[name]
        assert np.array_equal(layers[l].z, run[name].z)
        assert np.array_equal(layers[l].delta, run[name].delta)
        assert layers[l].w.shape == (run[name].a.shape[1], layers[l - 1].a.shape[1])
        assert not layers[l].w.flags.writeable
    assert np.array_equal(layers[2].b, g["dense"].layer.b.value)
    for letter, read in (("z", "z"), ("δ", "delta"), ("w", "w"), ("b", "b")):
        with pytest.raises(GraphError, match=rf"there is no {letter}\^1: layer 1 is the input"):
            getattr(layers[1], read)
    with pytest.raises(GraphError, match=r"there is no b\^3.*bias=False"):
        layers[3].b
    for wrong in (0, 5, -1, "2", 1.5, slice(1, 2)):
        with pytest.raises(GraphError, match="from l = 1, the input, to L = 4"):
            layers[wrong]


def test_the_books_numbers_are_not_there_before_backward():
    layers = chain(Dense(2), cost=False).forward(x=fed(0)["x"]).layers
    assert layers[2].a.shape == (4, 2)
    with pytest.raises(NotComputedError):
        layers[2].delta


@pytest.mark.parametrize(
    ("graph", "said"),
    [
        (chain(Dense(2), Identity(), cost=False), "'identity' is Identity"),
        (chain(Dense(2), Activation("tanh"), cost=False), "Activation tanh"),
        (chain(Flatten(), Dense(2), cost=False), "'flatten' is Flatten"),
        (around(custom()), "'custom' is Custom"),
    ],
)
def test_other_graphs_have_no_such_numbers(graph, said):
    with pytest.raises(GraphError, match=f"{said}.*use run\\['name'\\] instead"):
        graph.forward({name: array for name, array in fed(0).items() if name in graph.names.nodes}).layers


def test_branches_have_no_such_numbers():
    g = mg.Graph(seed=0)
    h = g.input("x", 3) >> Dense(2)
    y = Multiply()(h, h)
    with pytest.raises(GraphError, match=r"l is ambiguous: 'multiply' doesn't just follow"):
        g.forward(x=fed(0)["x"]).layers
    g.cost(Quadratic(), y)
    with pytest.raises(GraphError, match="no plain chain"):
        g.forward(fed(0)).layers
