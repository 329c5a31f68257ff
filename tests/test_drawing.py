"""What the drawings of a network and of its gradient flow show, as DOT text and, where Graphviz is, as SVG.

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
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import Counter

import numpy as np
import pytest
from wirings import ROWS, wired

import minigraph as mg
from minigraph import layers
from minigraph.costs import Quadratic, SoftmaxCrossEntropy
from minigraph.errors import GraphWarning, NotComputedError
from minigraph.layers import Activation, Add, Concat, Dense, Dropout, Flatten, Identity, Input, StopGradient
from minigraph.measures import rms, shown
from minigraph.render.engine import render
from minigraph.render.style import STYLE, Style, family

GOLDEN = pathlib.Path(__file__).parent / "golden"
needs_graphviz = pytest.mark.skipif(
    importlib.util.find_spec("pygraphviz") is None and shutil.which("dot") is None,
    reason="needs Graphviz: pygraphviz or dot",
)
every_wiring = pytest.mark.parametrize("name", ROWS)


# ---- graphs ----


def two_towers():
    g = mg.Graph("two towers", seed=0)
    left, right = g.input("left", 4), g.input("right", 4)
    tower = Dense(6, "sigmoid")
    u = g.add(tower, left, name="u")
    v = tower(right)
    h = Concat()(u, v) >> Dense(6, ["sigmoid"] * 5 + ["tanh"])
    y = Add()(h, h) >> Dense(2, "sigmoid", name="out")
    g.cost(Quadratic(), y, target="t")
    for k, param in enumerate(g.params.values()):
        param.value = np.sin(np.arange(param.size) + k).reshape(param.shape)
    feeds = {"left": np.cos(np.arange(40.0)), "right": np.sin(np.arange(40.0)), "t": np.arange(20) / 20}
    return g, {name: x.reshape(10, -1) for name, x in feeds.items()}


def nested():
    inner = mg.Graph("inner", seed=1)
    x = inner.input("x", 3)
    inner.add(Add(), inner.add(Dense(3, "tanh"), x, name="a"), x, name="sum")
    outer = mg.Graph("outer", seed=2)
    outer.add(Dense(3), outer.add(inner, outer.input("x", 3), name="core"), name="mix")
    g = mg.Graph("nested", seed=0)
    y = g.add(outer, g.add(outer, g.input("x", 3), name="first"), name="second")
    g.cost(Quadratic(), y)
    return g, {"x": np.ones((2, 3)), "t": np.zeros((2, 3))}


def many():
    """A graph with a dead branch, a frozen layer, two costs, skips, a stopped gradient and shared layers."""
    g = mg.Graph("many", seed=0)
    x = g.input("x", 3)
    shared, h = Dense(3, "relu"), x
    for i in range(3):
        h = g.add(shared, h, name=f"use {i}")
    cold = g.add(Dense(3, "tanh", frozen=True), x, name="frozen")
    s = g.add(Add(), g.add(StopGradient(), h, name="stop"), g.add(Dropout(0.5), h, name="drop"), cold, name="sum")
    g.add(Dense(2), s, name="dead")
    g.cost(Quadratic(), s, name="C1")
    g.cost(SoftmaxCrossEntropy(), g.add(Dense(4), s, name="logits"), target="label", name="C2")
    return g, {"x": np.eye(3), "t": np.ones((3, 3)), "label": np.array([0, 3, 1])}


def ran(g, feeds, **options):
    run = g.forward(feeds, **options)
    run.backward()
    return run


def ran_many(**options):
    g, feeds = many()
    with pytest.warns(GraphWarning, match="dead"):
        return ran(g, feeds, **options)


def network_dot(g, style="light", **view):
    return g.picture(style=style, **view).dot


def flow_dot(run, style="light", **view):
    return run.picture(style=style, **view).dot


# ---- reading DOT and SVG ----


def statements(dot):
    """id -> (what stands before the brackets, attributes) of nodes, edges and ties."""
    found = {}
    for what, text in re.findall(r'^\s*("?(?:s\d+-)?n\d+"?(?: -> "?(?:s\d+-)?n\d+"?)?) \[(.*)\]$', dot, re.MULTILINE):
        pairs = re.findall(r'(\w+)=(<<TABLE.*?</TABLE>>|"(?:[^"\\]|\\.)*"|[^\s\]]+)', text)
        attributes = {name: value.strip('"') for name, value in pairs}
        assert attributes["id"] not in found
        found[attributes["id"]] = (what, attributes)
    return found


def text_of(markup):
    return html.unescape(re.sub(r"<[^<>]*>", "\n", markup).strip("<>"))


def header(dot):
    return text_of(re.search(r"^\tgraph \[(.*)\]$", dot, re.MULTILINE)[1])


def scale_of(dot):
    """The ratios under the wedge of the lines, from the largest down."""
    return re.findall(r"[≤≥]?10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+", header(dot).partition("boxes:")[0])


def edge_id(edge):
    return f"e{edge.source.id}-{edge.target.id}-{edge.slot}"


def svg_of(dot):
    """The groups of an SVG by id: their visible text."""
    root = ET.fromstring(render(dot, "svg"))
    space = "{http://www.w3.org/2000/svg}"
    return {
        group.get("id"): "".join(text.text or "" for text in group.iter(f"{space}text")).replace("\xa0", " ")
        for group in root.iter(f"{space}g")
    }


# ---- the network ----


def steps():
    """The gradient flows of two steps of a training, from weights that are the same everywhere."""
    g, feeds = two_towers()
    gradients = mg.GradientHistory()
    mg.fit(g, feeds, epochs=2, batch_size=10, optimizer=mg.SGD(1.0), watch=[gradients], progress=False)
    return gradients


GOLDENS = {
    "two_towers_network": lambda: two_towers()[0].picture(),
    "two_towers_flow": lambda: ran(*two_towers()).picture(),
    "two_towers_symbols": lambda: two_towers()[0].picture(detail="symbols", style="print"),
    "two_towers_merged": lambda: ran(*two_towers()).picture(merge=True, style="dark", direction="down"),
    "two_towers_steps": lambda: steps().picture([1, 2], detail="name"),
    "nested_collapsed": lambda: nested()[0].picture(depth=1, collapse="first", detail="shapes"),
    "nested_part": lambda: nested()[0].picture(around="first/mix"),
    "many_flow": lambda: ran_many().picture(),
    "chain_folded": lambda: chain(20).picture(fold=True),
}


@pytest.mark.parametrize("name", GOLDENS)
def test_golden(name):
    dot, path = GOLDENS[name]().dot, GOLDEN / f"{name}.gv"
    if os.environ.get("MINIGRAPH_GOLDEN") == "write":
        path.write_text(dot, encoding="utf-8")
    assert dot == path.read_text(encoding="utf-8")


@every_wiring
def test_one_node_each_and_one_edge_a_slot_in_order(name):
    g = wired(name).graph
    found = statements(network_dot(g))
    assert [id for id in found if id[0] == "n"] == [f"n{node.id}" for node in g.nodes]
    edges = {id: what for id, (what, _) in found.items() if id[0] == "e"}
    assert list(edges.items()) == [(edge_id(e), f"n{e.source.id} -> n{e.target.id}") for e in g.edges]


def test_a_value_used_twice_is_two_edges():
    g, _ = two_towers()
    doubled = Counter(what for what, _ in statements(network_dot(g)).values())
    assert doubled[f"n{g['dense_1'].id} -> n{g['add'].id}"] == 2


def test_a_node_shows_name_layer_shapes_and_params():
    g, _ = two_towers()
    found = statements(network_dot(g))

    def shown_in(name):
        return [line for line in text_of(found[f"n{g[name].id}"][1]["label"]).split("\n") if line]

    assert shown_in("dense_1") == ["dense_1", "Dense sigmoid ×5, tanh ×1", "12 → 6", "78 params"]
    assert shown_in("u") == ["u", "Dense sigmoid", "4 → 6", "30 shared params"]
    assert shown_in("concat") == ["concat", "Concat", "6 + 6 → 12"]
    assert shown_in("left") == ["left", "input", "4"]
    assert shown_in("t") == ["t", "target", "2"]


def test_costs_and_targets_are_told_apart():
    g, _ = two_towers()
    found = statements(network_dot(g))
    look = {node.name: found[f"n{node.id}"][1] for node in g.nodes}
    assert look["quadratic"]["color"] == STYLE.families["cost"].outline
    assert look["quadratic"]["peripheries"] == "2"
    assert look["t"]["style"] == look["left"]["style"] + ",dashed"
    assert found[edge_id(g.edges[-1])][1]["style"] == "dashed"
    assert all("style" not in found[edge_id(edge)][1] for edge in g.edges[:-1])


def test_shared_layers_are_tied_pair_by_pair_and_never_to_themselves():
    g, _ = many()
    ties = {id: (what, look) for id, (what, look) in statements(network_dot(g)).items() if id[0] == "t"}
    uses = [g[f"use {i}"].id for i in range(3)]
    assert [what for what, _ in ties.values()] == [f"n{a} -> n{b}" for a, b in itertools.pairwise(uses)]
    for _, look in ties.values():
        assert (look["style"], look["dir"], look["constraint"]) == ("dashed", "none", "false")
        assert "share w, b" in look["tooltip"]
    assert "same weights" in header(network_dot(g))


def test_a_param_of_two_layers_is_tied_too():
    g = mg.Graph("tied weights")
    x = g.input("x", 3)
    one, other = Dense(3), Dense(3)
    h = g.add(one, x)
    y = g.add(other, h)
    other.w = one.w
    found = statements(network_dot(g))
    assert found[f"t{h.id}-{y.id}"][1]["tooltip"].endswith("share w")
    assert "12 params, 9 shared" in text_of(found[f"n{y.id}"][1]["label"])


def test_blocks_are_nested_clusters():
    g, _ = nested()
    inside, path = {}, []
    for line in network_dot(g).split("\n")[4:-2]:
        if opened := re.match(r"\tsubgraph (cluster_\d+) {", line):
            path.append(opened[1])
        elif line == "\t}":
            path.pop()
        elif node := re.match(r"\tn(\d+) \[", line):
            inside[g.nodes[int(node[1])].name] = tuple(path)
    assert not path
    assert {name for name, at in inside.items() if not at} == {"x", "t", "quadratic"}
    assert len(inside["first/mix"]) == 1
    assert len(inside["first/core/a"]) == 2
    assert inside["first/core/a"][0] == inside["first/mix"][0] != inside["second/mix"][0]
    assert len({at for at in inside.values() if len(at) == 2}) == 2
    clusters = re.findall(r"subgraph cluster_\d+ {\n\t(.*)", network_dot(g))
    named = [
        (text_of(re.search("<<.*>>", line)[0]).strip(), re.search('tooltip="?([^" ]+)', line)[1]) for line in clusters
    ]
    assert named == [("first", "first"), ("core", "first/core"), ("second", "second"), ("core", "second/core")]


def test_deep_networks_run_down_and_flat_ones_across():
    g, _ = two_towers()
    assert "rankdir=LR" in network_dot(g)
    assert "rankdir=LR" in network_dot(g, Style(across=7))
    assert "rankdir=TB" in network_dot(g, Style(across=6))
    deep = mg.Sequential(2, *[Dense(2) for _ in range(8)])
    assert "rankdir=TB" in network_dot(deep)


def test_families():
    class Mine(mg.Layer):
        pass

    class Sum(Add):
        pass

    kinds = {
        Input(): "input", Dense(1): "neurons", Add(): "merge", Sum(): "merge", Flatten(): "shape", Dropout(): "noise",
        Activation("relu"): "activation", Quadratic(): "cost", Mine(): "custom",
    }  # fmt: skip
    assert {layer: family(layer) for layer in kinds} == kinds
    assert set(kinds.values()) <= set(STYLE.families)
    for name in layers.__all__:
        kind = getattr(layers, name)
        if isinstance(kind, type) and issubclass(kind, layers.Layer) and kind is not layers.Layer:
            assert family(object.__new__(kind)) in STYLE.families.keys() - {"custom"}, name


def test_the_same_graph_gives_the_same_bytes_in_any_process():
    lines = (
        "import sys; sys.path[:0] = sys.argv[1:]; import test_drawing as t; g, f = t.two_towers(); h, e = t.nested();"
        "sys.stdout.buffer.write((t.network_dot(g) + t.flow_dot(t.ran(g, f)) + t.flow_dot(t.ran(h, e))).encode())"
    )
    folders = [str(pathlib.Path(mg.__file__).parent.parent), str(pathlib.Path(__file__).parent)]
    texts = [
        subprocess.run(
            [sys.executable, "-c", lines, *folders],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    ]
    assert texts[0] == texts[1] != b""


# ---- names ----

NAMES = [
    'a:b <c> {d} | "e"', r"\N \G \L \l \r \\", "two\nlines", "δ ∂C/∂w ‖·‖", "🎉", "", " ", "<b>", "<i>it</i>", "]]>",
    "-->",     "&amp;", "&alpha; &#65; &", "a\\", '"', "bell\x07 nul\x00 esc\x1b", "\ud800", "\ufffe", "node",
    "subgraph", "n0", "%3",     "x" * 500, "word " * 100, "\u202eright to left", "tab\tand\r\nreturn",
]  # fmt: skip


def as_seen(name):
    """The name without what only breaks lines, with � for what XML can't hold; blank names in quotation marks."""
    seen = re.sub(r"[\x00-\x08\x0e-\x1f\ud800\ufffe]", "�", name.replace("\t", " ")).replace("\r", "").replace("\n", "")
    return seen if seen.strip() else f'"{seen}"'


