"""Gradient flows of folded, collapsed and merged drawings, over training, and with what a diagnosis found."""

import math
import re

import numpy as np
import pytest
from test_drawing import header, ran, ran_many, scale_of, statements, text_of, two_towers
from test_scene import nested, transformer
from wirings import wired

import minigraph as mg
from minigraph.costs import L2, Quadratic, TripletMargin
from minigraph.diagnose import Finding
from minigraph.errors import GraphError, NotComputedError
from minigraph.layers import Add, Dense, Flatten, Identity, LSTMCell, StopGradient
from minigraph.measures import rms, shown
from minigraph.render.marks import Marks
from minigraph.render.scale import Learning
from minigraph.render.scene import Scene
from minigraph.render.style import STYLE
from minigraph.render.training import frames
from minigraph.render.view import View


def sigmoids(depth=8):
    return mg.Sequential(6, *[Dense(6, "sigmoid") for _ in range(depth)], cost=Quadratic(), seed=0)


def swept(g, m=12, seed=0):
    rng = np.random.default_rng(seed)
    return g.forward({node.name: rng.random((m, *node.shape)) for node in g.inputs}).backward()


def looks(picture):
    return {id: look for id, (_, look) in statements(picture.dot).items()}


def label(look):
    return text_of(look["label"]).strip().replace("\n", " ")


# ---- lines and boxes that stand for several ----


def test_a_folded_line_shows_the_first_and_the_last_repetition():
    g = transformer(6)
    rng = np.random.default_rng(0)
    run = g.forward(tokens=rng.integers(0, 20, (3, 5)), label=rng.integers(0, 20, (3, 5))).backward()
    drawn = looks(run.picture(fold=True))
    source, target = g["layer_0/hidden"], g["layer_0/out"]
    sizes = [rms(run.edge(f"layer_{i}/hidden", f"layer_{i}/out").grad) for i in range(6)]
    look = drawn[f"e{source.id}-{target.id}-0"]
    assert label(look) == f"{shown(sizes[0])} … {shown(sizes[5])}"
    cost = rms(run.edge("logits", "softmax_cross_entropy").grad)
    decades = math.log10(math.sqrt(np.mean(np.square(sizes))) / cost)
    assert scale_of(run.picture(fold=True).dot)[-1] == "10⁻⁵"
    width = STYLE.thick + decades * (STYLE.thick - STYLE.thin) / 5
    assert float(look["penwidth"]) == pytest.approx(width, abs=1e-3)
    norms = [np.linalg.norm(run.grad(g[f"layer_{i}/hidden"].layer.w)) for i in range(6)]
    assert f"‖∂C/∂w‖ {shown(math.hypot(*norms))}" in label(drawn[f"n{source.id}"])


def test_a_value_that_a_block_uses_twice_gets_the_sum_back():
    g = mg.Graph("outer", seed=0)
    block = mg.Graph("block", seed=1)
    x = block.input("x", 3)
    block.add(Add(), block.add(Dense(3, "tanh"), x, name="f"), x, name="sum")
    h = g.add(Dense(3, "tanh"), g.input("x", 3), name="h")
    g.cost(Quadratic(), g.add(block, h, name="block"))
    run = swept(g)
    back = run.edge("h", "block/f").grad + run.edge("h", "block/sum").grad
    look = looks(run.picture(depth=0))[f"e{g['h'].id}-{g['block/f'].id}-0"]
    assert label(look) == shown(np.sqrt(np.mean(np.square(back))))
    block_box = label(looks(run.picture(depth=0))[f"n{g['block/f'].id}"])
    both = math.hypot(*(np.linalg.norm(run.grad(p)) for p in g["block/f"].layer.params.values()))
    assert f"‖∂C/∂θ‖ {shown(both)}" in block_box


def test_merged_uses_show_their_gradients_together():
    w = wired("shared_twice")
    run = w.forward().backward()
    layer = w.graph["u"].layer
    text = label(looks(run.picture(merge=True))[f"n{w.graph['u'].id}"])
    assert f"‖∂C/∂w‖ {shown(np.linalg.norm(run.grad(layer.w)))}" in text
    assert f"‖∂C/∂b‖ {shown(np.linalg.norm(run.grad(layer.b)))}" in text
    apart = label(looks(run.picture())[f"n{w.graph['u'].id}"])
    assert f"‖∂C/∂w‖ {shown(np.linalg.norm(run.grad(layer.w, per='use')['u']))}" in apart


