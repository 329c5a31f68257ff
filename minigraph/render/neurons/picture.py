"""The drawing of neurons as a picture."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from inspect import signature
from typing import Any

from ...errors import GraphError
from ...graph import Graph
from ...results import Results
from ..picture import Picture
from ..style import Style
from ..themes import style as themed
from .drawing import neurons_dot

OPTIONS = [name for name in signature(neurons_dot).parameters if name not in ("subject", "style")]
"""The options of `g.neurons` and `run.neurons`, besides the style."""


def neurons_picture(subject: Graph | Results, style: Style | str, options: Mapping[str, Any]) -> Picture:
    """A picture of what `neurons_dot` draws, in a theme or a style.

    Raises GraphError, with those that come near, for an option that there isn't.
    """
    for name in options:
        if name not in OPTIONS:
            near = difflib.get_close_matches(name, OPTIONS)
            hint = f"did you mean {' or '.join(near)}?" if near else f"they are {', '.join(OPTIONS)}"
            raise GraphError(f"drawings of neurons have no option {name!r}: {hint}")
    graph = subject if isinstance(subject, Graph) else subject.graph
    layers = [f"{node.name} with {node.shape[0]}" for node in graph.nodes if len(node.shape) == 1]
    dot = neurons_dot(subject, style=themed(style), **options)
    return Picture(dot, f"{graph.name}, neurons", f"A circle for each neuron: {', '.join(layers)}.")
