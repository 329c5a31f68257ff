"""What folds and what doesn't: layers, wiring, sharing, use, and what goes on to the next repetition."""

import numpy as np
import pytest
from test_drawing import statements, text_of
from test_scene import chain, lines, outline

import minigraph as mg
from minigraph.costs import L2, Quadratic
from minigraph.layers import (
    Add,
    Bias,
    Concat,
    Dense,
    Identity,
    Layer,
    LayerNorm,
    LSTMCell,
    Multiply,
    Scale,
    Slice,
    Stack,
)
from minigraph.render import fold
from minigraph.render.scene import Scene
from minigraph.render.view import View


class Times(Layer):
    """x times a number that is no field of a dataclass."""

    def __init__(self, k):
        super().__init__()
        self.k = k

    def build(self, shape, *, rng, dtype):
        return shape

    def forward(self, at, x):
        return x * self.k

    def backward(self, at, error):
        return error * self.k


def graph(width=3):
    g = mg.Graph("folded", seed=0)
    return g, g.input("x", width)


def folded(g, **view):
    return outline(Scene(g, View(fold=True, **view)).root)


def drawn(g, **view):
    return text_of(g.picture(fold=True, **view).dot)


def is_folded(g):
    return any(isinstance(entry, tuple) for entry in folded(g))


# ---- layers that are alike ----


@pytest.mark.parametrize(
    ("alike", "other"),
    [
        (lambda i: Times(2.0), lambda i: Times(2.0 + i)),
        (lambda i: Scale(np.array([1.0, 2.0, 3.0])), lambda i: Scale(np.array([1.0, 2.0, 3.0 + i]))),
        (lambda i: Bias(2.0), lambda i: Bias(2.0 + i)),
        (lambda i: Dense(3, "tanh", weights="normal"), lambda i: Dense(3, "tanh" if i else "relu")),
        (lambda i: LayerNorm(), lambda i: LayerNorm(eps=10.0 ** -(i + 3))),
        (lambda i: Dense(3, bias=False), lambda i: Dense(3, bias=bool(i % 2 == 0) if i < 3 else i == 3)),
    ],
)
def test_hyper_parameters_tell_layers_apart(alike, other):
    assert folded(chain(*[alike(i) for i in range(4)]))[1][1] == 4
    assert not is_folded(chain(*[other(i) for i in range(3)]))


def test_slices_fold_where_they_count():
    def slices(*indices):
        g, x = graph((6, 6, 2))
        g.output(g.add(Stack(axis=0), *[g.add(Slice(index), x, name=f"s{i}") for i, index in enumerate(indices)]))
        return g

    assert folded(slices(0, 1, 2, 3))[1] == ("s0", 4)
    assert folded(slices(5, 3, 1))[1] == ("s0", 3)
    assert folded(slices((0, 2), (1, 2), (2, 2)))[1] == ("s0", 3)
    assert not is_folded(slices((0, 0), (1, 1), (2, 2)))
    assert not is_folded(slices(0, 2, 3))
    assert not is_folded(slices(0, (slice(None), 0), 2))
    assert not is_folded(slices((slice(0, 1), 0), (slice(1, 2), 0), (slice(2, 3), 0)))
    assert "Slice [0] … [3]" in drawn(slices(0, 1, 2, 3))


# ---- wiring ----


def test_side_by_side_is_not_one_after_the_other():
    def branches(parallel):
        g, x = graph()
        h, ends = x, []
        for i in range(5):
            h = g.add(Dense(3), x if parallel else h, name=f"b{i}")
            ends.append(h)
        g.output(g.add(Add(), *ends, name="sum"))
        return g

    beside, behind = drawn(branches(True)), drawn(branches(False))
    assert folded(branches(True)) == folded(branches(False)) == ["x", ("b0", 5), "sum"]
    assert ("×5 ∥" in beside, "side by side" in beside, "one after the other" in beside) == (True, True, False)
    assert ("×5 ∥" in behind, "side by side" in behind, "one after the other" in behind) == (False, False, True)
    [leaving] = [look for id, (_, look) in statements(branches(True).picture(fold=True).dot).items() if id == "e1-6-0"]
    assert text_of(leaving["label"]).strip() == "×5"


