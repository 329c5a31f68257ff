"""What a drawing has boxes, lines and frames for: collapsed blocks, folded repetitions, merged uses, parts."""

import ast
import itertools
import re
from collections import Counter

import numpy as np
import pytest
import test_drawing
from test_drawing import header, network_dot, statements
from wirings import ROWS, wired

import minigraph as mg
from minigraph.costs import L2, Quadratic, SoftmaxCrossEntropy
from minigraph.errors import GraphError
from minigraph.layers import (
    Add,
    Concat,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Identity,
    LayerNorm,
    LSTMCell,
    MaxPool2D,
    Multiply,
    StopGradient,
    Subtract,
)
from minigraph.render.scene import Box, Frame, Scene
from minigraph.render.style import STYLE
from minigraph.render.view import View, view_of

VIEWS = {
    "all": View(),
    "folded": View(fold=True),
    "merged": View(merge=True),
    "collapsed": View(depth=0),
    "all at once": View(fold=True, merge=True, depth=1),
}


def transformer(count=6, shared=False):
    g = mg.Graph("transformer", seed=0)
    h = g.add(Embedding(20, 8), g.input("tokens", 5, dtype=int), name="embedding")
    first = mg.blocks.transformer_encoder(h, 2, 12)
    for i in range(count):
        h = g.add(first if shared else mg.blocks.transformer_encoder(h, 2, 12), h, name=f"layer_{i}")
    g.cost(SoftmaxCrossEntropy(), g.add(Dense(20), h, name="logits"), target="label")
    return g


def chain(*layers, x=3):
    return mg.Sequential(x, *layers, cost=Quadratic(), seed=0)


def outline(frame):
    """Names and ×N, nested: what a reader sees first."""
    found = []
    for entry in frame.entries:
        if isinstance(entry, Frame):
            title = f"{entry.title} … {entry.last}" if entry.last else entry.title
            found.append((title, entry.times, outline(entry)))
        else:
            name = entry.block if entry.block is not None else entry.nodes[0].name
            found.append((name, entry.repeated) if entry.repeated > 1 else name)
    return found


def lines(scene):
    return [
        (line.source.block or line.source.nodes[0].name, line.target.block or line.target.nodes[0].name)
        for line in scene.lines
    ]


# ---- whatever is drawn ----


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("name", [*ROWS, *range(40)])
def test_each_node_has_one_box_and_each_edge_at_most_one_line(name, view):
    g = wired(name).graph
    scene = Scene(g, view)
    assert Counter(node for box in scene.boxes for node in box.nodes) == Counter(g.nodes)
    drawn = Counter(edge for line in scene.lines for edge in line.edges)
    assert set(drawn.values()) <= {1}
    for edge in g.edges:
        if edge not in drawn:
            inside = scene.box[edge.source] is scene.box[edge.target]
            assert inside or dict(scene.unit(edge.source)).items() ^ dict(scene.unit(edge.target)).items()
    ids = [box.id for box in scene.boxes] + [line.id for line in scene.lines]
    assert len(set(ids)) == len(ids)
    assert all(line.source is not line.target for line in scene.lines)
    assert all(first is not second for first, second in scene.ties)


def test_parallel_edges_stay_two_lines_in_the_order_of_slots():
    g = mg.Graph("parallel", seed=0)
    h = g.add(Dense(3), g.input("x", 3), name="h")
    g.add(Concat(), h, g["x"], h, name="three")
    for view in VIEWS.values():
        assert lines(Scene(g, view)) == [("x", "h"), ("h", "three"), ("x", "three"), ("h", "three")]


# ---- blocks as one box ----


def nested():
    return test_drawing.nested()[0]


FIRST, SECOND = ("first", 1, ["core", "first/mix"]), ("second", 1, ["core", "second/mix"])
CORE = ("core", 1, ["second/core/a", "second/core/sum"])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"depth": 0}, ["x", "first", "second", "t", "quadratic"]),
        ({"depth": 1}, ["x", FIRST, SECOND, "t", "quadratic"]),
        ({"collapse": "first"}, ["x", "first", ("second", 1, [CORE, "second/mix"]), "t", "quadratic"]),
        ({"collapse": ["first/*", "second/core"]}, ["x", "first", SECOND, "t", "quadratic"]),
        ({"collapse": "*/core"}, ["x", FIRST, SECOND, "t", "quadratic"]),
    ],
)  # fmt: skip
def test_collapsed_blocks(options, expected):
    assert outline(Scene(nested(), View(**options)).root) == expected


