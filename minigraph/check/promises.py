"""What a layer's contract forbids, looked for in one node that is computed alone."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..costs import Cost
from ..layer import Layer, Node
from ..param import Array, Param
from ..record import Clock
from .probe import Answer, Probe, copies, free, same


def forward_faults(probe: Probe) -> Iterator[str]:
    """What the layer's forward does that its contract forbids, in words."""
    inputs, before = copies(probe.inputs), _weights(probe.layer)
    first = np.array(probe.forward(probe.record(), inputs))
    yield from _written("forward", probe.inputs, inputs)
    yield from _rewritten("forward", probe.layer, before)
    probe.forward(probe.record(), copies(probe.others(probe.inputs)))
    if not same(first, probe.forward(probe.record(), copies(probe.inputs))):
        yield (
            "forward gives other numbers when it is called again on the same inputs: draw random numbers from at.rng, "
            "and keep nothing on the layer"
        )
    elif probe.inputs and not probe.layer.mixes_examples:
        yield from _mixing(probe)


def backward_faults(probe: Probe, error: Array) -> Iterator[str]:
    """What the layer's backward does that its contract forbids, in words; raises LayerError where it fails."""
    at, inputs, given, before = probe.record(), copies(probe.inputs), error.copy(), _weights(probe.layer)
    output = probe.forward(at, inputs)
    kept, entered = np.array(output), copies(inputs)
    first = probe.backward(at, given)
    yield from _written("backward", entered, inputs)
    yield from _rewritten("backward", probe.layer, before)
    if not np.array_equal(given, error):
        yield f"backward writes into the error it is given, {_where(given, error)}: others may hold the same array"
    if not np.array_equal(output, kept):
        yield f"backward writes into the output of forward, {_where(output, kept)}, which others still read"
    for name, grad in first.grad.items():
        taking = free(probe.layer, name)
        if taking is not None and grad[~taking].any():
            yield f"backward gives a gradient where its Param {name} is fixed and takes no gradient: set it to 0 there"
    yield from _memory(probe, error, first)
    if isinstance(probe.layer, Cost) and not _alike(_for_ones(probe, np.copy), _for_ones(probe, np.asarray)):
        yield "backward gives other numbers for at.ones, the error that runs start with, than for a copy of that array"
    if len(set(probe.node.inputs)) < len(probe.node.inputs) and not _alike(first, _as_one(probe, error)):
        yield (
            "backward gives other numbers when inputs that are one node's output are one array: send each input its "
            "own error, the sweep adds them up"
        )


def _for_ones(probe: Probe, taken: Callable[[Array], Array]) -> Answer:
    at = probe.record()
    probe.forward(at, copies(probe.inputs))
    return probe.backward(at, taken(at.ones))


def _as_one(probe: Probe, error: Array) -> Answer:
    """What the layer answers when it is handed a single array for inputs that come from one node, as in a run."""
    arrays = dict(zip(probe.node.inputs, copies(probe.inputs), strict=True))
    at = probe.record()
    probe.forward(at, [arrays[source] for source in probe.node.inputs])
    return probe.backward(at, error.copy())


def narrow_faults(probe: Probe, node: Node, error: Array) -> Iterator[str]:
    """Say if the same node in float32 sends other errors, or gives other gradients, by far more than rounding."""
    narrow = probe.narrowed(node)
    error = error.astype("float32")
    inputs = [x.astype(wide.dtype) for x, wide in zip(narrow.inputs, probe.inputs, strict=True)]
    mine, full = narrow.answer(error), probe.answer(error.astype(probe.dtype), inputs=inputs)
    if mine.output is None or full.output is None or not _near(mine.output, full.output, 0.0):
        return  # it draws other random numbers in float32, or has too few digits there
    floor = 1e-3 * float(np.linalg.norm(error))
    parts = [(f"the error for input {i}", x, full.sent[i]) for i, x in mine.sent.items()]
    parts += [(f"the gradient of {name}", x, full.grad[name]) for name, x in mine.grad.items()]
    for part, x, wide in parts:
        if not _near(x, wide, floor):
            index = np.unravel_index(int(np.argmax(np.nan_to_num(np.abs(x - wide), nan=np.inf))), x.shape)
            yield (
                f"backward gives other numbers in float32, in which the graph computes, than in float64: {part} at "
                f"{tuple(map(int, index))} is {x[index]:.7g} there, {wide[index]:.7g} here"
            )


def _near(one: Array, two: Array, floor: float) -> bool:
    return bool(np.linalg.norm(one - two) <= 1e-2 * float(np.linalg.norm(two)) + floor)


def _memory(probe: Probe, error: Array, first: Answer) -> Iterator[str]:
    """Say, once, if what a record or the layer remembers leaks from one computation into another."""
    again = probe.record()
    probe.answer(error, again)
    if not _alike(first, probe.backward(again, error.copy())):
        yield "backward gives other numbers when it is called again: assign at.grad[…] anew, leave what forward saved"
        return
    others, other_error = probe.others(probe.inputs), probe.rng.standard_normal(error.shape)
    mine, theirs = probe.record(), probe.record()
    probe.forward(mine, copies(probe.inputs))
    probe.answer(other_error, theirs, others)
    if not _alike(first, probe.backward(mine, error.copy())):
        yield "backward goes by what another run left on the layer: keep what belongs to a run on `at`"
        return
    before = _state(probe.layer)
    probe.answer(error)
    after = _state(probe.layer)
    changed = [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)]
    if changed:
        names = ", ".join(sorted(changed))
        yield f"a run changes the layer ({names}): keep it on `at`, and take over running statistics in commit(at)"
        return
    if any(_leaves(probe, error, other_error, others, then) for then in (probe.inputs, _fewer(probe))):
        yield (
            "the second sweep with the same record gives other numbers than a fresh one: something left on `at` "
            "is used again instead of computed anew"
        )


