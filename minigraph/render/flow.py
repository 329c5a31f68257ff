"""The gradient flow as a drawing: how large a gradient went back along each edge."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from ..costs import Cost, Penalty
from ..diagnose import diagnose
from ..measures import flow, rms, shown
from ..results import Results
from ..summary import one_line
from ..views import error_state
from .boxes import Box, Line
from .engine import number
from .flowing import Flowing, LineFlow, RunFlow
from .marks import Marks
from .network import SPOKEN
from .picture import Picture
from .scale import Learning, Scale
from .scene import Scene
from .scenic import picture_of
from .sheet import Sheet
from .style import Look, Style
from .view import View
from .words import param_symbol

NUMBERED = 120
"""Drawings of up to so many lines bear numbers unless the view says otherwise."""


def flow_picture(
    run: Results, view: View, style: Style, about: str = "", marks_on: Callable[[Scene], Marks] | None = None
) -> Picture:
    """The network with the gradients of a run's current sweep.

    Each line shows the root mean square, per element over the batch, of the ∂C_x/∂a that came back along it, before the
    sum at a fork: as width and color on one log scale, relative to the largest on an edge into a cost, and as a number.
    Each box shows the norm of its own use's part of ∂C/∂w, mean over the batch, and is filled by its ratio to ‖w‖. What
    carries no gradient is grey and says why; what isn't finite is marked. `about` stands in the place of what the
    drawing says of the run, and `marks_on` of the marks of what `diagnose` finds. Raises NotComputedError before any
    forward sweep.
    """
    run.swept()
    about = about or _about(run)

    def dot(scene: Scene) -> str:
        sheet, source = Sheet("gradient flow", scene, style), RunFlow(run, scene)
        everywhere = {line: source.along(line) for line in scene.whole}
        flows = {line: everywhere[line] for line in scene.lines}
        scale = _scale(run, everywhere, style)
        marks = marks_on(scene) if marks_on else Marks(diagnose(run) if view.findings else (), scene)
        header(sheet, about, [flows], scale, [source], marks)
        draw(sheet, source, flows, scale, marks)
        return sheet.text()

    return picture_of(
        run.graph, view, dot, "gradient flow", lambda scene: f"{sentence(about)}. {_spoken(run)}", numbered
    )


class LineLook(NamedTuple):
    """A line with a gradient: color, width in points and what it says."""

    color: str
    width: float
    text: str


# ---- what stands above ----


def header(
    sheet: Sheet,
    about: str,
    flows: Sequence[Mapping[Line, LineFlow]],
    scale: Scale,
    sources: Iterable[Flowing],
    marks: Marks,
) -> None:
    """Write what a drawing of some flows is about, with the scales and what else occurs in it."""
    style = sheet.style
    there = all_of(flows)
    computed = any(one.state == "computed" for one in there)
    found = [source.ratio(box) for source in sources for box in sheet.scene.boxes]
    ratios = any(ratio is not None and not math.isnan(ratio) for ratio in found)
    said = "lines: root mean square of ∂Cₓ/∂a, per element"
    if scale.reference:
        said += f", relative to {scale.origin}, {shown(scale.reference)}"
    rows = [*sheet.lines([said]), *scale.legend()] if computed else []
    if ratios:
        rows += sheet.lines([_what_boxes_say(sheet.scene.boxes)])
        rows += Learning(style).legend()
    sheet.header(about, [*rows, *sheet.keys([*marks.key(style), *_keys(there, style)])])


def _what_boxes_say(boxes: Iterable[Box]) -> str:
    several = any(len(box.nodes) > 1 for box in boxes)
    whose = "all that a box stands for" if several else "this use"
    theta = ", θ: all Params of a block" if any(box.block is not None and box.params for box in boxes) else ""
    return f"boxes: norm of ∂C/∂w of {whose}, mean over the batch{theta}; filled by its ratio to ‖w‖"


def _keys(flows: Sequence[LineFlow], style: Style) -> list[tuple[str, str, str]]:
    """Samples of the lines that occur, with colors and meanings."""
    states = {one.state for one in flows}
    sizes = [size for one in flows for size in one.computed]
    keys = [("a … b", style.ink, "first and last repetition")] if any(len(one.sizes) > 1 for one in flows) else []
    if any(not math.isfinite(size) for size in sizes):
        keys.append(("◀—", style.alarm, "not finite"))
    if 0.0 in sizes:
        keys.append(("◁—", style.soft, "computed, and exactly 0"))
    quiets = [quiet for state, quiet in QUIET.items() if state in states]
    return keys + [(quiet.sample, getattr(style, quiet.color), quiet.meaning) for quiet in quiets]


def sentence(text: str) -> str:
    """A text that begins as a sentence does."""
    return text[:1].upper() + text[1:]


def _about(run: Results) -> str:
    parts = ["gradient flow", "one example" if run.single else f"batch of {run.m:,}"]
    ran = run.swept().place
    costs = [node for node in run.graph.costs if node in ran]
    if costs and run.forward_done >= len(ran):
        parts.append(f"C = {shown(run.cost)}")
    elif run.graph.costs:
        parts.append("cost not computed")
    if run.backward_done < 0:
        parts.append("no gradient yet")
    return ", ".join(parts)


def _spoken(run: Results) -> str:
    """The gradients into each node in words, from the cost back, for those who don't see the drawing."""
    if run.backward_done < 0:
        return "No gradient is computed yet."
    said = []
    for edge in list(reversed(run.graph.edges))[:SPOKEN]:
        state, size = flow(run, edge)
        if state == "computed":
            said.append(f"{one_line(edge.target.name)} to {one_line(edge.source.name)} {shown(size)}")
    return "Root mean square of the gradient along each edge, from the cost back: " + "; ".join(said) + "."


