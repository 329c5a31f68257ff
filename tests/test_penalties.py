"""Penalties: which Params they pick, their numbers both ways, their life in graphs, runs, checks and pictures."""

import copy
import math
import pickle

import numpy as np
import pytest

import minigraph as mg
from minigraph.costs import L1, L2, Penalty, Quadratic
from minigraph.errors import GraphError, NotComputedError, ShapeError
from minigraph.layers import Dense

M = 5
rng = np.random.default_rng(0)
X, T = rng.normal(size=(M, 3)), rng.normal(size=(M, 2))
KINDS = {"L1": (L1, abs, lambda v: math.copysign(1, v)), "L2": (L2, lambda v: v * v / 2, lambda v: v)}
every = pytest.mark.parametrize("name", KINDS)


def network(*penalties, dtype="float64", judged=True):
    """Two layers of neurons, "enc/h" and "y", with biases off 0, a cost if asked, and penalties."""
    g = mg.Graph(seed=1, dtype=dtype)
    h = g.add(Dense(4, "tanh", biases="normal"), g.input("x", 3), name="enc/h")
    y = g.add(Dense(2, biases="normal"), h, name="y")
    if judged:
        g.cost(Quadratic(), y, target="t", name="fit")
    for penalty in penalties:
        g.cost(penalty)
    return g


def swept(g, **options):
    return g.forward(x=X, t=T, **options).backward()


def test_numbers_by_hand():
    for kind, value, slope in ((L1, 0.5 * 4, [0.5, 0, -0.5]), (L2, 0.25 * 10, [0.5, 0, -1.5])):
        g = mg.Graph()
        layer = Dense(1, bias=False)
        y = g.add(layer, g.input("x", 3), name="y")
        g.output(y)
        layer.w.value = [[1.0, 0.0, -3.0]]
        node = g.cost(kind(0.5, "*"))
        run = g.forward(x=np.zeros((4, 3))).backward()
        np.testing.assert_array_equal(run[node].a, [value] * 4)
        assert run.cost == value
        np.testing.assert_array_equal(run.grad(layer.w), [slope])
        np.testing.assert_array_equal(run[node].grad[layer.w], 4 * np.array([slope]))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@every
def test_cost_and_gradients_are_those_of_the_formula(name, dtype):
    kind, size, slope = KINDS[name]
    g = network(kind(0.3, ["*.w", "y.b"], weight=1.5), dtype=dtype)
    run, plain = swept(g), swept(network(dtype=dtype))
    picked = [p for param, p in g.params.items() if param != "enc/h.b"]
    total = 0.45 * math.fsum(size(v) for p in picked for v in p.value.flat)
    rtol = 1e-5 if dtype == "float32" else 1e-12
    node = g.costs[1]
    assert run[node].a.dtype == dtype
    assert run[node].a.shape == (M,)
    np.testing.assert_allclose(run[node].a, total, rtol=rtol)
    assert run.cost == pytest.approx(plain.cost + total, rel=rtol)
    for param, p in g.params.items():
        added = [0.45 * slope(v) if param != "enc/h.b" else 0.0 for v in p.value.flat]
        expected = plain.grad(plain.graph.params[param]) + np.reshape(added, p.shape)
        assert run.grad(p).dtype == dtype
        np.testing.assert_allclose(run.grad(p), expected, rtol=rtol, atol=1e-6 if dtype == "float32" else 1e-13)
    assert set(run[node].grad) == set(picked)


@every
def test_gradients_are_sums_over_examples_of_each_one_s_error(name):
    kind, _, slope = KINDS[name]
    g = network(kind(0.3, "y.w"), judged=False)
    w, node = g.params["y.w"], g.costs[0]
    run = g.forward(x=X)
    error = rng.normal(size=M)
    run.backward(node, error)
    each = 0.3 * np.vectorize(slope)(w.value)
    np.testing.assert_allclose(run[node].grad[w], error.sum() * each, rtol=1e-12)
    np.testing.assert_allclose(run.grad(w), error.mean() * each, rtol=1e-12)
    np.testing.assert_allclose(run.grad(w, per="example"), error[:, None, None] * each, rtol=1e-12)
    np.testing.assert_allclose(run.grad(w, per="use")[node.name], error.mean() * each, rtol=1e-12)


