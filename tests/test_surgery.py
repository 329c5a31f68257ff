"""Edits of a graph: replace, insert, remove, parts, copies, freezing, and what older runs say."""

import copy
import pickle

import numpy as np
import pytest
from oddities import close, slopes

import minigraph as mg
from minigraph.costs import L2, Quadratic, SoftmaxCrossEntropy
from minigraph.errors import GraphError, LayerError, MinigraphError, NotComputedError, ShapeError, StaleError
from minigraph.layers import Add, BatchNorm, Concat, Dense, Dropout, Identity, Multiply

RNG = np.random.default_rng(0)
X, T = RNG.normal(size=(6, 4)), RNG.normal(size=(6, 2))


def net():
    g = mg.Graph("net", seed=0)
    h1 = Dense(5, "tanh", name="h1")(g.input("x", 4))
    h2 = Dense(5, "tanh", name="h2")(h1)
    s = Add(name="sum")(h1, h2)
    g.cost(Quadratic(), Dense(2, name="y")(s), name="cost")
    return g


def picture(g):
    """Everything that an edit may change, to be compared."""
    return (
        [(node, node.id, node.name, node.inputs, node.shape, node.block, node.layer) for node in g.nodes],
        dict(g.names.nodes),
        g.outputs,
        {name: (param, param.value.tobytes()) for name, param in g.params.items()},
        {node.layer: dict(vars(node.layer)) for node in g.nodes},
        g.rng.bit_generator.state,
        g.edition,
        g.cuts,
    )


def works(g, **feeds):
    """Gradients of the edited graph are right, and it can be pickled."""
    run = g.forward(**feeds).backward()
    for param in g.params.values():
        close(run.grad(param), slopes(lambda: g.forward(**feeds).cost, param.value))
    assert mg.check(g, **feeds)
    twin = pickle.loads(pickle.dumps(g))
    assert twin.forward(**feeds).cost == run.cost
    return run


# ---- replace, insert, remove ----


def test_replace_keeps_name_inputs_place_and_takers():
    g = net()
    place = [node.name for node in g]
    new = g.replace("h2", Dense(5, "sigmoid"))
    assert [node.name for node in g] == place
    assert g["h2"] is new
    assert [node.name for node in new.inputs] == ["h1"]
    assert g["sum"].inputs == (g["h1"], new)
    works(g, x=X, t=T)


def test_replace_takes_other_inputs():
    g = net()
    g.replace("h2", Dense(5), g["x"])
    assert g["h2"].inputs == (g["x"],)
    works(g, x=X, t=T)
    g.replace("sum", Multiply(), g["h1"], g["h1"], g["h2"])
    works(g, x=X, t=T)


def test_replace_with_another_shape_builds_what_comes_behind_again():
    g = mg.Graph(seed=0)
    h = Dense(3, name="h")(g.input("x", 4))
    g.output(Identity(name="i")(Concat(name="both")(h, Dropout(0.1, name="d")(h))))
    g.replace("h", Dense(7))
    assert [(node.name, node.shape) for node in g][1:] == [("h", (7,)), ("d", (7,)), ("both", (14,)), ("i", (14,))]
    assert g.forward(x=X)["i"].a.shape == (6, 14)


def test_replace_with_a_block():
    block = mg.Sequential(5, Dense(3, "tanh", name="in"), Dense(5, name="out"), name="block")
    g = net()
    new = g.replace("h2", block)
    assert new.name == "h2/out"
    assert [node.name for node in g] == ["x", "h1", "h2/in", "h2/out", "sum", "y", "t", "cost"]
    works(g, x=X, t=T)


def test_replace_a_cost_and_a_declared_output():
    g = net()
    g.output("y")
    g.replace("cost", Quadratic(weight=2.0))
    g.replace("y", Dense(2, "tanh"))
    assert g.outputs == [g["y"]]
    works(g, x=X, t=T)


def test_a_later_node_may_become_an_input_and_the_order_follows():
    g = mg.Graph(seed=0)
    x = g.input("x", 4)
    a, b = Dense(4, name="a")(x), Dense(4, "tanh", name="b")(x)
    g.cost(Quadratic(), Dense(2, name="y")(Add(name="s")(a, b)))
    g.replace("a", Dense(4, "sigmoid"), b)
    assert [node.name for node in g].index("b") < [node.name for node in g].index("a")
    works(g, x=X, t=T)
    assert copy.deepcopy(g).forward(x=X, t=T).cost == g.forward(x=X, t=T).cost


def test_insert_on_all_edges_between_two_nodes():
    g = net()
    node = g.insert(Dense(5, "tanh"), between=("h1", "h2"), name="new")
    assert g["h2"].inputs == (node,)
    assert g["sum"].inputs == (g["h1"], g["h2"])
    assert [n.name for n in g].index("new") == 2
    works(g, x=X, t=T)
    double = mg.Graph(seed=0)
    h = Dense(3, name="h")(double.input("x", 4))
    double.cost(Quadratic(), Add(name="s")(h, h))
    new = double.insert(Dense(3, "tanh"), between=(h, double["s"]))
    assert double["s"].inputs == (new, new)
    works(double, x=X, t=RNG.normal(size=(6, 3)))


