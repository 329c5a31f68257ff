"""What a box says at each detail: its name, its layer, shapes, hyper-parameters and Params, or the book's letters."""

import html
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from test_drawing import network_dot, statements
from test_scene import chain, nested, transformer

import minigraph as mg
from minigraph.costs import L2, Quadratic
from minigraph.layers import (
    Activation,
    Add,
    AvgPool2D,
    BatchNorm,
    Concat,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Identity,
    LayerNorm,
    MaxPool2D,
    MultiHeadAttention,
    Pad,
)  # fmt: skip
from minigraph.param import Param
from minigraph.render.facts import hyper_parameters, worth_saying
from minigraph.render.style import Look
from minigraph.render.words import counted, param_symbol, symbol


def said(g, name, style="light", **view):
    """The rows of the box that begins with a node, with ^ and _ before what is raised and lowered."""
    markup = statements(network_dot(g, style, **view))[f"n{g[name].id}"][1]["label"]
    rows = re.findall(r'<TR><TD ALIGN="LEFT">(.*?)</TD></TR>', markup)
    rows = [row.replace("<SUP>", "^").replace("<SUB>", "_") for row in rows]
    return [html.unescape(re.sub("<[^<>]*>", "", row)).replace("\xa0", " ") for row in rows]


def tips(g, **view):
    return {id: look["tooltip"] for id, (_, look) in statements(network_dot(g, **view)).items()}


def image():
    g = mg.Graph("image", seed=0)
    g.add(Conv2D(4, 3, stride=2, padding="same", bias=False), g.input("x", (2, 8, 8)), name="conv")
    return g


# ---- each detail ----

FULL = {
    "conv": ["conv", "Conv2D 3×3 identity", "2×8×8 → 4×4×4", "stride 2×2", "padding same", "no bias", "72 params"],
    "x": ["x", "input", "2×8×8"],
}


@pytest.mark.parametrize(("detail", "rows"), [("name", 1), ("shapes", 3), ("full", None)])
def test_each_detail_says_more(detail, rows):
    for name, full in FULL.items():
        assert said(image(), name, detail=detail) == full[:rows]


def test_a_drawing_that_runs_down_says_the_same_in_two_rows():
    row = "2×8×8 → 4×4×4 · stride 2×2 · padding same · no bias · 72 params"
    assert said(image(), "conv", direction="down") == ["conv   Conv2D 3×3 identity", row]


# ---- the book's letters ----


def lettered():
    g = mg.Graph("letters", seed=0)
    h = g.input("x", 4) >> Dense(4, "tanh", name="h")
    h = h >> Dense(4, name="line") >> Dense(4, "relu", bias=False, name="bare") >> Dropout(0.5, name="drop")
    return g, h


def two_costs():
    g, h = lettered()
    g.cost(Quadratic(), h, target="t", name="one")
    g.cost(Quadratic(), g.add(Dense(2), h, name="b<&>"), target="u", name="other")
    return g


def others():
    g = mg.Graph("others", seed=0)
    h = g.input("x", (2, 4, 4)) >> Conv2D(3, 3, activation="relu", name="conv")
    h = h >> Flatten(name="flat") >> LayerNorm(name="norm")
    g.cost(Quadratic(), h >> Dense(2, "tanh", name="end"))
    left, right = g.input("left", (5, 4)), g.input("right", (5, 4))
    g.add(MultiHeadAttention(2, bias=False), left, right, name="look")
    return g


@pytest.mark.parametrize(
    ("make", "name", "rows"),
    [
        (two_costs, "x", ["x", "a^1 = x"]),
        (two_costs, "h", ["h", "z^2 = w^2 a^1 + b^2", "a^2 = σ(z^2)", "δ^2"]),
        (two_costs, "line", ["line", "z^3 = w^3 a^2 + b^3", "a^3 = z^3", "δ^3"]),
        (two_costs, "bare", ["bare", "z^4 = w^4 a^3", "a^4 = σ(z^4)", "δ^4"]),
        (two_costs, "drop", ["drop", "a^drop", "δ^drop"]),
        (two_costs, "b<&>", ["b<&>", "z^5 = w^5 a^drop + b^5", "a^5 = z^5", "δ^5"]),
        (two_costs, "t", ["t", "a^t"]),
        (two_costs, "other", ["other", "C^other"]),
        (others, "quadratic", ["quadratic", "C"]),
        (others, "left", ["left", "a^left"]),
        (others, "conv", ["conv", "w^conv, b^conv → z^conv", "a^conv = σ(z^conv)", "δ^conv"]),
        (others, "norm", ["norm", "γ^3, β^3 → a^3", "δ^3"]),
        (others, "look", ["look", "w^look_q, w^look_k, w^look_v, w^look_o → a^look", "δ^look"]),
        (nested, "second/core/a", ["a", "z^4 = w^4 a^3 + b^4", "a^4 = σ(z^4)", "δ^4"]),
    ],
)  # fmt: skip
def test_symbols(make, name, rows):
    assert said(make(), name, detail="symbols") == rows


