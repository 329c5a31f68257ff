"""Rows of costs."""

import math

from minigraph.costs import BinaryCrossEntropy, Quadratic, SoftmaxCrossEntropy

from .case import Case, Refused, bits, fractions, labels, normal, one_hot, per_example, shares


def quadratic(weight=1.0):
    return per_example(lambda a, y: weight * sum((p - q) ** 2 for p, q in zip(a.flat, y.flat, strict=True)) / 2)


def binary_cross_entropy(weight=1.0):
    def one(z, y):
        p = 1 / (1 + math.exp(-z))
        return -weight * (y * math.log(p) + (1 - y) * math.log(1 - p))

    return per_example(lambda z, y: sum(one(*pair) for pair in zip(z.flat, y.flat, strict=True)))


def softmax_cross_entropy(weight=1.0):
    def one(z, y):
        ones = [j == y for j in range(len(z))] if y.ndim == 0 else y
        return -weight * sum(math.log(p) for p, chosen in zip(shares(z), ones, strict=True) if chosen)

    return per_example(one)


NO_TARGET = Refused(((3,),), "target", "got 1")
ONE_SHAPE = (
    Refused(((3,), (2,)), "takes targets of its output's shape (3,)", "got (2,)"),
    Refused(((1,), ()), "takes targets of its output's shape (1,)", "got ()"),
    Refused(((), (1,)), "takes targets of its output's shape ()", "got (1,)"),
    Refused(((3,), (3,), (3,)), "target", "got 3"),
    NO_TARGET,
)
LOGITS = (
    Refused(((2, 3), ()), "takes vectors of logits", "got samples of shape (2, 3)"),
    Refused(((), ()), "takes vectors of logits", "got samples of shape ()"),
    Refused(((3,), (2,)), "takes labels of shape () or one-hot rows of shape (3,)", "got (2,)"),
    Refused(((3,), (1,)), "takes labels of shape () or one-hot rows of shape (3,)", "got (1,)"),
    NO_TARGET,
)
# fmt: off
CASES = [
    Case("Quadratic", Quadratic, ((3,), (3,)), quadratic(), refuses=ONE_SHAPE),
    Case("Quadratic-2d", lambda: Quadratic(weight=0.3), ((2, 3), (2, 3)), quadratic(0.3)),
    Case("Quadratic-number", Quadratic, ((), ()), quadratic()),
    Case("Quadratic-1", Quadratic, ((1,), (1,)), quadratic()),
    Case("BinaryCrossEntropy", BinaryCrossEntropy, ((3,), (3,)),
         binary_cross_entropy(), (normal, fractions), ONE_SHAPE),
    Case("BinaryCrossEntropy-2d", lambda: BinaryCrossEntropy(weight=-2), ((2, 3), (2, 3)),
         binary_cross_entropy(-2), (normal, bits)),
    Case("BinaryCrossEntropy-number", BinaryCrossEntropy, ((), ()), binary_cross_entropy(), (normal, bits)),
    Case("BinaryCrossEntropy-1", BinaryCrossEntropy, ((1,), (1,)), binary_cross_entropy(), (normal, fractions)),
    Case("SoftmaxCrossEntropy", SoftmaxCrossEntropy, ((4,), ()),
         softmax_cross_entropy(), (normal, labels(4)), LOGITS),
    Case("SoftmaxCrossEntropy-weight", lambda: SoftmaxCrossEntropy(weight=0.3), ((4,), ()),
         softmax_cross_entropy(0.3), (normal, labels(4))),
    Case("SoftmaxCrossEntropy-one-hot", lambda: SoftmaxCrossEntropy(weight=1.5), ((4,), (4,)),
         softmax_cross_entropy(1.5), (normal, one_hot)),
    Case("SoftmaxCrossEntropy-1", SoftmaxCrossEntropy, ((1,), ()), softmax_cross_entropy(), (normal, labels(1))),
]