def test_remove_lets_the_input_through_and_takes_a_costs_target_along():
    g = net()
    g.remove("h2")
    assert g["sum"].inputs == (g["h1"], g["h1"])
    works(g, x=X, t=T)
    g.remove("cost")
    assert [node.name for node in g] == ["x", "h1", "sum", "y"]
    g.replace("y", Dense(3))
    g.cost(SoftmaxCrossEntropy(), g["y"])
    works(g, x=X, t=RNG.integers(0, 3, 6))


def test_remove_a_declared_output_and_what_nothing_takes():
    g = net()
    g.output("y")
    g.remove("cost")
    g.remove("y")
    assert g.outputs == [g["sum"]]
    g.remove("sum")
    assert [node.name for node in g] == ["x", "h1", "h2"]


def test_a_target_that_something_else_takes_stays():
    g = net()
    g.cost(Quadratic(), g["h1"] >> Dense(2, name="z"), target="t", name="other")
    for name in ("cost", "y", "sum", "h2"):
        g.remove(name)
    assert "t" in g
    works(g, x=X, t=T)


def test_a_penalty_goes_on_with_the_params_that_are_there_now():
    g = net()
    g.cost(L2(0.1, "*.w"), name="penalty")
    g.replace("h2", Dense(5, "tanh"))
    run = works(g, x=X, t=T)
    weights = [param for name, param in g.params.items() if name.endswith(".w")]
    assert run.costs["penalty"] == pytest.approx(0.05 * sum((p.value**2).sum() for p in weights))
    only = net()
    only.cost(L2(0.1, "h2.w"), name="penalty")
    before = picture(only)
    with pytest.raises(GraphError, match=r"L2 found no Param 'h2\.w'.*nothing was changed"):
        only.remove("h2")
    assert picture(only) == before


def test_inside_blocks_edits_stay_inside():
    block = mg.Sequential(4, Dense(4, name="a"), Dense(4, name="b"), name="block")
    g = mg.Graph(seed=0)
    g.output(block(g.input("x", 4)))
    g.insert(Dropout(0.1), between=("block/a", "block/b"), name="block/drop")
    assert g["block/drop"].block == ("block",)
    g.replace("block/b", Dense(3))
    assert g["block/b"].block == ("block",)
    assert len(block) == 3


WRONG = {
    "a width that the next layer can't take": (
        lambda g: g.replace("h1", Dense(7)),
        ShapeError,
        r"Dense 'h2' has w of shape \(5, 5\) already, but this input needs \(5, 7\).*nothing was changed",
    ),
    "a target that doesn't fit": (lambda g: g.replace("y", Dense(3)), ShapeError, "Quadratic 'cost' takes targets"),
    "a shape that the layer doesn't take": (lambda g: g.replace("sum", Concat(3)), ShapeError, "Concat 'sum' joins"),
    "a cycle": (lambda g: g.replace("h1", Dense(5), g["sum"]), GraphError, "a cycle: .*h1 -> "),
    "itself as input": (lambda g: g.replace("h1", Dense(5), g["h1"]), GraphError, "a cycle: h1 -> h1"),
    "an input to replace": (lambda g: g.replace("x", Dense(3)), GraphError, "input 'x' can't be replaced"),
    "no such node": (lambda g: g.replace("h3", Dense(3)), GraphError, "no node 'h3'"),
    "no layer": (lambda g: g.replace("h1", 3), GraphError, "takes a layer or a graph, got 3"),
    "a class": (lambda g: g.replace("h1", Dense), GraphError, "call it first"),
    "no edge": (lambda g: g.insert(Dense(4), between=("x", "y")), GraphError, "no edge from 'x' to 'y'.*takes 'sum'"),
    "a taken name": (lambda g: g.insert(Dense(5), between=("h1", "h2"), name="y"), GraphError, "names are unique"),
    "an insert that doesn't fit": (lambda g: g.insert(Dense(6), between=("x", "h1")), ShapeError, r"needs \(5, 6\)"),
    "nothing to pass on": (lambda g: g.remove("sum"), GraphError, "'sum' has 2 inputs.*before 'y'"),
    "an input that is used": (lambda g: g.remove("x"), GraphError, "'x' has 0 inputs.*before 'h1'"),
    "a removal that doesn't fit": (lambda g: g.remove("h1"), ShapeError, r"Dense 'h2' has w of shape \(5, 5\)"),
    "a block with two outputs": (
        lambda g: g.replace("h2", two_outputs()),
        GraphError,
        "a block with one output can stand there, got 2",
    ),
}


def two_outputs():
    g = mg.Graph("pair")
    x = g.input("x", 5)
    g.output(Dense(5)(x), Dense(5)(x))
    return g


@pytest.mark.parametrize("what", WRONG)
def test_what_does_not_fit_is_refused_and_changes_nothing(what):
    edit, kind, said = WRONG[what]
    g = net()
    expected = g.forward(x=X, t=T, seed=0).cost
    before = picture(g)
    with pytest.raises(kind, match=said) as caught:
        edit(g)
    assert "test_surgery.py" in str(caught.value) or kind is GraphError
    assert picture(g) == before
    assert g.forward(x=X, t=T, seed=0).cost == expected


