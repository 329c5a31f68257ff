"""Graphviz in a child process: DOT text becomes SVG, PNG, PDF, or a layout in JSON."""

import contextlib
import functools
import importlib.util
import math
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import warnings
from collections.abc import Callable, Iterator
from xml.sax.saxutils import escape

from ..caller import user_frame
from ..errors import LayoutTimeout, RenderError

# For `fontname`. Both engines pass the list to Pango, which takes the first family there is, and copy it into an SVG,
# where it is a CSS list. DejaVu Sans has the maths, and is wide: where a viewer of the SVG lacks it, Verdana has its
# widths, and the others are narrower, so a label never outgrows its box. For bold use <B> in an HTML-like label:
# "… bold" would be taken as a family name by SVG viewers.
FONT = "DejaVu Sans,Verdana,Helvetica,Arial,sans-serif"

# Formats, and what a picture in each begins with.
FORMATS = {"svg": b"<?xml", "png": b"\x89PNG\r\n", "pdf": b"%PDF-", "json": b"{"}
# XML has no way to write these, and UTF-8 none for the last: an SVG with one of them is refused by every viewer.
UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")

PATIENCE = 5.0
"""A layout that takes more seconds is worth a word to those who wait."""

FONT_FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.fonts",
    "~/.local/share/fonts",
    "${XDG_DATA_HOME}/fonts",
    "/Library/Fonts",
    "/System/Library/Fonts",
    "~/Library/Fonts",
    "${WINDIR}/Fonts",
    "${LOCALAPPDATA}/Microsoft/Windows/Fonts",
)


def number(x: float, low: float, high: float) -> str:
    """Return x as the text of a DOT attribute: within [low, high], with at most three decimals and no exponent.

    NaN becomes `low`; infinities become the bound on their side. Graphviz aborts on a pen width of NaN.
    """
    x = float(x)
    text = f"{low if math.isnan(x) else min(max(x, low), high):.3f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def render(
    dot: str,
    format: str,
    *,
    timeout: float = 30.0,
    quick: bool = False,
    dpi: float | None = None,
    waiting: Callable[[], None] | None = None,
) -> bytes:
    """Return the picture of a graph written in DOT, in "svg", "png", "pdf" or, as what to draw where, in "json".

    The system's `dot` draws it, else pygraphviz does. A `quick` layout has lines that are less straight; that of a
    large graph takes half the time, that of one with many long lines a quarter. `dpi` is for "png". If the layout takes
    more than `PATIENCE` seconds, `waiting` is called once.

    Raises LayoutTimeout after `timeout` seconds; RenderError for another format, for a number that is not finite or a
    character that no picture can hold, when there is no Graphviz, and when all engines fail or lose a part of the
    picture.
    """
    if format not in FORMATS:
        raise RenderError(f"there are pictures in {', '.join(FORMATS)}, not in {format!r}")
    text = encode(dot)
    _refuse_wild_numbers(dot)
    engines = _engines()
    if not engines:
        raise RenderError(f"there is no Graphviz here, neither `dot` nor pygraphviz: run {_INSTALL}")
    reasons = []
    for name, command in engines:
        try:
            sharp = [f"-Gdpi={number(dpi, 10, 2400)}"] if dpi is not None and format == "png" else []
            done = _run(name, [*command, f"-T{format}", *sharp, *(_QUICK if quick else ())], text, timeout, waiting)
        except OSError as error:
            reasons.append(f"{name} didn't start: {error}")
            continue
        said = _said(done.stderr)
        failure = _failure(done, said, format)
        if not failure:
            if said:
                warnings.warn(f"Graphviz says of this drawing:\n{said}", stacklevel=user_frame()[1])
            return done.stdout
        reasons.append(f"{name} {failure}" + (f":\n{textwrap.indent(said, '    ')}" if said else ""))
    if engines[-1][0] != _WHEEL:
        reasons.append(f"{_WHEEL}, the other engine, isn't installed: {_INSTALL}")
    raise RenderError("no picture was made\n" + "\n".join(reasons))


