"""Rows of softmax with cross-entropy."""

import math

import numpy as np

from minigraph.costs import SoftmaxCrossEntropy

from .case import Case, Refused, labels, normal, one_hot, shares
from .costs import NO_TARGET, soft


def softmax_cross_entropy(weight=1.0, axis=-1, smoothing=0.0, classes=None, ignored=None):
    """Position by position; a weighted average over the batch for labels with class weights or an ignored one."""

    def reference(given, z, y, w=None):
        z = np.moveaxis(z, axis if axis < 0 else axis + 1, -1)
        labeled = y.ndim < z.ndim
        y = y if labeled else np.moveaxis(y, axis if axis < 0 else axis + 1, -1)
        k, m = z.shape[-1], len(z)
        c = classes or [1.0] * k
        out, shares_of_classes, positions = [0.0] * m, 0.0, 0
        for i in np.ndindex(z.shape[:-1]):
            positions += 1
            if labeled and y[i] == ignored:
                continue
            ln = [math.log(p) for p in shares(z[i])]
            spread = -sum(c[j] * ln[j] for j in range(k)) / k
            if labeled:
                sharp = -c[y[i]] * ln[y[i]]
                shares_of_classes += c[y[i]]
            else:
                sharp = -sum(c[j] * y[i][j] * ln[j] for j in range(k))
            out[i[0]] += (1 - smoothing) * sharp + smoothing * spread
        coupled = labeled and (classes is not None or ignored is not None)
        divisor = shares_of_classes / m if coupled else positions / m
        of_example = [1.0] * m if w is None else w
        return np.array(
            [weight * s * c_x / divisor if divisor else 0.0 for c_x, s in zip(out, of_example, strict=True)]
        )

    return reference


def cross_entropy(weight=1.0, axis=-1, **options):
    """The mean over positions; with labels and class weights or an ignored one, examples share a divisor."""

    def theirs(torch, given, z, y, w=1.0):
        labeled, m = y.ndim < z.ndim, len(z)
        at = axis if axis < 0 else axis + 1
        z, y = z.movedim(at, 1), y if labeled else y.movedim(at, 1)
        kinds = torch.tensor(options["classes"], dtype=z.dtype) if "classes" in options else None
        ignored = {"ignore_index": options["ignored"]} if "ignored" in options else {}
        smoothing = options.get("smoothing", 0.0)
        c = torch.nn.functional.cross_entropy(
            z, y, weight=kinds, label_smoothing=smoothing, reduction="none", **ignored
        ).reshape(m, -1)
        whole = torch.nn.functional.cross_entropy(z, y, weight=kinds, label_smoothing=smoothing, **ignored)
        rows = c.mean(dim=1)
        divisor = (rows.mean() / whole).detach() if labeled and options else 1.0
        if isinstance(divisor, float):
            torch.testing.assert_close(rows.mean(), whole)
        return weight * w * rows / divisor

    return theirs


LOGITS = (
    Refused(((), ()), "takes logits with classes along axis -1", "got samples of shape ()"),
    Refused(((3,), (2,)), "takes labels of shape () or one-hot rows of shape (3,)", "got (2,)"),
    Refused(((3,), (1,)), "takes labels of shape () or one-hot rows of shape (3,)", "got (1,)"),
    Refused(((2, 3), ()), "takes labels of shape (2,) or one-hot rows of shape (2, 3)", "got ()"),
    Refused(((2, 3), (3,)), "takes labels of shape (2,) or one-hot rows of shape (2, 3)", "got (3,)"),
    Refused(((3,), (), (1,)), "takes one weight an example, of shape ()", "got (1,)"),
    NO_TARGET,
)
FIRST_AXIS = (
    Refused(((3, 2), (3,)), "takes labels of shape (2,) or one-hot rows of shape (3, 2)", "got (3,)"),
    Refused(((), ()), "takes logits with classes along axis 0", "got samples of shape ()"),
)
CLASSES = [0.5, 1.5, 0.0, 2.0]
FOUR = (
    Refused(((3,), ()), "takes 4 class_weights", "got logits of 3 classes"),
    Refused(((3,), (3,)), "takes 4 class_weights", "got logits of 3 classes"),
)

