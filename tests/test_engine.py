"""Every way in which a drawing is made, refused, or fails without a picture."""

import importlib.util
import math
import os
import pathlib
import re
import signal
import struct
import sys
import tempfile
import time
import warnings
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigraph.errors import LayoutTimeout, RenderError
from minigraph.render import engine

pytestmark = pytest.mark.usefixtures("no_dot")
needs_wheel = pytest.mark.skipif(importlib.util.find_spec("pygraphviz") is None, reason="needs pygraphviz")
INSTALL = "pip install 'minigraph[draw]'"
SMALL = 'digraph { a [label="δ"] ; a -> b ; a -> b }'
DRAWS = "sys.stdout.write('<?xml ' + ' '.join(sys.argv[1:]) + ' ' + text)"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def fails(dot_text=SMALL, format="svg", **options):
    with pytest.raises(RenderError) as caught:
        engine.render(dot_text, format, **options)
    return str(caught.value)


# Numbers


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (1, "1"),
        (1.25, "1.25"),
        (2 / 3, "0.667"),
        (-1e-9, "0"),
        (100.0, "100"),
        (math.nan, "-5"),
        (math.inf, "200"),
        (-math.inf, "-5"),
        (1e300, "200"),
    ],
)
def test_number(x, text):
    assert engine.number(x, -5, 200) == text


@given(st.floats(), st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_any_number_is_a_finite_numeral_within_its_bounds(x, low, span):
    text = engine.number(x, low, low + span)
    assert re.fullmatch(r"-?\d+(\.\d{1,3})?", text)
    assert low - 0.000501 <= float(text) <= low + span + 0.000501


WILD = [
    "a [penwidth=nan]",
    "a [penwidth=-inf]",
    'a [penwidth = "NaN"]',
    'a ["penwidth"=inf]',
    'a [fontsize="1e400"]',
    'a [pos="1,nan!"]',
    'a [style="setlinewidth(nan)"]',
    "a [label=<x > y>, arrowsize=nan]",
    'a [label="\\"", width=inf]',
    'a [label=<say " <B>b</B>>, height=nan, xlabel=<say ">]',
    "// it's \" \n a [dpi=nan]",
]


@pytest.mark.parametrize("statement", WILD)
def test_a_number_that_is_not_finite_never_reaches_an_engine(statement, dot, no_wheel):
    dot(DRAWS)
    assert "must be finite" in fails(f"digraph {{ {statement} }}")


TAME = [
    "a [label=nan, tooltip=inf]",
    'a [label="penwidth=nan"]',
    'a [label="\\" penwidth=nan \\""]',
    "a [label=<<B>penwidth=nan</B>>]",
    'a [label="<", xlabel="penwidth=nan >"]',
    "/* penwidth=nan */ a",
    "// penwidth=nan",
    "width_of_x -> inf",
    "a [my_width=inf]",
    'a [penwidth=1.5, pos="1,2!", style="rounded,filled"]',
]


@pytest.mark.parametrize("statement", TAME)
def test_words_that_look_like_numbers_are_only_words(statement, dot, no_wheel):
    dot(DRAWS)
    assert statement.encode() in engine.render(f"digraph {{ {statement}\n}}", "svg")


@pytest.mark.parametrize("character", ["\0", "\x1b", "\ufffe", "\ud800"])
def test_characters_that_no_picture_can_hold(character, dot, no_wheel):
    dot(DRAWS)
    message = fails(f'digraph {{ a [label="x{character}y"] }}')
    assert repr(character) in message
    assert "rename what holds it" in message


def test_unknown_format():
    assert "svg, png, pdf, json, not in 'svg:core'" in fails(format="svg:core")


# Without an engine, and with one that fails


def test_without_an_engine_one_command_is_named(no_wheel):
    message = fails()
    assert message.count("pip install") == message.count(INSTALL) == 1


FAILURES = {
    "exit code": ("sys.exit('Format: \"svg\" not recognized')", ["exit code 1", 'Format: "svg" not recognized']),
    "abort": ("os.abort()", ["Aborted"]),
    "nothing": ("pass", ["made no svg\n"]),
    "another program": ("print('graph of the moon')", ["made no svg"]),
    "half": ("print('<?xml'); sys.exit(3)", ["exit code 3"]),
    "label": (
        f"{DRAWS}; sys.stderr.write('Error: syntax error in line 1\\nin label of node n0')",
        ["label of node n0"],
    ),
    "edge": (f"{DRAWS}; sys.stderr.write('Error: lost n0 n1 edge')", ["lost n0 n1 edge"]),
    "no HTML": (f"{DRAWS}; sys.stderr.write('Warning: Not built with libexpat. Table')", ["Not built with libexpat"]),
}


@pytest.mark.parametrize(("lines", "reasons"), FAILURES.values(), ids=FAILURES)
def test_a_failing_dot_is_quoted(lines, reasons, dot, no_wheel):
    program = dot(lines)
    message = fails()
    for reason in [*reasons, str(program)]:
        assert reason in message
    assert message.count(INSTALL) == 1


def test_a_dot_that_cannot_start(dot, no_wheel):
    dot("").write_text("no program at all")
    assert "didn't start" in fails()


@pytest.mark.parametrize(
    "said",
    [
        'Fontconfig warning: "/etc/05-reset-dirs.conf", line 6: unknown element "reset-dirs"',
        "Fontconfig error: Cannot load default config file\n",
        '\n(dot:12): Pango-WARNING **: 00:07:28.331: couldn\'t load font "X Not-Rotated 14"\n',
        "Warning: graph has 1500 nodes...layout may take a long time.\n",
        "Warning: no hard-coded metrics for 'DejaVu Sans'. Falling back to 'Times' metrics",
    ],
)
def test_harmless_words_are_dropped_and_others_are_passed_on(said, dot, no_wheel):
    dot(f"{DRAWS}; sys.stderr.write({said!r})")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        engine.render(SMALL, "svg")
    dot(f"{DRAWS}; sys.stderr.write('Warning: port q - ignored' + {said!r})")
    with pytest.warns(UserWarning, match="says of this drawing:\nWarning: port q - ignored$"):
        engine.render(SMALL, "svg")


# Old and new


@pytest.mark.parametrize(
    ("version", "spaced"), [("2.43.0", True), ("6.0.2", True), ("7.0.0", False), ("14.1.5", False)]
)
def test_before_version_7_the_tips_of_arrows_are_held_back(version, spaced, dot, no_wheel):
    program = dot(DRAWS)
    program.write_text(program.read_text().replace("14.1.5", version))
    assert (b"-Earrowtail=nonenormal" in engine.render(SMALL, "svg")) == spaced


# Time


def test_a_hanging_layout_is_killed_and_not_tried_again(dot, fake_wheel, folder):
    fake_wheel("2.0.4", "b'<?xml'")
    dot(f"open({str(folder / 'pids')!r}, 'a').write(f'{{os.getpid()}} {{sys.argv[1:]}}\\n'); time.sleep(20)")
    start = time.monotonic()
    with pytest.raises(LayoutTimeout, match=r"the layout took '.*dot' longer than 0\.6 s$"):
        engine.render(SMALL, "svg", timeout=0.6)
    assert time.monotonic() - start < 5
    (line,) = (folder / "pids").read_text().splitlines()
    assert "['-Tsvg']" in line
    with pytest.raises(ProcessLookupError):
        os.kill(int(line.split()[0]), 0)


QUICK = "-Gnslimit=1 -Gnslimit1=2 -Gmclimit=0.5"


def test_a_quick_layout_does_less(dot, no_wheel):
    dot(DRAWS)
    assert engine.render(SMALL, "svg").startswith(b"<?xml -Tsvg digraph")
    assert engine.render(SMALL, "svg", quick=True).startswith(f"<?xml -Tsvg {QUICK} digraph".encode())


def test_an_interrupt_kills_the_child(dot, no_wheel, folder):
    dot(f"open({str(folder / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(20)")

    def interrupt(signum, frame):
        if names(folder) == ["pid"] and (folder / "pid").read_text():
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
        with pytest.raises(KeyboardInterrupt):
            engine.render(SMALL, "svg")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)  # where it wasn't interrupted, an alarm without a handler ends us
        signal.signal(signal.SIGALRM, before)
    with pytest.raises(ProcessLookupError):
        os.kill(int((folder / "pid").read_text()), 0)
    assert names(folder) == ["pid"]


