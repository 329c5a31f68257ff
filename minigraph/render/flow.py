"""The gradient flow as a drawing: how large a gradient went back along each edge."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ..costs import Cost, Penalty
from ..diagnose import diagnose
from ..gradient_history import GradientHistory
from ..measures import flow, rms, shown
from ..results import Results
from ..summary import one_line
from ..views import error_state
from .boxes import Box, Line
from .engine import number
from .flowing import Flowing, LineFlow, RunFlow, StepFlow
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


def flow_picture(run: Results, view: View, style: Style) -> Picture:
    """The network with the gradients of a run's current sweep.

    Each line shows the root mean square, per element over the batch, of the ∂C_x/∂a that came back along it, before the
    sum at a fork: as width and color on one log scale, relative to the largest on an edge into a cost, and as a number.
    Each box shows the norm of its own use's part of ∂C/∂w, mean over the batch, and is filled by its ratio to ‖w‖. What
    carries no gradient is grey and says why; what isn't finite is marked. Raises NotComputedError before any forward
    sweep.
    """
    run.swept()

    def dot(scene: Scene) -> str:
        sheet, source = Sheet("gradient flow", scene, style), RunFlow(run, scene)
        everywhere = {line: source.along(line) for line in scene.whole}
        flows = {line: everywhere[line] for line in scene.lines}
        scale = _scale(run, everywhere, style)
        marks = Marks(diagnose(run) if view.findings else (), scene)
        _header(sheet, _about(run), [flows], scale, [source], marks)
        _draw(sheet, source, flows, scale, marks)
        return sheet.text()

    return picture_of(
        run.graph, view, dot, "gradient flow", lambda scene: f"{_sentence(_about(run))}. {_spoken(run)}", _numbered
    )


def steps_picture(history: GradientHistory, steps: Sequence[int], view: View, style: Style) -> Picture:
    """The gradient flows at some steps of a training, beside each other and on one scale.

    The scale is relative to the largest gradient on an edge into a cost at any of these steps. Ids are those of
    `flow_picture` behind the step: s100-n0, s100-e0-1-0. Raises GraphError for a step that wasn't kept.
    """
    for step in steps:
        history.flows(step)  # raises
    about = f"gradient flow at steps {', '.join(map(str, steps))}"

    def dot(scene: Scene) -> str:
        sheet = Sheet("gradient flows", scene, style)
        sources = {step: StepFlow(history, step, scene) for step in steps}
        everywhere = {step: {line: source.along(line) for line in scene.whole} for step, source in sources.items()}
        flows = {step: {line: found[line] for line in scene.lines} for step, found in everywhere.items()}
        scale = _common_scale(everywhere.values(), style)
        marks = Marks((), scene)
        _header(sheet, about, list(flows.values()), scale, sources.values(), marks)
        in_order = list(sources.items())[:: -1 if sheet.across else 1]  # Graphviz draws the first at the bottom
        for step, source in in_order:
            sheet.prefix = f"s{step}-"
            with sheet.part(f"step {step}", f"s{step}"):
                _draw(sheet, source, flows[step], scale, marks)
        return sheet.text()

    return picture_of(
        history.places.graph, view, dot, "gradient flows", lambda scene: f"{_sentence(about)}, on one scale.", _numbered
    )


class LineLook(NamedTuple):
    """A line at a step of a training: color, width in points and what it says."""

    color: str
    width: float
    text: str


def frames(
    history: GradientHistory, scene: Scene, style: Style, steps: Sequence[int]
) -> list[tuple[str, dict[str, LineLook]]]:
    """For each of some steps, how each line with a gradient is drawn, by id, on one scale: for a page that changes."""
    flows = _flows_of(history, scene, steps)
    costs = dict(zip(history.steps, history.cost, strict=True))
    scale = _common_scale(flows, style)
    return [
        (
            f"step {step}, C = {shown(float(costs[step]))}",
            {line.id: _frame(one, scale, style) for line, one in found.items() if one.state == "computed"},
        )
        for step, found in zip(steps, flows, strict=True)
    ]


def line_scale(history: GradientHistory, scene: Scene, style: Style, steps: Sequence[int]) -> list[tuple[str, str]]:
    """The colors of `frames`, each with what it stands for, the largest first."""
    scale = _common_scale(_flows_of(history, scene, steps), style)
    return [(color, ratio) for (color, _), ratio in scale.samples()]


def _flows_of(history: GradientHistory, scene: Scene, steps: Sequence[int]) -> list[dict[Line, LineFlow]]:
    sources = [StepFlow(history, step, scene) for step in steps]
    return [{line: source.along(line) for line in scene.whole} for source in sources]


# ---- what stands above ----


def _header(
    sheet: Sheet,
    about: str,
    flows: Sequence[Mapping[Line, LineFlow]],
    scale: Scale,
    sources: Iterable[Flowing],
    marks: Marks,
) -> None:
    style = sheet.style
    there = _all(flows)
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


def _sentence(text: str) -> str:
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


def _draw(sheet: Sheet, source: Flowing, flows: Mapping[Line, LineFlow], scale: Scale, marks: Marks) -> None:
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
    numbers = _numbered(sheet.scene)
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
    color, width, text = _frame(flowed, scale, style)
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


def _frame(flowed: LineFlow, scale: Scale, style: Style) -> LineLook:
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
    "not asked": Quiet("quiet", "solid", "—▸", "not asked for: nothing trainable before"),
    "not run": Quiet("faint", "dotted", "· ·▸", "not part of this run"),
}


# ---- what gradients are compared with ----


def _scale(run: Results, flows: Mapping[Line, LineFlow], style: Style) -> Scale:
    """The scale of a run: relative to the largest gradient where the backward sweep began."""
    sizes = [size for one in flows.values() for size in one.computed]
    if not sizes:
        return Scale([], 0.0, "", style)
    into_costs = [one for line, one in flows.items() if _enters_cost(line) and one.computed]
    seeds = [node for node in run.swept_back().seeds if not isinstance(node.layer, Cost)]
    began = [LineFlow("", (rms(run[node].error),)) for node in seeds if error_state(run, node) == "computed"]
    name = "the cost edge" if len(into_costs) == 1 else "the largest cost edge"
    choices = {name: into_costs, "the error it began with": began, "the largest edge": list(flows.values())}
    return Scale(sizes, *_largest(choices), style)


def _common_scale(flows: Iterable[Mapping[Line, LineFlow]], style: Style) -> Scale:
    """One scale for several flows: relative to the largest gradient on an edge into a cost in any of them."""
    everywhere = _all(flows)
    into_costs = [one for found in flows for line, one in found.items() if _enters_cost(line)]
    choices = {"the largest cost edge": into_costs, "the largest edge": everywhere}
    return Scale([size for one in everywhere for size in one.computed], *_largest(choices), style)


def _largest(choices: Mapping[str, Iterable[LineFlow]]) -> tuple[float, str]:
    """The largest finite size in the first of the choices that has any, and that choice's name."""
    for name, flows in choices.items():
        finite = [size for one in flows for size in one.computed if 0.0 < size < math.inf]
        if finite:
            return max(finite), name
    return 0.0, ""


def _enters_cost(line: Line) -> bool:
    return isinstance(line.edges[0].target.layer, Cost)


def _all(flows: Iterable[Mapping[Line, LineFlow]]) -> list[LineFlow]:
    return [one for found in flows for one in found.values()]


def _numbered(scene: Scene) -> bool:
    asked = scene.view.numbers
    return len(scene.lines) <= NUMBERED if asked is None else asked
