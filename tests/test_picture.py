"""How a drawing leaves: as a file, as SVG for every viewer, in a notebook; and what is said when it can't."""

import errno
import importlib.util
import pathlib
import re
import shutil
import warnings
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from chromium import CHROMIUM
from hypothesis import given
from hypothesis import strategies as st

import minigraph as mg
from minigraph.costs import Quadratic
from minigraph.errors import GraphWarning, LayoutTimeout, RenderError
from minigraph.layers import Dense
from minigraph.render.picture import LARGE, LONG, Picture
from minigraph.render.svg import accessible, page

INSTALL = "pip install 'minigraph[draw]'"
SMALL = 'digraph { a [label="δ"] ; a -> b ; a -> b }'
DRAWN = '<svg xmlns="http://www.w3.org/2000/svg" width="8pt" height="8pt" viewBox="0 0 8 8"><g id="n0"/></svg>'
DRAWS = f"sys.stdout.write('<?xml version=\"1.0\"?>' + {DRAWN!r}.replace('n0', ' '.join(sys.argv[1:])))"
HANGS = "time.sleep(20)"
EVERY = [".svg", ".png", ".pdf", ".html", ".tikz", ".tex", ".dot", ".gv"]
NAMES = [
    'a:b <c> {d} | "e"', r"\N \G \L \l \r \\", "two\nlines", "δ ∂C/∂w ‖·‖", "🎉", "<b>", "]]>", "-->", "&amp; &#65;",
    "a\\", "bell\x07 nul\x00 \ud800 \ufffe", "x" * 500, "\u202eright to left", "tab\tand\r\nreturn", "# % $ ^ _ ~ ' `",
]  # fmt: skip

engines = [
    pytest.param("dot", marks=pytest.mark.skipif(shutil.which("dot") is None, reason="needs the program dot")),
    pytest.param(
        "pygraphviz",
        marks=pytest.mark.skipif(importlib.util.find_spec("pygraphviz") is None, reason="needs pygraphviz"),
    ),
]
needs_graphviz = pytest.mark.skipif(
    importlib.util.find_spec("pygraphviz") is None and shutil.which("dot") is None,
    reason="needs Graphviz: pygraphviz or dot",
)


@pytest.fixture(params=engines)
def engine(request):
    """The one engine that there is."""
    request.getfixturevalue("no_wheel" if request.param == "dot" else "no_dot")


def picture(dot=SMALL, **more):
    return Picture(dot, "two towers, network", "Nodes a and b.", **more)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def parts(svg):
    """The elements of an SVG by id."""
    return {element.get("id"): element for element in ElementTree.fromstring(svg).iter() if element.get("id")}


def said(element, tag="title"):
    return [child.text for child in element if child.tag.endswith("}" + tag)]


def local(element):
    return element.tag.partition("}")[2]


def shown(element):
    return "".join("".join(text.itertext()) for text in element.iter() if local(text) == "text").replace("\xa0", " ")


# The path given is the path written


@pytest.mark.parametrize("name", ["net.gv", "net.dot", "net.DOT"])
def test_text_needs_no_engine(name, no_dot, no_wheel, folder):
    assert picture().save(str(folder / name)) == folder / name
    assert (folder / name).read_bytes() == SMALL.encode()
    assert names(folder) == [name]


@pytest.mark.parametrize("name", ["net.svg", "net.SVG", "two towers.v2.svg"])
def test_a_picture_is_the_only_thing_written(name, dot, no_wheel, folder):
    dot(DRAWS)
    (folder / name).write_text("an older and longer picture" * 100)
    assert picture().save(folder / name) == folder / name
    assert 'id="-Tsvg"' in (folder / name).read_text(encoding="utf-8")
    assert names(folder) == [name]


@pytest.mark.parametrize("name", ["net", "net.jpeg", ".svg", "net.svg.bak", "net.json"])
def test_unknown_extension(name, dot, folder):
    dot(DRAWS)
    with pytest.raises(RenderError, match=r"\.svg, \.png, \.pdf, \.html, \.tikz, \.tex, \.dot, \.gv: '.*' doesn't"):
        picture().save(folder / name)
    assert names(folder) == []


@pytest.mark.parametrize("name", ["net.svg", "net.gv"])
def test_missing_folder(name, folder):
    with pytest.raises(RenderError, match=f"there is no folder '{folder / 'none'}'"):
        picture().save(folder / "none" / name)


