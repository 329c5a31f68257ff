"""Parts and copies of a graph that share Params, and forward sweeps over only what changed."""

import copy
import pickle

import numpy as np
import pytest
from oddities import skipping

import minigraph as mg
from minigraph.costs import L2, Quadratic, SoftmaxCrossEntropy
from minigraph.errors import FeedError, GraphError, StaleError
from minigraph.layers import Add, BatchNorm, Dense, Dropout, Embedding

RNG = np.random.default_rng(0)
X, T = RNG.normal(size=(6, 4)), RNG.normal(size=(6, 2))


# ---- parts and copies ----


def test_until_and_between_share_params_and_give_the_same_numbers():
    g = skipping()
    run = g.forward(x=X, t=T)
    front, back = g.until("h2"), g.between("h1", "y")
    np.testing.assert_array_equal(front.forward(x=X)["h2"].a, run["h2"].a)
    np.testing.assert_array_equal(back.forward(h1=run["h1"].a)["y"].a, run["y"].a)
    assert [node.name for node in back] == ["h1", "h2", "sum", "y"]
    assert back.params["h2.w"] is g.params["h2.w"]
    assert front.outputs == [front["h2"]]
    assert back.inputs == [back["h1"]]
    several = g.between(["h1", "h2"], ["y", "sum"])
    assert [node.name for node in several.inputs] == ["h1", "h2"]
    assert {node.name for node in several.outputs} == {"y", "sum"}
    whole = g.until("cost")
    assert whole.forward(x=X, t=T).cost == run.cost


def test_a_part_takes_side_inputs_and_integer_inputs_along():
    g = mg.Graph(seed=0)
    u, label = g.input("u", 3), g.input("label", (), dtype=int)
    h = Dense(3, name="h")(g.input("x", 4))
    s = Add(name="s")(h, u)
    g.cost(SoftmaxCrossEntropy(), s, target=label, name="cost")
    part = g.between("h", "cost")
    assert [node.name for node in part.inputs] == ["u", "label", "h"] or len(part.inputs) == 3
    assert part["label"].dtype == np.int64
    assert part.forward(h=RNG.normal(size=(6, 3)), u=np.zeros((6, 3)), label=RNG.integers(0, 3, 6)).cost > 0


def test_parts_that_make_no_sense_are_refused():
    g = skipping()
    with pytest.raises(GraphError, match="no path from 'y' to 'h1'"):
        g.between("y", "h1")
    with pytest.raises(GraphError, match="both the beginning and the end"):
        g.between("h1", "h1")
    with pytest.raises(GraphError, match="no node"):
        g.until("nope")


def test_training_a_part_trains_the_whole():
    g = skipping()
    part = g.until("h1")
    part.cost(Quadratic(), part["h1"])
    before = g.params["h1.w"].value.copy()
    mg.SGD(0.1).step(part.forward(x=X, t=np.zeros((6, 5))).backward())
    assert (g.params["h1.w"].value != before).any()


@pytest.mark.parametrize(
    ("share", "shared"),
    [
        (False, set()),
        (True, {"h1.w", "h1.b", "h2.w", "h2.b", "y.w", "y.b"}),
        ("h*", {"h1.w", "h1.b", "h2.w", "h2.b"}),
        (["h1", "y"], {"h1.w", "h1.b", "y.w", "y.b"}),
    ],
)
def test_copies_share_what_they_are_asked_to(share, shared):
    g = skipping()
    twin = g.copy(share=share)
    assert {name for name, param in twin.params.items() if g.params[name] is param} == shared
    assert twin.forward(x=X, t=T).cost == g.forward(x=X, t=T).cost
    assert twin.nodes[0] is not g.nodes[0]
    before = g.forward(x=X, t=T).cost
    twin.replace("h2", Dense(5))
    assert g.forward(x=X, t=T).cost == before


def test_a_copy_shares_tied_params_and_penalties_see_them():
    g = mg.Graph(seed=0)
    a = Dense(4, name="a")
    h = a(g.input("x", 4))
    g.cost(Quadratic(), Dense(4, weights=a.w, name="b")(h), name="cost")
    g.cost(L2(0.1, "a.w"), name="l2")
    twin = g.copy(share="a")
    assert twin["b"].layer.w is a.w
    own = g.copy()
    assert own["b"].layer.w is own["a"].layer.w is not a.w
    assert list(own["l2"].layer.params.values()) == [own["a"].layer.w]


def test_copies_that_make_no_sense_are_refused():
    g = skipping()
    with pytest.raises(GraphError, match=r"no node that 'enc/\*' finds"):
        g.copy(share="enc/*")
    with pytest.raises(GraphError, match="can't share Params of float64"):
        g.copy("float32", share="h1")