def test_a_block_may_be_named_like_a_pattern():
    g = mg.Graph("named", seed=0)
    g.add(mg.Sequential(3, Dense(3), name="block"), g.input("x", 3), name="a[0]*")
    g.add(mg.Sequential(3, Dense(3), name="block"), g["x"], name="odd/*")
    assert outline(Scene(g, View(collapse=["a[0]*", "odd/*"])).root) == ["x", "a[0]*", "odd/*"]


def test_depth_beyond_the_deepest_block_changes_nothing():
    assert network_dot(nested(), depth=2) == network_dot(nested())


def test_a_value_enters_a_collapsed_block_once_and_each_output_leaves_it():
    g = nested()
    scene = Scene(g, View(depth=0))
    assert lines(scene) == [("x", "first"), ("first", "second"), ("second", "quadratic"), ("t", "quadratic")]
    assert [len(line.edges) for line in scene.lines] == [2, 2, 1, 1]


def test_a_pattern_that_means_no_block_says_which_there_are():
    with pytest.raises(GraphError, match=r"collapse='enc'.*'first', 'first/core', 'second'"):
        Scene(nested(), View(collapse="enc"))


# ---- folding ----


def test_a_deep_transformer_folds_to_one_block():
    scene = Scene(transformer(24), View(fold=True))
    inside = [f"layer_0/{name}" for name in ("attention", "add_1", "norm_1", "hidden", "out", "add_2", "norm_2")]
    assert outline(scene.root) == [
        "tokens", "embedding", ("layer_0 … layer_23", 24, inside), "logits", "label", "softmax_cross_entropy",
    ]  # fmt: skip
    assert [box.times for box in scene.boxes] == [1, 1, *[24] * 7, 1, 1, 1]
    g = scene.graph
    drawn = {(g[a], g[b]) for a, b in lines(scene)}
    first = {(e.source, e.target) for e in g.edges if e.target.name.startswith("layer_0/")}
    assert first <= drawn
    assert (g["layer_0/norm_2"], g["logits"]) in drawn  # the last repetition's output leaves the one drawn
    assert scene.folded.stands_for[g["layer_17/out"]] is g["layer_0/out"]
    assert outline(Scene(g, View(fold=True, depth=0)).root)[2] == ("layer_0", 24)


def test_folded_boxes_sum_up_params():
    own, shared = (network_dot(transformer(4, same), fold=True, depth=0) for same in (False, True))
    each = sum(p.size for name, p in transformer(1).params.items() if name.startswith("layer_0"))
    assert f"4 × {each:,} params" in own
    assert "×4 shared" in shared
    assert f">{each:,} shared params" in shared.replace(" · ", ">").replace("5×8>", ">")


def test_steps_of_an_unrolled_cell_fold_but_the_first_that_has_no_state():
    g = mg.Graph("unrolled", seed=0)
    h = mg.blocks.unroll(LSTMCell(4), g.input("x", (9, 3)))
    g.cost(Quadratic(), Dense(2)(h))
    scene = Scene(g, View(fold=True))
    assert outline(scene.root)[:4] == ["x", "x_0", "cell_0", (None, 8, ["x_1", "cell_1"])]
    assert ("cell_1", "stack") in lines(scene)
    assert ("cell_0", "cell_1") in lines(scene)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([Dense(4) for _ in range(5)], ["x", "dense", ("dense_1", 4), "t", "quadratic"]),
        ([Dense(3) for _ in range(5)], ["x", ("dense", 5), "t", "quadratic"]),
        ([Dense(3), Dense(3)], ["x", "dense", "dense_1", "t", "quadratic"]),
        ([Dense(3, kind) for kind in ("tanh", "tanh", "tanh", "relu", "relu", "relu")],
         ["x", ("dense", 3), ("dense_3", 3), "t", "quadratic"]),
        ([Dropout(rate) for rate in (0.1, 0.2, 0.3)], ["x", "dropout", "dropout_1", "dropout_2", "t", "quadratic"]),
        ([Dense(3, frozen=i == 1) for i in range(3)], ["x", "dense", "dense_1", "dense_2", "t", "quadratic"]),
        ([layer for _ in range(4) for layer in (Dense(3), Identity(), LayerNorm())],
         ["x", (None, 4, ["dense", "identity", "layer_norm"]), "t", "quadratic"]),
        ([layer for _ in range(3) for layer in (Dense(3), Dense(3), Dense(3), Identity())],
         ["x", (None, 3, [("dense", 3), "identity"]), "t", "quadratic"]),
    ],
)  # fmt: skip
def test_what_folds_in_a_chain(layers, expected):
    assert outline(Scene(chain(*layers), View(fold=True)).root) == expected