def test_what_cannot_be_written(dot, no_wheel, folder):
    dot(DRAWS)
    (folder / "net.svg").mkdir()
    with pytest.raises(RenderError, match="can't write"):
        picture().save(folder / "net.svg")
    assert names(folder) == ["net.svg"]


def test_a_full_disk_leaves_the_old_picture(dot, no_wheel, folder, monkeypatch):
    def full(path, data):
        path.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    dot(DRAWS)
    (folder / "net.svg").write_text("old")
    monkeypatch.setattr(pathlib.Path, "write_bytes", full)
    with pytest.raises(RenderError, match="No space left"):
        picture().save(folder / "net.svg")
    assert (folder / "net.svg").read_text() == "old"
    assert names(folder) == ["net.svg"]


def test_a_link_stays_a_link_and_the_mode_is_an_ordinary_one(folder):
    (folder / "ordinary").touch()
    (folder / "link.gv").symlink_to("net.gv")
    picture().save(folder / "link.gv")
    assert (folder / "link.gv").is_symlink()
    assert (folder / "net.gv").read_text() == SMALL
    assert (folder / "net.gv").stat().st_mode == (folder / "ordinary").stat().st_mode


@pytest.mark.parametrize("extension", sorted(set(EVERY) - {".dot", ".gv"}))
def test_without_an_engine_one_command_is_named_and_the_text_is_kept(extension, no_dot, no_wheel, folder):
    with pytest.raises(RenderError) as caught:
        picture().save(folder / f"net{extension}")
    assert str(caught.value).count("pip install") == str(caught.value).count(INSTALL) == 1
    assert str(folder / "net.gv") in str(caught.value)
    assert (folder / "net.gv").read_text() == SMALL
    assert names(folder) == ["net.gv"]


def test_a_failing_engine_leaves_the_old_picture(dot, no_wheel, folder):
    dot("sys.exit('no cairo')")
    (folder / "net.svg").write_text("old")
    with pytest.raises(RenderError, match="no cairo") as caught:
        picture().save(folder / "net.svg")
    assert str(folder / "net.gv") in str(caught.value)
    assert (folder / "net.svg").read_text() == "old"
    assert names(folder) == ["net.gv", "net.svg"]


@pytest.mark.parametrize("character", ["\0", "\x1b", "\ufffe", "\ud800"])
def test_a_character_that_no_picture_can_hold_is_written_nowhere(character, dot, no_wheel, folder):
    dot(DRAWS)
    for extension in (".gv", ".svg"):
        with pytest.raises(RenderError, match="rename what holds it"):
            picture(f'digraph {{ a [label="x{character}y"] }}').save(folder / f"net{extension}")
    assert names(folder) == []


@pytest.mark.parametrize("extension", EVERY)
def test_every_format_comes_from_every_engine(extension, engine, folder):
    path = picture().save(folder / f"net{extension}")
    begins = {".svg": "<?xml", ".png": "\x89PNG", ".pdf": "%PDF", ".html": "<!DOCTYPE html>", ".tikz": "% two towers"}
    begins |= {".tex": r"\RequirePackage", ".dot": "digraph", ".gv": "digraph"}
    assert path.read_bytes().startswith(begins[extension].encode("latin1"))
    if extension not in (".pdf", ".png"):
        assert picture().save(folder / f"again{extension}").read_bytes() == path.read_bytes()


# A layout that takes long


@pytest.mark.parametrize(
    ("size", "quick", "warned"), [(LARGE, False, False), (LONG, True, False), (LONG + 1, True, True)]
)
def test_a_large_layout_is_quick_and_a_very_large_one_is_announced(size, quick, warned, dot, no_wheel):
    dot(DRAWS)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        svg = picture(size=size, advise=lambda: "fold=True draws 12 boxes").svg()
    assert ("-Gnslimit" in svg) == quick
    assert bool(caught) == warned
    for warning in caught:
        assert warning.category is GraphWarning
        assert warning.filename == __file__
        assert "two towers" in str(warning.message)
        assert f"{size:,} boxes" in str(warning.message)
        assert str(warning.message).endswith("fold=True draws 12 boxes")


def test_the_advice_is_to_fold_unless_it_is_another(dot, no_wheel):
    dot(DRAWS)
    with pytest.warns(GraphWarning, match="depth=1 or fold=True"):
        picture(size=LONG + 1).svg()