def test_boxes_are_filled_by_the_ratio_of_gradient_to_weight():
    g, feeds = two_towers()
    run = ran(g, feeds)
    drawn = looks(run.picture())
    for name in ("u", "dense_1", "out"):
        params = g[name].layer.params.values()
        gradient = math.hypot(*(np.linalg.norm(run.grad(p, per="use")[name]) for p in params))
        ratio = gradient / math.hypot(*(np.linalg.norm(p.value) for p in params))
        place = math.log10(ratio) + 6
        channels = [
            [int(color[k : k + 2], 16) for k in (1, 3, 5)] for color in STYLE.learning[int(place) : int(place) + 2]
        ]
        expected = np.add(channels[0], np.subtract(channels[1], channels[0]) * (place % 1)).round().astype(int)
        assert drawn[f"n{g[name].id}"]["fillcolor"] == "#" + "".join(f"{c:02x}" for c in expected)
    for name in ("left", "concat", "quadratic", "t"):
        assert drawn[f"n{g[name].id}"]["fillcolor"] == STYLE.paper


def test_numbers_are_there_on_demand_and_left_out_where_there_are_many():
    run = swept(sigmoids())
    bare = [look for id, look in looks(run.picture(numbers=False, findings=False)).items() if id[0] == "e"]
    assert not any("label" in look for look in bare)
    assert sum(look.get("dir") == "back" for look in bare) == 8
    long = swept(mg.Sequential(2, *[Dense(2, "tanh") for _ in range(130)], cost=Quadratic(), seed=0))
    assert not any("label" in look for id, look in looks(long.picture(findings=False)).items() if id[0] == "e")
    assert sum("label" in look for id, look in looks(long.picture(numbers=True)).items() if id[0] == "e") == 130


def test_where_a_block_uses_a_value_only_what_came_back_is_summed():
    block = mg.Graph("block", seed=1)
    x = block.input("x", 3)
    block.add(Add(), block.add(Dense(3, "tanh"), x, name="f"), block.add(StopGradient(), x), name="sum")
    g = mg.Graph("outer", seed=0)
    h = g.add(Dense(3, "tanh"), g.input("x", 3), name="h")
    g.cost(Quadratic(), g.add(block, h, name="block"))
    run = swept(g)
    look = looks(run.picture(depth=0))[f"e{h.id}-{g['block/f'].id}-0"]
    assert label(look) == shown(rms(run.edge("h", "block/f").grad))
    assert "slot" not in look["tooltip"]


def test_a_value_from_outside_has_a_number_for_each_repetition():
    g = mg.Graph("outside", seed=0)
    bias = g.add(Dense(3), g.input("y", 3), name="bias")
    h = g.input("x", 3)
    for i in range(4):
        h = g.add(Add(), g.add(Dense(3, "tanh"), h, name=f"h{i}"), bias, name=f"sum{i}")
    g.cost(Quadratic(), h)
    run = swept(g)
    look = looks(run.picture(fold=True))[f"e{bias.id}-{g['sum0'].id}-1"]
    assert label(look) == " … ".join(shown(rms(run.edge("bias", f"sum{i}").grad)) for i in (0, 3))


def test_a_value_of_each_repetition_has_a_number_of_its_own():
    g = mg.Graph("unrolled", seed=0)
    g.cost(Quadratic(), mg.blocks.unroll(LSTMCell(4), g.input("x", (6, 3))))
    run = swept(g)
    look = looks(run.picture(fold=True))[f"e{g['cell_1'].id}-{g['stack'].id}-1"]
    assert label(look) == " … ".join(shown(rms(run.edge(f"cell_{i}", "stack").grad)) for i in (1, 5))


def test_repetitions_that_all_say_the_same_say_it_once():
    g = mg.Sequential(3, *[layer for _ in range(3) for layer in (Identity(), Flatten())], cost=Quadratic(), seed=0)
    g.output("flatten_2")
    run = g.forward(x=np.ones((2, 3)), t=np.zeros((2, 3)))
    run.backward(wrt="x")
    look = looks(run.picture(fold=True))[f"e{g['identity'].id}-{g['flatten'].id}-0"]
    assert label(look) == "1.00"


def test_a_repetition_without_a_gradient_counts_in_the_width_of_the_line():
    layers = [layer for _ in range(3) for layer in (Dense(2), Identity())]
    g = mg.Sequential(2, *layers, cost=Quadratic(), seed=0)
    g["dense_1"].layer.w.value.fill(0.0)
    run = swept(g)
    look = looks(run.picture(fold=True))[f"e{g['dense'].id}-{g['identity'].id}-0"]
    sizes = [rms(run.edge(*edge).grad) for edge in run.graph.edges if isinstance(edge.target.layer, Identity)]
    assert sizes[0] == 0
    assert label(look) == f"0 … {shown(sizes[2])}"
    assert "arrowtail" not in look
    cost = rms(run.edge("identity_2", "quadratic").grad)
    decades = math.log10(math.sqrt(np.mean(np.square(sizes))) / cost)
    assert float(look["penwidth"]) == pytest.approx(STYLE.thick + decades * (STYLE.thick - STYLE.thin) / 5, abs=1e-3)