@pytest.mark.parametrize("carries", ["a", "b"])
def test_what_goes_on_to_the_next_is_said_where_it_isnt_plain(carries):
    g, h = graph()
    ends = []
    for i in range(5):
        a = g.add(Dense(3, "tanh"), h, name=f"a{i}")
        ends.append(g.add(Dense(3), a, name=f"b{i}"))
        h = a if carries == "a" else ends[-1]
    g.output(g.add(Add(), *ends, name="sum"))
    assert folded(g) == ["x", (None, 5, ["a0", "b0"]), "sum"]
    assert ("a0 → a0 of the next" in drawn(g)) == (carries == "a")


def test_the_first_takes_one_node_for_each_value_that_goes_on():
    g, x = graph()
    h, start = g.input("y", 3), x
    for i in range(4):
        d = g.add(Dense(3), start if i == 0 else h, name=f"d{i}")
        h = g.add(Add(), h, d, name=f"a{i}")
    g.output(h)
    assert folded(g) == ["x", "y", "d0", (None, 3, ["a0", "d1"]), "a3"]  # of d and a only the later are residual


def test_slots_stay_apart():
    g, x = graph()
    h = z = g.input("z", 3)
    for i in range(4):
        h = g.add(Multiply(), h, z, name=f"m{i}")
    g.cost(Quadratic(), g.add(Add(), h, x))
    scene = Scene(g, View(fold=True))
    assert folded(g)[2] == ("m0", 4)
    into = {line.edges[0].slot: line.edges for line in scene.lines if line.target.name == "m0"}
    assert {slot: len(edges) for slot, edges in into.items()} == {0: 1, 1: 4}
    assert all(edge.slot == slot for slot, edges in into.items() for edge in edges)


def headed(count):
    g, h = graph()
    nodes = []
    for _ in range(count):
        h = g.add(Dense(3), h)
        nodes.append(h)
    g.output(*[g.add(Dense(2), node) for node in nodes])
    return g


def test_the_work_to_find_nothing_grows_with_the_nodes(monkeypatch):
    def work(count):
        looked_at = []
        nodes = fold._nodes
        monkeypatch.setattr(fold, "_nodes", lambda entries: looked_at.append(len(entries)) or nodes(entries))
        assert not is_folded(headed(count))
        monkeypatch.setattr(fold, "_nodes", nodes)
        return sum(looked_at)

    assert work(400) < 3 * work(200)  # 4 times the work where each repetition is gone through at each place


# ---- Params ----


def test_only_what_shares_as_the_others_do_folds():
    a, b = Dense(3), Dense(3)
    units = [[a, Identity(), a, LayerNorm()], *([Dense(3), Identity(), Dense(3), LayerNorm()] for _ in range(3))]
    assert folded(chain(*[layer for unit in units for layer in unit]))[1:4] == ["dense", "identity", "dense_1"]
    shared = chain(*[layer for _ in range(3) for layer in (a, Identity(), b, LayerNorm())])
    assert not any("shared" in text and "×3" in text for text in [drawn(shared)]) or is_folded(shared)


def test_transposed_weights_are_not_the_weights():
    g, h = graph()
    first = Dense(3, name="first")
    h = first(h)
    for i in range(6):
        h = g.add(Dense(3, weights=first.w if i % 2 else first.w.T), h, name=f"d{i}")
    g.output(h)
    assert not any(entry == ("d0", 6) for entry in folded(g))


