"""What a drawing of neurons shows, as DOT text and, where Graphviz is, as SVG.

After a change of style, write the golden texts again with MINIGRAPH_GOLDEN=write, look at the pictures and at the diff.
"""

import html
import importlib.util
import itertools
import math
import os
import pathlib
import re
import shutil
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict

import numpy as np
import pytest
from wirings import ROWS, wired

import minigraph as mg
from minigraph import layers
from minigraph.costs import L2, Quadratic
from minigraph.errors import GraphError, NotComputedError, RenderError, StaleError
from minigraph.layers import Activation, Add, Concat, Dense, Flatten, Multiply
from minigraph.measures import shown
from minigraph.render.engine import render
from minigraph.render.neurons import FIGURES, neurons_dot
from minigraph.render.neurons.picture import OPTIONS
from minigraph.render.style import STYLE, Style
from minigraph.render.themes import style as themed
from minigraph.results import Results

GOLDEN = pathlib.Path(__file__).parent / "golden"
LETTERS = ("w", "b", "z", "a", "delta")
SUBTRACTING = ("diamond", "same_input_twice")  # wirings with a Subtract, which is refused
HAS_WHEEL = importlib.util.find_spec("pygraphviz") is not None
needs_graphviz = pytest.mark.skipif(
    not HAS_WHEEL and shutil.which("dot") is None, reason="needs Graphviz: pygraphviz or dot"
)
every_wiring = pytest.mark.parametrize("name", [name for name in ROWS if name not in SUBTRACTING])


# ---- graphs ----


def book():
    """The net of the book's figures, three columns of 3, 4 and 2 neurons, with weights that are easy to tell apart."""
    cost = Quadratic()
    g = mg.Sequential(3, Dense(4, "sigmoid", name="h"), Dense(2, "sigmoid", name="out"), cost=cost, name="book", seed=0)
    for k, param in enumerate(g.params.values()):
        param.value = np.round(np.sin(np.arange(param.size) * 1.7 + k), 3).reshape(param.shape)
    return g


def ran(g=None, m=5):
    g = g or book()
    x, t = np.sin(np.arange(3.0 * m)).reshape(m, 3), np.eye(2)[np.arange(m) % 2]
    run = g.forward(x=x, t=t)
    run.backward()
    return run


def wide(units=30, name="wide"):
    return mg.Sequential(
        (28, 28), Flatten(), Dense(units, "sigmoid", name="h"), Dense(10, name="out"), name=name, seed=0
    )


# ---- reading DOT and SVG ----


def statements(dot):
    """id -> attributes of nodes and edges, with "ends" for edges."""
    found = {}
    name, value = r'(?:"[^"]*"|[\w.]+)', r'<<TABLE.*?</TABLE>>|"(?:[^"\\]|\\.)*"'
    statement = rf'^\t({name}(?: -> {name})?) \[((?:{value}|[^"\]])*)\]$'
    for what, text in re.findall(statement, dot, re.MULTILINE | re.DOTALL):
        pairs = re.findall(rf"(\w+)=({value}|[^\s\]]+)", text, re.DOTALL)
        look = {key: value.strip('"') for key, value in pairs}
        if "->" in what:
            look["ends"] = tuple(end.strip('"') for end in what.split(" -> "))
        if "id" in look:
            assert look["id"] not in found
            found[look["id"]] = look
    return found


def text_of(markup):
    """The text of an HTML-like label, cell by cell."""
    cells = re.findall(r"<TD[^>]*>(.*?)</TD>", markup, re.DOTALL)
    return [text for cell in cells if (text := html.unescape(re.sub("<[^<>]*>", "", cell)).replace("\xa0", " "))]


def line_of(look):
    """A line of symbols and text as one reads it: letter, above, below, and on."""
    rows = [re.findall(r"<TD([^>]*)>(.*?)</TD>", row) for row in re.findall("<TR>(.*?)</TR>", look["label"])]
    rows = [[(place, html.unescape(re.sub("<[^<>]*>", "", cell))) for place, cell in row] for row in rows]
    below = iter(text for _, text in rows[1]) if len(rows) > 1 else iter(())
    parts = [
        text if "ROWSPAN" in place or len(rows) == 1 else (text + next(below)).replace("\xa0", "")
        for place, text in rows[0]
    ]
    return re.sub(" +", " ", "".join(parts).replace("\xa0", " "))


def neurons(found):
    """id of a node -> the neurons shown, in the order written."""
    shown_ = defaultdict(list)
    for id in found:
        if match := re.fullmatch(r"n(\d+)-(\d+)", id):
            shown_[int(match[1])].append(int(match[2]))
    return shown_


def weight_lines(found):
    """(id of a node, j, k) -> attributes."""
    lines = ((re.fullmatch(r"w(\d+)-(\d+)-(\d+)", id), look) for id, look in found.items())
    return {tuple(map(int, match.groups())): look for match, look in lines if match and "ends" in look}


def header(dot):
    return " ".join(text_of(re.search(r"^\tgraph \[(.*)\]$", dot, re.MULTILINE)[1]))


def place(look):
    return tuple(float(x) for x in look["pos"].split(","))


def circles(dot):
    """id -> center of what has a round outline in the SVG, downward."""
    space = "{http://www.w3.org/2000/svg}"
    groups = {group.get("id"): group for group in ET.fromstring(render(dot, "svg")).iter(f"{space}g")}
    rounds = {id: group.find(f".//{space}ellipse") for id, group in groups.items() if re.match(r"n\d", id)}
    return {id: (float(e.get("cx")), float(e.get("cy"))) for id, e in rounds.items() if e is not None}


