"""Several threads: graphs and runs of their own don't disturb each other, and what isn't safe is noticed."""

import itertools
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from oddities import Scale, Through, alike, custom, equal, gradients

import minigraph as mg
from minigraph import param
from minigraph.costs import Quadratic, SoftmaxCrossEntropy
from minigraph.errors import StaleError
from minigraph.inference import Inference
from minigraph.layer import Layer
from minigraph.layers import LSTM, BatchNorm, Conv2D, Dense, Dropout, Flatten, Identity, MaxPool2D, MultiHeadAttention
from minigraph.param import Param, change, last_change

PATIENCE = 60


@pytest.fixture(autouse=True)
def _often():
    """Threads take turns after a few bytecodes."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def together(*works):
    """Do all at once, a thread for each, and return what they return; the first exception is raised."""
    start = threading.Barrier(len(works))

    def begin(work):
        start.wait(PATIENCE)
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result(PATIENCE) for future in [pool.submit(begin, work) for work in works]]


def classifier(shape, *layers):
    return mg.Sequential(shape, *layers, Dense(3), cost=SoftmaxCrossEntropy(), seed=0)


NETS = {
    "dense": lambda: classifier(6, Dense(8, "gelu"), BatchNorm(), Dropout(0.3), Dense(8, "tanh")),
    "conv": lambda: classifier((1, 6, 6), Conv2D(3, 3, activation="relu"), MaxPool2D(2), Flatten()),
    "lstm": lambda: classifier((4, 3), LSTM(5, returns="last")),
    "attention": lambda: classifier((4, 6), MultiHeadAttention(2), Dropout(0.2), Flatten()),
    "a layer of one's own": lambda: classifier(6, Dense(6), Scale(), custom(Through)),
}
nets = pytest.mark.parametrize("make", NETS.values(), ids=NETS)


def feeds_of(g, seed, m=5):
    rng = np.random.default_rng(seed)
    return {"x": rng.normal(size=(m, *g["x"].shape)), "t": rng.integers(0, 3, m)}


def train(g, seed, steps=12):
    """Weights and statistics after some steps, on batches of two sizes."""
    run, adam = mg.Run(g, training=True, seed=seed, guard=False), mg.Adam(0.01)
    for step in range(steps):
        adam.step(run.forward(feeds_of(g, seed + step, 5 - step // 9)).backward())
    return left(g)


def left(g):
    statistics = [getattr(node.layer, name) for node in g for name in node.layer.statistics]
    return [p.value.copy() for p in g.params.values()] + [np.array(array) for array in statistics]


# ---- graphs of their own ----


@nets
def test_copies_train_at_once_as_they_do_one_after_the_other(make):
    g = make()
    copies, others = [g.copy() for _ in range(3)], [g.copy() for _ in range(3)]
    expected = [train(copy, seed) for seed, copy in enumerate(copies)]
    found = together(*(lambda seed=seed, copy=copy: train(copy, seed) for seed, copy in enumerate(others)))
    for one, other in zip(found, expected, strict=True):
        equal(one, other)
    equal(left(g), left(make()))
    assert not np.array_equal(found[0][0], found[1][0])


def test_fit_in_several_threads():
    g = NETS["dense"]()
    data = {name: np.concatenate([feeds_of(g, seed)[name] for seed in range(6)]) for name in ("x", "t")}

    def fit(copy):
        history = mg.fit(
            copy, data, epochs=3, batch_size=5, optimizer=mg.SGD(0.1, momentum=0.9), validation=data, progress=False
        )
        return [*left(copy), np.array(history["cost"]), np.array(history["validation_cost"])]

    copies = [g.copy() for _ in range(4)]
    for found in together(*(lambda copy=copy: fit(copy) for copy in copies)):
        equal(found, fit(g.copy()))


def build_and_change(enough, over):
    """Build, change, copy and take apart graphs until it's over: all that counts something for all of them."""
    for count in itertools.count():
        if count == 3:
            enough.set()
        if over.is_set():
            return
        g = NETS["dense"]()
        g["dense"].layer.frozen = not g["dense"].layer.frozen
        g.replace("dense_1", Dense(8, "relu"))
        g.insert(Identity(), between=("dense", "batch_norm"))
        with pytest.raises(mg.errors.ShapeError):
            g.replace("dense", Conv2D(3, 3))
        run = g.copy().forward(feeds_of(g, 0)).backward()
        mg.SGD(0.1).step(run)
        next(iter(g.params.values())).value *= 2.0


