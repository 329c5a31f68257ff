"""Rows of costs."""

import math

import numpy as np

from minigraph.costs import (
    BinaryCrossEntropy,
    BinaryCrossEntropyOnProbabilities,
    CosineEmbedding,
    Hinge,
    Huber,
    KLDivergence,
    MeanAbsoluteError,
    MeanSquaredError,
    Quadratic,
    SmoothL1,
    TripletMargin,
    Value,
)

from .case import Case, Refused, bits, fractions, normal, one_hot, per_example

# ---- inputs ----


def inner_fractions(rng, shape):
    return rng.uniform(0.05, 0.95, shape)


def signs(rng, shape):
    return rng.choice([-1.0, 1.0], shape)


def soft(rng, shape, axis=-1):
    """Probabilities along an axis of the samples."""
    powers = np.exp(rng.normal(size=shape))
    return powers / powers.sum(axis=axis if axis < 0 else axis + 1, keepdims=True)


def logarithms(rng, shape):
    return np.log(soft(rng, shape))


# ---- outputs ----


def over_elements(f, weight=1.0, mean=True):
    """Σ or mean over an example's elements of f(a, y); weighted by the example's weight, if there is one."""

    def one(a, y, w=1.0):
        terms = [f(float(p), float(q)) for p, q in zip(a.flat, y.flat, strict=True)]
        return weight * w * math.fsum(terms) / (len(terms) if mean else 1)

    return per_example(one)


def value(weight=1.0):
    return per_example(lambda a, w=1.0: weight * w * math.fsum(float(v) for v in a.flat))


def half_square(a, y):
    return (y - a) ** 2 / 2


def huber(delta):
    return lambda a, y: (y - a) ** 2 / 2 if abs(y - a) <= delta else delta * (abs(y - a) - delta / 2)


def smooth(beta):
    return lambda a, y: (y - a) ** 2 / 2 / beta if abs(y - a) < beta else abs(y - a) - beta / 2


def surprise(p, y):
    return -(y * math.log(p) + (1 - y) * math.log(1 - p))


def surprise_of_logit(z, y):
    return surprise(1 / (1 + math.exp(-z)), y)


def divergence(a, y):
    return y * (math.log(y) - a) if y else 0.0


def cosine(margin=0.0, weight=1.0):
    def one(u, v, y, w=1.0):
        uu, vv = (math.fsum(p * p for p in x) + 1e-12 for x in (u, v))
        cos = math.fsum(p * q for p, q in zip(u, v, strict=True)) / math.sqrt(uu * vv)
        return weight * w * (1 - cos if y == 1 else max(0.0, cos - margin))

    return per_example(one)


def triplet(margin=1.0, p=2.0, eps=1e-6, weight=1.0):
    def distance(u, v):
        return math.fsum(abs(s - t + eps) ** p for s, t in zip(u, v, strict=True)) ** (1 / p)

    return per_example(lambda a, b, c, w=1.0: weight * w * max(0.0, margin + distance(a, b) - distance(a, c)))


# ---- PyTorch's ----


def summed(name, weight=1.0, mean=True, **options):
    """A function of torch.nn.functional, taken over each example's elements."""

    def theirs(torch, given, a, y, w=1.0):
        c = getattr(torch.nn.functional, name)(a, y, reduction="none", **options)
        c = c.reshape(len(a), -1)
        return weight * w * (c.mean(dim=1) if mean else c.sum(dim=1))

    return theirs


def cosine_embedding(weight=1.0, **options):
    def theirs(torch, given, u, v, y, w=1.0):
        return weight * w * torch.nn.functional.cosine_embedding_loss(u, v, y, reduction="none", **options)

    return theirs


def triplet_margin(weight=1.0, **options):
    def theirs(torch, given, a, b, c, w=1.0):
        return weight * w * torch.nn.functional.triplet_margin_loss(a, b, c, reduction="none", **options)

    return theirs


def half_squares(weight=1.0):
    return lambda torch, given, a, y, w=1.0: weight * w * ((a - y) ** 2).reshape(len(a), -1).sum(dim=1) / 2


def hinge(margin=1.0, weight=1.0):
    def theirs(torch, given, a, y, w=1.0):
        return weight * w * (margin - y * a).clamp(min=0).reshape(len(a), -1).mean(dim=1)

    return theirs


# ---- refusals ----