@needs_graphviz
@pytest.mark.parametrize("what", ["network", "flow"])
def test_names_survive(what):
    g = mg.Graph(NAMES[0], seed=0)
    x = g.input(NAMES[0], 2)
    for name in NAMES[1:]:
        block = mg.Graph("block")
        block.add(Dense(2, "tanh"), block.input("x", 2), name=name)
        g.add(block, g.add(Dense(2), x, name=name), name=f"block {name}")
    g.cost(Quadratic(), g.add(Add(), *g.outputs), name="C")
    dot = network_dot(g) if what == "network" else flow_dot(ran(g, {NAMES[0]: np.eye(2), "t": np.eye(2)}))
    seen = svg_of(dot)
    assert sorted(id for id in seen if re.fullmatch(r"n\d+", id)) == sorted(f"n{node.id}" for node in g.nodes)
    assert {edge_id(edge) for edge in g.edges} <= set(seen)
    for node in g.nodes:
        name = node.name.removeprefix(f"{node.block[0]}/") if node.block else node.name  # the frame says the rest
        if len(name) < 80:
            assert seen[f"n{node.id}"].startswith(as_seen(name)), node.name
        else:
            start, _, end = seen[f"n{node.id}"].partition("……")
            assert name.startswith(start)
            assert len(start) > 45
            assert end[:27] == name[-27:]
    titles = [id for id in seen if re.fullmatch(r"b\d+", id)]
    assert len(titles) == len(NAMES) - 1
    assert any(seen[id].startswith("block <b>") for id in titles)


