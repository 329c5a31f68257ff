"""The site: built whole, then read in a browser without a network."""

import importlib.util
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from chromium import CHROMIUM

ROOT = Path(__file__).parent.parent
MISSING = [name for name in ("sphinx", "furo", "myst_parser") if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"{', '.join(MISSING)}, of the extra docs, not installed"),
]

needs_browser = pytest.mark.skipif(
    not CHROMIUM or not importlib.util.find_spec("playwright"),
    reason="playwright or chromium-headless-shell is not installed",
)


class Links(HTMLParser):
    """What a page of the site refers to, and the places in it that can be referred to."""

    def __init__(self, page):
        super().__init__()
        self.to, self.ids = [], set()
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name == "id":
                self.ids.add(value)
            elif name in ("href", "src") and tag != "base":
                self.to.append(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The whole site, built anew, with warnings as errors."""
    out = tmp_path_factory.mktemp("site")  # with a copy of the sources: the reference is written beside them
    shutil.copytree(ROOT / "docs", out / "docs", ignore=shutil.ignore_patterns("_build", "reference", "__pycache__"))
    shutil.copytree(ROOT / "examples", out / "examples")
    shutil.copy(ROOT / "README.md", out)
    for name in ("minigraph", "tests"):
        (out / name).symlink_to(ROOT / name)
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-j", "2", "-b", "html", "-d", "doctrees"]
    done = subprocess.run([*command, "docs", "html"], cwd=out, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    return out / "html"


def test_public_names_in_pages_lead_to_their_reference(site):
    """Each once in a section, and none in headings or in blocks of code."""
    links = Links(site / "catalogue.html").to
    for page, name in (
        ("layers/Dense", "layers.Dense"),
        ("layers/LSTM", "layers.LSTM"),
        ("optimizers", "optimizers.Adam"),
    ):
        assert links.count(f"reference/{page}.html#minigraph.{name}") == 1, name


@pytest.fixture
def opened(browser):
    """Opens a page offline; whatever the browser complains of, or asks of a network, fails the test."""
    faults, contexts = [], []

    def open_(path):
        context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(f"{path.name}: {error}"))
        page.on("console", lambda said: faults.append(f"{path.name}: {said.text}") if said.type == "error" else None)
        page.on("requestfailed", lambda request: faults.append(f"{path.name}: {request.url}"))
        page.on("request", lambda one: faults.append(one.url) if not one.url.startswith(("file:", "data:")) else None)
        page.goto(path.as_uri())
        return page

    yield open_
    for context in contexts:
        context.close()
    assert faults == []


def test_all_that_the_site_refers_to_is_there(site):
    pages = {page: Links(page) for page in site.rglob("*.html") if page.parent.name != "_drawn"}
    assert len(pages) > 20
    for page, links in pages.items():
        for link in links.to:
            parts = urlsplit(link)
            if parts.scheme not in ("", "file"):
                assert parts.scheme in ("https", "http", "data"), f"{page.name}: {link}"
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            assert target.exists(), f"{page.name}: {link}"
            if parts.fragment and target in pages:
                assert unquote(parts.fragment) in pages[target].ids, f"{page.name}: {link}"


FORMULAS = """async () => {
  if (window.MathJax) await MathJax.startup.promise;
  return [...document.querySelectorAll(".math")]
    .filter(one => !one.querySelector("mjx-container svg") || one.querySelector("[data-mml-node=merror], [fill=red]"))
    .map(one => one.textContent);
}"""
TOO_WIDE = """() => [document.documentElement, ...document.querySelectorAll(".content")]
  .map(one => one.scrollWidth - one.clientWidth).filter(more => more > 0)"""
UNSEEN = "() => [...document.images].filter(one => !(one.complete && one.naturalWidth > 0)).map(one => one.src)"
ENLARGED = """() => [...document.querySelectorAll(".drawing img")]
  .filter(one => one.offsetWidth > Number(one.getAttribute("width")) + 1).map(one => one.src)"""
SHOWN = """() => [...document.querySelectorAll(".drawing:not(.host *)")]
  .filter(one => [...one.querySelectorAll("img")].filter(img => img.offsetWidth > 0).length !== 1).length"""


@needs_browser
def test_every_page_reads_well_without_a_network_on_wide_and_narrow_screens_light_and_dark(site, opened):
    formulas = drawings = 0
    for path in sorted(site.rglob("*.html")):
        if path.parent.name == "_drawn":
            continue
        page = opened(path)
        assert page.evaluate(FORMULAS) == [], path.name
        assert page.evaluate(UNSEEN) == [], path.name
        for frame in page.locator("iframe").all():
            frame.scroll_into_view_if_needed()
            assert frame.content_frame.locator("svg").first.is_visible(), path.name
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate(TOO_WIDE) == [], (path.name, width)
            assert page.evaluate(ENLARGED) == [], (path.name, width)
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                assert page.evaluate(SHOWN) == 0, (path.name, scheme)
        formulas += page.locator(".math").count()
        drawings += page.locator(".drawing").count()
        page.context.close()
    assert formulas > 100
    assert drawings > 20


@needs_browser
def test_pages_change_to_dark_and_back_when_asked_to(site, opened):
    page = opened(site / "index.html")
    seen = {}
    for _ in range(3):
        page.get_by_role("button", name="Toggle Light / Dark / Auto color theme").filter(visible=True).click()
        kinds = [kind for kind in ("light", "dark") if page.locator(f".only-{kind} img").first.is_visible()]
        seen[page.locator("body").get_attribute("data-theme")] = kinds
    assert seen == {"dark": ["dark"], "light": ["light"], "auto": ["light"]}


@needs_browser
def test_the_search_finds_pages_without_a_server(site, opened):
    page = opened(site / "index.html")
    page.get_by_role("textbox", name="Search").fill("checkpoint")
    page.keyboard.press("Enter")
    page.wait_for_selector("#search-results li")
    titles = page.locator("#search-results li a").all_inner_texts()
    assert "Saving, loading, checkpoints" in titles
    page.get_by_text("Saving, loading, checkpoints", exact=True).first.click()
    assert page.locator("h1").inner_text().startswith("Saving, loading, checkpoints")