FOLDED = Picture("digraph { folded }", "two towers, folded", "Everything in one box.")


def test_after_its_time_it_is_drawn_folded(dot, no_wheel, folder):
    dot(f"'folded' in text or {HANGS}; {DRAWS}")
    with pytest.warns(GraphWarning, match=r"longer than 0\.6 s, so this is the folded drawing"):
        picture(simpler=lambda: FOLDED).save(folder / "net.svg", timeout=0.6)
    root = parts((folder / "net.svg").read_text(encoding="utf-8"))
    assert [said(element) for id, element in root.items() if re.fullmatch("picture-[0-9a-f]{8}", id)] == [
        ["two towers, folded"]
    ]
    assert names(folder) == ["net.svg"]


@pytest.mark.filterwarnings("ignore:.*this is the folded drawing")
@pytest.mark.parametrize(
    ("simpler", "tries", "reason"),
    [
        (None, 1, r"s: name it, or"),
        (lambda: None, 1, r"s: name it, or"),
        (lambda: FOLDED, 2, "s, even folded: depth=1"),
    ],
    ids=["nothing simpler", "nothing to fold", "folded too"],
)
def test_if_that_is_not_in_time_either_the_error_says_what_to_fold(simpler, tries, reason, dot, no_wheel, folder):
    dot(f"open({str(folder / 'tries')!r}, 'a').write('x'); {HANGS}")
    with pytest.raises(LayoutTimeout, match=reason) as caught:
        picture(simpler=simpler, advise=lambda: "name it").save(folder / "net.svg", timeout=0.6)
    assert (folder / "tries").read_text() == "x" * tries
    assert str(folder / "net.gv") in str(caught.value)
    assert (folder / "net.gv").read_text() == SMALL
    assert names(folder) == ["net.gv", "tries"]


def test_who_waits_is_told_what_draws_less(dot, no_wheel, monkeypatch):
    monkeypatch.setattr("minigraph.render.engine.PATIENCE", 0.2)
    dot(f"time.sleep(0.6); {DRAWS}")
    with pytest.warns(GraphWarning, match=r"two towers, network: the layout takes longer than .* s: name it"):
        svg = picture(advise=lambda: "name it").svg()
    assert "<svg" in svg


def test_the_dots_of_a_png(dot, no_wheel, folder):
    open_png = "sys.stdout.buffer.write(b'\\x89PNG\\r\\n' + ' '.join(sys.argv[1:]).encode())"
    dot(open_png)
    assert b"-Gdpi=192" in picture().save(folder / "a.png").read_bytes()
    assert b"-Gdpi=300" in picture().save(folder / "b.png", dpi=300).read_bytes()


@needs_graphviz
def test_a_png_is_as_fine_as_asked_for(tmp_path):
    g = mg.Sequential(2, Dense(2))
    wide = [
        int.from_bytes(g.draw(tmp_path / f"{dpi}.png", dpi=dpi).read_bytes()[16:20], "big") for dpi in (72, 144, 288)
    ]
    assert wide == pytest.approx([wide[0], 2 * wide[0], 4 * wide[0]], rel=0.02)


def test_a_failure_is_not_tried_folded(dot, no_wheel):
    dot("sys.exit('no cairo')")
    with pytest.raises(RenderError, match="no cairo"):
        picture(simpler=lambda: pytest.fail("folded")).svg()


# In a notebook


def test_a_notebook_shows_the_svg(dot, no_wheel):
    dot(DRAWS)
    bundle = picture()._repr_mimebundle_()
    assert bundle["text/plain"] == "two towers, network: Nodes a and b."
    assert bundle["image/svg+xml"] == picture().svg()
    assert set(picture()._repr_mimebundle_(include={"text/plain"})) == {"text/plain"}
    assert set(picture()._repr_mimebundle_(exclude=["text/plain"])) == {"image/svg+xml", "text/html"}
    assert bundle["text/html"].startswith("<svg")
    assert "max-width: 100%" in bundle["text/html"]  # which an <img> made of the SVG would not be held to


def test_a_notebook_without_an_engine_shows_the_reason(no_dot, no_wheel):
    bundle = picture()._repr_mimebundle_()
    assert set(bundle) == {"text/plain"}
    assert bundle["text/plain"].startswith("two towers, network: Nodes a and b.\nthere is no Graphviz here")
    assert INSTALL in bundle["text/plain"]


