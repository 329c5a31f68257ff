"""The command line."""

import csv
import json
import os
import re
import subprocess
import sys
import warnings
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

import minigraph as mg
from minigraph.__main__ import main
from minigraph.costs import Quadratic, SoftmaxCrossEntropy
from minigraph.layers import Dense, Log

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


# ---- about a file ----

OWN = """
import numpy as np, minigraph as mg
from dataclasses import dataclass

@mg.register(name="Doubled, in a file")
@dataclass(eq=False)
class Doubled(mg.Layer):
    def build(self, shape, *, rng, dtype):
        return shape
    def forward(self, at, x):
        return 2 * x
    def backward(self, at, error):
        return {slope} * error
"""


def net(name="net", units=3, cost=True):
    return mg.Sequential(
        4, Dense(5, "tanh"), Dense(units), cost=SoftmaxCrossEntropy() if cost else None, name=name, seed=0
    )


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A saved network in the current folder."""
    monkeypatch.chdir(tmp_path)
    return str(net().save("net.safetensors"))


def said(capsys, code, *arguments):
    """What a command prints, to stdout and to stderr, if it ends with that code."""
    assert main(arguments) == code
    return capsys.readouterr()


def test_summary_is_the_graphs_own(file, capsys):
    assert said(capsys, 0, "summary", file) == (f"{net()}\n", "")


def test_summary_of_a_checkpoint_says_how_far_it_was(file, capsys):
    data = {"x": np.eye(4), "t": np.arange(4) % 3}
    options = {"batch_size": 2, "optimizer": mg.Adam(), "progress": False, "every": 1, "keep": 9}
    mg.fit(net(), data, epochs=2, checkpoint="run.safetensors", **options)
    middle, end = (said(capsys, 0, "summary", f"run-{number:09d}.safetensors").out for number in (3, 4))
    assert middle.splitlines()[-1].endswith("by Adam: 1 epoch and 1 batch of the next, 3 batches in all")
    assert end.splitlines()[-1].endswith("by Adam: 2 epochs and 0 batches of the next, 4 batches in all")
    assert "5 nodes" in end
    assert "wrote" in said(capsys, 0, "draw", "run-000000004.safetensors", "-o", "run.gv").out


def test_draw_takes_the_options_of_a_view(file, capsys):
    assert said(capsys, 0, "draw", file).out == "wrote net.svg\n"
    assert "4 → 5" in " ".join(ElementTree.parse("net.svg").getroot().itertext())
    options = {"style": "print", "detail": "symbols", "direction": "down", "depth": 1, "fold": True}
    flags = [f"--{name}" if value is True else f"--{name}={value}" for name, value in options.items()]
    assert said(capsys, 0, "draw", file, "--out", "net.gv", *flags).err == ""
    assert Path("net.gv").read_text(encoding="utf-8") == net().picture(**options).dot


def test_explore_says_whose_numbers_they_are(file, capsys):
    assert "wrote net.html, with made-up inputs, seed 7" in said(capsys, 0, "explore", file, "--seed", "7").out
    page = Path("net.html").read_text(encoding="utf-8")
    assert "<title>net (made-up inputs, seed 7)" in page
    assert "batch of 10" in page
    assert re.search(r'"backward":\d', page)
    x, t = np.random.default_rng(0).standard_normal((20, 4)), np.arange(20) % 3
    np.savez("some.npz", x=x, t=t)
    assert (
        "numbers from some.npz"
        in said(
            capsys, 0, "explore", file, "-o", "p.html", "--data", "some.npz", "--examples", "6", "--detail", "name"
        ).out
    )
    page = Path("p.html").read_text(encoding="utf-8")
    assert "<title>net (numbers from some.npz)" in page
    cost = net().forward(x=x[:6], t=t[:6]).cost
    assert re.search(r"batch of 6 · C = ([\d.]+)", page)[1] == f"{cost:.3g}"


def test_explore_runs_a_network_without_a_cost_forward(file, capsys):
    net(cost=False).save("net.safetensors")
    said(capsys, 0, "explore", file)
    assert not re.search(r'"backward":\d|C = ', Path("net.html").read_text(encoding="utf-8"))


def test_check_says_whether_gradients_are_right(file, capsys):
    assert said(capsys, 0, "check", file).out.startswith("net, with made-up inputs, seed 0: ok: 3 nodes")
    np.savez("one.npz", x=np.ones(4), t=2)  # one example, without a batch axis
    assert "numbers from one.npz: ok" in said(capsys, 0, "check", file, "--data", "one.npz").out
    net("red\x1b[31m\n" + 99 * "x").save("odd.safetensors")
    assert re.fullmatch(r"red\\x1b\[31m\\nx+…, with .*\n", said(capsys, 0, "check", "odd.safetensors").out)
    mg.Sequential(4, Log(), Dense(2), cost=Quadratic()).save("log.safetensors")
    np.savez("below.npz", x=-np.ones(4), t=np.ones(2))
    with np.errstate(invalid="ignore"):
        assert "network: give --data" in said(capsys, 1, "check", "log.safetensors").out
        assert "give" not in said(capsys, 1, "check", "log.safetensors", "--data", "below.npz").out


@pytest.mark.parametrize(("slope", "code"), [(2, 0), (3, 1)])
def test_own_layers_are_imported_and_checked(slope, code, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    module = f"own_layers_{slope}"
    (tmp_path / f"{module}.py").write_text(OWN.format(slope=slope))
    monkeypatch.setattr("minigraph.registry._registered", {})
    space = {"__name__": module}
    exec(OWN.format(slope=slope), space)
    mg.Sequential(4, space["Doubled"](), Dense(2), cost=Quadratic(), seed=0).save("own.safetensors")
    monkeypatch.setattr("minigraph.registry._registered", {})
    assert "Doubled" in said(capsys, 2, "check", "own.safetensors").err
    path = list(sys.path)
    out = said(capsys, code, "check", "own.safetensors", "--import", module).out
    assert ("wrong in 'doubled'" in out) == (slope == 3)
    assert sys.path == path
    monkeypatch.delitem(sys.modules, module)


BAD = [
    (["draw", "missing.safetensors"], "missing.safetensors"),
    (["draw", "."], "is no file"),
    (["draw", "text"], "no whole safetensors file"),
    (["draw", "net.safetensors", "-o", "net.bmp"], ".svg"),
    (["draw", "net.safetensors", "-o", "nowhere/net.svg"], "nowhere"),
    (["summary", "cut.safetensors"], "no whole safetensors file"),
    (["summary", "weights.safetensors"], "g.load_weights"),
    (["summary", "training.safetensors"], "can't be loaded"),
    (["explore", "net.safetensors", "-o", "net.svg"], ".html"),
    (["check", "net.safetensors", "--data", "missing.npz"], "missing.npz"),
    (["check", "net.safetensors", "--data", "text"], "np.savez"),
    (["check", "net.safetensors", "--data", "one.npy"], "np.savez"),
    (["check", "net.safetensors", "--data", "cut.npz"], "np.savez"),
    (["check", "net.safetensors", "--data", "objects.npz"], "np.savez"),
    (["check", "net.safetensors", "--data", "few.npz"], "'t'"),
    (["explore", "net.safetensors", "--data", "other.npz"], "'x'"),
    (["check", "net.safetensors", "--examples", f"{10**15}"], "too little memory"),
    (["check", "picky.safetensors", "--import", "picky"], "give --data"),
    (["explore", "picky.safetensors", "--import", "picky"], "give --data"),
    (["draw", "net.safetensors", "--import", "no_such_module"], "no_such_module"),
    (["draw", "net.safetensors", "--import", "fails"], "ZeroDivisionError"),
    (["draw", "net.safetensors", "--import", "leaves"], "SystemExit"),
]


@pytest.fixture
def bad(file, tmp_path, monkeypatch):
    """Files of all kinds that aren't what they should be."""
    from safetensors.numpy import load_file, save_file

    weights, data = load_file(file), Path(file).read_bytes()
    save_file(weights, "weights.safetensors")
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    save_file(weights, "training.safetensors", {**header, "training": "[]"})
    (tmp_path / "cut.safetensors").write_bytes(data[:-7])
    (tmp_path / "text").write_text("some text")
    np.save("one.npy", np.ones(3))
    np.savez("few.npz", x=np.ones((2, 4)))
    np.savez("other.npz", x=np.ones((2, 5)), t=np.ones(2, int))
    np.savez("objects.npz", x=np.array([{}]))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "few.npz").read_bytes()[:-30])
    (tmp_path / "fails.py").write_text("1 / 0")
    (tmp_path / "leaves.py").write_text("raise SystemExit(0)")
    picky = (
        OWN.format(slope=2).replace("return 2 * x", "assert (x > 5).all(); return 2 * x").replace("Doubled", "Picky")
    )
    (tmp_path / "picky.py").write_text(picky)
    monkeypatch.setattr("minigraph.registry._registered", {})
    exec(picky, space := {"__name__": "picky"})
    mg.Sequential(4, space["Picky"](), Dense(2), cost=Quadratic()).save("picky.safetensors")
    yield
    sys.modules.pop("picky", None)


