"""Hostile weights and checkpoints: they are refused by name, and all stays as it was."""

import copy
import itertools
import json

import fuzzer
import numpy as np
import pytest
import rich_graphs
import victim
from safetensors.numpy import load_file, save_file

import minigraph as mg
from minigraph.errors import FileError
from minigraph.layers import BatchNorm, Dense


def normed(seed=0, dtype="float64"):
    return mg.Sequential(3, Dense(4), BatchNorm(), Dense(2), seed=seed, dtype=dtype)


@pytest.fixture
def foreign(tmp_path):
    """Weights of another seed in a file without a wiring, changed."""

    def write(change=lambda found: None, metadata=None):
        ours, path = normed(seed=1).save(tmp_path / "ours"), tmp_path / "foreign.safetensors"
        found = load_file(ours)
        change(found)
        save_file(found, path, metadata)
        return path

    return write


def test_a_foreign_file_is_no_graph_but_weights(foreign):
    for metadata in (None, {"format": "pt"}):
        path = foreign(metadata=metadata)
        with pytest.raises(FileError, match=r"foreign.safetensors' can't be loaded: .*g\.load_weights\(path\)"):
            mg.load(path)
        g = normed()
        assert g.load_weights(path) == ((), ())
        assert np.array_equal(g["dense"].layer.w.value, normed(seed=1)["dense"].layer.w.value)


def without(name):
    return lambda found: found.pop(name)


def instead(name, array):
    return lambda found: found.update({name: array})


WRONG = {
    "missing": (without("dense.w"), r"it lacks 'dense\.w'"),
    "missing statistics": (without("batch_norm.mean"), r"it lacks 'batch_norm\.mean'"),
    "extra": (instead("head.w", np.ones(2)), r"it has 'head\.w', which the graph hasn't"),
    "a long name": (instead("n" * 10_000, np.ones(2)), r"it has 'nnn"),
    "transposed": (instead("dense.w", np.ones((3, 4))), r"'dense\.w' takes .* \(4, 3\), got \(3, 4\) .*transpose it"),
    "another shape": (instead("dense.w", np.ones((4, 4))), r"'dense\.w' takes .* \(4, 3\), got \(4, 4\)"),
    "an axis more": (instead("dense_1.b", np.ones((1, 2))), r"'dense_1\.b' takes .* \(2,\), got \(1, 2\)"),
    "broadcast": (instead("dense.w", np.ones((1, 3))), r"'dense\.w' takes .* got \(1, 3\)"),
    "one number": (instead("dense_1.b", np.array(1.0)), r"'dense_1\.b' takes .* got \(\)"),
    "nothing": (instead("dense.w", np.ones((4, 0))), r"'dense\.w' takes .* got \(4, 0\)"),
    "large whole numbers": (instead("dense.b", np.full(4, 2**53 + 1)), r"'dense\.b' is of float64, which would round"),
}


@pytest.mark.parametrize("name", WRONG)
def test_files_of_weights_that_do_not_fit_are_refused_by_name(foreign, name):
    change, told = WRONG[name]
    g, path = normed(), foreign(change)
    before = victim.state(g, None)
    with pytest.raises(FileError, match=told) as caught:
        g.load_weights(path)
    assert victim.state(g, None) == before
    assert "foreign.safetensors" in str(caught.value)
    assert len(str(caught.value)) < 500


def test_numbers_are_rounded_where_that_is_asked_for_alone(foreign):
    g = normed(dtype="float32")
    with pytest.raises(FileError, match=r"is of float32, .* has it in float64: strict=False rounds it"):
        g.load_weights(foreign())
    assert g.load_weights(foreign(), strict=False) == ((), ())
    assert normed().load_weights(foreign(instead("dense.b", np.arange(4)))) == ((), ())
    assert normed().load_weights(foreign(instead("dense.b", np.arange(4, dtype="float16")))) == ((), ())


# ---- checkpoints ----


@pytest.fixture(scope="module")
def halfway(tmp_path_factory):
    """A checkpoint in the middle of an epoch, with gathered gradients and answers that wait."""
    folder = tmp_path_factory.mktemp("originals")
    rich_graphs.originals(folder)
    return (folder / "checkpoint8.safetensors").read_bytes()