def encode(dot: str) -> bytes:
    """Return DOT text as UTF-8. Raises RenderError for a character that no picture can hold."""
    if found := UNWRITABLE.search(dot):
        near = dot[max(found.start() - 20, 0) : found.end() + 20]
        raise RenderError(f"no picture can hold the character {found[0]!r}, near {near!r}: rename what holds it")
    return dot.encode()


_INSTALL = "pip install 'minigraph[draw]'"
_WHEEL = "pygraphviz"
_QUICK = ("-Gnslimit=1", "-Gnslimit1=2", "-Gmclimit=0.5")  # how often dot tries to straighten and untangle lines

# Graphviz in the process itself would hold the GIL, ignore Ctrl-C, and take Python down when it aborts. The child takes
# the arguments of `dot`. -I keeps the current folder, where any `random.py` would be imported, and the environment
# away; but also the user's site-packages and PYTHONPATH, so the folder where the parent finds pygraphviz comes first.
_CHILD = """
import importlib.machinery, importlib.util, sys
sys.excepthook = lambda kind, error, trace: print(f"{kind.__name__}: {error}", file=sys.stderr)
spec = importlib.machinery.PathFinder.find_spec("pygraphviz", [sys.argv[1]])
pygraphviz = sys.modules["pygraphviz"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pygraphviz)
if int(pygraphviz.__version__.split(".")[0]) < 2:
    sys.exit(f"version {pygraphviz.__version__} has no Graphviz of its own: pip install 'minigraph[draw]'")
text = sys.stdin.buffer.read().decode()
picture = pygraphviz.AGraph(string=text).draw(format=sys.argv[2][2:], prog="dot", args=" ".join(sys.argv[3:]))
sys.stdout.buffer.write(picture)
"""


def _engines() -> list[tuple[str, list[str]]]:
    """The engines that are here, best first: a name, and a command that takes the arguments of `dot`."""
    engines = []
    if dot := shutil.which("dot"):
        engines.append((f"'{dot}'", [dot, *(_SPACED if _is_old(dot) else ())]))
    wheel = importlib.util.find_spec("pygraphviz")
    if wheel and wheel.origin:
        folder = pathlib.Path(wheel.origin).absolute().parent.parent
        engines.append((_WHEEL, [sys.executable, "-I", "-c", _CHILD, str(folder)]))
    return engines


# Before version 7, the tips of thick arrows reach into the boxes that they point at: a spacer holds them back.
_SPACED = ("-Earrowtail=nonenormal",)