@pytest.mark.parametrize(
    ("arguments", "words"), BAD, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_bad_files_give_one_line_and_exit_code_2(bad, arguments, words, capsys):
    out, err = said(capsys, 2, *arguments)
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith(f"minigraph {arguments[0]}: ")
    assert words in err


def test_warnings_are_one_line_too(file, monkeypatch, capsys):
    def slow(given):
        warnings.warn("the layout\nof \x1b[31m takes long", mg.errors.GraphWarning, stacklevel=1)
        return 0

    monkeypatch.setattr("minigraph.command.draw.run", slow)
    assert said(capsys, 0, "draw", file).err == "minigraph draw: the layout of \\x1b[31m takes long\n"


@pytest.mark.parametrize("command", [[], ["demo"], ["draw"], ["explore"], ["check"], ["summary"]])
def test_help_fits_80_columns(command, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as left:
        main([*command, "--help"])
    assert left.value.code == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert ("a module of yours" in out) == (command not in ([], ["demo"]))


def test_help_starts_without_the_commands_and_pictures_print_anywhere(file):
    """In a process of its own, whose stdout knows ASCII alone."""
    code = (
        "import sys, runpy; import minigraph; before = set(sys.modules)\n"
        "from minigraph.__main__ import main\n"
        "try: main()\n"
        "finally: print(*sorted(n for n in set(sys.modules) - before if n.startswith('minigraph')), file=sys.stderr)\n"
    )
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": os.pathsep.join(sys.path)}

    def call(*arguments):
        return subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment, check=True
        )

    loaded = call("--help").stderr.split()
    assert loaded == ["minigraph.__main__", "minigraph.command", "minigraph.command.arguments"]
    assert "4 ? 5" in call("summary", file).stdout


def test_a_reader_that_left_and_a_full_disk_give_no_traceback(file):
    """In processes whose stdout takes nothing: a pipe that nobody reads, and where there is one a disk that is full."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}

    def call(stdout, *arguments):
        command = [sys.executable, "-m", "minigraph", *arguments]
        done = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, env=environment)
        return done.returncode, done.stderr

    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as pipe:
        for arguments in (["summary", file], ["--help"]):
            assert call(pipe, *arguments) == (141, "")
    if os.path.exists("/dev/full"):
        with open("/dev/full", "wb") as full:
            code, said = call(full, "summary", file)
        assert (code, len(said.splitlines())) == (2, 1)
        assert said.startswith("minigraph summary: ")
        assert "No space left" in said
