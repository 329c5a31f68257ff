"""The network as a drawing: nodes, an edge for each input, blocks, and who shares weights with whom."""

from __future__ import annotations

from ..graph import Graph
from ..summary import kind_of, one_line
from .picture import Picture
from .scene import Scene
from .scenic import picture_of
from .sheet import Sheet, is_constant
from .style import Style
from .view import View
from .words import counted


def network_picture(graph: Graph, view: View, style: Style) -> Picture:
    """The network: the same for the same graph, with the ids that `Sheet` gives.

    Edges that lead to a constant, such as a cost's target, are dashed; boxes that share Params are tied; blocks are
    clusters. Up to `style.across` ranks run from left to right, more run down, unless the view says otherwise.
    """

    def dot(scene: Scene) -> str:
        sheet = Sheet("network", scene, style)
        constant = {line for line in scene.lines if is_constant(line.edges[0])}
        samples = [("– –▸", style.quiet, "constant, such as a target")] if constant else []
        sheet.header(about(graph), sheet.keys(samples))
        sheet.place(sheet.box)
        for line in scene.lines:
            if line in constant:
                sheet.line(line, style="dashed", color=style.quiet)
            else:
                sheet.line(line)
        sheet.tie()
        return sheet.text()

    return picture_of(graph, view, dot, "network", f"The network, {about(graph)}: {chain_of(graph)}.")


def about(graph: Graph) -> str:
    """Nodes, Params and dtype in a few words."""
    count, total = len(graph.nodes), sum(param.size for param in graph.params.values())
    return f"{count:,} node{'s' * (count != 1)} · {counted(total)} · {graph.dtype}"


def chain_of(graph: Graph) -> str:
    """The first nodes and what they take, in words, for those who don't see the drawing."""
    parts = []
    for node in graph.nodes[:SPOKEN]:
        takes = ", ".join(source.name for source in node.inputs[:SPOKEN])
        parts.append(f"{one_line(node.name)} ({kind_of(node, False)})" + (f" takes {takes}" if takes else ""))
    more = len(graph.nodes) - SPOKEN
    return "; ".join(parts) + (f"; and {more:,} nodes more" if more > 0 else "")


SPOKEN = 30
"""The description of a drawing names so many nodes."""
