"""Arrays that don't fit: what is fed, and what is given to go back from. Each row names what it must be told."""

import numpy as np
import pytest
from refusals import FEEDS, LABELS, T, X, bad, check, net

import minigraph as mg
from minigraph.costs import BinaryCrossEntropy, BinaryCrossEntropyOnProbabilities, Hinge, SoftmaxCrossEntropy
from minigraph.errors import FeedError, GraphError
from minigraph.layers import GRU, LSTM, BatchNorm, MultiHeadAttention


def fed(**feeds):
    """Forward with other feeds."""
    return lambda g: g.forward({**FEEDS, **feeds})


def without(name):
    return lambda g: g.forward({key: array for key, array in FEEDS.items() if key != name})


class Unwilling:
    """What a tensor on another device, or one that wants gradients, is to numpy."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("can't make an array: detach() first")


def x(value, *names):
    return bad(fed(x=value), FeedError, "input 'x'", "takes", *names, at="x stands here")


def t(value, *names):
    return bad(fed(t=value), FeedError, "input 't'", "takes a batch of shape (m, 2)", *names, at="t stands here")


def label(value, *names):
    return bad(fed(label=value), FeedError, "'label'", "takes", *names, at="label stands here")


def cost(labels, *names):
    return bad(fed(label=labels), FeedError, "SoftmaxCrossEntropy 'labels'", *names, at="label stands here")


def index(value, *names):
    return bad(
        fed(index=value), FeedError, "Embedding 'rows'", "takes indices from 0 to 1", *names, at="rows stand here"
    )


NUMBERS = "takes numbers, got an array of dtype"
X_SHAPE = "takes a batch of shape (m, 3) or one example of shape (3,), got shape"
FLOAT = "array.astype(float), if numbers are in it"
WHOLE = "labels and indices are integers, array.astype(int)"

KINDS = {
    "objects": x(X.astype(object), f"{NUMBERS} object", FLOAT),
    "huge integers": x([[10**30] * 3] * 4, f"{NUMBERS} object from list", FLOAT),
    "None": x(None, f"{NUMBERS} object from NoneType", "feed an array of numbers"),
    "a dict": x({"x": X}, f"{NUMBERS} object from dict", "feed an array of numbers"),
    "a generator": x((row for row in X), f"{NUMBERS} object from generator", "feed an array of numbers"),
    "text": x("0.5", f"{NUMBERS} <U3 from str", "feed an array of numbers"),
    "numbers as text": x(X.astype(str), f"{NUMBERS} <U32", FLOAT),
    "bytes": x(np.full((4, 3), b"1"), f"{NUMBERS} |S1", FLOAT),
    "complex": x(X * 1j, f"{NUMBERS} complex128", "array.real", "abs(array)"),
    "dates": x(np.zeros((4, 3), "M8[s]"), f"{NUMBERS} datetime64[s]", "count from some date"),
    "durations": x(np.zeros((4, 3), "m8[s]"), f"{NUMBERS} timedelta64[s]", "np.timedelta64(1, 'D')"),
    "records": x(np.zeros(4, "f8, f8, f8"), f"{NUMBERS} [('f0'", "feed an array of numbers"),
    "masked": x(np.ma.masked_array(X, X > 1), "plain arrays, got a masked array", "fill it first, array.filled(…)"),
    "rows of several lengths": x([[1.0, 2, 3], [1.0]], "arrays, got list that makes none", "differ in length"),
    "a tensor that won't": x(Unwilling(), "arrays, got Unwilling that makes none: can't", "make an array of it first"),
    "beyond float32": bad(
        lambda g: net("float32").forward({**FEEDS, "x": X * 1e300}),
        FeedError,
        "input 'x'",
        "takes float32, up to ±3.4e+38, got numbers beyond",
        "scale them",
        at="x stands here",
    ),
}
SHAPES = {
    "transposed": x(X.T, f"{X_SHAPE} (3, 4)", "examples are rows, feed array.T"),
    "an axis too many in front": x(X[None], f"{X_SHAPE} (1, 4, 3)", "feed array[0]"),
    "an axis too many within": x(X[:, None], f"{X_SHAPE} (4, 1, 3)", "feed array.reshape(-1, 3)"),
    "rows too long": x(np.ones((4, 5)), f"{X_SHAPE} (4, 5)", "declare it so, g.input('x', (5,)), or feed others"),
    "rows too short": x(np.ones((4, 2)), f"{X_SHAPE} (4, 2)", "g.input('x', (2,))"),
    "a vector of examples": x(np.ones(4), f"{X_SHAPE} (4,)", "or feed others"),
    "a number": x(1.0, f"{X_SHAPE} ()", "or feed others"),
    "nothing": x([], f"{X_SHAPE} (0,)", "or feed others"),
    "an empty batch": x(np.empty((0, 3)), "at least one example, got an empty batch of shape (0, 3)", "leave such"),
    "targets (m,)": t(np.ones(4), "got shape (4,)", "for labels, feed", "mg.datasets.one_hot(labels, 2)"),
    "targets (m, 1)": t(np.ones((4, 1)), "got shape (4, 1)", "what 'cost' takes with the output of 'y', (2,)"),
    "targets too wide": t(np.ones((4, 3)), "got shape (4, 3)", "what 'cost' takes with the output of 'y', (2,)"),
    "targets transposed": t(T.T, "got shape (2, 4)", "feed array.T"),
    "labels (m, 1)": label(LABELS[:, None], "(m,) or one example of shape (), got shape (4, 1)", "array.reshape(-1)"),
    "labels as rows of 0 and 1": label(np.eye(2, dtype=int)[LABELS], "shape (4, 2)", "array.argmax(axis=-1)"),
}
LABELED = {
    "labels as floats": label(LABELS.astype(float), "integers, got an array of dtype float64", WHOLE),
    "labels as booleans": label(LABELS > 0, "integers, got an array of dtype bool", WHOLE),
    "labels as text": label(["cat", "dog", "dog", "cat"], "integers, got an array of dtype <U3 from list", WHOLE),
    "labels complex": label(LABELS * 1j, "integers, got an array of dtype complex128", WHOLE),
    "labels beyond int64": label(np.full(4, 2**64 - 1, "u8"), "int64, got 18446744073709551615", "smaller integers"),
    "a negative label": cost(LABELS - 1, "takes labels from 0 to 4, got labels from -1 to 0", "number the classes"),
    "a label too large": cost(LABELS + 4, "takes labels from 0 to 4, got labels from 4 to 5", "ignore_index=-1"),
    "a huge label": cost(LABELS + 2**62, f"got labels from {2**62} to {2**62 + 1}", "number the classes from 0"),
    "a negative index": index(LABELS - 1, "got -1", "or other indices"),
    "an index too large": index(LABELS + 1, "got 2", "give it a larger size"),
    "a huge index": index(LABELS + 2**62, f"got {2**62}, {2**62 + 1}", "or other indices"),
}
FEEDING = {
    "a feed that is missing": bad(without("x"), FeedError, "input 'x'", "was not fed: give x=…", at="x stands here"),
    "a target that is missing": bad(
        without("t"),
        FeedError,
        "input 't', the target of 'cost',",
        "give t=…",
        "or run without the cost: until=…, mg.predict(…)",
        at="t stands here",
    ),
    "a feed nobody takes": bad(fed(z=X), FeedError, "no input 'z' to feed", "the inputs are 'x', 't'", at=None),
    "a feed for a node that is no input": bad(fed(y=X), FeedError, "no input 'y' to feed: the inputs", at=None),
    "feeds by node": bad(lambda g: g.forward({g["x"]: X}), FeedError, "input 'x'", "give x=…", at="x stands here"),
    "feeds by place": bad(
        lambda g: g.forward(X), FeedError, "by input name, as in forward(x=…)", "got ndarray", at=None
    ),
    "a feed given twice": bad(lambda g: g.forward(FEEDS, x=X), FeedError, "'x' was fed twice", "feed it once", at=None),
    "batches of two sizes": bad(
        fed(t=T[:3]),
        FeedError,
        "the same number of examples, got 'x' a batch of 4",
        "'t' a batch of 3",
        "feed as many",
        at=None,
    ),
    "one example among batches": bad(
        fed(t=T[0]), FeedError, "'x' a batch of 4", "'t' one example", "array[None]", at=None
    ),
    "until nowhere": bad(
        lambda g: g.forward(FEEDS, until="z"),
        GraphError,
        "no node 'z' in graph 'net'",
        "which has 'x', 'h', 'y', 't', 'cost', …",
        at=None,
    ),
    "until nearly": bad(
        lambda g: g.forward(FEEDS, until="hh"), GraphError, "no node 'hh'", "did you mean 'h'?", at=None
    ),
    "until nothing": bad(
        lambda g: g.forward(FEEDS, until=[]), GraphError, "until is an empty list", "leave it out", at=None
    ),
    "until a number": bad(
        lambda g: g.forward(FEEDS, until=3), GraphError, "meant by name, or as nodes, got 3", at=None
    ),
    "a seed below 0": bad(
        lambda g: g.forward(FEEDS, seed=-1), GraphError, "a whole number of 0 or more", "-1", at=None
    ),
    "a seed that is no whole number": bad(lambda g: g.forward(FEEDS, seed=1.5), GraphError, "seed", "got 1.5", at=None),
    "another size than before": bad(
        lambda g: g.forward(FEEDS).forward(x=X[:2]),
        FeedError,
        "has 4 examples still",
        "'x' got another number",
        "feed all inputs",
        at=None,
    ),
}


def into(layer, *values, **options):
    """A layer of its own graph, fed with inputs of these values, rows of examples."""
    arrays = [np.asarray(value) for value in values]

    def do(_):
        g = mg.Graph()
        kinds = [int if a.dtype.kind == "i" else None for a in arrays]
        inputs = [
            g.input(f"v{i}", a.shape[1:], dtype=kind) for i, (a, kind) in enumerate(zip(arrays, kinds, strict=True))
        ]
        g.add(layer, *inputs, name="own")  # own stands here
        g.forward({node.name: a for node, a in zip(inputs, arrays, strict=True)}, **options)

    return do


def refused(layer, values, *names, **options):
    who = f"{type(layer).__name__} 'own' (added at"
    return bad(into(layer, *values, **options), FeedError, who, *names, at="own stands here")


STEPS = np.ones((2, 3, 2))
RANGES = {
    "sequences longer than they are": refused(
        LSTM(2), [STEPS, [3, 4]], "lengths from 1 to 3, got lengths from 3 to 4", "clip"
    ),
    "sequences without a step": refused(
        LSTM(2), [STEPS, [0, 3]], "lengths from 1 to 3, got lengths from 0 to 3", "clip"
    ),
    "lengths that are floats": refused(
        GRU(2), [STEPS, [1.0, 2.0]], "takes integers as lengths, got float64", "dtype=int"
    ),
    "more keys than there are": refused(
        MultiHeadAttention(1), [STEPS, [4, 1]], "lengths from 0 to 3", "got", "clip them"
    ),
    "a mask of other numbers": refused(
        MultiHeadAttention(1),
        [STEPS, [[1.0, 0.5, 0.0]] * 2],
        "takes a mask of 1 (look) and 0 (don't), got other values",
        "mask > 0",
    ),
    "one number a channel": refused(
        BatchNorm(), [[[1.0, 2.0]]], "two numbers a channel or more in training, got 1", "a larger batch", training=True
    ),
    "bits that aren't": refused(
        BinaryCrossEntropy(), [[[0.3]], [[2.0]]], "takes targets from 0 to 1, got values from 2 to 2", "scale them"
    ),
    "percents for probabilities": refused(
        BinaryCrossEntropyOnProbabilities(),
        [[[50.0]], [[1.0]]],
        "got outputs from 50 to 50",
        "put Activation('sigmoid')",
    ),
    "bits for signs": refused(
        Hinge(), [[[0.3]], [[0.0]]], "targets of 1 and -1, got 0", "2 y - 1 makes them of 1 and 0"
    ),
    "rows that are no probabilities": refused(
        SoftmaxCrossEntropy(),
        [[[0.1, 0.2]], [[1.0, 1.0]]],
        "one-hot rows",
        "got [1.0, 1.0]",
        "divide rows by their sum",
    ),
    "long rows that are no probabilities": refused(
        SoftmaxCrossEntropy(), [np.ones((1, 999))] * 2, "got a row from 1 to 1 of 999", "divide rows by their sum"
    ),
}
TABLE = {**KINDS, **SHAPES, **LABELED, **FEEDING, **RANGES}


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
def test_what_is_fed_and_does_not_fit_is_named_with_what_is_taken_what_came_and_what_to_do(row):
    check(row)
