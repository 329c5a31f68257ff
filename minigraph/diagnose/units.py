"""Units that don't learn from a batch: ReLUs that are never on, and units where σ' ≈ 0."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..activations import Activation, Identity, LeakyReLU, PerNeuron, ReLU
from ..costs import BinaryCrossEntropyOnProbabilities, Cost
from ..layer import Neurons, Node
from ..layers import Activation as ActivationLayer
from ..layers import RNNCell
from ..param import Array
from ..schedule import consumers
from .findings import Data, Finding, Kind, Level, names_of, percent
from .seen import Seen

DEAD = 0.25
"""Share of dead units that is worth a note: some always are, as weights are drawn at random; with too large a learning
rate "as much as 40% of your network can be dead" (Karpathy, CS231n)."""
MOSTLY_DEAD = 0.6
"""Share that is an alarm: deep in an untrained network examples look alike, and half of the units are off for all."""
FEW_EXAMPLES = 16
"""In fewer examples a unit may well be off by chance; a layer that is off altogether is found with fewer, too."""
FLAT = 0.1
"""A slope counts as nearly 0 below this share of the activation's largest: for a sigmoid beyond |z| = 3.6."""
SATURATED = 0.5
"""Share of a layer's outputs that must be saturated, and of the (squared) error that meets them."""
MOSTLY_SATURATED = 0.9
"""Share of outputs that is an alarm: of less, a trained network may well be."""
AROUND_0 = np.linspace(-3.0, 3.0, 25)
"""Where an activation's largest slope is looked for."""

DEAD_REMEDY = (
    "a smaller lr; weights='he_normal' with biases of 0 or slightly above; leaky_relu, elu or gelu, which have a slope "
    "below 0; a normalization before the ReLUs"
)
SATURATED_REMEDY = (
    "smaller initial weights ('glorot_uniform' has variance 2 / (n_in + n_out)); inputs scaled to mean 0 and variance "
    "1; a normalization before σ"
)
SATURATED_OUTPUT = (
    "a cross-entropy cost, in which σ' cancels (BinaryCrossEntropy or SoftmaxCrossEntropy, on identity outputs); "
    "smaller initial weights"
)


class Units(NamedTuple):
    """Units of one node that have one kind of σ, with z, a = σ(z) and the error that arrived, where it is known."""

    sigma: Activation
    z: Array
    a: Array
    error: Array | None
    axis: int
    """Along which they lie."""


def dead(seen: Seen) -> list[Finding]:
    """Layers with many ReLUs whose z ≤ 0 in the whole batch, in all uses of the layer: they get no gradient."""
    found = []
    for uses in seen.uses:
        off = [off for node in uses if (off := _off(seen, node)).size]
        if not off or len({len(one) for one in off}) > 1:
            continue
        never_on = np.logical_and.reduce(off)
        count, of = int(never_on.sum()), never_on.size
        few = seen.m * (of if count == of else 1) < FEW_EXAMPLES
        if few or count < max(DEAD * of, 1):
            continue
        anywhere = f" in any of its {len(uses)} uses" if len(uses) > 1 else ""
        evidence = (
            f"{count:,} of its {of:,} ReLU{'s' * (of > 1)} ({percent(count, of)}) {'are' if count > 1 else 'is'} never "
            f"on{anywhere}, z ≤ 0 {_in_batch(seen)}: no gradient passes"
        )
        data = {"share": count / of, "dead": count, "units": of, "m": seen.m}
        level: Level = "alarm" if count >= MOSTLY_DEAD * of else "note"
        found.append(_finding(seen, "dead", uses, evidence, DEAD_REMEDY, data, level))
    return sorted(found, key=_by_share)


def _off(seen: Seen, node: Node) -> Array:
    """For each ReLU of a node whether it is off in all examples and places."""
    off = []
    for _, z, _, _, axis in (units for units in units_of(seen, node) if isinstance(units.sigma, ReLU)):
        others = tuple(i for i in range(z.ndim) if i != axis % z.ndim)
        off.append(z.max(axis=others) <= 0.0)
    return np.concatenate(off) if off else np.empty(0, bool)


