"""The sheet: a scene written as DOT, box by box and line by line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import graphviz

from .boxes import Box, Frame, Line
from .scene import Scene
from .style import SHAPES, Look, Style, family, stack, tip
from .view import DIRECTIONS
from .words import counted, rows_of, times_of, within

GAP = "&#160;&#160;&#160;"
CARRIED = 6
"""So many of the values that go on to the next repetition are named."""


class Sheet:
    """A drawing in the making: give it a header, then `draw` scenes on it.

    Boxes have the id of their (first) node, n0, n1 …; lines that of their (first) edge, e0-1-0: source, target, slot.
    """

    def __init__(self, name: str, scene: Scene, style: Style):
        self.scene = scene
        self.style = style
        self.dot = graphviz.Digraph(name)
        deep = max(scene.rank.values(), default=0) > style.across
        self.direction = scene.view.direction or ("down" if deep else "right")
        self.across = self.direction in ("right", "left")
        self.prefix = ""
        """Stands before all ids, where a scene is drawn several times."""
        self._frames = 0

    # ---- header ----

    def header(self, about: str, rows: Iterable[str]) -> None:
        """Write the graph's name, what there is to say about the drawing, and rows that explain it."""
        style, dot = self.style, self.dot
        view = self.scene.view
        name = style.words(self.scene.graph.name, style.title_size, bold=True, stretch=2)
        if view.around is not None or view.between is not None:
            about += f" · {len(self.scene.boxes):,} boxes of it"
        title = [f"{name}{style.say(GAP + about, color=style.soft)}"] if view.title else []
        shown = [*title, *(rows if view.legend else ())]
        if shown:
            dot.graph_attr["label"] = stack([*shown, style.say("&#160;", 4)])
        dot.graph_attr.update(
            bgcolor=style.paper,
            fontname=style.font,
            labeljust="l",
            labelloc="t",
            nodesep="0.3",
            pad="0.15",
            rankdir=DIRECTIONS[self.direction],
            ranksep="0.5" if self.across else "0.35",
        )
        dot.node_attr.update(
            fontname=style.font, height="0.3", margin="0.1,0.06", penwidth="1.2", shape="box", width="0.3"
        )
        # heavy edges are straight: those from rank to rank, the backbone; skips, targets and ties go beside it
        dot.edge_attr.update(arrowsize="0.6", color=style.soft, fontname=style.font, weight="8")

    def keys(self, samples: Iterable[tuple[str, str, str]]) -> list[str]:
        """Rows that explain lines, each by a sample of text, its color and a meaning; ties; the families that occur."""
        style, scene = self.style, self.scene
        entries = list(samples)
        if scene.ties:
            entries.append(("– –", style.tie, "same weights"))
        chained = {box.chained for box in scene.boxes if box.repeated > 1}
        chained |= {frame.chained for frame in scene.root.frames() if frame.times > 1}
        if True in chained:
            entries.append(("×N", style.tie, "N alike, one after the other"))
        if False in chained:
            entries.append(("×N ∥", style.tie, "N alike, side by side"))
        if scene.missing:
            entries.append(("⋯", style.quiet, "goes on, not drawn"))
        there = {(kind_of_box(box), style.look(kind_of_box(box), box).shape) for box in scene.boxes}
        chips = []
        for name, look in style.families.items():
            if look.shape is not None and (name, look.shape) in there:
                chips.append((SHAPES[look.shape].glyph, look.outline or style.ink, name))
        return [*self._key(entries, 4 if self.across else 2), *self._key(chips, 8 if self.across else 4)]

    def lines(self, texts: Iterable[str]) -> list[str]:
        """Rows of plain text: two a row in a drawing that runs across, one in others."""
        said = [self.style.say(text, color=self.style.soft) for text in texts]
        return self.side_by_side(said, 2 if self.across else 1)

    def _key(self, entries: list[tuple[str, str, str]], length: int) -> list[str]:
        style = self.style
        said = [
            style.say(sample, color=color) + style.say(f"&#160;{text}", color=style.soft)
            for sample, color, text in entries
        ]
        return self.side_by_side(said, length)

    def side_by_side(self, said: list[str], length: int) -> list[str]:
        """So many pieces of markup in each row."""
        gap = self.style.say(GAP)
        return [gap.join(said[i : i + length]) for i in range(0, len(said), length)]

    # ---- boxes ----

    def place(self, draw: Callable[[Box], None]) -> None:
        """Call `draw` for each box, inside of the cluster of its frame; then say where more goes on."""
        path = [iter(self.scene.root.entries)]
        while path:
            entry = next(path[-1], None)
            if isinstance(entry, Box):
                draw(entry)
            elif entry is not None:
                self._begin(entry)
                path.append(iter(entry.entries))
            else:
                path.pop()
                self.dot.body.extend(["\t}\n"] * bool(path))
        for (box, goes_on), lines in self.scene.missing.items():
            self._go_on(box, goes_on, lines)

    @contextmanager
    def part(self, title: str, id: str) -> Iterator[None]:
        """A cluster around all that is drawn meanwhile."""
        self._open(id, color=self.style.faint, label=stack([self.style.say(title, self.style.name_size, bold=True)], 2))
        yield
        self.dot.body.append("\t}\n")

    def _open(self, id: str, **look: str) -> None:
        self.dot.body.append(f"\tsubgraph cluster_{self._frames} {{\n")
        self._frames += 1
        self.dot.attr(id=id, margin="10", **look)

    def _begin(self, frame: Frame) -> None:
        style = self.style
        rows = [] if frame.title is None else [style.words(frame.title, color=style.soft, stretch=2)]
        rows += [] if frame.last is None else [style.words(f"… {frame.last}", color=style.soft, stretch=2)]
        if frame.times > 1:
            total = sum(param.size for param in {param: None for box in frame.boxes() for param in box.params})
            each = f"{frame.times} × {counted(total // frame.times)}" if not frame.shared else counted(total, "shared ")
            times = style.say(times_of(frame), style.name_size, style.tie, bold=True)
            rows.append(times + (style.say(GAP + each, color=style.soft) if total else ""))
            for source, target in self.scene.carried(frame)[:CARRIED]:
                text = f"{within(source.name, frame.path)} → {within(target.name, frame.path)} of the next"
                rows.append(style.words(text, color=style.tie, stretch=2))
        self._open(
            f"{self.prefix}b{self._frames}",
            color=style.tie if frame.times > 1 else style.faint,
            fillcolor=style.paper if len(frame.path) % 2 == 0 else style.wash,
            label=stack(rows, 0),
            style="rounded,filled",
            tooltip=tip("/".join(frame.path) or f"{frame.times} repetitions"),
        )

    def box(
        self,
        box: Box,
        facts: Iterable[str] = (),
        faded: bool = False,
        look: Look | None = None,
        text: str = "",
        **more: str,
    ) -> None:
        """Draw a box, with further facts as markup; faded when it takes no part; `look` says what is other than usual.

        What `text` says of it is shown, behind its name, where the pointer is.
        """
        style = self.style
        usual = style.look(kind_of_box(box), box)
        drawn = usual if look is None else look.over(usual)
        if faded:
            drawn = Look(style.paper, style.faint, style.quiet).over(drawn)
        ink = drawn.ink or style.ink
        soft = drawn.ink or style.soft
        name, words, sizes = rows_of(box, self.scene, style, drawn, ink, soft)
        if self.across:
            rows = [name, *words, *(style.say(size, color=soft) for size in sizes), *facts]
        else:
            rows = [GAP.join([name, *words]) if len(words) < 2 else name, *(words if len(words) > 1 else ())]
            rows += [style.say(" · ".join(sizes), color=soft)] if sizes else []
            rows += self.side_by_side(list(facts), 3)
        shape = dict(SHAPES[drawn.shape or "rounded"].attributes)
        if drawn.font is not None:
            more["fontname"] = drawn.font
        if box.node in self.scene.targets:
            shape["style"] += ",dashed"
        self.dot.node(
            f"{self.prefix}{box.id}",
            stack(rows),
            color=drawn.outline,
            fillcolor=drawn.fill,
            id=f"{self.prefix}{box.id}",
            tooltip=tip(_whole_name(box) + text),
            **shape,
            **more,
        )

    def _go_on(self, box: Box, goes_on: bool, lines: list[Line]) -> None:
        """A stub where lines lead to boxes that aren't drawn."""
        style, here = self.style, f"{self.prefix}{box.id}"
        others = [(line.target if goes_on else line.source) for line in lines]
        names = ", ".join(_whole_name(other) for other in others)
        stub = f"{here}-{'out' if goes_on else 'in'}"
        self.dot.node(
            stub,
            stack([style.say(f"⋯ {len(lines)}" if len(lines) > 1 else "⋯", color=style.quiet)], 0),
            id=stub,
            margin="0.02",
            shape="plain",
            tooltip=tip(f"not drawn: {names}"),
        )
        ends = (here, stub) if goes_on else (stub, here)
        self.dot.edge(*ends, color=style.quiet, style="dashed", id=f"{stub}-line", tooltip=tip(f"not drawn: {names}"))

    # ---- lines ----

    def line(self, line: Line, text: str = "", label: str = "", gap: int = 3, **look: str) -> None:
        """Draw a line, with a label as markup at a gap; what `text` says is shown where the pointer is."""
        source, target, slot = line.edges[0]
        rank = self.scene.rank
        if rank[line.target] - rank[line.source] != 1 or self.is_constant(line):
            look["weight"] = "1"
        place = f", slot {slot}" if len(target.inputs) > 1 else ""
        others = f" and {len(line.edges) - 1} more like it" if len(line.edges) > 1 else ""
        label = " ".join(part for part in (self._uses(line), label or self._leaving(line)) if part)
        if label:
            look["label"] = stack([label], gap)
        self.dot.edge(
            f"{self.prefix}{line.source.id}",
            f"{self.prefix}{line.target.id}",
            id=f"{self.prefix}{line.id}",
            tooltip=tip(f"{source.name} → {target.name}{place}{others}{text}"),
            **look,
        )

    def is_constant(self, line: Line) -> bool:
        """Whether whatever takes a line's value takes it as a constant, so that no error flows back."""
        return all(edge.slot in edge.target.constant_inputs for edge in line.edges)

    def _uses(self, line: Line) -> str:
        """Which use of a layer, where all are drawn as one box."""
        numbers = [str(self.scene.use[node]) for node in line.edges[0][:2] if node in self.scene.use]
        return self.style.say(f"use {' → '.join(numbers)}", color=self.style.tie) if numbers else ""

    def _leaving(self, line: Line) -> str:
        """Of how many repetitions a line carries the values."""
        return self.style.say(f"×{line.leaving}", color=self.style.tie) if line.leaving > 1 else ""

    def tie(self) -> None:
        """Draw a line between boxes that follow each other in using a Param."""
        joined = {frozenset((line.source, line.target)) for line in self.scene.lines}
        for (first, second), params in self.scene.ties.items():
            side = "s" if self.across else "e"  # leads the line round the edge that joins them
            ports = {"tailport": side, "headport": side} if frozenset((first, second)) in joined else {}
            self.dot.edge(
                f"{self.prefix}{first.id}",
                f"{self.prefix}{second.id}",
                color=self.style.tie,
                constraint="false",
                dir="none",
                id=f"{self.prefix}t{first.id[1:]}-{second.id[1:]}",
                penwidth="0.9",
                style="dashed",
                weight="1",
                tooltip=tip(f"{_whole_name(first)} and {_whole_name(second)} share {', '.join(params)}"),
                **ports,
            )

    def text(self) -> str:
        """The DOT text."""
        source: str = self.dot.source
        return source


def kind_of_box(box: Box) -> str:
    """The family that a box is drawn as."""
    return "block" if box.block is not None else family(box.first.layer)


def _whole_name(box: Box) -> str:
    path = "/".join((*box.path, box.block)) if box.block is not None else box.first.name
    if box.repeated > 1:
        return f"{path} and {box.repeated - 1} more, to {box.last}"
    return ", ".join(node.name for node in box.units[0]) if box.is_merged else path
