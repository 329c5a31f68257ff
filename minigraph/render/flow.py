"""The gradient flow as a drawing: how large a gradient went back along each edge."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ..costs import Cost, Penalty
from ..layer import Node
from ..measures import Flow, flow, rms, shown
from ..results import Results
from ..views import error_state
from ..wiring import Edge
from .engine import number
from .network import Sheet
from .style import PLAIN_TABLE, STYLE, Style, escape, stack


def flow_dot(run: Results, style: Style = STYLE) -> str:
    """DOT text of the network with the gradients of a run's current sweep; ids as in `network_dot`.

    Each edge shows the root mean square, per element over the batch, of the ∂C_x/∂a that came back along it, before the
    sum at a fork: as a number, and as width and color on one log scale, relative to the largest on an edge into a cost.
    Each node shows the norm of its own use's part of ∂C/∂w, mean over the batch. What carries no gradient is grey and
    says why; what isn't finite is marked. Raises NotComputedError before any forward sweep.
    """
    sheet, ran = Sheet("gradient flow", run.graph, style), run.swept().place
    flows = {edge: flow(run, edge) for edge in run.graph.edges}
    facts = {node: _facts(run, node, style) for node in run.graph.nodes}
    scale = Scale(run, flows, style)
    sheet.header(_about(run), [*scale.legend(), *sheet.lines(_measures(run, scale)), *sheet.keys(_keys(flows, style))])
    sheet.place(lambda node: sheet.box(node, facts[node], faded=node not in ran))
    for edge, flowed in flows.items():
        says, look = _look(flowed, scale, style)
        sheet.edge(edge, says, **look)
    sheet.tie()
    return sheet.text()


class Scale:
    """The log scale of a drawing: a gradient's level is 0 at the reference, and 1 lower for `step` decades less."""

    def __init__(self, run: Results, flows: Mapping[Edge, Flow], style: Style):
        self.style = style
        self.floor, self.top = 1 - len(style.falling), len(style.rising)
        sizes = [flow.rms for flow in flows.values() if 0.0 < flow.rms < math.inf]
        self.reference, self.origin = _reference(run, flows) if sizes else (0.0, "")
        self.step = 1
        if sizes:
            low, high = (math.log10(size) - math.log10(self.reference) for size in (min(sizes), max(sizes)))
            self.step = next((s for s in (1, 2, 3) if self.floor * s <= low and high <= self.top * s), 4)
            self.lowest, self.highest = low / self.step, high / self.step

    def level(self, size: float) -> float:
        """Where on the scale a gradient is, within its ends."""
        level = (math.log10(size) - math.log10(self.reference)) / self.step
        return min(max(level, self.floor), self.top)

    def width(self, level: float) -> float:
        """Width of an edge in points."""
        return self.style.thin + (self.style.thick - self.style.thin) * (1 - level / self.floor)

    def color(self, level: float) -> str:
        """Color of an edge, between those of the levels beside it."""
        colors = [*self.style.falling[::-1], *self.style.rising]
        i = min(int(level - self.floor), len(colors) - 2)
        part = level - self.floor - i
        channels = ((int(colors[i][k : k + 2], 16), int(colors[i + 1][k : k + 2], 16)) for k in (1, 3, 5))
        return "#" + "".join(f"{round(low + part * (high - low)):02x}" for low, high in channels)

    def legend(self) -> list[str]:
        """A wedge in the colors and widths of the levels, with the ratio to the reference that each stands for."""
        if not self.reference:
            return []
        samples, ratios = [], []
        for level in range(min(max(math.ceil(self.highest - 0.05), 0), self.top), self.floor - 1, -1):
            size = _fixed(_SWATCH, round(self.width(level)))
            bar = f'<TABLE {_PLAIN} {size}><TR><TD {size} BGCOLOR="{self.color(level)}"></TD></TR></TABLE>'
            samples.append(f"<TD {_fixed(_SWATCH, 9)}>{bar}</TD>")
            beyond = "≤" if level == self.floor > self.lowest else "≥" if level == self.top < self.highest else ""
            ratio = "1" if level == 0 else "10" + str(level * self.step).translate(_SUPERSCRIPTS)
            ratios.append(f"<TD {_fixed(_SWATCH, 13)}>{self.style.say(beyond + ratio, color=self.style.soft)}</TD>")
        whole = _fixed(_SWATCH * len(ratios), 22)
        rows = f"<TR>{''.join(samples)}</TR><TR>{''.join(ratios)}</TR>"
        return [f'<TABLE {_PLAIN} ALIGN="LEFT" {whole}>{rows}</TABLE>']


_SWATCH = 38
_PLAIN = f'{PLAIN_TABLE} CELLPADDING="0"'
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _fixed(width: int, height: int) -> str:
    return f'FIXEDSIZE="TRUE" WIDTH="{width}" HEIGHT="{height}"'