def filled(ratio):
    return Learning(STYLE).color(ratio)


def test_what_has_no_ratio_is_not_filled():
    g = mg.Graph("ratios", seed=0)
    h = g.add(Dense(3, weights="zeros", name="zero"), g.input("x", 3))
    g.cost(Quadratic(), g.add(Dense(3, name="y"), h))
    g.cost(L2(0.1, "*.w"), name="small")
    run = swept(g)
    drawn = looks(run.picture())
    fills = {name: drawn[f"n{g[name].id}"]["fillcolor"] for name in ("zero", "y", "small")}
    assert {name for name, fill in fills.items() if fill == STYLE.paper} == {"small"}
    assert fills["zero"] == STYLE.learning[-1]  # where w is 0 the ratio is ∞
    decay = 0.1 * np.linalg.norm(g["y"].layer.w.value)
    assert label(drawn[f"n{g['small'].id}"]).split("‖")[2].split() == [shown(decay)]


def test_only_weights_with_a_gradient_count_in_the_ratio_of_a_block():
    block = mg.Sequential(3, Dense(3, "tanh", name="warm"), Dense(3, "tanh", frozen=True, name="cold"), name="block")
    g = mg.Graph("outer", seed=0)
    g.cost(Quadratic(), g.add(block, g.input("x", 3), name="block"))
    run = swept(g)
    params = g["block/warm"].layer.params.values()
    norms = [
        math.hypot(*(np.linalg.norm(x) for x in xs))
        for xs in ([run.grad(p) for p in params], [p.value for p in params])
    ]
    box = looks(run.picture(depth=0))[f"n{g['block/warm'].id}"]
    assert box["fillcolor"] == filled(norms[0] / norms[1])


def test_lines_say_what_they_are_relative_to_and_are_drawn_accordingly():
    g, feeds = two_towers()
    run = ran(g, feeds)
    drawn = looks(run.picture())
    cost, before = (next(e for e in g.edges if e.target.name == name) for name in ("quadratic", "out"))
    sizes = [rms(run.edge(*edge).grad) for edge in (cost, before)]
    first, second = (drawn[f"e{edge.source.id}-{edge.target.id}-{edge.slot}"] for edge in (cost, before))
    assert first["tooltip"].endswith(f": rms {shown(sizes[0])}, 1.00 of the cost edge")
    assert second["tooltip"].endswith(f": rms {shown(sizes[1])}, {shown(sizes[1] / sizes[0])} of the cost edge")
    assert (float(first["penwidth"]), float(first["arrowsize"])) == (STYLE.thick, 0.8)
    assert 'CELLPADDING="6"' in first["label"]
    assert f"quadratic to out {shown(sizes[0])}; out to add {shown(sizes[1])}" in run.picture().description


@pytest.mark.parametrize(
    ("change", "there", "missing"),
    [
        (
            None,
            ["lines: root mean square", "relative to the cost edge", "boxes: norm of ∂C/∂w of this use", "batch of 1,"],
            [],
        ),
        ("forward only", ["no gradient yet", "batch of 1,"], ["lines:", "boxes:", "relative to"]),
        ("no error", ["lines: root mean square", "boxes: norm of ∂C/∂w of this use"], ["relative to"]),
        ("not a number", ["lines: root mean square", "not finite"], ["relative to", "boxes:"]),
    ],
)
def test_the_header_explains_only_what_there_is(change, there, missing):
    g = mg.Sequential(2, Dense(2), cost=Quadratic(), seed=0)
    run = g.forward(x=np.ones((1, 2)), t=np.zeros((1, 2)))
    if change in ("no error", "not a number"):
        target = run["dense"].a if change == "no error" else np.full((1, 2), np.nan)
        run = g.forward(x=np.ones((1, 2)), t=np.array(target))
    if change != "forward only":
        with np.errstate(invalid="ignore"):
            run.backward()
    said = header(run.picture().dot)
    assert [text for text in there if text not in said] == []
    assert [text for text in missing if text in said] == []


def test_the_scale_begins_where_there_is_an_error():
    g = mg.Sequential(2, *[Dense(2, "tanh") for _ in range(3)], cost=Quadratic(), seed=0)
    x = np.ones((1, 2))
    run = g.forward(x=x, t=np.array(g.forward(x=x, t=x)["dense_2"].a))
    run.backward({"quadratic": None, "dense_1": np.full((1, 2), 0.5)})
    assert "relative to the error it began with, 0.500" in header(run.picture().dot)
    g = mg.Graph("triplet", seed=0)
    tower = Dense(3, "tanh")
    uses = [tower(g.input(name, 3), name=f"to {name}") for name in ("anchor", "near", "far")]
    g.cost(TripletMargin(), *uses)
    run = swept(g)
    largest = max(rms(run.edge(*edge).grad) for edge in g.edges if edge.target is g.costs[0])
    assert f"relative to the largest cost edge, {shown(largest)}" in header(run.picture().dot)