def test_copies_cast_running_statistics():
    g = mg.Sequential(4, BatchNorm(), name="n")
    twin = g.copy("float32")
    layer = twin["batch_norm"].layer
    assert {getattr(layer, name).dtype for name in layer.statistics} == {np.dtype("float32")}
    assert twin.forward(x=X, training=True)["batch_norm"].a.dtype == np.float32


def penalised():
    g = skipping()
    g.cost(L2(0.1, "*.w"), name="l2")
    return g


@pytest.mark.parametrize("taken", [lambda g: g.copy(share=True), lambda g: g.until(["cost", "l2"])])
def test_a_penalty_of_a_part_or_copy_is_its_own(taken):
    g = penalised()
    twin, before = taken(g), g.forward(x=X, t=T).costs
    assert twin.forward(x=X, t=T).costs == before
    assert twin.params["h2.w"] is g.params["h2.w"]
    twin.replace("h2", Dense(5))
    assert g.forward(x=X, t=T).costs == before
    weights = [param for name, param in twin.params.items() if name.endswith(".w")]
    assert twin.forward(x=X, t=T).costs["l2"] == pytest.approx(0.05 * sum((p.value**2).sum() for p in weights))


def test_an_embedding_that_is_the_output_too_stays_one_param_in_copies_and_parts():
    g = mg.Graph(seed=0)
    e = Embedding(7, 4, name="e")
    h = e(g.input("i", 3, dtype=int))
    g.cost(SoftmaxCrossEntropy(), Dense(7, bias=False, weights=e.w, name="o")(h), name="cost")
    symbols = RNG.integers(0, 7, (6, 3))
    expected = g.forward(i=symbols, t=symbols).backward().grad(e.w)
    for share in (True, "e", "o", ["e", "o"], Dense, [Embedding], False):
        twin = g.copy(share=share)
        w = twin["e"].layer.w
        assert twin["o"].layer.w is w
        assert (w is e.w) == (share is not False)
        np.testing.assert_array_equal(twin.forward(i=symbols, t=symbols).backward().grad(w), expected)
    part = g.between("e", "cost")
    run = part.forward(e=e.w.value[symbols], t=symbols).backward()
    assert run.cost == g.forward(i=symbols, t=symbols).cost
    assert mg.check(part, e=e.w.value[symbols], t=symbols)
    whole = g.between("i", "cost")
    assert whole["i"].dtype == np.int64


def test_training_parts_and_the_whole_in_turn_moves_the_same_params_and_statistics():
    g = mg.Sequential(4, BatchNorm(name="n"), Dense(3, name="h"), Dense(2, name="y"), cost=Quadratic(), seed=0)
    part = g.until("h")
    part.cost(Quadratic(), part["h"], target="t")
    for _ in range(3):
        means = g["n"].layer.mean.copy()
        mg.SGD(0.1).step(part.forward(x=X, t=X[:, :3], training=True).backward())
        run = g.forward(x=X, t=T, training=True).backward()
        mg.SGD(0.1).step(run)
        with pytest.raises(StaleError, match=r"h\.w, .*changed"):
            run.backward()
        np.testing.assert_allclose(g["n"].layer.mean, 0.81 * means + 0.19 * X.mean(axis=0), rtol=1e-12)
    for one in (g, part):
        for twin in (pickle.loads(pickle.dumps(one)), copy.deepcopy(one)):
            t = T if one is g else X[:, :3]
            assert twin.forward(x=X, t=t).cost == one.forward(x=X, t=t).cost


def test_a_part_keeps_the_names_of_blocks_free_for_nothing_else():
    inner = mg.Sequential(4, Dense(4, name="a"), name="h")
    outer = mg.Sequential(4, inner, Dense(4, name="b"), name="outer")
    g = mg.Graph(seed=0)
    y = outer(g.input("x", 4))
    g.output(Add(name="s")(y, Dense(4, name="h")(y)))
    part = g.between("h", "s")  # "h" is a block within "outer", and a node
    assert [node.name for node in part] == ["x", "outer/h/a", "outer/b", "h", "s"]
    with pytest.raises(GraphError, match="there is a block 'outer'"):
        part.input("outer", 3)


SENSELESS = {
    "no end": (lambda g: g.until([]), "leads to at least one node"),
    "no end at all": (lambda g: g.until(None), "leads to at least one node"),
    "a start behind another": (
        lambda g: g.between(["h1", "x"], "y"),
        "no path from 'x' to 'y' but through other starts",
    ),
    "a number to share": (lambda g: g.copy(share=3), "a name, a pattern or a type of layer, got 3"),
    "nothing to share": (lambda g: g.copy(share=None), "got None"),
}