# ---- golden texts ----


@pytest.mark.parametrize("what", [*FIGURES, "run"])
def test_golden(what):
    path = ["w", "b", "z", "a", "delta"]
    dot = neurons_dot(ran(), highlight=(3, 1, 3), labels=path) if what == "run" else neurons_dot(book(), figure=what)
    golden = GOLDEN / f"neurons_{what}.gv"
    if os.environ.get("MINIGRAPH_GOLDEN") == "write":
        golden.write_text(dot, encoding="utf-8")
    assert rounded(dot) == rounded(golden.read_text(encoding="utf-8"))


def rounded(text):
    """Without the digits that are another machine's."""
    return re.sub(r"\d+\.\d{12,}", lambda number: f"{float(number[0]):.10g}", text)


# ---- neurons and weights ----


@every_wiring
def test_each_neuron_and_weight_is_drawn_as_wide_as_it_is_large_and_in_the_color_of_its_sign(name):
    g = wired(name).graph
    found = statements(neurons_dot(g, limit=100))
    dense = [node for node in g.nodes if isinstance(node.layer, Dense)]
    drawn = [node for node in g.nodes if not isinstance(node.layer, mg.costs.Cost) and node not in g.aside]
    assert neurons(found) == {node.id: list(range(math.prod(node.shape))) for node in drawn}
    expected = {}
    for node in dense:
        w = node.layer.w.value
        for j in range(w.shape[0]):
            for k in range(w.shape[1]):
                expected[node.id, j, k] = (w[j, k], (f"n{node.inputs[0].id}-{k}", f"n{node.id}-{j}"))
    lines = weight_lines(found)
    assert lines.keys() == expected.keys() != set()
    largest = max(abs(w) for w, _ in expected.values())
    text = header(neurons_dot(g, limit=100))
    thickest = max(float(look["penwidth"]) for look in lines.values())
    for key, (w, ends) in expected.items():
        look = lines[key]
        assert look["ends"] == ends
        assert look["color"] == (STYLE.positive if w > 0 else STYLE.negative)
        assert float(look["penwidth"]) == pytest.approx(max(0.25, thickest * abs(w) / largest), abs=1e-3)
        assert look["tooltip"].endswith(f"w[{key[1]}, {key[2]}] = {float(w)!r}")
    assert shown(largest) in text


def test_a_weight_shared_transposed_leads_from_k_to_j():
    first = Dense(3)
    g = mg.Sequential(2, first)
    back = g.add(Dense(2, weights=first.w.T, name="back"), g.nodes[-1])
    first.w.value = np.array([[1.0, -2.0], [3.0, 4.0], [5.0, 6.0]])
    lines = weight_lines(statements(neurons_dot(g)))
    assert lines[back.id, 1, 0]["color"] == STYLE.negative
    assert lines[back.id, 1, 0]["tooltip"] == "back: w[1, 0] = -2.0"


def test_weights_that_are_zero_or_not_finite_are_marked():
    g = book()
    w = g["h"].layer.w.value.copy()
    w[0, 0], w[1, 1], w[2, 2], w[3, 0] = math.nan, -math.inf, 0.0, 1e-300
    g["h"].layer.w.value = w
    dot = neurons_dot(g)
    lines, h = weight_lines(statements(dot)), g["h"].id
    for j in (0, 1):
        assert lines[h, j, j]["color"] == f"{STYLE.alarm}:{STYLE.alarm}"  # a double line
        assert "style" not in lines[h, j, j]
    assert lines[h, 2, 2]["style"] == "dotted"
    assert (lines[h, 3, 0]["color"], lines[h, 3, 0].get("style")) == (STYLE.positive, None)
    assert "weight NaN or ∞" in header(dot)
    assert "weight 0" in header(dot)
    assert shown(max(np.abs(g["out"].layer.w.value).max(), np.abs(w[np.isfinite(w)]).max())) in header(dot)
    if HAS_WHEEL or shutil.which("dot"):
        assert render(dot, "svg")


@pytest.mark.parametrize(
    ("look", "dashed"),
    [("light", False), ("dark", False), ("print", True), (Style(positive="#222222", negative="#222222"), True)],
)
def test_negative_weights_are_dashed_where_no_hue_tells_them(look, dashed):
    g, style = book(), themed(look)
    dot = neurons_dot(g, style=style, highlight=("h", 0, 0))
    for (_, j, k), line in weight_lines(statements(dot)).items():
        node = g["h"] if line["ends"][1].startswith(f"n{g['h'].id}-") else g["out"]
        assert ("dashed" in line.get("style", "")) == (dashed and node.layer.w.value[j, k] < 0)
    assert ("negative weight, dashed" in header(dot)) == dashed


def test_a_network_of_zeros_has_no_scale():
    g = mg.Sequential(2, Dense(2, weights="zeros"))
    assert "proportion" not in header(neurons_dot(g))


