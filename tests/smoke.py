"""What an installed package must do, with nothing else of the project at hand: `python smoke.py` in an empty folder."""

import sys
import tempfile
from importlib.metadata import requires, version
from importlib.resources import files
from pathlib import Path

import numpy as np

import minigraph as mg
from minigraph.costs import Quadratic
from minigraph.layers import Add, Dense


def learn():
    """A graph with two uses of one layer, trained for a while on the digits that the package ships."""
    g = mg.Graph("smoke", seed=0)
    shared = Dense(16, "sigmoid")
    h = g.add(shared, g.input("x", 784), name="h")
    other = g.add(shared, g.input("more", 784), name="other")
    y = Add()(h, other) >> Dense(10, "sigmoid", name="out")
    g.cost(Quadratic(), y, target="t")
    digits = mg.datasets.mnist()
    x, t = digits.x_train[:200], mg.datasets.one_hot(digits.y_train[:200])
    feeds = {"x": x, "more": x[::-1], "t": t}
    before = g.forward(feeds).cost
    mg.fit(g, feeds, epochs=3, batch_size=10, optimizer=mg.SGD(1.0), progress=False)
    run = g.forward(feeds).backward()
    assert run.cost < before, (run.cost, before)
    few = {name: values[:3] for name, values in feeds.items()}
    assert mg.check(g, few)
    return run


def write(run, folder):
    """A drawing as DOT, a page's parts, and the graph itself, read again."""
    g = run.graph
    assert "digraph" in g.draw(folder / "net.gv").read_text(encoding="utf-8")
    assert "digraph" in run.draw(folder / "flow.gv").read_text(encoding="utf-8")
    assert "δ" in run.explain("out").text
    render = files("minigraph.render")
    assert (render / "fonts" / "DejaVuSans.ttf").read_bytes()[:4] == b"\0\1\0\0"
    assert all((render / "page" / name).read_text(encoding="utf-8") for name in ("page.html", "page.css", "page.js"))
    g.save(folder / "net.safetensors")
    again = mg.load(folder / "net.safetensors")
    feeds = {name: np.full((2, 784), 0.5) for name in ("x", "more")}
    assert np.array_equal(*(graph.forward(feeds, until="out")["out"].a for graph in (g, again)))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        write(learn(), Path(made))
    core = [need.partition(">")[0] for need in requires("minigraph") if ";" not in need]
    print(f"Python {sys.version.split()[0]}, minigraph from {Path(mg.__file__).parent},", end=" ")
    print(*(f"{name} {version(name)}" for name in core), sep=", ")