@needs_graphviz
def test_every_character_gives_a_picture():
    g = mg.Graph("characters")
    x = g.input("x", 1)
    points = [*range(0x300), *range(0x2000, 0x2100), *range(0xD7F0, 0xE010), *range(0xFFF0, 0x10010)]
    for i in range(0, len(points), 64):
        g.add(Identity(), x, name="".join(map(chr, points[i : i + 64])))
    assert len(svg_of(network_dot(g))) > len(g.nodes)


def test_the_whole_name_is_in_the_tooltip():
    g = mg.Graph("long")
    g.input("long " * 100, 1)
    g.input("\\N" * 9000, 1)
    tips = [look["tooltip"] for _, look in statements(network_dot(g)).values()]
    assert tips[0] == "long " * 100
    assert tips[1].startswith(r"\\\\N\\\\N")  # replaced twice, hence four for one
    assert len(tips[1].encode()) < 16_000


@needs_graphviz
@pytest.mark.parametrize("name", NAMES)
def test_tooltips_are_shown_literally(name):
    g = mg.Graph("tips", seed=0)
    h = g.add(Dense(1), g.input(name, 1), name="h")
    root = ET.fromstring(g.picture().svg())
    groups = root.iter("{http://www.w3.org/2000/svg}g")
    titles = {group.get("id"): (group.findtext("{*}title") or "").replace("\xa0", " ") for group in groups}
    seen = re.sub(r"[\x00-\x08\x0b\x0e-\x1f\ud800\ufffe]", "�", "\n".join(name.splitlines()).replace("\t", " "))
    assert titles["n0"] == seen
    assert titles[f"e0-{h.id}-0"] == f"{seen} → h"