def resumed(folder, data, change, key="training", stream=False):
    """Go on with a changed checkpoint: the error, with what there is before and after."""
    header, trees, payload = fuzzer.split(data)
    tree = copy.deepcopy(trees[key])
    change(tree)
    header["__metadata__"][key] = json.dumps(tree)
    path = folder / "run-000000009.safetensors"
    path.write_bytes(fuzzer.joined(header, payload))
    g, options = rich_graphs.training()
    before = victim.state(g, options)
    try:
        mg.fit(g, **options, checkpoint=folder / "run.safetensors", resume=True)
    except FileError as fault:
        return str(fault), before, victim.state(g, options)
    return None, before, victim.state(g, options)


def at(tree, *path):
    """What stands under a path in the state, through the pairs that dicts are written as."""
    value = tree["state"]
    for key in path:
        value = value["tuple"] if isinstance(value, dict) and "tuple" in value else value
        value = dict(value["dict"])[key] if isinstance(value, dict) else value[key]
    return value


def put(value, *path):
    def change(tree):
        pairs = at(tree, *path[:-1])["dict"]
        pairs[:] = [[key, there] for key, there in pairs if key != path[-1]] + [[path[-1], value]]

    return change


def swap(pairs):
    pairs[0][1], pairs[1][1] = pairs[1][1], pairs[0][1]


ADAM = ("trainer", "optimizers", 0)
FUNCTION = {"function": "numpy.sin"}
TRAININGS = {
    "a method of an optimizer": put(FUNCTION, *ADAM, "own", "move"),
    "an attribute of an optimizer": put(1, *ADAM, "own", "_layout"),
    "a number of steps": put(-1, *ADAM, "own", "taken"),
    "steps in words": put("x", *ADAM, "own", "taken"),
    "steps in parts": put(1.5, *ADAM, "own", "epochs"),
    "gathered examples": put(10**400, *ADAM, "examples"),
    "no gathered gradients": put({"dict": []}, *ADAM, "waiting"),
    "gradients that aren't there": put({"dict": []}, *ADAM, "params"),
    "other gradients": put({"dict": [[{"param": 0}, {"tuple": [1, {"dict": [["v", [1.0]]]}]}]]}, *ADAM, "params"),
    "a method of a schedule": lambda tree: at(tree, *ADAM, "rates", "lr")["dict"].append(["observe", FUNCTION]),
    "a rate in words": lambda tree: at(tree, *ADAM, "rates", "lr")["dict"].append(["now", "x"]),
    "epochs that nobody recorded": put(10**12, "trainer", "done"),
    "a place behind the end": put(7, "trainer", "position"),
    "batches without end": put(10**400, "trainer", "learned"),
    "a seed below 0": put([-1, 0], "trainer", "noise"),
    "a generator's state": put({"dict": [["bit_generator", "MT19937"]]}, "trainer", "shuffle"),
    "no generator": put(None, "trainer", "shuffle"),
    "a history of texts": put(["x"], "history"),
    "a history of words": put([{"dict": [["cost", "low"]]}], "history"),
    "answers out of nothing": put(10**12, "trainer", "tally", "first"),
    "answers of nobody": put({"dict": [[99, [1.0]]]}, "trainer", "tally", "held"),
    "answers in each other's places": lambda tree: swap(at(tree, "trainer", "tally", "held")["dict"]),
    "costs of no examples": put(-8, "trainer", "tally", "n"),
    "a method of a metric": put([{"dict": [["add", FUNCTION]]}] * 3, "trainer", "tally", "metrics"),
    "another judge": put("x", "trainer", "tally", "guessed"),
    "no best epoch": put(None, "best"),
    "a best epoch in words": put("x", "best", "value"),
    "other best weights": put({"dict": [[{"param": 0}, [1.0]]]}, "best", "kept"),
    "best statistics of others": put({"dict": [[{"layer": 1}, {"dict": [["w", [1.0]]]}]]}, "best", "statistics"),
    "an end in words": put("yes", "over"),
    "no settings": lambda tree: tree.update(settings=None),
    "no state": lambda tree: tree.pop("state"),
}


