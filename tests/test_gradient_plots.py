"""Lines and heat maps of a GradientHistory: that they show the numbers, all of them, and nothing else."""

import copy
import itertools
import sys

import numpy as np
import pytest
from training import QUIET, T, X

import minigraph as mg
from minigraph.costs import Quadratic
from minigraph.errors import RenderError
from minigraph.gradient_history import GradientHistory
from minigraph.gradient_history.plots import _apart
from minigraph.layers import Add, Dense, Scale, StopGradient

pytest.importorskip("matplotlib", reason="matplotlib, of the extra plot, is not installed")

DATA = {"x": X, "t": T}
READ = {
    "delta": lambda h, name: h.delta(name),
    "mean_delta": lambda h, name: h.mean_delta(name),
    "grad": lambda h, name: h.grad(name + ".w"),
    "update": lambda h, name: h.update_ratio(name + ".w"),
}


def deep(n, kind="sigmoid"):
    layers = [Dense(4, kind, name=f"h{i}") for i in range(n)]
    return mg.Sequential(4, *layers, Dense(2, name="out"), cost=Quadratic(), seed=0)


def trained(g, every=3, **options):
    gradients = GradientHistory(every)
    options = {"epochs": 2, "batch_size": 5, "optimizer": mg.SGD(0.1), "seed": 7, **QUIET, **options}
    mg.fit(g, DATA, watch=[gradients], **options)
    return gradients


def odd():
    """Dead at first, NaN at the end, frozen, unreached, not run."""
    g = mg.Graph("odd", seed=0)
    first = Dense(5, "tanh", name=r"first $\frac$")(g.input("x", 4))
    ice = Dense(5, "tanh", name="ice", frozen=True)(first)
    dead = Dense(5, "relu", name="dead")(ice)
    dead.layer.b.value = np.full(5, -100.0)
    aside = StopGradient()(Dense(5, name="aside $\\frac$\n\x07 🙂 漢 <b>" + "x" * 500)(first))
    g.cost(Quadratic(), Dense(2, name="out")(Add()(dead, aside, ice)), target="t")
    g.output("out", Dense(2, name="extra")(first))

    def change(epoch):
        if epoch.number == 1:
            dead.layer.b.value = np.full(5, 1.0)
        if epoch.number == 2:
            g["out"].layer.w.value = np.full((2, 5), np.nan)

    return trained(g, every=1, epochs=3, optimizer=mg.SGD(0.01), callbacks=[change])


@pytest.mark.parametrize("kind", READ)
def test_lines_and_cells_are_the_numbers_kept(kind):
    gradients = trained(deep(8))
    names = [*(f"h{i}" for i in range(8)), "out"]
    expected = np.array([READ[kind](gradients, name) for name in names])
    axes = gradients.plot(kind=kind).axes[0]
    assert axes.get_yscale() == "log"
    np.testing.assert_array_equal([line.get_ydata() for line in axes.lines], expected)
    for line in axes.lines:
        np.testing.assert_array_equal(line.get_xdata(), gradients.steps)
    low, high = axes.get_ylim()
    assert low < expected.min() < expected.max() < high
    suffix = ".w" if kind in ("grad", "update") else ""
    assert {text.get_text() for text in axes.texts} == {name + suffix for name in names}
    figure = gradients.heatmap(kind=kind)
    (cells,) = figure.axes[0].collections
    np.testing.assert_array_equal(cells.get_array(), expected)
    assert not np.ma.getmaskarray(cells.get_array()).any()
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [name + suffix for name in names]
    assert figure.axes[0].yaxis_inverted()  # the first layer on top
    assert figure.axes[1].get_ylabel().replace("\n", " ") == axes.get_ylabel()


def test_what_a_log_scale_cannot_show_is_marked():
    gradients = odd()
    axes, under = gradients.plot().axes
    lines = {line.get_label(): line for line in axes.lines[:6]}
    assert next(iter(lines)) == r"first $\frac$"
    dead = lines["dead"].get_ydata()
    assert np.isnan(dead[:5]).all()
    np.testing.assert_array_equal(dead[5:10], gradients.delta("dead")[5:10])
    (zero,) = under.lines
    assert list(zero.get_xdata()) == [1, 2, 3, 4, 5]
    assert [text.get_text() for text in under.texts] == ["dead"]
    assert [label.get_text() for label in under.get_yticklabels()] == ["exactly 0"]
    (wild,) = axes.lines[6:]
    assert (wild.get_marker(), list(wild.get_xdata())) == ("x", [11, 12, 13, 14, 15])
    assert {text.get_text() for text in axes.texts} == {r"first $\frac$", "ice", "dead", "out"}
    (legend,) = axes.figure.legends
    said = [text.get_text() for text in legend.get_texts()]
    assert said[0] == "not finite"
    assert said[1].startswith("nothing computed: aside")
    assert said[1].endswith("extra")


