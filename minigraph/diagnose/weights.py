"""Weights that learn alike, or hardly: units that stay equal, and inputs near 0."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..layer import Layer, Neurons
from ..layers import Cell, Conv2D, ConvTranspose2D, Dense
from ..measures import shown
from ..param import Array, Transposed
from ..wiring import Edge
from .findings import Finding, Level, names_of, percent
from .seen import Seen

NEAR_0 = 0.01
"""An input is near 0 when it is nowhere in the batch above this share of what others reach: by BP4 the weights from
there learn that much more slowly."""
LARGE = 0.75
"""The quantile of the inputs' largest values that stands for the rest of them: one that is far out isn't it."""
MANY = 0.2
"""Share of a layer's inputs that must be near 0: a single one of many may be a feature that is rarely there."""
BY_CHANCE = 4
"""In so few examples, or places of convolutions, an input may be near 0 by chance."""

SYMMETRIC = (
    "draw the weights at random, as weights='glorot_uniform' and 'he_normal' do, but not 'zeros' or 'ones'; biases may "
    "start equal"
)
NO_INPUT = "look at the feed, or at the nodes before: all of it is 0"
ZERO_FEED = (
    "nothing where these are 0 in all data, as pixels at the border are; else batches in which they occur, as weights "
    "from there learn from no other"
)
SMALL_FEED = "scale each input to mean 0 and variance 1 before it is fed, or put BatchNorm behind it"
SMALL_HIDDEN = (
    "before it tanh, whose mean is 0, instead of sigmoid; biases nearer to 0, so that neurons are on more often; a "
    "normalization"
)


def symmetric(seen: Seen) -> Iterator[Finding]:
    """Units of a layer with equal weights, biases and gradients: whatever they learn, they stay one unit."""
    for uses in seen.uses:
        layer = uses[0].layer
        groups = _alike(seen, layer)
        if not groups:
            continue
        alike, largest = sum(map(len, groups)), max(groups, key=len)
        which = ", ".join(map(str, largest[:4])) + ", …" * (len(largest) > 4)
        evidence = (
            f"{alike:,} of its units have twins with the same weights and the same gradient, as units {which}: they "
            "stay equal, and count for one"
        )
        nodes, params = tuple(use.name for use in uses), names_of(layer.params.values(), seen.names)
        yield Finding("symmetric", nodes[0], evidence, SYMMETRIC, {"alike": alike}, nodes, params=params)


def _alike(seen: Seen, layer: Layer) -> list[list[int]]:
    """Groups of units with the same rows in each Param and in each gradient; none where these aren't computed."""
    if not isinstance(layer, Neurons | Cell) or isinstance(layer, ConvTranspose2D):
        return []
    tied = layer.weights.param if isinstance(layer, Dense) and isinstance(layer.weights, Transposed) else None
    blocks = []
    for param in dict.fromkeys(layer.params.values()):
        gradient = seen.gradient(param)
        if gradient is None:
            return []
        for array in (param.value, gradient):
            rows = array.T if param is tied else array.reshape(len(array), -1)
            largest = float(np.abs(rows).max(initial=0.0))
            if not np.isfinite(largest):
                return []
            blocks.append(rows / largest if largest else rows)
    if len({len(block) for block in blocks}) != 1:
        return []
    return _groups(np.concatenate(blocks, axis=1))


def _groups(rows: Array) -> list[list[int]]:
    """Which rows are equal but for rounding: neighbors in the order of their projections on one random direction."""
    direction = np.random.default_rng(0).standard_normal(rows.shape[1])
    order = np.argsort(rows @ direction, kind="stable")
    apart = np.abs(np.diff(rows[order], axis=0)).max(axis=1, initial=0.0) > np.sqrt(np.finfo(rows.dtype).eps)
    groups = np.split(order, np.flatnonzero(apart) + 1)
    return [sorted(group.tolist()) for group in groups if len(group) > 1]


def inputs_near_0(seen: Seen) -> Iterator[Finding]:
    """Layers many of whose inputs a_in are near 0 in the whole batch, so that by BP4, ∂C/∂w = a_in δ_out, w rests.

    Inputs from inside that are exactly 0 are left to whatever keeps them so, a dead ReLU say, unless all are.
    """
    for uses in seen.uses:
        layer = uses[0].layer
        if layer.frozen or not isinstance(layer, Neurons | Cell) or "w" not in layer.params:
            continue
        axis = 1 if isinstance(layer, Conv2D | ConvTranspose2D) else -1
        arrays = [np.moveaxis(seen.record(node).inputs[0], axis, -1) for node in uses]
        rows = [array.reshape(-1, array.shape[-1]) for array in arrays if array.ndim > 1]
        if len({array.shape[1] for array in rows}) != 1 or sum(map(len, rows)) <= BY_CHANCE:
            continue
        peaks = np.max([np.abs(array).max(axis=0) for array in rows], axis=0)
        if not np.isfinite(peaks).all():
            continue
        fed = all(not seen.depth[node.inputs[0]] for node in uses)
        told = _low(peaks, fed, seen.m)
        if told is None:
            continue
        count, evidence, remedy, level = told
        data = {"share": count / peaks.size, "near 0": count, "inputs": peaks.size, "largest": float(peaks.max())}
        edges = tuple(Edge(node.inputs[0], node, 0) for node in uses)
        nodes, params = tuple(node.name for node in uses), names_of([layer.params["w"]], seen.names)
        yield Finding("inputs near 0", nodes[0], evidence, remedy, data, nodes, edges, params, level)


def _low(peaks: Array, fed: bool, m: int) -> tuple[int, str, str, Level] | None:
    """How many inputs are near 0, what to say of that, what to try, and how serious it is; None where it's nothing."""
    of, on = peaks.size, peaks[peaks > 0.0]
    if not on.size:
        return of, f"all of its inputs are 0 in this batch of {m:,}: its weights get no gradient", NO_INPUT, "alarm"
    large = float(np.quantile(on, LARGE))
    off, low = of - on.size, int((on <= NEAR_0 * large).sum())
    if low >= MANY * of:
        evidence = (
            f"{low:,} of its {of:,} inputs ({percent(low, of)}) stay below {percent(NEAR_0)} of what others reach, "
            f"{shown(large)}, in all of this batch of {m:,}: weights from there learn that much more slowly"
        )
        return low, evidence, SMALL_FEED if fed else SMALL_HIDDEN, "alarm"
    if fed and off >= MANY * of:
        evidence = (
            f"{off:,} of its {of:,} inputs ({percent(off, of)}) {'are' if off > 1 else 'is'} 0 in all of this batch of "
            f"{m:,}: weights from there get no gradient"
        )
        return off, evidence, ZERO_FEED, "note"
    return None
