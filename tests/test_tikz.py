"""Drawings as TikZ: what LaTeX is given, and that plain pdflatex sets it."""

import importlib.util
import json
import re
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_picture import NAMES, trained

from minigraph.errors import RenderError
from minigraph.render.latex import BOLD, ITALIC, SUBSCRIPT, SUPERSCRIPT, Run, typeset
from minigraph.render.picture import Picture
from minigraph.render.tikz import document, tikz

needs_graphviz = pytest.mark.skipif(
    importlib.util.find_spec("pygraphviz") is None and shutil.which("dot") is None,
    reason="needs Graphviz: pygraphviz or dot",
)
needs_latex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex with TikZ")

# Text


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("Dense sigmoid ×5", r"Dense sigmoid $\times$5"),
        ("6 + 6 → 12", r"6 + 6 $\to$ 12"),
        ("‖∂C/∂w‖ 0.02", r"$\Vert \partial C$/$\partial w\Vert$ 0.02"),
        ("∂Cost", r"$\partial$Cost"),
        ("∇ₐC", r"$\nabla _{a}$C"),
        ("C = 0.5, BC = 1", r"$C$ = 0.5, BC = 1"),
        ("10⁻⁵", r"10${}^{-5}$"),
        ("90°²", r"90${}^{\circ 2}$"),
        ("xᵀδ′", r"$x^{T}\delta ^{\prime}$"),
        ("a_b^c ~ 5% & #1 $2", r"a\_b\textasciicircum{}c \textasciitilde{} 5\% \& \#1 \$2"),
        ("\\N {d}", r"\textbackslash{}N \{d\}"),
        ("<b> | >", r"$<$b$>$ $|$ $>$"),
        ("a--b?`", r"a-{}-{}b?{}`{}"),
        ("  two  spaces ", "{} two {} spaces"),
        ("caf\u00e9 na\u00efve \u015f e\u0301", r"caf\'{e} na\"{\i}ve \c{s} \'{e}"),
        ("½ ﬁ", r"1/2 fi"),
        ("🎉\u202ex", r"\mgnone{1F389}\mgnone{202E}x"),
        ("", ""),
    ],
)
def test_text(text, latex):
    assert typeset([Run(text)]) == latex


@pytest.mark.parametrize(
    ("runs", "latex"),
    [
        ([("w", 0), ("l", SUPERSCRIPT), ("jk", SUBSCRIPT), (" = 1", 0)], "$w^{l}_{jk}$ = 1"),
        ([("w", BOLD), ("l", SUPERSCRIPT)], r"{\bfseries\boldmath $w^{l}$}"),
        ([("δ", 0), ("x,l+1", SUPERSCRIPT)], r"$\delta ^{x,l+1}$"),
        ([("new", 0), ("2", SUPERSCRIPT)], "new${}^{2}$"),
        ([("x_1", 0), ("2", SUPERSCRIPT)], r"x\_1${}^{2}$"),
        ([("2", SUBSCRIPT), ("3", SUBSCRIPT)], "${}_{23}$"),
        ([("x", 0), ("1", SUBSCRIPT), ("2", SUPERSCRIPT), ("3", SUBSCRIPT)], "$x_{1}^{2}{}_{3}$"),
        ([("x", 0), ("a_b 🎉", SUBSCRIPT)], r"$x_{\hbox{\scalebox{0.7}{$a$\_$b$ \mgnone{1F389}}}}$"),
        ([("a", 0), ("left+β2 in", SUPERSCRIPT)], r"$a^{\hbox{\scalebox{0.7}{$left+\beta 2$ $in$}}}$"),
        ([("a", 0), ("left+β2", SUPERSCRIPT)], r"$a^{\mathrm{left}+\beta 2}$"),
        ([("out", BOLD), (" Dense", 0), (" it", ITALIC)], r"{\bfseries\boldmath out} Dense{\itshape  it}"),
    ],
)
def test_runs(runs, latex):
    assert typeset([Run(*run) for run in runs]) == latex


def balanced(latex):
    depth = 0
    for token in re.findall(r"\\.|[{}]", latex, re.DOTALL):
        depth += {"{": 1, "}": -1}.get(token, 0)
        assert depth >= 0
    return depth == 0 and len(re.findall(r"(?<!\\)(?:\\\\)*\$", latex)) % 2 == 0


@given(st.lists(st.tuples(st.text(), st.sampled_from([0, BOLD, ITALIC, SUPERSCRIPT, SUBSCRIPT]))))
def test_any_text_becomes_harmless_ascii(runs):
    latex = typeset([Run(*run) for run in runs])
    assert latex.isascii()
    assert latex.isprintable()
    assert balanced(latex)
    assert not re.search(r"(?<!\\)[%#&]", latex)