@every
def test_a_second_sweep_equals_a_fresh_run_bit_for_bit(name):
    g = network(KINDS[name][0](0.3, "*"))
    run = swept(g)
    before = [run.grad(p).copy() for p in g.params.values()]
    for p in g.params.values():
        p.value = 0.5 - p.value
    run.forward(x=2 * X, t=T).backward()
    fresh = g.forward(x=2 * X, t=T).backward()
    assert run.cost == fresh.cost
    for p, old in zip(g.params.values(), before, strict=True):
        np.testing.assert_array_equal(run.grad(p), fresh.grad(p))
        assert not np.array_equal(run.grad(p), old)
    for p in g.params.values():
        assert not any(np.shares_memory(p.value, share) for share in run[g.costs[1]].grad.values())


def test_l2_is_the_weight_decay_of_gradient_descent():
    torch = pytest.importorskip("torch", reason="needs PyTorch to compare with")
    g = network(L2(0.1, "*"))
    tensors = {name: torch.tensor(p.value, requires_grad=True) for name, p in g.params.items()}
    sgd, theirs = mg.SGD(lr=0.2), torch.optim.SGD(tensors.values(), lr=0.2, weight_decay=0.1)
    for _ in range(5):
        sgd.step(swept(g))
        h = torch.tanh(torch.tensor(X) @ tensors["enc/h.w"].T + tensors["enc/h.b"])
        y = h @ tensors["y.w"].T + tensors["y.b"]
        theirs.zero_grad()
        (((y - torch.tensor(T)) ** 2).sum() / 2 / M).backward()
        theirs.step()
    for name, p in g.params.items():
        np.testing.assert_allclose(p.value, tensors[name].detach().numpy(), rtol=1e-9, atol=1e-9)


# ---- which Params ----


def picked(of):
    g = network(L2(1, of))
    return list(g.costs[1].layer.chosen)


def test_params_are_picked_by_pattern_name_or_as_they_are():
    assert picked("*.w") == ["enc/h.w", "y.w"]
    assert picked("enc/*") == ["enc/h.w", "enc/h.b"]
    assert picked(["y.?", "*.w"]) == ["y.w", "y.b", "enc/h.w"]
    assert picked(iter(["y.w", "y.w"])) == ["y.w"]
    g = network()
    w, b = g.params["y.w"], g.params["enc/h.b"]
    for of, names in ((w, ["y.w"]), ([b, w], ["enc/h.b", "y.w"]), ((p for p in (w,)), ["y.w"]), (["*.b", w], None)):
        node = g.cost(L1(1, of))
        assert list(node.layer.chosen) == (names or ["enc/h.b", "y.b", "y.w"])
        assert all(node.layer.params[name] is g.params[name] for name in node.layer.chosen)


def test_names_with_letters_of_patterns_are_names_first():
    g = mg.Graph()
    g.add(Dense(2), g.input("x", 3), name="h[1]")
    g.add(Dense(2), g["x"], name="h1")
    g.output("h[1]", "h1")
    assert list(g.cost(L2(1, "h[1].w")).layer.chosen) == ["h[1].w"]
    assert list(g.cost(L2(1, "h[1].?")).layer.chosen) == ["h1.w", "h1.b"]
    with pytest.raises(GraphError, match=r"found no Param 'H1\.w'"):
        g.cost(L2(1, "H1.w"))


@pytest.mark.parametrize("of", ["*.v", "Y.*", "", ["*.w", "z.w"]])
def test_no_match_is_an_error_that_names_what_is_there(of):
    g = network()
    before = list(g.nodes)
    with pytest.raises(
        GraphError, match=r"L2 found no Param .* in graph 'graph': it has enc/h\.w, enc/h\.b, y\.w, y\.b"
    ):
        g.cost(L2(1, of))
    assert g.nodes == before


