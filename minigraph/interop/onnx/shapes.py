"""Layers that pass values on in another shape, as ONNX operators."""

from __future__ import annotations

import numpy as np

from ...layer import Layer
from ...layers import (
    Broadcast,
    Concat,
    ExpandDims,
    Flatten,
    GaussianNoise,
    Identity,
    Reshape,
    Slice,
    Squeeze,
    Stack,
    StopGradient,
    Transpose,
)
from .model import Model
from .registry import register


@register(Identity, StopGradient, GaussianNoise)
def identity(model: Model, layer: Layer, x: str) -> str:
    """The input as it is; noise is for training."""
    return model.op("Identity", x)


@register(Reshape, Flatten, Squeeze, ExpandDims)
def reshape(model: Model, layer: Layer, x: str) -> str:
    """The elements in the output's shape."""
    return model.reshaped(x, model.node.shape)


@register(Transpose)
def transpose(model: Model, layer: Transpose, x: str) -> str:
    """The axes in their new order."""
    rank = len(model.node.shape)
    order = range(rank)[::-1] if layer.axes is None else [axis % rank for axis in layer.axes]
    return model.op("Transpose", x, perm=[0, *(axis + 1 for axis in order)])


@register(Broadcast)
def broadcast(model: Model, layer: Broadcast, x: str) -> str:
    """Repeated along axes of size 1."""
    return model.op("Expand", model.lifted(x, 0, len(layer.shape)), model.constant([1, *layer.shape]))


@register(Slice)
def part(model: Model, layer: Slice, x: str) -> str:
    """Numbers cut out as slices of one element; a reshape then takes these axes away, and adds new ones."""
    shape, steps = model.node.inputs[0].shape, [step for step in layer.index if step is not None]
    if Ellipsis in steps:
        place = steps.index(Ellipsis)
        steps[place : place + 1] = [slice(None)] * (len(shape) - len(steps) + 1)
    rows, sizes = [], list(shape)
    for axis, (step, n) in enumerate(zip(steps, shape, strict=False)):
        taken = range(n)[step] if isinstance(step, slice) else [range(n)[step]]
        if list(taken) != list(range(n)):
            by = taken.step if isinstance(taken, range) else 1
            end = taken[-1] + (1 if by > 0 else -1)
            rows.append((taken[0], end if end >= 0 else -n - 1, axis + 1, by))
            sizes[axis] = len(taken)
    if rows:
        x = model.op("Slice", x, *(model.constant(np.array(column)) for column in zip(*rows, strict=True)))
    return x if tuple(sizes) == model.node.shape else model.reshaped(x, model.node.shape)


@register(Concat)
def concat(model: Model, layer: Concat, *xs: str) -> str:
    """Behind each other."""
    return model.op("Concat", *xs, axis=layer.axis % len(model.node.shape) + 1)


@register(Stack)
def stack(model: Model, layer: Stack, *xs: str) -> str:
    """Beside each other along a new axis."""
    axis = layer.axis % len(model.node.shape)
    shape = model.node.shape
    apart = [model.reshaped(x, (*shape[:axis], 1, *shape[axis + 1 :])) for x in xs]
    return model.op("Concat", *apart, axis=axis + 1)
