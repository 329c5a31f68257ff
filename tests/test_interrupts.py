"""Ctrl-C while training leaves weights, optimizers, history and checkpoints that go together."""

import pkgutil
import random
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from long_trainings import X, Y, followed, newest, outcome, prepared, settled, state, written
from oddities import custom, traced
from processes import Process

import minigraph as mg
from minigraph.costs import Quadratic
from minigraph.layers import Dense


def ctrl_c(*args):
    signal.raise_signal(signal.SIGINT)


@pytest.fixture(autouse=True)
def handler(monkeypatch):
    """The handler in charge, which has to be so again in the end; no waiting for the disk."""
    monkeypatch.setattr("os.fsync", lambda handle: None)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # it is another where tests run in the background
    yield signal.default_int_handler
    after = signal.signal(signal.SIGINT, before)
    assert after is signal.default_int_handler


# ---- at every line ----

# an update by 3 batches, then by 1 at the end of the epoch; the first epoch is the best
OPTIONS = {"epochs": 2, "batch_size": 26, "every": 3, "stopping": mg.EarlyStopping(1, "cost", margin=0.5)}
OURS = ("train.py", "trainer.py", "checkpoints.py", "interrupts.py", "stopping.py", "tally.py", "data.py")
OURS += ("optimizer.py", "bundle.py", "adaptive.py", "files.py", "store.py", "inference.py")
PACKAGE = str(Path(mg.__file__).parent)


def lines_of(call, files, stop=None):
    """Make a call and say which lines of these files it runs; press Ctrl-C at one, counted as they run."""
    lines = []

    def trace(frame, event, arg):
        if not frame.f_code.co_filename.startswith(PACKAGE) or not frame.f_code.co_filename.endswith(files):
            return None
        if event == "line":
            lines.append((frame.f_code, frame.f_lineno))
            if len(lines) - 1 == stop:
                ctrl_c()
        return trace

    traced(call, trace)
    return lines


def begun(path, **more):
    """A training to be interrupted: a call, and what it is about."""
    g, options = prepared("rich")
    options |= OPTIONS | {"history": mg.History(), "checkpoint": path} | more
    return lambda: mg.fit(g, **options), g, settled(options["optimizer"]), options["history"]


def check(path, g, optimizers, history, states, expected):
    """What an interrupted training left is what the other had at some moment, and what can go on."""
    found = state(g, optimizers)
    assert found in states or found == expected["state"]
    rows = outcome(g, history, [])["history"]
    assert rows == expected["history"][: len(rows)]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert all(file.name.startswith("run-0") for file in path.parent.iterdir())
    for file in written(path):
        mg.load(file)


def interrupt_at_lines(tmp_path, monkeypatch, files, step, **more):
    """Interrupt a training at lines, the first, second and last time that each runs; every so many of these."""
    whole = begun(tmp_path / "run.st", **more)
    with monkeypatch.context() as patch:
        states = followed(whole[1], whole[2], patch.setattr)
        whole[0]()
    expected = outcome(whole[1], whole[3], whole[2], tmp_path / "run.st")
    assert len(expected["history"]) == 2
    assert expected["state"] not in states  # weights are those of the first epoch, again
    runs = {}
    for name in ("first", "second"):  # the first fills caches
        (tmp_path / name).mkdir()
        lines = lines_of(begun(tmp_path / name / "run.st", **more)[0], files)
    for i, line in enumerate(lines):
        runs.setdefault(line, []).append(i)
    stops = sorted({i for places in runs.values() for i in (*places[:2], places[-1])})[::step]
    pressed = 0
    for stop in stops:
        (tmp_path / f"at {stop}").mkdir()
        path = tmp_path / f"at {stop}" / "run.st"
        call, *left = begun(path, **more)
        try:
            assert len(lines_of(call, files, stop)) <= stop  # there are fewer as caches fill
        except KeyboardInterrupt:
            pressed += 1
        check(path, *left, states, expected)
        if stop % 4 == 0:
            call, g, optimizers, history = begun(path, resume=True, **more)
            call()
            assert outcome(g, history, optimizers, path) == expected
    return pressed


# a trace function is called between the body of a `with` and its end, where Python itself lets no signal in
at_lines = pytest.mark.filterwarnings(r"ignore:unclosed file .*\.part:ResourceWarning")


@at_lines
def test_an_interrupt_at_a_line_of_training_leaves_what_goes_together(tmp_path, monkeypatch):
    assert interrupt_at_lines(tmp_path, monkeypatch, OURS, 67) > 15


@at_lines
@pytest.mark.slow
@pytest.mark.parametrize("files", [OURS, ".py"], ids=["of training", "of the package"])
def test_an_interrupt_at_many_lines_leaves_what_goes_together(tmp_path, monkeypatch, files):
    assert interrupt_at_lines(tmp_path, monkeypatch, files, 5 if files == OURS else 31) > 100


# ---- at any moment ----