def test_a_picture_is_short_in_print():
    assert len(repr(picture("digraph { a }" * 1000))) < 300


# SVG


TIPPED = (
    'digraph { a [id=n0, label="a", tooltip="one\\ntwo <b> & more"] ; subgraph cluster_0 { id=b0 tooltip=block c }\n'
)
TIPPED += 'a -> c [id="e0-1-0", tooltip="a → c", label=0.5] ; d [id=n3] }'


def test_the_svg_is_named_described_and_speaks_only_the_users_words(engine):
    svg = picture(TIPPED).svg()
    found = parts(svg)
    root = ElementTree.fromstring(svg)
    assert root.get("role") == "img"
    name, description = root.get("aria-labelledby").split()
    assert (found[name].text, local(found[name])) == ("two towers, network", "title")
    assert (found[description].text, local(found[description])) == ("Nodes a and b.", "desc")
    assert said(found["n0"]) == ["one\ntwo <b> & more"]
    assert said(found["b0"]) == ["block"]
    assert said(found["e0-1-0"]) == ["a → c"]
    assert said(found["n3"]) == []
    assert len([element for element in root.iter() if local(element) == "title"]) == 4
    assert shown(found["e0-1-0"]) == "0.5"
    assert {local(element) for element in found["e0-1-0"]} == {"title", "path", "polygon", "text"}
    assert "xlink" not in svg


def test_it_fits_into_a_cell_and_its_proportions_stay(engine):
    root = ElementTree.fromstring(picture(TIPPED).svg())
    assert root.get("style") == "max-width: 100%; height: auto"
    assert root.get("viewBox") is not None
    assert root.get("width").endswith("pt")


def test_two_pictures_on_a_page_have_roots_of_their_own(engine):
    roots = [ElementTree.fromstring(picture(dot).svg()).get("id") for dot in (TIPPED, SMALL, TIPPED)]
    assert roots[0] == roots[2] != roots[1]


def test_spaces_side_by_side_stay(engine):
    svg = picture("digraph { n [id=n0, label=< a  b<B> c</B>>] }").svg()
    assert shown(parts(svg)["n0"]) == " a  b c"
    assert ElementTree.fromstring(svg).get("{http://www.w3.org/XML/1998/namespace}space") == "preserve"


