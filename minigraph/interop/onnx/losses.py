"""Costs as ONNX operators: C_x for each example."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...costs import (
    L1,
    L2,
    BinaryCrossEntropy,
    BinaryCrossEntropyOnProbabilities,
    CosineEmbedding,
    Cost,
    Hinge,
    Huber,
    KLDivergence,
    MeanAbsoluteError,
    MeanSquaredError,
    Penalty,
    Quadratic,
    SmoothL1,
    SoftmaxCrossEntropy,
    TripletMargin,
    Value,
)
from ...costs.cost import TINY
from .activations import above, softplus
from .model import Model
from .registry import register


@register(Quadratic, MeanSquaredError)
def squares(model: Model, cost: Quadratic | MeanSquaredError, a: str, y: str, *w: str) -> str:
    """½ ‖a − y‖², or the mean of the squares."""
    d = _difference(model, a, y)
    scale = 0.5 if isinstance(cost, Quadratic) else 1.0 / _outputs(model)
    return weighed(model, cost, summed(model, model.op("Mul", d, d)), scale, *w)


@register(MeanAbsoluteError)
def sizes(model: Model, cost: MeanAbsoluteError, a: str, y: str, *w: str) -> str:
    """The mean of |a − y|."""
    c = summed(model, model.op("Abs", _difference(model, a, y)))
    return weighed(model, cost, c, 1.0 / _outputs(model), *w)


@register(Huber, SmoothL1)
def huber(model: Model, cost: Huber | SmoothL1, a: str, y: str, *w: str) -> str:
    """t (d − ½ t) with t = d limited to ± delta, or s (d − ½ beta s)."""
    d, edge = _difference(model, a, y), cost.delta if isinstance(cost, Huber) else cost.beta
    slope, by = 0.0, model.constant(edge)
    if model.dtype.type(edge) > 0.0:
        t = model.op("Max", model.op("Min", d, by), model.constant(-edge))
        slope, t = (0.5, t) if isinstance(cost, Huber) else (0.5 * edge, model.op("Div", t, by))
    else:
        t = model.op("Sign", d)
    rest = model.op("Sub", d, model.op("Mul", t, model.constant(slope)))
    return weighed(model, cost, summed(model, model.op("Mul", t, rest)), 1.0 / _outputs(model), *w)


@register(BinaryCrossEntropy)
def binary(model: Model, cost: BinaryCrossEntropy, z: str, y: str, *w: str) -> str:
    """ln(1 + e^z) − y z."""
    y = model.floats(y, 1)
    c = model.op("Sub", softplus(model, None, z), model.op("Mul", y, z))
    return weighed(model, cost, summed(model, c), _per_output(model, cost), *w)


@register(BinaryCrossEntropyOnProbabilities)
def on_probabilities(model: Model, cost: BinaryCrossEntropyOnProbabilities, p: str, y: str, *w: str) -> str:
    """−y ln p − (1 − y) ln(1 − p), logarithms limited to −100 and above."""
    one, least = model.constant(1.0), model.constant(-100.0)
    terms = []
    for share, chance in ((y := model.floats(y, 1), p), (model.op("Sub", one, y), model.op("Sub", one, p))):
        terms.append(model.op("Mul", share, model.op("Max", model.op("Log", chance), least)))
    c = summed(model, model.op("Neg", model.op("Add", *terms)))
    return weighed(model, cost, c, _per_output(model, cost), *w)


@register(KLDivergence)
def divergence(model: Model, cost: KLDivergence, a: str, y: str, *w: str) -> str:
    """y (ln y − a), 0 where y is 0."""
    y, zero = model.floats(y, 1), model.constant(0.0)
    some = model.op("Greater", y, zero)
    rest = model.op("Sub", model.op("Log", model.op("Where", some, y, model.constant(1.0))), a)
    return weighed(model, cost, summed(model, model.op("Where", some, model.op("Mul", y, rest), zero)), 1.0, *w)


@register(Hinge)
def hinge(model: Model, cost: Hinge, a: str, y: str, *w: str) -> str:
    """max(0, margin − y a)."""
    short = model.op("Sub", model.constant(cost.margin), model.op("Mul", a, model.floats(y, 1)))
    return weighed(model, cost, summed(model, above(model, short)), 1.0 / _outputs(model), *w)


@register(CosineEmbedding)
def cosine(model: Model, cost: CosineEmbedding, u: str, v: str, y: str, *w: str) -> str:
    """1 − cos for pairs, max(0, cos − margin) for others."""

    def product(p: str, q: str) -> Any:
        return model.op("ReduceSum", model.op("Mul", p, q), model.constant([1]), keepdims=0)

    roots = [model.op("Sqrt", model.op("Add", product(x, x), model.constant(TINY))) for x in (u, v)]
    cos = model.op("Div", product(u, v), model.op("Mul", *roots))
    pairs = model.op("Greater", model.floats(y, 2), model.constant(0.0))
    far = above(model, model.op("Sub", cos, model.constant(cost.margin)))
    near = model.op("Sub", model.constant(1.0), cos)
    return weighed(model, cost, model.op("Where", pairs, near, far), 1.0, *w)


@register(TripletMargin)
def triplet(model: Model, cost: TripletMargin, u: str, v: str, w: str, *weights: str) -> str:
    """max(0, margin + d(u, v) − d(u, w))."""
    near, far = (_distance(model, cost, u, x) for x in (v, w))
    over = model.op("Sub", model.op("Add", near, model.constant(cost.margin)), far)
    return weighed(model, cost, above(model, over), 1.0, *weights)


def _distance(model: Model, cost: TripletMargin, u: str, v: str) -> Any:
    """‖u − v + eps‖_p, by shares of the largest element, whose powers neither overflow nor vanish."""
    r = model.op("Abs", model.op("Add", model.op("Sub", u, v), model.constant(cost.eps)))
    if cost.p == 1.0:
        return model.op("ReduceSum", r, model.constant([1]), keepdims=0)
    if cost.p == 2.0:
        return model.op("Sqrt", model.op("ReduceSum", model.op("Mul", r, r), model.constant([1]), keepdims=0))
    top = model.op("ReduceMax", r, axes=[1], keepdims=1)
    safe = model.op("Where", model.op("Greater", top, model.constant(0.0)), top, model.constant(1.0))
    powers = model.op("Pow", model.op("Div", r, safe), model.constant(cost.p))
    root = model.op("Pow", model.op("ReduceSum", powers, model.constant([1])), model.constant(1.0 / cost.p))
    return model.op("Squeeze", model.op("Mul", top, root), model.constant([1]))


@register(SoftmaxCrossEntropy)
def softmax_cross_entropy(model: Model, cost: SoftmaxCrossEntropy, z: str, y: str, *w: str) -> str:
    """Σ t_j (−ln p_j) / n over classes and positions; where examples share a divisor, m over its sum for 1 / n."""
    shape, target = (source.shape for source in model.node.inputs[:2])
    axis = cost.axis % len(shape) + 1
    k = shape[axis - 1]
    labeled = target != shape
    along = [k if place == axis - 1 else 1 for place in range(len(shape))]
    classes = None if cost.class_weights is None else model.constant(np.reshape(cost.class_weights, along))
    n, counts = math.prod(shape) // k, None
    if labeled:
        places = model.op("Unsqueeze", y, model.constant([axis]))
        t = model.cast(model.op("Equal", places, model.constant(np.reshape(range(k), along))))
        if cost.ignore_index is not None:
            counts = model.cast(model.op("Not", model.op("Equal", places, model.constant(cost.ignore_index))))
            t = model.op("Mul", t, counts)
        own = t if classes is None else model.op("Mul", t, classes)
    else:
        t = own = model.floats(y, 1)
        own = own if classes is None else model.op("Mul", own, classes)
    total = own
    if cost.label_smoothing:
        share = np.full(along, cost.label_smoothing / k) * np.reshape(cost.class_weights or [1.0] * k, along)
        spread = model.constant(share) if counts is None else model.op("Mul", counts, model.constant(share))
        own = model.op("Add", model.op("Mul", own, model.constant(1.0 - cost.label_smoothing)), spread)
    c = summed(model, model.op("Neg", model.op("Mul", own, model.op("LogSoftmax", z, axis=axis))))
    if not cost.mixes_examples:
        return weighed(model, cost, c, 1.0 / n, *w)
    weight = model.op("ReduceSum", total, model.constant(list(range(len(shape) + 1))), keepdims=0)
    some = model.op("Greater", weight, model.constant(0.0))
    m = model.op("Squeeze", model.cast(model.examples()), model.constant([0]))
    divided = model.op("Div", m, model.op("Where", some, weight, model.constant(1.0)))
    factor = model.op("Where", some, divided, model.constant(0.0))
    return weighed(model, cost, model.op("Mul", c, factor), 1.0, *w)


@register(Value)
def value(model: Model, cost: Value, a: str, *w: str) -> str:
    """Σ_j a_j."""
    return weighed(model, cost, summed(model, a), 1.0, *w)


@register(L1, L2)
def penalty(model: Model, cost: Penalty) -> str:
    """The penalty, once for each example."""
    params, half = [model.param(p) for p in cost.chosen.values()], 1.0 if isinstance(cost, L1) else 0.5
    sizes = [model.op("Abs", p) if isinstance(cost, L1) else model.op("Mul", p, p) for p in params]
    parts = [model.op("ReduceSum", size, keepdims=0) for size in sizes]
    whole = parts[0] if len(parts) == 1 else model.op("Sum", *parts)
    return model.op("Expand", weighed(model, cost, whole, half * cost.strength), model.examples())


def weighed(model: Model, cost: Cost, c: str, scale: float, w: str | None = None) -> str:
    """C_x from a multiple of it, and the weight of each example if there is one."""
    scale *= cost.weight
    c = c if scale == 1.0 else model.op("Mul", c, model.constant(scale))
    return c if w is None else model.op("Mul", c, model.floats(w, len(model.node.inputs) - 1))


def summed(model: Model, c: str) -> str:
    """Over all elements of an example."""
    axes = list(range(1, len(model.node.inputs[0].shape) + 1))
    return model.op("ReduceSum", c, model.constant(axes), keepdims=0) if axes else c


def _difference(model: Model, a: str, y: str) -> str:
    return model.op("Sub", a, model.floats(y, 1))


def _outputs(model: Model) -> int:
    return math.prod(model.node.inputs[0].shape)


def _per_output(model: Model, cost: BinaryCrossEntropy) -> float:
    return 1.0 / _outputs(model) if cost.reduction == "mean" else 1.0
