"""The network as a drawing: nodes, an edge for each input, blocks, and who shares weights with whom."""

from __future__ import annotations

from ..graph import Graph
from ..layers import Add, Multiply
from ..summary import kind_of, one_line
from .boxes import Box
from .picture import Picture
from .scene import Scene
from .scenic import picture_of
from .sheet import Sheet
from .style import Style, stack
from .view import View
from .words import counted


def network_picture(graph: Graph, view: View, style: Style) -> Picture:
    """The network: the same for the same graph, with the ids that `Sheet` gives.

    Edges that lead to a constant, such as a cost's target, are dashed; boxes that share Params are tied; blocks are
    clusters. Up to `style.across` ranks run from left to right, more run down, unless the view says otherwise.
    """

    def dot(scene: Scene) -> str:
        sheet = Sheet("network", scene, style)
        constant = {line for line in scene.lines if sheet.is_constant(line)}
        samples = [("– –▸", style.quiet, "constant, such as a target")] if constant else []
        if any(is_ordered(line.target) for line in scene.lines):
            samples.append(("0, 1", style.soft, "which input it is"))
        sheet.header(about(graph), sheet.keys(samples))
        sheet.place(sheet.box)
        for line in scene.lines:
            look = {"style": "dashed", "color": style.quiet} if line in constant else {}
            if is_ordered(line.target):
                slot = style.say(str(line.edges[0].slot), color=style.soft)
                look |= {"headlabel": stack([slot], 0), "labelangle": "35", "labeldistance": "1.6"}
            sheet.line(line, "", "", 3, **look)
        sheet.tie()
        return sheet.text()

    return picture_of(graph, view, dot, "network", lambda scene: f"The network, {about(graph)}: {wiring_of(scene)}.")


def is_ordered(box: Box) -> bool:
    """Whether a box takes a few values of which it matters which is which, so that their lines bear their slots."""
    node = box.first
    free = len(node.inputs) - len(node.constant_inputs)
    return box.block is None and 1 < free <= MOST and not isinstance(node.layer, COMMUTATIVE)


COMMUTATIVE = (Add, Multiply)
MOST = 4
"""Beyond so many inputs, slots aren't written."""


def about(graph: Graph) -> str:
    """Nodes, Params and dtype in a few words."""
    count, total = len(graph.nodes), sum(param.size for param in graph.params.values())
    return f"{count:,} node{'s' * (count != 1)} · {counted(total)} · {graph.dtype}"


def wiring_of(scene: Scene) -> str:
    """The first boxes and what they take, in words, for those who don't see the drawing."""
    takes: dict[Box, list[str]] = {}
    for line in scene.lines:
        takes.setdefault(line.target, []).append(line.source.name)
    parts = []
    for box in scene.boxes[:SPOKEN]:
        kind = "block" if box.block is not None else kind_of(box.first, box.first in scene.targets)
        times = f", {box.times} times" if box.times > 1 else ""
        taken = ", ".join(map(one_line, takes.get(box, [])[:SPOKEN]))
        parts.append(f"{one_line(box.name)} ({kind}{times})" + (f" takes {taken}" if taken else ""))
    more = len(scene.boxes) - SPOKEN
    return "; ".join(parts) + (f"; and {more:,} more" if more > 0 else "")


SPOKEN = 30
"""The description of a drawing names so many boxes."""
