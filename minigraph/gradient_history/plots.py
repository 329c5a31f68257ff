"""Lines and heat maps of what is kept of a graph at some steps of its training."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from functools import partial
from io import BytesIO
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
LANE, LANES = 0.16, 1.7
"""Height of the lane in which a row's zeros are marked, and of all lanes together at most, in inches."""
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
        return np.asarray(self.state_array == "computed")

    @property
    def positive(self) -> Array:
        """Where there is a number that a log scale can show."""
        return self.computed & np.isfinite(self.values) & (self.values > 0)

    @property
    def zero(self) -> Array:
        """Where the number is exactly 0."""
        return np.asarray(self.computed & (self.values == 0))

    @property
    def wild(self) -> Array:
        """Where the number is NaN or ∞."""
        return np.asarray(self.computed & ~np.isfinite(self.values))


# ---- lines ----


def lines(table: Table, path: str | Path | None) -> Figure:
    """A line for each row, on a log axis; zeros are marked in lanes under it, what isn't finite at its top."""
    dead = np.flatnonzero(table.zero.any(axis=1))
    lanes = min(LANE * len(dead), LANES)
    figure = figure_of(7.5, 4.2 + lanes)
    axes, *under = figure.subplots(2, sharex=True, height_ratios=(3.4, lanes)) if len(dead) else [figure.subplots()]
    colors = _colors(table.levels)
    shown = np.where(table.positive, table.values, np.nan)
    look: dict[str, Any] = {"linewidth": 1.4, "markersize": 3, "marker": "o" if len(table.steps) <= 30 else None}
    for name, row, color in zip(table.names, shown, colors, strict=True):
        axes.plot(table.steps, row, color=color, label=_legible(name), clip_on=False, **look)
    axes.set(ylabel=table.label, yscale="log", ylim=_span(shown, 0.05), axisbelow=True)
    axes.grid(which="major", color="#e6e6e6", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    figure.axes[-1].set_xlabel("training step")
    _steps(axes, table.steps, table.steps[0], table.steps[-1])
    for lowest in under:
        axes.tick_params(bottom=False)
        axes.spines["bottom"].set_visible(False)
        _zeros(lowest, table, dead, colors)
    if len(table.names) <= LABELED:
        _name_lines(axes, table, colors)
    else:
        _depth_bar(figure, [axes, *under], table)
    _legend(figure, _marks(axes, table))
    return _saved(figure, path)


def _zeros(axes: Axes, table: Table, dead: Array, colors: list[Any]) -> None:
    """A lane for each row with zeros, for which a log axis has no place, and marks in it where they are."""
    look: dict[str, Any] = {"marker": "o", "markerfacecolor": "white", "markersize": min(72 * LANES / len(dead), 4.5)}
    for lane, row in enumerate(dead):
        steps = table.steps[table.zero[row]]
        axes.plot(steps, np.full(len(steps), lane), color=colors[row], linestyle="", clip_on=False, **look)
    axes.set(ylim=(len(dead) - 0.5, -0.5), facecolor="#f4f4f4")
    axes.set_yticks([(len(dead) - 1) / 2], ["exactly 0"])
    axes.tick_params(axis="y", length=0, pad=7)
    axes.spines[["top", "right"]].set_visible(False)
    if len(table.names) <= LABELED:
        heights = [1 - (lane + 0.5) / len(dead) for lane in range(len(dead))]
        _names(axes, heights, heights, [(table.names[row], colors[row]) for row in dead])


def _marks(axes: Axes, table: Table) -> list[Any]:
    """Mark what isn't finite; returns the keys to the marks, and names the rows without any number."""
    from matplotlib.lines import Line2D

    look: dict[str, Any] = {"linestyle": "", "markersize": 6, "color": ALARM, "marker": "x"}
    keys = []
    if table.wild.any():
        steps = table.steps[table.wild.any(axis=0)]
        axes.plot(steps, np.ones(len(steps)), clip_on=False, transform=axes.get_xaxis_transform(), zorder=3, **look)
        keys.append(Line2D([], [], label="not finite", **look))
    bare = [_legible(name) for name, there in zip(table.names, table.computed, strict=True) if not there.any()]
    more = f" and {len(bare) - 3} more" if len(bare) > 3 else ""
    if bare:
        keys.append(Line2D([], [], label=f"nothing computed: {', '.join(bare[:3])}{more}", linestyle=""))
    return keys


def _name_lines(axes: Axes, table: Table, colors: list[Any]) -> None:
    """Names beside the right ends of the lines, moved apart where they would touch; rows that end at 0 have a lane."""
    low, high = np.log10(axes.get_ylim())
    last = [row[there][-1] if there.any() else 0.0 for row, there in zip(table.values, table.computed, strict=True)]
    height = {i: (math.log10(x) - low) / (high - low) if math.isfinite(x) else 1.0 for i, x in enumerate(last) if x}
    rows = sorted(height, key=height.__getitem__)
    ends = [height[row] for row in rows]
    _names(axes, ends, _apart(ends, 0.06), [(table.names[row], colors[row]) for row in rows])


def _names(axes: Axes, ends: list[float], heights: list[float], rows: list[tuple[str, Any]]) -> None:
    """Names with their colors right of the axes, at heights from 0 to 1, each joined to where its line ends."""
    for end, height, (name, color) in zip(ends, heights, rows, strict=True):
        axes.annotate(
            _legible(name), xy=(1.0, end), xytext=(1.05, height), xycoords="axes fraction", textcoords="axes fraction",
            va="center", fontsize=8, color="#222222", parse_math=False, annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": "#9a9a9a", "linewidth": 0.7, "linestyle": ":", "relpos": (0, 0.5)},
        )  # fmt: skip
        axes.scatter(1.035, height, s=22, marker="s", color=[color], clip_on=False, transform=axes.transAxes, zorder=4)


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


def _depth_bar(figure: Figure, axes: list[Axes], table: Table) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.ticker import MaxNLocator

    scale = ScalarMappable(Normalize(min(table.levels), max(table.levels)), _depths())
    bar = figure.colorbar(scale, ax=axes, label="depth: layer number l", ticks=MaxNLocator(integer=True, min_n_ticks=1))
    bar.ax.invert_yaxis()  # the first layer on top, as in the heat map
    for name, end, away, side in ((table.names[0], 1, 4, "bottom"), (table.names[-1], 0, -4, "top")):
        bar.ax.annotate(
            _legible(name), xy=(0.5, end), xytext=(0, away), xycoords="axes fraction", textcoords="offset points",
            ha="center", va=side, fontsize=8, parse_math=False,
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
    across = np.append(table.steps, table.steps[-1] + width) - 0.5  # a cell goes on to the next step kept
    down = np.arange(count + 1) - 0.5
    shown = np.ma.masked_where(~table.positive, table.values)
    low, high = _span(shown.filled(np.nan), 0.0, -286.0)
    cells = axes.pcolormesh(across, down, shown, cmap=COLORS, norm=LogNorm(low, high), rasterized=True)
    looks = [(table.zero, "#000000", "", "exactly 0"), (table.wild, ALARM, "", "not finite")]
    looks += [(table.state_array == state, fill, hatch, meaning) for state, (fill, hatch, meaning) in QUIET.items()]
    keys = []
    for where, fill, hatch, meaning in looks:
        if where.any():
            ones = np.ma.masked_where(~where, np.ones_like(table.values))
            edge = "#8a8a8a" if hatch else "none"
            axes.pcolor(across, down, ones, cmap=ListedColormap([fill]), hatch=hatch, edgecolor=edge, lw=0)
            keys.append(Patch(facecolor=fill, hatch=hatch, edgecolor="#8a8a8a", linewidth=0.5, label=meaning))
    if table.positive.any():
        figure.colorbar(cells, ax=axes, label=textwrap.fill(table.label, 22), aspect=7 * height, pad=0.02)
    axes.set(xlabel="training step", ylim=(count - 0.5, -0.5))
    every = math.ceil(count / 60)
    names = [_legible(name) for name in table.names[::every]]
    axes.set_yticks(range(0, count, every), names, fontsize=8 if count <= 40 else 6, parse_math=False)
    _steps(axes, table.steps, across[0], across[-1])
    _legend(figure, keys)
    return _saved(figure, path)


# ---- both ----


def figure_of(width: float, height: float) -> Figure:
    """An empty figure of a size in inches, which notebooks show by itself; raises RenderError without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise RenderError("plotting needs matplotlib: pip install 'minigraph[plot]'") from None
    figure = Figure(figsize=(width, height), layout="constrained")
    vars(figure)["_repr_png_"] = partial(_png, figure)
    return figure


def _png(figure: Figure) -> bytes:
    figure.savefig(file := BytesIO(), format="png")
    return file.getvalue()


def _legend(figure: Figure, keys: list[Any]) -> None:
    if keys:
        legend = figure.legend(handles=keys, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
        for text in legend.get_texts():
            text.set_parse_math(False)  # names may have dollars


def _saved(figure: Figure, path: str | Path | None) -> Figure:
    if path is not None:
        figure.savefig(path, dpi=150)
    return figure


def _depths() -> Any:
    """The palette without its lightest yellow, in which a line on white is hard to see."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    return ListedColormap(colormaps[COLORS](np.linspace(0.0, 0.9, 256)))


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


def _steps(axes: Axes, steps: Array, start: float, end: float) -> None:
    """An axis of steps from a start to an end, with ticks at steps kept, where they are few, or else at round ones."""
    from matplotlib.ticker import MaxNLocator

    first, last = int(steps[0]), int(steps[-1])
    ticks = MaxNLocator(integer=True).tick_values(first, last)
    round_ones = [tick for tick in ticks if first + (ticks[1] - ticks[0]) / 2 <= tick <= last]
    axes.set_xticks(steps if len(steps) <= 12 else [first, *round_ones])
    axes.set_xlim(*((start, end) if start < end else (start - 0.5, end + 0.5)))


def _legible(name: str) -> str:
    """A name on one line, of a length that fits, in letters that the font has."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties()))
    line = "".join(c if font.get_char_index(ord(c)) and c.isprintable() else "□" for c in " ".join(name.split()))
    return line if len(line) <= 28 else f"{line[:15]}…{line[-12:]}"