def test_a_layers_own_words_are_text():
    class Odd(Identity):
        def describe(self):
            return "<b>&\n\\N" + "x" * 500

    g = mg.Graph("odd")
    g.add(Odd(), g.input("x", 1))
    assert "&lt;b&gt;&amp;<BR" in network_dot(g)


# ---- the gradient flow ----


def number_on(look):
    text = text_of(look["label"]).strip().removeprefix("⚠ ")
    return {"NaN": math.nan, "∞": math.inf}.get(text) or float(text)


@every_wiring
def test_edges_show_the_rms_that_travelled_along_them(name):
    w = wired(name)
    run = w.forward().backward()
    found = statements(flow_dot(run))
    carrying = [edge for edge in run.graph.edges if "label" in found[edge_id(edge)][1]]
    ran = {view.node for view in run}
    assert carrying == [e for e in run.graph.edges if e.target in ran and run.edge(*e).state == "computed"] != []
    for edge in run.graph.edges:
        assert ("dir" in found[edge_id(edge)][1]) == (edge in carrying)
    for edge in carrying:
        look = found[edge_id(edge)][1]
        assert look["dir"] == "back"
        assert number_on(look) == pytest.approx(np.sqrt(np.mean(run.edge(*edge).grad ** 2)), rel=6e-3)


