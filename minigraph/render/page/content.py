"""All that a page shows of a run, as JSON: nodes, edges, steps, figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ...diagnose import KINDS, Finding
from ...graph import Graph
from ...layer import Node
from ...results import Results
from ...summary import kind_of, one_line, shapes_of
from ...wiring import Edge
from .arrays import Arrays
from .equations import Equations, words_of
from .figures import Figures, Steps


class Places(NamedTuple):
    """Where nodes and edges are drawn: ids of boxes and lines, and which of how many repetitions a node is in."""

    boxes: Mapping[Node, str] | None
    lines: Mapping[Edge, str] | None
    repeats: Mapping[Node, tuple[int, int]]

    def box(self, node: Node) -> str | None:
        """The id of what stands for a node; None where nothing does."""
        return f"n{node.id}" if self.boxes is None else self.boxes.get(node)

    def line(self, edge: Edge) -> str | None:
        """The id of what stands for an edge; None where nothing does."""
        return f"e{edge.source.id}-{edge.target.id}-{edge.slot}" if self.lines is None else self.lines.get(edge)


def content(run: Results, places: Places, findings: Iterable[Finding]) -> tuple[dict[str, Any], Arrays]:
    """What is shown, and the arrays that figures refer to by number."""
    graph, steps, arrays, equations = run.graph, Steps(run), Arrays(run.m), Equations(run.graph)
    figures, number = Figures(run, steps, arrays, equations), {node: i for i, node in enumerate(graph.nodes)}
    texts = [words_of(type(node.layer)) for node in graph.nodes]
    words, targets = list(dict.fromkeys(texts)), set(graph.targets)
    place = {text: i for i, text in enumerate(words)}
    nodes = []
    for node, text in zip(graph.nodes, texts, strict=True):
        errand = steps.errands.get(node)
        nodes.append(
            {
                "name": one_line(node.name),
                "kind": kind_of(node, node in targets),
                "shapes": shapes_of(node),
                "box": places.box(node),
                "repeat": places.repeats.get(node),
                "forward": steps.forward.get(node),
                "backward": steps.backward.get(node),
                "ahead": [equation._asdict() for equation in equations.forward(node)],
                "back": [equation._asdict() for equation in equations.backward(node, errand)] if errand else [],
                "tags": equations.tags(node, errand) if errand else [],
                "words": place[text],
                "figures": figures.of(node),
            }
        )
    shown = {
        "m": run.m,
        "mixed": figures.mixed,
        "nodes": nodes,
        "edges": [[places.line(edge), number[edge.source], number[edge.target]] for edge in graph.edges],
        "findings": [_found(finding, graph, number) for finding in findings],
        "steps": _steps(run, steps, number),
        "words": words,
        "note": "" if run.backward_done >= 0 else _FORWARD_ONLY,
    }
    return shown, arrays


_FORWARD_ONLY = (
    "This run has only gone forward, so there are no errors and no gradients: run.backward() before the page is made "
    "adds the steps back."
)


def _found(finding: Finding, graph: Graph, number: Mapping[Node, int]) -> dict[str, Any]:
    return {
        "title": KINDS[finding.kind],
        "alarm": finding.level == "alarm",
        "nodes": [number[graph[name]] for name in finding.nodes],
        "evidence": finding.evidence,
        "remedy": finding.remedy,
    }


def _steps(run: Results, steps: Steps, number: Mapping[Node, int]) -> list[dict[str, Any]]:
    """Each step's node, and the edges along which something comes in and goes out, by number."""
    place = {(edge.target, edge.slot): i for i, edge in enumerate(run.graph.edges)}
    found: list[dict[str, Any]] = []
    for node in steps.forward:
        comes = [place[node, slot] for slot in range(len(node.inputs))]
        found.append({"node": number[node], "back": False, "in": comes, "out": []})
    for node in steps.backward:
        errand = steps.errands[node]
        comes = [place[user, slot] for user, slot in errand.sources]
        goes = [place[node, slot] for slot, needed in enumerate(errand.needs) if needed]
        found.append({"node": number[node], "back": True, "in": comes, "out": goes})
    return found