def test_a_layer_that_fails_in_build_leaves_nothing_behind():
    class Sick(mg.Layer):
        def build(self, shape, *, rng, dtype):
            rng.normal()
            raise ValueError("no")

    g = net()
    before = picture(g)
    with pytest.raises(LayerError, match="build failed with ValueError: no"):
        g.replace("h2", Sick())
    assert picture(g) == before


def test_older_runs_are_stale_and_nodes_taken_out_say_so():
    g = net()
    run, old = g.forward(x=X, t=T).backward(), g["h2"]
    w = old.layer.w
    g.replace("h2", Dense(5))
    for read in (
        lambda: run["h1"],
        lambda: run.cost,
        lambda: run.grad(g["h1"].layer.w),
        lambda: run.edge("h1", "h2"),
        lambda: list(run),
        lambda: mg.SGD(0.1).step(run),
        lambda: run.backward(),
    ):
        with pytest.raises(StaleError, match=r"make a new (one|run) with g\.forward"):
            read()
    with pytest.raises(GraphError, match="'h2', which was taken out of its graph"):
        Dense(2)(old)
    with pytest.raises(GraphError, match="taken out"):
        g[old]
    assert old not in g
    run.forward(x=X, t=T).backward()
    assert run["h2"].a.shape == (6, 5)
    with pytest.raises(GraphError, match="is not in graph"):
        run.grad(w)


def test_noise_elsewhere_stays_the_same():
    def drawn(edit):
        g = mg.Graph(seed=0)
        h = Dense(5, name="h")(g.input("x", 4))
        g.output(Dropout(0.5, name="d")(Identity(name="i")(h)))
        if edit:
            g.remove("i")
        return g.forward(x=X, training=True, seed=3)["d"].a

    np.testing.assert_array_equal(drawn(True), drawn(False))


def test_edits_walk_a_long_chain_without_recursion():
    g = mg.Sequential(2, *[Identity() for _ in range(5000)])
    g.replace("identity", Dense(3))
    assert g.nodes[-1].shape == (3,)
    g.remove("identity_2000")
    assert len(g) == 5000


# ---- parts and copies ----


def test_until_and_between_share_params_and_give_the_same_numbers():
    g = net()
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
    g = net()
    with pytest.raises(GraphError, match="no path from 'y' to 'h1'"):
        g.between("y", "h1")
    with pytest.raises(GraphError, match="both the beginning and the end"):
        g.between("h1", "h1")
    with pytest.raises(GraphError, match="no node"):
        g.until("nope")


def test_training_a_part_trains_the_whole():
    g = net()
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
    g = net()
    twin = g.copy(share=share)
    assert {name for name, param in twin.params.items() if g.params[name] is param} == shared
    assert twin.forward(x=X, t=T).cost == g.forward(x=X, t=T).cost
    assert twin.nodes[0] is not g.nodes[0]
    twin.replace("h2", Dense(5))
    works(g, x=X, t=T)


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
    g = net()
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


# ---- find and freeze ----


def test_find_by_name_pattern_and_type():
    g = net()
    assert [node.name for node in g.find("h*")] == ["h1", "h2"]
    assert g.find("sum") == [g["sum"]]
    assert [node.name for node in g.find(Dense)] == ["h1", "h2", "y"]
    assert g.find("nothing") == []
    odd = mg.Graph()
    odd.input("a[1]*", 2)
    assert odd.find("a[1]*") == odd.nodes
    with pytest.raises(GraphError, match="a name, a pattern or a type of layer, got 3"):
        g.find(3)


def test_freeze_stops_gradients_and_thaws():
    g = net()
    assert g.freeze("h*") == g.find("h*")
    run = g.forward(x=X, t=T).backward()
    with pytest.raises(NotComputedError, match="frozen"):
        run.grad(g["h1"].layer.w)
    before = g.params["h1.w"].value.copy()
    mg.SGD(0.1).step(run)
    assert (g.params["h1.w"].value == before).all()
    g.freeze("h1", frozen=False)
    assert g.forward(x=X, t=T).backward().grad(g["h1"].layer.w).any()
    with pytest.raises(GraphError, match="has no Params in the nodes that 'sum' finds"):
        g.freeze("sum")
    with pytest.raises(MinigraphError, match="no node that"):
        g.freeze("enc/*")


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
    close(run["a"].a, g.forward({**feeds, "x": 2 * X})["a"].a)
    close(run["s"].a, run["a"].a + mask)
    run.backward()
    close(run["s"].delta, run["s"].a - feeds["t"])
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
        with pytest.raises(mg.errors.FeedError, match=said):
            run.forward(wrong)
        with pytest.raises(StaleError):
            run.backward()
        with pytest.raises(mg.errors.FeedError, match="was not fed"):  # the sweep wasn't whole: nothing is kept
            run.forward(x=X)
    run = g.forward(feeds)
    with pytest.raises(mg.errors.FeedError, match="was not fed"):
        run.forward(x=X, until="s")
