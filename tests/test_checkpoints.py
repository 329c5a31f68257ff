"""Checkpoints: what goes on from them, what is refused, which files are there."""

import itertools
import json
import shutil

import numpy as np
import pytest
from long_trainings import X, Y, newest, outcome, prepared, settled, written

import minigraph as mg
from minigraph.checkpoints import TRAINING
from minigraph.costs import L2, Quadratic
from minigraph.errors import FileError, GraphError
from minigraph.layers import Dense, Dropout
from minigraph.saving.files import File


class Stop(Exception):
    pass


def stopper(batches):
    """A watcher that ends training before the update of a batch."""
    counted = itertools.count(1)

    def watch(run):
        if next(counted) == batches:
            raise Stop

    return watch


def train(path=None, kind="small", stop=None, edit=None, form="arrays", folder=None, **fit):
    """Train from the start or on; what that leaves, or None where it was stopped."""
    made = {name: fit.pop(name) for name in ("seed", "dtype") if name in fit and fit.get("remake", True)}
    g, options = prepared(kind, form=form, folder=folder, **made)
    fit.pop("remake", None)
    options |= fit | ({"checkpoint": path} if path else {})
    if stop:
        options["watch"] = [stopper(stop)]
    history = mg.History()
    try:
        assert mg.fit(g, history=history, **options) is history
    except Stop:
        return None
    return outcome(g, history, settled(options["optimizer"]), path)


def alike(one, other, but=()):
    for name in one.keys() & other.keys() - set(but):
        assert one[name] == other[name], name


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda handle: None)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.safetensors"


def names(folder):
    return sorted(file.name for file in folder.iterdir())


# ---- going on ----


FORMS = [("rich", "arrays"), ("rich", "on disk"), ("rich", "batches"), ("several", "arrays")]


@pytest.mark.parametrize(("kind", "form"), FORMS)
def test_a_training_stopped_before_any_batch_goes_on_as_if_nothing_had_been(tmp_path, kind, form):
    data = {"form": form, "folder": tmp_path, "epochs": 3}
    expected, stops = train(tmp_path / "whole.st", kind, every=4, **data), (5, 12, 26)
    alike(train(None, kind, **data), expected)
    for stop in stops:
        path = tmp_path / f"{stop}.st"
        assert train(path, kind, stop, every=4, **data) is None
        if stop == 26:  # once more, at the first batch
            assert train(path, kind, 1, every=4, resume=True, **data) is None
        alike(train(path, kind, every=4, resume=True, **data), expected)


def test_each_checkpoint_is_a_graph_that_computes_what_the_one_in_training_did(path):
    predicted = {}
    g, options = prepared("rich")

    def watch(run):
        predicted[len(predicted)] = mg.predict(g, x=X)  # before the update by batch 1, 2, …

    mg.fit(g, checkpoint=path, every=5, keep=1000, **options | {"watch": [watch], "stopping": None})
    files = written(path)
    assert len(files) == 8 * 11 // 5 + 8 - 1
    for file in files[:-1]:
        learned = int(file.stem.split("-")[1])
        assert np.array_equal(mg.predict(mg.load(file), x=X), predicted[learned])
    assert np.array_equal(mg.predict(mg.load(files[-1]), x=X), mg.predict(g, x=X))


def test_a_training_that_is_over_is_at_once_over_again(path):
    expected = train(path, "rich", epochs=3)
    before = {file: file.stat().st_mtime_ns for file in written(path)}
    alike(train(path, "rich", stop=1, epochs=3, resume=True), expected)
    assert {file: file.stat().st_mtime_ns for file in written(path)} == before


def test_a_training_that_is_over_goes_on_when_it_is_given_more_epochs(path, tmp_path):
    train(path, "rich", epochs=2)
    alike(train(path, "rich", epochs=6, resume=True), train(tmp_path / "whole.st", "rich", epochs=6))


@pytest.mark.parametrize("end", ["a stop", "a callback"])
def test_a_training_that_was_ended_early_stays_ended(path, end):
    options = {"stopping": mg.EarlyStopping(2, watch="cost", margin=100.0), "callbacks": [lambda epoch: None]}
    if end == "a callback":
        options = {"callbacks": [lambda epoch: epoch.number == 2]}
    expected = train(path, epochs=9, **options)
    assert len(expected["history"]) == 3 - (end == "a callback")
    alike(train(path, stop=1, epochs=50, resume=True, **options), expected)


