"""The documentation's text: links, spelling, and the blocks that are run while the site is built."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)

needs_sphinx = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("sphinx", "furo", "myst_parser")),
    reason="sphinx, furo or myst-parser, of the extra docs, is not installed",
)


# ---- the text of the pages ----


def anchors(text):
    """Where a link into a page can lead: its headings, as GitHub and MyST name them."""
    found = []
    for heading in re.findall(r"^#{1,4} (.*)$", FENCE.sub("", text), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        found.append(
            f"{slug}-{before}" if (before := sum(slug == re.sub(r"-\d+$", "", one) for one in found)) else slug
        )
    return found


def lost(page, text):
    """Links of a page to headings that aren't there."""
    for path, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", FENCE.sub("", text)):
        target = (page.parent / path).resolve() if path else page
        there = text if target == page else target.read_text("utf-8") if target.suffix == ".md" else ""
        if anchor not in anchors(there):
            yield f"{path}#{anchor}"


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: str(page.relative_to(ROOT)))
def test_links_into_pages_lead_to_headings(page):
    assert list(lost(page, page.read_text("utf-8"))) == []


def test_a_link_to_no_heading_is_found():
    page = DOCS / "notation.md"
    text = "# `a.b` of x\n[1](#ab-of-x) [2](#there) [3](notation.md#the-four-equations) [4](saving.md#nothing)"
    assert list(lost(page.with_name("other.md"), text)) == ["#there", "saving.md#nothing"]


