"""A training that is killed ends, when it is resumed, as one that never was; a file that is saved is old or new."""

import random
import time

import pytest
from long_trainings import written
from processes import Process

import minigraph as mg

EVERYTHING = [
    {"kind": "rich", "dtype": "float32", "form": "arrays"},
    {"kind": "rich", "dtype": "float64", "form": "on disk"},
    {"kind": "rich", "dtype": "float32", "form": "batches"},
    {"kind": "several", "dtype": "float64", "form": "arrays"},
    {"kind": "several", "dtype": "float32", "form": "on disk"},
    {"kind": "several", "dtype": "float64", "form": "batches"},
]
NUMBERS = ("state", "history", "optimizers", "arrays", "texts")
KILLED = -9


@pytest.fixture(scope="module")
def process(tmp_path_factory):
    process = Process(tmp_path_factory.mktemp("process"))
    yield process
    process.close()


def names(training):
    return " ".join(map(str, training.values()))


def alike(left, expected):
    for number in NUMBERS:
        assert left[number] == expected[number]


def undisturbed(process, training, folder, every):
    """What a training leaves that nobody kills, and how many seconds it takes."""
    folder.mkdir()
    began = time.perf_counter()
    left = process.run(training, follow=True, checkpoint=folder / "run.safetensors", every=every)
    return left, time.perf_counter() - began


def kill(process, job, path, most, chance):
    """Begin or resume a training and kill it: after a while, or after a while since it has written something."""
    before = written(path)
    pid = process.start(**job)
    if chance.random() < 0.5:
        time.sleep(chance.uniform(0.0, most))
    else:
        until = time.perf_counter() + most
        while written(path) == before and time.perf_counter() < until:
            time.sleep(0.0005)
        time.sleep(chance.uniform(0.0, most / 8))
    process.send(pid)
    return process.ended() == KILLED


def survive(process, training, folder, every, kills, seed=0):
    """Kill trainings so many times, several times each, and compare what each leaves at the end."""
    expected, seconds = undisturbed(process, training, folder / "undisturbed", every)
    chance, done, trials = random.Random(seed), 0, 0
    while done < kills:
        trials += 1
        path = folder / str(trials) / "run.safetensors"
        path.parent.mkdir()
        job = {"training": training, "checkpoint": path, "every": every, "resume": True}
        for _ in range(chance.randint(1, 5)):
            done += kill(process, job, path, seconds, chance)
            for file in written(path)[-2:]:
                mg.load(file)
        begun = bool(written(path))
        left = process.run(**job, follow=True)
        alike(left, expected)
        assert not begun or len(left["trail"]) < len(expected["trail"])  # it went on, rather than begin anew
        assert len(list(path.parent.iterdir())) == 2
    return done


@pytest.mark.parametrize("training", [EVERYTHING[0] | {"epochs": 4}, EVERYTHING[-1] | {"epochs": 2}], ids=names)
def test_a_training_killed_at_a_few_moments_ends_as_if_nothing_had_been(process, tmp_path, training):
    assert survive(process, training, tmp_path, every=4, kills=2) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("training", EVERYTHING, ids=names)
def test_a_training_killed_at_any_moment_ends_as_if_nothing_had_been(process, tmp_path, training):
    assert survive(process, training, tmp_path, every=4, kills=10) >= 10


@pytest.mark.parametrize("kills", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_a_training_killed_while_it_writes_ends_as_if_nothing_had_been(process, tmp_path, kills):
    assert survive(process, {"kind": "big"}, tmp_path, every=1, kills=kills) >= kills


# ---- at every step of a write ----

# by every=3, with 4 batches an epoch; the third write is the first after which one is removed; each calls fsync twice
PLACES = {
    "the first temporary file is half full": ("half open", 1, []),
    "the temporary file is there": ("after open", 3, [3, 4]),
    "the temporary file is half full": ("half open", 3, [3, 4]),
    "it is not on the disk": ("before fsync", 5, [3, 4]),
    "it is on the disk": ("after fsync", 5, [3, 4]),
    "it is not in its place": ("before replace", 3, [3, 4]),
    "it is in its place": ("after replace", 3, [3, 4, 6]),
    "its folder is not on the disk": ("before fsync", 6, [3, 4, 6]),
    "its folder is on the disk": ("after fsync", 6, [3, 4, 6]),
    "the oldest is to be removed": ("before unlink", 1, [3, 4, 6]),
    "the oldest is removed": ("after unlink", 1, [4, 6]),
    "training is over and the oldest is to be removed": ("before unlink", 2, [4, 6, 8]),
}


SMALL = {"kind": "small", "epochs": 2}


@pytest.fixture(scope="module")
def expected(process, tmp_path_factory):
    return undisturbed(process, SMALL, tmp_path_factory.mktemp("expected") / "it", 3)[0]


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_training_killed_at_a_step_of_a_write_ends_as_if_nothing_had_been(
    process,
    tmp_path,
    expected,
    place,
):
    *deadly, there = place
    path = tmp_path / "run.safetensors"
    job = {"training": SMALL, "checkpoint": path, "every": 3, "resume": True}
    process.start(**job, places=[deadly])
    assert process.ended() == KILLED
    assert [file.name for file in written(path)] == [f"run-{learned:09d}.safetensors" for learned in there]
    for file in written(path):
        mg.load(file)
    alike(process.run(**job), expected)
    assert len(list(tmp_path.iterdir())) == 2


# ---- graphs ----


@pytest.mark.parametrize("kills", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_45_a_graph_saved_over_another_until_it_is_killed_is_the_old_one_or_the_new(process, tmp_path, kills):
    """Each graph has one number as all of its weights, one more than the graph before."""
    path, chance, numbers = tmp_path / "g.safetensors", random.Random(1), set()
    for done in range(kills):
        pid = process.start({"kind": "big"}, path=str(path))
        while not done and not path.exists():
            time.sleep(0.001)
        time.sleep(chance.uniform(0.02, 0.1))
        process.send(pid)
        assert process.ended() == KILLED
        (number,) = {number for param in mg.load(path).params.values() for number in set(param.value.flat)}
        numbers.add(number)
    assert len(numbers) > 1