def saturated(seen: Seen) -> list[Finding]:
    """Layers most of whose outputs have σ'(z) ≈ 0, so that most of the error that arrives there gets no further.

    Where there is an error it is weighed: outputs that are as they should be may well be saturated. What enters a cost
    isn't judged before `backward`, nor where the slope of the cost makes up for σ'.
    """
    users, found = consumers(seen.nodes), []
    for uses in seen.uses:
        costs = [user.layer for node in uses for user, _ in users[node] if isinstance(user.layer, Cost)]
        if any(isinstance(cost, BinaryCrossEntropyOnProbabilities) for cost in costs) or (costs and not seen.returned):
            continue
        tallies = [_tally(units) for node in uses for units in units_of(seen, node)]
        flat, outputs, lost, error = map(sum, zip(NOTHING, *tallies, strict=True))
        if not flat or flat < SATURATED * outputs or lost < SATURATED * error:
            continue
        met = f"; {percent(lost, error)} of the error that arrives (squared) meets them" if error else ""
        evidence = (
            f"{percent(flat, outputs)} of its outputs are saturated {_in_batch(seen)}: σ' is below {percent(FLAT)} of "
            f"its largest there{met}"
        )
        data = {"share": flat / outputs, "m": seen.m} | ({"share of the error": lost / error} if error else {})
        remedy = SATURATED_OUTPUT if costs else SATURATED_REMEDY
        level: Level = "alarm" if flat >= MOSTLY_SATURATED * outputs else "note"
        found.append(_finding(seen, "saturated", uses, evidence, remedy, data, level))
    return sorted(found, key=_by_share)


NOTHING = (0, 0, 0.0, 0.0)


def _tally(units: Units) -> tuple[int, int, float, float]:
    """How many outputs are saturated, of how many; how much of the squared error meets these, of how much."""
    sigma, z, a, error, _ = units
    if isinstance(sigma, Identity | ReLU | LeakyReLU):
        return NOTHING
    around_0 = AROUND_0.astype(z.dtype)
    slopes = np.abs(sigma.backward(np.ones_like(around_0), around_0, sigma(around_0)))
    largest = float(slopes.max(where=np.isfinite(slopes), initial=0.0))
    flat = np.abs(sigma.backward(np.ones_like(z), z, a)) < FLAT * largest
    squares = np.zeros_like(flat, float) if error is None else np.square(error, dtype=np.float64)
    lost, total = float(squares[flat].sum()), float(squares.sum())
    return (int(flat.sum()), flat.size, *((lost, total) if math.isfinite(total) else (0.0, 0.0)))


def units_of(seen: Seen, node: Node) -> Iterator[Units]:
    """The units of a node that apply a σ to a z, those of each kind together."""
    at, layer = seen.record(node), node.layer
    sigma, axis, z, a = getattr(layer, "sigma", None), seen.unit_axis[node], None, at.a
    if isinstance(layer, Neurons):
        z = at.z
    elif isinstance(layer, ActivationLayer):
        z = at.inputs[0]
    elif isinstance(layer, RNNCell):
        z, a = at.gates[:, 0], at.states[0][1:]
    if sigma is None or z is None or a is None or z.shape != a.shape:
        return
    error = at.error if node in seen.errors and at.error.shape == a.shape else None
    if z.ndim == 1:
        z, a, error = z[:, None], a[:, None], None if error is None else error[:, None]
    if not isinstance(sigma, PerNeuron):
        yield Units(sigma, z, a, error, axis)
        return
    for kind, which in sigma.groups:
        arrived = None if error is None else error.take(which, sigma.axis)
        yield Units(kind, z.take(which, sigma.axis), a.take(which, sigma.axis), arrived, sigma.axis)


def _finding(
    seen: Seen, kind: Kind, uses: list[Node], evidence: str, remedy: str, data: Data, level: Level = "alarm"
) -> Finding:
    nodes = tuple(node.name for node in uses)
    params = names_of(uses[0].layer.params.values(), seen.names)
    return Finding(kind, nodes[0], evidence, remedy, data, nodes, params=params, level=level)


def _in_batch(seen: Seen) -> str:
    return f"in this batch of {seen.m:,}" if seen.m > 1 else "in this one example"


def _by_share(finding: Finding) -> float:
    return -float(finding.data["share"])
