"""Edits of a graph: replace, insert, remove, finding and freezing, and what older runs say."""

import copy
import pickle

import numpy as np
import pytest
from oddities import close, skipping, slopes

import minigraph as mg
from minigraph.costs import L2, Quadratic, SoftmaxCrossEntropy
from minigraph.errors import GraphError, LayerError, MinigraphError, NotComputedError, ShapeError, StaleError
from minigraph.layers import Add, Concat, Dense, Dropout, Identity, Multiply, Split

RNG = np.random.default_rng(0)
X, T = RNG.normal(size=(6, 4)), RNG.normal(size=(6, 2))


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
    g = skipping()
    place = [node.name for node in g]
    new = g.replace("h2", Dense(5, "sigmoid"))
    assert [node.name for node in g] == place
    assert g["h2"] is new
    assert [node.name for node in new.inputs] == ["h1"]
    assert g["sum"].inputs == (g["h1"], new)
    works(g, x=X, t=T)


def test_replace_takes_other_inputs():
    g = skipping()
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
    g = skipping()
    new = g.replace("h2", block)
    assert new.name == "h2/out"
    assert [node.name for node in g] == ["x", "h1", "h2/in", "h2/out", "sum", "y", "t", "cost"]
    works(g, x=X, t=T)


def test_replace_a_cost_and_a_declared_output():
    g = skipping()
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
    g = skipping()
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
    g = skipping()
    g.remove("h2")
    assert g["sum"].inputs == (g["h1"], g["h1"])
    works(g, x=X, t=T)
    g.remove("cost")
    assert [node.name for node in g] == ["x", "h1", "sum", "y"]
    g.replace("y", Dense(3))
    g.cost(SoftmaxCrossEntropy(), g["y"])
    works(g, x=X, t=RNG.integers(0, 3, 6))


def test_remove_a_declared_output_and_what_nothing_takes():
    g = skipping()
    g.output("y")
    g.remove("cost")
    g.remove("y")
    assert g.outputs == [g["sum"]]
    g.remove("sum")
    assert [node.name for node in g] == ["x", "h1", "h2"]


def test_a_target_that_something_else_takes_stays():
    g = skipping()
    g.cost(Quadratic(), g["h1"] >> Dense(2, name="z"), target="t", name="other")
    for name in ("cost", "y", "sum", "h2"):
        g.remove(name)
    assert "t" in g
    works(g, x=X, t=T)


def test_a_penalty_goes_on_with_the_params_that_are_there_now():
    g = skipping()
    g.cost(L2(0.1, "*.w"), name="penalty")
    g.replace("h2", Dense(5, "tanh"))
    run = works(g, x=X, t=T)
    weights = [param for name, param in g.params.items() if name.endswith(".w")]
    assert run.costs["penalty"] == pytest.approx(0.05 * sum((p.value**2).sum() for p in weights))
    only = skipping()
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
    "one node to stand between": (lambda g: g.insert(Dense(5), between="h1"), GraphError, r"between=\(from, to\)"),
    "three of them": (lambda g: g.insert(Dense(5), between=("x", "h1", "h2")), GraphError, r"between=\(from, to\)"),
    "a target that is used": (lambda g: g.remove("t"), GraphError, "before 'cost': remove 'cost' first"),
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
    g = skipping()
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

    g = skipping()
    before = picture(g)
    with pytest.raises(LayerError, match="build failed with ValueError: no"):
        g.replace("h2", Sick())
    assert picture(g) == before


def test_older_runs_are_stale_and_nodes_taken_out_say_so():
    g = skipping()
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


# ---- awkward edits ----


def test_a_layer_given_to_an_edit_that_fails_is_as_new():
    g, new = skipping(), Dense(7)
    with pytest.raises(ShapeError):
        g.replace("h1", new)
    assert not hasattr(new, "w")
    assert new(mg.Graph().input("x", 9)).shape == (7,)


@pytest.mark.parametrize("fault", [KeyboardInterrupt, MemoryError])
def test_whatever_interrupts_the_building_downstream_nothing_is_changed(fault):
    built = []

    class Sick(mg.Layer):
        def build(self, shape, *, rng, dtype):
            built.append(shape)
            if len(built) > 1:
                raise fault
            return shape

    g = mg.Sequential(4, Dense(4, name="h"), Sick(name="sick"))
    before = picture(g)
    with pytest.raises((fault, LayerError)):
        g.replace("h", Dense(7))
    assert picture(g) == before


