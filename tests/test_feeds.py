"""What goes into a run: what is converted, what is refused and how the message says it."""

import re

import numpy as np
import pytest

import minigraph as mg
from minigraph.costs import Quadratic, SoftmaxCrossEntropy
from minigraph.errors import FeedError, GraphWarning
from minigraph.layers import Concat, Dense

X = np.random.default_rng(0).normal(size=(4, 3))
LABELS = np.array([0, 1, 1, 0])


def graph(dtype="float64"):
    g = mg.Graph(seed=0, dtype=dtype)
    g.cost(SoftmaxCrossEntropy(), g.input("x", 3) >> Dense(2, name="y"), target="label", name="cost")
    return g


@pytest.fixture
def g():
    return graph()


# ---- converted ----

LIKE_X = {
    "list": X.tolist(),
    "tuple of arrays": tuple(X),
    "Fortran order": np.asfortranarray(X),
    "every other row": np.repeat(X, 2, axis=0)[::2],
    "backwards": X[::-1].copy()[::-1],
    "other byte order": X.astype(">f8"),
    "read-only": np.frombuffer(X.tobytes()).reshape(X.shape),
    "subclass": X.view(np.recarray),
    "buffer": memoryview(X),
}


@pytest.mark.parametrize("x", LIKE_X.values(), ids=LIKE_X)
def test_whatever_is_an_array_of_numbers_is_taken(g, x):
    expected = g.forward(x=X, label=LABELS).backward()
    run = g.forward(x=x, label=list(LABELS)).backward()
    assert run.cost == expected.cost
    assert np.array_equal(run.grad(g["y"].layer.w), expected.grad(g["y"].layer.w))
    assert type(run["x"].a) is np.ndarray
    run = mg.Run(g, guard=False)
    for _ in range(3):
        assert run.forward(x=x, label=LABELS).cost == expected.cost


@pytest.mark.parametrize("x", [X > 0, (10 * X).astype(int), (10 * X).astype("i1"), X.astype("f4"), X.astype("f2")])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_integers_booleans_and_other_floats_become_the_graphs(x, dtype):
    run = graph(dtype).forward(x=x, label=LABELS).backward(wrt="x")
    assert run["x"].a.dtype == run["x"].delta.dtype == run["y"].z.dtype == dtype
    assert np.array_equal(run["x"].a, x.astype(dtype))


def test_float64_goes_into_float32():
    run = graph("float32").forward(x=X, label=LABELS).backward()
    assert np.array_equal(run["x"].a, X.astype("float32"))
    assert run.grad(run.graph["y"].layer.w).dtype == np.float32


@pytest.mark.parametrize("kind", ["i1", "u1", "i4", "u4", "i8"])
def test_integers_of_any_size_are_labels(g, kind):
    run = g.forward(x=X, label=LABELS.astype(kind))
    assert run["label"].a.dtype == np.int64
    assert run.cost == g.forward(x=X, label=LABELS).cost


def test_feeds_are_copied(g):
    x = X.copy()
    run = g.forward(x=x, label=LABELS)
    x.fill(0.0)
    assert np.array_equal(run["x"].a, X)
    assert not np.shares_memory(run["x"].a, x)


# ---- refused ----


class Ragged:
    def __array__(self, dtype=None, copy=None):
        raise ValueError("no array to be had")


REFUSED = {
    "object": (X.astype(object), "takes numbers, got an array of dtype object"),
    "None": (None, "takes numbers, got an array of dtype object"),
    "complex": (X * 1j, "takes numbers, got an array of dtype complex128"),
    "strings": (X.astype(str), "takes numbers, got an array of dtype <U32"),
    "dates": (np.zeros((4, 3), "M8[s]"), r"takes numbers, got an array of dtype datetime64\[s\]"),
    "masked": (np.ma.masked_array(X, X > 0), r"plain arrays, got a masked array: fill it first, array\.filled"),
    "ragged": ([[1.0, 2.0, 3.0], [1.0]], "takes arrays, got list that makes none"),
    "unwilling": (Ragged(), "takes arrays, got Ragged that makes none: no array to be had"),
    "a dict": ({"x": X}, "takes numbers, got an array of dtype object"),
    "a row too long": (
        np.ones((4, 4)),
        r"a batch of shape \(m, 3\) or one example of shape \(3,\), got shape \(4, 4\)",
    ),
    "transposed": (X.T, r"got shape \(3, 4\)"),
    "an axis too many": (X[None], r"got shape \(1, 4, 3\)"),
    "an axis too few": (np.ones(4), r"got shape \(4,\)"),
    "a number": (1.0, r"got shape \(\)"),
    "no rows": (np.empty((0, 3)), r"takes at least one example, got an empty batch of shape \(0, 3\)"),
    "nothing": ([], r"got shape \(0,\)"),
}


