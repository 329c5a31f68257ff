"""Data and options of fit, evaluate and predict that don't fit, and steps out of turn: each row names what is wrong."""

import numpy as np
import pytest
from refusals import FEEDS, LABELS, T, X, bad, check, net

import minigraph as mg
from minigraph.errors import FeedError, GraphError, NotComputedError, ShapeError, StaleError
from minigraph.layers import Dense

OPTIONS = {"epochs": 1, "batch_size": 2, "optimizer": mg.SGD(0.1), "progress": False}


def trained(data, kind, *names, at=None, **options):
    """Fit with other data or options."""
    return bad(lambda g: mg.fit(g, data, **{**OPTIONS, **options}), kind, *names, at=at)


def fed(kind=FeedError, at=None, *, said, **feeds):
    return trained({**FEEDS, **feeds}, kind, *said, at=at)


def option(name, value, *names, data=FEEDS):
    return trained(data, GraphError, *names, f"got {value!r}", **{name: value})


def predicted(do, kind, *names, at=None):
    return bad(do, kind, *names, at=at)


class Streamed:
    """Batches that can be had again and again."""

    def __init__(self, *batches):
        self.batches = batches

    def __iter__(self):
        return iter(self.batches)


def fails_when_asked():
    raise AssertionError("training began")
    yield