def test_letters_that_take_several_rows_stand_below_the_name():
    rows = {name: said(others(), name, detail="symbols", direction="down") for name in ("norm", "quadratic")}
    assert rows == {"norm": ["norm", "γ^3, β^3 → a^3", "δ^3"], "quadratic": ["quadratic   C"]}


def test_letters_of_repetitions_and_of_transposed_weights():
    g = chain(*[Dense(3, "tanh") for _ in range(4)])
    rows = ["dense … dense_3  ×4", "z^2…5 = w^2…5 a^before + b^2…5", "a^2…5 = σ(z^2…5)", "δ^2…5"]
    assert said(g, "dense", fold=True, detail="symbols") == rows
    first = Dense(4, name="first")
    g = mg.Graph("tied", seed=0)
    h = first(g.input("x", 3))
    g.add(Dense(3, bias=False, weights=first.w.T), h, name="back")
    assert said(g, "back", detail="symbols")[1] == "z^3 = (w^3)^T a^2"


def test_a_block_has_no_letters():
    assert said(nested(), "first/core/a", detail="symbols", depth=0) == ["first"]


def test_markup_of_letters():
    assert symbol("w", "q", "2") == "w<SUP>2</SUP><SUB>q</SUB>"
    assert symbol("<", "&", ">") == "&lt;<SUP>&gt;</SUP><SUB>&amp;</SUB>"
    assert symbol("a", "", "x") == "a<SUP>x</SUP>"
    names = ("w", "gamma", "beta", "w_q", "beta_0", "w_a_b", "<&")
    assert [param_symbol(name) for name in names] == [
        "w", "γ", "β", "w<SUB>q</SUB>", "β<SUB>0</SUB>", "w<SUB>a_b</SUB>", "&lt;&amp;",
    ]  # fmt: skip


# ---- numbers of Params ----


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 params"), (1, "1 param"), (2, "2 params"), (1234567, "1,234,567 params")]
)
def test_numbers_of_params(number, text):
    assert counted(number) == text
    assert counted(number, "shared ") == text.replace(" ", " shared ")


def trained():
    """Params that are a layer's own, shared in part, frozen, and counted by a penalty."""
    g = mg.Graph("trained", seed=0)
    one, other, cold = Dense(3), Dense(3), Dense(3, frozen=True)
    h = g.add(cold, g.add(other, g.add(one, g.input("x", 3), name="one"), name="other"), name="cold")
    other.w = cold.w = one.w
    h = g.add(Dense(3, frozen=True), g.add(Dense(40, "tanh"), h, name="wide"), name="ice")
    g.cost(Quadratic(), h)
    g.cost(L2(0.1, "*.b"), name="small")
    g.cost(L2(0.1, "one.w", frozen=True), name="still")
    return g


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("one", "12 params, 9 shared"),
        ("cold", "12 params, 9 shared, frozen"),
        ("wide", "160 params"),
        ("ice", "123 params, frozen"),
        ("small", "of 46 params"),
        ("still", "of 9 params, frozen"),
    ],
)
def test_what_a_box_says_of_its_params(name, last):
    assert said(trained(), name)[-1] == last


def test_a_penalty_has_no_shapes_and_shares_nothing():
    g = trained()
    assert said(g, "small") == ["small", g["small"].layer.describe(), "of 46 params"]
    assert {id for id in tips(g) if id[0] == "t"} == {
        f"t{g[a].id}-{g[b].id}" for a, b in (("one", "other"), ("other", "cold"))
    }


# ---- blocks ----


def block(wire, *shapes):
    """A graph with a block that `wire` wires, given the block and its inputs; its first output is used, no other."""
    inner = mg.Graph("inner", seed=0)
    wire(inner, *(inner.input(f"x{i}", shape) for i, shape in enumerate(shapes)))
    g = mg.Graph("outer", seed=0)
    outs = g.add(inner, *(g.input(f"x{i}", shape) for i, shape in enumerate(shapes)), name="block")
    g.add(Identity(), outs[0] if isinstance(outs, tuple) else outs)
    return g