def test_samples_of_another_shape_begin_no_run():
    assert outline(Scene(chain(*[Flatten() for _ in range(4)], x=(3, 1)), View(fold=True)).root)[:3] == [
        "x", "flatten", ("flatten_1", 3),
    ]  # fmt: skip
    shrinking = Scene(chain(*[MaxPool2D(2) for _ in range(3)], x=(1, 16, 16)), View(fold=True))
    assert not any(box.repeated > 1 for box in shrinking.boxes)


def test_two_blocks_fold_and_a_block_is_no_repetition_of_a_node():
    assert outline(Scene(transformer(2), View(fold=True)).root)[2][:2] == ("layer_0 … layer_1", 2)
    g = mg.Graph("mixed", seed=0)
    h = g.add(mg.Sequential(3, Dense(3), name="one"), g.input("x", 3), name="one")
    for name in ("a", "b"):
        h = g.add(Dense(3), h, name=name)
    assert outline(Scene(g, View(fold=True, depth=0)).root) == ["x", "one", "a", "b"]


def test_runs_that_share_and_runs_that_do_not_are_told_apart():
    same = Dense(3)
    scene = Scene(chain(same, same, same, *[Dense(3) for _ in range(3)]), View(fold=True))
    assert outline(scene.root)[1:3] == [("dense", 3), ("dense_3", 3)]
    assert [box.shared for box in scene.boxes[1:3]] == [True, False]
    plain = Scene(chain(*[Identity() for _ in range(3)]), View(fold=True))
    assert [box.shared for box in plain.boxes] == [False] * 4


def test_runs_inside_of_runs_lead_on_from_the_last_repetition():
    g = chain(*[layer for _ in range(3) for layer in (Dense(3), Dense(3), Dense(3), Identity())])
    scene = Scene(g, View(fold=True))
    assert lines(scene) == [("x", "dense"), ("dense", "identity"), ("identity", "quadratic"), ("t", "quadratic")]
    assert [scene.box[g["dense"]].times, scene.box[g["dense"]].repeated] == [9, 3]
    assert {scene.folded.stands_for[node] for node in scene.box[g["dense"]].nodes} == {g["dense"]}


def test_the_first_of_a_run_takes_the_same_from_outside_as_the_others():
    g = mg.Graph("outside", seed=0)
    h, first, other = g.input("h", 3), g.input("first", 3), g.input("other", 3)
    for i in range(4):
        h = g.add(Add(), h, other if i else first, name=f"a{i}")
    assert outline(Scene(g, View(fold=True)).root) == ["h", "first", "other", "a0", ("a1", 3)]


def test_outputs_of_repetitions_that_all_go_to_one_node_are_one_line():
    g = mg.Graph("unrolled", seed=0)
    mg.blocks.unroll(LSTMCell(4), g.input("x", (9, 3)))
    scene = Scene(g, View(fold=True))
    [line] = [line for line in scene.lines if line.source.nodes[0].name == "cell_1"]
    assert [edge.source.name for edge in line.edges] == [f"cell_{i}" for i in range(1, 9)]
    found = statements(network_dot(g, fold=True))[line.id][1]
    assert found["tooltip"] == "cell_1 → stack, slot 1 and 7 more like it"


def test_layers_that_share_some_params_only_do_not_fold():
    g = chain(*[Dense(3) for _ in range(6)])
    g["dense_3"].layer.w = g["dense_1"].layer.w
    assert not any(isinstance(entry, tuple) for entry in outline(Scene(g, View(fold=True)).root))


def test_a_repetition_that_is_used_elsewhere_ends_the_run():
    g = mg.Graph("tapped", seed=0)
    h, tap = g.input("x", 3), None
    for i in range(8):
        h = g.add(Dense(3, "tanh"), h, name=f"d{i}")
        tap = h if i == 4 else tap
    g.output(g.add(Multiply(), h, tap, name="end"))
    scene = Scene(g, View(fold=True))
    assert outline(scene.root) == ["x", ("d0", 5), ("d5", 3), "end"]
    assert lines(scene) == [("x", "d0"), ("d0", "d5"), ("d5", "end"), ("d0", "end")]


