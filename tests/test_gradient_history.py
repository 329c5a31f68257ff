"""GradientHistory: what it measures, when, and how it is read."""

import copy
import csv
import pickle

import numpy as np
import pytest
from training import QUIET, T, X, net, same, values
from wirings import ROWS, wired

import minigraph as mg
from minigraph.costs import L2, Quadratic
from minigraph.errors import GraphError, NotComputedError, StaleError
from minigraph.gradient_history import GradientHistory
from minigraph.layers import Add, Concat, Dense, Dropout, StopGradient
from minigraph.measures import Flow, flow

DATA = {"x": X, "t": T}


def norm(array):
    return np.sqrt((np.asarray(array, float) ** 2).sum())


def rms(array):
    return np.sqrt((np.asarray(array, float) ** 2).mean())


def trained(g, gradients, data=DATA, **options):
    options = {"epochs": 2, "batch_size": 5, "optimizer": mg.SGD(0.1), "seed": 7, **QUIET, **options}
    mg.fit(g, data, watch=[gradients] if isinstance(gradients, GradientHistory) else gradients, **options)
    return gradients


# ---- the numbers ----


def by_hand(lr, epochs, batch):
    """Each step of training `net()`, 4-5-2 with tanh and a linear output, as the equations say."""
    (w2, b2, w3, b3), rng = values(net()), np.random.default_rng(7)
    rng.integers(2**63)  # the seed of the run
    for _ in range(epochs):
        order = rng.permutation(23)
        for start in range(0, 23, batch):
            x, t = X[order[start : start + batch]], T[order[start : start + batch]]
            m = len(x)
            a2 = np.tanh(x @ w2.T + b2)
            a3 = a2 @ w3.T + b3
            d3 = a3 - t
            back = d3 @ w3
            d2 = back * (1 - a2**2)
            grads = {"dense.w": d2.T @ x, "dense.b": d2.sum(0), "dense_1.w": d3.T @ a2, "dense_1.b": d3.sum(0)}
            before = {"dense.w": w2, "dense.b": b2, "dense_1.w": w3, "dense_1.b": b3}
            after = {name: w - lr * grads[name] / m for name, w in before.items()}
            yield {
                "cost": (0.5 * ((a3 - t) ** 2).sum(1)).mean(),
                "delta": {"dense": rms(d2), "dense_1": rms(d3)},
                "mean": {"dense": norm(d2.mean(0)), "dense_1": norm(d3.mean(0))},
                "edge": {("dense", "dense_1"): rms(back), ("dense_1", "quadratic"): rms(d3)},
                "grad": {name: norm(grad / m) for name, grad in grads.items()},
                "weight": {name: norm(w) for name, w in before.items()},
                "update": {name: norm(after[name] - w) for name, w in before.items()},
            }
            w2, b2, w3, b3 = after.values()


@pytest.mark.parametrize("every", [1, 3, 4, 100])
def test_kept_steps_have_the_numbers_of_backpropagation_written_out(every):
    g = net()
    gradients = trained(g, GradientHistory(every), epochs=3)
    steps = list(by_hand(lr=0.1, epochs=3, batch=5))[::every]
    assert list(gradients.steps) == list(range(1, 16, every))  # over the ends of epochs, of 5 steps each
    assert len(gradients) == len(steps)
    assert gradients.seen == 15

    def agrees(found, what, name=None):
        expected = [step[what] if name is None else step[what][name] for step in steps]
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, expected, rtol=1e-9)

    agrees(gradients.cost, "cost")
    for node in ("dense", "dense_1"):
        agrees(gradients.delta(node), "delta", node)
        agrees(gradients.mean_delta(g[node]), "mean", node)
    for u, v in steps[0]["edge"]:
        agrees(gradients.edge(u, v), "edge", (u, v))
        agrees(gradients.edge(g[u], v, slot=0), "edge", (u, v))
    for name, param in g.params.items():
        agrees(gradients.grad(param), "grad", name)
        agrees(gradients.grad(name), "grad", name)
        agrees(gradients.grad(*name.split(".")), "grad", name)
        agrees(gradients.weight(name), "weight", name)
        agrees(gradients.update(param), "update", name)
        ratios = [0.0 if s["update"][name] == 0 else s["update"][name] / (s["weight"][name] or 1e-300) for s in steps]
        found = gradients.update_ratio(name)
        if name.endswith(".w"):
            np.testing.assert_allclose(found, ratios, rtol=1e-9)
        else:
            assert np.isinf(found[0])  # biases start at 0
            np.testing.assert_allclose(found[1:], ratios[1:], rtol=1e-9)