def test_nothing_is_drawn_over_steps_at_which_layers_are_dead():
    g = mg.Sequential(4, *[Dense(5, "tanh", name=f"h{i}") for i in range(5)], Dense(2, name="out"), cost=Quadratic())
    gradients = trained(g, every=1, optimizer=mg.SGD(1e6))
    hidden = [f"h{i}" for i in range(5)]
    assert all(gradients.delta(name)[0] > 0 == gradients.delta(name)[-1] for name in hidden)
    axes, under = gradients.plot().axes
    assert [text.get_text() for text in axes.texts] == ["out"]
    assert [text.get_text() for text in under.texts] == hidden
    assert all(text.xy[0] == 1.0 for text in [*axes.texts, *under.texts])  # leaders begin where the axes end
    height = (np.log10(gradients.delta("out")[-1]) - np.log10(axes.get_ylim()[0])) / np.diff(np.log10(axes.get_ylim()))
    np.testing.assert_allclose(axes.texts[0].xy[1], height[0])
    under.figure.draw_without_rendering()
    heights = [line.get_transform().transform(line.get_xydata())[:, 1] for line in under.lines]
    assert all(len(set(row)) == 1 for row in heights)
    gaps = -np.diff([row[0] for row in heights]) * 72 / under.figure.dpi
    assert (gaps > 1.3 * under.lines[0].get_markersize()).all()  # marks of several layers don't lie on each other
    for line, text, name in zip(under.lines, under.texts, hidden, strict=True):
        assert list(line.get_xdata()) == list(gradients.steps[gradients.delta(name) == 0])
        box = text.get_window_extent()
        assert box.y0 < line.get_transform().transform(line.get_xydata())[0, 1] < box.y1


@pytest.mark.parametrize("every", [1, 7, 100])
@pytest.mark.parametrize("n", [1, 40])
def test_axes_begin_with_the_first_step_kept(every, n):
    gradients = trained(deep(1), every=every, epochs=n)
    for axes in (gradients.plot().axes[0], gradients.heatmap().axes[0]):
        ticks = [int(label.get_text()) for label in axes.get_xticklabels()]
        assert ticks[0] == 1
        assert ticks == sorted(set(ticks))
        assert 0.5 <= axes.get_xlim()[0] <= 1
        assert axes.get_xlim()[1] >= gradients.steps[-1]
        assert len(ticks) <= 12


@pytest.mark.parametrize("kind", READ)
def test_the_label_of_the_colors_is_whole(kind):
    for gradients in (trained(deep(2)), odd()):
        figure = gradients.heatmap(kind=kind)
        figure.draw_without_rendering()
        box = figure.axes[1].yaxis.label.get_window_extent()
        assert 0 <= box.y0 < box.y1 <= figure.bbox.height
        assert box.x1 <= figure.bbox.width


@pytest.mark.parametrize("picture", ["plot", "heatmap"])
def test_figures_show_themselves_in_notebooks(picture):
    figure = getattr(trained(deep(2)), picture)()
    png = figure._repr_png_()
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert int.from_bytes(png[16:20], "big") == figure.get_figwidth() * figure.dpi
    assert copy.deepcopy(figure)._repr_png_.args[0] is not figure


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("delta", {"exactly 0", "not finite", "no path to the cost", "not part of the run"}),
        ("grad", {"exactly 0", "not finite", "no path to the cost", "not part of the run", "frozen"}),
        ("update", {"exactly 0", "not finite", "no path to the cost", "not part of the run", "frozen"}),
    ],
)
def test_cells_without_a_number_on_the_scale_look_apart(kind, said):
    gradients = odd()
    figure = gradients.heatmap(kind=kind)
    scaled, *others = figure.axes[0].collections
    (legend,) = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert set(labels) == said
    assert len(others) == len(labels)
    layers = [np.ma.getmaskarray(cells.get_array()).reshape(6, 15) for cells in (scaled, *others)]
    shown = ~np.array(layers)
    assert (shown.sum(axis=0) == 1).all()  # each cell has one look
    rows = [label.get_text().removesuffix(".w") for label in figure.axes[0].get_yticklabels()]
    dead, ice = rows.index("dead"), rows.index("ice")
    assert list(shown[1 + labels.index("exactly 0"), dead]) == [True] * 5 + [False] * 10
    assert list(shown[1 + labels.index("not finite"), dead, 10:]) == [True] * 5
    if "frozen" in said:
        assert shown[1 + labels.index("frozen"), ice].all()


