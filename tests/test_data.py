"""Data: streams of batches and arrays on disk."""

import itertools
import tracemalloc

import numpy as np
import pytest
from training import LABELS, QUIET, T, X, classifier, net, same, values

import minigraph as mg
from minigraph.costs import L2, Quadratic
from minigraph.data import source
from minigraph.errors import FeedError, GraphError
from minigraph.layers import Dense, Reshape

RNG = np.random.default_rng(0)


def test_batches_from_a_list_train_as_they_come():
    one, other = net(), net()
    rows = [slice(0, 10), slice(10, 17), slice(17, 23)]
    mg.fit(one, [{"x": X[r], "t": T[r]} for r in rows], epochs=2, optimizer=mg.SGD(0.1), **QUIET)
    sgd = mg.SGD(0.1)
    for r in rows * 2:
        sgd.step(other.forward(x=X[r], t=T[r]).backward())
    for a, b in zip(values(one), values(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)


def endless():
    for i in itertools.count():
        yield {"x": X[i % 4 : i % 4 + 5], "t": T[i % 4 : i % 4 + 5]}


def test_steps_cut_an_endless_stream_into_epochs():
    history = mg.fit(net(), endless(), epochs=3, steps=7, optimizer=mg.SGD(0.1), **QUIET)
    assert len(history) == 3
    one, other = net(), net()
    mg.fit(one, endless(), epochs=2, steps=3, optimizer=mg.SGD(0.1), **QUIET)
    mg.fit(other, endless(), epochs=1, steps=6, optimizer=mg.SGD(0.1), **QUIET)
    assert same(values(one), values(other))


def test_a_stream_may_be_validation_data():
    g, batches = net(), [{"x": X[:20], "t": T[:20]}, {"x": X[20:], "t": T[20:]}]
    assert mg.evaluate(g, batches).cost == pytest.approx(mg.evaluate(g, {"x": X, "t": T}).cost, rel=1e-12)
    history = mg.fit(g, {"x": X, "t": T}, epochs=2, batch_size=23, optimizer=mg.SGD(0.1), validation=batches, **QUIET)
    assert (history.validation_cost > 0).all()


@pytest.mark.parametrize(
    ("data", "options", "said"),
    [
        (lambda: iter([{"x": X, "t": T}]), {"epochs": 2}, "the data ran dry after 0 batches"),
        (lambda: [{"x": X, "t": T}], {"steps": 2, "epochs": 1}, "ran dry after 1 batches"),
        (list, {"epochs": 1}, "ran dry after 0 batches"),
        (lambda: [X, T], {"epochs": 1}, "a dict of arrays by input name, or batches of them, got a ndarray"),
        (lambda: [{"x": X}], {"epochs": 1}, "'t'.* was not fed"),
        (lambda: X, {"epochs": 1}, "or batches of them, got ndarray"),
        (lambda: 3, {"epochs": 1}, "or batches of them, got int"),
        (lambda: [{"x": X, "t": T}], {"steps": 0, "epochs": 1}, "steps, the number of batches"),
        (lambda: {"x": X, "t": T}, {"steps": 2, "epochs": 1, "batch_size": 5}, "steps is for data that comes batch"),
        (lambda: {"x": X, "t": T}, {"epochs": 1}, "positive whole number of batch_size, got None"),
    ],
)
def test_data_that_does_not_serve_is_refused(data, options, said):
    with pytest.raises((FeedError, GraphError), match=said):
        mg.fit(net(), data(), optimizer=mg.SGD(0.1), **options, **QUIET)


@pytest.mark.parametrize("dtype", ["float64", "float32", "uint8"])
def test_memory_mapped_arrays_train_like_others_and_stay_on_disk(tmp_path, dtype):
    n = 60_000
    data = np.memmap(tmp_path / "x", dtype, "w+", shape=(n, 400))
    data[:] = RNG.integers(0, 3, (n, 1)).astype(dtype)
    targets = RNG.normal(size=(n, 1))

    def trained(x):
        g = mg.Sequential(400, Dense(1), cost=Quadratic(), seed=0)
        mg.fit(g, {"x": x, "t": targets}, epochs=1, batch_size=500, optimizer=mg.SGD(1e-4), seed=0, **QUIET)
        return g

    tracemalloc.start()
    g = trained(data)
    score, out = mg.evaluate(g, {"x": data, "t": targets}), mg.predict(g, x=data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < n * 400 / 1.5  # bytes: less than the smallest of the three on disk
    assert out.shape == (n, 1)
    assert score.cost > 0
    assert same(values(g), values(trained(np.array(data))))


def test_memory_mapped_arrays_are_checked(tmp_path):
    data = np.memmap(tmp_path / "x", "float64", "w+", shape=(23, 3))
    with pytest.raises(FeedError, match=r"'x'.*takes a batch of shape"):
        mg.evaluate(net(), {"x": data, "t": T})
    labels = np.memmap(tmp_path / "y", "float64", "w+", shape=(23,))
    with pytest.raises(FeedError, match=r"'t'.*takes integers"):
        mg.evaluate(classifier(), {"x": X, "t": labels})


@pytest.mark.parametrize(("short", "said"), [({"x": X}, "'t'.* was not fed"), ({}, "'x'.* was not fed")])
def test_a_later_batch_without_some_input_is_refused_rather_than_filled_up(short, said):
    for train in (
        lambda d: mg.fit(net(), d, epochs=1, optimizer=mg.SGD(0.1), **QUIET),
        lambda d: mg.evaluate(net(), d),
    ):
        with pytest.raises(FeedError, match=said):
            train([{"x": X, "t": T}, short])


def test_memory_mapped_arrays_in_any_order_and_dtype(tmp_path):
    def mapped(name, array, dtype, order="C"):
        there = np.memmap(tmp_path / name, dtype, "w+", shape=array.shape, order=order)
        there[...] = array
        there.flush()
        return np.memmap(tmp_path / name, dtype, "r", shape=array.shape, order=order)

    def trained(x, labels):
        g = classifier()
        mg.fit(g, {"x": x, "t": labels}, epochs=2, batch_size=4, optimizer=mg.SGD(0.1), seed=1, **QUIET)
        return values(g)

    x, labels = mapped("x", X, ">f4", "F"), mapped("y", LABELS, "i2")
    assert same(trained(x, labels), trained(np.array(x), np.array(labels)))
    one = mg.predict(classifier(), x=mapped("one", X[0], "f8"))
    np.testing.assert_array_equal(one, mg.predict(classifier(), x=X[0]))
    single = mg.Sequential((), Reshape(1), Dense(2), seed=0)
    assert mg.predict(single, x=mapped("number", np.array(3.0), "f8")).shape == (2,)


def test_a_node_without_any_input_is_predicted():
    g = net()
    g.cost(L2(0.1, "*.w"), name="penalty")
    assert mg.predict(g, until="penalty") == pytest.approx(g.forward(x=X, t=T).costs["penalty"])


@pytest.mark.parametrize(("n", "size"), [(2000, 7), (2000, 3000), (1003, 1), (2000, 500)])
def test_shuffled_batches_are_the_rows_in_the_order_that_the_seed_decides(tmp_path, n, size):
    wide, labels = RNG.normal(size=(n, 40, 5)), RNG.integers(0, 9, n)
    mapped = np.memmap(tmp_path / "x", ">f4", "w+", shape=wide.shape, order="F")
    mapped[...] = wide
    unaligned = np.frombuffer(b"\0" + wide.tobytes(), np.uint8)[1:].view(float).reshape(wide.shape)
    g = mg.Graph()
    inputs = [g.input("mapped", (40, 5)), g.input("unaligned", (40, 5)), g.input("label", (), dtype=int)]
    data = {"mapped": mapped, "unaligned": unaligned, "label": labels}
    rows, twin = source(g, data, inputs, size, np.random.default_rng(3)), np.random.default_rng(3)
    assert all(array.flags.aligned for name, array in rows.arrays.items() if name != "mapped")
    for _ in range(2):
        order = twin.permutation(n)
        count = 0
        for start, batch in zip(range(0, n, size), rows, strict=True):
            these = order[start : start + size]
            np.testing.assert_array_equal(batch["mapped"], mapped[these].astype(float))
            np.testing.assert_array_equal(batch["unaligned"], wide[these])
            np.testing.assert_array_equal(batch["label"], labels[these])
            count += 1
        assert count == len(rows)


def test_epochs_leave_nothing_behind():
    data = {"x": np.repeat(X, 40, axis=0), "t": np.repeat(T, 40, axis=0)}
    training = mg.epochs(net(), data, optimizer=mg.SGD(0.01), batch_size=10)
    for _ in range(3):
        next(training)
    tracemalloc.start()
    for _ in range(2):
        next(training)
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(10):
        next(training)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 2000
