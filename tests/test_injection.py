"""Words that would be code where they are written: in SVG, HTML, DOT, LaTeX and Markdown they stay words."""

import json
import re
import subprocess
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from oddities import Through
from test_explain import code_spans, needs_latex
from test_explorer import needs_browser, opened
from test_picture import needs_graphviz

import minigraph as mg
from minigraph.costs import Quadratic
from minigraph.errors import FeedError
from minigraph.explain import document, explain
from minigraph.layers import Add, Dense
from minigraph.render import engine

__all__ = ["opened"]  # a fixture

ATTACKS = [
    "</title></h1><img src=x onerror=pwned=1>", "<script>pwned = 1</script>",
    '"><img src=x onerror=pwned=1>', "' onload='pwned=1' x='", "javascript:pwned=1",
    "]]><svg onload=pwned=1>", "</svg><script>pwned=1</script>", "&quot;><script>pwned=1</script>",
    "--></style><script>pwned=1</script>", "</script><script>pwned=1</script>", "</head><body onload=pwned=1>",
    "\u2028pwned=1//\u2029", r"\N\G\L\"; n0 -> n1; \\", 'x"]; n0 -> n0; "', "<<b>bold</b>>", "</TD></TR></TABLE>>",
    r"\immediate\write18{touch pwned}", r"\input{/etc/passwd}", "^^5cinput{/etc/passwd}", "100% }{ $ & # _ ^ ~",
    r"\end{tikzpicture}\end{document}", "[x](javascript:pwned=1)", "![x](http://x.y/z)", "`` `b` ``", "| a | b |",
    "$\\href{javascript:pwned=1}{x}$", "*/ pwned=1 /*", "${pwned=1}", "{{pwned=1}}", "\x1b]0;pwned\x07\x1b[31m", "# h",
]  # fmt: skip


add = eval(compile("lambda g, *inputs, **words: g.add(*inputs, **words)", '"><img src=x onerror=pwned=1>.py', "eval"))
"""What adds a node in a file of such a name."""


def learned(words):
    """A run of a graph that bears the words wherever words can be given, and a history of its gradients."""
    words = iter(words)
    g, block = mg.Graph(next(words), seed=0), mg.Graph(next(words))
    block.output(block.input("x", 2) >> Dense(2, "tanh", name=next(words)))
    feed, target = next(words), next(words)
    x, h = g.input(feed, 2), []
    inside = g.block(block, x, name=next(words))
    for i, word in enumerate(words):
        if i % 3:
            layer = Dense(2, "tanh")
        else:
            kind = type(word, (Through,), {"__doc__": word, "__module__": word})
            layer = kind()
        h.append(add(g, layer, x, name=word))
    g.cost(Quadratic(), g.add(Add(), inside, *h), target=target)
    feeds, gradients = {feed: np.eye(2), target: np.eye(2)}, mg.GradientHistory()
    mg.fit(g, feeds, epochs=2, batch_size=2, optimizer=mg.SGD(0.1), watch=[gradients], progress=False)
    for node in h[:6]:
        if isinstance(node.layer, Dense):
            node.layer.b.value = np.full(2, -1e3)  # so that there is something to find
    return g.forward(feeds).backward(), gradients


def harmless(count):
    return [f"w{i}" for i in range(count)]


@pytest.fixture(scope="module")
def attacked():
    return learned(ATTACKS)


@pytest.fixture(scope="module")
def twin():
    """The same graph with harmless words: what is written of both has the same form."""
    return learned(harmless(len(ATTACKS)))


def small(words):
    """A run of a few neurons in layers of these names."""
    g = mg.Graph(words[0], seed=0)
    h = g.input(words[1], 2)
    for word in words[2:]:
        h = g.add(Dense(2, "tanh"), h, name=word)
    g.cost(Quadratic(), h, target="t")
    return g.forward({words[1]: np.eye(2), "t": np.eye(2)}).backward()


def relabeled(run):
    """The network, whose boxes bear other words than their names."""
    names = [node.name for node in run.graph.nodes]
    looks = {type(node.layer): mg.Look(label=name) for node, name in zip(run.graph.nodes, reversed(names), strict=True)}
    return run.graph.picture(style=mg.style("light", looks=looks))


DRAWINGS = {
    "network": lambda run, gradients: run.graph.picture(),
    "symbols": lambda run, gradients: run.graph.picture(detail="symbols"),
    "blocks as boxes": lambda run, gradients: run.graph.picture(depth=0),
    "flow": lambda run, gradients: run.picture(),
    "over training": lambda run, gradients: gradients.picture([1, 2]),
    "labels of looks": lambda run, gradients: relabeled(run),
    "neurons": lambda run, gradients: small([run.graph.name, *(node.name for node in run.graph.nodes)]).neurons(),
}