@every_wiring
def test_lines_without_weight_hand_on_what_they_say(name):
    w = wired(name)
    run = w.forward()
    g, count = run.graph, 0
    for id in statements(neurons_dot(g)):
        match = re.fullmatch(r"e(\d+)-(\d+)-(\d+)-(\d+)-(\d+)", id)
        source, target, slot, j, k = map(int, match.groups()) if match else (0,) * 5
        node = next((node for node in g.nodes if node.id == target), None)
        if not match or isinstance(node.layer, (Add, Multiply)) or node not in {view.node for view in run}:
            continue
        assert node.inputs[slot].id == source
        if isinstance(node.layer, mg.costs.Cost):
            assert slot not in node.constant_inputs
            assert j == 0
        else:
            before = run[node.inputs[slot]].a
            assert (run[node].a.reshape(run.m, -1)[:, j] == before.reshape(run.m, -1)[:, k]).all()
        count += 1
    assert count


@every_wiring
def test_each_neuron_of_a_merge_takes_one_of_each_input(name):
    g = wired(name).graph
    heads = Counter(look["ends"][1] for look in statements(neurons_dot(g, limit=100)).values() if "ends" in look)
    for node in g.nodes:
        if isinstance(node.layer, (Add, Multiply)) and node not in g.aside:
            assert [heads[f"n{node.id}-{j}"] for j in range(node.shape[0])] == [len(node.inputs)] * node.shape[0]


# ---- where they stand ----


@needs_graphviz
@pytest.mark.parametrize("wheel", [False, True])
@pytest.mark.parametrize("name", ["chain", "skip", "multi_input", "shared_twice", "one_value_at_depths_1_3_5"])
def test_neurons_stand_from_1_down_and_lines_run_right(name, wheel, monkeypatch):
    if wheel and not HAS_WHEEL:
        pytest.skip("needs pygraphviz")
    if wheel:
        monkeypatch.setattr(shutil, "which", lambda name: None)
    dot = neurons_dot(wired(name).graph)
    centers, found = circles(dot), statements(dot)
    for node, shown_ in neurons(found).items():
        column = [centers[f"n{node}-{j}"] for j in shown_]
        assert len({x for x, _ in column}) == 1
        assert all(above + 25 < below for (_, above), (_, below) in itertools.pairwise(column))
    for look in found.values():
        ends = [centers[end] for end in look.get("ends", ()) if end in centers]
        if len(ends) == 2:
            assert ends[0][0] + 100 < ends[1][0]
    assert len(set(centers.values())) == len(centers)


@every_wiring
def test_no_line_runs_through_a_neuron_it_does_not_lead_to(name):
    found = statements(neurons_dot(wired(name).graph, limit=4))
    dot = neurons_dot(wired(name).graph, limit=4)
    places = {id: place(look) for id, look in found.items() if "pos" in look}
    passed = re.findall(r'^\t"?([\w-]+-by\d+)"? \[.*?pos="([^"]*)"', dot, re.MULTILINE)
    places |= {id: tuple(map(float, pos.split(","))) for id, pos in passed}
    circles_ = {id: places[id] for id in found if re.fullmatch(r"n\d+(-\d+)?", id)}
    for look in found.values():
        if "ends" not in look:
            continue
        (x1, y1), (x2, y2) = (places[end] for end in look["ends"])
        for id, (x, y) in circles_.items():
            if id not in look["ends"] and min(x1, x2) <= x <= max(x1, x2) and x1 != x2:
                assert abs(y1 + (y2 - y1) * (x - x1) / (x2 - x1) - y) > 14


def test_captions_name_layers():
    found = statements(neurons_dot(book()))
    said = {id: text_of(look["label"]) for id, look in found.items() if re.fullmatch(r"c\d+", id)}
    g = book()
    assert said[f"c{g['x'].id}"] == ["layer 1", "x", "input"]
    assert said[f"c{g['h'].id}"] == ["layer 2", "h", "Dense sigmoid"]
    assert said[f"c{g['quadratic'].id}"] == ["quadratic", "Quadratic"]
    assert len({place(found[id])[1] for id in said if len(said[id]) == 3}) == 1


# ---- many neurons ----


@pytest.mark.parametrize(
    ("size", "limit", "expected"),
    [
        (12, 12, range(12)),
        (13, 12, [0, 1, 2, 3, 4, 5, 12]),
        (30, 12, [0, 1, 2, 3, 4, 5, 29]),
        (13, 13, range(13)),
        (5, 3, [0, 1, 4]),
        (4, 3, [0, 1, 2, 3]),
        (3, 2, [0, 1, 2]),
    ],
)
def test_of_many_neurons_the_first_and_the_last_are_shown(size, limit, expected):
    g = mg.Sequential(2, Dense(size, name="h"))
    found, h = statements(neurons_dot(g, limit=limit)), g["h"].id
    assert neurons(found)[h] == list(expected)
    assert {j for _, j, _ in weight_lines(found)} == set(expected)
    dots = [look for id, look in found.items() if id.startswith(f"d{h}-")]
    said = text_of(found[f"c{h}"]["label"])
    if len(expected) == size:
        assert dots == []
        assert len(said) == 3
    else:
        assert [text_of(look["label"]) for look in dots] == [["⋮"]]
        above, below = (place(found[f"n{h}-{j}"])[1] for j in expected[-2:])
        assert below < place(dots[0])[1] < above
        assert said[-1] == f"{size} neurons, {len(expected)} shown"


def test_what_is_highlighted_is_shown_where_others_are_left_out():
    g = wide()
    found = statements(neurons_dot(g, highlight=("h", 14, 400)))
    first = [0, 1, 2, 3, 4, 5]
    for name, size, j in (("x", 784, 400), ("flatten", 784, 400), ("h", 30, 14)):
        assert neurons(found)[g[name].id] == [*first, j, size - 1]
        assert len([id for id in found if id.startswith(f"d{g[name].id}-")]) == 2
    assert "784 neurons, 8 shown" in text_of(found[f"c{g['x'].id}"]["label"])
    assert text_of(found[f"w{g['h'].id}-14-400-w"]["label"]) == ["w", "2", "15,401"]