@every_wiring
def test_nodes_show_the_norms_of_their_own_use(name):
    run = wired(name).forward().backward()
    found, count = statements(flow_dot(run)), 0
    for attribute, param in ((a, p) for node in run.graph.nodes for a, p in node.layer.params.items()):
        try:
            shares = run.grad(param, per="use")
        except NotComputedError:  # frozen, without a path to a cost, or not run
            continue
        for name, share in shares.items():
            label = text_of(found[f"n{run.graph[name].id}"][1]["label"])
            norms = [float(x) for x in re.findall(rf"‖∂C/∂{attribute}‖ (\S+)", label)]
            assert norms == pytest.approx([np.linalg.norm(share)], rel=6e-3)
            count += 1
    assert count


@needs_graphviz
@every_wiring
def test_every_wiring_becomes_a_picture(name):
    run = wired(name).forward().backward()
    for dot in (network_dot(run.graph), flow_dot(run)):
        assert {f"n{node.id}" for node in run.graph.nodes} | set(statements(dot)) <= set(svg_of(dot))


def test_the_title_and_each_cost_show_c():
    run = ran_many()
    dot = flow_dot(run)
    assert f"gradient flow, batch of 3, C = {run.cost:.3g}" in header(dot)
    for name, cost in run.costs.items():
        assert f"C = {cost:.3g}" in text_of(statements(dot)[f"n{run.graph[name].id}"][1]["label"])


def test_width_and_color_follow_one_log_scale():
    run = ran(*two_towers())
    found = statements(flow_dot(run))
    looks = {edge: found[edge_id(edge)][1] for edge in run.graph.edges if run.edge(*edge).state == "computed"}
    sizes = {edge: rms(run.edge(*edge).grad) for edge in looks}
    cost = max(sizes, key=sizes.get)
    assert cost.target.name == "quadratic"
    assert looks[cost]["color"] == STYLE.falling[0]
    for edge, look in looks.items():
        decades = math.log10(sizes[edge] / sizes[cost])
        assert float(look["penwidth"]) == pytest.approx(
            STYLE.thick + decades * (STYLE.thick - STYLE.thin) / 5, abs=1e-3
        )
    assert f"relative to the cost edge, {shown(sizes[cost])}" in header(flow_dot(run))