def test_what_is_not_finite_is_drawn_in_the_color_of_alarms():
    g = mg.Sequential(2, Dense(2), Dense(2), cost=Quadratic(), seed=0)
    with np.errstate(invalid="ignore"):
        run = g.forward(x=np.ones((1, 2)), t=np.full((1, 2), np.nan)).backward()
    drawn = looks(run.picture(findings=False))
    assert f'COLOR="{STYLE.alarm}">‖∂C/∂w‖ NaN<' in drawn["n1"]["label"]
    line = drawn[f"e{g['dense'].id}-{g['dense_1'].id}-0"]
    assert (line["color"], float(line["penwidth"])) == (STYLE.alarm, STYLE.thick / 2)


# ---- findings ----


def test_findings_are_marked_where_they_begin():
    run = swept(sigmoids())
    [found] = [finding for finding in run.diagnose() if finding.kind == "vanishing"]
    drawn = looks(run.picture())
    box, first = drawn[f"n{run.graph[found.node].id}"], found.edges[0]
    assert "⚠ vanishing" in label(box)
    assert box["color"] == STYLE.alarm
    assert found.evidence.partition(" ")[0] in box["tooltip"]
    assert float(box["penwidth"]) == 2.4
    line = drawn[f"e{first.source.id}-{first.target.id}-{first.slot}"]
    assert f"; vanishing, {found.node}: {found.evidence[:40]}" in line["tooltip"]
    assert label(line) == f"⚠ {shown(rms(run.edge(*first).grad))}"
    assert sum("⚠" in look.get("label", "") for look in drawn.values()) == 2
    assert "found by run.diagnose()" in run.picture().dot
    assert "⚠" not in run.picture(findings=False).dot


def test_findings_in_a_block_are_marked_on_its_box():
    g = mg.Graph("outer", seed=0)
    h = g.add(sigmoids(), g.input("x", 6), name="deep")
    g.cost(Quadratic(), h)
    drawn = looks(swept(g).picture(depth=0))
    assert "⚠ vanishing" in label(drawn[f"n{g['deep/dense'].id}"])


def test_a_note_is_no_alarm():
    g = mg.Sequential(20, Dense(3, "tanh"), cost=Quadratic(), seed=0)
    x = np.random.default_rng(0).random((9, 20))
    x[:, :15] = 0.0
    run = g.forward(x=x, t=np.zeros((9, 3))).backward()
    assert [finding.level for finding in run.diagnose()] == ["note"]
    box = looks(run.picture())[f"n{g['dense'].id}"]
    assert "note: inputs near 0" in label(box)
    assert box["color"] != STYLE.alarm
    assert "⚠" not in run.picture().dot


def test_findings_out_of_the_picture_are_not_explained():
    run = swept(sigmoids())
    [found] = [finding for finding in run.diagnose() if finding.kind == "vanishing"]
    away = run.graph.nodes[-1] if found.node == run.graph.nodes[0].name else run.graph.nodes[0]
    assert "⚠" not in run.picture(around=away, radius=0).dot
    assert "found by run.diagnose()" in run.picture(around=found.node, radius=0).dot  # on the box alone


def test_findings_of_one_kind_are_said_once_of_a_box():
    inner = mg.Sequential(3, Dense(8, "relu"), Dense(8, "relu"), name="inner")
    g = mg.Graph("outer", seed=0)
    g.cost(Quadratic(), g.add(Dense(1), g.add(inner, g.input("x", 3), name="block")))
    for name in ("dense", "dense_1"):
        g[f"block/{name}"].layer.b.value.fill(-100.0)
    run = swept(g, m=40)
    assert [finding.kind for finding in run.diagnose()].count("dead") == 2
    said = label(looks(run.picture(depth=0))[f"n{g['block/dense'].id}"])
    assert said.count("⚠ dead") == said.count("⚠ dead (2 of 2)") == 1