# fmt: off
CASES = [
    Case("SoftmaxCrossEntropy", SoftmaxCrossEntropy, ((4,), ()),
         softmax_cross_entropy(), (normal, labels(4)), LOGITS, torch=cross_entropy()),
    Case("SoftmaxCrossEntropy-weight", lambda: SoftmaxCrossEntropy(weight=0.3), ((4,), (), ()),
         softmax_cross_entropy(0.3), (normal, labels(4)), torch=cross_entropy(0.3)),
    Case("SoftmaxCrossEntropy-one-hot", lambda: SoftmaxCrossEntropy(weight=1.5), ((4,), (4,)),
         softmax_cross_entropy(1.5), (normal, one_hot), torch=cross_entropy(1.5)),
    Case("SoftmaxCrossEntropy-soft", SoftmaxCrossEntropy, ((4,), (4,), ()),
         softmax_cross_entropy(), (normal, soft), torch=cross_entropy()),
    Case("SoftmaxCrossEntropy-1", SoftmaxCrossEntropy, ((1,), ()),
         softmax_cross_entropy(), (normal, labels(1)), torch=cross_entropy()),
    Case("SoftmaxCrossEntropy-1-position", lambda: SoftmaxCrossEntropy(axis=0), ((1, 1), (1,)),
         softmax_cross_entropy(axis=0), (normal, labels(1)), torch=cross_entropy(axis=0)),
    Case("SoftmaxCrossEntropy-1-of-1", lambda: SoftmaxCrossEntropy(axis=0), ((3, 1), (1,)),
         softmax_cross_entropy(axis=0), (normal, labels(3)), torch=cross_entropy(axis=0)),
    Case("SoftmaxCrossEntropy-sequence", SoftmaxCrossEntropy, ((5, 3), (5,)),
         softmax_cross_entropy(), (normal, labels(3)), torch=cross_entropy()),
    Case("SoftmaxCrossEntropy-sequence-soft", lambda: SoftmaxCrossEntropy(label_smoothing=0.1), ((5, 3), (5, 3)),
         softmax_cross_entropy(smoothing=0.1), (normal, soft), torch=cross_entropy(smoothing=0.1)),
    Case("SoftmaxCrossEntropy-image", lambda: SoftmaxCrossEntropy(axis=0), ((4, 2, 3), (2, 3), ()),
         softmax_cross_entropy(axis=0), (normal, labels(4)), FIRST_AXIS, torch=cross_entropy(axis=0)),
    Case("SoftmaxCrossEntropy-image-soft", lambda: SoftmaxCrossEntropy(weight=2, axis=0), ((4, 2, 3), (4, 2, 3)),
         softmax_cross_entropy(2, 0), (normal, lambda rng, shape: soft(rng, shape, 0)), torch=cross_entropy(2, 0)),
    Case("SoftmaxCrossEntropy-middle", lambda: SoftmaxCrossEntropy(axis=-2), ((2, 4, 3), (2, 3)),
         softmax_cross_entropy(axis=-2), (normal, labels(4)), torch=cross_entropy(axis=-2)),
    Case("SoftmaxCrossEntropy-smooth", lambda: SoftmaxCrossEntropy(label_smoothing=0.2), ((4,), ()),
         softmax_cross_entropy(smoothing=0.2), (normal, labels(4)), torch=cross_entropy(smoothing=0.2)),
    Case("SoftmaxCrossEntropy-smooth-1", lambda: SoftmaxCrossEntropy(label_smoothing=1), ((4,), (4,)),
         softmax_cross_entropy(smoothing=1.0), (normal, one_hot), torch=cross_entropy(smoothing=1.0)),
    Case("SoftmaxCrossEntropy-classes", lambda: SoftmaxCrossEntropy(class_weights=CLASSES), ((4,), ()),
         softmax_cross_entropy(classes=CLASSES), (normal, lambda rng, shape: rng.choice([0, 1, 3], shape)), FOUR,
         torch=cross_entropy(classes=CLASSES)),
    Case("SoftmaxCrossEntropy-classes-soft", lambda: SoftmaxCrossEntropy(class_weights=CLASSES, label_smoothing=0.3),
         ((4,), (4,), ()), softmax_cross_entropy(classes=CLASSES, smoothing=0.3), (normal, soft),
         torch=cross_entropy(classes=CLASSES, smoothing=0.3)),
    Case("SoftmaxCrossEntropy-ignored", lambda: SoftmaxCrossEntropy(ignore_index=1), ((5, 3), (5,)),
         softmax_cross_entropy(ignored=1), (normal, labels(3)),
         (Refused(((5, 3), (5, 3)), "takes an ignore_index with labels of shape (5,)", "got targets of shape (5, 3)"),),
         torch=cross_entropy(ignored=1)),
    Case("SoftmaxCrossEntropy-all", lambda: SoftmaxCrossEntropy(0, 0.2, CLASSES, -100, weight=-1.5),
         ((4, 5), (5,), ()), softmax_cross_entropy(-1.5, 0, 0.2, CLASSES, -100),
         (normal, lambda rng, shape: rng.choice([0, 1, 2, 3, -100], shape)),
         torch=cross_entropy(-1.5, 0, smoothing=0.2, classes=CLASSES, ignored=-100)),
]