def test_a_graph_made_with_another_seed_gets_everything_of_the_one_before(path, tmp_path):
    expected = train(tmp_path / "whole.st", "rich")
    assert train(path, "rich", stop=30, every=4) is None
    g, options = prepared("rich", seed=77)
    g.next_seed()
    history = mg.fit(g, checkpoint=path, resume=True, **options)
    alike(outcome(g, history, [options["optimizer"]], path), expected)


def test_the_same_objects_go_on_with_what_the_file_says(path, tmp_path):
    """As in a notebook: stopped, and called once more."""
    expected = train(tmp_path / "whole.st", "rich")
    g, options = prepared("rich")
    history = mg.History()
    options |= {"checkpoint": path, "history": history}
    with pytest.raises(Stop):
        mg.fit(g, watch=[stopper(50)], **options)
    assert mg.fit(g, resume=True, **options) is history
    alike(outcome(g, history, [options["optimizer"]], path), expected)


def test_without_any_seed_a_stopped_training_goes_on_with_its_own_numbers(path, tmp_path):
    def fresh():
        return mg.Sequential(8, Dense(4, "tanh"), Dropout(0.5), Dense(2), cost=Quadratic())

    options = {"data": {"x": X, "t": Y}, "epochs": 5, "batch_size": 10, "progress": False, "every": 3}
    with pytest.raises(Stop):
        mg.fit(fresh(), optimizer=mg.Adam(), checkpoint=path, watch=[stopper(20)], **options)
    shutil.copy(newest(path), tmp_path / "again-000000018.safetensors")
    ends = []
    for name in ("run", "again"):
        g, optimizer, path = fresh(), mg.Adam(), tmp_path / f"{name}.safetensors"
        history = mg.fit(g, optimizer=optimizer, checkpoint=path, resume=True, **options)
        ends.append(outcome(g, history, [optimizer], path))
    alike(*ends)


def test_a_history_of_an_earlier_training_stays_before(path):
    history, (g, options) = mg.History(), prepared("small")
    mg.fit(g, history=history, **options)
    rows = repr(list(history))
    with pytest.raises(Stop):
        mg.fit(g, history=history, checkpoint=path, watch=[stopper(9)], **options)
    again = mg.fit(g, checkpoint=path, resume=True, **options)
    assert repr(list(again)[:8]) == rows
    assert len(again) == 16


def test_metrics_of_ones_own_remember_what_they_gathered(path, tmp_path):
    class Largest:
        name = "largest"

        def __init__(self):
            self.clear()

        def clear(self):
            self.seen = []

        def add(self, a, y):
            self.seen.append(np.abs(a - y).max(axis=0))

        def value(self):
            return float(np.max(self.seen))

    few = {"metrics": [Largest(), "r2"], "batch_size": 9, "every": 2, "epochs": 4}
    expected = train(tmp_path / "whole.st", **few)
    for stop in (7, 20):
        train(path, stop=stop, resume=True, **few)
    alike(train(path, resume=True, **few), expected)


def test_scalars_of_a_metric_stay_what_they_are(path, tmp_path):
    class Sum:
        """In the precision of a type of numbers."""

        name = "sum"

        def clear(self):
            self.total, self.room = np.float64(0), np.zeros((), np.float32)

        def add(self, a, y):
            assert type(self.total) is np.float64
            assert type(self.room) is np.ndarray
            self.room += 0.1
            self.total = (self.total + a).sum(dtype=np.float64) + self.room[()]  # Python's floats leave a in float32

        def value(self):
            return float(self.total)

    few = {"metrics": Sum(), "batch_size": 9, "every": 2, "epochs": 2}
    few["metrics"].clear()
    expected = train(tmp_path / "whole.st", **few)
    assert train(path, stop=20, **few) is None
    alike(train(path, resume=True, **few), expected)


def test_a_rate_that_a_callback_has_set_is_the_rate_that_goes_on(path, tmp_path):
    def fit(name, stop=None, resume=False):
        g, options = prepared("small")
        adam = options["optimizer"]

        def callback(epoch):
            if epoch.number == 2:
                adam.lr = 0.0001

        watch = [stopper(stop)] if stop else []
        history = mg.fit(g, checkpoint=tmp_path / name, callbacks=[callback], watch=watch, resume=resume, **options)
        return outcome(g, history, [adam], tmp_path / name)

    with pytest.raises(Stop):
        fit("run", 15)
    alike(fit("run", resume=True), fit("whole"))