@pytest.mark.parametrize("what", SENSELESS)
def test_other_parts_and_copies_that_make_no_sense(what):
    take, said = SENSELESS[what]
    with pytest.raises(GraphError, match=said):
        take(skipping())


def test_a_copy_in_another_dtype_never_casts_shared_statistics():
    g = mg.Sequential(4, BatchNorm(affine=False), name="n")
    with pytest.raises(GraphError, match="can't share"):
        g.copy("float32", share=True)
    assert g["batch_norm"].layer.mean.dtype == np.float64


def test_parts_are_named_by_their_nodes():
    g = skipping()
    assert g.between(g["h1"], [g["y"]]).name == "net: h1 to y"
    assert g.until([g["h2"], "y"]).name == "net until h2, y"


# ---- only what changed ----


def branches():
    g = mg.Graph("branches", seed=0)
    a = Dense(5, "tanh", name="a")(g.input("x", 4))
    b = Dropout(0.5, name="d")(Dense(5, name="b")(g.input("u", 3)))
    g.cost(Quadratic(), Add(name="s")(a, b), name="cost")
    return g, {"x": X, "u": RNG.normal(size=(6, 3)), "t": RNG.normal(size=(6, 5))}


@pytest.mark.parametrize("guard", [True, False])
def test_forward_with_some_feeds_computes_only_what_depends_on_them(guard):
    g, feeds = branches()
    run = mg.Run(g, training=True, seed=4, guard=guard).forward(feeds)
    mask = run["d"].a.copy()
    sweep, ran = run.swept(), []
    sweep.steps = [
        (node, k, lambda at, *xs, _f=f, _n=node.name: (ran.append(_n), _f(at, *xs))[1], at, one, several)
        for node, k, f, at, one, several in sweep.steps
    ]
    run.forward(x=2 * X)
    assert ran == ["a", "s", "cost"]
    np.testing.assert_array_equal(run["d"].a, mask)
    np.testing.assert_allclose(run["a"].a, g.forward({**feeds, "x": 2 * X})["a"].a)
    np.testing.assert_allclose(run["s"].a, run["a"].a + mask)
    run.backward()
    np.testing.assert_allclose(run["s"].delta, run["s"].a - feeds["t"])
    ran.clear()
    g["a"].layer.w.value = 2 * g["a"].layer.w.value
    run.forward()
    assert ran == ["a", "s", "cost"]
    ran.clear()
    run.forward()
    assert ran == []
    run.forward(u=feeds["u"])
    assert ran == ["b", "d", "s", "cost"]
    assert (run["d"].a != mask).any()


def test_what_was_kept_must_fit_what_is_new():
    g, feeds = branches()
    for wrong, said in (
        ({"x": X[:2]}, "'u', 't' has 6 examples still, and 'x' got another number"),
        ({"x": X[0]}, "got another number"),
        ({"q": X}, "'q'|not fed"),
        ({"x": X[:, :2]}, "takes a batch of shape"),
    ):
        run = g.forward(feeds)
        with pytest.raises(FeedError, match=said):
            run.forward(wrong)
        with pytest.raises(StaleError):
            run.backward()
        with pytest.raises(FeedError, match="was not fed"):  # the sweep wasn't whole: nothing is kept
            run.forward(x=X)
    run = g.forward(feeds)
    with pytest.raises(FeedError, match="was not fed"):
        run.forward(x=X, until="s")


def test_rename():
    g = skipping()
    run = g.forward(x=X, t=T)
    g.rename("h1", "first")
    assert "h1" not in g
    assert next(iter(g.params)) == "first.w"
    g.rename(g["x"], "image")
    assert run.forward(image=X, t=T).cost == g.forward(image=X, t=T).cost
    with pytest.raises(GraphError, match="names are unique"):
        g.rename("y", "sum")
    assert g["y"].name == "y"


def test_partial_forward_sees_new_weights_of_frozen_layers_in_penalties():
    g = skipping()
    g.cost(L2(0.1, "h1.w"), name="l2")
    g.freeze("h1")
    run = g.forward(x=X, t=T)
    g["h1"].layer.w.value = 2 * g["h1"].layer.w.value
    assert run.forward().costs == g.forward(x=X, t=T).costs


def test_partial_forward_sees_new_running_statistics():
    g = mg.Sequential(4, BatchNorm(affine=False), Dense(2), cost=Quadratic(), seed=0)
    run = g.forward(x=X, t=T)
    mg.SGD(0.0).step(g.forward(x=X + 3, t=T, training=True).backward())
    assert run.forward(t=T).cost == g.forward(x=X, t=T).cost