# ---- what is drawn ----


def draw(sheet: Sheet, source: Flowing, flows: Mapping[Line, LineFlow], scale: Scale, marks: Marks) -> None:
    """Draw boxes and lines with what flowed, and the ties."""
    style = sheet.style
    fills = Learning(style)

    def draw(box: Box) -> None:
        ratio = source.ratio(box)
        look = Look(fill=style.paper if ratio is None or math.isnan(ratio) else fills.color(ratio))
        facts = [*_facts(source, box, style), *marks.on(box, style)]
        alarm = any(finding.level == "alarm" for finding in marks.boxes.get(box, ()))
        look = Look(outline=style.alarm).over(look) if alarm else look
        more = {"penwidth": "2.4"} if alarm else {}
        sheet.box(box, facts, not source.ran(box), look, marks.text(marks.boxes.get(box, ())), **more)

    sheet.place(draw)
    numbers = numbered(sheet.scene)
    for line, flowed in flows.items():
        look, says = _look(flowed, scale, style)
        label = _label(flowed, style, numbers, line in marks.lines)
        gap = round(3 + float(look["penwidth"]) / 2)
        sheet.line(line, says + marks.text(marks.lines.get(line, ())), label, gap, **look)
    sheet.tie()


def _facts(source: Flowing, box: Box, style: Style) -> list[str]:
    """What a box says: C of a cost, the norms of a layer's gradients or why there are none."""
    cost = source.cost(box)
    facts = [] if cost is None else [_fact("C =", cost, style)]
    norms = source.norms(box)
    if norms:
        return facts + [_fact(f"‖∂C/∂{param_symbol(name)}‖", norm, style) for name, norm in norms.items()]
    trains = any(node.layer.params and not node.layer.frozen for node in box.nodes)
    judged = isinstance(box.first.layer, Cost) and not isinstance(box.first.layer, Penalty)
    if not trains or judged or not source.ran(box) or source.state(box) == "computed":
        return facts
    return [*facts, style.say(QUIET[source.state(box)].meaning, color=style.soft)]


def _fact(what: str, x: float, style: Style) -> str:
    return style.say(f"{what} {shown(x)}", color=None if math.isfinite(x) else style.alarm)