@functools.cache
def _is_old(dot: str) -> bool:
    """Whether a `dot` is of a version before 7; no, where it doesn't say."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run([dot, "-V"], stdin=subprocess.DEVNULL, capture_output=True, timeout=5)
        version = re.search(rb"version (\d+)\.", done.stderr)
        return version is not None and int(version[1]) < 7
    return False


def _run(
    name: str, command: list[str], text: bytes, timeout: float, waiting: Callable[[], None] | None
) -> subprocess.CompletedProcess[bytes]:
    with _fonts() as environment:
        try:
            return _child(command, text, timeout, environment, waiting)
        except subprocess.TimeoutExpired:
            raise LayoutTimeout(f"the layout took {name} longer than {timeout:g} s") from None


def _child(
    command: list[str],
    text: bytes,
    timeout: float,
    environment: dict[str, str] | None,
    waiting: Callable[[], None] | None,
) -> subprocess.CompletedProcess[bytes]:
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment) as process:
        try:
            try:
                picture, said = process.communicate(text, min(timeout, PATIENCE))
            except subprocess.TimeoutExpired:
                if timeout <= PATIENCE:
                    raise
                if waiting is not None:
                    waiting()
                picture, said = process.communicate(timeout=timeout - PATIENCE)
        except BaseException:  # too slow, or Ctrl-C, after which subprocess.run would leave the dead child unburied
            process.kill()
            process.wait()
            raise
    return subprocess.CompletedProcess(command, process.returncode, picture, said)


@contextlib.contextmanager
def _fonts() -> Iterator[dict[str, str] | None]:
    """The environment that lets a child find letters: its own (None), or ours, where the machine has none."""
    if os.environ.get("FONTCONFIG_FILE") or _has_fonts():
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="minigraph-", ignore_cleanup_errors=True) as folder:
        # A copy, because fontconfig leaves files of its own beside the fonts.
        shutil.copytree(pathlib.Path(__file__).parent / "fonts", pathlib.Path(folder) / "fonts")
        settings = pathlib.Path(folder) / "fonts.conf"
        settings.write_text(
            f"<fontconfig><dir>{escape(folder)}/fonts</dir><cachedir>{escape(folder)}/cache</cachedir></fontconfig>",
            encoding="utf-8",
        )
        yield {**os.environ, "FONTCONFIG_FILE": str(settings)}


def _has_fonts() -> bool:
    """Whether there is a font with more than Latin-1: Type 1 (.pfb) and bitmap fonts have no Greek."""
    return any(
        name.lower().endswith((".ttf", ".otf", ".ttc"))
        for folder in FONT_FOLDERS
        for _, _, names in os.walk(os.path.expandvars(os.path.expanduser(folder)))
        for name in names
    )


# Messages run into one another without a newline, so what is harmless is cut out rather than filtered by line.
_HARMLESS = re.compile(
    r"""Fontconfig\ (?:warning|error):[^\n]*
    | \([^()\n]*\):\ (?:Pango|GLib)[\w-]*-WARNING[^\n]*
    | Warning:\ no\ (?:hard-coded\ metrics\ for|value\ for\ width\ of)[^\n]*
    | Warning:\ graph\ has\ \d+\ nodes[^\n]*
    """,
    re.VERBOSE,
)
# Said of a label, an edge or a whole rank that isn't in the picture, while the engine ends as if all were well.
_LOST = re.compile(r"\bError:|syntax error in line|HTML label|Not built with libexpat")


def _said(stderr: bytes) -> str:
    lines = _HARMLESS.sub("", stderr.decode(errors="replace")).splitlines()
    return "\n".join(line for line in lines if line.strip())


def _failure(done: subprocess.CompletedProcess[bytes], said: str, format: str) -> str:
    """What is wrong with the picture, or nothing."""
    if done.returncode < 0:
        return f"was stopped by a signal ({signal.strsignal(-done.returncode)})"
    if done.returncode:
        return f"ended with exit code {done.returncode}"
    if not done.stdout.startswith(FORMATS[format]):
        return f"made no {format}"
    return "lost a part of the picture" if _LOST.search(said) else ""


# Quoted strings, comments and HTML-like strings hold the user's words, where "width=nan" is as good as any other.
_NUMERIC = (
    "arrowsize|dpi|esep|fontsize|height|K|labelangle|labeldistance|labelfontsize|len|margin|mclimit|minlen|nodesep|"
    "nslimit|nslimit1|orientation|pad|penwidth|peripheries|pos|quantum|ranksep|ratio|resolution|rotate|scale|"
    "searchsize|sep|sides|size|skew|distortion|style|weight|width"
)
_TOKEN = re.compile(
    rf"""(?: (?<!\w)(?:{_NUMERIC}) | "(?:{_NUMERIC})" ) \s*=\s* (?P<value>"[^"]*"|[^\s,;\]]*)
    | "(?:[^"\\]|\\.)*"
    | (?P<html><)
    | //[^\n]* | /\*.*?\*/ | ^\#[^\n]*
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_WILD = re.compile(r"(?<![\w.])(?:nan|inf)|\de\+?\d{3}", re.IGNORECASE)


def _refuse_wild_numbers(dot: str) -> None:
    """The last line of defense, behind `number`: Graphviz aborts, or draws at "nan", if a number isn't finite."""
    position = 0
    while token := _TOKEN.search(dot, position):
        if token["value"] and _WILD.search(token["value"]):
            raise RenderError(f"a drawing's numbers must be finite, got {token[0]!r}: write them with engine.number()")
        position = _end_of_html(dot, token.start()) if token["html"] else token.end()


def _end_of_html(dot: str, position: int) -> int:
    depth = 0
    for bracket in re.compile("[<>]").finditer(dot, position):
        depth += 1 if bracket[0] == "<" else -1
        if depth == 0:
            return bracket.end()
    return len(dot)