@pytest.fixture(scope="module")
def process(tmp_path_factory):
    process = Process(tmp_path_factory.mktemp("process"))
    yield process
    process.close()


@pytest.mark.parametrize(
    ("kind", "presses"),
    [
        ("rich", 2),
        pytest.param("rich", 20, marks=pytest.mark.slow),
        pytest.param("several", 20, marks=pytest.mark.slow),
    ],
)
def test_an_interrupt_at_any_moment_leaves_what_goes_together(process, tmp_path, kind, presses):
    training, chance, ended = {"kind": kind}, random.Random(presses), []
    expected = process.run(training, follow=True, checkpoint=tmp_path / "run.st", every=4)
    for trial in range(presses * 4):
        path = tmp_path / str(trial) / "run.st"
        path.parent.mkdir()
        pid, moment = process.start(training, checkpoint=path, every=4), chance.randint(1, 80)
        until = time.perf_counter() + 10
        while time.perf_counter() < until and not (written(path) and newest(path).stem >= f"run-{moment:09d}"):
            time.sleep(0.0005)
        time.sleep(chance.uniform(0.0, 0.01))
        process.send(pid, signal.SIGINT)
        if process.ended():  # when training was over
            continue
        left = process.left()
        assert left["state"] in expected["trail"] or left["state"] == expected["state"]
        assert left["history"] == expected["history"][: len(left["history"])]
        assert all(file.name.startswith("run-0") for file in path.parent.iterdir())
        for file in written(path):
            mg.load(file)
        ended.append(len(left["history"]))
        if len(ended) == presses:
            break
        again = process.run(training, checkpoint=path, every=4, resume=True)
        assert all(again[name] == expected[name] for name in again if name != "trail")
    assert len(ended) == presses
    assert min(ended) < len(expected["history"])


# ---- wherever it is pressed ----


def pressing(times=1):
    """A function that presses Ctrl-C at its third call."""
    calls = iter(range(99))

    def press(*args):
        if next(calls) == 2:
            for _ in range(times):
                ctrl_c()

    return press


class Judge:
    name = "judge"

    def __init__(self, press):
        self.press = press

    def __deepcopy__(self, memo):
        return self

    def add(self, a, y):
        self.press()

    def clear(self):
        pass

    def value(self):
        return 0.0


def batches(press):
    for _ in range(99):
        press()
        yield {"x": X, "t": Y}


def in_layer(name, press):
    """A graph with a layer that presses."""

    def method(self, at, array):
        press()
        return array

    g = mg.Graph(seed=0)
    g.cost(Quadratic(), Dense(2)(custom(**{name: method})(Dense(4)(g.input("x", 8)))), target="t")
    return g


DATA = {"x": X, "t": Y}
WHERE = {
    "forward": lambda press: {"graph": in_layer("forward", press)},
    "backward": lambda press: {"graph": in_layer("backward", press)},
    "a callback": lambda press: {"callbacks": [press]},
    "a watcher": lambda press: {"watch": [press]},
    "a metric": lambda press: {"metrics": [Judge(press)]},
    "validation": lambda press: {"validation": iter([]), "press": press},
    "data": lambda press: {"data": batches(press), "steps": 4, "batch_size": None},
    "a schedule": lambda press: {"optimizer": mg.SGD(lambda step: press() or 0.1)},
}


@pytest.mark.parametrize("where", WHERE)
def test_it_ends_training_wherever_it_is_pressed(where, monkeypatch):
    g, options = prepared("small")
    options |= WHERE[where](pressing())
    if "press" in options:
        press = options.pop("press")
        monkeypatch.setattr("minigraph.trainer.evaluate", lambda *args, **options: press())
    g = options.pop("graph", g)
    optimizer, history = options["optimizer"], mg.History()
    with monkeypatch.context() as patch:
        states = followed(g, [optimizer], patch.setattr)
        with pytest.raises(KeyboardInterrupt):
            mg.fit(g, history=history, **options)
    assert state(g, [optimizer]) == states[-1]
    assert len(states) < 1 + 8 * 4
    assert len(history) == (len(states) - 1) // 4 - (where in ("validation", "a metric"))  # they are before the row


def test_in_an_update_it_waits_for_its_end_and_a_second_one_does_not():
    for times, expected in ((1, [3, 3]), (2, [3, 2])):
        g, options = prepared("small")
        optimizers = [mg.SGD(0.1, params="dense.*"), mg.SGD(0.1, params="dense_1.*")]
        press = pressing(times)
        optimizers[1].lr = lambda step, press=press: press() or 0.1
        with pytest.raises(KeyboardInterrupt):
            mg.fit(g, **options | {"optimizer": optimizers})
        assert [optimizer.taken for optimizer in optimizers] == expected


