"""The gradient flow over a training as drawings: side by side, or line by line for a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..gradient_history import GradientHistory
from ..measures import shown
from .boxes import Line
from .flow import LineLook, all_of, draw, enters_cost, header, largest, line_look, numbered, sentence
from .flowing import LineFlow, StepFlow
from .marks import Marks
from .picture import Picture
from .scale import Scale
from .scene import Scene
from .scenic import picture_of
from .sheet import Sheet
from .style import Style
from .view import View


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
        header(sheet, about, list(flows.values()), scale, sources.values(), marks)
        in_order = list(sources.items())[:: -1 if sheet.across else 1]  # Graphviz draws the first at the bottom
        for step, source in in_order:
            sheet.prefix = f"s{step}-"
            with sheet.part(f"step {step}", f"s{step}"):
                draw(sheet, source, flows[step], scale, marks)
        return sheet.text()

    return picture_of(
        history.places.graph, view, dot, "gradient flows", lambda scene: f"{sentence(about)}, on one scale.", numbered
    )


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
            {line.id: line_look(one, scale, style) for line, one in found.items() if one.state == "computed"},
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


def _common_scale(flows: Iterable[Mapping[Line, LineFlow]], style: Style) -> Scale:
    """One scale for several flows: relative to the largest gradient on an edge into a cost in any of them."""
    everywhere = all_of(flows)
    into_costs = [one for found in flows for line, one in found.items() if enters_cost(line)]
    choices = {"the largest cost edge": into_costs, "the largest edge": everywhere}
    return Scale([size for one in everywhere for size in one.computed], *largest(choices), style)