def test_each_page_has_its_place_in_the_table_of_contents():
    trees = re.findall(r"^```\{toctree\}\n(.*?)^```$", (DOCS / "index.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    named = [line for tree in trees for line in tree.splitlines() if line and not line.startswith(":")]
    top = {page.stem for page in DOCS.glob("*.md")}
    assert sorted(named) == sorted({*top - {"index"}, "reference/index"})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_a_page_has_one_title_and_fences_of_known_kinds(page):
    text = page.read_text("utf-8")
    assert len(re.findall("^# ", FENCE.sub("", text), re.MULTILINE)) == 1
    kinds = {kind for kind in re.findall(r"^ *```(.+)$", text, re.MULTILINE) if not kind.startswith("{")}
    assert kinds <= {"python", "py", "sh", "text", "json", "toml", "yaml", "bibtex", "latex", "html"}


def test_addresses_are_well_formed():
    files = [ROOT / "README.md", *PAGES, *(ROOT / "minigraph").rglob("*.py"), *(ROOT / "examples").glob("*.py")]
    found = {address for file in files for address in re.findall(r"https?://[^\s)\"'`>\]]+", file.read_text("utf-8"))}
    assert {kind for page in PAGES for kind in re.findall(r"\]\(([\w+.-]+):", page.read_text("utf-8"))} <= {
        "http",
        "https",
    }
    assert found
    for address in found:
        parts = urlsplit(address)
        assert re.fullmatch(r"([a-z0-9-]+\.)+[a-z]{2,}", parts.netloc), address
        assert parts.scheme == "https" or parts.netloc in ("www.w3.org", "neuralnetworksanddeeplearning.com"), address
        assert not address.endswith((".", ",", ";", ":")), address


def test_words_are_spelled_right():
    pytest.importorskip("codespell_lib", reason="codespell, of the extra dev, is not installed")
    command = [sys.executable, "-m", "codespell_lib", "README.md", "docs", "examples", "minigraph"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


# ---- blocks ----


def built(source, out, *options):
    """Build a site; returns the process."""
    command = [sys.executable, "-m", "sphinx", "-q", "-E", "-b", "html", "-d", str(out / "doctrees"), *options]
    return subprocess.run([*command, str(source), str(out / "html")], capture_output=True, text=True, timeout=900)


CONF = f"""
import sys
sys.path.insert(0, {str(DOCS / "_ext")!r})
extensions = ["myst_parser", "pages"]
myst_enable_extensions = ["dollarmath"]
"""

GOOD = """# Page

[the readme](../README.md), [an example](../examples/xor.py), [examples](../examples)

```python
import minigraph as mg
from minigraph.costs import Quadratic
from minigraph.layers import Dense

g = mg.Sequential(2, Dense(2, name="h"), cost=Quadratic(), name="tiny", seed=0)
print("printed", 6 * 7)


def annotated(x: 3 * 7): ...


print(annotated.__annotations__)
```

<!-- raises -->

```python
g.add(Dense(3), g["h"], name="h")
```

<!-- hide output -->
```python
print("never seen")
```

<!-- figure only -->
```python
picture = g.picture
picture(detail="name")
```

```python
g.picture(style="light")
```

```python
run = g.forward(x=[1.0, 2.0], t=[0.0, 1.0]).backward()
run.explore("steps.html")
run.explain("h")
```
<!-- embed steps.html -->

- ```python
  6 * 7 * 100
  ```

![a wheel](wheel.svg)
"""


@needs_sphinx
@pytest.mark.skipif(
    not (shutil.which("dot") or importlib.util.find_spec("pygraphviz")), reason="pygraphviz or dot is not installed"
)
def test_a_page_shows_what_its_blocks_print_draw_and_raise(tmp_path):
    source = tmp_path / "project" / "docs"
    shutil.copytree(ROOT / "examples", tmp_path / "project" / "examples")
    shutil.copy(ROOT / "README.md", tmp_path / "project")
    source.mkdir()
    (source / "conf.py").write_text(CONF)
    (source / "index.md").write_text(GOOD)
    (source / "wheel.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="30pt" height="15pt"/>')
    done = built(source, tmp_path, "-W")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "html" / "index.html").read_text("utf-8")
    text = re.sub(r"<[^>]+>", "", page)
    assert "\nprinted 42\n{'x': 21}\n" in text.replace("&#39;", "'")
    assert "4200" in text
    assert re.search(r"^GraphError: .*\(added at index\.md:10\).*\(at index\.md:23\)$", text, re.MULTILINE)
    assert "Traceback" not in text
    assert 'print("never seen")' in text.replace("&quot;", '"')
    assert "\nnever seen" not in text
    assert "detail=" not in text
    assert page.count('class="only-light"') == page.count('class="only-dark"') == 1
    assert page.count('class="only-one"') == 2  # a style that is asked for is kept; a file is what it is
    assert 'alt="tiny, network: The network' in page
    assert 'alt="a wheel" width="40" height="20"' in page
    light, dark = ((tmp_path / "html" / "_drawn" / f"index-1{kind}.svg").read_text("utf-8") for kind in ("", "-dark"))
    assert "#ffffff" in light
    assert "#ffffff" not in dark
    assert page.count('class="rubric"') > 1
    assert "<h2>" not in page
    assert page.count("<iframe") == 1
    assert "<title>" in (tmp_path / "html" / "_drawn" / "index-3.html").read_text("utf-8")
    assert not list((tmp_path / "html").rglob("steps.html"))
    assert '<a class="reference internal" href="#"><span class="std std-doc">the readme</span></a>' in page
    assert 'download="" href="_downloads/' in page
    assert "<!-- " not in page.partition("<body")[2]


FAULTS = {
    "raises": ("x = 1\n\nraise KeyError('k')", "", 7, "KeyError: 'k'"),
    "deep": ("def f():\n    return 1 / 0\n\n\nf()", "", 6, "ZeroDivisionError"),
    "syntax": ("x = 1\ny = = 2", "", 6, "SyntaxError"),
    "warning": ("import warnings\n\nwarnings.warn('careful')", "", 7, "UserWarning: careful"),
    "fine": ("x = 1", "<!-- raises -->", 5, "is to raise"),
    "foreign": ("x = 1\n{}['a']", "<!-- raises -->", 6, "<!-- raises KeyError -->"),
    "exit": ("raise SystemExit(3)", "", 5, "SystemExit: 3"),
    "dead": ("import os\nos._exit(3)", "", 5, "ended with 3"),
}


@needs_sphinx
def test_a_block_that_fails_fails_the_build_with_its_line(tmp_path):
    (tmp_path / "conf.py").write_text(CONF)
    (tmp_path / "index.md").write_text("# Index\n\n```{toctree}\n:glob:\n*\n```\n")
    for name, (code, comment, _, _) in FAULTS.items():
        (tmp_path / f"{name}.md").write_text(f"# Page\n\n{comment}\n```python\n{code}\n```\n")
    (tmp_path / "embed.md").write_text(
        "# Page\n\n```python\nx = 1\n```\n\n```python\ny = 1\n```\n<!-- embed no.html -->\n"
    )
    done = built(tmp_path, tmp_path / "out", "-j", "2")
    assert done.returncode == 1
    for name, (_, _, line, said) in {**FAULTS, "embed": ("", "", 8, "'no.html'")}.items():
        assert re.search(rf"{name}\.md:{line}: ERROR: .*{re.escape(said)}", re.sub(r"\n(?!/)", " ", done.stderr)), (
            name,
            done.stderr,
        )
