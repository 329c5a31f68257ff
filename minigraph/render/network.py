"""The network as a drawing: nodes, an edge for each input, blocks, and who shares weights with whom."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise

import graphviz

from ..costs import Cost, Penalty
from ..graph import Graph
from ..layer import Node
from ..param import Param
from ..schedule import topological
from ..summary import kind_of, shape_text, shapes_of
from ..wiring import Edge
from .style import STYLE, Paint, Style, family, stack, tip

GAP = "&#160;&#160;&#160;"


def network_dot(graph: Graph, style: Style = STYLE) -> str:
    """DOT text of the network: the same for the same graph, with ids n0, n1 … and e0-1-0 (source, target, slot).

    Nodes show name, layer, shapes and Params; edges that lead to a constant, such as a cost's target, are dashed; nodes
    that share Params are tied; blocks are clusters. Up to `style.across` ranks run from left to right, more run down.
    """
    sheet = Sheet("network", graph, style)
    constant = {edge for edge in graph.edges if is_constant(edge)}
    count, total = len(graph.nodes), sum(param.size for param in graph.params.values())
    about = f"{count:,} node{'s' * (count != 1)} · {_counted(total)} · {graph.dtype}"
    sheet.header(about, sheet.keys([("– –▸", style.quiet, "constant, such as a target")] if constant else []))
    sheet.place(sheet.box)
    for edge in graph.edges:
        sheet.edge(edge, **({"style": "dashed", "color": style.quiet} if edge in constant else {}))
    sheet.tie()
    return sheet.text()


def is_constant(edge: Edge) -> bool:
    """Whether the target takes this input as a constant, so that no error flows back."""
    return edge.slot in edge.target.constant_inputs


class Sheet:
    """A drawing of a graph in the making: give it a header, then boxes, edges and ties."""

    def __init__(self, name: str, graph: Graph, style: Style):
        self.graph = graph
        self.style = style
        self.dot = graphviz.Digraph(name)
        self.rank = _ranks(graph)
        self.across = max(self.rank.values(), default=0) <= style.across
        self.targets = set(graph.targets)
        self.ties = _ties(graph)
        self.shared = {param for params in self.ties.values() for param in params.values()}

    # ---- header ----

    def header(self, about: str, rows: Iterable[str]) -> None:
        """Write the graph's name, what there is to say about the drawing, and rows that explain it."""
        style, dot = self.style, self.dot
        title = style.words(self.graph.name, style.title_size, bold=True, stretch=2)
        rows = [f"{title}{style.say(GAP + about, color=style.soft)}", *rows, style.say("&#160;", 4)]
        dot.graph_attr.update(
            bgcolor=style.paper,
            fontname=style.font,
            label=stack(rows),
            labeljust="l",
            labelloc="t",
            nodesep="0.3",
            pad="0.15",
            rankdir="LR" if self.across else "TB",
            ranksep="0.5" if self.across else "0.4",
        )
        dot.node_attr.update(
            fontname=style.font,
            height="0.3",
            margin="0.1,0.06",
            penwidth="1.2",
            shape="box",
            style="rounded,filled",
            width="0.3",
        )
        # heavy edges are straight: those from rank to rank, the backbone; skips, targets and ties go beside it
        dot.edge_attr.update(arrowsize="0.6", color=style.soft, fontname=style.font, weight="8")

    def keys(self, samples: Iterable[tuple[str, str, str]]) -> list[str]:
        """Rows that explain lines, each by a sample of text, its color and a meaning; ties; the families that occur."""
        style = self.style
        ties = [("– –", style.tie, "same weights")] if self.ties else []
        there = {family(node.layer) for node in self.graph.nodes}
        chips = [("■", paint.outline, name) for name, paint in style.families.items() if name in there]
        entries = [*samples, *ties]
        return [*self._key(entries, 4 if self.across else 1), *self._key(chips, 8 if self.across else 4)]

    def lines(self, texts: Iterable[str]) -> list[str]:
        """Rows of plain text: one in a drawing that runs across, one a text in others."""
        said = [self.style.say(text, color=self.style.soft) for text in texts]
        return self._side_by_side(said, 2 if self.across else 1)

    def _key(self, entries: list[tuple[str, str, str]], length: int) -> list[str]:
        style = self.style
        said = [
            style.say(sample, color=color) + style.say(f" {text}", color=style.soft) for sample, color, text in entries
        ]
        return self._side_by_side(said, length)

    def _side_by_side(self, said: list[str], length: int) -> list[str]:
        gap = self.style.say(GAP)
        return [gap.join(said[i : i + length]) for i in range(0, len(said), length)]

    # ---- nodes ----

    def place(self, box: Callable[[Node], None]) -> None:
        """Call `box` for each node, inside the cluster of its block."""
        root, count = _Block(()), 0
        for node in self.graph.nodes:
            root.home(node.block).entries.append(node)
        path = [iter(root.entries)]
        while path:
            entry = next(path[-1], None)
            if isinstance(entry, Node):
                box(entry)
            elif entry is not None:
                self._begin(entry, count)
                count += 1
                path.append(iter(entry.entries))
            else:
                path.pop()
                self.dot.body.extend(["\t}\n"] * bool(path))

    def _begin(self, block: _Block, number: int) -> None:
        style = self.style
        self.dot.body.append(f"\tsubgraph cluster_{number} {{\n")
        self.dot.attr(
            color=style.faint,
            fillcolor=style.wash if len(block.path) % 2 else style.paper,
            id=f"b{number}",
            label=stack([style.words(block.path[-1], color=style.soft)], 0),
            margin="10",
            style="rounded,filled",
            tooltip=tip("/".join(block.path)),
        )

    def box(self, node: Node, facts: Iterable[str] = (), faded: bool = False) -> None:
        """Draw a node, with further facts as markup; faded when it takes no part."""
        style = self.style
        ink, soft = (style.quiet, style.quiet) if faded else (style.ink, style.soft)
        paint = Paint(style.paper, style.faint) if faded else style.families[family(node.layer)]
        name = style.words(node.name, style.name_size, ink, bold=True)
        layer = style.words(kind_of(node, node in self.targets), color=soft, stretch=1 if self.across else 2)
        sizes = self._params(node) if isinstance(node.layer, Penalty) else [_shapes(node), *self._params(node)]
        if self.across:
            rows = [name, layer, *(style.say(size, color=soft) for size in sizes), *facts]
        else:
            size = style.say(" · ".join(sizes), color=soft)
            rows = [f"{name}{style.say(GAP)}{layer}", size, *self._side_by_side(list(facts), 3)]
        look = {"style": "rounded,filled,dashed"} if node in self.targets else {}
        look |= {"penwidth": "2.4"} if isinstance(node.layer, Cost) else {}
        self.dot.node(
            f"n{node.id}",
            stack(rows),
            color=paint.outline,
            fillcolor=paint.fill,
            id=f"n{node.id}",
            tooltip=tip(node.name),
            **look,
        )

    def _params(self, node: Node) -> list[str]:
        params = list(node.layer.params.values())
        if not params:
            return []
        shared = sum(param.size for param in params if param in self.shared)
        total = sum(param.size for param in params)
        frozen = ", frozen" if node.layer.frozen else ""
        if isinstance(node.layer, Penalty):
            return [f"of {_counted(total)}{frozen}"]
        if shared in (0, total):
            return [_counted(total, "shared " * bool(shared)) + frozen]
        return [f"{_counted(total)}, {shared:,} shared{frozen}"]

    # ---- lines ----

    def edge(self, edge: Edge, text: str = "", **look: str) -> None:
        """Draw an edge; what `text` says of it is shown where the pointer is."""
        source, target, slot = edge
        if self.rank[target] - self.rank[source] > 1 or is_constant(edge):
            look["weight"] = "1"
        place = f", slot {slot}" if len(target.inputs) > 1 else ""
        self.dot.edge(
            f"n{source.id}",
            f"n{target.id}",
            id=f"e{source.id}-{target.id}-{slot}",
            tooltip=tip(f"{source.name} → {target.name}{place}{text}"),
            **look,
        )

    def tie(self) -> None:
        """Draw a line between nodes that follow each other in using a Param."""
        for (first, second), params in self.ties.items():
            side = "s" if self.across else "e"  # leads the line round the edge that joins them
            ports = {"tailport": side, "headport": side} if first in second.inputs else {}
            self.dot.edge(
                f"n{first.id}",
                f"n{second.id}",
                color=self.style.tie,
                constraint="false",
                dir="none",
                id=f"t{first.id}-{second.id}",
                penwidth="0.9",
                style="dashed",
                weight="1",
                tooltip=tip(f"{first.name} and {second.name} share {', '.join(params)}"),
                **ports,
            )

    def text(self) -> str:
        """The DOT text."""
        source: str = self.dot.source
        return source