@pytest.mark.parametrize("depth", [3, 8, 14, 18, 30])
def test_the_scale_reaches_down_as_far_as_it_must(depth):
    g = mg.Sequential(1, *[Dense(1, "sigmoid") for _ in range(depth)], cost=Quadratic())
    for param in g.params.values():
        param.value.fill(0.5)
    run = ran(g, {"x": [[1.0]], "t": [[0.0]]})
    dot, sizes = flow_dot(run), [rms(run.edge(*edge).grad) for edge in g.edges if run.edge(*edge).state == "computed"]
    decades = max(math.ceil(math.log10(max(sizes) / min(sizes))), 5)
    end = "≤10⁻²⁰" if decades > 20 else "10" + str(-decades).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    assert scale_of(dot)[-1] == end
    assert not {"10¹", "10²"} & set(scale_of(dot))
    colors = [statements(dot)[f"e{i}-{i + 1}-0"][1]["color"] for i in range(depth - 3, depth)]
    assert len(set(colors)) == 3
    if "≤" in end:
        first = statements(dot)["e1-2-0"][1]
        assert (first["color"], float(first["penwidth"])) == (STYLE.falling[-1], STYLE.thin)


@pytest.mark.parametrize(("factor", "start"), [(3, "10¹"), (9, "10²"), (90, "10⁴"), (900, "10⁶"), (1e6, "≥10⁸")])
def test_the_scale_reaches_up_as_far_as_it_must(factor, start):
    g = mg.Sequential(1, *[Dense(1) for _ in range(3)], cost=Quadratic())
    for param in g.params.values():
        param.value.fill(factor)
    dot = flow_dot(ran(g, {"x": [[1.0]], "t": [[0.0]]}))
    assert scale_of(dot)[0] == start
    widths = [float(statements(dot)[id][1]["penwidth"]) for id in ("e1-2-0", "e2-3-0", "e3-5-0")]
    assert widths[0] > widths[1] > widths[2] == STYLE.thick
    if "≥" in start:
        assert statements(dot)["e1-2-0"][1]["color"] == STYLE.rising[-1]


def test_going_back_from_a_node_the_scale_is_relative_to_its_error():
    g, feeds = two_towers()
    run = g.forward(feeds)
    run.backward("dense_1", np.full((10, 6), 0.5))
    dot = flow_dot(run)
    assert "relative to the error it began with, 0.500" in header(dot)
    assert statements(dot)[f"e{g['add'].id}-{g['out'].id}-0"][1]["style"] == "dashed"


DASH = {"not yet": "dotted", "no path": "dashed", "not asked": "solid"}
KEY = {"not yet": "no gradient yet", "no path": "no path for a gradient", "not asked": "nothing trainable before"}


def unfinished():
    """A backward sweep that stopped at the node 'out'."""
    g, feeds = two_towers()
    run = g.forward(feeds)

    def stop(node, record):
        if node.name == "out":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.backward(observe=stop)
    return run


@pytest.mark.parametrize(
    ("make", "states"),
    [
        (lambda: two_towers()[0].forward(two_towers()[1]), {"not yet", "no path"}),
        (lambda: ran(*two_towers()), {"computed", "not asked", "no path"}),
        (ran_many, {"computed", "not asked", "no path"}),
        (unfinished, {"computed", "not yet", "not asked", "no path"}),
    ],
    ids=["before backward", "after", "many", "unfinished"],
)
def test_states_are_told_apart_and_only_those_that_occur_explained(make, states):
    run = make()
    dot = flow_dot(run)
    found = statements(dot)
    there = {edge: run.edge(*edge).state for edge in run.graph.edges}
    assert set(there.values()) == states
    for edge, state in there.items():
        look = found[edge_id(edge)][1]
        assert look.get("style") == DASH.get(state)
        assert (look["color"] == STYLE.quiet) == (state != "computed")
    for state, text in KEY.items():
        assert (text in header(dot)) == (state in states)
    assert ("10⁻⁵" in scale_of(dot)) == ("computed" in states)


