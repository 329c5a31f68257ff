"""Costs that take logits and are given what a softmax or a sigmoid has made of them."""

from __future__ import annotations

from collections.abc import Iterator

from ..activations import Sigmoid
from ..costs import BinaryCrossEntropy, SoftmaxCrossEntropy
from ..layer import Layer
from ..layers import Softmax
from .findings import Finding
from .seen import Seen

APPLIED = {SoftmaxCrossEntropy: "softmax", BinaryCrossEntropy: "sigmoid"}
"""What a cost makes of its logits itself."""


def squashed(seen: Seen) -> Iterator[Finding]:
    """Cross-entropies of logits which come out of a Softmax or a sigmoid, and so lie between 0 and 1."""
    for node in seen.nodes:
        applied = APPLIED.get(type(node.layer))
        if applied is None:
            continue
        source = node.inputs[0]
        before = _squashes(source.layer)
        if before:
            evidence = f"it applies the {applied} itself, to logits of any size, and gets numbers from 0 to 1"
            end = f"without the {before} of {source.name!r} before it; predictions take it behind, outside of the cost"
            yield Finding("squashed logits", node.name, evidence, end, {"before": before}, (source.name,))


def _squashes(layer: Layer) -> str:
    if isinstance(layer, Softmax):
        return "softmax"
    return "sigmoid" if type(getattr(layer, "sigma", None)) is Sigmoid else ""