# Layouts


def layout(**more):
    return json.dumps({"bb": "0,0,100,50", "pad": "0.5", **more}).encode()


DRAWN = [
    {"op": "S", "style": "setlinewidth(2.4)"},
    {"op": "S", "style": "dashed"},
    {"op": "c", "color": "#b4413c"},
    {"op": "C", "color": "#fdeeee"},
    {"op": "P", "points": [[0, 0], [10, 0], [10, 5.5]]},
    {"op": "S", "style": "solid"},
    {"op": "b", "points": [[0, 0], [1, 1], [2, 2], [3, 3], [4, 4], [5, 5], [6, 6]]},
    {"op": "L", "points": [[0, 0], [9, 9]]},
    {"op": "c", "color": "#fffffe00"},
    {"op": "E", "rect": [50, 25, 20, 10]},
]


def test_shapes_keep_place_color_width_and_dash():
    text = tikz(layout(objects=[{"id": "n0", "_draw_": DRAWN}]), "net")
    assert text.splitlines()[-7:] == [
        r"\useasboundingbox (-36.00,-36.00) rectangle (136.00,86.00);",
        "% n0",
        r"\path[draw=mgb4413c, fill=mgfdeeee, line width=2.4bp, dash pattern=on 5bp off 2bp] "
        "(0.00,0.00) -- (10.00,0.00) -- (10.00,5.50) -- cycle;",
        r"\path[draw=mgb4413c, line width=2.4bp] (0.00,0.00) .. controls (1.00,1.00) and (2.00,2.00) .. (3.00,3.00)"
        " .. controls (4.00,4.00) and (5.00,5.00) .. (6.00,6.00);",
        r"\path[draw=mgb4413c, line width=2.4bp] (0.00,0.00) -- (9.00,9.00);",
        r"\path[fill=mgfdeeee, line width=2.4bp] (50.00,25.00) ellipse [x radius=20, y radius=10];",
        r"\end{tikzpicture}%",
    ]
    assert re.findall(r"\\definecolor{mg(\w+)}{HTML}{(\w+)}", text) == [("b4413c", "B4413C"), ("fdeeee", "FDEEEE")]


def text_op(text, x, y=5, width=10, align="l"):
    return {"op": "T", "pt": [x, y], "align": align, "width": width, "text": text}


@pytest.mark.parametrize("first", ["edges", "objects"])
def test_what_is_drawn_first_lies_below(first):
    parts = {"objects": [{"id": "box", "_draw_": []}], "edges": [{"id": "line", "_draw_": []}]}
    order = {"outputorder": "edgesfirst"} if first == "edges" else {}
    drawn = tikz(json.dumps({"bb": "0,0,9,9", **order, **parts}).encode(), "order")
    ids = re.findall("^% (box|line)$", drawn, re.MULTILINE)
    assert ids == (["line", "box"] if first == "edges" else ["box", "line"])


def test_texts_that_touch_are_set_as_one():
    ops = [
        {"op": "c", "color": "#000000"}, {"op": "F", "size": 9}, text_op("z", 0), {"op": "t", "fontchar": 8},
        text_op("l", 10), {"op": "t", "fontchar": 0}, text_op("far", 30), text_op("below", 40, 0),
        {"op": "F", "size": 12}, text_op("large", 50, 0), {"op": "c", "color": "#ffffff"}, text_op("white", 60, 0),
        text_op("centered", 60, 9, 20, "c"), text_op("right", 60, 9, 20, "r"),
    ]  # fmt: skip
    assert [line for line in tikz(layout(_ldraw_=ops), "").splitlines() if line.startswith(r"\mgtext")] == [
        r"\mgtext{9}{mg000000}{west}{0.00,5.00}{20.00}{$z^{l}$}",
        r"\mgtext{9}{mg000000}{west}{30.00,5.00}{10.00}{far}",
        r"\mgtext{9}{mg000000}{west}{40.00,0.00}{10.00}{below}",
        r"\mgtext{12}{mg000000}{west}{50.00,0.00}{10.00}{large}",
        r"\mgtext{12}{mgffffff}{west}{60.00,0.00}{10.00}{white}",
        r"\mgtext{12}{mgffffff}{}{60.00,9.00}{20.00}{centered}",
        r"\mgtext{12}{mgffffff}{east}{60.00,9.00}{20.00}{right}",
    ]