NO_TARGET = Refused(((3,),), "takes an output and its target", "got 1 input")
ONE_SHAPE = (
    Refused(((3,), (2,)), "takes targets of its output's shape (3,)", "got (2,)"),
    Refused(((1,), ()), "takes targets of its output's shape (1,)", "got ()"),
    Refused(((), (1,)), "takes targets of its output's shape ()", "got (1,)"),
    Refused(((3,), (3,), (3,)), "takes one weight an example, of shape ()", "got (3,)"),
    Refused(((3,), (3,), (), ()), "takes an output and its target", "got 4 inputs"),
    NO_TARGET,
)
PAIRS = (
    Refused(((3,), (2,), ()), "takes vectors of one size", "got samples of shape (3,) and (2,)"),
    Refused(((2, 3), (2, 3), ()), "takes vectors of one size", "got samples of shape (2, 3) and (2, 3)"),
    Refused(((), (), ()), "takes vectors of one size", "got samples of shape () and ()"),
    Refused(((3,), (3,), (1,)), "takes one target a pair, of shape ()", "got (1,)"),
    Refused(((3,), (3,)), "takes 2 outputs and its target", "got 2 inputs"),
    Refused(((3,), (3,), (), (3,)), "takes one weight an example", "got (3,)"),
)
TRIPLES = (
    Refused(((3,), (3,), (2,)), "takes vectors of one size", "got samples of shape (3,) and (3,) and (2,)"),
    Refused(((), (), ()), "takes vectors of one size", "got samples of shape () and () and ()"),
    Refused(((3,), (3,)), "takes 3 outputs", "got 2 inputs"),
    Refused(((3,), (3,), (3,), (3,)), "takes one weight an example", "got (3,)"),
)

# ---- rows ----


def differences(kind, name, f, theirs, mean=True, **options):
    """Rows of a cost of differences: vectors, images, single numbers, single elements, examples with weights."""

    def row(suffix, shape, weight=1.0, more=(), refuses=()):
        return Case(
            name + suffix, lambda: kind(weight=weight, **options), (shape, shape, *more),
            over_elements(f, weight, mean), refuses=refuses, torch=theirs(weight),
        )  # fmt: skip

    return [
        row("", (3,), refuses=ONE_SHAPE),
        row("-2d", (2, 3), 0.3),
        row("-number", ()),
        row("-1", (1,)),
        row("-examples", (2, 3), -2.0, ((),)),
    ]