@pytest.mark.parametrize("row", ROWS)
def test_a_kept_step_says_what_its_run_says(row):
    source = wired(row)
    run = source.forward().backward()
    gradients = GradientHistory()
    gradients(run)
    deltas, flows, grads = gradients.deltas(1), gradients.flows(1), gradients.grads(1)
    assert list(deltas) == list(run.graph.nodes)
    assert gradients.nodes == [node.name for node in run.graph.nodes]
    ran = {view.node for view in run}
    for node, found in deltas.items():
        assert found.state == (run[node].state if node in ran else "not run")
        if found.state == "computed":
            assert found.rms == pytest.approx(rms(run[node].delta), rel=1e-12)
            assert gradients.mean_delta(node)[0] == pytest.approx(norm(run[node].delta.mean(0)), rel=1e-9)
        else:
            assert np.isnan(gradients.delta(node)).all()
            assert np.isnan(gradients.mean_delta(node)).all()
    assert list(flows) == run.graph.edges
    for edge, found in flows.items():
        assert found == flow(run, edge)
        if found.state == "computed":
            assert found.rms == pytest.approx(rms(run.edge(*edge).grad), rel=1e-12)
        expected = found.rms if found.state == "computed" else np.nan
        np.testing.assert_array_equal(gradients.edge(*edge), [expected])
    shares = {}
    for use, found in grads.items():
        try:
            expected = norm(run.grad(use.param, per="use")[use.node.name]) if use.node in ran else None
        except (NotComputedError, KeyError):
            expected = None
        assert (found.state == "computed") == (expected is not None)
        if expected is not None:
            assert found.norm == pytest.approx(expected, rel=1e-12)
            assert gradients.grad(use.param)[0] == pytest.approx(norm(run.grad(use.param)), rel=1e-12)
            pairs = shares.setdefault(use.node, [])
            pairs.append((expected, norm(use.param.value)))
    expected = {node: norm([g for g, _ in pairs]) / norm([w for _, w in pairs]) for node, pairs in shares.items()}
    assert gradients.weights(1) == pytest.approx(expected, rel=1e-9)


def test_uses_of_a_shared_layer_are_apart_and_together():
    g = mg.Graph(seed=0)
    tower = Dense(3, "tanh")
    u, v = tower(g.input("left", 4), name="u"), tower(g.input("right", 4), name="v")
    g.cost(Quadratic(), Concat(name="both")(u, v), target="t")
    gradients = GradientHistory()
    run = g.forward(left=X, right=X[::-1] * 3, t=np.ones((23, 6))).backward()
    gradients(run)
    parts = [np.asarray(run[name].delta).T @ run[name].inputs[0] / 23 for name in ("u", "v")]
    assert gradients.grad("u", "w")[0] == pytest.approx(norm(parts[0]), rel=1e-12)
    assert gradients.grad("v", "w")[0] == pytest.approx(norm(parts[1]), rel=1e-12)
    assert gradients.grad(tower.w)[0] == pytest.approx(norm(parts[0] + parts[1]), rel=1e-12)
    assert gradients.params == ["u.w", "u.b"]


def test_the_same_value_twice_is_two_edges():
    g = mg.Graph(seed=0)
    h = Dense(2, "tanh", name="h")(g.input("x", 4))
    g.cost(Quadratic(), Add(name="sum")(h, h), target="t")
    gradients = GradientHistory()
    gradients(g.forward(DATA).backward())
    assert gradients.edge("h", "sum", 1) == gradients.edge("h", "sum", slot=0) > 0
    with pytest.raises(GraphError, match=r"'h' enters 'sum' by slots \[0, 1\]: say which"):
        gradients.edge("h", "sum")
    with pytest.raises(GraphError, match="no edge from 'x' to 'sum': it takes 'h', 'h'"):
        gradients.edge("x", "sum")