def test_partial_sweeps_with_batch_statistics_count_as_training_steps():
    g = mg.Graph(seed=0)
    n = BatchNorm(name="n")(g.input("x", 4))
    g.cost(Quadratic(), Add(name="s")(n, g.input("u", 4)), name="cost")
    run = g.forward(x=X, u=X, t=X, training=True).backward()
    mg.SGD(0.0).step(run)
    once = g["n"].layer.mean.copy()
    mg.SGD(0.0).step(run.forward(u=2 * X).backward())  # of the batch that x still is
    np.testing.assert_allclose(g["n"].layer.mean, 0.9 * once + 0.1 * X.mean(axis=0), rtol=1e-12)


def test_partial_sweeps_of_one_example_and_of_a_stopped_run():
    g = skipping()
    run = g.forward(x=X[0], t=T[0])
    assert run.forward(t=T[1]).cost == g.forward(x=X[0], t=T[1]).cost
    assert run["y"].a.shape == (2,)
    run = g.forward(x=X, t=T, until=["cost"])
    assert run.forward(t=2 * T, until=["cost"]).cost == g.forward(x=X, t=2 * T).cost


def test_gradients_per_example_after_a_partial_sweep_use_the_mask_that_was_kept():
    g = mg.Graph(seed=0)
    h = Dense(5, name="h")(g.input("x", 4))
    g.cost(Quadratic(), Dense(2, name="y")(Dropout(0.5, name="d")(h)), name="cost")
    run = g.forward(x=X, t=T, training=True)
    mask = run["d"].a.copy()
    run.forward(t=2 * T).backward()
    np.testing.assert_array_equal(run["d"].a, mask)
    w = g["h"].layer.w
    np.testing.assert_allclose(run.grad(w, per="example").mean(axis=0), run.grad(w), rtol=1e-12, atol=1e-15)


def test_an_observer_sees_what_a_partial_sweep_computes_and_interrupting_it_keeps_nothing():
    g, seen = skipping(), []
    run = g.forward(x=X, t=T)
    run.forward(t=2 * T, observe=lambda node, record: seen.append(node.name))
    assert seen == ["x", "t", "cost"]

    def stop(node, record):
        if node.name == "h2":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.forward(x=2 * X, observe=stop)
    with pytest.raises(FeedError, match="was not fed"):
        run.forward(t=T)
    assert run.forward(x=X, t=T).cost == g.forward(x=X, t=T).cost


@pytest.mark.parametrize("guard", [True, False])
def test_two_players_take_turns_on_one_run(guard):
    g = mg.Graph(seed=0)
    maker = mg.Sequential(3, Dense(5, "tanh"), Dense(2), name="maker")
    judge = mg.Sequential(2, Dense(5, "tanh"), Dense(1), name="judge")
    fake = g.add(maker, g.input("z", 3), name="maker")
    found = g.add(judge, fake, name="judge")
    known = g.add(judge, g.input("real", 2), name="again")
    g.cost(Quadratic(), found, target="zeros", name="found out")
    g.cost(Quadratic(), known, target="ones", name="known")
    g.cost(Quadratic(), found, target="fooled", name="believed")
    ones = np.ones((6, 1))
    feeds = {"z": X[:, :3], "real": T, "zeros": 0 * ones, "ones": ones, "fooled": ones}
    run = mg.Run(g, training=True, guard=guard).forward(feeds)
    for _ in range(3):
        mg.SGD(0.1, params="judge/*").step(run.backward({"found out": None, "known": None}))
        mg.SGD(0.1, params="maker/*").step(run.forward().backward("believed"))
        run.forward()
        fresh = g.forward(feeds)
        assert run.costs == fresh.costs
    run.backward()
    fresh.backward()
    for param in g.params.values():
        np.testing.assert_array_equal(run.grad(param), fresh.grad(param))


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_an_observer_that_edits_the_graph_breaks_the_sweep_off(direction):
    g = mg.Sequential(4, Dense(5, "tanh", name="h1"), Dense(5, name="h2"), cost=Quadratic(), seed=0)
    feeds = {"x": np.ones((3, 4)), "t": np.ones((3, 5))}
    run = g.forward(feeds)

    def edit(node, record):
        if node.name == "h1":
            g.insert(Dense(5), between=("h1", "h2"))

    with pytest.raises(StaleError, match="edited in the middle of a sweep"):
        run.forward(feeds, observe=edit) if direction == "forward" else run.backward(observe=edit)
    with pytest.raises(StaleError):
        run["h2"]
    assert run.forward(feeds).backward()["dense"].a.shape == (3, 5)
