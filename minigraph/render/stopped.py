"""The drawing of a run that stopped where numbers weren't finite any more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ..diagnose.finite import finding_of
from ..layer import Node
from ..measures import shown
from ..nonfinite import Fault
from ..results import Results
from .boxes import Box
from .flow import flow_picture, numbered
from .marks import Marks
from .picture import Picture
from .scene import Scene
from .scenic import picture_of
from .sheet import Sheet
from .style import Look, Style
from .view import View

MEANING = "makes numbers that aren't finite"


def stopped_picture(run: Results, fault: Fault, view: View, style: Style) -> Picture:
    """The network with the node of a fault marked.

    Where a run stopped on its way forward, lines bear the least and the largest number that went along them, and what
    wasn't reached is faded. Where it stopped going back, it is the gradient flow so far.
    """
    finding = finding_of(fault, {param: name for name, param in run.graph.params.items()})
    about = f"stopped going {'forward' if fault.direction == 'forward' else 'back'}, {_batch(run)}"
    counts = [f"{fault.data[what]:,} {word}" for what, word in (("nan", "NaN"), ("infinite", "infinite"))]
    fact = f"{' and '.join(text for text in counts if text[0] != '0')} of {fault.data['of']:,}"

    def marks_on(scene: Scene) -> Marks:
        return Marks([finding], scene, MEANING, fact)

    if fault.direction == "backward":
        return flow_picture(run, view, style, about, marks_on)

    def dot(scene: Scene) -> str:
        sheet, values, marks = Sheet("stopped", scene, style), _Values(run, scene), marks_on(scene)
        said = ["lines: the least and the largest number that went forward"] if numbered(scene) else []
        sheet.header(about, [*sheet.lines(said), *sheet.keys([*marks.key(style), *values.key(style)])])

        def draw(box: Box) -> None:
            found = marks.boxes.get(box, ())
            look, more = (Look(outline=style.alarm), {"penwidth": "2.4"}) if found else (None, {})
            sheet.box(box, marks.on(box, style), not values.reached(box.nodes), look, marks.text(found), **more)

        sheet.place(draw)
        for line in scene.lines:
            gone = [edge.source for edge in line.edges if values.reached([edge.source])]
            if not gone:
                sheet.line(line, ": not reached", color=style.faint, style="dotted", penwidth="0.9")
            elif scene.graph[finding.node] in gone:
                sheet.line(line, marks.text([finding]), color=style.alarm, penwidth=f"{style.thick / 2:g}")
            else:
                text = values.range(gone)
                label = style.say(text, color=style.ink) if text and numbered(scene) else ""
                look = {"style": "dashed", "color": style.quiet} if sheet.is_constant(line) else {"color": style.soft}
                sheet.line(line, f": {text}" if text else ": not kept", label, 4, **look)
        sheet.tie()
        return sheet.text()

    return picture_of(
        run.graph, view, dot, "stopped", lambda scene: f"{about[0].upper()}{about[1:]}. {finding}", numbered
    )


class _Values:
    """What went forward in a scene."""

    def __init__(self, run: Results, scene: Scene):
        self.scene = scene
        self.done = set(run.swept().plan.order[: run.forward_done])
        self.outputs = run.swept().outputs

    def reached(self, nodes: Iterable[Node]) -> bool:
        """Whether any of these is computed."""
        return not self.done.isdisjoint(nodes)

    def range(self, nodes: Sequence[Node]) -> str:
        """From the least to the largest of their numbers; "" where none is kept."""
        kept = [a for node in nodes if (a := self.outputs[node.id]) is not None and a.size]
        if not kept:
            return ""
        low, high = min(float(np.min(a)) for a in kept), max(float(np.max(a)) for a in kept)
        return shown(low) if low == high else f"{shown(low)} … {shown(high)}"

    def key(self, style: Style) -> list[tuple[str, str, str]]:
        """Samples of the lines that occur, with colors and meanings."""
        there = all(self.reached([edge.source]) for line in self.scene.lines for edge in line.edges)
        return [] if there else [("· ·▸", style.quiet, "not reached")]


def _batch(run: Results) -> str:
    return "one example" if run.single else f"batch of {run.m:,}"