def twice(inner, x):
    """A layer used twice, its input once more, and an output that is used inside, too."""
    layer = Dense(3)
    first = inner.add(layer, x, name="first")
    inner.output(first, inner.add(Add(), inner.add(layer, first), x))


def half_frozen(inner, x):
    inner.add(Dense(2), inner.add(Identity(), inner.add(Dense(4, frozen=True), x, name="first")))


def frozen(inner, x):
    inner.add(Identity(), inner.add(Dense(4, frozen=True), x, name="first"))


def still(inner, x):
    """One Param that a frozen layer and another use, and one that only frozen ones have."""
    first = Dense(3, bias=False)
    h = inner.add(first, x, name="first")
    inner.add(Dense(3, frozen=True, weights=first.w), h)


def single(inner, x):
    inner.add(Dense(1, bias=False), x, name="first")


def merging(inner, *xs):
    inner.add(Concat(), *xs, name="first")


def many(inner, x):
    first = inner.add(Dense(2), x, name="first")
    inner.output(*(inner.add(Activation("tanh"), first) for _ in range(4)))


@pytest.mark.parametrize(
    ("wire", "shapes", "rows"),
    [
        (twice, [3], ["block of 3 nodes", "3 → 3 + 3", "12 shared params"]),
        (half_frozen, [3], ["block of 3 nodes", "3 → 2", "26 params, 16 frozen"]),
        (frozen, [3], ["block of 2 nodes", "3 → 4", "16 params, frozen"]),
        (still, [3], ["block of 2 nodes", "3 → 3", "12 params, 9 shared, 3 frozen"]),
        (single, [1], ["block of 1 node", "1 → 1", "1 param"]),
        (merging, [1, 2, 3], ["block of 1 node", "1 + 2 + 3 → 6"]),
        (merging, [1, 2, 3, 4], ["block of 1 node", "4 values → 10"]),
        (many, [3], ["block of 5 nodes", "3 → 4 values", "8 params"]),
    ],
)
def test_what_a_block_says_as_one_box(wire, shapes, rows):
    g = block(wire, *shapes)
    assert said(g, "block/first", depth=0) == ["block", *rows]
    assert said(g, "block/first", depth=0, detail="shapes") == ["block", *rows[:2]]
    assert said(g, "block/first", depth=0, detail="name") == ["block"]


def test_names_say_what_the_frame_around_does_not():
    g = nested()
    assert [said(g, name)[0] for name in ("first/core/a", "first/mix", "x")] == ["a", "mix", "x"]
    assert said(g, "first/core/a", depth=1)[0] == "core"
    assert tips(g, depth=1)[f"n{g['first/core/a'].id}"] == "first/core"
    assert tips(g)[f"n{g['first/core/a'].id}"] == "first/core/a"


@pytest.mark.parametrize(("inputs", "shapes"), [(2, "3 + 3 → 6"), (4, "3 + 3 + 3 + 3 → 12"), (5, "5 inputs → 15")])
def test_inputs_are_counted_where_they_are_many(inputs, shapes):
    g = mg.Graph("wide")
    g.add(Concat(), *[g.input("x", 3)] * inputs, name="both")
    assert said(g, "both")[2] == shapes


def test_integers_and_targets():
    g = mg.Graph("kinds", seed=0)
    h = g.add(Embedding(9, 2), g.input("tokens", 3, dtype=int), name="h")
    g.cost(Quadratic(), h)
    assert said(g, "tokens") == ["tokens", "input (integers)", "3"]
    assert said(g, "t") == ["t", "target", "3×2"]


# ---- repetitions and uses ----


def test_what_repetitions_say():
    g = chain(*[Dense(3, "tanh") for _ in range(4)])
    assert said(g, "dense", fold=True) == ["dense … dense_3  ×4", "Dense tanh", "3 → 3", "4 × 12 params"]
    assert said(g, "dense", fold=True, detail="name") == ["dense … dense_3  ×4"]
    assert tips(g, fold=True)[f"n{g['dense'].id}"] == "dense and 3 more, to dense_3"
    assert said(g, "dense", mg.style(looks={"dense": Look(label="deep")}), fold=True)[0] == "deep  ×4"
    same = Dense(3, "tanh")
    shared = chain(*[same] * 3)
    assert said(shared, "dense", fold=True) == ["dense … dense_2  ×3 shared", "Dense tanh", "3 → 3", "12 shared params"]
    plain = chain(*[Identity(frozen=True) for _ in range(3)])
    assert said(plain, "identity", fold=True) == ["identity … identity_2  ×3", "Identity", "3 → 3"]
    cold = chain(*[Dense(3, bias=False, frozen=True) for _ in range(3)])
    assert said(cold, "dense", fold=True)[-2:] == ["no bias", "3 × 9 params, frozen"]


