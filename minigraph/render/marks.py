"""The findings of a diagnosis in a drawing: on the boxes and lines where they begin."""

from __future__ import annotations

from collections.abc import Iterable

from ..diagnose import Finding
from .boxes import Box, Line
from .scene import Scene
from .style import Style


class Marks:
    """Which findings are marked on which box and line of a scene: those of its nodes, and where a trend begins."""

    def __init__(
        self, findings: Iterable[Finding], scene: Scene, meaning: str = "found by run.diagnose()", fact: str = ""
    ):
        self.meaning = meaning
        self.fact = fact
        """What marked boxes say besides."""
        self.boxes: dict[Box, list[Finding]] = {}
        self.lines: dict[Line, list[Finding]] = {}
        drawn = set(scene.boxes)
        line_of = {edge: line for line in scene.lines for edge in line.edges}
        for finding in findings:
            box = scene.box[scene.graph[finding.node]]
            if box in drawn:
                self.boxes.setdefault(box, []).append(finding)
            first = line_of.get(finding.edges[0]) if finding.edges else None
            if first is not None and finding.level == "alarm":
                self.lines.setdefault(first, []).append(finding)

    def on(self, box: Box, style: Style) -> list[str]:
        """What a box says of its findings: their kinds and, where it stands for several nodes, of how many."""
        said, nodes = [], len(box.nodes)
        for level in ("alarm", "note"):
            found = [finding for finding in self.boxes.get(box, ()) if finding.level == level]
            for kind in dict.fromkeys(finding.kind for finding in found):
                where = len({finding.node for finding in found if finding.kind == kind})
                text = f"{kind} ({where} of {nodes})" if nodes > 1 else kind
                alarm = style.say(f"⚠ {text}", color=style.alarm, bold=True)
                said.append(alarm if level == "alarm" else style.say(f"note: {text}", color=style.soft))
        if said and self.fact:
            said.append(style.say(self.fact, color=style.alarm))
        return said

    def text(self, findings: Iterable[Finding]) -> str:
        """The evidence, for where the pointer is."""
        return "".join(f"; {finding.kind}, {finding.node}: {finding.evidence}" for finding in findings)

    def key(self, style: Style) -> list[tuple[str, str, str]]:
        """What the mark means, where there is one."""
        found = [finding for there in (*self.boxes.values(), *self.lines.values()) for finding in there]
        if not any(finding.level == "alarm" for finding in found):
            return []
        return [("⚠", style.alarm, self.meaning)]