def test_params_of_another_graph_are_not_there():
    stranger = network().params["y.w"]
    with pytest.raises(GraphError, match=r"L1 found no Param Param\('w'.* in graph 'graph'"):
        network(L1(1, [stranger]))
    with pytest.raises(GraphError, match="found no Param '\\*' in graph 'empty': it has none"):
        mg.Graph("empty").cost(L2(1, "*"))


@pytest.mark.parametrize("of", [None, 3, [], (), [None], ["*.w", 3], [np.ones(2)]], ids=repr)
@every
def test_what_names_no_params_is_refused(name, of):
    with pytest.raises(GraphError, match=f"{name} takes patterns of Params' names, or Params, got "):
        KINDS[name][0](1.0, of)


@pytest.mark.parametrize("strength", [-1.0, math.nan, math.inf, "1", None, True])
@every
def test_a_strength_is_a_number_of_0_or_more(name, strength):
    with pytest.raises(GraphError, match=f"{name} takes a strength of 0 or more, got "):
        KINDS[name][0](strength, "*")


def test_it_takes_no_inputs_no_target_and_no_weights_of_examples():
    g = network()
    before = list(g.nodes)
    for wire, message in (
        (lambda: g.cost(L2(1, "*"), g["y"]), "L2 judges 0 of a graph's outputs, got 1"),
        (lambda: g.cost(L2(1, "*"), target="t"), "L2 takes no target, got 't'"),
        (
            lambda: g.cost(L2(1, "*"), weights="v"),
            "L2 'l2' takes no inputs, no target and no weights of examples, got 1",
        ),
        (lambda: g.add(L2(1, "*"), g["x"]), "L2 'l2' takes no inputs"),
        (lambda: g.add(L2(1, "*")), r"L2 'l2' picks its Params in g\.cost"),
    ):
        with pytest.raises((GraphError, ShapeError), match=message):
            wire()
        assert g.nodes == before


def test_one_penalty_is_about_the_params_of_one_graph():
    penalty = L2(1, "*.w")
    g = network(penalty)
    g.cost(penalty, name="twice")
    assert swept(g).costs["twice"] == swept(g).costs["l2"]
    with pytest.raises(GraphError, match=r"picked other Params for a former use \(enc/h\.w, y\.w\): make another"):
        network(penalty)
    other = network()
    penalty.chosen = {}
    penalty.choose(other)
    assert penalty.params["y.w"] is other.params["y.w"]


def test_a_shared_layer_counts_once_and_a_tied_weight_once():
    g = mg.Graph(seed=0)
    layer = Dense(3, bias=False)
    h = layer(layer(g.input("x", 3)))
    tied = g.add(Dense(3, bias=False, weights=layer.w.T), h)
    g.output(tied)
    g.cost(L2(2.0, "*"))
    run = g.forward(x=X).backward()
    assert run.cost == pytest.approx(float((layer.w.value**2).sum()), rel=1e-14)
    np.testing.assert_allclose(run.grad(layer.w), 2 * layer.w.value, rtol=1e-14)


# ---- frozen ----


def test_a_frozen_penalty_costs_and_pulls_at_nothing():
    g = network(L2(1, "*", frozen=True))
    run, plain = swept(g), swept(network())
    assert run.cost > plain.cost
    for name, p in g.params.items():
        np.testing.assert_array_equal(run.grad(p), plain.grad(plain.graph.params[name]))


def test_weights_of_frozen_layers_stay_where_they_are():
    g = network(L2(1, "*"))
    cost = swept(g).cost
    run = swept(g)
    g["enc/h"].layer.frozen = True
    run.forward(x=X, t=T).backward()
    assert run.cost == cost
    w, kept = g.params["enc/h.w"], g.params["enc/h.w"].value.copy()
    with pytest.raises(NotComputedError, match="frozen"):
        run.grad(w)
    assert set(run["l2"].grad) == {g.params["y.w"], g.params["y.b"]}
    mg.SGD(lr=0.1).step(run)
    np.testing.assert_array_equal(w.value, kept)
    g["enc/h"].layer.frozen = False
    run.forward(x=X, t=T).backward()
    assert set(run["l2"].grad) == set(g.params.values())