# The wheel


@pytest.fixture
def fake_wheel(tmp_path, monkeypatch):
    """Install a `pygraphviz` where only this process looks for it."""

    def install(version, drawn):
        package = tmp_path / "elsewhere" / "pygraphviz"
        package.mkdir(parents=True)
        package.joinpath("__init__.py").write_text(
            f"__version__ = {version!r}\n"
            "class AGraph:\n"
            "    def __init__(self, string): self.text = string\n"
            f"    def draw(self, format, prog, args): return {drawn}\n"
        )
        monkeypatch.delitem(sys.modules, "pygraphviz", raising=False)
        monkeypatch.syspath_prepend(str(package.parent))

    return install


def test_the_wheel_is_found_where_python_finds_it(fake_wheel):
    fake_wheel("2.0.4", "f'<?xml {format} {prog} {args} {self.text}'.encode()")
    assert engine.render(SMALL, "svg").decode() == f"<?xml svg dot  {SMALL}"


def test_the_wheel_does_less_for_a_quick_layout_too(fake_wheel):
    fake_wheel("2.0.4", "args.encode().join([b'<?xml ', b''])")
    assert engine.render(SMALL, "svg", quick=True).decode() == f"<?xml {QUICK}"


def test_an_old_wheel_is_no_engine(fake_wheel):
    fake_wheel("1.14", "b'<?xml'")
    message = fails()
    assert "version 1.14 has no Graphviz of its own" in message
    assert message.count(INSTALL) == 1