def _reference(run: Results, flows: Mapping[Edge, Flow]) -> tuple[float, str]:
    """What gradients are compared with, and its name: the largest where the backward sweep began."""
    computed = {edge: flow.rms for edge, flow in flows.items() if flow.state == "computed"}
    into_costs = [size for edge, size in computed.items() if isinstance(edge.target.layer, Cost)]
    seeds = [node for node in run.swept_back().seeds if not isinstance(node.layer, Cost)]
    choices = {
        "the cost edge" if len(into_costs) == 1 else "the largest cost edge": into_costs,
        "the error it began with": [rms(run[node].error) for node in seeds if error_state(run, node) == "computed"],
        "the largest edge": list(computed.values()),
    }
    finite = ((name, [size for size in sizes if 0.0 < size < math.inf]) for name, sizes in choices.items())
    return next((max(sizes), name) for name, sizes in finite if sizes)


def _look(flow: Flow, scale: Scale, style: Style) -> tuple[str, dict[str, str]]:
    """What to say of an edge, and the attributes it is drawn with."""
    if flow.state != "computed":
        quiet = QUIET[flow.state]
        return f": {quiet.meaning}", {"color": getattr(style, quiet.color), "penwidth": "0.9", "style": quiet.dash}
    text, width, color, arrow = shown(flow.rms), style.thin, style.soft, "onormal"
    says = f": rms {text}"
    if not math.isfinite(flow.rms):
        width, color, arrow = style.thick / 2, style.alarm, "normal"
    elif flow.rms:
        level = scale.level(flow.rms)
        width, color, arrow = scale.width(level), scale.color(level), "normal"
        says += f", {shown(flow.rms / scale.reference)} of {scale.origin}"
    alarm = not math.isfinite(flow.rms)
    label = style.say(text, color=style.alarm if alarm else style.ink, bold=alarm)
    return says, {
        "arrowsize": number(0.5 + 0.05 * width, 0.5, 1),
        "arrowtail": arrow,
        "color": color,
        "dir": "back",
        "label": stack([label], round(3 + width / 2)),
        "penwidth": number(width, 0.5, 12),
    }


class Quiet(NamedTuple):
    """How an edge without a gradient is drawn, and its key."""

    color: str
    dash: str
    sample: str
    meaning: str


QUIET = {
    "not yet": Quiet("quiet", "dotted", "· ·▸", "no gradient yet"),
    "no path": Quiet("quiet", "dashed", "– –▸", "no path for a gradient"),
    "not asked": Quiet("quiet", "solid", "—▸", "not asked for: nothing trainable before"),
    "not run": Quiet("faint", "dotted", "· ·▸", "not part of this run"),
}


def _keys(flows: Mapping[Edge, Flow], style: Style) -> list[tuple[str, str, str]]:
    """Samples of the lines that occur, with colors and meanings."""
    states = {flow.state for flow in flows.values()}
    sizes = [flow.rms for flow in flows.values() if flow.state == "computed"]
    keys = []
    if any(not math.isfinite(size) for size in sizes):
        keys.append(("◀—", style.alarm, "not finite"))
    if 0.0 in sizes:
        keys.append(("◁—", style.soft, "computed, and exactly 0"))
    quiets = [quiet for state, quiet in QUIET.items() if state in states]
    return keys + [(quiet.sample, getattr(style, quiet.color), quiet.meaning) for quiet in quiets]


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


def _measures(run: Results, scale: Scale) -> list[str]:
    """What the numbers on edges and in boxes are."""
    if run.backward_done < 0:
        return []
    texts = ["on edges: root mean square of ∂Cₓ/∂a, per element"]
    if scale.reference:
        texts.append(f"color, width: relative to {scale.origin}, {shown(scale.reference)}")
    if any(param for node in run.graph.nodes for param in node.layer.params):
        texts.append("in boxes: norm of this use's ∂C/∂w, mean over the batch")
    return texts


def _facts(run: Results, node: Node, style: Style) -> list[str]:
    """What a box says of the run: C of a cost, the norms of a layer's gradients or why there are none."""
    place = run.swept().place
    if node not in place or place[node] >= run.forward_done:
        return []
    cost = [_fact("C =", float(np.mean(run[node].a)), style)] if isinstance(node.layer, Cost) else []
    if isinstance(node.layer, Penalty) and error_state(run, node) == "computed":
        squares = [float(np.vdot(grad, grad)) for grad in run[node].grad.values()]
        return [*cost, _fact("‖∂C/∂w‖", math.sqrt(math.fsum(squares)) / run.m, style)]
    if cost:
        return cost
    if not node.layer.params or node.layer.frozen:
        return []
    state = error_state(run, node)
    if state != "computed":
        return [style.say(QUIET[state].meaning, color=style.soft)]
    grads = run[node].grad
    norms = {name: rms(grads[p]) * math.sqrt(p.size) / run.m for name, p in node.layer.params.items() if p in grads}
    return [_fact(f"‖∂C/∂{escape(name)}‖", norm, style) for name, norm in norms.items()]


def _fact(what: str, x: float, style: Style) -> str:
    return style.say(f"{what} {shown(x)}", color=None if math.isfinite(x) else style.alarm)