X_LINE, BY_NAME = "x stands here", "data is a dict of arrays by input name, or batches of them, got"
GIVE, WHOLE = "give {'x': …, 't': …, 'index': …, …}", "positive whole number"
DATA = {
    "an array": trained(X, FeedError, f"{BY_NAME} ndarray", GIVE),
    "nothing": trained(None, FeedError, f"{BY_NAME} NoneType", GIVE),
    "a number": trained(3, FeedError, f"{BY_NAME} int", GIVE),
    "a path": trained("mnist.npz", FeedError, f"{BY_NAME} str", GIVE),
    "a pair of arrays": trained((X, T), FeedError, f"{BY_NAME} a", "ndarray", GIVE),
    "batches that are text": trained(["x"], FeedError, f"{BY_NAME} a", "str", GIVE),
    "no names": trained({}, FeedError, "input 'x'", "was not fed: give x=…", at=X_LINE),
    "a name too few": trained({"x": X}, FeedError, "input 't', the target of 'cost'", "give t=…", at="t stands here"),
    "a name too many": fed(z=X, said=["no input 'z' to feed", "the inputs are 'x', 't'"]),
    "rows of different numbers": fed(
        x=X[:3], said=["the same number of examples, got 'x' a batch of 3", "feed as many"]
    ),
    "one example": trained(
        {name: array[0] for name, array in FEEDS.items()}, FeedError, "examples as rows", "array[None]"
    ),
    "no examples": trained({name: array[:0] for name, array in FEEDS.items()}, FeedError, "at least one", at=X_LINE),
    "objects": fed(x=X.astype(object), said=["input 'x'", "takes numbers", "array.astype(float)"], at=X_LINE),
    "transposed": fed(x=X.T, said=["input 'x'", "got shape (3, 4)", "feed array.T"], at=X_LINE),
    "complex": fed(x=X * 1j, said=["input 'x'", "complex128", "abs(array)"], at=X_LINE),
    "masked": fed(x=np.ma.masked_array(X), said=["input 'x'", "masked array", "array.filled(…)"], at=X_LINE),
    "labels as floats": fed(
        label=LABELS * 1.0, said=["'label'", "takes integers", "astype(int)"], at="label stands here"
    ),
    "labels too large": fed(
        label=LABELS + 4, said=["SoftmaxCrossEntropy 'labels'", "from 0 to 4, got labels from"], at="label stands here"
    ),
    "indices too large": fed(index=LABELS + 1, said=["Embedding 'rows'", "from 0 to 1, got 2"], at="rows stand here"),
    "no batches": trained([], FeedError, "ran dry after 0 batches", "give what can be iterated again, or other steps"),
    "batches that are used up": trained(iter([]), FeedError, "ran dry after 0 batches", "iterated again"),
    "batches without a name": trained([{"x": X}], FeedError, "input 't', the target", "give t=…", at="t stands here"),
    "batches of another shape": trained([{**FEEDS, "x": X.T}], FeedError, "input 'x'", "feed array.T", at=X_LINE),
    "validation of an array": bad(
        lambda g: mg.fit(net(), FEEDS, **OPTIONS, validation=X), FeedError, f"{BY_NAME} ndarray", at=None
    ),
    "a run of nothing": bad(lambda g: mg.Run(3), GraphError, "mg.Run takes a graph, got 3", at=None),
    "training by a word": bad(lambda g: mg.Run(g, training="no"), GraphError, "training is True or False", at=None),
    "guarded by a word": bad(lambda g: mg.Run(g, guard="yes"), GraphError, "guard is True or False", at=None),
    "a sweep by a word": bad(
        lambda g: mg.Run(g).forward(FEEDS, training=1), GraphError, "training is True or False, got 1", at=None
    ),
    "progress by a word": bad(
        lambda g: mg.fit(g, FEEDS, **{**OPTIONS, "progress": "no"}), GraphError, "progress is True or False", at=None
    ),
    "a number that observes": bad(
        lambda g: g.forward(FEEDS, observe=3), GraphError, "observe is a function of a node and its record", at=None
    ),
    "a step by a number": bad(
        lambda g: mg.SGD(0.1).step(3), GraphError, "SGD takes a step by a run that went backward, got 3", at=None
    ),
    "a masked value": bad(
        lambda g: setattr(g["h"].layer.b, "value", np.ma.masked_array(np.ones(4), [1, 0, 0, 0])),
        mg.errors.ShapeError,
        "Param 'b' takes plain arrays",
        "array.filled",
        at=None,
    ),
    "a ragged value": bad(
        lambda g: setattr(g["h"].layer.b, "value", [[1.0], [2.0, 3.0]]),
        mg.errors.ShapeError,
        "Param 'b' takes an array, got parts that differ in length",
        at=None,
    ),
    "validation of an array, before the first epoch": bad(
        lambda g: mg.fit(net(), fails_when_asked(), **OPTIONS, validation=X), FeedError, f"{BY_NAME} ndarray", at=None
    ),
    "validation without targets": trained(
        FEEDS, FeedError, "input 't', the target of 'cost'", "give t=…", at="t stands here", validation={"x": X}
    ),
    "to be judged: an array": predicted(lambda g: mg.evaluate(g, X), FeedError, f"{BY_NAME} ndarray", GIVE),
    "to be judged: no targets": predicted(
        lambda g: mg.evaluate(g, {"x": X}), FeedError, "'t', the target of 'cost'", "give t=…", at="t stands here"
    ),
    "to be predicted from: nothing": predicted(lambda g: mg.predict(g), FeedError, "'x'", "give x=…", at=X_LINE),
    "to be predicted from: no names": predicted(
        lambda g: mg.predict(g, X), FeedError, "as in forward(x=…)", "got ndarray"
    ),
    "to be predicted from: transposed": predicted(
        lambda g: mg.predict(g, x=X.T, until="y"), FeedError, "input 'x'", "feed array.T", at=X_LINE
    ),
    "to be predicted from: no examples": predicted(
        lambda g: mg.predict(g, x=X[:0], until="y"),
        FeedError,
        "at least one example",
        "leave such batches out",
        at=X_LINE,
    ),
    "to be predicted: no such node": predicted(
        lambda g: mg.predict(g, x=X, until="why"), GraphError, "no node 'why' in graph 'net'", "which has 'x', 'h'"
    ),
}
SETTINGS = {
    **{f"{n!r} epochs": option("epochs", n, WHOLE) for n in (0, -1, 2.0, True, None, "2")},
    **{f"batches of {n!r}": option("batch_size", n, WHOLE, "batch_size") for n in (0, -1, 2.5, True, None, "2")},
    **{f"steps of {n!r}": option("steps", n, WHOLE, "steps", data=Streamed(FEEDS)) for n in (0, -1, 2.5, True)},
    **{f"updates every {n!r}": option("accumulate", n, WHOLE, "accumulate") for n in (0, -1, 1.5, True)},
    "steps through arrays": trained(FEEDS, GraphError, "steps is for data that comes batch by batch", steps=2),
    "no optimizer": option("optimizer", None, "training takes an optimizer, as mg.SGD(0.1)"),
    "an optimizer's name": option("optimizer", "sgd", "training takes an optimizer, as mg.SGD(0.1)"),
    "an optimizer's class": trained(
        FEEDS, GraphError, "training takes an optimizer, as mg.SGD(0.1)", "got the class SGD: make", optimizer=mg.SGD
    ),
    "an empty list of optimizers": option("optimizer", [], "training takes an optimizer, as mg.SGD(0.1)"),
    "an unknown metric": trained(FEEDS, GraphError, "no metric 'f1'", "take 'accuracy'", metrics={"cost": ["f1"]}),
    "callbacks that can't be called": option("callbacks", 3, "callbacks as a list of functions"),
    "stopping by a number": option("stopping", 3, "takes mg.EarlyStopping(…) as stopping"),
    "watching by a number": option("watch", 3, "watch as a list of functions"),
    "a seed below 0": option("seed", -1, "a whole number of 0 or more"),
    "a history that is a list": option("history", [], "a History that it returned before"),
    "no cost": bad(
        lambda g: mg.fit(mg.Sequential(3, Dense(2)), {"x": X}, **OPTIONS),
        GraphError,
        "has no cost",
        "g.cost(…)",
        at=None,
    ),
    "judging in batches of 0": predicted(lambda g: mg.evaluate(g, FEEDS, batch_size=0), GraphError, WHOLE, "got 0"),
    "predicting in batches of 0": predicted(
        lambda g: mg.predict(g, x=X, until="y", batch_size=0), GraphError, WHOLE, "batch_size, got 0"
    ),
}