def test_before_backward_there_are_no_numbers():
    g, feeds = two_towers()
    dot = flow_dot(g.forward(feeds))
    assert re.search(r"C = [\d.]+, no gradient yet", header(dot))
    assert not any("label" in look for id, (_, look) in statements(dot).items() if id[0] == "e")
    assert "‖" not in dot
    with pytest.raises(NotComputedError, match="forward"):
        flow_dot(mg.Run(g))


def test_what_was_not_run_is_faded():
    g, feeds = two_towers()
    feeds.pop("t")
    dot = flow_dot(g.forward(feeds, until="dense_1"))
    found = statements(dot)
    active = {"left", "right", "u", "dense", "concat", "dense_1"}
    faded = {node.name for node in g.nodes if found[f"n{node.id}"][1]["color"] == STYLE.faint}
    assert faded == {node.name for node in g.nodes} - active
    assert found[edge_id(g.edges[-1])][1]["color"] == STYLE.faint
    assert "not part of this run" in header(dot)
    assert "cost not computed" in header(dot)


def test_frozen_layers_and_dead_branches_say_so():
    run = ran_many()
    found = statements(flow_dot(run))
    texts = {node.name: text_of(found[f"n{node.id}"][1]["label"]) for node in run.graph.nodes}
    assert "12 params, frozen" in texts["frozen"]
    assert "‖" not in texts["frozen"]
    assert "no path for a gradient" in texts["dead"]
    assert all("‖∂C/∂w‖" in texts[f"use {i}"] for i in range(3))


def test_a_gradient_of_zero_is_marked():
    g, feeds = two_towers()
    feeds["t"] = np.array(g.forward(feeds)["out"].a)
    dot = flow_dot(ran(g, feeds))
    for edge in g.edges:
        if edge.source not in g.inputs:
            look = statements(dot)[edge_id(edge)][1]
            assert text_of(look["label"]).strip() == "0"
            assert (look["arrowtail"], look["penwidth"], look["dir"]) == ("onormal", "1", "back")
    assert "exactly 0" in header(dot)
    assert scale_of(dot) == []
    assert "exactly 0" not in header(flow_dot(ran(*two_towers())))


@needs_graphviz
@pytest.mark.parametrize(("bad", "label"), [(np.nan, "NaN"), (np.inf, "∞")])
def test_what_is_not_finite_is_marked_and_still_drawn(bad, label):
    g, feeds = two_towers()
    feeds["t"][3, 1] = bad
    with np.errstate(invalid="ignore"):
        dot = flow_dot(ran(g, feeds))
    look = statements(dot)[edge_id(g.edges[-2])][1]
    assert (text_of(look["label"]).strip(), look["color"]) == (label, STYLE.alarm)
    assert f"C = {label}" in header(dot)
    assert "not finite" in header(dot)
    assert not re.search(r'="?-?(?:nan|inf)\b', dot, re.IGNORECASE)
    assert svg_of(dot)[edge_id(g.edges[-2])] == label
    assert "not finite" not in header(flow_dot(ran(*two_towers())))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_cost_that_is_not_finite_leaves_the_other_its_scale(bad):
    g = mg.Graph("two costs", seed=0)
    h = g.add(Dense(2), g.input("x", 2))
    fine = g.cost(Quadratic(), g.add(Dense(2), h, name="fine"), target="t")
    g.cost(Quadratic(), g.add(Dense(2), h), target="bad")
    with np.errstate(invalid="ignore"):
        dot = flow_dot(ran(g, {"x": np.eye(2), "t": np.ones((2, 2)), "bad": np.full((2, 2), bad)}))
    look = statements(dot)[f"e{g['fine'].id}-{fine.id}-0"][1]
    assert look["color"] == STYLE.falling[0]
    assert f"the largest cost edge, {shown(number_on(look))}" in header(dot)