def test_too_many_lines_are_refused():
    with pytest.raises(RenderError, match=r"more than 2,000 lines .* 'wide' .*limit=.*g\.draw"):
        neurons_dot(wide(), limit=784)
    deep = mg.Sequential(2, *[Dense(2) for _ in range(600)], name="deep")
    with pytest.raises(RenderError, match="more than 2,000"):
        neurons_dot(deep)


# ---- costs ----


def test_outputs_feed_the_cost_and_the_target_stands_aside():
    g = book()
    out, cost, t = (g[name].id for name in ("out", "quadratic", "t"))
    for figure in (None, "cost"):
        found = statements(neurons_dot(g, figure=figure))
        into = [look["ends"][0] for look in found.values() if look.get("ends", ("", ""))[1] == f"n{cost}"]
        assert into == [f"n{out}-0", f"n{out}-1", f"y{cost}-1"] or into == [f"y{cost}-1", f"n{out}-0", f"n{out}-1"]
        assert text_of(found[f"n{cost}"]["label"]) == ["C"]
        assert text_of(found[f"y{cost}-1"]["label"])[0] == "y"
        assert found[f"e{t}-{cost}-1"]["style"] == "dashed"
        assert place(found[f"y{cost}-1"])[1] < place(found[f"n{cost}"])[1] - 18
        assert not [id for id in found if id.startswith(f"n{t}")]


def test_a_penalty_is_a_cost_that_takes_no_neuron():
    g = book()
    penalty = g.cost(L2(0.1, "*.w"))
    found = statements(neurons_dot(g))
    assert not [look for look in found.values() if f"n{penalty.id}" in look.get("ends", ())]
    assert place(found[f"n{penalty.id}"])[0] == place(found[f"n{g['quadratic'].id}"])[0]


def test_uses_of_a_shared_layer_say_so_and_look_alike():
    g = wired("shared_twice").graph
    found, u, v = statements(neurons_dot(g)), g["u"].id, g["v"].id
    lines = weight_lines(found)
    for j, k in itertools.product(range(4), range(3)):
        assert {lines[u, j, k][what] == lines[v, j, k][what] for what in ("color", "penwidth")} == {True}
    assert text_of(found[f"c{u}"]["label"])[-1] == "same weights as v"
    assert text_of(found[f"c{v}"]["label"])[-1] == "same weights as u"


def test_a_neuron_of_its_own_kind_is_marked():
    g = mg.Sequential(2, Dense(4, ["sigmoid", "tanh", "sigmoid", "sigmoid"], name="h"))
    found = statements(neurons_dot(g))
    assert [text_of(found[f"n{g['h'].id}-{j}"].get("label", "")) for j in range(4)] == [[], ["tanh"], [], []]
    for j, function in enumerate(["σ", "tanh", "σ", "σ"]):
        found = statements(neurons_dot(g, highlight=("h", j), labels=["z"]))
        assert text_of(found[f"n{g['h'].id}-{j}"]["label"])[0] == function


# ---- highlights and labels ----


@pytest.mark.parametrize("node", ["out", 3, "the node"])
def test_a_path_is_bold_and_the_rest_is_quiet(node):
    g = book()
    found = statements(neurons_dot(g, highlight=(g["out"] if node == "the node" else node, 1, 3)))
    h, out = g["h"].id, g["out"].id
    lines = weight_lines(found)
    bold = lines.pop((out, 1, 3))
    assert bold["arrowhead"] == "normal"
    assert bold["color"] == (STYLE.positive if g["out"].layer.w.value[1, 3] > 0 else STYLE.negative)
    assert float(bold["penwidth"]) >= 2.4
    assert {look["color"] for look in lines.values()}.isdisjoint({STYLE.positive, STYLE.negative, bold["color"]})
    quiet = {id for id, look in found.items() if re.fullmatch(r"n\d+-\d+", id) and "color" in look}
    assert quiet == {f"n{node.id}-{j}" for node in (g["x"], g["h"], g["out"]) for j in range(node.shape[0])} - {
        f"n{h}-3",
        f"n{out}-1",
    }
    assert line_of(found["caption-0"]).endswith("from 0 in Python: w324 is w[1, 3]")
    assert text_of(found[f"w{out}-1-3-w"]["label"]) == ["w", "3", "24"]