def _leaves(probe: Probe, error: Array, other_error: Array, others: Sequence[Array], then: Sequence[Array]) -> bool:
    """Whether a sweep over some inputs gives other numbers after one over others with the same record."""
    clock = Clock(probe.clock.seed)
    clock.sweep = probe.clock.sweep - 1
    reused = probe.record(clock=clock)
    probe.answer(other_error, reused, others)
    clock.sweep += 1
    return not _alike(probe.answer(error, inputs=then), probe.answer(error, reused, then))


def _fewer(probe: Probe) -> list[Array]:
    """The inputs with constants of one example for all: fewer symbols, classes or lengths than before."""
    return [x if i in probe.open else np.repeat(x[:1], len(x), axis=0) for i, x in enumerate(probe.inputs)]


def unasked_faults(probe: Probe, error: Array, needs: tuple[bool, ...], frozen: bool) -> Iterator[str]:
    """Say if answers change when, as in the run, some aren't needed or the layer is frozen; raises LayerError."""
    full, was = probe.answer(error), probe.layer.frozen
    try:
        probe.layer.frozen = frozen
        at = probe.record()
        probe.forward(at, copies(probe.inputs))
        part = probe.backward(at, error.copy(), needs)
    finally:
        probe.layer.frozen = was
    right = all(same(full.sent[i], x) for i, x in part.sent.items() if i in full.sent)
    if not right or not all(same(full.grad[name], x) for name, x in part.grad.items()):
        yield f"backward gives other numbers when at.needs is {needs}{' and the layer is frozen' if frozen else ''}"


def _mixing(probe: Probe) -> Iterator[str]:
    """Change some rows and watch the others, so that each pair of rows is parted once, both ways."""
    inputs = probe.inputs if probe.m > 1 else [np.concatenate([x, x]) for x in probe.inputs]
    others, m = probe.others(inputs), len(inputs[0])
    base = np.array(probe.forward(probe.record(m), copies(inputs)))
    for bit in range((m - 1).bit_length()):
        for side in (0, 1):
            changed = (np.arange(m) >> bit) % 2 == side
            mixed = copies(inputs)
            for x, other in zip(mixed, others, strict=True):
                x[changed] = other[changed]
            output = probe.forward(probe.record(m), mixed)
            if not same(output[~changed], base[~changed]):
                row = int(np.flatnonzero(~changed)[np.argmax(_off(output, base)[~changed])])
                yield (
                    f"row {row} of the output depends on other examples: keep the rows apart, or declare "
                    f"mixes_examples = True"
                )
                return


def _written(direction: str, before: Sequence[Array], after: Sequence[Array]) -> Iterator[str]:
    for i, (x, now) in enumerate(zip(before, after, strict=True)):
        if not np.array_equal(x, now):
            yield f"{direction} writes into its input {i}, {_where(now, x)}: write into arrays of its own, kept on `at`"


def _rewritten(direction: str, layer: Layer, before: dict[str, Any]) -> Iterator[str]:
    for name, token in _weights(layer).items():
        if before.get(name) != token:
            yield f"{direction} writes into its Param {name}: only optimizers change Params"


def _where(now: Array, before: Array) -> str:
    place = np.argwhere(now != before)[0]
    return f"at index {tuple(int(k) for k in place)}"


def _weights(layer: Layer) -> dict[str, Any]:
    return {name: _token(param) for name, param in layer.params.items()}


def _state(layer: Layer) -> dict[str, Any]:
    return {name: _token(value) for name, value in vars(layer).items()}


def _token(value: Any) -> Any:
    """Something that is equal as long as nothing in a layer's attribute has changed."""
    if isinstance(value, Param):
        return _token(value.value)
    if isinstance(value, np.ndarray):
        return value.shape, zlib.crc32(value.tobytes())
    if isinstance(value, (list, tuple)):
        return tuple(_token(part) for part in value)
    if isinstance(value, dict):
        return tuple((key, _token(part)) for key, part in value.items())
    if isinstance(value, Layer):
        return tuple(_state(value).items())
    return repr(value) if isinstance(value, (bool, int, float, str, np.generic)) else id(value)


def _alike(one: Answer, two: Answer) -> bool:
    pairs = [(one.sent[i], two.sent[i]) for i in one.sent] + [(one.grad[name], two.grad[name]) for name in one.grad]
    if one.output is not None and two.output is not None:
        pairs.append((one.output, two.output))
    return all(same(x, y) for x, y in pairs)


def _off(one: Array, two: Array) -> Array:
    result: Array = np.abs(one - two).reshape(len(one), -1).max(axis=1)
    return result