def test_what_goes_wrong_in_an_iterable_on_the_way_to_its_place_is_its_own_error(path):
    train(path, form="batches", stop=20)
    g, options = prepared("small", form="batches")

    def broken():
        yield from itertools.islice(options["data"], 5)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        mg.fit(g, checkpoint=path, resume=True, **options | {"data": broken()})


def test_an_iterable_is_left_alone_where_training_is_over(path):
    train(path, form="batches")
    g, options = prepared("small", form="batches")
    history = mg.fit(g, checkpoint=path, resume=True, **options | {"data": (1 / 0 for _ in range(99))})
    assert len(history) == 8


def test_watchers_begin_anew(path):
    g, options = prepared("small")
    with pytest.raises(Stop):
        mg.fit(g, checkpoint=path, every=1, watch=[stopper(15)], **options)
    recorded = mg.GradientHistory()
    mg.fit(g, checkpoint=path, every=1, resume=True, watch=[recorded], **options)
    assert len(recorded) == 8 * 4 - 14


def test_the_weights_of_a_checkpoint_go_into_a_graph(path):
    train(path, "rich")
    g, _ = prepared("rich", seed=9)
    g.load_weights(newest(path))
    assert np.array_equal(mg.predict(g, x=X), mg.predict(mg.load(newest(path)), x=X))


def test_answers_that_were_judged_before_a_checkpoint_count(path, tmp_path, monkeypatch):
    monkeypatch.setattr("minigraph.tally.Tally.JUDGED_AT_ONCE", 25)
    every = {"every": 1, "epochs": 2}
    expected = train(tmp_path / "whole.st", "rich", **every)
    for stop in (3, 4, 8):
        train(path, "rich", stop=stop, resume=True, **every)
    alike(train(path, "rich", resume=True, **every), expected)


def test_an_optimizer_forgets_what_came_after_the_checkpoint():
    g, options = prepared("small")
    optimizer = options["optimizer"]
    before = optimizer.state(g)
    mg.fit(g, **options)
    optimizer.restore(before, g)
    assert optimizer.state(g)["params"] == {}
    assert optimizer.taken == 0


# ---- files ----


def test_keep_says_how_many_are_kept_and_the_newest_are(path):
    train(path, every=3, keep=3, epochs=3)
    assert names(path.parent) == [f"run-{learned:09d}.safetensors" for learned in (8, 9, 12)]


def test_one_after_each_epoch_without_every(path):
    train(path, keep=9, epochs=3)
    assert names(path.parent) == [f"run-{learned:09d}.safetensors" for learned in (4, 8, 12)]


@pytest.mark.parametrize("name", ["run", "run.v2.st", "ü b <c>", ".hidden", "r[1]*.x", "x" * 244 + ".s"])
def test_any_name_will_do(tmp_path, name):
    path = tmp_path / name
    if len(name) > 240:
        with pytest.raises(OSError, match="too long"):
            train(path, stop=1)  # before training begins
        path = tmp_path / name[1:]
    train(path, stop=7, every=2)
    assert len(written(path)) == 2
    alike(train(path, resume=True), train())


def test_trainings_of_names_alike_do_not_disturb_each_other(tmp_path):
    bases = ["run.st", "run-2.st", "run-000000001.st", "run", "run-.st", "x" * 60 + "1", "x" * 60 + "2"]
    left = {}
    for round in range(3):
        for seed, base in enumerate(bases):
            there = set(names(tmp_path))
            stop = None if round == 2 else 6
            found = train(tmp_path / base, stop=stop, every=2, epochs=2, remake=False, seed=seed, resume=True)
            gone = there - set(names(tmp_path))
            stem, suffix = (tmp_path / base).stem, (tmp_path / base).suffix
            assert all(name.startswith(f"{stem}-0") and name.endswith(suffix) for name in gone)
            left[base] = found
    for seed, base in enumerate(bases):
        alike(left[base], train(epochs=2, remake=False, seed=seed))
    assert len(names(tmp_path)) == 2 * len(bases)


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path):
    long = "x" * 60 + ".st"
    mine = [".run-.st.0123abcd.part", ".run-.st.ffffffff.part"]
    others = [".run-2-.st.0123abcd.part", ".run-.st.0123abcd.part2", ".run-.st.123.part", ".run.st.0123abcd.part"]
    others += ["run-.st.0123abcd.part", f".{'x' * 50}.0123abcd.part", "run-1.st", "run-00000004.st", "run-٠٠٠٠٠٠٠٠٤.st"]
    for name in mine + others:
        (tmp_path / name).touch()
    for name in ("run.st", long):
        g, options = prepared("small")
        mg.fit(g, checkpoint=tmp_path / name, **options)
    assert sorted({*names(tmp_path)} & {*mine, *others}) == sorted(others)