def test_marks_count_nodes_by_kind_and_lines_are_marked_by_alarms():
    g = mg.Sequential(3, mg.Sequential(3, Dense(3), Dense(3), name="two"), Dense(3, name="end"), name="net", seed=0)
    first, second, end = g.nodes[1:]
    into, out = (next(edge for edge in g.edges if edge.target is node) for node in (first, end))
    findings = [
        Finding("dead", first.name, "a", "", {}, edges=(into,), level="note"),
        Finding("dead", second.name, "b", "", {}, level="note"),
        Finding("saturated", first.name, "c", "", {}, edges=(out,), level="note"),
    ]
    scene = Scene(g, View(depth=0))
    marks = Marks(findings, scene)
    said = [re.sub("<[^<>]*>", "", row) for row in marks.on(scene.box[first], STYLE)]
    assert said == ["note: dead (2 of 2)", "note: saturated (1 of 2)"]
    assert (marks.lines, marks.key(STYLE)) == ({}, [])
    alarm = Finding("vanishing", first.name, "d", "", {}, edges=(out,))
    marks = Marks([*findings, alarm], scene)
    assert [line.id for line in marks.lines] == [f"e{second.id}-{end.id}-0"]
    part = Marks([alarm], Scene(g, View(between=(second, end))))
    assert (part.boxes, len(part.lines), len(part.key(STYLE))) == ({}, 1, 1)  # on the line alone


# ---- over training ----


@pytest.fixture(scope="module")
def trained():
    g = sigmoids(3)
    rng = np.random.default_rng(1)
    gradients = mg.GradientHistory(every=5)
    data = {"x": rng.random((60, 6)), "t": rng.random((60, 6))}
    mg.fit(g, data, epochs=3, batch_size=6, optimizer=mg.SGD(2.0), watch=[gradients], progress=False, seed=0)
    return gradients


def test_flows_of_several_steps_stand_side_by_side_on_one_scale(trained):
    g = trained.places.graph
    drawn = looks(trained.picture([1, 26]))
    edges = [edge for edge in g.edges if edge.target.name in ("dense_1", "dense_2", "quadratic") and edge.slot == 0]
    sizes = {(s, e): trained.edge(*e)[list(trained.steps).index(s)] for s in (1, 26) for e in edges}
    largest = max(sizes[s, edges[-1]] for s in (1, 26))
    for (step, edge), size in sizes.items():
        look = drawn[f"s{step}-e{edge.source.id}-{edge.target.id}-{edge.slot}"]
        assert label(look) == shown(size)
        width = STYLE.thick + math.log10(size / largest) * (STYLE.thick - STYLE.thin) / 5
        assert float(look["penwidth"]) == pytest.approx(width, abs=1e-3)
    dot = trained.picture([1, 26]).dot
    assert dot.count("subgraph cluster_") == 2
    assert f"relative to the largest cost edge, {shown(largest)}" in text_of(dot)
    assert f"‖∂C/∂w‖ {shown(trained.grad('dense_1', 'w')[5])}" in label(drawn[f"s26-n{g['dense_1'].id}"])


def test_a_part_at_some_steps_is_drawn_on_the_scale_of_the_whole(trained):
    whole = looks(trained.picture([1, 26]))
    part = looks(trained.picture([1, 26], around="dense_1"))
    lines = [id for id in part if "-e" in id]
    assert lines
    assert all(part[id][name] == whole[id][name] for id in lines for name in ("color", "penwidth"))


def test_without_steps_some_from_the_first_to_the_last_are_drawn(trained, tmp_path):
    steps = re.findall(r"gradient flow at steps ([\d, ]+)", trained.picture().dot)[0]
    assert steps == "1, 6, 16, 26"
    assert trained.draw(tmp_path / "steps.gv", [6]).read_text(encoding="utf-8") == trained.picture([6]).dot
    with pytest.raises(GraphError, match="step 7 is not among those kept"):
        trained.picture([7])
    with pytest.raises(NotComputedError, match="no step is kept"):
        mg.GradientHistory().picture()


def test_frames_say_how_each_line_looks_at_each_step(trained):
    scene = Scene(trained.places.graph, View())
    kept = [int(step) for step in trained.steps]
    made = frames(trained, scene, STYLE, kept)
    drawn = looks(trained.picture(kept))
    assert [said for said, _ in made] == [
        f"step {s}, C = {shown(c)}" for s, c in zip(trained.steps, trained.cost, strict=True)
    ]
    for (_, lines), step in zip(made, trained.steps, strict=True):
        computed = {edge for edge, size in trained.flows(int(step)).items() if size.state == "computed"}
        assert lines.keys() == {line.id for line in scene.lines if line.edges[0] in computed}
        for id, frame in lines.items():
            look = drawn[f"s{step}-{id}"]
            assert (frame.color, f"{frame.width:.2f}") == (look["color"], f"{float(look['penwidth']):.2f}")


def learned(g):
    rng = np.random.default_rng(2)
    data = {node.name: rng.random((8, *node.shape)) for node in g.inputs}
    gradients = mg.GradientHistory()
    mg.fit(g, data, epochs=2, batch_size=8, optimizer=mg.SGD(0.1), watch=[gradients], progress=False)
    return gradients


