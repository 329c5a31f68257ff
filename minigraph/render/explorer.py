"""The page that steps through backpropagation: one HTML file that shows a run, forward then backward, node by node."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any, TypeAlias

import numpy as np

from ..costs import Cost
from ..diagnose import Finding
from ..errors import RenderError
from ..layer import Node
from ..measures import shown as digits
from ..results import Results
from ..summary import one_line
from ..wiring import Edge
from .page.content import Places, content

Frame: TypeAlias = "tuple[str, Mapping[str, tuple[str, float, str]]]"
"""The gradient flow at one training step: a label, then color, width and text for the ids of edges in the drawing."""


def explorer_html(
    run: Results,
    *,
    svg: str,
    svg_dark: str | None = None,
    boxes: Mapping[Node, str] | None = None,
    lines: Mapping[Edge, str] | None = None,
    repeats: Mapping[Node, tuple[int, int]] | None = None,
    findings: Iterable[Finding] = (),
    frames: Sequence[Frame] | None = None,
    scale: Sequence[tuple[str, str]] = (),
    title: str | None = None,
    limit: int = 1_950_000,
) -> str:
    """The text of a page that needs nothing but a browser: the drawing, the steps, and all that the run computed.

    `svg` is the drawing, `svg_dark` the same on dark paper. `boxes` and `lines` say by which id a node or an edge is
    drawn there, for drawings that leave some out or draw several as one; without them the ids are those of
    every drawing: n3, and e0-1-0 for source, target, slot. Where a box stands for repetitions, `repeats` says which of
    how many a node is in: the box then shows what is done of the one at hand. `findings`, of `diagnose`, are marked
    where they begin. `frames` are the gradient flow at several training steps, `scale` its colors with what each stands
    for. The page has at most `limit` bytes, where its arrays can do that: of larger runs, fewer examples are kept and
    larger arrays become means of blocks, and the page says so.

    Raises NotComputedError before any forward sweep, StaleError where weights changed since, RenderError for a drawing
    that isn't SVG and for frames with widths that aren't finite.
    """
    run.swept()
    run.current()  # weights that changed since would be shown beside a z that they didn't make
    with np.errstate(all="ignore"):
        shown, arrays = content(run, Places(boxes, lines, repeats or {}), findings)
        shown |= {"frames": _checked(frames or ()), "scale": list(scale)}
    script = "\n".join(_file(name) for name in ("heat.js", "stage.js", "marks.js", "panel.js", "page.js"))
    parts = {
        "title": _text(title or run.graph.name),
        "about": _text(_about(run)),
        "policy": f"default-src 'none'; style-src 'unsafe-inline'; script-src '{_hash(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'",
        "style": _file("page.css"),
        "drawing": _drawing(svg),
        "dark": _drawing(svg_dark) if svg_dark else "",
        "script": script,
    }
    room = limit - len(_json(shown)) - sum(len(part.encode()) for part in parts.values())
    with np.errstate(all="ignore"):
        limits, packed = arrays.packed(room)
    parts["content"] = _json(shown | {"examples": min(run.m, limits.examples), "arrays": packed})
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], _file("page.html"))


def _about(run: Results) -> str:
    parts = ["one example" if run.single else f"batch of {run.m:,}"]
    if any(isinstance(view.node.layer, Cost) for view in run):
        parts.append(f"C = {digits(run.cost)}")
    return " · ".join(parts)


def _checked(frames: Iterable[Frame]) -> list[dict[str, Any]]:
    found = []
    for label, lines in frames:
        for id, (_, width, _) in lines.items():
            if not math.isfinite(width):
                raise RenderError(f"widths of lines in frames are finite, got {width} for {id!r} in frame {label!r}")
        found.append(
            {"label": label, "lines": {id: [color, width, text] for id, (color, width, text) in lines.items()}}
        )
    return found


def _drawing(svg: str) -> str:
    """The SVG element alone, without what stands before it in a file."""
    start = svg.find("<svg")
    if start < 0:
        raise RenderError(f"the page takes a drawing as SVG, got text that begins with {svg[:40]!r}")
    return _clean(svg[start:])


def _json(shown: Any) -> str:
    """JSON in which no name can end the element that it stands in: "<" is written as an escape."""
    return json.dumps(shown, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _file(name: str) -> str:
    return (files(__package__) / "page" / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    """The script's own mark: no other script runs on the page, whatever a name may hold."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _text(text: str) -> str:
    return html.escape(one_line(text))


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
