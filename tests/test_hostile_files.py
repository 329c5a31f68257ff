"""Damaged and hostile files: each is refused by name, or makes a sound graph; nothing else happens."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import fuzzer
import numpy as np
import pytest
import rich_graphs
from safetensors import SafetensorError, safe_open

import minigraph as mg
from minigraph.errors import FileError
from minigraph.layers import Dense
from minigraph.saving.files import File

HERE = Path(__file__).parent
SEED = 20


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


def fuzzed(folder, count, processes):
    """Have other processes read damaged files; returns how many were loaded and refused."""
    rich_graphs.originals(folder)
    share = count // processes
    starts = range(0, count, share)
    command = [sys.executable, str(HERE / "victim.py"), str(folder), str(SEED)]
    running = [subprocess.Popen([*command, str(n), str(n + share)], stdout=subprocess.PIPE) for n in starts]
    total = {"loaded": 0, "refused": 0}
    for start, process in zip(starts, running, strict=True):
        out, _ = process.communicate()
        assert process.returncode == 0, f"ended by {process.returncode} at {(folder / f'{start}' / 'at').read_text()}"
        found = json.loads(out)
        assert not found["faults"], "\n".join(found["faults"][:10])
        for key in total:
            total[key] += found[key]
    assert sum(total.values()) == count
    return total


def test_a_file_with_any_bit_of_its_arrays_or_texts_turned_is_refused(tmp_path):
    g = rich_graphs.GRAPHS["images"]()
    path = g.save(tmp_path / "net")
    data, rng = path.read_bytes(), np.random.default_rng(0)
    begin = 8 + int.from_bytes(data[:8], "little")
    texts = data.index(b'"minigraph":') + 20
    for place in [*rng.integers(begin, len(data), 60), *rng.integers(texts, texts + 1000, 20)]:
        turned = bytearray(data)
        turned[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(turned)
        with pytest.raises(FileError, match="damaged, by its checksum" if place >= begin else "net"):
            mg.load(path)


def test_some_damaged_files_are_refused_or_make_sound_graphs(tmp_path):
    total = fuzzed(tmp_path, 150, 1)
    assert total["refused"] > 75
    assert total["loaded"] > 10


@pytest.mark.slow
def test_thousands_of_damaged_files_are_refused_or_make_sound_graphs(tmp_path, capsys):
    began = time.perf_counter()
    total = fuzzed(tmp_path, 10_000, 2)
    with capsys.disabled():
        print(f"\n10,000 damaged files: {total}, {time.perf_counter() - began:.0f} s")


# ---- files ----


def test_what_is_no_file_is_refused(tmp_path, path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    for odd in (tmp_path / "fifo", tmp_path / "folder", Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(FileError, match="is no file"):
            mg.load(odd)
        with pytest.raises(FileError, match="is no file"):
            rich_graphs.dense().load_weights(odd)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    for missing in ("gone", "loop", "nowhere", "n" * 5000, "folder/x/y"):
        with pytest.raises(OSError):  # noqa: PT011 - each has a kind of its own
            mg.load(tmp_path / missing)


def test_a_link_to_a_file_is_that_file(tmp_path, path):
    (tmp_path / "link").symlink_to(rich_graphs.dense().save(path))
    assert mg.load(tmp_path / "link").name == "dense"


def test_a_file_that_may_not_be_read_is_no_missing_file(path, monkeypatch):
    rich_graphs.dense().save(path)
    path.chmod(0)
    nobody = os.geteuid() == 0
    if nobody:
        os.seteuid(65534)
    try:
        with pytest.raises(PermissionError):
            mg.load(path)
    finally:
        if nobody:
            os.seteuid(0)


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"\0" * 8, b"\2\0\0\0\0\0\0\0", b"\xff" * 8, b"\xff" * 4096, b"\0" * 4096]
)
def test_files_of_almost_nothing_are_refused(path, data):
    path.write_bytes(data)
    with pytest.raises(FileError, match=r"net.safetensors' is no whole safetensors file: .* bytes|Expecting"):
        mg.load(path)


def test_the_file_of_no_arrays_has_no_wiring(path):
    path.write_bytes(b"\2\0\0\0\0\0\0\0{}")
    with pytest.raises(
        FileError, match=r"no 'minigraph' in its metadata: weights alone go into a graph, g\.load_weights"
    ):
        mg.load(path)


CUT = """
import os, sys
import minigraph as mg
from minigraph.saving.files import File

path, header = sys.argv[1], File._read_header

def cut(self, size):
    header(self, size)
    os.truncate(self.path, to % size)

File._read_header = cut
whole = open(path, "rb").read()
for to in (0, 3, 1000, -8):
    open(path, "wb").write(whole)
    try:
        mg.load(path)
    except mg.errors.FileError as fault:
        print(fault)
"""


def test_a_file_that_is_cut_off_while_it_is_read_is_refused(path):
    mg.Sequential(4, Dense(2000), seed=0).save(path)
    done = subprocess.run([sys.executable, "-c", CUT, str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.returncode
    assert done.stdout.count("became shorter while it was read") == 4


def test_a_file_that_grows_or_is_replaced_while_it_is_read_is_read_as_it_was(path, monkeypatch):
    g, header = mg.Sequential(4, Dense(3), seed=0), File._read_header
    other = mg.Sequential(4, Dense(3), seed=1).save(path.with_name("other"))
    for change in (lambda: path.write_bytes(path.read_bytes() + b"more"), lambda: other.replace(path)):
        g.save(path)
        monkeypatch.setattr(File, "_read_header", lambda *given, change=change: (header(*given), change()))
        assert np.array_equal(mg.load(path)["dense"].layer.w.value, g["dense"].layer.w.value)


def test_what_is_taken_for_a_safetensors_file_is_one_to_other_programs(tmp_path, path):
    rich_graphs.originals(tmp_path)
    data, found = (tmp_path / "weights.safetensors").read_bytes(), {"taken": 0, "refused": 0}
    for number in range(250):
        path.write_bytes(fuzzer.damaged(data, SEED + 1, number))
        try:
            ours = File(path)
        except FileError:
            ours = None
        try:
            with safe_open(path, framework="np") as theirs:
                shapes = {name: tuple(theirs.get_slice(name).get_shape()) for name in theirs.keys()}  # noqa: SIM118
                if ours is not None:
                    assert ours.shapes == shapes
                    assert all(ours[name].tobytes() == theirs.get_tensor(name).tobytes() for name in shapes)
        except (SafetensorError, OSError):
            assert ours is None, number
        found["refused" if ours is None else "taken"] += 1
    assert min(found.values()) > 20