@pytest.mark.parametrize(("direction", "order"), [("right", ["s2", "s1"]), ("down", ["s1", "s2"])])
def test_steps_are_in_the_order_in_which_graphviz_draws_them(direction, order):
    dot = learned(sigmoids(2)).picture([1, 2], direction=direction).dot
    assert [id for id in re.findall(r"\bid=(\S+)", dot) if id in order] == order


def test_boxes_for_several_nodes_show_the_gradients_of_a_step_together():
    gradients = learned(nested())
    g = gradients.places.graph
    norms = {}
    for use, size in gradients.grads(2).items():
        norms.setdefault((use.node.block[0], use.name), []).append(size.norm)
    blocks = looks(gradients.picture([2], depth=0))
    uses = looks(gradients.picture([2], merge=True))
    for name in ("first", "second"):
        box = blocks[f"s2-n{g[f'{name}/core/a'].id}"]
        together = math.hypot(*norms[name, "w"], *norms[name, "b"])
        assert f"‖∂C/∂θ‖ {shown(together)}" in label(box)
        params = {use.param for use in gradients.grads(2) if use.node.block[:1] == (name,)}
        weights = math.hypot(*(gradients.weight(param)[1] for param in params))
        assert box["fillcolor"] == filled(together / weights)
    mix = gradients.grad(g["first/mix"].layer.w)[1]  # of the sum over both uses
    assert f"‖∂C/∂w‖ {shown(mix)}" in label(uses[f"s2-n{g['first/mix'].id}"])
    assert re.findall(r" id=(?:\S+-)?(b\d+)", gradients.picture([1, 2]).dot) == [
        f"b{i}" for i in (1, 2, 3, 4, 6, 7, 8, 9)
    ]
    assert len(re.findall(r" id=\"?s\d-b\d", gradients.picture([1, 2]).dot)) == 8


def test_what_was_not_kept_of_a_step_is_not_made_up():
    inner = mg.Graph("inner", seed=0)
    layer, x = Dense(3, "tanh", bias=False), inner.input("x", 3)
    one = inner.add(layer, x, name="one")
    inner.add(Add(), inner.add(layer, one, name="other"), x, name="sum")
    g = mg.Graph("outer", seed=0)
    h = g.add(Dense(3, bias=False, name="before"), g.input("x", 3))
    g.cost(Quadratic(), g.add(layer, g.add(inner, h, name="block"), name="again"))
    g.cost(L2(0.1, "before.w"), name="small")
    picture = learned(g).picture([1], depth=0)
    drawn = looks(picture)
    assert "‖" not in label(drawn[f"s1-n{g['block/one'].id}"])  # two of the three uses of its only Param
    assert "‖∂C/∂w‖" in label(drawn[f"s1-n{g['again'].id}"])
    assert label(drawn[f"s1-n{g['small'].id}"]).endswith("of 9 params")
    assert drawn[f"s1-e{h.id}-{g['block/one'].id}-0"]["tooltip"].endswith("a sum that was not kept")
    assert "a sum that was not kept" in header(picture.dot)
    assert picture.description == "Gradient flow at steps 1, on one scale."


def test_a_sum_is_shown_once_all_of_it_is_there():
    block = mg.Graph("block", seed=1)
    x = block.input("x", 3)
    block.add(Add(), block.add(Dense(3, "tanh"), x, name="f"), x, name="sum")
    g = mg.Graph("outer", seed=0)
    h = g.add(Dense(3, "tanh"), g.input("x", 3), name="h")
    g.cost(Quadratic(), g.add(block, h, name="block"))
    run = g.forward(x=np.ones((2, 3)), t=np.zeros((2, 3)))

    def stop(node, record):
        if node.name == "block/sum":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.backward(observe=stop)
    assert (run.edge("h", "block/sum").state, run.edge("h", "block/f").state) == ("computed", "not yet")
    assert "no gradient yet" in looks(run.picture(depth=0))[f"e{h.id}-{g['block/f'].id}-0"]["tooltip"]


def test_uses_that_are_all_in_a_block_count_whatever_is_frozen_elsewhere():
    inner = mg.Graph("inner", seed=0)
    layer, x = Dense(3, "tanh", bias=False), inner.input("x", 3)
    inner.add(layer, inner.add(layer, x, name="one"), name="other")
    g = mg.Graph("outer", seed=0)
    cold = Dense(3, bias=False, frozen=True, name="cold")
    g.cost(Quadratic(), g.add(cold, g.add(inner, g.input("x", 3), name="block")))
    cold.w = layer.w
    gradients = learned(g)
    box = looks(gradients.picture([1], depth=0))[f"s1-n{g['block/one'].id}"]
    assert f"‖∂C/∂θ‖ {shown(gradients.totals(1)[layer.w][0].norm)}" in label(box)


