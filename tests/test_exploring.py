"""The page as a file: `run.explore`, with views and with the history of a training."""

import json
import re

import numpy as np
import pytest
from test_explorer import choose, needs_browser, opened
from test_scene import transformer

import minigraph as mg
from minigraph.costs import Quadratic
from minigraph.errors import GraphError, LayoutTimeout, NotComputedError, RenderError
from minigraph.layers import Dense
from minigraph.measures import shown
from minigraph.render.scene import Scene
from minigraph.render.themes import THEMES
from minigraph.render.view import View

__all__ = ["opened"]  # a fixture


def trained(steps=9):
    g = mg.Sequential(3, Dense(4, "tanh", name="h"), Dense(2, name="out"), cost=Quadratic(), name="net", seed=0)
    rng = np.random.default_rng(0)
    data, gradients = {"x": rng.random((steps, 3)), "t": rng.random((steps, 2))}, mg.GradientHistory()
    mg.fit(g, data, epochs=1, batch_size=1, optimizer=mg.SGD(0.1), watch=[gradients], progress=False)
    return g.forward(data).backward(), gradients


@needs_browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_slider_colors_the_flow_at_each_step_of_a_training(opened, tmp_path, theme):
    run, gradients = trained()
    path = run.explore(tmp_path / "made.html", history=gradients)
    page = opened(path.read_text(encoding="utf-8"), color_scheme=theme)
    edge = f"e{run.graph['h'].id}-{run.graph['out'].id}-0"
    scene = Scene(run.graph, View())
    [line] = [line for line in scene.lines if line.id == edge]
    looks = {}
    for place, step in enumerate(gradients.steps):
        page.locator("#frame").fill(str(place))
        assert page.locator("#when").inner_text() == f"step {step}, C = {shown(gradients.cost[place])}"
        assert shown(gradients.edge("h", "out")[place]) in page.locator(".sizes").first.text_content()
        looks[step] = page.locator(f"[id={edge}] path").first.evaluate("path => getComputedStyle(path).stroke")
    style = mg.style(theme)
    drawn = gradients.picture([int(step) for step in gradients.steps], style=style).dot
    for step, stroke in looks.items():
        rgb = [int(part) for part in stroke.removeprefix("rgb(").removesuffix(")").split(",")]
        color = "#" + "".join(f"{part:02x}" for part in rgb)
        assert f'color="{color}"' in drawn.partition(f'id="s{step}-{line.id}"')[0].rpartition("\n")[2]


@needs_browser
def test_a_folded_drawing_lights_up_what_stands_for_a_node(opened, tmp_path):
    g = transformer(5)
    rng = np.random.default_rng(0)
    run = g.forward(tokens=rng.integers(0, 20, (2, 5)), label=rng.integers(0, 20, (2, 5))).backward()
    page = opened(run.explore(tmp_path / "made.html", fold=True).read_text(encoding="utf-8"))
    first, last = g["layer_0/hidden"].id, g["layer_4/hidden"].id
    assert page.locator(f"[id=n{last}]").count() == 0
    page.keyboard.press("/")
    page.keyboard.type("layer_4/hidden")
    page.keyboard.press("Enter")
    assert "layer_4/hidden" in page.locator("h2").first.inner_text()
    halo, box = (page.locator(f"#stage {what}").first.bounding_box() for what in ("rect.ahead", f"[id=n{first}]"))
    assert halo["x"] < box["x"] < box["x"] + box["width"] < halo["x"] + halo["width"]
    assert halo["y"] < box["y"] < box["y"] + box["height"] < halo["y"] + halo["height"]
    assert page.locator(".badge.turn.there").text_content() == "5 of 5"
    choose(page, "layer_2/hidden")
    assert page.locator(".badge.turn.there").text_content() == "3 of 5"
    faint = page.locator("#stage .node.faint").evaluate_all("all => all.map(one => one.id)")
    names = ("layer_0/out", "layer_0/add_2", "layer_0/norm_2", "logits", "softmax_cross_entropy")
    assert set(faint) == {f"n{g[name].id}" for name in names}  # though the first repetitions are done