@nets
def test_a_graph_trains_while_others_are_built_and_changed(make):
    g = make()
    expected, enough, over = train(g.copy(), 3), threading.Event(), threading.Event()

    def work():
        try:
            while not enough.is_set():
                equal(train(g.copy(), 3), expected)
            equal(train(g.copy(), 3), expected)
        finally:
            over.set()

    together(work, lambda: build_and_change(enough, over))


# ---- one graph ----


@nets
@pytest.mark.parametrize("guard", [True, False])
def test_runs_of_one_graph_go_forward_and_back_at_once(make, guard):
    g = make()
    g.freeze()

    def work(seed):
        run, found = mg.Run(g, seed=seed, guard=guard), []
        for step in range(6):
            run.forward(feeds_of(g, seed + step)).backward(wrt="x")
            found += [run["x"].delta.copy(), np.array(run.cost)]
        return found

    expected = [work(seed) for seed in range(3)]
    for found, one in zip(together(*(lambda seed=seed: work(seed) for seed in range(3))), expected, strict=True):
        equal(found, one)


def test_runs_of_one_graph_have_gradients_of_their_own():
    g = NETS["dense"]()

    def work(seed):
        run = mg.Run(g, seed=seed, training=True)
        for _ in range(5):
            run.forward(feeds_of(g, seed)).backward()
        return gradients(run)

    expected = [work(seed) for seed in range(4)]
    for found, one in zip(together(*(lambda seed=seed: work(seed) for seed in range(4))), expected, strict=True):
        equal(found, one)


@nets
def test_eight_threads_predict_on_one_graph(make):
    g = make()
    g.output(g.costs[0].inputs[0])

    def work(seed):
        run, found = mg.Run(g, seed=seed, guard=bool(seed % 2)), []
        for step in range(5):  # from the third on as a script
            feeds = feeds_of(g, seed + step, 4)
            found.append(mg.predict(g, x=feeds["x"], batch_size=3))
            found.append(run.forward(feeds)[g.outputs[0]].a.copy())
        return found

    expected = [work(seed) for seed in range(8)]
    for found, one in zip(together(*(lambda seed=seed: work(seed) for seed in range(8))), expected, strict=True):
        equal(found, one)
        assert all(np.allclose(*pair) for pair in zip(found[::2], found[1::2], strict=True))


def test_each_run_of_a_graph_has_a_seed_of_its_own_whichever_thread_makes_it():
    g = NETS["dense"]()
    seeds = [seed for found in together(*[lambda: [g.next_seed() for _ in range(50)]] * 8) for seed in found]
    assert len(set(seeds)) == 400
    one, two = mg.Graph(seed=5), mg.Graph(seed=5)
    assert set(together(*[one.next_seed] * 8)) == {two.next_seed() for _ in range(8)}


# ---- what counts for all graphs ----


class Moments:
    """Counts, and has the first who asks wait with the number in hand until another has gone on, or can't."""

    def __init__(self, went_on):
        self.count, self.went_on, self.asked = itertools.count(last_change() + 1), went_on, threading.Event()

    def __iter__(self):
        return self

    def __next__(self):
        number = next(self.count)
        if not self.asked.is_set():
            self.asked.set()
            self.went_on.wait(0.05)
        return number


def test_no_thread_puts_back_the_last_change_of_another(monkeypatch):
    went_on = threading.Event()
    moments = Moments(went_on)
    monkeypatch.setattr(param, "_moments", moments)

    def other():
        assert moments.asked.wait(PATIENCE)
        number = change()
        went_on.set()
        return number

    numbers = together(change, other)
    assert numbers[0] < numbers[1] == last_change()
    monkeypatch.undo()
    while change() < numbers[1]:
        pass