def test_a_line_of_several_edges_shows_the_sizes_of_a_step():
    gradients = learned(
        mg.Sequential(3, *[layer for _ in range(3) for layer in (Dense(3), Identity())], cost=Quadratic())
    )
    g = gradients.places.graph
    sizes = [gradients.edge(f"dense{end}", f"identity{end}")[0] for end in ("", "_1", "_2")]
    line = looks(gradients.picture([1], fold=True))[f"s1-e{g['dense'].id}-{g['identity'].id}-0"]
    assert label(line) == f"{shown(sizes[0])} … {shown(sizes[2])}"


def test_a_frozen_layer_shows_no_gradient_of_a_step():
    gradients = learned(mg.Sequential(3, Dense(3, name="warm"), Dense(3, frozen=True, name="cold"), cost=Quadratic()))
    drawn = looks(gradients.picture([1]))
    said = {name: label(drawn[f"s1-n{gradients.places.graph[name].id}"]) for name in ("warm", "cold")}
    assert "‖" in said["warm"]
    assert said["cold"].endswith("12 params, frozen")


# ---- states ----


def states(run, *names, **view):
    """What is said of the states of some boxes."""
    drawn = looks(run.picture(**view))
    known = ("no gradient yet", "no path for a gradient", "not asked for", "not part of this run")
    return {name: [said for said in known if said in label(drawn[f"n{run.graph[name].id}"])] for name in names}


def test_boxes_with_weights_say_why_there_is_no_gradient():
    g, feeds = two_towers()
    g.cost(L2(0.1, "*.w"), name="small")
    assert states(g.forward(feeds), "out", "small", "quadratic", "concat") == {
        "out": ["no gradient yet"], "small": ["no gradient yet"], "quadratic": [], "concat": [],
    }  # fmt: skip
    part = g.forward({name: feeds[name] for name in ("left", "right")}, until="dense_1")
    assert states(part, "dense_1", "out") == {"dense_1": ["no gradient yet"], "out": []}
    left = looks(part.picture())[f"e{g['dense_1'].id}-{g['add'].id}-0"]
    assert left["tooltip"] == "dense_1 → add, slot 0: not part of this run"
    assert states(ran_many(), "frozen", "dead", "use 0") == {
        "frozen": [], "dead": ["no path for a gradient"], "use 0": [],
    }  # fmt: skip


def test_a_block_has_the_best_state_of_its_nodes():
    block = mg.Graph("block", seed=1)
    x = block.input("x", 3)
    block.add(Dense(3), x, name="dead")
    block.output(block.add(Identity(), x, name="same"))
    g = mg.Graph("outer", seed=0)
    g.cost(Quadratic(), g.add(block, g.add(Dense(3), g.input("x", 3)), name="block"))
    g.warned = g.edition
    run = swept(g)
    assert states(run, "block/dead") == {"block/dead": ["no path for a gradient"]}
    assert states(run, "block/dead", depth=0) == {"block/dead": []}
    assert looks(learned(g).picture([1], depth=0))[f"s1-n{g['block/dead'].id}"]["color"] != STYLE.faint


@pytest.mark.parametrize(
    ("until", "faded"), [("first/core/a", ["second"]), ("second/core/a", []), ("x", ["first", "second"])]
)
def test_a_block_of_which_any_node_ran_is_not_faded(until, faded):
    g = nested()
    drawn = looks(g.forward({"x": np.ones((2, 3))}, until=until).picture(depth=0))
    assert [
        name for name in ("first", "second") if drawn[f"n{g[f'{name}/core/a'].id}"]["color"] == STYLE.faint
    ] == faded


def test_a_block_is_not_faded_where_its_first_node_did_not_run():
    block = mg.Graph("block", seed=1)
    late, early = block.input("late", 3), block.input("early", 3)
    block.output(block.add(Identity(), late, name="first"), block.add(Identity(), early, name="second"))
    g = mg.Graph("outer", seed=0)
    g.add(block, g.input("late", 3), g.input("early", 3), name="block")
    drawn = looks(g.forward({"early": np.ones((2, 3))}, until="block/second").picture(depth=0))
    assert drawn[f"n{g['block/first'].id}"]["color"] != STYLE.faint


def test_a_cost_that_the_forward_sweep_did_not_reach_has_no_c():
    g = mg.Sequential(2, Dense(2, name="y"), cost=Quadratic(), seed=0)

    def stop(node, record):
        if node.name == "y":
            raise KeyboardInterrupt

    run = mg.Run(g)
    with pytest.raises(KeyboardInterrupt):
        run.forward(x=np.ones((1, 2)), t=np.ones((1, 2)), observe=stop)
    assert "cost not computed" in header(run.picture().dot)
    assert "C =" not in run.picture().dot


