"""Trial: what one use of a layer keeps, found out by having it compute alone, on made-up arrays."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from .calls import steady, written
from .contract import check_errors, check_output
from .errors import GraphError
from .layer import Layer, Node
from .nested import arrays_in, owner
from .param import Array
from .record import Clock, Record
from .schedule import Errand


class Trial(NamedTuple):
    """What one use of a layer keeps, in bytes; those of its Params' gradients aside."""

    forward: int
    """Arrays that forward leaves, the output among them."""
    output: int
    """The array that the output lies in, if it is the node's own."""
    passed: int | None
    """Which input the output is, or is a view of."""
    backward: int = 0
    """Arrays that backward leaves besides."""
    sent: int = 0
    """Those of them that errors to the inputs lie in."""
    passes: tuple[bool, ...] = ()
    """For each input, whether its error is, or is a view of, the error that came in."""
    outside: int = 0
    """Gradients that the layer doesn't write into the arrays that are there for them."""
    room: int = 0
    """Arrays that a script keeps for results that the layer leaves to numpy."""
    calls: int = 0
    """How many calls of numpy a script keeps."""


class Trials:
    """Trials at one batch size; with `scripts` each layer computes twice, as sweeps do before they become scripts.

    A layer with the same inputs is tried once.
    """

    def __init__(self, m: int, training: bool, dtype: np.dtype[Any], scripts: bool):
        self.ones = np.ones(m, dtype)
        self.ones.flags.writeable = False
        self.training = training
        self.scripts = scripts
        self.scratch: dict[str, dict[Any, Array]] = {"forward": {}, "backward": {}}
        """Arrays that all calls of a script may write into."""
        self._found: dict[Any, Trial] = {}

    def of(self, node: Node, errand: Errand | None) -> Trial:
        """What a node keeps. Raises GraphError when its layer refuses all made-up arrays."""
        inputs = tuple((source.shape, source.dtype) for source in node.inputs)
        is_cost = errand is not None and errand.seeded and not errand.sources
        key = (id(node.layer), inputs, errand and errand.needs, is_cost)
        if key not in self._found:
            self._found[key] = self._made_up(node, errand, is_cost)
        return self._found[key]

    def _made_up(self, node: Node, errand: Errand | None, is_cost: bool) -> Trial:
        faults = []
        arrays = tuple(np.empty((len(self.ones), *source.shape), source.dtype) for source in node.inputs)
        for values, constants in product((_even, _ones, _zeros), (_zeros, _ones, _one_hot)):
            for slot, array in enumerate(arrays):
                (constants if slot in node.constant_inputs else values)(array)
            try:
                with np.errstate(all="ignore"):
                    return self._tried(node, arrays, errand, is_cost)
            except Exception as fault:
                faults.append(fault)
        raise GraphError(
            f"what {type(node.layer).__name__} {node.name!r} (added at {node.source}) needs can't be predicted, as it "
            f"takes neither zeros nor ones nor one-hot rows as inputs: {faults[0]}"
        ) from faults[0]

    def _tried(self, node: Node, inputs: tuple[Array, ...], errand: Errand | None, is_cost: bool) -> Trial:
        layer = node.layer
        at = Record(self.ones, self.training, Clock(0), node.id)
        at.inputs = inputs
        others = Held(inputs, vars(layer), [param.value for param in layer.params.values()])
        a = layer.forward(at, *inputs)
        check_output(node, a, at.m)
        ahead = Held(vars(at), a).without(others)
        passed = next((slot for slot, x in enumerate(inputs) if owner(x) is owner(a)), None)
        output = Held(a).without(others).nbytes
        if errand is None:
            return Trial(ahead.nbytes, output, passed)
        at.needs = errand.needs
        at.error = error = self.ones if is_cost else np.ones((at.m, *node.shape), node.dtype)
        places = {} if layer.frozen else {param: np.zeros_like(param.value) for param in layer.params.values()}
        at.grad.update(places)
        sent = layer.backward(at, error)
        check_errors(node, at, sent)
        others = Held(others, error, [*places.values()])
        outside = Held([at.grad[param] for param in places]).without(others)
        back = Held(vars(at), sent).without(others, ahead, outside)
        copied, copied_back, room, count = 0, 0, 0, 0
        if self.scripts:
            copied, calls = self._again(layer, layer.forward, at, inputs, a)
            copied_back, calls_back = self._again(layer, layer.backward, at, (error,), sent)
            known = Held(
                others, ahead, back, outside, vars(at), [list(kept.values()) for kept in self.scratch.values()]
            )
            room, count = Held(calls, calls_back).without(known).nbytes, len(calls) + len(calls_back)
        errors = [sent] if len(inputs) == 1 else sent or ()
        return Trial(
            ahead.nbytes + copied,
            output,
            passed,
            back.nbytes + copied_back,
            Held(sent).without(others).nbytes,
            tuple(isinstance(e, np.ndarray) and owner(e) is owner(error) for e in errors),
            outside.nbytes,
            room,
            count,
        )

    def _again(
        self, layer: Layer, method: Callable[..., Any], at: Record, arrays: tuple[Array, ...], before: Any
    ) -> tuple[int, Any]:
        """Have a layer compute once more: bytes of copies kept for the script, and the arrays of numpy's calls.

        What a layer that is called as a whole returns is copied if it was another array before.
        """
        if steady(layer):
            _, calls = written(method, at, arrays, self.scratch[method.__name__])
            if calls is not None:
                return 0, [(args, getattr(function, "keywords", ())) for function, args in calls]
        now, then = [*arrays_in(method(at, *arrays))], [*arrays_in(before)]
        if len(now) == len(then) and all(x is y for x, y in zip(now, then, strict=True)):
            return 0, ()
        held = Held(vars(at), arrays).owners
        return sum(array.nbytes for array in now if id(owner(array)) in held), ()


class Held:
    """The arrays that values lie in, each once; what can't be written to, as a constant, is nobody's."""

    def __init__(self, *values: Any):
        self.owners: dict[int, Array] = {}
        for value in values:
            if isinstance(value, Held):
                self.owners.update(value.owners)
                continue
            for array in arrays_in(value):
                there = owner(array)
                if there.flags.writeable:
                    self.owners[id(there)] = there

    def without(self, *others: Held) -> Held:
        """Those that others don't hold."""
        rest = Held()
        theirs = set[int]().union(*(other.owners for other in others))
        rest.owners = {key: array for key, array in self.owners.items() if key not in theirs}
        return rest

    @property
    def nbytes(self) -> int:
        """Bytes of all of them."""
        return sum(array.nbytes for array in self.owners.values())


def _even(array: Array) -> None:
    """Numbers that add up to 1 along the last axis, or ½; integers are 0."""
    n = array.shape[-1] if array.ndim > 1 else 1
    array.fill((1 / n if n > 1 else 0.5) if array.dtype.kind == "f" else 0)


def _ones(array: Array) -> None:
    array.fill(1)


def _zeros(array: Array) -> None:
    array.fill(0)


def _one_hot(array: Array) -> None:
    array.fill(array.ndim == 1)
    if array.ndim > 1:
        array[..., 0] = 1
