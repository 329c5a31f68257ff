"""Arrays that must be taken: whatever their layout, owner or class, the numbers are those of plain ones, bit by bit."""

import array
from pathlib import Path

import numpy as np
import pytest
from cases import CASES
from oddities import equal, gradients
from refusals import LABELS, T, X

import minigraph as mg
from minigraph.costs import BinaryCrossEntropyOnProbabilities, Quadratic, SoftmaxCrossEntropy
from minigraph.errors import FeedError
from minigraph.layers import Dense, Embedding

INDICES = np.array([4, 0, 4, 2])
FEEDS = {"x": X, "t": T * [1.0, -2.0], "index": INDICES, "label": LABELS}


def net(dtype="float64"):
    """Floats and their targets, indices and labels, all in one."""
    g = mg.Graph(seed=0, dtype=dtype)
    h = Dense(4, "tanh", name="h")(g.input("x", 3))
    g.cost(Quadratic(), Dense(2, name="y")(h), target="t")
    g.cost(SoftmaxCrossEntropy(), Embedding(5, 3)(g.input("index", (), dtype=int)), target="label")
    return g


class Holder:
    """An object that makes arrays, as data frames and tensors do."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype)


class Tagged(np.ndarray):
    """A subclass that has its own ideas of what multiplication is."""

    def __array_ufunc__(self, *args, **kwargs):
        raise AssertionError("a layer computed with it")


def strided(values):
    """Every third row, every second column, of an array that is full of something else."""
    wide = np.full([3 * n for n in values.shape], 99, values.dtype)
    part = wide[tuple(slice(None, None, 3) for _ in values.shape)]
    part[...] = values
    return part


def backward(values):
    """The other way round in memory, along each axis."""
    turn = (slice(None, None, -1),) * values.ndim
    return values[turn].copy()[turn]


def read_only(values):
    copy = values.copy()
    copy.flags.writeable = False
    return copy


def unaligned(values):
    room = np.empty(values.nbytes + 1, "u1")
    part = room[1:].view(values.dtype).reshape(values.shape)
    part[...] = values
    return part


def mapped(values):
    path = Path(f"{len(list(Path().iterdir()))}.npy")
    np.save(path, values)
    return np.load(path, mmap_mode="r")


def swapped(values):
    return values.astype(values.dtype.newbyteorder())


TAKEN = {
    "Fortran order": lambda a: np.asfortranarray(a),
    "a transposed view": lambda a: a.T.copy().T,
    "strided": strided,
    "the other way round": backward,
    "read-only": read_only,
    "not aligned": unaligned,
    "swapped bytes": swapped,
    "on disk": mapped,
    "a buffer": lambda a: memoryview(a),
    "a buffer from bytes": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
    "a record array": lambda a: a.view(np.recarray),
    "a subclass": lambda a: a.view(Tagged),
    "an object that makes arrays": Holder,
    "lists": lambda a: a.tolist(),
    "a tuple of rows": lambda a: tuple(a),
    "a list of objects that make numbers": lambda a: list(map(Holder, a)) if a.ndim > 1 else a.tolist(),
}


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("make", TAKEN.values(), ids=TAKEN)
@pytest.mark.parametrize("name", FEEDS)
def test_it_is_fed_like_a_plain_array_and_stays_as_it_was(make, name):
    g = net()
    given = make(FEEDS[name])
    plain = g.forward(FEEDS).backward(wrt="x")
    run = g.forward({**FEEDS, name: given}).backward(wrt="x")
    assert run.cost == plain.cost
    equal([*gradients(run), run["x"].delta], [*gradients(plain), plain["x"].delta])
    assert type(run[name].a) is np.ndarray
    assert np.array_equal(np.asarray(given, FEEDS[name].dtype), FEEDS[name])


@pytest.mark.parametrize("make", TAKEN.values(), ids=TAKEN)
def test_sweep_after_sweep_of_a_training_run_takes_it(make):
    g = net()
    plain = gradients(g.forward(FEEDS).backward())
    run = mg.Run(g, training=True, guard=False)
    for _ in range(3):
        equal(gradients(run.forward(FEEDS).backward()), plain)
        equal(gradients(run.forward({name: make(FEEDS[name]) for name in FEEDS}).backward()), plain)


@pytest.mark.parametrize("make", TAKEN.values(), ids=TAKEN)
def test_it_is_learned_judged_and_predicted_from(make):
    data = {name: make(values) for name, values in FEEDS.items()}
    graphs = net(), net()
    for g, one in zip(graphs, (FEEDS, data), strict=True):
        mg.fit(g, one, epochs=2, batch_size=3, optimizer=mg.SGD(0.1), progress=False)
    one, other = graphs
    equal([p.value for p in one.params.values()], [p.value for p in other.params.values()])
    assert mg.evaluate(one, FEEDS) == mg.evaluate(one, data)
    for batch_size in (3, 1000):
        predicted = mg.predict(one, x=data["x"], until="y", batch_size=batch_size)
        assert np.array_equal(predicted, mg.predict(one, x=X, until="y", batch_size=batch_size))


@pytest.mark.parametrize("make", TAKEN.values(), ids=TAKEN)
def test_it_is_an_error_to_go_back_from(make):
    error = np.arange(8.0).reshape(4, 2) - 3
    run = net().forward(FEEDS)
    plain = gradients(run.backward({"y": error, **{node.name: np.ones(4) for node in run.graph.costs}}))
    given = make(error)
    equal(gradients(run.backward({"y": given, **{node.name: np.ones(4) for node in run.graph.costs}})), plain)
    assert np.array_equal(np.asarray(given, float), error)


@pytest.mark.parametrize("kind", ["?", "i1", "u2", "i4", "u8", "f2", "f4", "f8", "g"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_of_any_kind_become_the_graphs(kind, dtype):
    x = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0], [0, 0, 1]]).astype(kind)
    run = net(dtype).forward({**FEEDS, "x": x}).backward(wrt="x")
    plain = net(dtype).forward({**FEEDS, "x": x.astype(dtype)}).backward(wrt="x")
    equal([*gradients(run), run["x"].a, run["x"].delta], [*gradients(plain), plain["x"].a, plain["x"].delta])
    assert run["y"].a.dtype == run["x"].delta.dtype == dtype


def test_single_numbers_of_any_kind_are_one_example():
    g = mg.Graph(seed=0)
    g.output(Dense(2, name="y")(mg.layers.Reshape(1)(g.input("v", ()))))
    expected = g.forward(v=0.5)["y"].a
    for one in (np.float64(0.5), np.float32(0.5), np.array(0.5), Holder(0.5), np.array([0.5])[0]):
        assert np.array_equal(g.forward(v=one)["y"].a, expected)
    assert np.array_equal(g.forward(v=array.array("d", [0.5, 0.5]))["y"].a, [expected, expected])


def test_matrices_and_series_from_the_standard_library_are_taken():
    g = net()
    expected = g.forward(FEEDS).cost
    assert g.forward({**FEEDS, "x": X.view(np.matrix)}).cost == expected
    assert g.forward({**FEEDS, "index": array.array("q", INDICES)}).cost == expected
    assert g.forward({**FEEDS, "index": range(4)}).cost == g.forward({**FEEDS, "index": np.arange(4)}).cost


def test_views_of_one_array_may_be_several_feeds():
    both = np.arange(20.0).reshape(4, 5) / 10
    x, t = both[:, :3], both[:, 2:4]
    assert np.shares_memory(x, t)
    g, apart = net(), {**FEEDS, "x": x.copy(), "t": t.copy()}
    plain = gradients(g.forward(apart).backward())
    equal(gradients(g.forward({**FEEDS, "x": x, "t": t}).backward()), plain)
    run = mg.Run(g, training=True, guard=False)
    for _ in range(4):
        equal(gradients(run.forward({**FEEDS, "x": x, "t": t}).backward()), plain)
        equal(gradients(run.forward(apart).backward()), plain)


def test_rows_that_are_one_row_in_memory_are_taken():
    row = np.array([0.3, -0.2, 0.9])
    for same in (np.broadcast_to(row, (4, 3)), np.lib.stride_tricks.sliding_window_view(np.arange(6.0), 3)):
        plain = net().forward({**FEEDS, "x": same.copy()}).backward()
        equal(gradients(net().forward({**FEEDS, "x": same}).backward()), gradients(plain))


def test_a_guarded_run_is_its_own_master_when_the_owner_writes_into_what_was_fed():
    for make in (np.array, strided, backward, swapped):
        feeds = {name: make(values) for name, values in FEEDS.items()}
        run = net().forward(feeds)
        for values in feeds.values():
            values[...] = 0
        equal(gradients(run.backward()), gradients(net().forward(FEEDS).backward()))


# ---- NaN and infinity ----

ALWAYS_ONE = ("Power-none",)
"""The power 0 of any number, NaN too, is 1: so in numpy and PyTorch."""
UNMIXED = [case for case in CASES if not case.node().layer.mixes_examples and case.shapes]


@pytest.mark.parametrize("case", UNMIXED, ids=lambda case: case.id)
def test_what_is_not_finite_in_one_example_stays_in_its_row(case):
    node, rng = case.node(), np.random.default_rng(3)
    slots = [i for i in range(len(node.inputs)) if i not in node.constant_inputs]
    inputs, error = case.inputs(rng, 4), rng.normal(size=(4, *node.shape))

    def swept():
        run = node.graph.forward({f"x{i}": x for i, x in enumerate(inputs)})
        run.backward("node", error, wrt=[f"x{i}" for i in slots])
        return [run["node"].a.copy(), *(run.edge(f"x{i}", "node").grad.copy() for i in slots)]

    plain = swept()
    for value in (np.inf, np.nan):
        for slot in slots:
            inputs[slot][1] = value
        with np.errstate(all="ignore"):
            if np.isinf(value) and isinstance(node.layer, BinaryCrossEntropyOnProbabilities):
                with pytest.raises(FeedError, match="takes probabilities from 0 to 1, got outputs from"):
                    swept()
                continue
            found = swept()
        for one, other in zip(found, plain, strict=True):
            assert np.array_equal(np.delete(one, 1, 0), np.delete(other, 1, 0))
    assert np.isnan(found[0][1]).any() or not slots or case.id in ALWAYS_ONE