# ---- in graphs, runs, checks, pictures ----


@every
def test_the_check_passes_and_finds_a_wrong_slope(name):
    kind = KINDS[name][0]
    report = mg.check(network(kind(0.3, "*", weight=0.7)), x=X, t=T)
    assert report.ok, str(report)
    assert report.checked.nodes == 4

    class Wrong(kind):
        def slope(self, p, out):
            return np.negative(super().slope(p, out), out=out)

    report = mg.check(network(Wrong(0.3, ["y.w"])), x=X, t=T)
    assert {finding.node for finding in report.failures} == {"wrong"}
    assert "y.w" in str(report)


@every
def test_the_check_holds_at_weights_of_0(name):
    g = network(KINDS[name][0](0.3, "*"))
    for p in g.params.values():
        p.value[0] = 0.0
    report = mg.check(g, x=X, t=T)
    assert report.ok, str(report)


def test_it_runs_alone_without_any_feed():
    g = network(L2(2, "y.b"))
    run = g.forward(until="l2").backward()
    assert run.cost == pytest.approx(float((g.params["y.b"].value ** 2).sum()))
    np.testing.assert_allclose(run.grad(g.params["y.b"]), 2 * g.params["y.b"].value, rtol=1e-14)


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda g: pickle.loads(pickle.dumps(g)), mg.Graph.copy])
def test_copies_penalize_their_own_params(twin):
    g = network(L2(1, "*.w"))
    other = twin(g)
    assert other["l2"].layer.params["y.w"] is other.params["y.w"]
    assert swept(other).cost == swept(g).cost
    other.params["y.w"].value *= 2
    assert swept(other).costs["l2"] != swept(g).costs["l2"]
    half = g.copy("float32")
    assert swept(half)["l2"].a.dtype == np.float32


def test_summary_and_drawings_show_it(tmp_path):
    g = network(L2(1e-4, "*.w"), L1(0.5, "y.*"))
    row = next(line for line in g.summary().splitlines() if line.startswith(" ") and " L2 0.0001" in line)
    assert "20" in row
    assert "26 parameters" in g.summary()
    run = swept(g)
    for what in (g, run):
        what.draw(tmp_path / "picture.dot")
        dot = (tmp_path / "picture.dot").read_text(encoding="utf-8")
        assert "L2 0.0001" in dot
        assert "L1 0.5" in dot


def test_targets_outputs_and_params_of_the_graph_are_the_same_with_it():
    plain, g = network(), network(L2(1, "*"))
    assert list(g.params) == list(plain.params)
    assert [node.name for node in g.outputs] == [node.name for node in plain.outputs] == ["y"]
    assert [node.name for node in g.targets] == ["t"]
    np.testing.assert_array_equal(mg.predict(g, x=X), mg.predict(plain, x=X))


def test_a_penalty_of_one_s_own_says_its_size_and_slope():
    class L4(Penalty):
        def size(self, at, p):
            return float((p**4).sum())

        def slope(self, p, out):
            return np.multiply(4.0, p**3, out=out)

    report = mg.check(network(L4(0.1, "*")), x=X, t=T)
    assert report.ok, str(report)
    with pytest.raises(mg.errors.LayerError, match="Penalty has no size"):
        network(Penalty(1, "*")).forward(x=X, t=T)


def test_tables_and_drawings_do_not_count_a_penalty_among_those_that_share_weights():
    g = mg.Graph("net", seed=0)
    g.cost(Quadratic(), g.input("x", 3) >> Dense(2, name="h") >> Dense(2, name="y"))
    g.cost(L2(0.1, "*.w"), name="l2")
    rows = {line.split()[0 if line.startswith(" ") else 1]: line for line in g.summary().splitlines()[3:-2]}
    assert "of 10" in rows["l2"]
    assert all("l2" not in line for name, line in rows.items() if name != "l2")
    dot = g.picture().dot
    assert "of 10 params" in dot
    assert "same weights" not in dot