def test_one_example_counts_as_a_batch_of_one():
    g, alone, batch = net(), GradientHistory(), GradientHistory()
    alone(g.forward(x=X[0], t=T[0]).backward())
    batch(g.forward(x=X[:1], t=T[:1]).backward())
    assert list(alone.table()) == list(batch.table())


def test_a_run_that_goes_back_from_a_node_has_no_cost():
    g, gradients = net(), GradientHistory()
    gradients(g.forward(x=X, until="dense").backward("dense", np.ones((23, 5))))
    assert np.isnan(gradients.cost).all()
    assert gradients.deltas(1)[g["dense_1"]] == Flow("not run")
    assert (1, "cost", "", "", "", "", None, "not run") in list(gradients.table())


def states(gradients, step):
    return {node.name: found.state for node, found in gradients.deltas(step).items()}


def partial():
    """A graph with a frozen layer, a branch that no gradient comes back from, and one that isn't run in training."""
    g = mg.Graph("partial", seed=0)
    first = Dense(5, "tanh", name="first")(g.input("x", 4))
    second = Dense(5, "tanh", name="second", frozen=True)(first)
    aside = StopGradient(name="stop")(Dense(5, name="aside")(first))
    g.cost(Quadratic(), Dense(2, name="out")(Add()(second, aside)), target="t", name="C")
    g.output("out", Dense(2, name="extra")(first))
    return g


def test_what_is_not_computed_is_nan_and_says_why():
    gradients = trained(partial(), GradientHistory(every=2))
    grads = {(use.node.name, use.name): found.state for use, found in gradients.grads(3).items()}
    assert states(gradients, 3) == {
        "x": "not asked", "first": "computed", "second": "computed", "aside": "no path", "stop": "not asked",
        "add": "computed", "out": "computed", "extra": "not run", "C": "computed", "t": "no path",
    }  # fmt: skip
    expected = {"first": "computed", "second": "frozen", "aside": "no path", "out": "computed", "extra": "not run"}
    assert grads == {(node, name): state for node, state in expected.items() for name in ("w", "b")}
    for node, state in expected.items():
        assert np.isnan(gradients.grad(f"{node}.w")).all() == (state != "computed")
        assert (gradients.update(f"{node}.w") == 0).all() == (state != "computed")
        assert (gradients.weight(f"{node}.w") > 0).all()
    assert {node.name for node in gradients.weights(3)} == {"first", "out"}
    assert (gradients.weight("second.b") == 0).all()
    assert (gradients.update_ratio("second.b") == 0).all()


def test_layers_may_be_frozen_and_thawed_on_the_way():
    g = net()

    def freeze(epoch):
        g.freeze("dense", frozen=epoch.number == 1)

    gradients = trained(g, GradientHistory(), epochs=3, batch_size=23, callbacks=[freeze])
    assert [found.state for step in (1, 2, 3) for use, found in gradients.grads(step).items() if use.name == "w"] == [
        "computed", "computed", "not asked", "computed", "computed", "computed"
    ]  # fmt: skip
    assert list(np.isnan(gradients.delta("dense"))) == [False, True, False]
    assert list(gradients.update("dense.w") > 0) == [True, False, True]


def test_penalties_have_their_part_of_a_gradient():
    g = net()
    g.cost(L2(0.5, "*.w"), name="penalty")
    w = g.params["dense.w"]
    run = g.forward(DATA).backward()
    gradients = GradientHistory()
    gradients(run)
    assert gradients.grad("penalty", "dense.w")[0] == pytest.approx(norm(run.grad(w, per="use")["penalty"]), rel=1e-12)
    assert gradients.grad(w)[0] == pytest.approx(norm(run.grad(w)), rel=1e-12)
    parts = [norm(run.grad(p, per="use")["dense"]) for p in g["dense"].layer.params.values()]
    assert gradients.weights(1)[g["dense"]] == pytest.approx(norm(parts) / norm(w.value), rel=1e-12)  # biases are 0
    w.value = np.zeros((5, 4))
    gradients(g.forward(DATA).backward())
    assert [node.name for node in gradients.weights(2)] == ["dense_1"]
    g.freeze("dense")
    gradients(g.forward(DATA).backward())
    assert [gradients.grads(step)[use].state for step in (1, 3) for use in gradients.grads(1) if use.param is w] == [
        "computed", "computed", "not asked", "frozen"
    ]  # fmt: skip


