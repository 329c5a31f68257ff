"""The command line."""

import csv
import re
import xml.etree.ElementTree as ElementTree

import pytest

from minigraph.__main__ import main

pytest.importorskip("pygraphviz", reason="pygraphviz, of the extra draw, is not installed")


def test_demo_learns_checks_and_draws(tmp_path, capsys):
    assert main(["demo", "--out", str(tmp_path / "new" / "folder"), "--epochs", "3"]) == 0
    said = capsys.readouterr()
    assert float(re.search(r"accuracy on the test digits: ([\d.]+)%", said.out)[1]) >= 90
    assert "gradients: ok" in said.out
    folder = tmp_path / "new" / "folder"
    written = ["gradient_flow.svg", "history.csv", "network.svg", "page.html"]
    assert sorted(path.name for path in folder.iterdir()) == written
    for name in ("network.svg", "gradient_flow.svg"):
        words = " ".join(ElementTree.parse(folder / name).getroot().itertext())
        assert "784" in words
        assert "Quadratic" in words
    assert "step 1, C = " in (folder / "page.html").read_text(encoding="utf-8")
    rows = list(csv.DictReader((folder / "history.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert float(rows[-1]["validation_accuracy"]) >= 0.9
    assert "epoch 3/3" in said.err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ([], "command"),
        (["dance"], "dance"),
        (["demo", "--epochs", "0"], "positive whole number"),
        (["demo", "--epochs", "two"], "two"),
        (["demo", "--speed", "9"], "--speed"),
    ],
)
def test_bad_arguments_give_one_line_and_exit_code_2(arguments, word, capsys):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    said = capsys.readouterr()
    assert left.value.code == 2
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert word in said.err


def test_bad_folders_give_one_line_and_exit_code_2(tmp_path, capsys):
    assert main(["demo", "--data", str(tmp_path / "nowhere")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    (tmp_path / "file").write_text("")
    assert main(["demo", "--out", str(tmp_path / "file")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