@pytest.mark.parametrize("merge", [False, True])
def test_uses_of_a_layer_in_one_box_are_counted(tmp_path, merge):
    g = mg.Graph("uses", seed=0)
    twice = Dense(3, "tanh")
    u, v = (g.add(twice, g.input(name, 3), name=f"use_{name}") for name in ("left", "right"))
    g.cost(Quadratic(), g.add(mg.layers.Add(), u, v))
    run = g.forward({node.name: np.eye(3) for node in g.inputs}).backward()
    text = run.explore(tmp_path / "made.html", merge=merge).read_text(encoding="utf-8")
    content = json.loads(re.search(r'<script id="content" type="application/json">(.*?)</script>', text, re.DOTALL)[1])
    found = {node["name"]: node["repeat"] for node in content["nodes"] if node["repeat"]}
    assert found == ({"use_left": [1, 2], "use_right": [2, 2]} if merge else {})


def test_what_is_found_is_on_the_page_unless_left_out(tmp_path):
    g = mg.Sequential(3, Dense(4, "relu", name="h"), Dense(2, name="out"), cost=Quadratic(), seed=0)
    g["h"].layer.b.value[:] = -100.0
    run = g.forward(x=np.ones((16, 3)), t=np.ones((16, 2))).backward()
    [dead] = [finding for finding in run.diagnose() if finding.kind == "dead"]
    said = json.dumps(dead.evidence)
    assert said in run.explore(tmp_path / "made.html").read_text(encoding="utf-8")
    assert said not in run.explore(tmp_path / "made.html", findings=False).read_text(encoding="utf-8")


@needs_browser
def test_a_long_training_shows_some_of_its_steps(tmp_path):
    run, gradients = trained(200)
    text = run.explore(tmp_path / "made.html", history=gradients).read_text(encoding="utf-8")
    assert text.count('"label":"step ') == 60
    assert '"label":"step 1, ' in text
    assert '"label":"step 200, ' in text


def test_the_page_has_a_drawing_for_light_and_one_for_dark(tmp_path):
    run, gradients = trained()
    text = run.explore(tmp_path / "made.html", history=gradients).read_text(encoding="utf-8")
    themes = [THEMES["light"], THEMES["dark"]]
    assert [text.count(f'stroke="{theme.families["neurons"].outline}"') for theme in themes] == [2, 2]
    content = re.search('<script id="content" type="application/json">(.*?)</script>', text, re.DOTALL)[1]
    last = json.loads(content)["scale"][-1]
    assert last == ["light-dark({}, {})".format(*(theme.falling[-1] for theme in themes)), "10⁻⁵"]


def test_each_node_and_edge_is_lit_on_what_stands_for_it(tmp_path):
    g = transformer(3)
    rng = np.random.default_rng(0)
    run = g.forward(tokens=rng.integers(0, 20, (2, 5)), label=rng.integers(0, 20, (2, 5)))
    text = run.explore(tmp_path / "made.html", fold=True).read_text(encoding="utf-8")
    content = json.loads(re.search('<script id="content" type="application/json">(.*?)</script>', text, re.DOTALL)[1])
    scene = Scene(g, View(fold=True))
    line = {edge: line.id for line in scene.lines for edge in line.edges}
    assert [node["box"] for node in content["nodes"]] == [scene.box[node].id for node in g.nodes]
    assert [edge[0] for edge in content["edges"]] == [line.get(edge) for edge in g.edges]


def test_a_page_that_takes_too_long_is_not_one_of_another_drawing(dot, no_wheel, folder):
    dot("time.sleep(9)")
    g = mg.Sequential(3, *[Dense(3) for _ in range(4)], cost=Quadratic(), seed=0)
    run = g.forward(x=np.ones((1, 3)), t=np.ones((1, 3))).backward()
    with pytest.raises(LayoutTimeout) as caught:
        run.explore(folder / "page.html", timeout=0.3)
    assert "folded" not in str(caught.value)
    assert list(folder.iterdir()) == []


def test_what_is_refused(tmp_path):
    run, gradients = trained()
    other, _ = trained()
    with pytest.raises(GraphError, match=r"the history is of graph 'net'"):
        other.explore(tmp_path / "page.html", history=gradients)
    with pytest.raises(RenderError, match=r"ends in one of .html, .htm"):
        run.explore(tmp_path / "page.svg")
    with pytest.raises(RenderError, match="no folder"):
        run.explore(tmp_path / "none" / "page.html")
    with pytest.raises(GraphError, match="did you mean fold"):
        run.explore(tmp_path / "page.html", folds=True)
    with pytest.raises(NotComputedError, match="forward"):
        mg.Run(run.graph).explore(tmp_path / "page.html")
    assert list(tmp_path.iterdir()) == []
