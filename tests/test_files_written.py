"""Files: a call writes those it was given a path for, and nothing else anywhere, whatever names things have."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from test_picture import needs_graphviz

pytest.importorskip("matplotlib", reason="matplotlib, of the extra plot, is not installed")

# Run in a Python of its own, whose every open, rename and process is noted under the name of the step it belongs to.
WRITER = r"""
import json, os, sys
from pathlib import Path

steps, noted = {}, []
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.chmod"}

def note(event, args):
    if event == "open" and isinstance(args[0], (str, bytes)) and args[2] & WRITES:
        noted.append([event, os.path.abspath(os.fsdecode(args[0]))])
    elif event in CHANGES:
        folder = os.readlink(f"/proc/self/fd/{args[-1]}") if type(args[-1]) is int and args[-1] >= 0 else ""
        paths = [os.path.join(folder, os.fsdecode(path)) for path in args[:2] if isinstance(path, (str, bytes))]
        noted.extend([event, os.path.abspath(path)] for path in paths)
    elif event == "subprocess.Popen":
        noted.append([event, os.path.basename(args[1][0])])
    elif event in ("os.truncate", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.connect", "socket.bind"):
        noted.append([event, ""])

sys.addaudithook(note)

def step(name, work):
    noted.clear()
    work()
    steps[name] = [list(one) for one in noted]

def everything(out):
    import numpy as np
    import minigraph as mg
    from minigraph.__main__ import main
    from minigraph.costs import Quadratic
    from minigraph.layers import Dense
    from minigraph.render import engine

    evil = ["../up", str(out.parent / "absolute"), "a/../../b", "..", "./here", "C:\\x", "~/home", "nul\0\n", "|x"]
    block = mg.Graph(evil[0])
    block.output(block.input("x", 2) >> Dense(2, "tanh", name=evil[1]))
    g = mg.Graph(evil[0], seed=0)
    h = g.block(block, g.input(evil[2], 2), name=evil[3])
    for name in evil[4:]:
        h = g.add(Dense(2, "tanh"), h, name=name)
    g.cost(Quadratic(), h, target="t")
    feeds = {evil[2]: np.eye(2), "t": np.eye(2)}
    gradients, learned = mg.GradientHistory(), {}

    def fit(**options):
        options = {"epochs": 2, "batch_size": 1, "optimizer": mg.SGD(0.1), "progress": False, **options}
        learned["history"] = mg.fit(g, feeds, **options)

    step("fit", lambda: fit(watch=[gradients]))
    run = g.forward(feeds).backward()
    step("look", lambda: [g.summary(), run.diagnose(), mg.check(g, feeds), g.explain().text, repr(g)])
    step("mnist", mg.datasets.mnist)
    for extension in ("svg", "png", "pdf", "html", "tikz", "tex", "dot", "gv"):
        step(f"net.{extension}", lambda: g.draw(out / f"net.{extension}"))
    step("flow.svg", lambda: run.draw(out / "flow.svg"))
    step("page.html", lambda: run.explore(out / "page.html", history=gradients))
    step("cell", run._repr_mimebundle_)
    step("steps.svg", lambda: gradients.draw(out / "steps.svg"))
    folders, engine.FONT_FOLDERS = engine.FONT_FOLDERS, ()
    step("our_fonts.png", lambda: g.draw(out / "our_fonts.png"))
    engine.FONT_FOLDERS = folders
    step("neurons.svg", lambda: mg.Sequential(2, Dense(2), name="../x").neurons().save(out / "neurons.svg"))
    for extension in ("txt", "md", "tex"):
        step(f"told.{extension}", lambda: run.explain(evil[4]).save(out / f"told.{extension}"))
    step("sizes.csv", lambda: gradients.to_csv(out / "sizes.csv"))
    step("sizes.png", lambda: gradients.plot(out / "sizes.png"))
    step("cells.pdf", lambda: gradients.heatmap(out / "cells.pdf"))
    step("history.csv", lambda: learned["history"].to_csv(out / "history.csv"))
    step("history.png", lambda: learned["history"].plot(out / "history.png"))
    step("net.safetensors", lambda: g.save(out / "net.safetensors"))
    step("load", lambda: mg.load(out / "net.safetensors").load_weights(out / "net.safetensors"))
    step("learned-*.safetensors", lambda: fit(checkpoint=out / "learned.safetensors", keep=2))
    step("demo/*", lambda: main(["demo", "--out", str(out / "demo"), "--epochs", "1"]))

everything(Path(sys.argv[1]))
print("\n" + json.dumps(steps))
"""

FILES = [
    *(f"net.{extension}" for extension in ("svg", "png", "pdf", "html", "tikz", "tex", "dot", "gv", "safetensors")),
    "flow.svg", "page.html", "steps.svg", "our_fonts.png", "neurons.svg", "told.txt", "told.md", "told.tex",
    "sizes.csv", "sizes.png", "cells.pdf", "history.csv", "history.png",
]  # fmt: skip
SILENT = ["fit", "look", "mnist", "cell", "load"]
LEARNED = {"learned-000000002.safetensors", "learned-000000004.safetensors"}
DEMO = {"network.svg", "gradient_flow.svg", "history.csv", "page.html"}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The folder with all that is written, and what was noted at each step."""
    root = tmp_path_factory.mktemp("files")
    places = {name: root / name for name in ("given", "home", "here", "temporary", "matplotlib")}
    for place in places.values():
        place.mkdir()
    places["here"].chmod(0o555)
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "SYSTEMROOT") if name in os.environ}
    env = {
        **kept,
        "HOME": str(places["home"]),
        "TMPDIR": str(places["temporary"]),
        "MPLCONFIGDIR": str(places["matplotlib"]),  # where matplotlib keeps a list of fonts
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-W", "error", "-c", WRITER, str(places["given"])]
    done = subprocess.run(command, cwd=places["here"], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return places, json.loads(done.stdout.splitlines()[-1])


@needs_graphviz
def test_nothing_is_left_anywhere_but_what_was_asked_for(written):
    places, steps = written
    assert {place.name for place in places["given"].iterdir()} == {*FILES, *LEARNED, "demo"}
    assert {place.name for place in (places["given"] / "demo").iterdir()} == DEMO
    assert set(steps) == {*FILES, *SILENT, "learned-*.safetensors", "demo/*"}
    assert [list(places[name].iterdir()) for name in ("home", "here", "temporary")] == [[], [], []]
    assert {place.name for place in places["given"].parent.iterdir()} == set(places)


@needs_graphviz
@pytest.mark.parametrize("step", [*FILES, *SILENT, "learned-*.safetensors", "demo/*"])
def test_a_step_opens_for_writing_what_it_was_given_and_temporary_files(step, written):
    places, steps = written
    given, temporary = places["given"], places["temporary"]
    form = re.escape(step).replace(r"\*", "[\\w.-]+")
    beside = r"(?:demo/)?\.[\w.-]+\.(?:tmp|part)"
    for event, path in steps[step]:
        if event == "subprocess.Popen":
            assert step.endswith(("svg", "png", "pdf", "html", "tikz", "tex", "cell", "*")), path
        elif Path(path).is_relative_to(temporary):
            assert step == "our_fonts.png"
        elif not Path(path).is_relative_to(places["matplotlib"]) and path != os.devnull:
            assert step not in SILENT, (event, path)
            assert Path(path).is_relative_to(given), (event, path)
            name = str(Path(path).relative_to(given))
            assert re.fullmatch(f"{form}|{beside}|demo", name), (event, path)
