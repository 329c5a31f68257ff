"""The findings of a diagnosis in a drawing: on the boxes and lines where they begin."""

from __future__ import annotations

from collections.abc import Iterable

from ..diagnose import Finding
from .scene import Box, Line, Scene
from .style import Style


class Marks:
    """Which findings are marked on which box and line of a scene: those of its nodes, and where a trend begins."""

    def __init__(self, findings: Iterable[Finding], scene: Scene):
        self.boxes: dict[Box, list[Finding]] = {}
        self.lines: dict[Line, list[Finding]] = {}
        drawn = set(scene.boxes)
        line_of = {edge: line for line in scene.lines for edge in line.edges}
        for finding in findings:
            box = scene.box[scene.graph[finding.node]]
            if box in drawn:
                self.boxes.setdefault(box, []).append(finding)
            first = line_of.get(finding.edges[0]) if finding.edges else None
            if first is not None:
                self.lines.setdefault(first, []).append(finding)

    def on(self, box: Box, style: Style) -> list[str]:
        """What a box says of its findings: their kinds."""
        found = self.boxes.get(box, ())
        alarms = dict.fromkeys(finding.kind for finding in found if finding.level == "alarm")
        notes = dict.fromkeys(finding.kind for finding in found if finding.level == "note")
        said = [style.say(f"⚠ {kind}", color=style.alarm, bold=True) for kind in alarms]
        return said + [style.say(f"note: {kind}", color=style.soft) for kind in notes]

    def text(self, findings: Iterable[Finding]) -> str:
        """The evidence, for where the pointer is."""
        return "".join(f"; {finding.kind}: {finding.evidence}" for finding in findings)

    def key(self, style: Style) -> list[tuple[str, str, str]]:
        """What the mark means, where there is one."""
        found = [finding for there in (*self.boxes.values(), *self.lines.values()) for finding in there]
        if not any(finding.level == "alarm" for finding in found):
            return []
        return [("⚠", style.alarm, "found by run.diagnose()")]