def test_costs_drawn_as_one_box_show_no_c_of_one_of_them():
    g = mg.Graph("alike", seed=0)
    h = g.add(Dense(2), g.input("x", 2))
    for i in range(3):
        g.cost(Quadratic(), h, target="t", name=f"C{i}")
    drawn = looks(swept(g).picture(fold=True))
    assert label(drawn[f"n{g['C0'].id}"]).split() == ["C0", "…", "C2", "×3", "∥", "Quadratic", "2", "+", "2", "→", "1"]


def test_a_line_that_was_not_run_is_told_from_one_without_a_path():
    run = ran_many()
    texts = {id: look["tooltip"] for id, look in looks(run.picture(fold=True, merge=True)).items() if id[0] == "e"}
    assert any("no path for a gradient" in text for text in texts.values())
    assert any("not asked for" in text for text in texts.values())
    g, feeds = two_towers()
    feeds.pop("t")
    part = looks(g.forward(feeds, until="dense_1").picture(depth=0))
    assert any("not part of this run" in look["tooltip"] for look in part.values())


@pytest.mark.parametrize("part", [{"around": "dense_1"}, {"between": ("dense", "dense_2")}])
def test_a_part_is_drawn_on_the_scale_of_the_whole(part):
    run = swept(sigmoids())
    options = {"findings": False, "direction": "down"}
    whole, seen = looks(run.picture(**options)), looks(run.picture(**options, **part))
    assert 0 < len(seen) < len(whole)
    for id, look in seen.items():
        assert {**look, "weight": ""} == {**whole[id], "weight": ""}
    assert scale_of(run.picture(**part).dot) == scale_of(run.picture().dot)
    cost = rms(run.edge("dense_7", "quadratic").grad)
    assert f"relative to the cost edge, {shown(cost)}" in text_of(run.picture(**part).dot)


def test_the_legend_says_whose_gradients_boxes_show():
    run = wired("shared_twice").forward().backward()
    assert "∂C/∂w of this use, mean" in text_of(run.picture().dot)
    assert "∂C/∂w of all that a box stands for, mean" in text_of(run.picture(merge=True).dot)
    deep = swept(mg.Sequential(6, sigmoids(2), sigmoids(2), cost=Quadratic(), seed=0))
    assert "θ: all Params of a block" in text_of(deep.picture(depth=0).dot)
    assert "θ" not in text_of(deep.picture().dot)
    plain = mg.Sequential(6, mg.Sequential(6, Identity(), name="plain"), Dense(6), cost=Quadratic(), seed=0)
    assert "θ" not in text_of(swept(plain).picture(depth=0).dot)
    layers = [layer for _ in range(4) for layer in (Dense(6, "tanh"), Identity())]
    repeated = swept(mg.Sequential(6, *layers, cost=Quadratic(), seed=0))
    assert "first and last repetition" in text_of(repeated.picture(fold=True).dot)
    assert "first and last repetition" not in text_of(run.picture(merge=True).dot)


def test_a_bare_drawing_has_neither_title_nor_legend():
    run = swept(sigmoids())
    bare, titled = run.picture(title=False, legend=False).dot, run.picture(legend=False).dot
    assert not any(word in text_of(bare) for word in ("sequential", "batch of", "10⁻⁵", "neurons"))
    assert " label=" not in re.search(r"^\tgraph \[(.*)\]$", bare, re.MULTILINE)[1]
    assert "batch of 12" in text_of(titled)
    assert "10⁻⁵" not in text_of(titled)
    assert "batch of" not in text_of(run.picture(title=False).dot)
    assert "10⁻⁵" in text_of(run.picture(title=False).dot)


def test_what_is_not_finite_stays_marked_without_numbers():
    g, feeds = two_towers()
    feeds["t"][0, 0] = np.inf
    with np.errstate(invalid="ignore"):
        run = ran(g, feeds)
    drawn = looks(run.picture(numbers=False))
    assert any(look.get("color") == STYLE.alarm and "∞" in label(look) for id, look in drawn.items() if id[0] == "e")


def test_one_zero_among_repetitions_keeps_its_place():
    g = mg.Sequential(2, *[Identity() for _ in range(4)], cost=Quadratic())
    g.output("identity_3")
    run = g.forward(x=np.ones((2, 2)), t=np.ones((2, 2)))
    run.backward(wrt="x")
    drawn = looks(run.picture(fold=True))
    [line] = [look for id, look in drawn.items() if id.startswith(f"e{g['x'].id}-")]
    assert label(line) == "0"
    assert line["arrowtail"] == "onormal"