def test_a_blocks_name_is_free_when_its_last_node_is_gone():
    g = mg.Graph(seed=0)
    y = mg.Sequential(4, Dense(4, name="a"), Dense(4, name="b"))(g.input("x", 4), name="enc")
    g.output(Dense(2, name="y")(y))
    g.remove("enc/a")
    with pytest.raises(GraphError, match="a block 'enc'"):
        g.insert(Dense(4), between=("x", "enc/b"), name="enc")
    g.remove("enc/b")
    g.insert(Dense(4), between=("x", "y"), name="enc")
    works(mg.Sequential(4, g, cost=Quadratic()), x=X, t=T)


def test_what_is_put_into_a_block_is_named_and_found_as_part_of_it():
    inner = mg.Sequential(4, Dense(4, name="a"), name="in")
    g = mg.Graph(seed=0)
    g.output(mg.Sequential(4, inner, Dense(4, name="b"))(g.input("x", 4), name="out"))
    g.replace("out/in/a", mg.Sequential(4, Dense(4, name="c"), name="other"))
    assert g.insert(Dense(4), between=("out/in/a/c", "out/b")).name == "out/dense"
    assert [(node.name, node.block) for node in g][1:] == [
        ("out/in/a/c", ("out", "in", "a")),
        ("out/dense", ("out",)),
        ("out/b", ("out",)),
    ]
    assert len(g.freeze("out/*")) == 3


def test_one_use_of_a_shared_layer_can_go_its_own_way():
    g = mg.Graph(seed=0)
    both = Dense(4, "tanh")
    a, b = both(g.input("u", 4), name="a"), both(g.input("v", 4), name="b")
    g.cost(Quadratic(), Add(name="s")(a, b), name="cost")
    g.replace("b", Dense(4, "tanh"))
    assert list(g.params) == ["a.w", "a.b", "b.w", "b.b"]
    works(g, u=X, v=X + 1, t=X)
    g.replace("b", both)
    assert list(g.params) == ["a.w", "a.b"]
    before = picture(g)
    with pytest.raises(ShapeError, match=r"Dense 'b' has w of shape \(4, 4\) already"):
        g.insert(Dense(5), between=("v", "b"))
    assert picture(g) == before
    g.insert(Dense(4, "tanh"), between=("u", "a"))
    works(g, u=X, v=X + 1, t=X)


def test_a_block_with_costs_inside_leaves_them_outside():
    g = skipping()
    g.cost(Quadratic(), g["h1"], target="t1", name="second")
    g.output("y", "h1")
    g.replace("h1", mg.Sequential(4, Dense(5, name="in"), cost=Quadratic()))
    assert g.outputs == [g["y"], g["h1/in"]]
    assert [node.name for node in g.costs] == ["cost", "second"]
    works(g, x=X, t=T, t1=RNG.normal(size=(6, 5)))


def test_a_penalty_is_replaced_by_another():
    g = skipping()
    g.cost(L2(0.1, "*.w"), name="l2")
    before = g.forward(x=X, t=T).costs["l2"]
    g.replace("l2", L2(0.5, "*.w"))
    assert works(g, x=X, t=T).costs["l2"] == pytest.approx(5 * before)


def test_parts_of_a_split_are_nodes_like_others():
    g = mg.Graph(seed=0)
    a, b = Split(2, name="s")(g.input("x", 4))
    g.cost(Quadratic(), Dense(2, name="y")(Concat(name="c")(a, b)), name="cost")
    with pytest.raises(ShapeError, match=r"Dense 'y' has w .*nothing was changed"):
        g.remove("s/0")
    g.replace("s/0", Dense(2, "tanh"))
    works(g, x=X, t=T)
    one = skipping()
    assert one.replace("h2", Split(1)).name == "h2/0"
    works(one, x=X, t=T)


# ---- find and freeze ----


def test_find_by_name_pattern_and_type():
    g = skipping()
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
    g = skipping()
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


def test_thawing_thaws_what_penalties_do():
    g = skipping()
    g.cost(L2(0.1, "*.w"), name="l2")
    before = g.forward(x=X, t=T).backward().grad(g.params["h1.w"]).copy()
    g.freeze()
    g.freeze(frozen=False)
    np.testing.assert_array_equal(g.forward(x=X, t=T).backward().grad(g.params["h1.w"]), before)
