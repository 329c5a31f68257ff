"""Pictures of scenes: with what to do where there is too much to lay out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..graph import Graph
from .boxes import Frame
from .picture import Picture
from .scene import Scene
from .view import View


def picture_of(
    graph: Graph,
    view: View,
    dot: Callable[[Scene], str],
    kind: str,
    describe: Callable[[Scene], str],
    labeled: Callable[[Scene], bool] = lambda scene: False,
) -> Picture:
    """The picture that `dot` makes of a view of a graph; folded, if it takes too long to lay out.

    `labeled` tells whether lines bear labels, for which Graphviz doubles the ranks.
    """
    scene = Scene(graph, view)

    def simpler() -> Picture | None:
        folded = replace(view, fold=True, depth=0 if view.depth is None else view.depth)
        if view == folded or len(Scene(graph, folded).boxes) >= len(scene.boxes):
            return None
        return picture_of(graph, folded, dot, kind, describe, labeled)

    title, size = f"{graph.name}, {kind}", _size(scene, labeled(scene))
    return Picture(dot(scene), title, describe(scene), simpler, lambda: _advice(scene), size)


def _size(scene: Scene, labeled: bool) -> int:
    """How much there is to lay out: boxes, and a piece of each line for every rank it passes."""
    rank = scene.rank
    pieces = sum(max(abs(rank[line.target] - rank[line.source]), 1) for line in scene.lines)
    return len(scene.boxes) + pieces * (1 + labeled)


def _advice(scene: Scene) -> str:
    """What would draw less, and how much less."""
    boxes, view = len(scene.boxes), scene.view
    options: dict[str, dict[str, Any]] = {"fold=True": {"fold": True}, "depth=0": {"depth": 0}}
    blocks = [entry for entry in scene.root.entries if isinstance(entry, Frame) and entry.path and entry.times == 1]
    if len(blocks) > 1:
        largest = max(blocks, key=lambda frame: sum(1 for _ in frame.boxes()))
        name = "/".join(largest.path)
        options[f"collapse={name!r}"] = {"collapse": (*view.collapse, name)}
    counts = {said: len(Scene(scene.graph, replace(view, **change)).boxes) for said, change in options.items()}
    said = [f"{option} draws {count:,}" for option, count in counts.items() if count < boxes]
    said.append(f"around={scene.graph.nodes[0].name!r}, radius=5 a part")
    return f"in place of {boxes:,} boxes, " + ", ".join(said)