# ---- what is refused ----


def test_checkpoints_that_are_there_are_not_overwritten_unasked(path):
    train(path, stop=10)
    (path.parent / ".run-.safetensors.0123abcd.part").touch()  # of somebody who writes right now, perhaps
    before = names(path.parent)
    with pytest.raises(GraphError, match=r"run-000000008.safetensors' the newest: resume=True goes on from it; to beg"):
        train(path)
    assert names(path.parent) == before


class Own:
    def step(self, run):
        raise AssertionError


class Unknown(Dense):
    pass


NUMBERS = {
    "every 0": ({"every": 0}, "positive whole number as every, got 0"),
    "every 1.5": ({"every": 1.5}, "positive whole number as every, got 1.5"),
    "every True": ({"every": True}, "positive whole number as every, got True"),
    "keep 0": ({"keep": 0}, "positive whole number as keep, got 0"),
    "keep None": ({"keep": None}, "positive whole number as keep, got None"),
    "an optimizer of one's own": ({"optimizer": Own()}, "checkpoints take minigraph's optimizers"),
    "one among others": ({"optimizer": [mg.SGD(0.1), Own()]}, "checkpoints take minigraph's optimizers"),
}


@pytest.mark.parametrize(("given", "said"), NUMBERS.values(), ids=NUMBERS)
def test_numbers_and_optimizers_that_will_not_do_are_refused(path, given, said):
    g, options = prepared("small")
    with pytest.raises(GraphError, match=said):
        mg.fit(g, checkpoint=path, **options | given)
    assert names(path.parent) == []


@pytest.mark.parametrize("given", [{"every": 3}, {"resume": True}])
def test_every_and_resume_without_a_checkpoint_are_refused(given):
    with pytest.raises(GraphError, match="every and resume are about checkpoints: give a path"):
        train(**given)


def test_what_a_file_cannot_hold_is_refused_before_training(path):
    class Secretive:
        name, __slots__ = "secretive", ()
        clear = add = value = lambda *args: 0.0

    class Odd(Secretive):
        def clear(self):
            self.odd = {1, 2}

    g, options = prepared("small")
    other = mg.Sequential(8, Unknown(2), cost=Quadratic())
    with pytest.raises(GraphError, match="before Unknown is registered"):
        mg.fit(other, checkpoint=path, watch=[stopper(1)], **options)
    for metric, said in ((Secretive(), "'secretive' has no attributes"), (Odd(), r"holds numbers, .* got \{1, 2\}")):
        with pytest.raises(GraphError, match=said):
            mg.fit(g, checkpoint=path, watch=[stopper(1)], **options | {"metrics": [metric]})