@pytest.mark.parametrize("example", [None, 0, 4])
def test_labels_bear_the_numbers_of_the_run(example):
    run = ran()
    found = statements(neurons_dot(run, highlight=("out", 1, 3), labels=LETTERS, example=example))
    g, rows = run.graph, [0, 1, 2, 3, 4] if example is None else [example]
    h, out = g["h"].id, g["out"].id

    def mean(values):
        return sum(values[i] for i in rows) / len(rows)

    w, b = g["out"].layer.w.value[1], g["out"].layer.b.value[1]
    before = [run["h"].a[i, 3] for i in range(5)]
    z = [sum(w[k] * run["h"].a[i, k] for k in range(4)) + g["out"].layer.b.value[1] for i in range(5)]
    expected = {
        f"w{out}-1-3-w": ("w", "24", w[3]),
        f"n{out}-1-b": ("b", "2", b),
        f"n{out}-1-a": ("a", "2", mean([1 / (1 + math.exp(-x)) for x in z])),
        f"n{out}-1-delta": ("δ", "2", mean([run["out"].delta[i, 1] for i in range(5)])),
    }
    for id, (letter, below, value) in expected.items():
        assert line_of(found[id]) == f"{letter}3{below} = {shown(value)}"
    inside = text_of(found[f"n{out}-1"]["label"])
    assert inside == ["σ", "z", "3", "2", shown(mean(z))]
    assert text_of(found[f"n{h}-3"]["label"]) == ["a", "2", "4", shown(mean(before))]
    tips = found[f"n{out}-1"]["tooltip"].split("\n")
    exact = dict(line.split(" = ") for line in tips[1:])
    assert tips[0] == "out[1]"
    assert float(exact["z"]) == pytest.approx(mean(z), rel=1e-12)
    assert float(exact["δ"]) == pytest.approx(mean([run["out"].delta[i, 1] for i in range(5)]), rel=1e-12)
    assert ("mean of 5 examples" if example is None else f"example {example} (of 0 to 4)") in header(
        neurons_dot(run, example=example)
    )


@pytest.mark.parametrize("letter", LETTERS)
def test_only_the_letters_asked_for_are_shown(letter):
    g = book()
    found = statements(neurons_dot(g, highlight=("out", 1, 3), labels=letter))
    plain = statements(neurons_dot(g))
    new = [id for id in found if id not in plain and not id.startswith("caption") and not id.endswith("-arrow")]
    out, h = g["out"].id, g["h"].id
    beside = {"w": [f"w{out}-1-3-w"], "b": [f"n{out}-1-b"], "delta": [f"n{out}-1-delta"]}
    assert new == beside.get(letter, [])
    inside = {id for id, look in found.items() if re.fullmatch(r"n\d+-\d+", id) and look["label"]}
    assert inside == {"z": {f"n{out}-1"}, "a": {f"n{out}-1", f"n{h}-3"}}.get(letter, set())


def test_numbers_can_be_left_out_and_a_graph_has_those_of_weights():
    run = ran()
    assert "=" not in "".join(
        "".join(text_of(look["label"]))
        for id, look in statements(neurons_dot(run, highlight=("out", 1, 3), labels=LETTERS, numbers=False)).items()
        if re.search("-(w|b|a|delta)$", id)
    )
    g = run.graph
    found = statements(neurons_dot(g, highlight=("out", 1, 3), labels=LETTERS, numbers=True))
    out = g["out"].id
    assert text_of(found[f"w{out}-1-3-w"]["label"])[2] == f" = {shown(g['out'].layer.w.value[1, 3])}"
    assert text_of(found[f"n{out}-1-delta"]["label"]) == ["δ", "3", "2"]


def test_labels_stand_clear_of_neurons():
    found = statements(neurons_dot(ran(), highlight=(3, 1, 3), labels=LETTERS))
    g = book()
    h, out = g["h"].id, g["out"].id
    x, y = place(found[f"n{out}-1"])
    radius = float(found[f"n{out}-1"]["width"]) * 36
    assert place(found[f"n{out}-1-b"])[0] == place(found[f"n{out}-1-delta"])[0] == x
    assert place(found[f"n{out}-1-b"])[1] < y - radius - 10
    assert place(found[f"n{out}-1-delta"])[1] > y + radius + 10
    assert place(found[f"n{out}-1-a"])[0] > x + radius + 20
    assert found[f"n{out}-1-b-arrow"]["ends"] == (f"n{out}-1-b", f"n{out}-1")
    arrow = found[f"n{out}-1-a-arrow"]
    assert arrow["ends"] == (f"n{out}-1-a", f"n{out}-1")
    assert (arrow["dir"], arrow["arrowtail"]) == ("back", "normal")  # to the label
    left, right = place(found[f"n{h}-3"]), place(found[f"n{out}-1"])
    label = place(found[f"w{out}-1-3-w"])
    at = left[1] + (right[1] - left[1]) * (label[0] - left[0]) / (right[0] - left[0])
    assert 10 < label[1] - at < 60
    other = place(found[f"n{out}-0"])
    assert other[1] - 14 > place(found[f"n{out}-1-delta"])[1] + 8


@needs_graphviz
@pytest.mark.parametrize("subject", ["graph", "run"])
def test_arrows_to_and_from_labels_lie_over_the_lines_on_paper(subject):
    g = mg.Sequential(2, Dense(4, name="h"), Dense(3, name="mid"), Dense(3, name="out"), cost=Quadratic(), seed=0)
    run = g.forward(x=np.ones((2, 2)), t=np.ones((2, 3))).backward()
    dot = neurons_dot(g if subject == "graph" else run, highlight=("mid", 1, 3), labels=LETTERS)
    space = "{http://www.w3.org/2000/svg}"
    groups = [group for group in ET.fromstring(render(dot, "svg")).iter(f"{space}g") if group.get("class") == "edge"]
    order = [group.get("id") for group in groups]
    weights = [place for place, id in enumerate(order) if re.fullmatch(r"w\d+-\d+-\d+", id)]
    assert len(weights) == 2 * 4 + 4 * 3 + 3 * 3
    for letter in ("b", "a"):
        place = order.index(f"n{g['mid'].id}-1-{letter}-arrow")
        (under,) = groups[place - 1].iter(f"{space}path")
        assert (under.get("stroke").replace("white", STYLE.paper), under.get("stroke-width")) == (STYLE.paper, "10")
        assert max(weights) < place - 1
        (arrow,) = groups[place].iter(f"{space}path")
        along = 0 if letter == "b" else 1  # both lie on one line, which keeps this coordinate
        for path in (under, arrow):
            points = [float(x) for x in re.findall(r"-?[\d.]+", path.get("d"))][along::2]
            assert points == pytest.approx([points[0]] * 4, abs=0.1)


