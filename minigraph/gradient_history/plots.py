"""Lines and heat maps of what is kept of a graph at some steps of its training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import RenderError
from ..param import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LABELED = 12
"""Up to so many lines bear their names; more are told apart by color."""
COLORS = "viridis"
ALARM = "#c8102e"
QUIET = {
    "no path": ("#dcdcdc", "", "no path to the cost"),
    "frozen": ("#dcdcdc", "....", "frozen"),
    "not asked": ("#dcdcdc", "////", "not asked for: nothing trainable before"),
    "not run": ("#ffffff", "", "not part of the run"),
    "not yet": ("#ffffff", "////", "not moved yet"),
}
"""Fill, hatch and meaning of what is not computed, by its state."""


class Table(NamedTuple):
    """Sizes, a row for each layer, a column for each step."""

    label: str
    """What the numbers are."""
    names: list[str]
    levels: list[int]
    """l of each row: how deep it stands."""
    steps: Array
    values: Array
    states: list[list[str]]

    @property
    def state_array(self) -> Array:
        """The states, (rows, steps)."""
        return np.array(self.states, dtype=object).reshape(self.values.shape)

    @property
    def computed(self) -> Array:
        """Where there is a number, finite or not."""
        computed: Array = self.state_array == "computed"
        return computed

    @property
    def positive(self) -> Array:
        """Where there is a number that a log scale can show."""
        return self.computed & np.isfinite(self.values) & (self.values > 0)

    @property
    def zero(self) -> Array:
        """Where the number is exactly 0."""
        zero: Array = self.computed & (self.values == 0)
        return zero

    @property
    def wild(self) -> Array:
        """Where the number is NaN or ∞."""
        wild: Array = self.computed & ~np.isfinite(self.values)
        return wild


# ---- lines ----


def lines(table: Table, path: str | Path | None) -> Figure:
    """A line for each row, on a log axis; zeros are marked at its bottom, what isn't finite at its top."""
    figure = figure_of(7.5, 4.2)
    axes = figure.subplots()
    colors = _colors(table.levels)
    shown = np.where(table.positive, table.values, np.nan)
    marker = "o" if len(table.steps) <= 30 else None
    for name, row, color in zip(table.names, shown, colors, strict=True):
        axes.plot(table.steps, row, color=color, linewidth=1.4, marker=marker, markersize=3, label=_legible(name))
    axes.set(xlabel="training step", ylabel=table.label, yscale="log", ylim=_span(shown, 0.05))
    axes.margins(x=0.01)
    axes.grid(which="major", color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    _whole_steps(axes)
    if len(table.names) <= LABELED:
        _name_lines(axes, table, shown, colors)
    else:
        _depth_bar(figure, axes, table)
    _legend(figure, _marks(axes, table, colors))
    return _saved(figure, path)


def _marks(axes: Axes, table: Table, colors: list[Any]) -> list[Any]:
    """Mark what a log axis has no place for; returns the keys to the marks, and names the rows without any number."""
    from matplotlib.lines import Line2D

    look: dict[str, Any] = {"linestyle": "", "markersize": 6}
    place: dict[str, Any] = {"clip_on": False, "transform": axes.get_xaxis_transform(), "zorder": 3}
    for zero, wild, color in zip(table.zero, table.wild, colors, strict=True):
        for where, height, paint, marker in ((zero, 0.0, color, "v"), (wild, 1.0, ALARM, "x")):
            if where.any():
                steps = table.steps[where]
                style = {**look, **place, "color": paint, "marker": marker, "markerfacecolor": "white"}
                axes.plot(steps, np.full(len(steps), height), label=f"_at {height}", **style)
    keys = []
    if table.zero.any():
        keys.append(Line2D([], [], color="black", marker="v", markerfacecolor="white", label="exactly 0", **look))
    if table.wild.any():
        keys.append(Line2D([], [], color=ALARM, marker="x", label="not finite", **look))
    bare = [_legible(name) for name, there in zip(table.names, table.computed, strict=True) if not there.any()]
    if bare:
        more = f" and {len(bare) - 3} more" if len(bare) > 3 else ""
        keys.append(Line2D([], [], label=f"nothing computed: {', '.join(bare[:3])}{more}", linestyle=""))
    return keys


def _name_lines(axes: Axes, table: Table, shown: Array, colors: list[Any]) -> None:
    """Names at the right ends of the lines, moved apart where they would touch."""
    low, high = np.log10(axes.get_ylim())
    ends = []
    for name, row, zero, color in zip(table.names, shown, table.zero, colors, strict=True):
        there = np.flatnonzero(np.isfinite(row))
        if len(there):
            last = there[-1]
            ends.append(((math.log10(row[last]) - low) / (high - low), table.steps[last], row[last], name, color))
        elif zero.any():
            ends.append((0.0, table.steps[zero][-1], 10.0**low, name, color))
    ends.sort(key=lambda end: end[0])
    for height, (_, x, y, name, color) in zip(_apart([end[0] for end in ends], 0.06), ends, strict=True):
        axes.annotate(
            _legible(name), xy=(x, y), xytext=(1.03, height), textcoords="axes fraction", va="center", fontsize=8,
            color="#222222", parse_math=False, annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": color, "linewidth": 0.8, "shrinkA": 1, "shrinkB": 2},
        )  # fmt: skip


def _apart(heights: Sequence[float], gap: float) -> list[float]:
    """The heights, which rise, moved so that neighbors are a gap apart, within 0 and 1 as far as they fit."""
    moved: list[float] = []
    for height in heights:
        moved.append(max(height, moved[-1] + gap) if moved else height)
    bound = 1.0
    for i in reversed(range(len(moved))):
        moved[i] = min(moved[i], bound)
        bound = moved[i] - gap
    return moved


def _depth_bar(figure: Figure, axes: Axes, table: Table) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.ticker import MaxNLocator

    scale = ScalarMappable(Normalize(min(table.levels), max(table.levels)), _depths())
    bar = figure.colorbar(scale, ax=axes, label="depth: layer number l", ticks=MaxNLocator(integer=True, min_n_ticks=1))
    bar.ax.invert_yaxis()  # the first layer on top, as in the heat map
    ends = (table.names[0], "top"), (table.names[-1], "bottom")
    for name, side in ends:
        bar.ax.annotate(
            _legible(name), xy=(0.5, side == "top"), xytext=(0, 4 if side == "top" else -4), xycoords="axes fraction",
            textcoords="offset points", ha="center", va="bottom" if side == "top" else "top", fontsize=8,
            parse_math=False,
        )  # fmt: skip


# ---- heat map ----


def heatmap(table: Table, path: str | Path | None) -> Figure:
    """A cell for each row and step, colored on a log scale; zeros, what isn't finite and what isn't computed apart."""
    from matplotlib.colors import ListedColormap, LogNorm
    from matplotlib.patches import Patch

    count = len(table.names)
    height = min(max(1.4 + 0.14 * count, 2.8), 11.0)
    figure = figure_of(7.5, height)
    axes = figure.subplots()
    width = int(table.steps[1] - table.steps[0]) if len(table.steps) > 1 else 1
    across = np.append(table.steps, table.steps[-1] + width) - width / 2
    down = np.arange(count + 1) - 0.5
    shown = np.ma.masked_where(~table.positive, table.values)
    low, high = _span(shown.filled(np.nan), 0.0, -286.0)
    cells = axes.pcolormesh(across, down, shown, cmap=_palette(), norm=LogNorm(low, high), rasterized=True)
    keys = []
    looks = [(table.zero, "#000000", "", "exactly 0"), (table.wild, ALARM, "", "not finite")]
    looks += [(table.state_array == state, fill, hatch, meaning) for state, (fill, hatch, meaning) in QUIET.items()]
    for where, fill, hatch, meaning in looks:
        if where.any():
            ones = np.ma.masked_where(~where, np.ones_like(table.values))
            flat = ListedColormap([fill])
            axes.pcolor(across, down, ones, cmap=flat, hatch=hatch, edgecolor="#8a8a8a" if hatch else "none", lw=0)
            keys.append(Patch(facecolor=fill, hatch=hatch, edgecolor="#8a8a8a", linewidth=0.5, label=meaning))
    if table.positive.any():
        figure.colorbar(cells, ax=axes, label=table.label, aspect=7 * height, pad=0.02)
    every = math.ceil(count / 60)
    axes.set(xlabel="training step", ylim=(count - 0.5, -0.5))
    names = [_legible(name) for name in table.names[::every]]
    axes.set_yticks(range(0, count, every), names, fontsize=8 if count <= 40 else 6, parse_math=False)
    _whole_steps(axes)
    _legend(figure, keys)
    return _saved(figure, path)


# ---- both ----


def figure_of(width: float, height: float) -> Figure:
    """An empty figure of a size in inches; raises RenderError when matplotlib is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise RenderError("plotting needs matplotlib: pip install 'minigraph[plot]'") from None
    return Figure(figsize=(width, height), layout="constrained")


def _legend(figure: Figure, keys: list[Any]) -> None:
    if keys:
        legend = figure.legend(handles=keys, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
        for text in legend.get_texts():
            text.set_parse_math(False)  # names may have dollars


def _saved(figure: Figure, path: str | Path | None) -> Figure:
    if path is not None:
        figure.savefig(path, dpi=150)
    return figure


def _palette() -> Any:
    from matplotlib import colormaps

    return colormaps[COLORS]


def _depths() -> Any:
    """The palette without its lightest yellow, in which a line on white is hard to see."""
    from matplotlib.colors import ListedColormap

    return ListedColormap(_palette()(np.linspace(0.0, 0.9, 256)))


def _colors(levels: list[int]) -> list[Any]:
    """A color for each row by how deep it stands."""
    depth = np.array(levels, dtype=np.float64) - min(levels)
    return list(_depths()(depth / max(depth.max(), 1.0)))


def _span(values: Array, margin: float, floor: float = -323.0) -> tuple[float, float]:
    """The ends of a log axis for values of which some are NaN, with a share of its length as margin.

    It doesn't begin below 10 ** floor: a color bar of smaller numbers is one of zeros to matplotlib.
    """
    there = values[np.isfinite(values)]
    low, high = (np.log10(there.min()), np.log10(there.max())) if there.size else (-1.0, 0.0)
    wider = max((high - low) * margin, 0.04 if margin else 0.0, 0.3 if high - low < 0.01 else 0.0)
    low = max(low - wider, floor)
    return float(10**low), float(10 ** min(max(high + wider, low + 0.1), 308.0))


def _whole_steps(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _legible(name: str) -> str:
    """A name on one line, of a length that fits, in letters that the font has."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties()))
    line = "".join(c if font.get_char_index(ord(c)) and c.isprintable() else "□" for c in " ".join(name.split()))
    return line if len(line) <= 28 else f"{line[:15]}…{line[-12:]}"