def test_training_that_diverges_is_recorded_without_warnings():
    g, gradients = net(), GradientHistory()
    g.params["dense_1.w"].value = np.full((2, 5), np.inf)
    with np.errstate(all="ignore"):
        run = g.forward(DATA).backward()
    gradients(run)
    g.params["dense_1.w"].value = np.full((2, 5), np.inf)
    assert gradients.deltas(1)[g["dense_1"]].state == "computed"
    assert not np.isfinite(gradients.delta("dense_1")).any()
    assert np.isnan(gradients.grad("dense_1.w")).all()
    assert np.isnan(gradients.update_ratio("dense_1.w")).all()
    assert (1, "update", "", "", "", "dense.w", 0.0, "computed") in list(gradients.table())
    errors = np.full((23, 2), np.inf)
    errors[::2] = -np.inf
    other = net()
    run = other.forward(DATA)
    with np.errstate(all="ignore"):
        run.backward("dense_1", errors)
    gradients = GradientHistory()
    gradients(run)
    assert (np.isinf(gradients.delta("dense_1")).all(), np.isnan(gradients.mean_delta("dense_1")).all()) == (True, True)


# ---- updates ----

OPTIMIZERS = {
    "SGD": lambda: mg.SGD(0.1, momentum=0.9),
    "Adam": lambda: mg.Adam(0.01),
    "two": lambda: [mg.SGD(0.3, params="dense.*"), mg.Adam(0.01, params="dense_1.*")],
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("every", [1, 3, 5])
def test_an_update_is_where_weights_are_when_they_have_moved(optimizer, accumulate, every):
    """Callbacks that change the weights between epochs are no part of it."""
    g, seen, ends, gradients = net(), [], [], GradientHistory(every)

    def spoil(epoch):
        ends.append(values(g))
        seen.append(None)
        for param in g.params.values():
            param.value = param.value + 1.0

    trained(
        g, [gradients, lambda run: seen.append(values(g))], optimizer=OPTIMIZERS[optimizer](), callbacks=[spoil],
        accumulate=accumulate,
    )  # fmt: skip
    expected = []
    for epoch in range(2):
        steps = [*seen[6 * epoch : 6 * epoch + 5], ends[epoch]]  # 5 batches and what they came to
        for i, before in enumerate(steps[:-1]):
            after = next(later for later in steps[i + 1 :] if not same(later, before))
            expected.append([norm(b - a) for a, b in zip(before, after, strict=True)])
    found = np.array([gradients.update(param) for param in g.params.values()]).T
    np.testing.assert_allclose(found, expected[::every], rtol=1e-12)


@pytest.mark.parametrize("write", ["assign", "in place"])
def test_in_a_loop_of_ones_own_the_last_update_is_measured_when_read(write):
    g, gradients = net(), GradientHistory()
    for _ in range(2):
        run = g.forward(DATA).backward()
        gradients(run)
        assert np.isnan(gradients.update("dense.w")[-1])
        grads = {param: run.grad(param) for param in g.params.values()}
        for param, grad in grads.items():
            if write == "assign":
                param.value = param.value - 0.1 * grad
            else:
                param.value[...] -= 0.1 * grad
    expected = 0.1 * gradients.grad("dense.w")
    np.testing.assert_allclose(gradients.update("dense.w"), expected, rtol=1e-9)
    g.params["dense.w"].value = np.zeros((5, 4))
    np.testing.assert_allclose(gradients.update("dense.w"), expected, rtol=1e-9)


# ---- what it costs ----


def test_steps_that_are_not_kept_are_only_counted():
    g, gradients = net(), GradientHistory(every=3)
    run = g.forward(DATA).backward()
    gradients(run)
    mg.SGD(0.1).step(run)
    gradients(object())  # nobody looks at it
    gradients(object())
    assert (gradients.seen, list(gradients.steps)) == (3, [1])
    with pytest.raises(GraphError, match="is called with a Run"):
        gradients(object())
    assert gradients.seen == 3  # so that a step that failed can be done again
    gradients(g.forward(DATA).backward())
    assert list(gradients.steps) == [1, 4]


def test_training_goes_the_same_way_with_and_without():
    def weights(watch):
        layers = Dense(8, "relu"), Dropout(0.4), Dense(2)
        g = mg.Sequential(4, *layers, cost=Quadratic(), seed=2, dtype="float32")
        history = mg.fit(
            g, {k: v.astype("f4") for k, v in DATA.items()}, epochs=3, batch_size=4, accumulate=2,
            optimizer=mg.Adam(0.01), watch=watch, **QUIET,
        )  # fmt: skip
        return [*values(g), history.cost, np.array(g.next_seed())]

    assert same(weights([]), weights([GradientHistory(), GradientHistory(every=4)]))


def test_copies_of_the_weights_are_let_go():
    big = mg.Sequential(4, Dense(20_000), Dense(2), cost=Quadratic(), seed=0)
    gradients = trained(big, GradientHistory(), batch_size=23)
    kept = {name: value for name, value in vars(gradients).items() if name != "_places"}
    assert len(pickle.dumps(kept)) < 10_000


# ---- a graph that changes, a run that doesn't fit ----


def test_runs_of_two_graphs_do_not_go_together():
    one, other, gradients = net(name="one"), net(name="other"), GradientHistory()
    gradients(one.forward(DATA).backward())
    with pytest.raises(GraphError, match="gradients of graph 'one', and got a run of another, 'other': make one for"):
        gradients(other.forward(DATA).backward())


@pytest.mark.parametrize(
    "edit",
    [
        lambda g: g.insert(Dense(5), between=("dense", "dense_1")),
        lambda g: g.replace("dense", Dense(5, "relu")),
        lambda g: g.cost(L2(0.1, "*.w")),
        lambda g: setattr(g["dense"].layer, "w", mg.Param(np.ones((5, 4)), "w")),
    ],
    ids=["insert", "replace", "penalty", "another Param"],
)
def test_an_edited_graph_needs_another_history(edit):
    g = net(name="net")
    gradients = trained(g, GradientHistory())
    before = gradients.delta("dense")
    edit(g)
    with pytest.raises(GraphError, match=r"graph 'net' was edited after step 10.*make another"):
        gradients(g.forward(DATA).backward())
    assert len(gradients) == 10
    np.testing.assert_array_equal(gradients.delta("dense"), before)
    gradients.heatmap()


def test_names_stay_what_they_were_when_nodes_are_renamed():
    g = net()
    gradients = trained(g, GradientHistory())
    node = g.rename("dense", "first")
    gradients(g.forward(DATA).backward())
    assert gradients.nodes == ["x", "dense", "dense_1", "t", "quadratic"]
    np.testing.assert_array_equal(gradients.delta(node), gradients.delta("dense"))
    assert len(gradients) == 11


def test_gradients_are_kept_between_backward_and_update():
    g, gradients = net(), GradientHistory()
    run = g.forward(DATA)
    with pytest.raises(NotComputedError, match=r"call run\.backward"):
        gradients(run)
    mg.SGD(0.1).step(run.backward())
    with pytest.raises(StaleError, match=r"right after run\.backward\(\), before Params move"):
        gradients(run)
    assert len(gradients) == gradients.seen == 0


def test_a_second_training_goes_on_counting():
    g, gradients = net(), GradientHistory(every=4)
    trained(g, gradients, epochs=1)
    trained(g, gradients, epochs=1)
    assert list(gradients.steps) == [1, 5, 9]
    assert repr(gradients) == "<GradientHistory of 'sequential': 3 of 10 steps, every=4>"


# ---- reading ----


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (lambda h: h.delta("dens"), "no node 'dens' .* did you mean 'dense'"),
        (
            lambda h: h.mean_delta(net()["dense"]),
            "'dense' is not in the gradients kept of 'sequential': it is newer, or",
        ),
        (lambda h: h.grad("dense.v"), r"no Param 'dense\.v' .* did you mean 'dense\.w'"),
        (lambda h: h.grad("dense", "v"), "'dense' has no Param 'v': it has 'w', 'b'"),
        (lambda h: h.grad("x", "w"), "'x' has no Param 'w': it has none"),
        (lambda h: h.grad(mg.Param([1.0])), "no Param Param"),
        (lambda h: h.grad(mg.Param([1.0]), "w"), r"by the node and its name for the Param: grad\('h1', 'w'\)"),
        (lambda h: h.update(Dense(3)), r"takes a Param, layer\.w, or its name, 'h1\.w', got Dense"),
        (lambda h: h.edge("x", "dense_1"), "no edge from 'x' to 'dense_1': it takes 'dense'"),
        (lambda h: h.edge("x", "dense", 1), "no edge from 'x' to 'dense' with slot 1: it takes 'x'"),
        (lambda h: h.flows(2), r"step 2 is not among those kept, 1, 4, 7, … 10; the nearest is 1$"),
        (lambda h: h.weights(99), "step 99 is not among .*; the nearest is 10$"),
        (lambda h: h.deltas("1"), "step '1' is not among those kept, 1, 4, 7, … 10$"),
        (lambda h: h.plot(kind="weight"), "kind is 'delta', 'mean_delta', 'grad', 'update'; got 'weight'"),
    ],
)
def test_what_was_not_kept_cannot_be_read(read, said):
    gradients = trained(net(), GradientHistory(every=3))
    with pytest.raises(GraphError, match=said):
        read(gradients)