class _Block:
    """A block's part of the drawing: nodes and blocks in the order of their first node."""

    def __init__(self, path: tuple[str, ...]):
        self.path = path
        self.entries: list[Node | _Block] = []
        self.inside: dict[str, _Block] = {}

    def home(self, path: tuple[str, ...]) -> _Block:
        block = self
        for name in path:
            if name not in block.inside:
                block.inside[name] = _Block((*block.path, name))
                block.entries.append(block.inside[name])
            block = block.inside[name]
        return block


def _ties(graph: Graph) -> dict[tuple[Node, Node], dict[str, Param]]:
    users: dict[Param, dict[Node, str]] = {}
    for node in graph.nodes:
        for name, param in {} if isinstance(node.layer, Penalty) else node.layer.params.items():
            users.setdefault(param, {}).setdefault(node, name)
    ties: dict[tuple[Node, Node], dict[str, Param]] = {}
    for param, names in users.items():
        for first, second in pairwise(names):
            ties.setdefault((first, second), {})[names[first]] = param
    return ties


def _ranks(graph: Graph) -> dict[Node, int]:
    rank: dict[Node, int] = {}
    for node in topological(graph.nodes):
        rank[node] = 1 + max((rank[source] for source in node.inputs), default=0)
    return rank


def _shapes(node: Node) -> str:
    if len(node.inputs) > 4:
        return f"{len(node.inputs)} inputs → {shape_text(node.shape)}"
    return shapes_of(node)


def _counted(params: int, kind: str = "") -> str:
    return f"{params:,} {kind}param{'s' * (params != 1)}"
