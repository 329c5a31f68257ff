"""The notebooks among the examples are clean files, run from top to bottom, and show pictures."""

import re
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="nbformat, of the extra test, is not installed")

NOTEBOOKS = sorted((Path(__file__).parent.parent / "examples").glob("*.ipynb"))
PICTURES = ("image/svg+xml", "image/png")


def read(path):
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    return notebook, [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_there_are_notebooks():
    assert {"first_steps", "exercise_solutions"} <= {path.stem for path in NOTEBOOKS}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_file_holds_what_was_written_and_nothing_that_was_run(path):
    notebook, code = read(path)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    assert [cell.id for cell in notebook.cells if cell.metadata or cell.get("attachments")] == []
    assert [cell.id for cell in code if cell.outputs or cell.execution_count is not None] == []
    assert [cell.id for cell in notebook.cells if not cell.source.strip()] == []
    assert notebook.cells[0].source.startswith("# ")
    assert path.read_text(encoding="utf-8").endswith("}\n")


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_runs_and_shows_pictures(path, tmp_path, monkeypatch):
    pytest.importorskip("ipykernel", reason="ipykernel, of the extra test, is not installed")
    nbclient = pytest.importorskip("nbclient", reason="nbclient, of the extra test, is not installed")
    pytest.importorskip("pygraphviz", reason="pygraphviz, of the extra draw, is not installed")
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    (tmp_path / "work").mkdir()

    notebook, code = read(path)
    place = {"metadata": {"path": str(tmp_path / "work")}}
    nbclient.NotebookClient(notebook, kernel_name="python3", timeout=120, resources=place).execute()  # or raises

    outputs = [output for cell in code for output in cell.outputs]
    warned = [output.text for output in outputs if output.get("name") == "stderr" and "Warning" in output.text]
    assert warned == []
    shown = [(kind, output.data[kind]) for output in outputs for kind in PICTURES if kind in output.get("data", {})]
    assert shown
    assert all(re.search(r"<svg\b.*</svg>", data, re.DOTALL) for kind, data in shown if kind == "image/svg+xml")
    assert code[-1].outputs