@pytest.mark.parametrize(("x", "said"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("sweep", [1, 2])
def test_anything_else_is_refused_by_name_with_what_it_takes_and_got(g, x, said, sweep):
    run = mg.Run(g)
    if sweep == 2:
        run.forward(x=X, label=LABELS)
    source = re.escape(g["x"].source)
    assert source.startswith("test_feeds")
    with pytest.raises(FeedError, match=rf"^input 'x' \(added at {source}\) takes .*{said}|{said}") as caught:
        run.forward(x=x, label=LABELS)
    assert str(caught.value).startswith("input 'x' (added at test_feeds.py:")


@pytest.mark.parametrize("labels", [LABELS.astype(float), LABELS > 0, LABELS.astype(str), LABELS * 1j], ids=str)
def test_only_integers_are_labels(g, labels):
    with pytest.raises(
        FeedError, match=r"^input 'label' .*takes integers, got an array of dtype .*array\.astype\(int\)"
    ):
        g.forward(x=X, label=labels)


def test_one_number_of_examples():
    g = mg.Graph(seed=0)
    g.cost(Quadratic(), Dense(2)(Concat()(g.input("u", 3), g.input("v", ()) >> mg.layers.Reshape(1))))
    u, v, t = X, np.ones(4), np.ones((4, 2))
    for feeds, said in (
        ({"u": u[:3], "v": v, "t": t}, "'u' a batch of 3, 'v' a batch of 4, 't' a batch of 4"),
        ({"u": u[:1], "v": v, "t": t}, "'u' a batch of 1, 'v' a batch of 4"),
        ({"u": u[0], "v": v, "t": t}, "'u' one example, 'v' a batch of 4"),
        ({"u": u[:1], "v": 1.0, "t": t[:1]}, "'u' a batch of 1, 'v' one example, 't' a batch of 1"),
    ):
        run = g.forward(u=u, v=v, t=t)
        for fed in (g, run):
            with pytest.raises(FeedError, match=f"all inputs take the same number of examples, got {said}"):
                fed.forward(feeds)
    assert g.forward(u=u[0], v=1.0, t=t[0]).cost == pytest.approx(g.forward(u=u[:1], v=v[:1], t=t[:1]).cost, rel=1e-14)


# ---- names ----


def test_missing_and_unknown_feeds_are_named(g):
    with pytest.raises(FeedError, match=r"input 'x' \(added at test_feeds\.py:\d+\) was not fed: give x=…"):
        g.forward(label=LABELS)
    with pytest.raises(FeedError, match=r"input 'label', the target of 'cost', .*was not fed: .*until="):
        g.forward(x=X)
    with pytest.raises(FeedError, match="no input 'y' to feed: the inputs are 'x', 'label'"):
        g.forward(x=X, label=LABELS, y=X)
    run = g.forward(x=X, label=LABELS)
    for feeds in ({"x": X, "lable": LABELS}, {"lable": LABELS}, {"x": X, "label": LABELS, "more": X}):
        with pytest.raises(FeedError):
            run.forward(feeds)
        run.forward(x=X, label=LABELS)


@pytest.mark.parametrize("feeds", [X, [X], "x", 3, {"x"}], ids=["array", "list", "text", "number", "set"])
def test_feeds_without_names_are_refused(g, feeds):
    for run in (g, mg.Run(g)):
        with pytest.raises(FeedError, match=r"by input name, as in forward\(x=…\)"):
            run.forward(feeds)


def test_an_input_fed_twice_is_refused(g):
    with pytest.raises(FeedError, match="'x' was fed twice"):
        g.forward({"x": X}, x=X, label=LABELS)


def test_feeds_go_by_keyword_or_mapping_or_both(g):
    expected = g.forward(x=X, label=LABELS).cost
    assert g.forward({"x": X, "label": LABELS}).cost == expected
    assert g.forward({"x": X}, label=LABELS).cost == expected
    with pytest.raises(FeedError, match="'x'"):
        g.forward({g["x"]: X, "label": LABELS})


@pytest.mark.parametrize("name", ["until", "training", "observe", "seed", "feeds", "self", "a:b <c>", "", "δ"])
def test_an_input_may_have_any_name(name):
    g = mg.Sequential(3, Dense(2))
    h = g.input(name, 3) >> Dense(2, name="h")
    g.output(h, "dense")
    run = g.forward({"x": X, name: 2 * X})
    assert np.array_equal(run[name].a, 2 * X)
    with pytest.raises(FeedError, match=re.escape(f"input {name!r}")):
        g.forward({"x": X, name: "text"})


# ---- parts ----


def test_a_partial_run_asks_only_for_what_is_needed(g):
    run = g.forward(x=X, until="y")
    assert np.array_equal(run["y"].a, g.forward(x=X, label=LABELS)["y"].a)
    assert g.forward(x=X, label="not looked at", until="y")["y"].a.shape == (4, 2)
    assert [view.node.name for view in g.forward(label=LABELS, until=["label"])] == ["label"]
    with pytest.raises(FeedError, match="'x'"):
        g.forward(label=LABELS, until="cost")


def test_what_dangles_is_warned_of_once_at_the_users_line():
    g = mg.Sequential(3, Dense(2), cost=Quadratic())
    h = Dense(2, name="dead")(g["x"])
    g.input("loose", 3)
    feeds = {"x": X, "t": np.ones((4, 2)), "loose": X}
    with pytest.warns(GraphWarning) as caught:
        g.forward(feeds)
    assert [str(warning.message).split(" (")[0] for warning in caught] == [
        "no output or cost depends on node 'dead'",
        "input 'loose' is used by nothing",
    ]
    assert {warning.filename for warning in caught} == {__file__}
    g.forward(feeds)
    mg.Run(g).forward(feeds)
    Dense(2, name="dead too")(h)
    with pytest.warns(GraphWarning) as caught:  # the graph has changed
        mg.Run(g).forward(feeds)
    assert "'dead too'" in str(caught[-1].message)
    assert {warning.filename for warning in caught} == {__file__}
    g.output("dead too")
    assert [problem.name for problem in g.validate()] == ["loose"]