def test_nothing_is_read_before_a_step_is_kept():
    gradients = GradientHistory()
    assert (len(gradients), gradients.nodes, gradients.params) == (0, [], [])
    assert gradients.steps.shape == gradients.cost.shape == (0,)
    assert repr(gradients) == "<GradientHistory, every=1: no step kept yet>"
    for read in (
        lambda: gradients.delta("h"), lambda: gradients.flows(1), gradients.plot, lambda: list(gradients.table())
    ):  # fmt: skip
        with pytest.raises(NotComputedError, match="no step is kept yet"):
            read()


@pytest.mark.parametrize("every", [0, -1, 1.5, True, "1"])
def test_every_is_a_positive_whole_number(every):
    with pytest.raises(GraphError, match="keeps every k-th step"):
        GradientHistory(every)


def test_a_csv_file_has_every_number(tmp_path):
    g = partial()
    names = {"first": 'a "quoted", b', "out": "two\nlines", "extra": "δ 🙂 <b>"}
    for old, new in names.items():
        g.rename(old, new)
    gradients = trained(g, GradientHistory(every=4))
    path = gradients.to_csv(tmp_path / "gradients.csv")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * (1 + 2 * len(g.nodes) + len(g.edges) + 4 * len(g.params))
    found = {(int(r["step"]), *list(r.values())[1:6]): (r["value"], r["state"]) for r in rows}
    assert len(found) == len(rows)

    def number(*key):
        value, state = found[key]
        assert state == "computed"
        return float(value)

    for i, step in enumerate(gradients.steps):
        assert number(step, "cost", "", "", "", "") == gradients.cost[i]
        assert number(step, "delta", names["first"], "", "", "") == gradients.delta(names["first"])[i]
        assert number(step, "mean_delta", "two\nlines", "", "", "") == gradients.mean_delta("two\nlines")[i]
        assert number(step, "edge", "add", "two\nlines", "0", "") == gradients.edge("add", "two\nlines")[i]
        assert number(step, "use", "two\nlines", "", "", "w") == gradients.grad("two\nlines", "w")[i]
        for what in ("grad", "weight", "update"):
            assert number(step, what, "", "", "", "two\nlines.w") == getattr(gradients, what)("two\nlines.w")[i]
        assert found[step, "delta", "aside", "", "", ""] == ("", "no path")
        assert found[step, "use", "second", "", "", "w"] == ("", "frozen")
        assert found[step, "grad", "", "", "", names["extra"] + ".w"] == ("", "not run")
        assert found[step, "edge", names["first"], "aside", "0", ""] == ("", "no path")