def test_dot_comes_first_and_the_wheel_second(dot, fake_wheel):
    fake_wheel("2.0.4", "b'<?xml from the wheel'")
    dot(DRAWS)
    assert b"from the wheel" not in engine.render(SMALL, "svg")
    dot("sys.exit('no cairo')")
    assert engine.render(SMALL, "svg") == b"<?xml from the wheel"


def test_when_both_fail_both_say_why(dot, fake_wheel):
    fake_wheel("2.0.4", "1 / 0")
    dot("sys.exit('no cairo')")
    message = fails()
    assert "no cairo" in message
    assert "pygraphviz ended with exit code 1:\n    ZeroDivisionError" in message
    assert "Traceback" not in message
    assert "pip" not in message


@needs_wheel
@pytest.mark.parametrize(
    ("format", "end"), [("svg", b"</svg>"), ("png", b"IEND\xaeB`\x82"), ("pdf", b"%%EOF"), ("json", b"}")]
)
def test_the_wheel_draws(format, end, folder, monkeypatch):
    monkeypatch.chdir(folder)
    for trap in ("pygraphviz.py", "random.py", "tempfile.py"):
        (folder / trap).write_text("raise SystemExit('imported from the current folder')")
    picture = engine.render(SMALL, format)
    assert picture.startswith(engine.FORMATS[format])
    assert picture.rstrip().endswith(end)
    assert names(folder) == ["pygraphviz.py", "random.py", "tempfile.py"]


@needs_wheel
def test_the_wheel_draws_every_edge_every_letter_and_the_same_again():
    picture = engine.render(SMALL, "svg")
    assert picture.count(b'class="edge"') == 2
    assert "δ".encode() in picture
    assert engine.render(SMALL, "svg") == picture


@needs_wheel
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("digraph { a [label=<x & y>] }", "in label of node a"),
        ("digraph { a [label=<<B>x>] }", "mismatched tag"),
        ("digraph { a -- b }", "syntax error in line 1 near '--'"),
        ("", "DotError"),
    ],
)
def test_the_wheel_says_what_is_wrong(text, reason):
    message = fails(text)
    assert reason in message
    assert "Exception ignored" not in message


# Fonts

LETTERS = "iWδ‖∂⊙∇→×ᵀ"


def widths(letters, tag="{}"):
    """The width in pixels of a box around four of each letter."""
    for letter in letters:
        label = f"<{tag.format(letter * 4)}>"
        box = f'digraph {{ a [shape=box, width=0, margin=0, fontname="{engine.FONT}", label={label}] }}'
        yield struct.unpack(">I", engine.render(box, "png")[16:20])[0]


@needs_wheel
def test_without_any_font_letters_are_boxes_and_with_ours_they_are_not(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "FONT_FOLDERS", (str(tmp_path),))
    ours = list(widths(LETTERS))
    bold = list(widths(LETTERS, "<B>{}</B>"))
    (tmp_path / "none.conf").write_text(f"<fontconfig><cachedir>{tmp_path}/cache</cachedir></fontconfig>")
    monkeypatch.setenv("FONTCONFIG_FILE", str(tmp_path / "none.conf"))
    assert len(set(widths(LETTERS))) == 1
    assert len(set(ours)) > 5
    assert ours[0] < ours[2] < ours[1]
    assert bold[1] > ours[1]
    shipped = pathlib.Path(engine.__file__).parent / "fonts"
    assert names(shipped) == ["DejaVuSans-Bold.ttf", "DejaVuSans.ttf", "LICENSE", "README.md"]


def test_our_fonts_are_for_a_machine_that_has_none(dot, no_wheel, tmp_path, monkeypatch):
    dot(
        "f = os.environ.get('FONTCONFIG_FILE'); print('<?xml', 'PATH' in os.environ, f)\n"
        "if f and f != '/dev/null': print(os.listdir(f.replace('.conf', '')), open(f).read(), sep='\\n')"
    )
    monkeypatch.setattr(engine, "FONT_FOLDERS", (str(tmp_path / "none"), str(tmp_path / "fonts")))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "R&D"))
    for made in ("fonts/deep", "R&D"):
        (tmp_path / made).mkdir(parents=True)
    (tmp_path / "fonts/deep/old.pfb").touch()
    first, fonts, text = engine.render(SMALL, "svg").decode().splitlines()
    _, kept, settings = first.split()
    assert kept == "True"
    assert "'DejaVuSans.ttf'" in fonts
    assert "'DejaVuSans-Bold.ttf'" in fonts
    temporary = os.path.dirname(settings)
    assert [tag.text for tag in ElementTree.fromstring(text)] == [f"{temporary}/fonts", f"{temporary}/cache"]
    assert names(tmp_path / "R&D") == []

    (tmp_path / "fonts/deep/Some.TTF").touch()
    assert engine.render(SMALL, "svg").split() == [b"<?xml", b"True", b"None"]
    (tmp_path / "fonts/deep/Some.TTF").unlink()
    monkeypatch.setenv("FONTCONFIG_FILE", "/dev/null")
    assert engine.render(SMALL, "svg").split() == [b"<?xml", b"True", b"/dev/null"]
