"""The drawing of neurons as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...graph import Graph
from ...results import Results
from ..picture import Picture
from ..style import Style
from ..themes import style as themed
from .drawing import neurons_dot


def neurons_picture(subject: Graph | Results, style: Style | str, options: Mapping[str, Any]) -> Picture:
    """A picture of what `neurons_dot` draws, in a theme or a style."""
    graph = subject if isinstance(subject, Graph) else subject.graph
    layers = [f"{node.name} with {node.shape[0]}" for node in graph.nodes if len(node.shape) == 1]
    dot = neurons_dot(subject, style=themed(style), **options)
    return Picture(dot, f"{graph.name}, neurons", f"A circle for each neuron: {', '.join(layers)}.")
