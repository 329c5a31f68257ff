"""Trainings that go on from a checkpoint though callbacks and optimizers of one's own changed things on the way."""

from dataclasses import dataclass

import numpy as np
import pytest

import minigraph as mg
from minigraph.costs import Quadratic
from minigraph.errors import FileError, GraphError
from minigraph.layers import Dense, Dropout
from minigraph.saving.files import File

RNG = np.random.default_rng(0)
DATA = {"x": RNG.normal(size=(20, 3)), "t": RNG.normal(size=(20, 2))}
FIXED = {"batch_size": 5, "progress": False, "seed": 1}


def net(depth=1):
    return mg.Sequential(3, *(Dense(4, "tanh") for _ in range(depth)), Dense(2), cost=Quadratic(), seed=0)


def newest(folder):
    return max(folder.glob("run-*"))


def ends_alike(folder, optimizer, epochs=6, stop=3, **options):
    """Train at once, and with a stop after some epochs; compare weights and history."""
    results = []
    for stops in (None, stop):
        g = net()
        paths = {} if stops is None else {"checkpoint": folder / "run.st"}
        if stops is not None:
            mg.fit(net(), DATA, epochs=stops, optimizer=optimizer(), **paths, **options, **FIXED)
            paths["resume"] = True
        history = mg.fit(g, DATA, epochs=epochs, optimizer=optimizer(), **paths, **options, **FIXED)
        results.append(([p.value.tobytes() for p in g.params.values()], history.cost.tolist()))
    assert results[0] == results[1]


@dataclass(eq=False)
class Slower(mg.optimizers.Optimizer):
    """Its steps get smaller by what it counts in an attribute that is no field."""

    lr: float = 0.1

    def move(self, bundle, rate):
        self.t = getattr(self, "t", 0) + 1
        self.mean = getattr(self, "mean", np.zeros(2)) + 0.5
        bundle.g *= rate / (self.t + self.mean[0])


class Counting:
    """A schedule that counts its calls, however many steps were taken."""

    def __init__(self):
        self.calls = 0

    def __call__(self, n):
        self.calls += 1
        return 0.1 / self.calls


def test_what_an_optimizer_of_ones_own_remembers_is_kept(tmp_path):
    ends_alike(tmp_path, Slower)


def test_what_a_schedule_of_ones_own_remembers_is_kept(tmp_path):
    ends_alike(tmp_path, lambda: mg.SGD(Counting()))


@pytest.mark.parametrize("name", ["lr", "clip_norm"])
def test_a_number_that_a_callback_puts_in_anothers_place_is_kept(tmp_path, name):
    made = []

    def optimizer():
        made.append(mg.SGD(mg.schedules.Step(0.1, 5)))
        return made[-1]

    ends_alike(tmp_path, optimizer, callbacks=[lambda epoch: epoch.number == 2 and setattr(made[-1], name, 0.01)])


def test_the_same_optimizer_goes_on_after_a_callback_set_its_rate(tmp_path):
    g, sgd = net(), mg.SGD(0.1)
    options = {"optimizer": sgd, "checkpoint": tmp_path / "run.st", "callbacks": [lambda e: setattr(sgd, "lr", 0.05)]}
    mg.fit(g, DATA, epochs=2, **options, **FIXED)
    assert len(mg.fit(g, DATA, epochs=4, resume=True, **options, **FIXED)) == 4
    assert sgd.lr == 0.05


def test_early_stopping_goes_on_over_an_edit_of_the_graph(tmp_path):
    def edited():
        g = net()
        g.insert(Dropout(0.0), between=("dense", "dense_1"))
        return g

    def edit(epoch):
        if epoch.number == 2:
            epoch.graph.insert(Dropout(0.0), between=("dense", "dense_1"))

    options = {"optimizer": mg.SGD(0.1), "stopping": mg.EarlyStopping(9, "cost"), "checkpoint": tmp_path / "run.st"}
    g = net()
    mg.fit(g, DATA, epochs=2, callbacks=[edit], **options, **FIXED)
    again = edited()
    again["dropout"].graph._next_id = g._next_id
    history = mg.fit(again, DATA, epochs=4, resume=True, **options | {"optimizer": mg.SGD(0.1)}, **FIXED)
    assert len(history) == 4


def test_a_training_without_the_validation_of_the_one_before_is_refused(tmp_path):
    path = tmp_path / "run.st"
    mg.fit(net(), DATA, epochs=1, optimizer=mg.SGD(0.1), validation=DATA, checkpoint=path, **FIXED)
    with pytest.raises(
        FileError, match="with validation=some, this one has validation=none: give the same, or another"
    ):
        mg.fit(net(), DATA, epochs=2, optimizer=mg.SGD(0.1), checkpoint=path, resume=True, **FIXED)


def test_the_name_of_a_checkpoint_is_not_taken_for_that_of_a_training(tmp_path):
    options = {"optimizer": mg.SGD(0.1), **FIXED}
    mg.fit(net(), DATA, epochs=1, checkpoint=tmp_path / "run.st", **options)
    with pytest.raises(GraphError, match=r"is a checkpoint: give the name without the number, 'run\.st'"):
        mg.fit(net(), DATA, epochs=2, checkpoint=newest(tmp_path), resume=True, **options)


def test_the_file_of_a_training_that_ended_early_holds_the_best_weights(tmp_path):
    g, stopping = net(), mg.EarlyStopping(2, "cost", margin=9.0)
    mg.fit(g, DATA, epochs=9, optimizer=mg.SGD(0.1), stopping=stopping, checkpoint=tmp_path / "run.st", **FIXED)
    for name, param in mg.load(newest(tmp_path)).params.items():
        assert np.array_equal(param.value, g.params[name].value)


def test_arrays_of_optimizers_go_by_the_names_of_their_params(tmp_path):
    mg.fit(net(3), DATA, epochs=1, optimizer=mg.Adam(), checkpoint=tmp_path / "run.st", **FIXED)
    names = [name for name in File(newest(tmp_path)).shapes if name.endswith(".m")]
    assert len(names) == len(net(3).params)
    for param in net(3).params:
        assert sum(f".{param}." in name for name in names) == 1


def test_relative_paths_stay_where_they_were(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    move = [lambda epoch: monkeypatch.chdir(tmp_path / "elsewhere")]
    mg.fit(net(), DATA, epochs=3, optimizer=mg.SGD(0.1), checkpoint="run.st", callbacks=move, **FIXED)
    assert len(list(tmp_path.glob("run-*"))) == 2
