"""Gradient flows of folded, collapsed and merged drawings, over training, and with what a diagnosis found."""

import math
import re

import numpy as np
import pytest
from test_drawing import ran, ran_many, scale_of, statements, text_of, two_towers
from test_scene import transformer
from wirings import wired

import minigraph as mg
from minigraph.costs import Quadratic
from minigraph.errors import GraphError, NotComputedError
from minigraph.layers import Add, Dense, Identity
from minigraph.measures import rms, shown
from minigraph.render.flow import frames
from minigraph.render.scene import Scene
from minigraph.render.style import STYLE
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


# ---- findings ----


def test_findings_are_marked_where_they_begin():
    run = swept(sigmoids())
    [found] = [finding for finding in run.diagnose() if finding.kind == "vanishing"]
    drawn = looks(run.picture())
    box, first = drawn[f"n{run.graph[found.node].id}"], found.edges[0]
    assert "⚠ vanishing" in label(box)
    assert box["color"] == STYLE.alarm
    assert found.evidence.partition(" ")[0] in box["tooltip"]
    line = drawn[f"e{first.source.id}-{first.target.id}-{first.slot}"]
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


# ---- states ----


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
    layers = [layer for _ in range(4) for layer in (Dense(6, "tanh"), Identity())]
    repeated = swept(mg.Sequential(6, *layers, cost=Quadratic(), seed=0))
    assert "first and last repetition" in text_of(repeated.picture(fold=True).dot)
    assert "first and last repetition" not in text_of(run.picture(merge=True).dot)


def test_a_bare_drawing_has_neither_title_nor_legend():
    run = swept(sigmoids())
    bare, titled = run.picture(title=False, legend=False).dot, run.picture(legend=False).dot
    assert not any(word in text_of(bare) for word in ("sequential", "batch of", "10⁻⁵", "neurons"))
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
