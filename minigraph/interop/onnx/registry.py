"""What is known to be said in ONNX: a rule for each layer, each activation, each function of numpy."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from ...errors import GraphError

Rule = TypeVar("Rule", bound=Callable[..., str])

RULES: dict[Any, Callable[..., str]] = {}


def register(*things: Any) -> Callable[[Rule], Rule]:
    """Teach the export layers, activations or functions of one's own, by a rule that says them in ONNX operators.

        @onnx.register(Double)
        def double(model, layer, x):
            return model.op("Mul", x, model.constant(2.0))

    A rule takes the `Model` being written, the layer (or the activation, or the function) and the names of the values
    that come in, and returns the name of what comes out. `things` are classes of layers and of activations, or plain
    functions, as in `Dense(3, (bump, slope))`: then `bump` is registered. A rule holds for that class alone, not for
    those derived from it, and takes the place of an older one. Raises GraphError for other things.
    """
    for thing in things:
        if not callable(thing) or not isinstance(thing, Hashable):
            raise GraphError(f"onnx.register takes classes of layers or activations, or functions, got {thing!r}")
    if not things:
        raise GraphError("onnx.register takes what the rule is for: @onnx.register(MyLayer)")

    def registered(rule: Rule) -> Rule:
        RULES.update(dict.fromkeys(things, rule))
        return rule

    return registered