def tags_and_attributes(svg):
    """All that is used, and the tags by name as they stand in the text, whoever reads it."""
    parsed = [(tag.tag, *tag.attrib) for tag in ElementTree.fromstring(svg).iter()]
    return set(sum(parsed, ())), set(re.findall(r"<\s*(\w+)", svg))


@needs_graphviz
@pytest.mark.parametrize("drawing", DRAWINGS)
def test_in_a_drawing_words_make_nothing(drawing, attacked, twin):
    drawn = [DRAWINGS[drawing](*one) for one in (attacked, twin)]
    svg, calm = (picture.svg() for picture in drawn)
    assert tags_and_attributes(svg) == tags_and_attributes(calm)
    assert not {
        name for name in tags_and_attributes(svg)[0] if name.startswith("on") or name.endswith(("href", "script"))
    }
    laid = [json.loads(engine.render(picture.dot, "json")) for picture in drawn]
    assert len({(len(one["objects"]), len(one.get("edges", ()))) for one in laid}) == 1  # of nodes, and of edges
    said = "".join("".join(ElementTree.fromstring(svg).itertext()).split())
    shown = {word for word in ATTACKS[2:] if "".join(word.split())[:12] in said}
    assert len(shown) > (3 if drawing == "symbols" else 20)


@needs_browser
def test_in_a_browser_nothing_runs(attacked, opened, tmp_path):
    run, gradients = attacked
    picture = run.picture()
    made = {
        "page": run.explore(tmp_path / "made.html", history=gradients).read_text(encoding="utf-8"),
        "drawing": picture.save(tmp_path / "drawn.html").read_text(encoding="utf-8"),
        "cell": picture._repr_mimebundle_()["text/html"],
        "findings": run.diagnose()._repr_html_(),
    }
    assert "saturated" in made["findings"]
    for name, text in made.items():
        page, dialogs = opened(text), []
        page.on("dialog", lambda dialog, dialogs=dialogs: (dialogs.append(dialog.message), dialog.dismiss()))
        scripts = page.locator("script").evaluate_all("all => all.map(one => [one.id, one.type])")
        assert len(scripts) == (2 if name == "page" else 0)
        for node in run.graph.nodes[:: len(run.graph.nodes) // 4] if name == "page" else ():
            page.keyboard.press("/")
            page.keyboard.type(node.name[:9])
            page.keyboard.press("Enter")
        page.evaluate("() => document.body.dispatchEvent(new Event('load'))")
        foreign = "img, iframe, object, embed, link, base, body [onload], [onerror], a, body style"
        assert page.evaluate(f"() => [typeof pwned, document.querySelectorAll('{foreign}').length]") == ["undefined", 0]
        assert dialogs == []


@needs_graphviz
@needs_latex
def test_latex_reads_and_runs_nothing(attacked, tmp_path):
    run, _ = attacked
    drawn = run.picture().save(tmp_path / "drawn.tikz").read_text(encoding="utf-8")
    texts = [text.latex for text in (run.graph.explain(), *(explain(run, node) for node in run.graph.nodes[::4]))]
    head = texts[0].partition("\\begin{document}")[0]
    bodies = [text.partition("\\begin{document}")[2].partition("\\end{document}")[0] for text in texts]
    lines = [head, "\\usepackage{tikz}", "\\begin{document}", drawn, *bodies, "\\end{document}"]
    (tmp_path / "all.tex").write_text("\n".join(lines), encoding="utf-8")
    command = ["pdflatex", "-shell-escape", "-recorder", "-interaction=nonstopmode", "-halt-on-error", "all"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stdout.decode("latin-1")[-1500:]
    assert "passwd" not in (tmp_path / "all.fls").read_text()
    assert not (tmp_path / "pwned").exists()


def test_in_markdown_words_are_code_or_escaped(attacked):
    run, _ = attacked
    text = document(run.graph).markdown + "".join(explain(run, node).markdown for node in run.graph.nodes)
    for span in sorted(code_spans(text), key=len, reverse=True):
        text = text.replace(span, "")
    assert not re.search(r"(?<!\\)(<\w|\]\(|!\[)", text)


def test_what_is_printed_moves_no_cursor(attacked):
    evil = "\x1b]0;pwned\x07\x1b[31m\x9b2J\u202e\r\u2028"
    run = small([evil, f"x{evil}", f"h{evil}", f"out{evil}"])
    g = run.graph
    with pytest.raises(FeedError) as caught:
        g.forward({})
    checked = mg.check(g, {f"x{evil}": np.eye(2), "t": np.eye(2)})
    texts = [
        *map(repr, (g, g["h" + evil], run["h" + evil], g.params)),
        *map(str, (run.diagnose(), caught.value, checked)),
        *(words.text for words in (document(g), *(explain(run, node) for node in g.nodes))),
        g.summary(),
        run.picture()._repr_mimebundle_()["text/plain"],
    ]
    for text in texts:
        assert not {c for c in text if not (c.isprintable() or c == "\n")}