def test_what_repeated_blocks_say():
    g = transformer(3)
    each = sum(
        node.layer.params[name].size for node in g.nodes if node.block == ("layer_0",) for name in node.layer.params
    )
    rows = ["layer_0 … layer_2  ×3", "block of 7 nodes", "5×8 → 5×8", f"3 × {each} params"]
    assert said(g, "layer_0/attention", fold=True, depth=0) == rows
    assert tips(g, fold=True, depth=0)[f"n{g['layer_0/attention'].id}"] == "layer_0 and 2 more, to layer_2"
    assert said(g, "layer_0/hidden", fold=True, direction="right")[0] == "hidden"  # the frame says ×3


def test_repeated_blocks_say_what_one_of_them_takes_and_gives():
    g = mg.Graph("dense net", seed=0)
    found = [g.input("x", 3)]
    for _ in range(3):
        found.append(g.add(mg.Sequential(3, Dense(3), name="block"), found[-1]))
    g.add(Concat(), *found[1:])
    assert said(g, "block/dense", fold=True, depth=0) == [
        "block … block_2  ×3",
        "block of 1 node",
        "3 → 3",
        "3 × 12 params",
    ]


def test_repetitions_inside_of_repetitions_count_only_themselves():
    g = chain(*[layer for _ in range(3) for layer in (Dense(3), Dense(3), Dense(3), Identity())])
    assert said(g, "dense", fold=True)[::3] == ["dense … dense_2  ×3", "3 × 12 params"]
    assert said(g, "identity", fold=True) == ["identity", "Identity", "3 → 3"]


def test_repetitions_in_a_block_go_by_what_the_frame_does_not_say():
    g = mg.Graph("outer", seed=0)
    g.add(mg.Sequential(3, *[Dense(3) for _ in range(3)], name="inner"), g.input("x", 3), name="block")
    assert said(g, "block/dense", fold=True)[0] == "dense … dense_2  ×3"


@pytest.mark.parametrize(
    ("uses", "name"), [(2, "use 0, use 1"), (3, "use 0, use 1, use 2"), (5, "use 0, use 1, use 2 and 2 more")]
)
def test_uses_as_one_box(uses, name):
    g = mg.Graph("uses", seed=0)
    layer, x = Dense(3, "tanh", bias=False), g.input("x", 3)
    for i in range(uses):
        g.add(layer, x, name=f"use {i}")
    assert said(g, "use 0", merge=True) == [name, f"Dense tanh, {uses} uses", "3 → 3", "9 params"]
    assert said(g, "use 0")[2:] == ["3 → 3", "no bias", "9 shared params"]
    assert tips(g, merge=True)[f"n{g['use 0'].id}"] == ", ".join(f"use {i}" for i in range(uses))


def test_one_use_that_takes_what_another_gave():
    g = mg.Graph("uses", seed=0)
    layer, x = Dense(3, "tanh"), g.input("x", 3)
    h = g.add(layer, x, name="first")
    g.add(layer, g.add(Identity(), g.add(layer, h)), name="last")
    assert said(g, "first", merge=True)[1] == "Dense tanh, 3 uses, 1 of which take what another gave"


def test_uses_may_take_what_another_gave_by_any_input():
    g = mg.Graph("uses", seed=0)
    look, x = MultiHeadAttention(2), g.input("x", (5, 4))
    g.add(look, x, g.add(look, x, x, name="first"))
    text = "MultiHeadAttention 2 heads, 2 uses, 1 of which take what another gave"
    assert said(g, "first", merge=True, direction="right")[1] == text


def test_uses_in_a_block_go_by_what_the_frame_does_not_say():
    g = block(twice, 3)
    assert said(g, "block/first", merge=True)[0] == "first, dense"
    both = nested()  # the uses are in different frames, and their box in neither
    assert said(both, "first/mix", merge=True)[0] == "first/mix, second/mix"


# ---- hyper-parameters ----