def test_rms_neither_overflows_nor_vanishes():
    assert rms(np.array([[3.0, -4.0]])) == pytest.approx(math.sqrt(12.5))
    assert rms(np.full(5, 1e-200)) == pytest.approx(1e-200)
    assert rms(np.full(5, 1e200)) == pytest.approx(1e200)
    assert rms(np.full(3, 1e-30, np.float32)) == pytest.approx(1e-30)
    assert rms(np.zeros(3)) == 0
    assert math.isnan(rms(np.array([np.inf, np.nan])))
    assert rms(np.array([1, -np.inf])) == math.inf


@pytest.mark.parametrize(
    ("x", "text"),
    [(0.0, "0"), (0.25, "0.250"), (-2.0, "-2.00"), (0.0123456, "0.0123"), (0.00999, "9.99e-3"), (0.0099999, "0.0100"),
     (999.4, "999"), (999.6, "1.00e3"), (3e-300, "3.00e-300"), (math.nan, "NaN"), (math.inf, "∞"), (-math.inf, "−∞")],
)  # fmt: skip
def test_numbers_have_three_digits(x, text):
    assert shown(x) == text


# ---- as files, and large ----


@needs_graphviz
def test_graphs_and_runs_draw_themselves(tmp_path):
    g, feeds = two_towers()
    run = ran(g, feeds)
    assert g.draw(tmp_path / "g.dot").read_text(encoding="utf-8") == network_dot(g)
    assert run.draw(tmp_path / "r.gv").read_text(encoding="utf-8") == flow_dot(run)
    assert run.draw(tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")
    assert all(text in run._repr_mimebundle_()["image/svg+xml"] for text in ("two towers", "gradient flow"))
    assert 'id="n0"' in g._repr_mimebundle_()["image/svg+xml"]


def chain(n):
    g = mg.Graph("chain", seed=0)
    node, shared = g.input("x", 1), Dense(1, "tanh")
    for i in range(n):
        node = g.add(shared if i % 2 else Identity(), node)
    g.cost(Quadratic(), node)
    return ran(g, {"x": np.ones((1, 1)), "t": np.zeros((1, 1))})


def seconds(work, *arguments):
    start = time.process_time()
    work(*arguments)
    return time.process_time() - start


@pytest.mark.parametrize("draw", [lambda run: network_dot(run.graph), flow_dot], ids=["network", "flow"])
def test_the_time_grows_with_the_nodes(draw):
    short, long = chain(500), chain(4000)
    best = [min(seconds(draw, run) for _ in range(3)) for run in (short, long)]
    assert best[1] < 2.5 * 8 * best[0]


@pytest.mark.slow
def test_a_hundred_thousand_nodes():
    run = chain(100_000)
    assert len(statements(network_dot(run.graph))) > 200_000
    assert len(statements(flow_dot(run))) > 200_000


def test_one_node_with_many_inputs():
    g = mg.Graph("wide")
    x = g.input("x", 1)
    g.cost(Quadratic(), g.add(Add(), *[x] * 3000, name="sum"))
    run = g.forward(x=[1.0], t=[1.0])
    run.backward(wrt="x")
    dot = flow_dot(run)
    assert "3000 inputs → 1" in dot
    assert dot.count("dir=back") == 3001
    assert seconds(flow_dot, run) < 10
    assert "gradient flow, one example, C =" in header(dot)


def test_a_tie_between_neighbors_leads_round_their_edge():
    g = mg.Graph(seed=0)
    first = Dense(4, name="first")
    h = first(g.input("x", 4))
    g.output(Dense(4, weights=first.w.T, name="second")(h))
    tie = next(line for line in network_dot(g).splitlines() if "same weights" not in line and "share w" in line)
    assert "headport=s" in tie
    assert "tailport=s" in tie
    g = mg.Graph(seed=0)
    first = Dense(4, name="first")
    h = first(g.input("x", 4)) >> Dense(4)
    g.output(Dense(4, weights=first.w.T, name="second")(h))
    tie = next(line for line in network_dot(g).splitlines() if "share w" in line)
    assert "port" not in tie
