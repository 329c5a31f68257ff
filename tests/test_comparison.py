"""What docs/comparison.md says other libraries print is what they print, and their numbers are minigraph's."""

import contextlib
import importlib.util
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow

DOCS = Path(__file__).parent.parent / "docs"
TEXT = (DOCS / "comparison.md").read_text(encoding="utf-8")
LIBRARIES = ("PyTorch", "Keras", "JAX", "Thinc", "micrograd")
BLOCKS = [
    (library, code, shown)
    for library in LIBRARIES
    for code, shown in re.findall(
        r"```py\n(.*?)```\n\n```text\n(.*?)```", TEXT.partition(f"\n## {library}\n")[2].partition("\n## ")[0], re.DOTALL
    )
]
NUMBER = r"-?\d+\.\d*(?:e[-+]?\d+)?"


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """The folder in which the page's own blocks have left the common numbers, and what they computed."""
    folder, names, before = tmp_path_factory.mktemp("comparison"), {}, Path.cwd()
    with contextlib.redirect_stdout(io.StringIO()):
        os.chdir(folder)
        try:
            exec("".join(re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)), names)
        finally:
            os.chdir(before)
    run = names["run"]
    return folder, {"C": run.cost, "row": run.grad(names["h"].w)[0], "delta": run["first"].delta[0]}


def modules(code):
    return set(re.findall(r"^(?:import|from) (\w+)", code, re.MULTILINE)) - sys.stdlib_module_names


def words(text):
    """All but the numbers; numpy sets these apart by spaces as their last digits happen to be."""
    return re.sub(r"\s+", "", re.sub(NUMBER, "#", text))


def numbers(text):
    return np.array(re.findall(NUMBER, text), float)


@pytest.mark.parametrize(
    ("library", "code", "shown"), BLOCKS, ids=[f"{library}-{i}" for i, (library, _, _) in enumerate(BLOCKS)]
)
def test_a_block_prints_what_the_page_says_and_our_numbers(library, code, shown, ours):
    for module in sorted(modules(code)):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module}, of docs/comparison.txt, is not installed")
    folder, expected = ours
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert words(done.stdout) == words(shown)
    few = 1e-7 if "float64" in code or library == "micrograd" else 3e-6  # of the digits that are printed
    np.testing.assert_allclose(numbers(done.stdout), numbers(shown), rtol=0, atol=few)
    for line in done.stdout.splitlines():
        for beginning in ("C = ", "row 0 of dC/dw", "delta of the first use"):
            if line.startswith(beginning):
                np.testing.assert_allclose(
                    numbers(line.partition("=" if beginning == "C = " else ":")[2]),
                    np.atleast_1d(expected[beginning.split()[0]]),
                    rtol=0,
                    atol=few,
                )


@pytest.mark.parametrize("library", LIBRARIES)
def test_each_library_computes_the_network_and_has_a_wrong_backward(library):
    codes = [(code, shown) for name, code, shown in BLOCKS if name == library]
    assert any("row 0 of dC/dw" in code and "C = 1.143209" in shown for code, shown in codes)
    assert library == "micrograd" or any("# wrong" in code and "without a word" in shown for code, shown in codes)
    assert len(codes) == TEXT.partition(f"\n## {library}\n")[2].partition("\n## ")[0].count("```py\n")


def test_what_the_blocks_import_is_pinned():
    pinned = re.findall(r"^([\w-]+)==[\d.]+$", (DOCS / "comparison.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert set().union(*(modules(code) for _, code, _ in BLOCKS)) <= set(pinned)
