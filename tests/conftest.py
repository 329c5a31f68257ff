"""A browser; a machine without Graphviz, or with one that does as it is told; numbers of many digits."""

import decimal
import sys

import pytest
from chromium import CHROMIUM


@pytest.fixture
def digits():
    """Decimals of 60 digits, as large and as small as they come."""
    with decimal.localcontext(decimal.Context(prec=60, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN)):
        yield


@pytest.fixture
def no_dot(tmp_path, monkeypatch):
    """A PATH on which no Graphviz is, whatever the machine has."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("FONTCONFIG_FILE", raising=False)


@pytest.fixture
def no_wheel(monkeypatch):
    monkeypatch.setitem(sys.modules, "pygraphviz", None)


@pytest.fixture
def dot(tmp_path, no_dot):
    """Install a `dot` that runs the given lines of Python, with its input as `text`."""

    def install(lines):
        program = tmp_path / "bin" / "dot"
        said = "if sys.argv[1:] == ['-V']: sys.exit('dot - graphviz version 14.1.5 (0)')"
        program.write_text(f"#!{sys.executable} -IS\nimport os, sys, time\n{said}\ntext = sys.stdin.read()\n{lines}\n")
        program.chmod(0o755)
        return program

    return install


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "drawings").mkdir()
    return tmp_path / "drawings"


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        args = ["--no-sandbox", "--disable-dev-shm-usage"]
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=args)
        yield found
        found.close()
