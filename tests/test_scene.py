"""What a drawing has boxes, lines and frames for: collapsed blocks, folded repetitions, merged uses, parts."""

import itertools
from collections import Counter

import numpy as np
import pytest
from test_drawing import network_dot
from wirings import ROWS, wired

import minigraph as mg
from minigraph.costs import Quadratic, SoftmaxCrossEntropy
from minigraph.errors import GraphError
from minigraph.layers import Add, Concat, Dense, Dropout, Embedding, Identity, LayerNorm, LSTMCell, Multiply
from minigraph.render.scene import Box, Frame, Scene
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
    inner = mg.Graph("inner", seed=1)
    x = inner.input("x", 3)
    inner.add(Add(), inner.add(Dense(3, "tanh"), x, name="a"), x, name="sum")
    outer = mg.Graph("outer", seed=2)
    outer.add(Dense(3), outer.add(inner, outer.input("x", 3), name="core"), name="mix")
    g = mg.Graph("nested", seed=0)
    y = g.add(outer, g.add(outer, g.input("x", 3), name="first"), name="second")
    g.cost(Quadratic(), y)
    return g


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


def test_between_is_what_lies_on_paths():
    g = wired("skip").graph
    scene = Scene(g, View(between=("dense", "dense_2")))
    assert [box.nodes[0].name for box in scene.boxes] == ["dense", "dense_1", "dense_2"]
    assert lines(scene) == [("dense", "dense_1"), ("dense_1", "dense_2")]
    cut = {(box.nodes[0].name, goes_on): len(found) for (box, goes_on), found in scene.missing.items()}
    assert cut == {("dense", False): 1, ("dense", True): 1, ("dense_2", True): 1}
    dot = network_dot(g, between=("dense", "dense_2"))
    assert dot.count("-line") == 3
    assert "goes on, not drawn" in dot
    with pytest.raises(GraphError, match="no path leads from 'dense_2' to 'dense'"):
        Scene(g, View(between=("dense_2", "dense")))


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
        ({"fold": 1}, "fold"),
        ({"collapse": [3]}, "collapse"),
        ({"between": "ab"}, "pair"),
        ({"numbers": 2}, "numbers"),
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