def test_updates_that_did_not_follow_yet_are_no_zeros():
    g, gradients = deep(2), GradientHistory()
    gradients(g.forward(DATA).backward())
    (legend,) = gradients.heatmap(kind="update").legends
    assert [text.get_text() for text in legend.get_texts()] == ["not moved yet"]
    (legend,) = gradients.plot(kind="update").axes[0].figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["nothing computed: h0.w, h1.w, out.w"]


@pytest.mark.parametrize("size", [1e-320, 1e300])
def test_a_log_scale_holds_the_smallest_and_largest_numbers(tmp_path, size):
    g, gradients = deep(2, "identity"), GradientHistory()
    run = g.forward(DATA)
    gradients(run.backward("out", np.full((23, 2), size)))
    axes = gradients.plot(tmp_path / "lines.png").axes[0]
    low, high = axes.get_ylim()
    assert 0 < low <= gradients.delta("out")[0] <= high
    gradients.heatmap(tmp_path / "map.png")


def test_many_lines_are_told_apart_by_depth():
    gradients = trained(deep(50, "tanh"))
    figure = gradients.plot()
    assert len(figure.axes[0].lines) == 51
    assert not figure.axes[0].texts
    assert [text.get_text() for text in figure.axes[1].texts] == ["h0", "out"]
    colors = [line.get_color() for line in figure.axes[0].lines]
    assert len(set(map(tuple, colors))) == 51
    assert figure.axes[1].get_ylabel() == "depth: layer number l"


def test_rows_go_by_depth_whatever_the_order_of_adding():
    g = mg.Graph(seed=0)
    x, other = g.input("x", 4), g.input("other", 4)
    long = Dense(3, name="second")(Dense(3, "tanh", name="first")(x))
    short = Dense(3, name="beside")(other)
    g.cost(Quadratic(), Dense(2, name="third")(Add()(long, short)), target="t")
    gradients = GradientHistory()
    gradients(g.forward({**DATA, "other": X}).backward())
    rows = [label.get_text() for label in gradients.heatmap().axes[0].get_yticklabels()]
    assert rows == ["first", "beside", "second", "third"]


def test_without_weights_of_two_axes_there_is_still_a_picture():
    g = mg.Graph(seed=0)
    g.cost(Quadratic(), Scale(name="scale")(g.input("x", 4)), target="t")
    gradients = GradientHistory()
    gradients(g.forward(x=X, t=X * 2).backward())
    axes = gradients.plot(kind="grad").axes[0]
    assert sorted(text.get_text() for text in axes.texts) == sorted(gradients.params)


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
@pytest.mark.parametrize("picture", ["plot", "heatmap"])
def test_pictures_are_saved_whatever_the_names(tmp_path, picture, suffix):
    path = tmp_path / f"gradients.{suffix}"
    figure = getattr(odd(), picture)(path)
    assert path.stat().st_size > 5000
    assert figure.axes


@pytest.mark.parametrize("heights", [[0.5], [0.1, 0.11, 0.12], [0.9, 0.95, 1.0], [0.0] * 12, [1.0] * 12])
def test_names_at_the_ends_of_lines_do_not_touch(heights):
    moved = _apart(heights, 0.06)
    assert all(b - a > 0.06 - 1e-9 for a, b in itertools.pairwise(moved))
    assert moved[-1] <= 1.0
    assert moved[0] >= 0.0


def test_pictures_say_what_they_need(monkeypatch):
    gradients = trained(deep(1))
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    for draw in (gradients.plot, gradients.heatmap):
        with pytest.raises(RenderError, match=r"pip install 'minigraph\[plot\]'"):
            draw()