def test_a_change_of_weights_is_noticed_whatever_other_threads_change():
    over = threading.Event()

    def train_elsewhere():
        other = Param(np.zeros(1))
        while not over.is_set():
            other.touch()

    def work():
        g = NETS["a layer of one's own"]()
        run, p = mg.Run(g, guard=False), next(iter(g.params.values()))
        try:
            for _ in range(100):
                run.forward(feeds_of(g, 0)).backward()
                p.touch()
                with pytest.raises(StaleError, match="changed"):
                    run.backward()
        finally:
            over.set()

    together(work, train_elsewhere, train_elsewhere)


def test_editions_of_layers_never_come_again():
    def work():
        layer, seen = Dense(2), set()
        for k in range(10_000):
            layer.units = k
            edition = Layer.edition
            assert edition not in seen
            seen.add(edition)

    together(*[work] * 4)


# ---- what isn't safe ----


class Gate(Through):
    """Waits in the middle of a sweep for another thread."""

    def __init__(self):
        super().__init__()
        self.reached, self.opened, self.direction = threading.Event(), threading.Event(), None

    def pause(self, direction):
        if self.direction == direction:
            self.direction = None
            self.reached.set()
            assert self.opened.wait(PATIENCE)

    def forward(self, at, x):
        self.pause("forward")
        return x.copy()

    def backward(self, at, error):
        self.pause("backward")
        return error.copy()


def gated():
    gate = Gate()
    g = mg.Sequential(2, Dense(2, name="h"), gate, cost=Quadratic(), seed=0)
    return g, gate, {"x": np.ones((3, 2)), "t": np.zeros((3, 2))}


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_a_run_that_two_threads_sweep_is_broken_off(direction):
    g, gate, feeds = gated()
    run = mg.Run(g, guard=False).forward(feeds).backward()
    gate.direction = direction

    def first():
        with pytest.raises(StaleError, match=r"swept anew in the middle of a sweep: make another run, .* each thread"):
            run.forward(feeds).backward()

    def second():
        assert gate.reached.wait(PATIENCE)
        run.forward(feeds)
        gate.opened.set()

    together(first, second)
    with pytest.raises(StaleError):
        run.backward()  # of whose sweep nobody knows
    alike(run.forward(feeds).backward(), g.forward(feeds).backward())


def test_a_sweep_in_another_thread_is_broken_off_too():
    g, gate, feeds = gated()
    run, late = mg.Run(g, guard=False).forward(feeds), threading.Event()

    def observe(node, view):  # in the second thread: until the first has ended
        if node.name == "h":
            gate.opened.set()
            assert late.wait(PATIENCE)

    def first():
        gate.direction = "forward"
        with pytest.raises(StaleError, match="each thread"):
            run.forward(feeds)
        late.set()

    def second():
        assert gate.reached.wait(PATIENCE)
        with pytest.raises(StaleError, match="each thread"):
            run.forward(feeds, observe=observe)

    together(first, second)


@pytest.mark.parametrize("compute", [lambda g, x: mg.predict(g, x=x), lambda g, x: mg.evaluate(g, {"x": x, "t": x})])
def test_predicting_on_a_graph_that_another_thread_trains_is_noticed(compute):
    g, gate, feeds = gated()
    run, gate.direction = mg.Run(g, training=True), "forward"
    other = mg.Run(g.until("h"), training=True).forward(x=feeds["x"]).backward("h", np.ones((3, 2)))

    def predict():
        with pytest.raises(StaleError, match=r"2 Params changed while they were in use: .* g\.copy\(\)"):
            compute(g, feeds["x"])

    def train():
        assert gate.reached.wait(PATIENCE)
        mg.SGD(0.1).step(other)
        gate.opened.set()

    together(predict, train)
    mg.SGD(0.1).step(run.forward(feeds).backward())
    compute(g, feeds["x"])


def test_training_another_graph_meanwhile_is_fine():
    g, gate, feeds = gated()
    twin = NETS["dense"]()
    gate.direction = "forward"

    def train_twin():
        assert gate.reached.wait(PATIENCE)
        train(twin, 0, 2)
        gate.opened.set()

    together(lambda: Inference(g, [g["h"], g.costs[0]]).outputs(feeds), train_twin)
