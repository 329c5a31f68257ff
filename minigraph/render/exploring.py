"""The page of a run as a file: drawings for light and dark, and the flow over training if a history is given."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..diagnose import diagnose
from ..errors import GraphError
from ..gradient_history import GradientHistory
from ..layer import Node
from ..results import Results
from .explorer import explorer_html
from .network import network_picture
from .picture import checked, store
from .scene import Scene
from .themes import THEMES
from .training import frames, line_scale
from .view import View

MOST = 60
"""Of a training, the page shows so many steps at most."""


def explore(
    run: Results, path: str | os.PathLike[str], history: GradientHistory | None, timeout: float, view: View
) -> Path:
    """Write the page and return its path: see `Results.explore`."""
    path = checked(path, "page", (".html", ".htm"))
    if history is not None and history.places.graph is not run.graph:
        raise GraphError(f"the history is of graph {history.places.graph.name!r}, the run of {run.graph.name!r}")
    scene = Scene(run.graph, view)
    light, dark = (
        replace(network_picture(run.graph, view, THEMES[theme]), simpler=None).svg(timeout)
        for theme in ("light", "dark")
    )
    page = explorer_html(
        run,
        svg=light,
        svg_dark=dark,
        boxes={node: box.id for box in scene.boxes for node in box.nodes},
        lines={edge: line.id for line in scene.lines for edge in line.edges},
        repeats=_repeats(scene),
        findings=diagnose(run) if view.findings else (),
        **({} if history is None else _training(history, scene)),
    )
    store(path, page.encode())
    return path


def _repeats(scene: Scene) -> dict[Node, tuple[int, int]]:
    """Which of how many repetitions, or of how many uses of a layer, that are drawn as one box each node is in."""
    several = [[[node] for node in box.nodes] if box.is_merged and box.times == 1 else box.units for box in scene.boxes]
    return {
        node: (number, len(units))
        for units in several
        if len(units) > 1
        for number, unit in enumerate(units, 1)
        for node in unit
    }


def _training(history: GradientHistory, scene: Scene) -> dict[str, Any]:
    """The flow at each step kept and the colors of its scale, in the colors of both themes."""
    steps = history.spread(MOST)
    light, dark = (frames(history, scene, THEMES[theme], steps) for theme in ("light", "dark"))
    both = [
        (said, {id: (_either(line.color, night[id].color), line.width, line.text) for id, line in lines.items()})
        for (said, lines), (_, night) in zip(light, dark, strict=True)
    ]
    bright, dim = (line_scale(history, scene, THEMES[theme], steps) for theme in ("light", "dark"))
    return {
        "frames": both,
        "scale": [(_either(one, other), ratio) for (one, ratio), (other, _) in zip(bright, dim, strict=True)],
    }


def _either(light: str, dark: str) -> str:
    return f"light-dark({light}, {dark})"
