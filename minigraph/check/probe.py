"""One node of a run, computed alone, again and again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from typing import Any, NamedTuple

import numpy as np

from ..errors import LayerError, MinigraphError
from ..layer import Layer, Node
from ..param import Array
from ..record import Clock, Record


class Answer(NamedTuple):
    """What a node computed, in arrays of its own."""

    sent: dict[int, Array]
    """The error sent to each input that wants one."""
    grad: dict[str, Array]
    """The share of each Param's gradient, by the Param's attribute name."""
    output: Array | None = None


class Probe:
    """A node with what came into it in a run, to be computed alone on copies: the run is left as it is."""

    def __init__(self, node: Node, of_run: Record, clock: Clock, rng: np.random.Generator):
        self.node = node
        self.layer = node.layer
        self.m, self.training, self.dtype = of_run.m, of_run.training, of_run.dtype
        self.inputs = [np.array(x, order="C") for x in of_run.inputs]
        self.clock = clock
        self.rng = rng
        self.open = [i for i in range(len(self.inputs)) if i not in node.constant_inputs]

    def narrowed(self, node: Node) -> Probe:
        """The same for the same node of a float32 graph."""
        narrow = copy(self)
        narrow.node, narrow.layer, narrow.dtype = node, node.layer, np.dtype("float32")
        narrow.inputs = [x.astype("float32") if x.dtype.kind == "f" else x for x in self.inputs]
        return narrow

    def movable(self) -> list[Array]:
        """All arrays that derivatives are taken by."""
        return [*(self.inputs[i] for i in self.open), *(param.value for param in self.layer.params.values())]

    def record(self, m: int | None = None, clock: Clock | None = None) -> Record:
        """An empty record for this node, with the random numbers that the run drew."""
        ones = np.ones(m or self.m, self.dtype)
        ones.flags.writeable = False
        return Record(ones, self.training, clock or self.clock, self.node.id)

    def forward(self, at: Record, inputs: Sequence[Array]) -> Array:
        """The layer's forward, just as it is, on these very arrays; raises LayerError when it fails."""
        at.inputs = tuple(inputs)
        return called("forward", self.layer.forward, at, *inputs)  # type: ignore[no-any-return]

    def output(self) -> Array:
        """The output for the inputs as they are now, as one flat array; NaN where forward fails."""
        try:
            return np.array(self.forward(self.record(), copies(self.inputs))).ravel()
        except LayerError:
            return np.full(self.m * int(np.prod(self.node.shape)), np.nan)

    def backward(self, at: Record, error: Array, needs: tuple[bool, ...] | None = None) -> Answer:
        """The layer's backward after `forward`, on this very error; raises LayerError for what isn't as promised."""
        at.needs = needs or tuple(i in self.open for i in range(len(self.inputs)))
        at.error = error
        returned = called("backward", self.layer.backward, at, error)
        several = len(self.inputs) > 1
        if several and (not isinstance(returned, (tuple, list)) or len(returned) != len(self.inputs)):
            raise LayerError(f"backward must return {len(self.inputs)} errors, one an input, got {_kind(returned)}")
        sent = {i: returned[i] if several else returned for i, needed in enumerate(at.needs) if needed}
        for i, x in sent.items():
            _expect(x, self.inputs[i], f"return the error for input {i}")
        grad = {}
        for name, param in {} if self.layer.frozen else self.layer.params.items():
            _expect(at.grad.get(param), param.value, f"set at.grad[self.{name}]")
            grad[name] = np.array(at.grad[param])
        return Answer({i: np.array(x) for i, x in sent.items()}, grad)

    def answer(self, error: Array, at: Record | None = None, inputs: Sequence[Array] | None = None) -> Answer:
        """Forward, then backward, on copies: a fresh record unless one is given."""
        at = self.record() if at is None else at
        output = np.array(self.forward(at, copies(self.inputs if inputs is None else inputs)))
        return self.backward(at, error.copy())._replace(output=output)

    def others(self, inputs: Sequence[Array]) -> list[Array]:
        """Inputs like these but different in each row: other examples of the batch, moved a little."""
        rolled = [np.roll(x, 1, axis=0) for x in inputs]
        moved = list(rolled)
        for i in self.open:
            shift = 1e-3 * np.maximum(1.0, np.abs(moved[i]))
            moved[i] = moved[i] + shift * self.rng.standard_normal(shift.shape)
        try:
            if np.isfinite(self.forward(self.record(_m_of(moved)), copies(moved))).all():
                return moved
        except LayerError:  # they left the domain of the function; whole rows of the batch don't
            pass
        return rolled

    @contextmanager
    def elsewhere(self) -> Iterator[None]:
        """For a while, have other Params and inputs than the run's, as far as the output stays finite with them."""
        inputs, params = self.inputs, list(self.layer.params.values())
        kept = copies([param.value for param in params])

        def fill(values: Sequence[Array]) -> None:
            for param, value in zip(params, values, strict=True):
                param.value[...] = value

        try:
            fill([self._moved(value) for value in kept])
            if not np.isfinite(self.output()).all():
                fill(kept)
            for draw in (lambda x: self.rng.standard_normal(x.shape), self._moved, np.copy):
                self.inputs = [draw(x) if i in self.open else x for i, x in enumerate(inputs)]
                if np.isfinite(self.output()).all():
                    break
            yield
        finally:
            self.inputs = inputs
            fill(kept)

    def _moved(self, array: Array) -> Array:
        moved: Array = array + 0.3 * np.maximum(1.0, np.abs(array)) * self.rng.standard_normal(array.shape)
        return moved


def free(layer: Layer, name: str) -> Array | None:
    """Where in a layer's Param gradients go, as booleans; None: everywhere."""
    index = layer.fixed(name)
    if index is None:
        return None
    mask = np.ones(layer.params[name].shape, bool)
    mask[index] = False
    return mask


def copies(arrays: Sequence[Array]) -> list[Array]:
    """Arrays of one's own with the same numbers."""
    return [x.copy() for x in arrays]


def _m_of(arrays: Sequence[Array]) -> int | None:
    return len(arrays[0]) if arrays else None


def same(one: Array, two: Array) -> bool:
    """Equal but for rounding, which the place of an array in memory may change."""
    size = max(float(np.abs(one).max()), float(np.abs(two).max()))
    return np.array_equal(one, two, equal_nan=True) or bool(np.abs(one - two).max() <= 1e-9 * size)


def called(direction: str, method: Any, at: Record, *arrays: Array) -> Any:
    """Call a layer's forward or backward; raises LayerError when it fails, whatever it raised."""
    try:
        return method(at, *arrays)
    except MinigraphError as fault:
        raise LayerError(f"{direction} failed: {fault}") from fault
    except Exception as fault:
        raise LayerError(f"{direction} failed with {type(fault).__name__}: {fault}") from fault


def _expect(array: Any, like: Array, what: str) -> None:
    if not isinstance(array, np.ndarray) or array.shape != like.shape or array.dtype != like.dtype:
        raise LayerError(f"backward must {what}, an array of shape {like.shape} {like.dtype}, got {_kind(array)}")


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"one of shape {value.shape} {value.dtype}"
    return f"{len(value)} of them" if isinstance(value, (tuple, list)) else repr(value)