def test_wiring_counts_not_only_looks():
    g = mg.Graph("irregular", seed=0)
    nodes = [g.input("x", 3)]
    for i, other in enumerate([0, 0, 2, 0, 3, 1, 2, 5]):
        nodes.append(g.add(Add(), nodes[-1], nodes[other], name=f"a{i}"))
    assert not any(isinstance(entry, tuple) for entry in outline(Scene(g, View(fold=True)).root))


def test_a_run_may_carry_two_values():
    g = mg.Graph("fibonacci", seed=0)
    nodes = [g.input("x", 3), g.input("y", 3)]
    for i in range(6):
        nodes.append(g.add(Add(), nodes[-1], nodes[-2], name=f"a{i}"))
    scene = Scene(g, View(fold=True))  # in pairs, each takes both values from the pair before; one by one it would not
    assert outline(scene.root) == ["x", "y", (None, 3, ["a0", "a1"])]
    assert lines(scene) == [("y", "a0"), ("x", "a0"), ("a0", "a1"), ("y", "a1")]


def test_diamonds_fold_as_a_whole():
    scene = Scene(wired("twelve_diamonds").graph, View(fold=True))
    assert outline(scene.root) == ["x", (None, 12, ["dense", "dense_1", "add"]), "t", "quadratic"]


def test_a_tied_pair_inside_a_run_stays_a_pair():
    shared = Dense(3, "tanh")
    scene = Scene(chain(*[shared] * 7), View(fold=True))
    [box] = [box for box in scene.boxes if box.repeated > 1]
    assert (box.repeated, box.shared) == (7, True)
    assert not scene.ties


# ---- uses of one layer as one box ----


def test_merged_uses_keep_their_edges():
    g = mg.Graph("merged", seed=0)
    tower = Dense(4, "tanh")
    u, v = tower(g.input("left", 3), name="u"), tower(g.input("right", 3), name="v")
    g.add(Concat(), v, u, name="both")
    scene = Scene(g, View(merge=True))
    assert [[node.name for node in box.nodes] for box in scene.boxes] == [["left"], ["u", "v"], ["right"], ["both"]]
    assert lines(scene) == [("left", "u"), ("right", "u"), ("u", "both"), ("u", "both")]
    dot = network_dot(g, merge=True)
    assert "Dense tanh, 2 uses" in dot
    assert [dot.count(f">use {i}<") for i in (1, 2)] == [2, 2]


def test_merged_uses_that_feed_each_other_are_never_a_loop():
    g = wired("shared_three_times_in_a_row").graph
    scene = Scene(g, View(merge=True))
    assert lines(scene) == [("x", "again"), ("again", "dense"), ("dense", "quadratic"), ("t", "quadratic")]
    assert "3 uses, 2 of which take what another gave" in network_dot(g, merge=True)


def test_only_weighted_layers_are_merged_and_penalties_are_not():
    g = mg.Graph("plain", seed=0)
    relu, x = Identity(), g.input("x", 3)
    h = g.add(Dense(3), g.add(relu, g.add(relu, x)), name="h")
    g.cost(Quadratic(), h)
    penalty = L2(0.1, "h.w")
    g.cost(penalty, name="once")
    g.cost(penalty, name="again")
    scene = Scene(g, View(merge=True))
    assert [box.nodes for box in scene.boxes] == [[node] for node in g.nodes]
    assert not scene.ties
    assert not scene.shared


# ---- a part ----