# ---- the book's figures ----


@pytest.mark.parametrize(
    ("figure", "caption", "letters"),
    [
        ("weights", ["w324 is the weight from the 4th neuron in layer 2", "to the 2nd neuron in layer 3"], ["w324"]),
        (
            "biases",
            ["b23 is the bias of the 3rd neuron in layer 2,", "a31 is the activation of the 1st neuron in layer 3"],
            ["a31", "b23"],
        ),
        (
            "cost",
            [
                "the cost C = C(aL) is a function of the network’s outputs;",
                "the target y helps to define it, but is fixed: nothing that the network learns",
            ],
            ["C", "aL1", "aL2", "y"],
        ),
        (
            "notation",
            ["z32 = Σk w32k a2k + b32, a32 = σ(z32)", "δ32 = ∂C/∂z32"],
            ["a24", "a32", "b32", "w324", "z32", "δ32"],
        ),
    ],
)
def test_the_figures_show_what_the_book_shows(figure, caption, letters):
    dot = neurons_dot(book(), figure=figure)
    found = statements(dot)

    assert [line_of(found[f"caption-{i}"]) for i in range(len(caption))] == caption
    labels = [look for id, look in found.items() if re.match("[nwy]", id) and look.get("label")]
    said = sorted("".join(text_of(look["label"])).replace("σ", "") for look in labels)
    assert [text.strip() for text in said] == sorted(letters)
    assert "proportion" not in header(dot)
    assert (f"n{book()['quadratic'].id}" in found) == (figure == "cost")


def test_in_the_notation_figure_z_is_in_the_neuron_before_sigma():
    found = statements(neurons_dot(book(), figure="notation"))
    markup = found[f"n{book()['out'].id}-1"]["label"]
    first, second = re.findall("<TR>(.*?)</TR>", markup)[:2]
    assert first.index("COLSPAN") < first.index("σ")
    assert 'SIDES="L"' in first
    assert ">z<" in second


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize("sizes", [(1, 1), (2, 1, 1), (784, 30, 10), (3, 4, 2, 5)])
def test_the_figures_fit_any_chain(figure, sizes):
    first, *rest = sizes
    g = mg.Sequential(first, *[Dense(n, "sigmoid") for n in rest], cost=Quadratic(), seed=0)
    found = statements(neurons_dot(g, figure=figure))
    assert "caption-0" in found


def test_a_figure_shows_what_is_highlighted():
    g = book()
    found = statements(neurons_dot(g, figure="weights", highlight=("h", 2, 1)))
    assert line_of(found["caption-0"]) == "w232 is the weight from the 2nd neuron in layer 1"
    found = statements(neurons_dot(g, figure="biases", highlight=("h", 1)))
    assert f"n{g['h'].id}-1-b" in found
    assert text_of(found[f"n{g['h'].id}-1"]["label"]) == ["a", "2", "2"]


def test_nodes_without_an_l_of_their_own_go_by_name():
    g = wired("shared_twice").graph
    found = statements(neurons_dot(g, figure="weights", highlight=("v", 0, 2)))
    assert text_of(found[f"w{g['v'].id}-0-2-w"]["label"]) == ["w", "v", "13"]
    assert "“right”" in line_of(found["caption-0"])


# ---- runs ----


@pytest.mark.parametrize("letter", ["a", "delta"])
def test_circles_are_filled_by_a_or_delta_in_each_layer_by_itself(letter):
    run = ran()
    dot = neurons_dot(run, shade=letter, example=2)
    found = statements(dot)
    for name in ("x", "h", "out") if letter == "a" else ("h", "out"):
        values, id = getattr(run[name], letter)[2], run.graph[name].id
        largest = max(map(abs, values))
        for k, x in enumerate(values):
            color, sign = found[f"n{id}-{k}"]["fillcolor"], STYLE.positive if x > 0 else STYLE.negative
            part = 0.0 if x == 0 else max(0.06, 0.6 * abs(x) / largest)
            for at in (1, 3, 5):
                paper, full = int(STYLE.paper[at : at + 2], 16), int(sign[at : at + 2], 16)
                assert int(color[at : at + 2], 16) == pytest.approx(paper + part * (full - paper), abs=1)
            assert "style" not in found[f"n{id}-{k}"]
        sign = "δ" if letter == "delta" else "a"
        assert text_of(found[f"c{id}"]["label"])[-1] == f"|{sign}| up to {shown(largest)}"
    assert "in each layer by itself" in header(dot)


def test_a_small_delta_is_seen_and_an_exact_0_is_empty():
    g = mg.Sequential(2, Dense(3, "relu", name="h"), Dense(2, name="out"), cost=Quadratic(), seed=0)
    g["h"].layer.b.value = np.array([-100.0, 1.0, 1.0])  # the first is dead
    g["out"].layer.w.value = np.array([[1.0, 1e-9, 1e-17], [1.0, 1e-9, 1e-17]])
    dot = neurons_dot(g.forward(x=np.ones((3, 2)) / 9, t=np.ones((3, 2))).backward(), shade="delta")
    fills = [statements(dot)[f"n{g['h'].id}-{j}"]["fillcolor"] for j in range(3)]
    assert fills[0] == STYLE.paper
    assert len({STYLE.paper, *fills}) == 3
    assert "δ exactly 0" in header(dot)