def test_places_where_nothing_can_be_written_are_refused_before_training(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for path, said in (
        (tmp_path / "none" / "run", "there is no folder '.*none' to put checkpoints into: make it first"),
        (tmp_path / "file" / "run", "there is no folder '.*file' to put checkpoints into: make it first"),
        (tmp_path / "folder", "a path like 'runs/digits.safetensors', got the folder '.*folder'"),
        ("", r"a path like 'runs/digits.safetensors', got the folder '/.*'"),
    ):
        with pytest.raises(GraphError, match=said):
            train(path or ".", stop=1)


def other_wiring():
    g = mg.Sequential(8, Dense(4, "sigmoid"), Dense(2), cost=Quadratic(), dtype="float32")
    return {"graph": g}


def with_penalty():
    g, _ = prepared("small")
    g.cost(L2(0.1, of="*.w"))
    return {"graph": g}


HALF = {"x": X[:50], "t": Y[:50]}
OTHERS = {
    "batch size": (lambda: {"batch_size": 13}, "with batch_size=26, this one has batch_size=13"),
    "optimizer": (lambda: {"optimizer": mg.SGD(0.01)}, "with optimizer=Adam, this one has optimizer=SGD"),
    "rate": (lambda: {"optimizer": mg.Adam(0.02)}, "with optimizer.lr=0.01, this one has optimizer.lr=0.02"),
    "clipping": (lambda: {"optimizer": mg.Adam(0.01, clip_norm=1.0)}, "with optimizer.clip_norm=None, this"),
    "group": (
        lambda: {"optimizer": mg.Adam(0.01, groups={"*.b": {"lr": 0.0}})},
        r"has optimizer.groups=\{'\*.b': \{'lr': 0.0\}",
    ),
    "several": (lambda: {"optimizer": [mg.Adam(0.01), mg.SGD(0.1, params="x")]}, "this one has optimizer=Adam, SGD"),
    "accumulate": (lambda: {"accumulate": 2}, "with accumulate=1, this one has accumulate=2"),
    "seed": (lambda: {"seed": 6}, "with seed=5, this one has seed=6"),
    "no seed": (lambda: {"seed": None}, "with seed=5, this one has seed=None"),
    "examples": (lambda: {"data": HALF}, "with examples=103, this one has examples=50"),
    "batches": (lambda: {"data": [HALF], "batch_size": None}, "with batch_size=26, this one has batch_size=None"),
    "stopping": (
        lambda: {"stopping": mg.EarlyStopping(3, "cost")},
        r"stopping=None, this one has stopping=EarlyStopping\(pat",
    ),
    "metrics": (lambda: {"metrics": "r2"}, "with metrics=none, this one has metrics=r2"),
    "activation": (other_wiring, "of another graph: the activation of node 'dense' is \\w+ there, \\w+ here"),
    "penalty": (with_penalty, "of another graph: it has . nodes, this one ."),
    "dtype": (lambda: {"graph": prepared("small", "float64")[0]}, "of another graph: its dtype is another"),
}


@pytest.mark.parametrize(("other", "said"), OTHERS.values(), ids=OTHERS)
def test_another_training_is_refused_and_nothing_of_it_is_changed(path, other, said):
    train(path, stop=10, every=3)
    g, options = prepared("small")
    options |= {"checkpoint": path, "resume": True, "history": mg.History()} | other()
    g = options.pop("graph", g)
    before = [param.value.copy() for param in g.params.values()]
    with pytest.raises(FileError, match=f"run-000000009.safetensors' can't be loaded: it is .*{said}"):
        mg.fit(g, **options)
    assert all(np.array_equal(old, param.value) for old, param in zip(before, g.params.values(), strict=True))
    assert len(options["history"]) == settled(options["optimizer"])[0].taken == 0


def test_options_that_are_alike_in_other_words_are_the_same_training(path, tmp_path):
    g, options = prepared("small")
    options |= {"checkpoint": path, "resume": True}
    for params in (["dense.*", "dense_1.*"], {"dense.*", "dense_1.*"}):
        for seed in (5, np.int64(5)):
            assert mg.fit(g, **options | {"optimizer": mg.SGD(np.float64(0.01), params=params), "seed": seed})
        path.with_name(newest(path).name).unlink()
        options["checkpoint"] = path = tmp_path / "other"


def test_options_are_told_in_words_that_are_the_same_in_every_process(path):
    class Rate:
        def __call__(self, step):
            return 0.01

    names = ["dense.b", "dense.w", "dense_1.b", "dense_1.w"]
    train(path, optimizer=mg.SGD(Rate(), params=set(names)))
    settings = json.loads(File(newest(path)).metadata[TRAINING])["settings"]
    assert settings["optimizer.params"] == "{'dense.b', 'dense.w', 'dense_1.b', 'dense_1.w'}"
    assert settings["optimizer.lr"] == "Rate"
    for _ in range(2):  # what iterates once has no words but the name of its type
        train(path.with_name("other"), optimizer=mg.SGD(Rate(), params=iter(names)), resume=True)


def test_a_damaged_checkpoint_is_refused_and_the_one_before_serves(path):
    expected = train()
    train(path, stop=10, every=3)
    whole = newest(path).read_bytes()
    newest(path).write_bytes(whole[:-9])
    with pytest.raises(FileError, match=r"run-000000009.safetensors' is no whole safetensors file"):
        train(path, resume=True)
    newest(path).unlink()
    alike(train(path, resume=True), expected)


def test_a_saved_graph_in_the_place_of_a_checkpoint_is_refused(path):
    g, _ = prepared("small")
    g.save(path.with_name("run-000000001.safetensors"))
    with pytest.raises(FileError, match=r"it has no training in it: g.save\(…\) wrote it, not fit\(…\)"):
        train(path, resume=True)


def test_a_checkpoint_of_another_format_is_refused(path, monkeypatch):
    train(path, stop=10)
    monkeypatch.setattr("minigraph.terms.FORMAT", "2")
    with pytest.raises(FileError, match="of a training with format=1, this one has format=2"):
        train(path, resume=True)