def test_a_param_that_is_used_elsewhere_keeps_its_layer_apart():
    layers = [Dense(3, name=f"d{i}") for i in range(5)]
    g = mg.Sequential(3, *layers, seed=0)
    g.output(g.add(Dense(3, weights=layers[2].w), g.nodes[-1], name="end"))
    assert folded(g) == ["x", "d0", "d1", "d2", "d3", "d4", "end"]
    assert Scene(g, View(fold=True)).ties


def test_uses_of_merged_layers_stay_uses_when_folded():
    g = mg.Graph("towers", seed=0)
    left, right = g.input("left", 3), g.input("right", 3)
    for i in range(4):
        layer = Dense(3, "tanh")
        left, right = g.add(layer, left, name=f"u{i}"), g.add(layer, right, name=f"v{i}")
    g.output(g.add(Concat(), left, right))
    dot = drawn(g, merge=True)
    assert "u0 … u3" in dot
    assert "×4" in dot
    assert "Dense tanh, 2 uses" in dot
    assert ("use 1" in dot, "use 2" in dot) == (True, True)


# ---- the order of repetitions ----


@pytest.mark.parametrize("reverse", [False, True])
def test_the_first_repetition_is_the_first(reverse):
    g, x = graph((6, 3))
    h = mg.blocks.unroll(LSTMCell(4), x, reverse=reverse)
    g.cost(Quadratic(), Dense(2)(h))
    rng = np.random.default_rng(0)
    run = g.forward(x=rng.random((3, 6, 3)), t=rng.random((3, 6, 2))).backward()
    scene = Scene(g, View(fold=True))
    [line] = [line for line in scene.lines if line.target.name == "stack" and line.leaving > 1]
    order = [edge.source.name for edge in line.edges]
    expected = [f"cell_{t}" for t in range(1, 6)]
    assert order == ([f"cell_{t}" for t in range(4, -1, -1)] if reverse else expected)
    from minigraph.measures import rms, shown

    ends = [shown(rms(run.edge(name, "stack").grad)) for name in (order[0], order[-1])]
    look = statements(run.picture(fold=True).dot)[line.id][1]
    assert text_of(look["label"]).strip() == " … ".join(ends)


def test_a_repetition_without_a_gradient_leaves_a_gap():
    g, h = graph()
    for i in range(3):
        h = g.add(Dense(3, "tanh", frozen=True), h, name=f"f{i}")
        h = g.add(Dense(3, "tanh"), h, name=f"d{i}")
    g.cost(Quadratic(), h)
    run = g.forward(x=np.ones((2, 3)), t=np.zeros((2, 3))).backward()
    text = [look["label"] for id, (_, look) in statements(run.picture(fold=True).dot).items() if id == "e1-2-0"]
    assert text_of(text[0]).strip().startswith("— … ")


def test_nested_repetitions_are_counted_each():
    g, x = graph((4, 3))
    steps = [g.add(Slice(t), x, name=f"x{t}") for t in range(4)]
    for _ in range(3):
        steps = [g.add(Dense(3, "tanh"), step) for step in steps]
    g.output(g.add(Stack(axis=0), *steps))
    found = folded(g)
    assert found[0] == "x"
    assert found[-1] == "stack"
    assert lines(Scene(g, View(fold=True)))[-1][1] == "stack"


# ---- where runs begin and end ----


def summed(*others):
    """A node of sums, each of the one before and of an input by name, or of the one before twice."""
    g = mg.Graph("summed")
    h, inputs = g.input("x", 3), {name: g.input(name, 3) for name in dict.fromkeys(filter(None, others))}
    for i, other in enumerate(others):
        h = g.add(Add(), h, inputs.get(other, h), name=f"a{i}")
    return g


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        (["p", "p", "p"], [("a0", 3)]),
        (["p", "p", "p", "q", "q", "q"], [("a0", 3), ("a3", 3)]),
        (["p", "q", "q", "q"], ["a0", ("a1", 3)]),
        (["p", "p", "p", "q"], [("a0", 3), "a3"]),
        (["p", "q", "p", "q", "p", "q"], [(None, 3, ["a0", "a1"])]),
        (["p", "p", "p", "", "", ""], [("a0", 3), ("a3", 3)]),
    ],
)
def test_a_run_ends_where_something_else_comes_in(others, expected):
    inputs = ["x", *dict.fromkeys(filter(None, others))]
    assert folded(summed(*others)) == inputs + expected


