"""Training by several ranks: the numbers of one process, whatever the optimizer; what is refused; what ends all."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import minigraph as mg

pytest.importorskip("mpi4py", reason="mpi4py, of the extra mpi, is not installed")

HERE = Path(__file__).parent
MPIEXEC = Path(sys.executable).with_name("mpiexec")
SCRIPT = HERE / "ranks.py"
CLOSE = 1e-12
TOGETHER = ("-W", "error", "-m", "mpi4py")

pytestmark = pytest.mark.skipif(not MPIEXEC.exists(), reason="mpich, of the extra mpi, is not installed")


def command(ranks, chapter, *more, by=TOGETHER):
    start = [str(MPIEXEC), "-n", str(ranks)] if ranks else []
    return [*start, sys.executable, *by, str(SCRIPT), *map(str, (chapter, *more))]


def started(*args, **options):
    env = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command(*args, **options), env=env, start_new_session=True, **piped)


def ended(process, limit=120):
    """Its return code, and what it wrote; never hangs."""
    try:
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        pytest.fail(f"it hangs: {err}")
    return process.returncode, out, err


def run(folder, ranks, chapter, *more):
    """What chapters found, by name, with what was written to stderr."""
    out = folder / "out.json"
    code, _, err = ended(started(ranks, chapter, out, *more))
    assert code == 0, err
    return json.loads(out.read_text()), err


def apart(found, limit=CLOSE):
    """What is further apart than that, or not the same on all ranks."""
    return {name: pair for name, pair in found.items() if not pair[0] <= limit or pair[1] != 1}


def test_one_rank_does_what_fit_does_bit_for_bit(tmp_path):
    found = run(tmp_path, 0, "alike")[0]["alike"]
    assert len(found) >= 30
    assert apart(found, 0.0) == {}


@pytest.mark.parametrize("ranks", [2, 3, pytest.param(4, marks=pytest.mark.slow)])
def test_several_ranks_do_what_one_process_does(tmp_path, ranks):
    found, _ = run(tmp_path, ranks, "alike+streams+uneven")
    assert len(found["alike"]) >= 30
    assert apart(found["alike"] | found["streams"]) == {}
    assert found["uneven"] == [[2, 9.0, 3]] * ranks


def test_four_ranks_with_fewer_examples_and_rounded_numbers(tmp_path):
    found, err = run(tmp_path, 4, "rounded+mixing")
    assert apart(found["rounded"], 1e-6) == {}
    mixing = found["mixing"]
    assert apart({"normed": mixing["normed"]}) == {}
    first, *others = mixing["together"]
    assert first == mixing["alone"]
    assert not set(first).intersection(*others)
    assert len({tuple(one) for one in mixing["together"]}) == 4
    assert mixing["dropping"] == 1
    assert mixing["watching"] == [15, 0, 0, 0]
    assert mixing["watched"] <= CLOSE
    assert len(re.findall(r"\s0%\|", err)) == 1  # one bar


def test_what_is_wrong_is_raised_on_all_ranks(tmp_path):
    found = run(tmp_path, 2, "refused", tmp_path)[0]["refused"]
    said = {name: (kind, message) for name, [(kind, message), _] in found.items()}
    for name, ranks in found.items():
        if name != "callback":
            assert ranks[0] == ranks[1], name
    expected = {
        "wiring": (
            "GraphError",
            r"differ before they begin: node 'dense' is .*units=5.* on rank 0, .*units=6.* on rank 1",
        ),
        "rate": (
            "GraphError",
            r"lr of optimizer 1 is 0\.1 on rank 0, 0\.2 on rank 1; all have to run the same program",
        ),
        "memory": ("GraphError", r"taken of optimizer 1 is 0 on rank 0, 15 on rank 1"),
        "examples": ("GraphError", r"examples is 47 on rank 0, 46 on rank 1; arrays are the same on all ranks"),
        "content": ("GraphError", r"'x' in data is \d+ on rank 0, \d+ on rank 1; arrays are the same on all ranks"),
        "checked": ("GraphError", r"'t' in validation data is \d+ on rank 0, \d+ on rank 1; arrays are the same"),
        "nowhere": ("GraphError", r"got COMM_NULL as communicator"),
        "epochs": ("GraphError", r"epochs is 3 on rank 0, 5 on rank 1"),
        "a size of one": ("GraphError", r"positive whole number of batch_size, got 0"),
        "an option": ("TypeError", r"unexpected keyword argument 'speed'"),
        "of all": ("GraphError", r"positive whole number of batch_size, got 0"),
        "metric": ("GraphError", r"metric 'alone' has no merge\(other\)"),
        "callback": ("KeyError", r"a callback's own"),
        "NaN": ("GraphError", r"'cost' was not measured, or is NaN"),
        "edit": ("GraphError", r"callbacks are called on rank 0 alone"),
        "drift": ("GraphError", r"differ after epoch 1: the checksum of 'dense\.w' is \d+ on rank 0, \d+ on rank 1"),
        "communicator": ("GraphError", r"takes a communicator of mpi4py, got 'all'"),
        "folder": ("GraphError", r"there is no folder"),
        "earlier": ("GraphError", r"there are checkpoints of an earlier training"),
        "other": ("FileError", r"it is of a training with optimizer\.lr=0\.1, this one has optimizer\.lr=0\.3"),
        "room": ("OSError", r"No space left"),
        "damaged": ("FileError", r"by its header .*; moved away, it leaves the one before"),
        "nothing": ("nothing", r""),
    }
    assert said.keys() == expected.keys()
    for name, (kind, pattern) in expected.items():
        assert said[name][0] == kind, said[name]
        assert re.search(pattern, said[name][1]), said[name]


def test_any_number_of_ranks_goes_on_from_a_checkpoint(tmp_path):
    found = run(tmp_path, 3, "resuming", tmp_path)[0]["resuming"]
    assert len(found) == 10
    assert apart(found) == {}


def goes_on(folder):
    """One process goes on from what died, and ends where one that wasn't disturbed ends."""
    sys.path.insert(0, str(HERE))
    try:
        from ranks import DATA, distance, net, stream, trained
    finally:
        sys.path.remove(str(HERE))

    def endless():
        while True:
            yield from stream(True, **DATA)

    options = {"batch_size": None, "steps": 5, "epochs": 5, "metrics": [distance]}
    whole = trained(mg.fit, net(), endless(), options | {"optimizer": mg.Adam(0.05)})
    newest = max(folder.glob("run-*"))
    assert mg.load(newest).params.keys() == net().params.keys()
    kept = {"checkpoint": folder / "run.st", "resume": True, "optimizer": mg.Adam(0.05)}
    late = trained(mg.fit, net(), endless(), options | kept)
    assert max(np.abs(a - b).max() for a, b in zip(whole[0], late[0], strict=True)) <= CLOSE
    assert np.abs(whole[1]["distance"] - late[1]["distance"]).max() <= CLOSE
    assert [*folder.glob(".run-*")] == []
    return int(newest.stem[4:])