def test_a_history_is_copied_and_pickled():
    gradients = trained(net(), GradientHistory(every=3))
    for twin in (copy.deepcopy(gradients), pickle.loads(pickle.dumps(gradients))):
        assert list(twin.table()) == list(gradients.table())
        twin(twin.places.graph.forward(DATA).backward())
        twin(twin.places.graph.forward(DATA).backward())
        twin(twin.places.graph.forward(DATA).backward())
        assert list(twin.steps) == [1, 4, 7, 10, 13]


# ---- the book's pictures ----


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def backprop(weights, biases, x, y):
    """∂C_x/∂b and ∂C_x/∂w of each layer, neuron by neuron, for one example and the quadratic cost."""
    a = [x]
    for w, b in zip(weights, biases, strict=True):
        a.append(np.array([sigmoid(sum(w[j, k] * a[-1][k] for k in range(len(a[-1]))) + b[j]) for j in range(len(b))]))
    slopes = [values * (1 - values) for values in a[1:]]
    deltas = [(a[-1] - y) * slopes[-1]]
    for w, slope in zip(weights[:0:-1], slopes[-2::-1], strict=True):
        back = [sum(w[j, k] * deltas[0][j] for j in range(len(w))) for k in range(w.shape[1])]
        deltas.insert(0, np.array(back) * slope)
    return deltas, [np.outer(delta, before) for delta, before in zip(deltas, a, strict=False)]