@pytest.mark.parametrize(
    ("tapped", "expected"),
    [
        ([0, 1, 2, 3, 4, 5], [("d0", 6)]),
        ([0, 1, 2, 4, 5], [("d0", 3), "d3", "d4", "d5"]),
        ([0, 1, 2], [("d0", 3), ("d3", 3)]),
        ([3, 4, 5], [("d0", 4), "d4", "d5"]),
        ([5], [("d0", 6)]),
        ([2, 5], [("d0", 3), ("d3", 3)]),
    ],
)
def test_only_the_last_or_all_alike_are_used_elsewhere(tapped, expected):
    g = mg.Graph("tapped", seed=0)
    h, nodes = g.input("x", 3), []
    for i in range(6):
        nodes.append(h := g.add(Dense(3, "tanh"), h, name=f"d{i}"))
    g.add(Concat(), *[nodes[i] for i in tapped], g["x"], name="end")
    assert folded(g)[1:-1] == expected


def test_lines_inside_of_a_run_leave_no_repetition():
    g = mg.Graph("pairs", seed=0)
    h, found = g.input("x", 3), []
    for i in range(3):
        h = g.add(Identity(), g.add(Dense(3), h, name=f"d{i}"), name=f"i{i}")
        found.append(h)
    g.add(Concat(), *found, name="end")
    scene = Scene(g, View(fold=True))
    assert lines(scene) == [("x", "d0"), ("d0", "i0"), ("i0", "end")]
    assert [line.leaving for line in scene.lines] == [1, 1, 3]


def test_penalties_of_weights_do_not_keep_them_from_folding():
    g = chain(*[Dense(3) for _ in range(4)])
    g.cost(L2(0.1, "*.w"), name="small")
    assert folded(g) == ["x", ("dense", 4), "t", "quadratic", "small"]


def shares(letters):
    """A chain of layers, those with the same letter the same one."""
    made = {}
    return chain(*[made.setdefault(letter, Dense(3, "tanh")) if letter != "-" else Identity() for letter in letters])


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        ("aaaa", [("dense", 4)]),
        ("aaabbb", [("dense", 3), ("dense_3", 3)]),
        ("abca", ["dense", "dense_1", "dense_2", "dense_3"]),
        ("ababab", [(None, 3, ["dense", "dense_1"])]),
        ("abcdeb", ["dense", "dense_1", ("dense_2", 3), "dense_5"]),
        ("aa-bb-cc-", [(None, 3, ["dense", "dense_1", "identity"])]),
        ("aa-bb-cc-de-", [(None, 3, ["dense", "dense_1", "identity"]), "dense_6", "dense_7", "identity_3"]),
    ],
)
def test_repetitions_share_all_of_their_params_or_none_with_anybody(letters, expected):
    assert folded(shares(letters))[1:-2] == expected


def test_weights_and_their_transpose_are_not_alike():
    first = Dense(3, bias=False)
    g = mg.Graph("tied", seed=0)
    h = g.add(first, g.input("x", 3), name="a0")
    h = g.add(Dense(3, bias=False, weights=first.w.T), h, name="a1")
    g.add(Dense(3, bias=False, weights=first.w), h, name="a2")
    assert folded(g) == ["x", "a0", "a1", "a2"]


def test_a_layer_that_says_something_else_is_something_else():
    class Told(Identity):
        def describe(self):
            return next(words)

    words = iter("abcdefgh")
    g = mg.Graph("told")
    h = g.input("x", 3)
    for _ in range(3):
        h = g.add(Told(), h)
    assert folded(g) == ["x", "told", "told_1", "told_2"]