def test_circles_without_a_number_look_apart_and_say_why():
    g = mg.Graph(seed=0)
    x = g.input("x", 2)
    h = g.add(Dense(2, "tanh"), x, name="h")
    g.cost(Quadratic(), g.add(Dense(2), h, name="out"), target="t")
    g.output("aside", g.add(Dense(2), h, name="aside"))
    run = g.forward(x=np.ones((3, 2)), t=np.zeros((3, 2))).backward()
    dot = neurons_dot(run, shade="delta")
    found = statements(dot)
    whys = {"x": "no δ: not asked for", "h": "", "out": "", "aside": "no δ: no path to the cost"}
    for name, why in whys.items():
        neuron, said = found[f"n{g[name].id}-1"], text_of(found[f"c{g[name].id}"]["label"])[-1]
        assert ("dashed" in neuron.get("style", "")) == ("fillcolor" not in neuron) == bool(why)
        assert said == why if why else said.startswith("|δ| up to")
    assert "no δ: not asked for, or no path to the cost" in header(dot)
    asked = statements(neurons_dot(g.forward(x=np.ones((3, 2)), t=np.zeros((3, 2))).backward(wrt="x"), shade="delta"))
    assert "fillcolor" in asked[f"n{x.id}-1"]
    assert "style" not in asked[f"n{x.id}-1"]


def test_a_single_example_is_read_as_it_is():
    g = book()
    run = g.forward(x=[0.1, 0.2, 0.3], t=[0.0, 1.0])
    found = statements(neurons_dot(run, highlight=("h", 0), labels=["a"]))
    assert text_of(found[f"n{g['h'].id}-0"]["label"]) == ["a", "2", "1", shown(run["h"].a[0])]


def test_what_is_not_computed_or_stale_is_not_drawn():
    g = book()
    run = g.forward(x=np.eye(3), t=np.zeros((3, 2)))
    assert "δ" not in neurons_dot(run)
    for options in ({"highlight": ("h", 0), "labels": ["delta"]}, {"shade": "delta"}):
        with pytest.raises(NotComputedError, match=r"run\.backward\(\)"):
            neurons_dot(run, **options)
    g["h"].layer.w.value = g["h"].layer.w.value + 1
    with pytest.raises(StaleError, match="forward"):
        neurons_dot(run)
    assert neurons_dot(g)


def test_infinite_activations_are_drawn():
    g = mg.Sequential(2, Dense(2, name="h"), seed=0)
    run = g.forward(x=np.array([[1.0, math.inf], [1.0, 0.0]]))
    found = statements(neurons_dot(run, shade="a", highlight=("h", 0, 1), labels=["a", "z"]))
    assert found[f"n{g['x'].id}-1"]["fillcolor"] not in (STYLE.paper, found[f"n{g['x'].id}-0"]["fillcolor"])
    assert text_of(found[f"n{g['x'].id}-1"]["label"])[-1] == "∞"


# ---- refusals ----


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"highlight": ("out", 2, 0)}, r"j from 0 to 1, as 'out' has 2 neurons, got 2"),
        ({"highlight": ("out", 0, 4)}, r"k from 0 to 3, as 'h' has 4 neurons, got 4"),
        ({"highlight": ("out", -1, 0)}, "j from 0 to 1"),
        ({"highlight": ("out", True, 0)}, "j from 0 to 1"),
        ({"highlight": ("out", 0, 1.5)}, "k from 0 to 3"),
        ({"highlight": ("out", 0, None)}, "k from 0 to 3"),
        ({"highlight": ("out",)}, r"\(node, j\), or a weight, \(node, j, k\), got \('out',\)"),
        ({"highlight": "out"}, "got 'out'"),
        ({"highlight": (4, 0, 0)}, "here 1, 2, 3, or a node's name, got 4"),
        ({"highlight": ("x", 0, 0)}, "'x' is Input"),
        ({"highlight": ("quadratic", 0)}, "'quadratic' is a cost"),
        ({"highlight": ("t", 0)}, "'t' is a cost, or leads to nothing else"),
        ({"highlight": ("outs", 0)}, "did you mean 'out'"),
        ({"highlight": ("out", 0), "labels": ["w"]}, r"highlight=\(node, j, k\)"),
        ({"highlight": ("x", 0), "labels": ["z"]}, "'x' has no z"),
        ({"highlight": ("x", 0), "labels": ["b"]}, "'x' has no b"),
        ({"highlight": ("out", 0), "labels": ["c"]}, "'w', 'b', 'z', 'a', 'delta', got 'c'"),
        ({"labels": ["a"]}, "say which, highlight="),
        ({"figure": "error"}, "'weights', 'biases', 'cost', 'notation', not 'error'"),
        ({"figure": "cost", "highlight": ("out", 0)}, "leave out highlight="),
        ({"figure": "weights", "highlight": ("out", 0)}, r"shows a weight: highlight=\(node, j, k\)"),
        ({"figure": "weights", "labels": ["a"]}, "leave out labels= and shade="),
        ({"shade": "a"}, "only a run has numbers"),
        ({"example": 0}, "Only runs have examples"),
        ({"limit": 1}, "2 or more neurons, got 1"),
        ({"limit": 2.5}, "got 2.5"),
    ],
)
def test_what_cannot_be_shown_is_said(options, message):
    with pytest.raises((RenderError, GraphError), match=message):
        neurons_dot(book(), **options)