@pytest.mark.parametrize("name", TRAININGS)
def test_states_of_no_training_are_refused_and_nothing_is_changed(tmp_path, halfway, name):
    said, before, after = resumed(tmp_path, halfway, TRAININGS[name])
    assert said is not None
    assert after == before
    assert "run-000000009.safetensors' can't be loaded" in said
    assert len(said) < 500


def test_answers_that_name_no_class_are_refused(tmp_path, halfway):
    header, trees, payload = fuzzer.split(halfway)
    held = dict(at(trees["training"], "trainer", "tally", "held")["dict"])
    labels = next(row["array"] for row in held.values() if header[row["array"]]["dtype"] == "I64")
    start = header[labels]["data_offsets"][0]
    payload = payload[:start] + (2**52).to_bytes(8, "little") + payload[start + 8 :]
    said, before, after = resumed(tmp_path, fuzzer.joined(header, payload), lambda tree: None)
    assert said is not None
    assert after == before


def normal(wiring):
    return next(row for row in wiring["layers"] if row["kind"] == "BatchNorm")


WIRINGS = {
    "a method in the place of statistics": lambda w: normal(w)["statistics"].update(forward=w["params"][0][0]),
    "statistics that aren't there": lambda w: normal(w)["statistics"].clear(),
    "statistics of another shape": lambda w: normal(w)["statistics"].update(mean=w["params"][0][0]),
    "weights of another shape": lambda w: w["params"].reverse(),
    "weights twice": lambda w: w["params"].__setitem__(0, w["params"][1]),
    "weights that aren't there": lambda w: w["params"].__setitem__(-1, ["gone", "w"]),
    "a seed below 0": lambda w: w.update(seed=-1),
    "a seed in words": lambda w: w.update(entropy="x"),
    "runs below 0": lambda w: w.update(runs=-1),
    "a generator's state": lambda w: w.update(generator=None),
    "other layers": lambda w: w["nodes"][1].update(layer=-1),
}


@pytest.mark.parametrize("name", WIRINGS)
def test_checkpoints_of_odd_graphs_are_refused_and_nothing_is_changed(tmp_path, halfway, name):
    said, before, after = resumed(tmp_path, halfway, WIRINGS[name], "minigraph")
    assert said is not None
    assert after == before


def test_an_unchanged_checkpoint_goes_on(tmp_path, halfway):
    assert resumed(tmp_path, halfway, lambda tree: None)[0] is None


def test_a_refused_checkpoint_takes_nothing_from_batches_that_come_once(tmp_path):
    def begin(batches, **more):
        g = mg.Sequential(2, Dense(1), cost=mg.costs.Quadratic(), seed=0)
        options = {"optimizer": mg.SGD(0.1), "steps": 2, "seed": 1, "progress": False}
        return mg.fit(g, batches, **options, epochs=2, checkpoint=tmp_path / "run.safetensors", **more)

    def endless():
        return ({"x": np.full((1, 2), n), "t": np.ones((1, 1))} for n in itertools.count())

    begin(endless())
    path = max(tmp_path.iterdir())
    header, trees, payload = fuzzer.split(path.read_bytes())
    tree = copy.deepcopy(trees["training"])
    put("yes", "over")(tree)
    header["__metadata__"]["training"] = json.dumps(tree)
    path.write_bytes(fuzzer.joined(header, payload))
    batches = endless()
    with pytest.raises(FileError, match="something else in the place of the end"):
        begin(batches, resume=True)
    assert next(batches)["x"][0, 0] == 0


def test_an_interrupt_while_a_checkpoint_is_taken_over_leaves_all_as_it_was(tmp_path, halfway, monkeypatch):
    (tmp_path / "run-000000009.safetensors").write_bytes(halfway)
    g, options = rich_graphs.training()
    before, put_in, count = victim.state(g, options), mg.Param.value.fset, itertools.count()

    def stop(param, value):
        put_in(param, value)
        if next(count) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(mg.Param, "value", mg.Param.value.setter(stop))
    with pytest.raises(KeyboardInterrupt):
        mg.fit(g, **options, checkpoint=tmp_path / "run.safetensors", resume=True)
    assert next(count) > 3
    assert victim.state(g, options) == before