@pytest.mark.parametrize(
    ("how", "by", "said"),
    [
        ("kill", TOGETHER, "KILLED BY SIGNAL: 9|EXIT CODE: 9"),
        ("exit", TOGETHER, "rank 1 of 2 ends all:(.|\n)*SystemExit: 0"),
        ("raise", ("-W", "error"), "rank 1 of 2 ends all:(.|\n)*ValueError: no such batch"),
    ],
)
def test_a_rank_that_dies_ends_all_and_leaves_a_checkpoint(tmp_path, how, by, said):
    code, out, err = ended(started(2, "dying", tmp_path / "out", tmp_path, how, by=by), 30)
    assert code != 0
    assert re.search(said, out + err)
    assert goes_on(tmp_path) == 10


@pytest.mark.parametrize("to", [os.kill, os.killpg], ids=["mpiexec", "all of its group"])
def test_ctrl_c_ends_all(tmp_path, to):
    process = started(2, "dying", tmp_path / "out", tmp_path, "interrupt")
    deadline = time.monotonic() + 60
    while len([*tmp_path.glob("run-*")]) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    to(process.pid, signal.SIGINT)
    code, _, _ = ended(process, 30)
    assert code != 0
    assert goes_on(tmp_path) >= 2


@pytest.mark.slow
def test_examples_run_by_several_processes(tmp_path):
    examples, env = HERE.parent / "examples", os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    start = [str(MPIEXEC), "-n", "2", sys.executable, "-W", "error", "-m"]
    (tmp_path / "sweep.jsonl").write_text('{"units": 8, "lr": 0.1, "mom')  # killed as it wrote
    for job in (["mpi4py", str(examples / "train_many.py")], ["mpi4py.futures", str(examples / "sweep.py")]):
        done = subprocess.run([*start, *job], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        if "mpi4py" in job:
            assert len(set(re.findall(r"norm of all weights (.*)", done.stdout))) == 1
            assert len(re.findall(r"rank [01] of 2: 9", done.stdout)) == 2
        else:
            assert "8 trials of 8 were left" in done.stdout
    assert len([*tmp_path.glob("*.svg")]) == 4
    assert len([json.loads(line) for line in (tmp_path / "sweep.jsonl").read_text().splitlines()]) == 8