SCRIPTS = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><g class="node">
<text x="10" y="-20" font-size="10.00" fill="#123456">w</text>
<text x="18" y="-20" baseline-shift="super" font-size="10.00" fill="#123456">l+1</text>
<text x="28" y="-20" baseline-shift="sub" font-size="10.00" fill="#123456">j</text>
<text x="31" y="-20" font-size="10.00" fill="#123456"> = δ</text>
<text x="50" y="-20" baseline-shift="super" font-size="10.00">L</text>
<text x="60" y="-20" font-size="10.00" fill="#123456">column</text>
<text x="80" y="-20" baseline-shift="sub" font-size="10.00">2</text>
<text x="90" y="-20" font-size="10.00" fill="#ff0000"> red</text>
<text x="10" y="-10" baseline-shift="sub" font-size="10.00">0</text>
</g></svg>"""


def test_scripts_are_small_and_moved_and_stand_under_each_other():
    root = ElementTree.fromstring(accessible(SCRIPTS, "", ""))
    texts = [element for element in root.iter() if local(element) == "text"]
    assert ["".join(text.itertext()) for text in texts] == ["wl+1j = δL", "column2", " red", "0"]
    places = [tuple(text.get(name) for name in ("x", "y", "font-size")) for text in texts]
    assert places == [("10", "-20", "10.00"), ("60", "-20", "10.00"), ("90", "-20", "10.00"), ("10", "-8.40", "8.00")]
    moves = [(part.text, *(part.get(name) for name in ("dx", "dy", "font-size"))) for part in texts[0]]
    assert moves == [
        ("l+1", None, "-3.60", "8.00"),
        ("j", "-9.60", "5.20", "8.00"),  # back by what 10 points of Graphviz's scripts come to in ours
        (" = δ", "6.72", "-1.60", None),  # behind the upper one: 10 points less the 3 of the lower
        ("L", None, "-3.60", "8.00"),
    ]


def test_both_engines_mark_scripts_as_expected(engine):
    svg = picture("digraph { n [id=n0, label=<w<SUP>l</SUP><SUB>jk</SUB> = 1>] }").svg()
    assert "baseline-shift" not in svg
    assert shown(parts(svg)["n0"]) == "wljk = 1"
    assert svg.count("<tspan") == 3


@given(title=st.text(), description=st.text())
def test_any_words_give_a_well_formed_svg_and_page(title, description):
    svg = accessible(SCRIPTS, title, description)
    held = [re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "�", text) for text in (title, description)]
    held = [re.sub("\r\n?", "\n", text) for text in held]
    assert [element.text or "" for element in list(ElementTree.fromstring(svg))[:2]] == held
    read = Page(page(svg, title))
    assert [tag for tag, _ in read.tags].count("svg") == 1
    assert "script" not in [tag for tag, _ in read.tags]
    assert "wl+1j = δLcolumn2 red0" in re.sub(r"\s*\n", "", "".join(read.words))


# Pages


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.words.append(data)


def test_a_page_holds_the_svg_and_loads_nothing(engine, folder):
    paper = 'digraph { bgcolor="#102030" a [id=n0, label="</svg><script>"] }'
    text = Picture(paper, "</title><script>alert(1)</script>", "").save(folder / "net.html").read_text(encoding="utf-8")
    read = Page(text)
    assert {"script", "img", "link", "iframe", "a"}.isdisjoint(tag for tag, _ in read.tags)
    assert [at["content"] for tag, at in read.tags if at.get("http-equiv") == "Content-Security-Policy"] == [
        "default-src 'none'; style-src 'unsafe-inline'"
    ]
    assert "</title><script>alert(1)</script>" in read.words
    assert "</svg><script>" in read.words
    assert any(at.get("id") == "n0" for _, at in read.tags)
    assert "background: #102030" in text
    assert re.findall("https?://[^\"' ]*", text) == ["http://www.w3.org/2000/svg"]


@needs_graphviz
def test_in_a_browser_the_page_shows_it_whole(folder):
    sync = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if not CHROMIUM:
        pytest.skip("needs chromium-headless-shell or chromium")
    wide = "digraph { rankdir=LR; " + " -> ".join(f"a{i}" for i in range(40)) + " }"
    path = picture(wide).save(folder / "net.html")
    with sync.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        tab = browser.new_context(offline=True, viewport={"width": 900, "height": 600}).new_page()
        complaints = []
        tab.on("console", lambda message: complaints.append(message.text))
        tab.goto(path.as_uri())
        natural = tab.evaluate("document.querySelector('svg').getBoundingClientRect().width")
        tab.keyboard.press("Tab")
        tab.keyboard.press("Space")
        fitted = tab.evaluate("document.querySelector('svg').getBoundingClientRect().width")
        tab.set_content(f"<div style='width: 500px'>{picture(wide).svg()}</div>")  # as a cell of a notebook does
        cell = tab.evaluate(
            "(({width, height}) => [width, height])(document.querySelector('svg').getBoundingClientRect())"
        )
        browser.close()
    assert natural > 3000
    assert 600 < fitted < 900
    assert cell[0] == pytest.approx(500, abs=1)
    assert 1 < cell[1] < 100
    assert complaints == []


# Hostile names, and gradients that are none


def trained(target=0.0):
    g = mg.Graph(NAMES[0], seed=0)
    h = g.input(NAMES[1], 2)
    for name in NAMES[2:]:
        h = g.add(Dense(2, "tanh"), h, name=name)
    g.cost(Quadratic(), h, target="t")
    feeds = {NAMES[1]: np.eye(2), "t": np.full((2, 2), target)}
    if target == "zero":
        feeds["t"] = np.zeros((2, 2))
        feeds["t"] = np.array(g.forward(feeds)[NAMES[-1]].a)
    with np.errstate(all="ignore"):
        return g.forward(feeds).backward()


@pytest.mark.parametrize("target", [0.0, np.nan, np.inf, "zero"])
@pytest.mark.parametrize("extension", [".svg", ".png", ".pdf", ".html", ".tikz"])
def test_every_gradient_draws_in_every_format(extension, target, engine, folder):
    run = trained(target)
    assert run.picture().save(folder / f"flow{extension}").stat().st_size > 5000
    if extension == ".svg":
        found = parts((folder / "flow.svg").read_text(encoding="utf-8"))
        assert {f"n{node.id}" for node in run.graph.nodes} <= set(found)
        for node in run.graph.nodes[1:5]:
            assert said(found[f"n{node.id}"])[0].replace("\n", " ").startswith(node.name.replace("\n", " "))