@pytest.mark.parametrize("radius", [0, 1, 2, 3])
@pytest.mark.parametrize("name", ["skip", "twelve_diamonds", "multi_input"])
def test_around_is_what_is_so_many_edges_away(name, radius):
    g = wired(name).graph
    place = {node: i for i, node in enumerate(g.nodes)}
    near = np.eye(len(g), dtype=int)
    for edge in g.edges:
        near[place[edge.source], place[edge.target]] = near[place[edge.target], place[edge.source]] = 1
    for node in (g.nodes[0], g.nodes[len(g) // 2]):
        reached = np.linalg.matrix_power(near, radius)[place[node]] > 0
        scene = Scene(g, View(around=node.name, radius=radius))
        assert {n for box in scene.boxes for n in box.nodes} == {n for n in g.nodes if reached[place[n]]}


@pytest.mark.parametrize(
    ("around", "expected"),
    [
        ("first", ["first/core/a", "first/core/sum", "first/mix"]),
        ("first/core/*", ["first/core/a", "first/core/sum"]),
        ("*/mix", ["first/mix", "second/mix"]),
        (Dense, ["first/core/a", "first/mix", "second/core/a", "second/mix"]),
        (["x", "second/core", Add], ["x", "first/core/sum", "second/core/a", "second/core/sum"]),
        ("f*t", ["f*t"]),
    ],
)
def test_a_part_is_named_by_name_pattern_block_or_type(around, expected):
    g = nested()
    g.input("f*t", 1)
    assert [box.name for box in Scene(g, View(around=around, radius=0)).boxes] == expected
    with pytest.raises(GraphError, match="around names no node"):
        Scene(g, View(around=[]))


def test_between_is_what_lies_on_paths():
    g = wired("skip").graph
    scene = Scene(g, View(between=("dense", "dense_2")))
    assert [box.nodes[0].name for box in scene.boxes] == ["dense", "dense_1", "dense_2"]
    assert lines(scene) == [("dense", "dense_1"), ("dense_1", "dense_2")]
    cut = {(box.nodes[0].name, goes_on): len(found) for (box, goes_on), found in scene.missing.items()}
    assert cut == {("dense", False): 1, ("dense", True): 1, ("dense_2", True): 1}
    dot = network_dot(g, between=("dense", "dense_2"))
    assert dot.count("-line") == 3
    assert "float64 · 3 boxes of it" in dot
    assert "goes on, not drawn" in dot
    with pytest.raises(GraphError, match="no path leads from 'dense_2' to 'dense'"):
        Scene(g, View(between=("dense_2", "dense")))
    for between in ((["dense", "t"], "dense_2"), ("dense", ["dense_2", "t"])):
        with pytest.raises(GraphError, match="'t' is on none"):
            Scene(g, View(between=between))


def test_a_part_has_no_empty_frames_and_no_ties_to_what_is_not_drawn():
    g = nested()
    assert outline(Scene(g, View(around="x")).root) == [
        "x",
        ("first", 1, [("core", 1, ["first/core/a", "first/core/sum"])]),
    ]
    assert outline(Scene(g, View(around="t", radius=0)).root) == ["t"]
    shared = wired("shared_three_times_in_a_row").graph
    counts = {radius: len(Scene(shared, View(around="again", radius=radius)).ties) for radius in (0, 1, 2)}
    assert counts == {0: 0, 1: 1, 2: 2}


def test_stubs_lead_to_and_from_what_is_not_drawn():
    g = wired("skip").graph
    dot = network_dot(g, around="add", radius=0)
    found = re.findall(r'(\S+) -> (\S+) \[.*tooltip="(.*?)"\]', dot)
    here = f"n{g['add'].id}"
    assert {(tail.strip('"'), head.strip('"'), text) for tail, head, text in found} == {
        (f"{here}-in", here, "not drawn: dense, dense_2"),
        (here, f"{here}-out", "not drawn: dense_3, add_1"),
    }
    assert dot.count("⋯ 2<") == 2
    assert network_dot(g, around="x", radius=0).count("⋯ 2<") == 1
    assert network_dot(g, around="t", radius=0).count(">⋯<") == 2  # the stub, and the key


def test_a_part_of_a_folded_graph():
    scene = Scene(transformer(6), View(fold=True, around="layer_4/out", radius=1))
    assert [box.nodes[0].name for box in scene.boxes] == ["layer_0/hidden", "layer_0/out", "layer_0/add_2"]


# ---- options ----


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"detail": "all"}, "'symbols'"),
        ({"direction": "LR"}, "'right'"),
        ({"depth": -1}, "depth"),
        ({"radius": True}, "radius"),
        ({"depth": 1.5}, "depth"),
        ({"radius": None}, "radius"),
        ({"fold": 1}, "fold"),
        ({"merge": 1}, "merge"),
        ({"findings": None}, "findings"),
        ({"title": "net"}, "title"),
        ({"legend": 0}, "legend"),
        ({"collapse": [3]}, "collapse"),
        ({"between": "ab"}, "pair"),
        ({"between": ("a", "b", "c")}, "pair"),
        ({"numbers": 2}, "numbers"),
        ({"numbers": 1}, "numbers"),
        ({"around": "a", "between": ("a", "b")}, "not by both"),
        ({"dept": 1}, "did you mean depth"),
        ({"zoom": 1}, "they are"),
    ],
)
def test_options_that_mean_nothing(options, word):
    with pytest.raises(GraphError, match=word):
        view_of(options)