# fmt: off
CASES = [
    *differences(Quadratic, "Quadratic", half_square, half_squares, mean=False),
    *differences(MeanSquaredError, "MeanSquaredError", lambda a, y: (a - y) ** 2, lambda w: summed("mse_loss", w)),
    *differences(MeanAbsoluteError, "MeanAbsoluteError", lambda a, y: abs(a - y), lambda w: summed("l1_loss", w)),
    *differences(Huber, "Huber", huber(1.0), lambda w: summed("huber_loss", w)),
    *differences(Huber, "Huber-wide", huber(1.7), lambda w: summed("huber_loss", w, delta=1.7), delta=1.7),
    *differences(SmoothL1, "SmoothL1", smooth(1.0), lambda w: summed("smooth_l1_loss", w)),
    *differences(SmoothL1, "SmoothL1-sharp", smooth(0.4), lambda w: summed("smooth_l1_loss", w, beta=0.4), beta=0.4),
    *differences(SmoothL1, "SmoothL1-0", lambda a, y: abs(a - y),
                 lambda w: summed("smooth_l1_loss", w, beta=0.0), beta=0),

    Case("BinaryCrossEntropy", BinaryCrossEntropy, ((3,), (3,)),
         over_elements(surprise_of_logit, mean=False), (normal, fractions), ONE_SHAPE,
         torch=summed("binary_cross_entropy_with_logits", mean=False)),
    Case("BinaryCrossEntropy-2d", lambda: BinaryCrossEntropy(weight=-2), ((2, 3), (2, 3)),
         over_elements(surprise_of_logit, -2, mean=False), (normal, bits),
         torch=summed("binary_cross_entropy_with_logits", -2, mean=False)),
    Case("BinaryCrossEntropy-mean", lambda: BinaryCrossEntropy(weight=0.3, reduction="mean"), ((2, 3), (2, 3), ()),
         over_elements(surprise_of_logit, 0.3), (normal, fractions),
         torch=summed("binary_cross_entropy_with_logits", 0.3)),
    Case("BinaryCrossEntropy-number", BinaryCrossEntropy, ((), ()),
         over_elements(surprise_of_logit), (normal, bits), torch=summed("binary_cross_entropy_with_logits")),
    Case("BinaryCrossEntropy-1", BinaryCrossEntropy, ((1,), (1,)),
         over_elements(surprise_of_logit), (normal, fractions), torch=summed("binary_cross_entropy_with_logits")),
    Case("BinaryCrossEntropyOnProbabilities", BinaryCrossEntropyOnProbabilities, ((3,), (3,)),
         over_elements(surprise, mean=False), (inner_fractions, fractions), ONE_SHAPE,
         torch=summed("binary_cross_entropy", mean=False)),
    Case("BinaryCrossEntropyOnProbabilities-mean",
         lambda: BinaryCrossEntropyOnProbabilities(weight=1.5, reduction="mean"), ((2, 3), (2, 3), ()),
         over_elements(surprise, 1.5), (inner_fractions, bits), torch=summed("binary_cross_entropy", 1.5)),
    Case("BinaryCrossEntropyOnProbabilities-1", BinaryCrossEntropyOnProbabilities, ((1,), (1,)),
         over_elements(surprise), (inner_fractions, fractions), torch=summed("binary_cross_entropy")),
    Case("KLDivergence", KLDivergence, ((4,), (4,)),
         over_elements(divergence, mean=False), (logarithms, soft), ONE_SHAPE, torch=summed("kl_div", mean=False)),
    Case("KLDivergence-0", lambda: KLDivergence(weight=0.3), ((2, 3), (2, 3), ()),
         over_elements(divergence, 0.3, mean=False), (normal, one_hot), torch=summed("kl_div", 0.3, mean=False)),
    Case("KLDivergence-1", KLDivergence, ((1,), (1,)),
         over_elements(divergence), (normal, fractions), torch=summed("kl_div")),

    Case("Hinge", Hinge, ((3,), (3,)),
         over_elements(lambda a, y: max(0, 1 - y * a)), (normal, signs), ONE_SHAPE, torch=hinge()),
    Case("Hinge-2d", lambda: Hinge(0.4, weight=0.3), ((2, 3), (2, 3), ()),
         over_elements(lambda a, y: max(0, 0.4 - y * a), 0.3), (normal, signs), torch=hinge(0.4, 0.3)),
    Case("Hinge-number", Hinge, ((), ()),
         over_elements(lambda a, y: max(0, 1 - y * a)), (normal, signs), torch=hinge()),
    Case("Hinge-1", Hinge, ((1,), (1,)),
         over_elements(lambda a, y: max(0, 1 - y * a)), (normal, signs), torch=hinge()),
    Case("CosineEmbedding", CosineEmbedding, ((3,), (3,), ()),
         cosine(), (normal, normal, signs), PAIRS, torch=cosine_embedding()),
    Case("CosineEmbedding-margin", lambda: CosineEmbedding(-0.3, weight=0.3), ((5,), (5,), (), ()),
         cosine(-0.3, 0.3), (normal, normal, signs), torch=cosine_embedding(0.3, margin=-0.3)),
    Case("CosineEmbedding-1", lambda: CosineEmbedding(0.1), ((1,), (1,), ()),
         cosine(0.1), (normal, normal, signs), torch=cosine_embedding(margin=0.1)),
    Case("TripletMargin", TripletMargin, ((3,), (3,), (3,)), triplet(), refuses=TRIPLES, torch=triplet_margin()),
    Case("TripletMargin-1-norm", lambda: TripletMargin(2, p=1, weight=0.3), ((4,), (4,), (4,), ()),
         triplet(2, 1, weight=0.3), torch=triplet_margin(0.3, margin=2.0, p=1)),
    Case("TripletMargin-3-norm", lambda: TripletMargin(0.5, 3, 1e-3), ((4,), (4,), (4,)),
         triplet(0.5, 3, 1e-3), torch=triplet_margin(margin=0.5, p=3, eps=1e-3)),
    Case("TripletMargin-4-norm", lambda: TripletMargin(p=4), ((3,), (3,), (3,)),
         triplet(1, 4), torch=triplet_margin(p=4)),
    Case("TripletMargin-1", TripletMargin, ((1,), (1,), (1,)), triplet(), torch=triplet_margin()),
    Case("Value", Value, ((2, 3),), value(), refuses=(
        Refused(((3,), (3,)), "takes one weight an example, of shape ()", "got (3,)"),
        Refused(((3,), (), ()), "takes an output", "got 3"),
    ), torch=lambda torch, given, a: a.flatten(1).sum(1)),
    Case("Value-weighted", lambda: Value(weight=0.3), ((3,), ()), value(0.3),
         torch=lambda torch, given, a, w: 0.3 * w * a.sum(1)),
    Case("Value-1", Value, ((1,),), value(), torch=lambda torch, given, a: a.sum(1)),
]