def test_at_the_end_of_an_epoch_it_waits_until_everybody_knows():
    class Watchful(mg.schedules.Plateau):
        def observe(self, cost):
            super().observe(cost)
            press()

    g, options = prepared("small")
    press, history = pressing(), mg.History()
    optimizers = [mg.SGD(Watchful(0.1), params="dense.*"), mg.SGD(mg.schedules.Plateau(0.1), params="dense_1.*")]
    with pytest.raises(KeyboardInterrupt):
        mg.fit(g, history=history, **options | {"optimizer": optimizers})
    assert len(history) == 3
    assert [optimizer.epochs for optimizer in optimizers] == [3, 3]
    assert optimizers[0].lr.best == optimizers[1].lr.best == history.cost.min()


@pytest.mark.parametrize("call", ["os.fsync", "os.replace", "os.unlink", "minigraph.saving.files.serialized"])
def test_while_a_checkpoint_is_written_it_leaves_nothing_half_written(tmp_path, monkeypatch, call):
    path, (g, options) = tmp_path / "run.st", prepared("small")
    press, real = pressing(), pkgutil.resolve_name(call)

    def pressed(*args):
        press()
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(call, pressed)
        with pytest.raises(KeyboardInterrupt):
            mg.fit(g, checkpoint=path, every=1, **options)
    assert 1 <= len(written(path)) == len(list(tmp_path.iterdir())) <= 3
    for file in written(path):
        mg.load(file)


# ---- handlers ----


def test_the_handler_before_is_back_after_an_exception(handler):
    g, options = prepared("small")

    def fail(run):
        assert signal.getsignal(signal.SIGINT) is not handler
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        mg.fit(g, watch=[fail], **options)
    assert signal.getsignal(signal.SIGINT) is handler


@pytest.mark.parametrize("own", [lambda number, frame: None, signal.SIG_IGN], ids=["own", "ignored"])
def test_another_handler_is_left_alone(own, handler):
    g, options = prepared("small")
    signal.signal(signal.SIGINT, own)
    try:
        mg.fit(g, watch=[pressing()], **options)
        assert signal.getsignal(signal.SIGINT) is own
    finally:
        signal.signal(signal.SIGINT, handler)


def test_a_handler_that_a_callback_puts_in_charge_stays(handler):
    g, options = prepared("small")
    own = lambda number, frame: None  # noqa: E731
    mg.fit(g, callbacks=[lambda epoch: signal.signal(signal.SIGINT, own) and None], **options)
    assert signal.signal(signal.SIGINT, handler) is own


def test_training_in_another_thread_works_and_leaves_the_handler_alone(handler):
    g, options = prepared("small")
    seen, found = [], []
    watch = [lambda run: seen.append(signal.getsignal(signal.SIGINT))]
    thread = threading.Thread(target=lambda: found.append(mg.fit(g, watch=watch, **options)))
    thread.start()
    thread.join()
    assert len(found[0]) == 8
    assert set(seen) == {handler}


@pytest.mark.parametrize("where", ["inside", "outside, while the inner one is in an update"])
def test_training_in_a_callback_of_another_is_interrupted_as_wholly(handler, where):
    (outer, options), (inner, others) = prepared("small"), prepared("small")
    optimizers = [mg.SGD(0.1, params="dense.*"), mg.SGD(0.1, params="dense_1.*")]
    press = pressing()
    if where == "inside":
        others["watch"] = [press]
    else:
        optimizers[0].lr = lambda step: press() or 0.1

    def callback(epoch):
        before = signal.getsignal(signal.SIGINT)
        try:
            mg.fit(inner, **others | {"optimizer": optimizers})
        finally:
            assert signal.getsignal(signal.SIGINT) == before

    with pytest.raises(KeyboardInterrupt):
        mg.fit(outer, callbacks=[callback], **options)
    taken = 2 if where == "inside" else 3
    assert [optimizer.taken for optimizer in optimizers] == [taken, taken]
    assert options["optimizer"].taken == 4


def test_an_interrupt_is_not_lost_where_an_update_fails():
    g, options = prepared("small")

    def rate(step):
        if step == 3:
            ctrl_c()
            raise ZeroDivisionError
        return 0.1

    with pytest.raises(KeyboardInterrupt) as caught:
        mg.fit(g, **options | {"optimizer": mg.SGD(rate)})
    assert isinstance(caught.value.__context__, ZeroDivisionError)


def test_weights_go_back_to_the_best_wholly(monkeypatch):
    g, options = prepared("small")
    values, params = [], list(g.params.values())
    touch, presses = type(params[0]).touch, iter([ctrl_c])

    def pressed(param):
        next(presses, touch)(param)
        touch(param)

    monkeypatch.setattr("minigraph.param.Param.touch", pressed)
    with pytest.raises(KeyboardInterrupt):
        mg.fit(
            g, stopping=mg.EarlyStopping(2, "cost", margin=9.0),
            callbacks=[lambda epoch: values.append([param.value.copy() for param in params])], **options,
        )  # fmt: skip
    assert len(values) == 3
    assert all(np.array_equal(param.value, best) for param, best in zip(params, values[0], strict=True))