@pytest.mark.parametrize(
    ("options", "message"), [({"example": 5}, "0 to 4 in this run, got 5"), ({"shade": "z"}, "'a' or 'delta', got 'z'")]
)
def test_what_a_run_cannot_show_is_said(options, message):
    with pytest.raises(RenderError, match=message):
        neurons_dot(ran(), **options)


@pytest.mark.parametrize(
    ("option", "hint"),
    [
        ("highlite", r"did you mean highlight\?"),
        ("label", r"did you mean labels\?"),
        ("depth", "they are highlight, labels, figure, shade, numbers, example, limit$"),
        ("subject", "they are highlight"),
    ],
)
def test_an_option_that_there_is_not_is_refused(option, hint):
    for subject in (book(), ran()):
        with pytest.raises(GraphError, match=f"drawings of neurons have no option '{option}': {hint}"):
            subject.neurons(**{option: 1})


@pytest.mark.parametrize("method", [mg.Graph.neurons, Results.neurons])
def test_help_names_every_option(method):
    only_of_runs = {"shade", "example"}
    listed = set(re.findall(r"^ *- `(\w+)`: ", method.__doc__, re.MULTILINE))
    assert listed == set(OPTIONS) - (only_of_runs if method is mg.Graph.neurons else set())
    assert all(f"`{option}`" in method.__doc__ for option in OPTIONS)


def test_a_layer_without_biases_has_no_b():
    g = mg.Sequential(2, Dense(2, bias=False, name="h"))
    with pytest.raises(RenderError, match="'h' has no b: it was made with bias=False"):
        neurons_dot(g, highlight=("h", 0), labels=["b"])
    with pytest.raises(RenderError, match="takes a Dense layer with biases"):
        neurons_dot(g, figure="biases")
    assert "+" not in line_of(statements(neurons_dot(g, figure="notation"))["caption-0"])
    with pytest.raises(RenderError, match=r"no cost to show: add one with g\.cost"):
        neurons_dot(g, figure="cost")


@pytest.mark.parametrize(
    ("shape", "layer", "why"),
    [
        ((1, 4, 4), layers.Conv2D(2, 3), "only Dense, Concat"),
        (3, layers.LayerNorm(), "only Dense, Concat"),
        (3, layers.PReLU(), "only Dense, Concat"),
        ((2, 3), Dense(2), r"takes vectors, not samples of \(2, 3\)"),
    ],
)
def test_nodes_that_are_not_made_of_neurons_are_refused_by_name(shape, layer, why):
    g = mg.Graph("odd")
    g.add(layer, g.input("x", shape), name="the odd one")
    with pytest.raises(RenderError, match=rf"{type(layer).__name__} 'the odd one' .*{why}.*g\.draw"):
        neurons_dot(g)


def test_a_merge_that_broadcasts_is_refused():
    g = mg.Graph("broadcast")
    g.add(Add(), g.input("x", 3), g.input("bias", ()), name="sum")
    with pytest.raises(RenderError, match=r"Add 'sum' .*inputs are alike, not \(3,\), \(\)"):
        neurons_dot(g)


# ---- names ----

NAMES = [
    'a:b <c> {d} | "e"',
    r"\N \G \L",
    "two\nlines",
    "δ 🎉",
    "",
    " ",
    "<b>",
    "]]>",
    "&amp;",
    "\x07\ud800",
    "x" * 500,
]


@needs_graphviz
@pytest.mark.parametrize("name", NAMES)
def test_names_survive(name):
    g = mg.Graph(name, seed=0)
    x = g.input(name, 2)
    h = g.add(Dense(2, "tanh"), x, name=f"{name}1")
    side = g.add(Dense(2, "tanh"), x, name=f"{name}2")
    y = g.add(Concat(), h, side, x, name=f"{name}3")
    g.cost(Quadratic(), g.add(Activation("relu"), y, name=f"{name}4"), target=f"{name}5", name=f"{name}6")
    letters = ["w", "b", "z", "a", "delta"]
    drawings = [neurons_dot(g, highlight=(f"{name}1", 1, 0), labels=letters)]
    drawings += [neurons_dot(g, figure=figure) for figure in FIGURES]
    for dot in drawings:
        found = {element.get("id") for element in ET.fromstring(render(dot, "svg")).iter()}
        assert set(statements(dot)) <= found
        assert {f"n{h.id}-0", f"n{h.id}-1", f"w{h.id}-1-0"} <= found


def test_colors_and_fonts_are_those_of_the_style():
    colors = {"ink": "#010203", "paper": "#fefdfc", "positive": "#123456", "negative": "#654321", "soft": "#222233"}
    dot = neurons_dot(book(), style=Style(font="Mono", **colors))
    assert set(re.findall("#[0-9a-f]{6}", dot)) <= {*colors.values(), STYLE.quiet}
    assert dot.count("fontname=Mono") == 2
    light = {"#0f172a", STYLE.paper, STYLE.soft, STYLE.positive, STYLE.negative, STYLE.quiet}
    assert set(re.findall("#[0-9a-f]{6}", neurons_dot(book()))) <= light