def test_a_layout_that_latex_cannot_measure():
    with pytest.raises(RenderError, match=r"72 by 20,072 points large, and LaTeX measures up to 16,000: .* fold it"):
        tikz(layout(bb="0,0,0,20000"), "")


def test_a_title_is_one_comment():
    assert tikz(layout(), "two\n\\end{x}\0 % lines").splitlines()[:2] == [
        r"% two \end{x} % lines: needs \usepackage{tikz}",
        r"\begin{tikzpicture}[x=1bp, y=1bp, line width=1bp]",
    ]


# LaTeX


def compiled(folder, name):
    options = ["-interaction=nonstopmode", "-halt-on-error", f"-output-directory={folder}"]
    done = subprocess.run(["pdflatex", *options, name], cwd=folder, capture_output=True, timeout=60)
    log = (folder / name).with_suffix(".log").read_text(encoding="latin1")
    assert done.returncode == 0, log[-1000:]
    assert not re.findall("Missing character.*|Overfull.*|LaTeX Warning.*", log)
    return log


SHAPES = "□▢▣⬚▨◯⬡⎔⛁❒◹◰◧⊞■●▬◀⚠"


@needs_latex
@needs_graphviz
def test_plain_pdflatex_sets_everything(tmp_path):
    run = trained(float("nan"))
    flow = run.picture().save(tmp_path / "flow.tex")
    assert "Output written" in compiled(tmp_path, flow.name)
    assert "(1 page," in (tmp_path / "flow.log").read_text(encoding="latin1")
    every = "".join(chr(code) for code in [*range(0x20, 0x250), *range(0x370, 0x400), *range(0x2000, 0x2C00)])
    lines = [every[i : i + 60] for i in range(0, len(every), 60)] + NAMES + [SHAPES]
    texts = [text_op(line, 0, 5 * i, 500) for i, line in enumerate(lines)]
    ops = [{"op": "c", "color": "#000000"}, {"op": "t", "fontchar": 1}, *texts, {"op": "t", "fontchar": 8}, *texts]
    (tmp_path / "letters.tex").write_text(document(layout(_ldraw_=ops, bb="0,0,600,999"), ""), encoding="utf-8")
    compiled(tmp_path, "letters.tex")
    assert not any("mgnone" in typeset([Run(shape)]) for shape in SHAPES)


@needs_latex
@needs_graphviz
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs pdftotext")
def test_in_a_paper_words_are_where_graphviz_left_room_for_them(tmp_path):
    words = {"MWMWMWMWMW": "west", "illilli": "west", "WWWWWWWW": ""}
    room = 50
    ops = [{"op": "c", "color": "#000000"}, {"op": "F", "size": 14}]
    ops += [text_op(word, 100, 20 * i, room, "c" if not at else "l") for i, (word, at) in enumerate(words.items())]
    (tmp_path / "net.tikz").write_text(tikz(layout(_ldraw_=ops, bb="0,0,200,100"), ""), encoding="utf-8")
    (tmp_path / "paper.tex").write_text(
        "\\documentclass{article}\\usepackage{tikz}\\begin{document}\n\\noindent\\input{net.tikz}\n\\end{document}"
    )
    compiled(tmp_path, "paper.tex")
    subprocess.run(["pdftotext", "-bbox", "paper.pdf"], cwd=tmp_path, check=True)
    boxes = re.findall(
        r'xMin="([\d.]+)" yMin="[\d.]+" xMax="([\d.]+)" yMax="[\d.]+">(\w+)<', (tmp_path / "paper.html").read_text()
    )
    spans = {word: (float(left), float(right)) for left, right, word in boxes}
    assert set(words) <= set(spans)
    left = spans["MWMWMWMWMW"][0]  # where the room begins
    assert spans["MWMWMWMWMW"][1] == pytest.approx(left + room, abs=0.2)
    assert spans["illilli"][0] == pytest.approx(left, abs=0.2)
    assert spans["illilli"][1] < left + room
    assert spans["WWWWWWWW"] == pytest.approx((left - room / 2, left + room / 2), abs=0.2)


@needs_graphviz
def test_a_picture_as_tikz_has_every_id_and_word(tmp_path):
    dot = 'digraph { bgcolor=white a [id=n0, label=<w<SUP>l</SUP><SUB>jk</SUB>>] ; a -> b [id="e0-1-0", label="0.5"] }'
    text = Picture(dot, "net", "").save(tmp_path / "net.tikz").read_text(encoding="utf-8")
    assert {"% n0", "% e0-1-0"} <= set(text.splitlines())
    assert "{$w^{l}_{jk}$}" in text
    assert "{0.5}" in text
    assert "fill=mgffffff" in text
