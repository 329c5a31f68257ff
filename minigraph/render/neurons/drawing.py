"""A small network neuron by neuron, as textbooks draw it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import graphviz

from ...costs import Cost
from ...errors import RenderError
from ...graph import Graph
from ...layer import Node
from ...layers import Add, Multiply
from ...numbers import is_whole
from ...results import Results
from ...wiring import Edge
from ..engine import number
from ..style import STYLE, Style, escape, stack, tip
from ..themes import mixed
from .columns import Column, Line, Point, arranged
from .figures import LETTERS, Highlight, Marks, highlighted, pictured
from .headings import Headings
from .labels import ASIDE, Label, Labels, own_kind
from .letters import Symbol, formula, numbered, shortened
from .readings import Readings
from .strokes import FADED, Shade, Strokes


def neurons_dot(
    subject: Graph | Results,
    *,
    highlight: Highlight | None = None,
    labels: str | Iterable[str] | None = None,
    figure: str | None = None,
    shade: str | None = None,
    numbers: bool | None = None,
    example: int | None = None,
    limit: int = 12,
    style: Style = STYLE,
) -> str:
    """DOT text of a network, or of a run, with a circle for each neuron and a line for each weight.

    A line is as wide as |w| and has the color of its sign; where both signs are grey, negative ones are dashed. Lines
    without weight are grey. Of layers with more than `limit` neurons the first half of the limit and the last are
    shown. Weights are drawn as they are now.

    `highlight=("h1", j, k)` makes the path from neuron k of the layer before to neuron j of "h1" bold, the rest quiet;
    the book's l may stand for the name, and (node, j) is a neuron alone. `labels`, some of "w", "b", "z", "a", "delta",
    say what the path bears. Here all indices count from 0, as in w[j, k]; in the picture neurons have the book's
    numbers, from 1: highlight=(3, 1, 3) is w³₂₄. Of a run the labels show the numbers, too (not with `numbers=False`),
    and `shade`, "a" or "delta", fills the circles, in each layer relative to its largest: those of `example`, else the
    mean over the batch. Circles are dashed where the run has none, which is said over the layer.

    `figure` is one of the book's: "weights", "biases", "cost", "notation". It shows notation, not sizes.

    Ids are n{node}-{j} for neurons, w{node}-{j}-{k} for weights, e{source}-{target}-{slot}-{j}-{k} for other lines,
    n{node} for a cost and y{cost}-{slot} for its target. Positions are written into the text, so lay it out by "nop",
    as it says itself. Raises RenderError for nodes that are not made of neurons, for more than 2,000 lines, and for
    what can't be highlighted; StaleError where the weights changed after the run.
    """
    if not is_whole(limit) or limit < 2:
        raise RenderError(f"limit takes a whole number of 2 or more neurons, got {limit!r}")
    graph, run = (subject, None) if isinstance(subject, Graph) else (subject.graph, subject)
    if figure is not None and (labels is not None or shade is not None):
        raise RenderError(f"the figure {figure!r} has its own labels, and no shade: leave out labels= and shade=")
    readings = Readings(run, example)
    marks = highlighted(graph, highlight, labels) if figure is None else pictured(graph, figure, highlight)
    numbers = run is not None and figure is None if numbers is None else numbers
    return _Drawing(graph, readings, marks, shade, numbers, limit, style).text()


class _Drawing:
    """The drawing in the making."""

    def __init__(
        self, graph: Graph, readings: Readings, marks: Marks, shade: str | None, numbers: bool, limit: int, style: Style
    ):
        self.graph, self.readings, self.marks, self.style = graph, readings, marks, style
        self.labels = Labels(marks, readings, numbers, style)
        self.shade = None if shade is None else Shade(shade, readings, style)
        self.headings = Headings(graph, marks, style, self.shade.note if self.shade else lambda node: "")
        self.columns = arranged(
            graph,
            limit=limit,
            forced=marks.forced,
            costs=marks.figure in ("", "cost"),
            room=self.labels.room,
            header=self.headings.height,
            step=_FAR if self.labels.are_wide else _NEAR,
        )
        self.strokes = Strokes(self.columns.lines, marks, style)
        self.beside: list[tuple[Label, str, Point]] = []
        """Labels, the ids of what they are about, and the middles of that."""
        self.dot = graphviz.Digraph("neurons")

    def text(self) -> str:
        """The DOT text."""
        self._begin()
        for column in self.columns.by_node.values():
            self._column(column)
        count: dict[Edge, int] = {}
        for line in self.columns.lines:
            count[line.edge] = i = count.get(line.edge, -1) + 1
            self._line(line, i)
        self._label_weight()
        for label, owner, middle in self.beside:
            self._beside(label, owner, middle)
        self._under()
        source: str = self.dot.source
        return source

    def _begin(self) -> None:
        style, dot, readings = self.style, self.dot, self.readings
        about = [self.marks.about or "neurons"]
        about += [readings.about] if self.labels.numbers or not self.marks.figure else []
        keys = [*self.strokes.keys(), *(self.shade.keys(self.columns.by_node.values()) if self.shade else [])]
        scales = [self.strokes.scale(), self.shade.scale() if self.shade else ""]
        dot.graph_attr.update(
            bgcolor=style.paper,
            fontname=style.font,
            label=self.headings.header(", ".join(about), keys, scales),
            labeljust="l",
            labelloc="t",
            layout="nop",  # as placed, whichever program lays out
            outputorder="edgesfirst",
            pad="0.15",
            splines="line",
        )
        dot.node_attr.update(
            color=style.ink,
            fillcolor=style.paper,
            fixedsize="shape",
            fontname=style.font,
            label="",
            penwidth="1.1",
            shape="circle",
            style="filled",
        )
        dot.edge_attr.update(arrowhead="none", arrowsize="0.45", color=style.soft)

    # ---- neurons ----

    def _column(self, column: Column) -> None:
        node = column.node
        above = self.columns.caption[node] + self.headings.height(column) / 2
        self._text(f"c{node.id}", self.headings.caption(column), (column.x, above))
        for i, y in enumerate(column.dots):
            self._text(f"d{node.id}-{i}", stack([self.style.say("⋮", 16, self.style.soft)]), (column.x, y))
        for j in column.shown:
            self._neuron(node, j, (column.x, column.y[j]))
        if isinstance(node.layer, Cost):
            self._targets(node, (column.x, column.y[0]))

    def _neuron(self, node: Node, j: int, middle: Point) -> None:
        style, size = self.style, number(self.labels.radius(node, j) / 36, 0.1, 10)
        quiet = self.marks and (node, j) not in self.marks.neurons and node not in self.marks.outputs
        is_cost = isinstance(node.layer, Cost)
        quiet = quiet and not (is_cost and self.marks.outputs)
        look = {"color": mixed(style.ink, style.paper, FADED)} if quiet else {}
        if self.shade and not is_cost:
            look |= self.shade.look(node, j)
        self.dot.node(
            _id(node, j),
            self.labels.inside(node, j) or self._sign(node, j),
            height=size,
            id=_id(node, j),
            pos=_pos(middle),
            tooltip=tip(self._says(node, j)),
            width=size,
            **look,
        )
        self.beside += [(label, _id(node, j), middle) for label in self.labels.beside(node, j, *middle)]

    def _sign(self, node: Node, j: int) -> str:
        """What a neuron without a letter bears: the sign of a sum or product, the name of an activation of its own."""
        style = self.style
        if isinstance(node.layer, (Add, Multiply)):
            return stack([style.say("+" if isinstance(node.layer, Add) else "×", style.name_size, style.soft)])
        kind = own_kind(node, j)
        return stack([style.say(escape(kind[:7]), style.text_size * 0.8)]) if kind else ""

    def _says(self, node: Node, j: int) -> str:
        """A neuron's name and exact numbers."""
        if isinstance(node.layer, Cost):
            return node.name
        says = [f"{node.name}[{j}]"]
        for letter in ("b", "z", "a", "delta"):
            values = self.readings.of(letter, node) if self.readings.known(letter, node) else None
            says += [f"{LETTERS[letter]} = {float(values[j])!r}"] if values is not None else []
        return "\n".join(says)

    def _targets(self, cost: Node, middle: Point) -> None:
        """The constants of a cost, aside: under it, with dashed lines."""
        slots = sorted(cost.constant_inputs)
        for i, slot in enumerate(slots):
            source, id = cost.inputs[slot], f"y{cost.id}-{slot}"
            x = middle[0] + 70 * (i - (len(slots) - 1) / 2)
            is_target = i == 0 and getattr(cost.layer, "takes_target", False)
            name = "" if self.marks.figure else escape(shortened(source.name))
            letter = Symbol("y") if is_target else Symbol("w", "", "x")
            y = middle[1] - self.labels.radius(cost, 0) - 0.75 * ASIDE
            self._text(id, numbered(letter, name, self.style, self.labels.size), (x, y), tip(source.name))
            edge = f"e{source.id}-{cost.id}-{slot}"
            self.dot.edge(id, _id(cost, 0), arrowhead="normal", id=edge, style="dashed", tooltip=tip(source.name))

    # ---- lines ----

    def _line(self, line: Line, place: int) -> None:
        """A line of an edge, the one in this place of it: straight, or in parts where it passes other columns."""
        source, target, slot = line.edge
        id = f"w{target.id}-{line.j}-{line.k}"
        if line not in self.strokes.weight:
            id = f"e{source.id}-{target.id}-{slot}-{line.j}-{line.k}"
        points = []
        for i, lane in enumerate(self.columns.lanes.get(line.edge, ())):
            points.append(f"{id}-by{i}")
            self._hidden(points[-1], lane.point(place))
        look = self.strokes.look(line) | {"tooltip": tip(self.strokes.says(line))}
        parts = list(pairwise([_id(source, line.k), *points, _id(target, line.j)]))
        for i, (tail, head) in enumerate(parts):
            arrow = {} if i == len(parts) - 1 else {"arrowhead": "none"}
            self.dot.edge(tail, head, id=f"{id}-part{i}" if i else id, **(look | arrow))

    # ---- labels ----

    def _label_weight(self) -> None:
        if self.marks.weight:
            node, j, k = self.marks.weight
            source, target = self.columns.by_node[node.inputs[0]], self.columns.by_node[node]
            label = self.labels.on_weight((source.x, source.y[k]), (target.x, target.y[j]))
            if label:
                self.beside.append((label, f"w{node.id}-{j}-{k}", label.middle))

    def _beside(self, label: Label, owner: str, middle: Point) -> None:
        """A label with its arrow, on paper that hides the lines behind: these come first, as their nodes do."""
        id = f"{owner}-{label.letter}"
        if not label.arrow:
            self._text(id, label.markup, label.middle)
            return
        under = f"{id}-under"  # not the owner: two lines with the same ends would be drawn apart
        self._hidden(under, middle)
        self._text(id, label.markup, label.middle)
        self.dot.edge(under, id, color=self.style.paper, penwidth=number(_BARE, 0, 99), tooltip=" ")
        way = {"arrowhead": "normal"} if label.arrow == "in" else {"arrowtail": "normal", "dir": "back"}
        self.dot.edge(id, owner, color=self.style.ink, id=f"{id}-arrow", **way)

    def _under(self) -> None:
        """The caption of a figure, line by line."""
        style = self.style
        xs = [column.x for column in self.columns.by_node.values()]
        for i, sentence in enumerate(self.marks.captions):
            is_figure = bool(self.marks.figure)
            size, color = (style.name_size, style.ink) if is_figure else (style.text_size, style.soft)
            markup = formula(sentence, style, size, color)
            self._text(f"caption-{i}", markup, ((min(xs) + max(xs)) / 2, self.columns.bottom - 30 - 22 * i))

    def _hidden(self, name: str, place: Point) -> None:
        """A place for lines to begin or to end, of which nothing is seen."""
        self.dot.node(name, "", height="0", pos=_pos(place), shape="point", style="invis", width="0")

    def _text(self, id: str, markup: str, middle: Point, says: str = " ") -> None:
        """Words, on paper that hides the lines behind them."""
        self.dot.node(
            id,
            markup,
            color="transparent",
            fixedsize="false",
            height="0",
            id=id,
            margin="0.03",
            pos=_pos(middle),
            shape="box",
            tooltip=says,
            width="0",
        )


_NEAR, _FAR = 150.0, 200.0
"""From column to column, in points."""
_BARE = 10.0
"""How much paper there is round an arrow to or from a label, in points."""


def _id(node: Node, j: int) -> str:
    return f"n{node.id}" if isinstance(node.layer, Cost) else f"n{node.id}-{j}"


def _pos(point: Point) -> str:
    return ",".join(number(x, -1e6, 1e6) for x in point)
