"""What the README and the examples publish is run."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from types import FunctionType

import pytest

import minigraph as mg

pytest.importorskip("pygraphviz", reason="pygraphviz, of the extra draw, is not installed")

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def run(folder, *command):
    return subprocess.run(
        [sys.executable, "-W", "error", *command], cwd=folder, capture_output=True, text=True, timeout=300
    )


def test_readme_example_runs_and_draws(tmp_path):
    [example] = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len([line for line in example.splitlines() if line.strip() and "import" not in line]) <= 15
    done = run(tmp_path, "-c", example)
    assert done.returncode == 0, done.stderr
    assert "(10, 6) (6, 4)" in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gradient_flow.svg", "network.svg"]


def test_the_catalogue_names_everything_and_its_example_runs(tmp_path):
    text = (ROOT / "docs" / "catalogue.md").read_text(encoding="utf-8")
    bases = {"Layer", "Neurons", "Cell", "Recurrent", "Cost", "Penalty", "Schedule", "Optimizer"}
    modules = (mg.layers, mg.costs, mg.optimizers, mg.blocks, mg.schedules)
    names = {
        name
        for module in modules
        for name in getattr(module, "__all__", vars(module))
        if not name.startswith("_")
        and isinstance(getattr(module, name), type | FunctionType)
        and getattr(module, name).__module__.startswith((module.__name__, f"{mg.__name__}.layer"))
    }
    names |= {*mg.blocks.__all__, *mg.activations.NAMED}
    assert {name for name in names - bases if not re.search(rf"`{name}\b", text)} == set()
    [example] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    done = run(tmp_path, "-c", example)
    assert done.returncode == 0, done.stderr
    assert "(3, 8)" in done.stdout


def test_the_page_on_pictures_runs_and_names_every_option(tmp_path):
    text = (ROOT / "docs" / "pictures.md").read_text(encoding="utf-8")
    done = run(tmp_path, "-c", "".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL)))
    assert done.returncode == 0, done.stderr
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {"net.svg", "flow.pdf", "part.tikz", "page.html", "net.tikz", "flow.tikz", "steps.pdf"}
    table = text.partition("## What a drawing shows")[2].partition("\n## ")[0]
    named = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)))
    assert {field.name for field in fields(mg.View)} == set(named)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex with TikZ")
def test_the_paper_on_the_page_on_pictures_has_figures_as_wide_as_its_columns(tmp_path):
    text = (ROOT / "docs" / "pictures.md").read_text(encoding="utf-8")
    done = run(tmp_path, "-c", "".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL)))
    assert done.returncode == 0, done.stderr
    [paper] = re.findall(r"```latex\n(.*?)```", text, re.DOTALL)
    (tmp_path / "paper.tex").write_text(paper, encoding="utf-8")
    command = ["pdflatex", "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=60)
    assert done.returncode == 0, done.stdout
    assert "(1 page" in done.stdout
    assert not re.search("Overfull|Underfull|Warning", done.stdout), done.stdout


@pytest.mark.slow
def test_all_images_but_those_of_benchmarks_are_drawn(tmp_path):
    done = run(tmp_path, str(ROOT / "docs" / "make_pictures.py"), str(tmp_path))
    assert done.returncode == 0, done.stderr
    drawn = {path.name for path in tmp_path.iterdir()}
    assert drawn | {"benchmarks.svg", "scale.svg"} == {path.name for path in (ROOT / "docs" / "images").iterdir()}


def test_each_image_is_shown_by_a_page():
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    shown = {link for page in pages for link in re.findall(r"\]\((?:docs/)?images/([^)]+)", page.read_text("utf-8"))}
    assert shown == {path.name for path in (ROOT / "docs" / "images").iterdir()}


def test_the_page_on_saving_runs_and_goes_on_where_it_ended(tmp_path):
    blocks = "".join(re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "saving.md").read_text("utf-8"), re.DOTALL))
    for _ in range(2):
        done = run(tmp_path, "-c", blocks)
        assert done.returncode == 0, done.stderr
        written = {path.name for path in tmp_path.iterdir()}
        assert written == {
            "net.safetensors",
            "own.safetensors",
            "run-000000025.safetensors",
            "run-000000027.safetensors",
        }


@pytest.mark.parametrize("path", [ROOT / "README.md", *(ROOT / "docs").glob("*.md")], ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8")):
        assert (path.parent / link).exists(), link


@pytest.mark.parametrize("path", [p for p in EXAMPLES if p.name != "nielsen_mnist.py"], ids=lambda path: path.stem)
def test_example_runs_draws_and_is_short(path, tmp_path):
    if path.stem == "train_many":
        pytest.importorskip("mpi4py", reason="mpi4py, of the extra mpi, is not installed")
    done = run(tmp_path, str(path))
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("*.svg"))) == 2
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 60


@pytest.mark.slow
@pytest.mark.skipif(
    "MINIGRAPH_DATA" not in os.environ, reason="MINIGRAPH_DATA names no folder with the full MNIST files"
)
def test_the_books_experiment_ends_where_the_books_program_ends(tmp_path):
    done = run(tmp_path, str(ROOT / "examples" / "nielsen_mnist.py"))
    assert done.returncode == 0, done.stderr
    accuracy = float(re.search(r"([\d.]+)% after", done.stdout)[1])
    assert 94.5 <= accuracy <= 95.7