@pytest.mark.parametrize("direction", ["right", "down", "left", "up"])
def test_directions(direction):
    g = chain(Dense(3))
    rankdir = {"right": "LR", "down": "TB", "left": "RL", "up": "BT"}[direction]
    assert f"rankdir={rankdir}" in network_dot(g, direction=direction)


def test_boxes_of_a_scene_are_in_frames_of_their_blocks():
    scene = Scene(nested(), View())
    for box in scene.boxes:
        assert box.path == box.nodes[0].block
    frames = [scene.root]
    for frame in frames:
        for entry in frame.entries:
            assert entry.path[: len(frame.path)] == frame.path
            frames += [entry] if isinstance(entry, Frame) else []
    assert sum(isinstance(e, Box) for e in itertools.chain(*(frame.entries for frame in frames))) == len(scene.boxes)


# ---- as DOT ----


def deep():
    return chain(*[Dense(3, "tanh") for _ in range(4)])


def tied():
    same = Dense(3)
    return chain(same, Dense(3), same)


KEYS = ("same weights", "N alike, one after the other", "goes on, not drawn", "constant, such as a target")
KINDS = ("input", "neurons", "merge", "activation", "cost", "block")


@pytest.mark.parametrize(
    ("make", "view", "keys", "kinds"),
    [
        (deep, {}, KEYS[3:], ("input", "neurons", "cost")),
        (deep, {"fold": True}, (KEYS[1], KEYS[3]), ("input", "neurons", "cost")),
        (deep, {"around": "dense", "radius": 0}, KEYS[2:3], ("neurons",)),
        (tied, {}, (KEYS[0], KEYS[3]), ("input", "neurons", "cost")),
        (tied, {"merge": True}, KEYS[3:], ("input", "neurons", "cost")),
        (nested, {}, (KEYS[0], KEYS[3]), ("input", "neurons", "merge", "cost")),
        (nested, {"depth": 0}, (KEYS[0], KEYS[3]), ("input", "cost", "block")),
        (lambda: transformer(2), {"fold": True}, (KEYS[1], KEYS[3]), ("input", "neurons", "merge", "cost")),
    ],
)
def test_only_what_is_there_is_explained(make, view, keys, kinds):
    said = header(network_dot(make(), **view)).replace("\xa0", " ")
    assert tuple(key for key in KEYS if key in said) == keys
    assert tuple(kind for kind in KINDS if f" {kind}\n" in said) == kinds


def titles(dot):
    """What is written on each frame, row by row."""
    labels = re.findall(r"subgraph cluster_\d+ {\n.* label=<(<TABLE.*?</TABLE>)>", dot)
    rows = [re.findall(r'<TR><TD ALIGN="LEFT">(.*?)</TD></TR>', label) for label in labels]
    return [[re.sub("<[^<>]*>", "", row).replace("&#160;", " ") for row in found] for found in rows]


def test_frames_of_repetitions_say_how_many_and_how_many_params():
    total = sum(p.size for name, p in transformer(2).params.items() if name.startswith("layer_"))
    own, shared = (titles(network_dot(transformer(2, same), fold=True)) for same in (False, True))
    assert own == [["layer_0", "… layer_1", f"×2   2 × {total // 2:,} params"]]
    assert shared == [["layer_0", "… layer_1", f"×2   {total // 2:,} shared params"]]
    plain = chain(*[layer for _ in range(3) for layer in (Identity(), Flatten())])
    assert titles(network_dot(plain, fold=True)) == [["×3"]]
    assert titles(network_dot(nested())) == [["first"], ["core"], ["second"], ["core"]]
    colors = [
        re.findall(r"cluster_\d+ {\n\tcolor=\"(\S+)\"", network_dot(nested(), fold=fold)) for fold in (True, False)
    ]
    assert colors == [[STYLE.tie, STYLE.faint], [STYLE.faint] * 4]


def test_a_frame_without_a_name_says_so():
    g = mg.Graph("outer", seed=0)
    g.add(mg.Sequential(3, Dense(3), name="block"), g.input("x", 3), name="")
    assert titles(network_dot(g)) == [['""']]


def test_frames_are_shaded_in_turns():
    found = re.findall(r'subgraph cluster_\d+ {\n.* fillcolor="(#\w+)".*tooltip="?([^"\s]+)', network_dot(nested()))
    assert found == [
        (STYLE.wash, "first"), (STYLE.paper, "first/core"), (STYLE.wash, "second"), (STYLE.paper, "second/core"),
    ]  # fmt: skip