def back(g):
    return g.forward(FEEDS).backward()


def twice(g):
    sgd, run = mg.SGD(0.0), back(g)
    sgd.step(run)
    sgd.step(run)


def overtaken(g):
    run = g.forward(FEEDS)
    mg.SGD(0.0).step(back(g))
    run.backward()


def grown(edit):
    """Another graph is edited between forward and backward, or before something is read."""

    def do(_, go=lambda run: run.backward()):
        g = net()
        run = g.forward(FEEDS)
        edit(g)
        go(run)

    return do


def assigned(value):
    return lambda g: setattr(g["h"].layer.w, "value", value)


TURNS = {
    "a step before backward": bad(
        lambda g: mg.SGD(0.1).step(g.forward(FEEDS)), NotComputedError, "call run.backward()", at=None
    ),
    "two steps for one sweep": bad(twice, StaleError, "took its step for this sweep already", "sweep forward", at=None),
    "a step by nothing": bad(lambda g: mg.SGD(0.1).step(), NotComputedError, "call accumulate(run) first", at=None),
    "a step for no Param": bad(
        lambda g: mg.SGD(0.1, params="z*").step(back(g)),
        GraphError,
        "'z*' means no Param of graph 'net', which has h.w",
        at=None,
    ),
    "a schedule that gives text": bad(
        lambda g: mg.SGD(lambda n: "fast").step(back(g)),
        GraphError,
        "a finite rate of 0 or more",
        "gave 'fast'",
        at=None,
    ),
    "weights moved before backward": bad(
        overtaken, StaleError, "h.w, h.b", "changed after the forward", "again", at=None
    ),
    "a weight written before backward": bad(
        grown(lambda g: g["h"].layer.w.value.fill(0.0)),
        StaleError,
        "h.w changed after the forward sweep",
        "again",
        at=None,
    ),
    "a node added before backward": bad(
        grown(lambda g: Dense(3)(g["x"])), StaleError, "the graph was changed after", "make a new run", at=None
    ),
    "a node replaced before backward": bad(
        grown(lambda g: g.replace("y", Dense(2))), StaleError, "the graph was changed after", "make a new run", at=None
    ),
    "a node renamed before backward": bad(
        grown(lambda g: g.rename("y", "z")), StaleError, "the graph was changed after", "make a new run", at=None
    ),
    "a record of an earlier sweep": bad(
        lambda g: (lambda run: (run["h"], run.forward(FEEDS))[0].a)(g.forward(FEEDS)),
        StaleError,
        "this record of 'h'",
        "belongs to sweep 1",
        "take run['h'] again",
        at=None,
    ),
    "a value transposed": bad(
        assigned(np.ones((3, 4))), ShapeError, "Param 'w' has shape (4, 3), got", "(3, 4)", at=None
    ),
    "a value to be broadcast": bad(
        assigned(np.ones((4, 1))), ShapeError, "Param 'w' has shape (4, 3), got", "(4, 1)", at=None
    ),
    "a number for a value": bad(assigned(1.0), ShapeError, "Param 'w' has shape (4, 3), got", "()", at=None),
    "a complex value": bad(
        assigned(np.ones((4, 3)) * 1j), ShapeError, "Param 'w' takes real numbers", "complex128", at=None
    ),
    "nothing for a value": bad(assigned(None), ShapeError, "Param 'w' takes real numbers", "object", at=None),
}
TABLE = {**DATA, **SETTINGS, **TURNS}


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
def test_what_can_not_be_learned_from_is_named_before_anything_is_learned(row):
    check(row)


def test_of_two_batches_the_one_that_does_not_fit_is_named():
    g = net()
    with pytest.raises(FeedError, match=r"input 'x' \(added at refusals\.py:.*got shape \(3, 4\): .*array\.T"):
        mg.fit(g, [FEEDS, {**FEEDS, "x": X.T}], **OPTIONS)
    g.forward(FEEDS).backward()