@pytest.mark.parametrize(
    ("layer", "shape", "words"),
    [
        (Dense(3), 2, []),
        (Dense(3, ["tanh"] * 3, weights="he_normal", biases="ones", name="h", frozen=True), 2, []),
        (Dense(3, bias=False), 2, ["no bias"]),
        (Conv2D(4, 3), (2, 8, 8), []),
        (Conv2D(4, 3, stride=1, padding=(0, 0), dilation=(2, 1)), (2, 8, 8), ["dilation 2×1"]),
        (MaxPool2D(2), (2, 8, 8), []),
        (MaxPool2D(2, stride=1), (2, 8, 8), ["stride 1"]),
        (AvgPool2D(3, 1, 1, count_include_pad=False), (2, 8, 8), ["stride 1", "padding 1", "no count include pad"]),
        (BatchNorm(momentum=0.25), 4, ["momentum 0.25"]),
        (LayerNorm(affine=False), 4, ["no affine"]),
        (MultiHeadAttention(2, causal=True, dropout=0.125), (5, 4), ["dropout 0.125"]),
        (Pad(((0, 1), (2, 3))), (2, 8, 8), []),
        (Dropout(0.5), 2, []),
    ],
)  # fmt: skip
def test_what_is_worth_saying_of_a_layer(layer, shape, words):
    g = mg.Graph("one", seed=0)
    g.add(layer, g.input("x", shape))
    assert worth_saying(layer) == words


@dataclass(eq=False)
class Odd(Identity):
    """A layer of one's own with something of every kind."""

    whole: int = 3
    share_of: float = 0.5
    on: bool = True
    off: bool = False
    word: str = "plain"
    maybe: float | None = 0.5
    any_kind: Any = None
    sizes: Any = 1
    parts: Any = field(default_factory=lambda: (1, 2))
    inner: Any = field(default=7, init=False)

    def __post_init__(self):
        self.inner = 8


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({}, []),
        ({"whole": 4}, ["whole 4"]),
        ({"share_of": 0.125}, ["share of 0.125"]),
        ({"share_of": 12345678.0}, ["share of 1.23457e+07"]),
        ({"on": False, "off": True}, ["no on", "off"]),
        ({"word": "<b>"}, ["word <b>"]),
        ({"maybe": None}, []),
        ({"any_kind": np.zeros(3)}, []),
        ({"any_kind": True}, ["any kind"]),
        ({"any_kind": 0}, ["any kind 0"]),
        ({"any_kind": (1, 2, 3, 4)}, ["any kind 1×2×3×4"]),
        ({"any_kind": (1, 2, 3, 4, 5)}, []),
        ({"any_kind": (1, "a")}, []),
        ({"sizes": (1, 1)}, []),
        ({"sizes": (1, 2)}, ["sizes 1×2"]),
        ({"sizes": ()}, []),
        ({"sizes": True}, ["sizes"]),
        ({"parts": (1, 2)}, []),
        ({"parts": (2, 1)}, ["parts 2×1"]),
        ({"parts": [2, 1]}, []),
        ({"parts": (0.5, 2)}, ["parts 0.5×2"]),
    ],
)  # fmt: skip
def test_what_is_worth_saying_of_a_layer_of_ones_own(made, words):
    assert worth_saying(Odd(**made)) == words


def test_hyper_parameters_are_text_in_a_box():
    g = mg.Graph("odd")
    g.add(Odd(word="<b>&", name="odd"), g.input("x", 1))
    assert said(g, "odd") == ["odd", Odd().describe(), "1 → 1", "word <b>&"]


def test_hyper_parameters_of_a_layer_are_hashable_and_leave_out_weights():
    usual = {
        "whole": 3, "share_of": 0.5, "on": True, "off": False, "word": "plain", "maybe": 0.5, "any_kind": None,
        "sizes": 1, "parts": (1, 2), "inner": 8,
    }  # fmt: skip
    found = {
        "any_kind": [({"a": [1, {"b": [2]}]}, (("a", (1, (("b", (2,)),))),)), ({1}, "{1}"), ((1, [2]), (1, (2,)))],
        "parts": [((3, [4, {5}]), (3, (4, "{5}")))],
    }
    assert hyper_parameters(Odd(name="odd", frozen=True)) == usual
    for name, cases in found.items():
        for value, settled in cases:
            known = hyper_parameters(Odd(**{name: value}))
            assert known == usual | {name: settled}
            hash(tuple(known.items()))
    assert hyper_parameters(Odd(any_kind=np.ones(2)))["any_kind"] == ((2,), "<f8", np.ones(2).tobytes())
    for weights in (Param(np.ones(2)), Dense(2)):
        assert "any_kind" not in hyper_parameters(Odd(any_kind=weights))
    assert hyper_parameters(Dense(3, "tanh", weights=np.ones((3, 2)), name="h")) == {
        "units": 3, "activation": "tanh", "bias": True,
    }  # fmt: skip
