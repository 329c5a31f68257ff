"""Themes that everybody can read, and looks that change single boxes."""

import itertools
import re
from fnmatch import fnmatchcase

import numpy as np
import pytest
from test_drawing import nested, network_dot, statements, text_of, two_towers

import minigraph as mg
from minigraph.errors import GraphError
from minigraph.layers import Bias, Dense, Exp, LSTMCell, Mean, Slice, UpSample2D
from minigraph.render.scale import Learning, Scale
from minigraph.render.style import SHAPES, STYLE, Look, Style, family, stack
from minigraph.render.themes import THEMES, mixed, style

every_theme = pytest.mark.parametrize("theme", THEMES)

# Machado, Oliveira, Fernandes 2009: what is seen without one kind of cone, in linear RGB
SEEN = {
    "all cones": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def linear(color):
    v = np.array([int(color[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def contrast(one, other):
    """WCAG's ratio of luminances, from 1 to 21."""
    low, high = sorted(linear(color) @ [0.2126, 0.7152, 0.0722] for color in (one, other))
    return (high + 0.05) / (low + 0.05)


def difference(one, other, seen):
    """CIE 1976: about 2 is just noticeable."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    labs = []
    for color in (one, other):
        t = to_xyz @ np.clip(np.array(SEEN[seen]) @ linear(color), 0, 1) / [0.9505, 1.0, 1.089]
        f = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
        labs.append([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])
    return float(np.linalg.norm(np.subtract(*labs)))


@every_theme
def test_texts_and_lines_stand_out(theme):
    s = THEMES[theme]
    grounds = [s.paper, s.wash, *(look.fill for look in s.families.values()), *s.learning]
    for ground, text in itertools.product(grounds, (s.ink, s.soft, s.alarm)):
        assert contrast(ground, text) >= (7 if text == s.ink else 4.5), (ground, text)
    drawn = [s.quiet, s.tie, s.positive, s.negative, *s.falling, *s.rising]
    for color in [*drawn, *(look.outline for look in s.families.values())]:
        assert contrast(s.paper, color) >= 3, color


@every_theme
def test_families_differ_in_shape_whatever_the_colors(theme):
    shapes = [look.shape for look in THEMES[theme].families.values()]
    assert len(set(shapes)) == len(shapes)
    assert len({SHAPES[shape].glyph for shape in shapes}) == len(shapes)


@pytest.mark.parametrize("seen", SEEN)
@every_theme
def test_sizes_of_gradients_are_told_apart_by_everybody(theme, seen):
    s = THEMES[theme]
    for one, other in itertools.pairwise(s.falling):
        assert difference(one, other, seen) >= 6, (one, other)
    ground = [contrast(s.paper, color) for color in s.falling]
    assert ground == sorted(ground, reverse=bool(ground[0] > ground[-1]))  # lightness alone tells the order
    if theme != "print":  # where black is all there is, and the width goes on growing
        assert min(difference(color, s.falling[0], seen) for color in s.rising) >= 15
        assert difference(s.positive, s.negative, seen) >= 30
    fills = [contrast(s.ink, color) for color in s.learning]
    assert fills == sorted(fills, reverse=True)


def test_widths_and_colors_grow_with_the_gradient():
    scale = Scale([1e-5, 1.0, 30.0], 1.0, "", THEMES["light"])
    assert (scale.fall, scale.rise) == (5, 2)
    widths = [scale.width(decades) for decades in np.linspace(-5, 2, 29)]
    assert widths == sorted(widths)
    assert [widths[0], scale.width(0), widths[-1]] == [1.0, 6.0, 8.5]
    assert [scale.color(decades) for decades in (-5, 0, 1, 2)] == ["#440154", "#008f68", "#d55e00", "#8c1d04"]
    for part in (0.25, 0.5, 0.75):
        assert scale.color(-part) == mixed("#008f68", "#17808a", part)
    assert [scale.decades(size) for size in (1e-9, 1e-3, 10.0, 1e9)] == pytest.approx([-5, -3, 1, 2])
    assert [ratio for _, ratio in scale.samples()] == ["10²", "10¹", "1", "10⁻¹", "10⁻²", "10⁻³", "10⁻⁴", "10⁻⁵"]


@pytest.mark.parametrize(
    ("smallest", "largest", "fall", "rise"),
    [
        (0.5, 1.0, 5, 0),
        (2e-6, 1.0, 6, 0),
        (1e-6, 1.0, 6, 0),
        (1e-12, 3.0, 12, 1),
        (1e-30, 1e30, 20, 8),
        (1.0, 1e3, 5, 3),
    ],
)
def test_the_scale_reaches_as_far_as_the_sizes(smallest, largest, fall, rise):
    scale = Scale([smallest, largest], 1.0, "", THEMES["light"])
    assert (scale.fall, scale.rise) == (fall, rise)
    assert len(scale.samples()) <= 13
    ratios = [ratio for _, ratio in scale.samples()]
    assert ("≤" in ratios[-1], "≥" in ratios[0]) == (smallest < 1e-20, largest > 1e8)


def test_a_longer_scale_is_spread_and_a_short_rise_is_not():
    s = THEMES["light"]
    long, short = Scale([0.95e-10, 1.0], 1.0, "", s), Scale([1e-3, 8.0], 1.0, "", s)
    assert [long.width(decades) for decades in (0, -5, -10)] == [6.0, 3.5, 1.0]
    assert [long.color(decades) for decades in (0, -2, -10)] == [s.falling[0], s.falling[1], s.falling[5]]
    assert [ratio for _, ratio in long.samples()] == ["1", "10⁻²", "10⁻⁴", "10⁻⁶", "10⁻⁸", "≤10⁻¹⁰"]
    assert [short.color(decades) for decades in (0.5, 1)] == [mixed(s.falling[0], s.rising[0], 0.5), s.rising[0]]


def legend(rows):
    """Colors, heights and words of a wedge."""
    [row] = rows
    bars = re.findall(r'HEIGHT="(\d+)"[^>]*BGCOLOR="(#\w+)"', row)
    words = re.findall(r"<FONT [^>]*>([^<]+)<", row)
    return [(color, int(height), word) for (height, color), word in zip(bars, words, strict=True)]


def test_the_legend_of_lines_has_a_bar_for_each_decade():
    s = THEMES["light"]
    assert legend(Scale([1e-4, 1.0, 30.0], 1.0, "", s).legend()) == [
        (s.rising[1], 8, "10²"), (s.rising[0], 7, "10¹"), (s.falling[0], 6, "1"), (s.falling[1], 5, "10⁻¹"),
        (s.falling[2], 4, "10⁻²"), (s.falling[3], 3, "10⁻³"), (s.falling[4], 2, "10⁻⁴"), (s.falling[5], 1, "10⁻⁵"),
    ]  # fmt: skip


def test_without_a_size_that_is_finite_and_not_zero_there_is_no_scale():
    scale = Scale([0.0, np.inf, np.nan], 0.5, "the cost edge", THEMES["light"])
    assert (scale.reference, scale.origin, scale.samples(), scale.legend()) == (0.0, "", [], [])


def test_the_legend_of_fills_has_a_color_for_each_decade():
    s = THEMES["light"]
    words = ["≥1", "10⁻¹", "10⁻²", "10⁻³", "10⁻⁴", "10⁻⁵", "≤10⁻⁶"]
    assert legend(Learning(s).legend()) == [
        (color, 9, word) for color, word in zip(s.learning[::-1], words, strict=True)
    ]


@pytest.mark.parametrize(("ratio", "place"), [(0.0, 0), (1e-9, 0), (1e-6, 0), (1e-3, 3), (1.0, 6), (50.0, 6)])
def test_fills_by_the_ratio_of_gradient_to_weight(ratio, place):
    s = THEMES["light"]
    assert Learning(s).color(ratio) == s.learning[place]


def test_looks_change_boxes_by_type_of_layer_and_by_name():
    g, _ = two_towers()
    looks = {
        Dense: Look(shape="box", outline="#112233"),
        "d*": Look(fill="#ffeecc"),
        "out": Look(label="the <b>end</b>", shape="hexagon", ink="#440000", font="Courier", size=20),
    }
    found = statements(network_dot(g, style("print", looks=looks, name_size=13)))
    for node in g.nodes:
        look = found[f"n{node.id}"][1]
        assert (look["color"] == "#112233") == isinstance(node.layer, Dense)
        assert (look["fillcolor"] == "#ffeecc") == fnmatchcase(node.name, "d*")
        assert (look.get("shape") == "hexagon") == (node.name == "out")
        assert ('POINT-SIZE="13"' in look["label"]) == (node.name != "out") == ('POINT-SIZE="20"' not in look["label"])
        assert (look.get("fontname") == "Courier") == (node.name == "out")
    assert text_of(found[f"n{g['out'].id}"][1]["label"]).strip().startswith("the <b>end</b>")
    assert set(re.findall(r' COLOR="(\S+)"', found[f"n{g['out'].id}"][1]["label"])) == {"#440000"}


def test_looks_by_name_are_of_a_box_of_that_name_or_of_all_in_it():
    g = nested()[0]
    looks = {
        "first/mix": Look(fill="#990000"),
        "first/*": Look(fill="#ffeecc"),
        Dense: Look(fill="#112233"),
        "a[0]": Look(fill="#334455"),
    }
    g.input("a[0]", 1)
    found = statements(network_dot(g, style(looks=looks), depth=0))
    fills = {name: found[f"n{g[name].id}"][1]["fillcolor"] for name in ("first/core/a", "second/core/a", "a[0]")}
    block = STYLE.families["block"].fill
    assert fills == {"first/core/a": "#ffeecc", "second/core/a": block, "a[0]": "#334455"}
    named = statements(network_dot(g, style(looks={"second": Look(label="mine")}), depth=0))
    assert "mine" in text_of(named[f"n{g['second/core/a'].id}"][1]["label"])
    folded = mg.Sequential(3, *[Dense(3) for _ in range(4)])
    looks = {"dense_2": Look(fill="#990000"), "dense*": Look(ink="#440000"), Dense: Look(shape="hexagon")}
    dot = network_dot(folded, style(looks=looks), fold=True)
    assert ("#990000" in dot, "#440000" in dot, "⬡ neurons" in text_of(dot), "▢" in dot) == (False, True, False, False)


def test_a_look_stands_over_another():
    assert Look(ink="#111111", label="").over(Look("#ffffff", ink="#222222", label="h")) == Look(
        "#ffffff", ink="#111111", label=""
    )


def test_a_style_is_changed_as_a_theme_is():
    mine = style("dark", ink="#010203")
    changed = style(mine, tie="#040506")
    assert (changed.ink, changed.tie, changed.paper) == ("#010203", "#040506", THEMES["dark"].paper)


def test_families_of_layers_that_are_not_named_by_their_module():
    kinds = {Bias(): "activation", Exp(): "activation", LSTMCell(2): "recurrent"}
    kinds |= dict.fromkeys((Slice(0), Mean(), UpSample2D(2)), "shape")
    assert {layer: family(layer) for layer in kinds} == kinds


@pytest.mark.parametrize(
    ("text", "stretch", "rows"),
    [
        ("short", 1, ["short"]),
        ("abcdefghij", 1, ["abcdefghij"]),
        ("one two three", 1, ["one two ", "three"]),
        ("one two three", 2, ["one two three"]),
        ("a bcdefghijkl", 1, ["a bcdefghi", "jkl"]),
        ("encode/hidden", 1, ["encode/", "hidden"]),
        ("a\nb", 1, ["a", "b"]),
        ("a\tb\x07", 1, ["a b�"]),
        ("0123456789" * 3, 1, ["0123456789"] * 3),
        ("0123456789" * 4, 1, ["0123456789", "012345678…", "…123456789"]),
        (r"\N<&>", 1, [r"\\N&lt;&amp;&gt;"]),
        ("", 1, ['""']),
        ("  ", 1, ['"  "']),
    ],
)
def test_names_are_wrapped_and_escaped(text, stretch, rows):
    said = Style(line_length=10, lines=3).words(text, stretch=stretch)
    assert re.fullmatch("<FONT [^>]*>(.*)</FONT>", said)[1].split('<BR ALIGN="LEFT"/>') == rows


def test_the_last_line_of_a_text_stands_where_the_others_do():
    rows = re.findall("<TD[^>]*>(.*?)</TD>", stack(["one", 'two<BR ALIGN="LEFT"/>three']))
    assert rows == ["one", 'two<BR ALIGN="LEFT"/>three<BR ALIGN="LEFT"/>']


def test_blocks_drawn_as_boxes_have_looks_too():
    dot = network_dot(
        nested()[0], Style(families={**Style().families, "block": Look("#fefefe", "#010101", shape="tab")}), depth=0
    )
    assert dot.count("shape=tab") == 2


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_draws(name):
    from minigraph.render.engine import render

    pytest.importorskip("pygraphviz", reason="pygraphviz, of the extra draw, is not installed")
    g = mg.Sequential(2, Dense(2, name="h"))
    svg = render(network_dot(g, style(looks={"h": Look(shape=name)})), "svg").decode()
    assert 'id="n1"' in svg


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        (lambda: style("neon"), "'light', 'dark', 'print'"),
        (lambda: style(ink="red"), "#rrggbb"),
        (lambda: style(falling=("#123",)), "falling"),
        (lambda: style(rising=("red", "#000000")), "rising"),
        (lambda: style(learning=["#00000g"]), "learning"),
        (lambda: style(tie="blue"), "tie"),
        (lambda: style(font='Courier"><b>'), "names of fonts"),
        (lambda: Look(fill="#12345"), "fill"),
        (lambda: Look(outline="#1234567"), "outline"),
        (lambda: Look(ink="red"), "ink"),
        (lambda: Look(shape="star"), "rounded"),
        (lambda: Look(size=0), "1 to 200"),
    ],
)
def test_what_is_no_style(wrong, word):
    with pytest.raises(GraphError, match=word):
        wrong()