def _look(flowed: LineFlow, scale: Scale, style: Style) -> tuple[dict[str, str], str]:
    """The attributes that a line is drawn with, and what to say of it."""
    if flowed.state != "computed":
        quiet = QUIET[flowed.state]
        return {"color": getattr(style, quiet.color), "penwidth": "0.9", "style": quiet.dash}, f": {quiet.meaning}"
    color, width, text = line_look(flowed, scale, style)
    says = f": rms {text}"
    if flowed.rms and math.isfinite(flowed.rms):
        says += f", {shown(flowed.rms / scale.reference)} of {scale.origin}"
    look = {
        "arrowsize": number(0.5 + 0.05 * width, 0.5, 1),
        "color": color,
        "dir": "back",
        "penwidth": number(width, 0.5, 12),
    }
    return (look if flowed.rms else look | {"arrowtail": "onormal"}), says


def _label(flowed: LineFlow, style: Style, numbers: bool, marked: bool) -> str:
    """A line's number, if it is to be seen or out of the ordinary."""
    alarm = marked or not all(map(math.isfinite, flowed.computed))
    if flowed.state != "computed" or not (numbers or alarm):
        return ""
    return style.say("⚠ " * marked + flowed.text, color=style.alarm if alarm else style.ink, bold=alarm)


def line_look(flowed: LineFlow, scale: Scale, style: Style) -> LineLook:
    """How a line with a gradient is drawn."""
    if not math.isfinite(flowed.rms):
        return LineLook(style.alarm, style.thick / 2, flowed.text)
    if flowed.rms == 0.0:
        return LineLook(style.soft, style.thin, flowed.text)
    decades = scale.decades(flowed.rms)
    return LineLook(scale.color(decades), scale.width(decades), flowed.text)


class Quiet(NamedTuple):
    """How a line without a gradient is drawn, and its key."""

    color: str
    dash: str
    sample: str
    meaning: str


QUIET = {
    "not yet": Quiet("quiet", "dotted", "· ·▸", "no gradient yet"),
    "no path": Quiet("quiet", "dashed", "– –▸", "no path for a gradient"),
    "not kept": Quiet("soft", "solid", "—▸", "a sum that was not kept"),
    "forgotten": Quiet("soft", "solid", "—▸", "computed again, not kept"),
    "not asked": Quiet("quiet", "solid", "—▸", "not asked for: nothing trainable before"),
    "not run": Quiet("faint", "dotted", "· ·▸", "not part of this run"),
}


# ---- what gradients are compared with ----


def _scale(run: Results, flows: Mapping[Line, LineFlow], style: Style) -> Scale:
    """The scale of a run: relative to the largest gradient where the backward sweep began."""
    sizes = [size for one in flows.values() for size in one.computed]
    if not sizes:
        return Scale([], 0.0, "", style)
    into_costs = [one for line, one in flows.items() if enters_cost(line) and one.computed]
    seeds = [node for node in run.swept_back().seeds if not isinstance(node.layer, Cost)]
    began = [LineFlow("", (rms(run[node].error),)) for node in seeds if error_state(run, node) == "computed"]
    name = "the cost edge" if len(into_costs) == 1 else "the largest cost edge"
    choices = {name: into_costs, "the error it began with": began, "the largest edge": list(flows.values())}
    return Scale(sizes, *largest(choices), style)


def largest(choices: Mapping[str, Iterable[LineFlow]]) -> tuple[float, str]:
    """The largest finite size in the first of the choices that has any, and that choice's name."""
    for name, flows in choices.items():
        finite = [size for one in flows for size in one.computed if 0.0 < size < math.inf]
        if finite:
            return max(finite), name
    return 0.0, ""


def enters_cost(line: Line) -> bool:
    """Whether a line leads into a cost."""
    return isinstance(line.edges[0].target.layer, Cost)


def all_of(flows: Iterable[Mapping[Line, LineFlow]]) -> list[LineFlow]:
    """What flowed along all lines of several flows."""
    return [one for found in flows for one in found.values()]


def numbered(scene: Scene) -> bool:
    """Whether lines bear their numbers."""
    asked = scene.view.numbers
    return len(scene.lines) <= NUMBERED if asked is None else asked