def test_the_books_curves_and_bars_of_vanishing_gradients():
    """Norms of the mean δ^l over epochs, bars of |δ_j| per neuron, ‖∂C/∂w^l‖ by layer, in batch gradient descent."""
    layers = [Dense(4, "sigmoid", name=f"l{i}") for i in (2, 3, 4)]
    g = mg.Sequential(3, *layers, Dense(2, "sigmoid", name="l5"), cost=Quadratic(), seed=0)
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(6, 3)), rng.uniform(size=(6, 2))
    names, gradients, bars, weights = ["l2", "l3", "l4", "l5"], GradientHistory(), [], []

    def look(run):
        bars.append([np.abs(run[name].delta.mean(axis=0)) for name in names])
        weights.append(values(g))

    mg.fit(g, {"x": x, "t": t}, epochs=3, batch_size=6, optimizer=mg.SGD(1.0), watch=[gradients, look], **QUIET)
    for epoch, held in enumerate(weights):
        each = [backprop(held[0::2], held[1::2], *example) for example in zip(x, t, strict=True)]
        for l, name in enumerate(names):  # noqa: E741
            delta = sum(deltas[l] for deltas, _ in each) / 6
            np.testing.assert_allclose(bars[epoch][l], abs(delta), rtol=1e-9)
            assert gradients.mean_delta(name)[epoch] == pytest.approx(norm(delta), rel=1e-9)
            assert gradients.grad(name, "b")[epoch] == pytest.approx(norm(delta), rel=1e-9)
            expected = norm(sum(nablas[l] for _, nablas in each) / 6)
            assert gradients.grad(name, "w")[epoch] == pytest.approx(expected, rel=1e-9)
    first = [gradients.mean_delta(name)[0] for name in names]
    assert first == sorted(first)  # the earlier the layer, the slower it learns


@pytest.mark.parametrize(("lr", "found"), [(1e-7, ["update ratio"]), (0.05, []), (200.0, ["update ratio"])])
def test_updates_out_of_proportion_are_found(lr, found):
    g = mg.Sequential(3, Dense(4, "tanh", name="h"), Dense(2, name="out"), cost=Quadratic(), seed=0)
    rng = np.random.default_rng(0)
    gradients = mg.GradientHistory()
    with pytest.raises(NotComputedError, match="no step is kept"):
        gradients.diagnose()
    run = g.forward(x=rng.random((8, 3)), t=rng.random((8, 2))).backward()
    gradients(run)
    with pytest.raises(NotComputedError, match="no update was measured"):
        gradients.diagnose()
    mg.SGD(lr).step(run)
    diagnosis = gradients.diagnose()
    assert list(diagnosis.kinds) == found
    assert "step 1" in str(diagnosis)