@pytest.mark.parametrize("view", [{"fold": True}, {"merge": True}], ids=["folded", "merged"])
def test_a_box_for_several_nodes_looks_like_one_of_them(view):
    g = chain(*[Dense(3)] * 3)
    found = statements(network_dot(g, **view))[f"n{g['dense'].id}"][1]
    assert (found["color"], found["fillcolor"]) == (STYLE.families["neurons"].outline, STYLE.families["neurons"].fill)


def test_lines_of_the_backbone_are_heavy_and_those_beside_it_are_not():
    g = mg.Graph("weights", seed=0)
    x = g.input("x", 3)
    h = g.add(Dense(3), x, name="h")
    g.add(Add(), h, x, name="sum")
    g.cost(Quadratic(), x, name="C")
    light = {
        look["tooltip"]
        for id, (_, look) in statements(network_dot(g)).items()
        if id[0] == "e" and look.get("weight") == "1"
    }
    assert light == {"x → sum, slot 1", "t → C, slot 1"}
    assert statements(network_dot(g))[f"e{x.id}-{h.id}-0"][1]["tooltip"] == "x → h"


@pytest.mark.parametrize(("direction", "side"), [("right", "s"), ("left", "s"), ("down", "e"), ("up", "e")])
def test_a_tie_between_neighbors_leads_round_on_the_free_side(direction, side):
    found = statements(network_dot(chain(*[Dense(3)] * 2), direction=direction))
    [tie] = [look for id, (_, look) in found.items() if id[0] == "t"]
    assert (tie["headport"], tie["tailport"]) == (side, side)


def test_lines_to_constants_are_quiet_and_dashed():
    g = mg.Graph("judged", seed=0)
    x = g.input("x", 3)
    target = g.add(StopGradient(), g.add(Dense(2), x, name="teacher"), name="stop")
    g.cost(Quadratic(), g.add(Dense(2), x, name="y"), target=target)
    found = {id: look for id, (_, look) in statements(network_dot(g)).items() if id[0] == "e"}
    quiet = {
        look["tooltip"] for look in found.values() if (look.get("style"), look.get("color")) == ("dashed", STYLE.quiet)
    }
    assert quiet == {"teacher → stop", "stop → quadratic, slot 1"}
    block = mg.Graph("block", seed=1)
    x = block.input("x", 3)
    block.add(Add(), block.add(StopGradient(), x), x)
    g = mg.Graph("outer", seed=0)
    g.add(block, g.input("x", 3), name="block")
    assert "style=dashed" in network_dot(g)
    assert "style=dashed" not in network_dot(g, depth=0)  # the value goes on by another way


def merging(layer, count):
    g = mg.Graph("merging", seed=0)
    g.add(layer, *[g.input(f"x{i}", 3) for i in range(count)], name="end")
    return g


@pytest.mark.parametrize(
    ("make", "slots"),
    [
        (lambda: merging(Subtract(), 2), ["0", "1"]),
        (lambda: merging(Concat(), 4), ["0", "1", "2", "3"]),
        (lambda: merging(Concat(), 5), []),
        (lambda: merging(Add(), 3), []),
        (lambda: chain(Dense(3)), []),
    ],
)
def test_lines_bear_their_slots_where_these_matter_and_are_few(make, slots):
    dot = network_dot(make())
    labels = [re.search(r"headlabel=<(<TABLE.*?</TABLE>)>", line) for line in dot.splitlines() if " -> " in line]
    assert [re.sub("<[^<>]*>", "", label[1]) for label in labels if label] == slots
    assert ("which input it is" in header(dot)) == bool(slots)


def test_slots_of_a_block_are_not_those_of_its_first_node():
    inner = mg.Graph("inner")
    inner.add(Subtract(), inner.input("x", 3), inner.input("y", 3))
    g = mg.Graph("outer")
    g.add(inner, g.input("x", 3), g.input("y", 3), name="block")
    assert "headlabel" in network_dot(g)
    assert "headlabel" not in network_dot(g, depth=0)


def test_title_and_description_are_for_those_who_do_not_see_it():
    g = mg.Graph("one", dtype="float32")
    g.input("x\n", 2)
    about = "1 node · 0 params · float32"
    assert about in header(network_dot(g))
    assert g.picture().title == "one, network"
    assert g.picture().description == rf"The network, {about}: x\n (input)."
    g = chain(*[Dense(3) for _ in range(28)])
    assert g.picture().description.startswith(
        "The network, 31 nodes · 336 params · float64: x (input); dense (Dense identity) takes x; dense_1"
    )
    assert g.picture().description.count(";") == 30
    g = chain(*[Dense(3) for _ in range(27)])
    assert g.picture().description.endswith("t (target); quadratic (Quadratic) takes dense_26, t.")
    pairs = chain(*[layer for _ in range(3) for layer in (Dense(3), Identity())])
    assert "dense (Dense identity, 3 times) takes x; identity (Identity, 3 times) takes dense" in (
        pairs.picture(fold=True).description
    )
    assert chain(*[Dense(3) for _ in range(1500)]).picture().description.endswith("; and 1,473 more.")


# ---- what to do where there is much ----


def test_the_size_is_boxes_and_a_piece_of_line_for_each_rank():
    g = mg.Graph("sized", seed=0)
    x = g.input("x", 3)
    y = g.add(Add(), g.add(Dense(3), g.add(Dense(3), x)), x)
    assert g.picture().size == 4 + (1 + 1 + 1 + 3)
    assert g.picture(around=y, radius=0).size == 1
    g.cost(Quadratic(), y)
    run = g.forward(x=np.ones((2, 3)), t=np.ones((2, 3))).backward()
    pieces = 6 + 1 + 4
    assert run.picture(numbers=False).size == 6 + pieces
    assert run.picture().size == 6 + 2 * pieces  # a label stands on a rank of its own


def test_the_size_counts_lines_that_lead_back():
    g = mg.Graph("back", seed=0)
    again, x = Dense(3), g.input("x", 3)
    g.add(again, g.add(Identity(), g.add(Identity(), g.add(again, x))))
    assert g.picture(merge=True).size == 4 + (1 + 1 + 1 + 2)


def test_simpler_is_folded_and_only_there_if_it_has_fewer_boxes():
    g = transformer(3)
    simple = g.picture(detail="name").simpler()
    assert simple.dot == g.picture(detail="name", fold=True, depth=0).dot
    assert "layer_0 (block, 3 times) takes embedding" in simple.description
    assert simple.title == "transformer, network"
    assert simple.simpler() is None
    assert g.picture(fold=True).simpler().dot == g.picture(fold=True, depth=0).dot
    assert nested().picture(depth=1).simpler().dot == nested().picture(fold=True, depth=1).dot
    assert chain(Dense(3), Dense(4)).picture().simpler() is None
    run = deep().forward(x=np.ones((2, 3)), t=np.ones((2, 3))).backward()
    assert run.picture().simpler().size == run.picture(fold=True).size


def stacks(*counts, width=5):
    """Blocks in a row of so many layers each, none like the one before."""
    g = mg.Graph("stacks", seed=0)
    h = g.input("x", width)
    for k, count in enumerate(counts):
        inner = [Dense(width + (i + 1) % count, ("tanh", "relu")[k % 2]) for i in range(count)]
        h = g.add(mg.Sequential(width, *inner, name="inner"), h, name=f"part_{k}")
    return g


@pytest.mark.parametrize(
    ("make", "view", "advice"),
    [
        (lambda: stacks(3, 4), {}, "depth=0 draws 3, collapse='part_1' draws 5"),
        (lambda: chain(*[Identity() for _ in range(997)]), {}, "fold=True draws 4"),
        (lambda: stacks(2, 4, 3), {"depth": 0}, ""),
        (deep, {}, "fold=True draws 4"),
        (deep, {"fold": True}, ""),
        (lambda: chain(Dense(3), Dense(4)), {}, ""),
    ],
)
def test_advice_counts_the_boxes_that_other_views_draw(make, view, advice):
    g = make()
    boxes = len(Scene(g, View(**view)).boxes)
    said = [f"in place of {boxes:,} boxes", advice, "around='x', radius=5 a part"]
    assert g.picture(**view).advise() == ", ".join(filter(None, said))
    for option, value, count in re.findall(r"(\w+)=(\S+) draws ([\d,]+)", advice):
        other = View(**{**view, option: ast.literal_eval(value)})
        assert len(Scene(g, other).boxes) == int(count.replace(",", ""))


def test_advice_names_no_run_of_repetitions_as_a_block():
    g = stacks(2, 3)
    h = g.outputs[0]
    for _ in range(3):
        for i in range(4):
            h = g.add(Dense(5 + (i + 1) % 4), h)
    said = "in place of 10 boxes, depth=0 draws 7, collapse='part_1' draws 8, around='x', radius=5 a part"
    assert g.picture(fold=True).advise() == said
