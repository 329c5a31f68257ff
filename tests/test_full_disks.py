"""Files on full disks and in odd places: what was there stays whole, and what is to be said is said."""

import contextlib
import errno
import os
import re
import resource
import stat
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest
from long_trainings import newest, outcome, prepared, settled, state, written

import minigraph as mg
from minigraph.costs import Quadratic
from minigraph.layers import Dense


@contextlib.contextmanager
def small_files(size):
    """No file may become larger, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def mounted(folder):
    """Whether a small disk could be mounted there, as root can."""
    call = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(folder)]
    try:
        return subprocess.run(call, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


@pytest.fixture(params=["limit", "disk"])
def full(request, tmp_path):
    """A folder, and a context in which it has no room: by a limit of size, where no disk can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    is_disk = request.param == "disk" and mounted(folder)

    @contextlib.contextmanager
    def filled():
        if not is_disk:
            with small_files(2000):
                yield
            return
        with open(folder / "filler", "wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(1000)):
                pass
        yield
        (folder / "filler").unlink()

    yield folder, filled
    if is_disk:
        subprocess.run(["umount", str(folder)], check=True)


def names(folder):
    return sorted(file.name for file in folder.iterdir())


def net(number=None, units=64):
    """A graph; with one number as all of its weights, if one is given."""
    g = mg.Sequential(8, Dense(units, "tanh"), Dense(2), cost=Quadratic(), seed=1)
    for param in g.params.values() if number is not None else ():
        param.value = np.full(param.shape, number)
    return g


def numbers(path):
    return {number for param in mg.load(path).params.values() for number in set(param.value.flat)}


FULL = r"\[Errno (27|28)\] (File too large|No space left on device): '.*{}'"


def test_a_graph_saved_onto_a_full_disk_leaves_the_old_file_whole(full):
    folder, filled = full
    path = net(1).save(folder / "g.safetensors")
    with filled():
        there = names(folder)
        with pytest.raises(OSError, match=FULL.format("g.safetensors")):
            net(2).save(path)
        with pytest.raises(OSError, match=FULL.format("new")):
            net(2).save(folder / "new")
        assert names(folder) == there
    assert numbers(path) == {1.0}
    net(2).save(path)
    assert numbers(path) == {2.0}


@pytest.mark.parametrize("every", [None, 3])
def test_a_training_that_fills_the_disk_goes_on_when_there_is_room(full, tmp_path, every):
    folder, filled = full
    g, options = prepared("rich", epochs=4)
    mg.fit(g, checkpoint=tmp_path / "whole.st", every=every, **options)
    expected = [param.value for param in g.params.values()]
    path, history = folder / "run.st", mg.History()
    g, options = prepared("rich", epochs=4)
    states, optimizers = [], settled(options["optimizer"])
    with contextlib.ExitStack() as stack:
        room = iter(range(25))  # batches

        def watch(run):
            states.append(state(g, optimizers))
            if next(room, None) == 24:
                stack.enter_context(filled())

        with pytest.raises(OSError, match=FULL.format(r"run-0000000\d\d.st")):
            mg.fit(g, history=history, watch=[watch], checkpoint=path, every=every, **options)
        assert len(states) == (27 if every else 33)
        assert state(g, optimizers) != states[-1]  # the update is whole
        assert [row["epoch"] for row in history] == [1, 2, 3][: 2 + (not every)]
        assert [name for name in names(folder) if name != "filler"] == [file.name for file in written(path)]
        assert len(written(path)) == 2
        for file in written(path):
            mg.load(file)
    g, options = prepared("rich", epochs=4)
    history = mg.fit(g, checkpoint=path, resume=True, every=every, **options)
    for param, value in zip(g.params.values(), expected, strict=True):
        assert np.array_equal(param.value, value)
    again = outcome(g, history, settled(options["optimizer"]), path)
    g, options = prepared("rich", epochs=4)
    history = mg.fit(g, checkpoint=tmp_path / "again.st", **options)
    whole = outcome(g, history, settled(options["optimizer"]), tmp_path / "again.st")
    assert all(again[name] == whole[name] for name in whole)


# ---- places ----


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"'.*none/g'"):
        net().save(tmp_path / "none" / "g")
    assert names(tmp_path) == []


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("it")
    with pytest.raises(NotADirectoryError, match=r"'.*file/g'"):
        net().save(tmp_path / "file" / "g")
    assert (tmp_path / "file").read_text() == "it"


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path):
    (tmp_path / "g").mkdir()
    with pytest.raises(IsADirectoryError, match=f"There is a folder: {re.escape(repr(str(tmp_path / 'g')))}"):
        net().save(tmp_path / "g")
    assert names(tmp_path) == ["g"]
    assert names(tmp_path / "g") == []


@pytest.fixture
def forbidden(tmp_path):
    """A folder that may not be written to; to root nothing is forbidden, so root is nobody meanwhile."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o555)
        is_root = os.geteuid() == 0
        if is_root:
            os.seteuid(65534)
        yield Path(name)
        if is_root:
            os.seteuid(0)
        os.chmod(name, 0o755)


def test_a_folder_that_may_not_be_written_to_is_named(forbidden):
    with pytest.raises(PermissionError, match=r"Permission denied: '.*/g'"):
        net().save(forbidden / "g")
    assert names(forbidden) == []


def test_a_folder_that_denies_access_is_refused_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)
    g, options = prepared("small")
    with pytest.raises(PermissionError, match=f"Permission denied: '{tmp_path}'"):
        mg.fit(g, checkpoint=tmp_path / "run", watch=[lambda run: 1 / 0], **options)


def test_a_link_stays_and_what_it_points_to_is_replaced(tmp_path):
    (tmp_path / "far").mkdir()
    net(1).save(tmp_path / "far" / "g")
    (tmp_path / "link").symlink_to("far/g")
    (tmp_path / "link to link").symlink_to(tmp_path / "link")
    (tmp_path / "dangling").symlink_to("far/new")
    for number, name, target in ((2, "link", "g"), (3, "link to link", "g"), (4, "dangling", "new")):
        assert net(number).save(tmp_path / name) == tmp_path / name
        assert (tmp_path / name).is_symlink()
        assert numbers(tmp_path / "far" / target) == {number}
    assert names(tmp_path / "far") == ["g", "new"]


def test_checkpoints_go_into_the_folder_that_a_link_points_to(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to("far")
    g, options = prepared("small")
    mg.fit(g, checkpoint=tmp_path / "link" / "run", **options)
    assert names(tmp_path / "far") == ["run-000000028", "run-000000032"]
    g, options = prepared("small")
    mg.fit(g, checkpoint=tmp_path / "far" / "run", resume=True, watch=[lambda run: 1 / 0], **options)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o777])
def test_the_permissions_of_a_file_are_kept(tmp_path, mode):
    path = net(1).save(tmp_path / "g")
    path.chmod(mode)
    net(2).save(path)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert numbers(path) == {2}


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_new_files_have_the_permissions_that_others_have(tmp_path, mask):
    before = os.umask(mask)
    try:
        path = net().save(tmp_path / "g")
        (tmp_path / "other").touch()
        g, options = prepared("small")
        mg.fit(g, checkpoint=tmp_path / "run", **options)
    finally:
        os.umask(before)
    assert {file.stat().st_mode for file in (path, newest(tmp_path / "run"))} == {(tmp_path / "other").stat().st_mode}
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize(
    "name", ["x" * 255, "ü" * 127, "日" * 85, "ü b  c", "without", ".hidden", "a\nb", "-", "x.y.z", "~", "%s{}"]
)
def test_a_file_may_have_any_name(tmp_path, name):
    net(1).save(tmp_path / name)
    assert net(2).save(str(tmp_path / name)) == tmp_path / name
    assert numbers(tmp_path / name) == {2}
    assert names(tmp_path) == [name]


def test_a_name_that_is_too_long_is_told_and_leaves_nothing(tmp_path):
    with pytest.raises(OSError, match=r"File name too long: '.*x'"):
        net().save(tmp_path / ("x" * 256))
    assert names(tmp_path) == []


def test_names_relative_to_the_current_folder_are_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net(1).save("g")
    g, options = prepared("small")
    mg.fit(g, checkpoint="run", **options)
    assert names(tmp_path) == ["g", "run-000000028", "run-000000032"]


@pytest.mark.parametrize("number", ["EINVAL", "ENOTSUP", "EACCES"])
def test_a_folder_that_cannot_be_told_to_settle_does_not_matter(tmp_path, monkeypatch, number):
    code, sync = getattr(errno, number), os.fsync

    def fsync(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(code, "no")
        sync(handle)

    monkeypatch.setattr("os.fsync", fsync)
    net(1).save(tmp_path / "g")
    assert numbers(tmp_path / "g") == {1}
    code = errno.EIO
    with pytest.raises(OSError, match="no"):
        net(2).save(tmp_path / "g")


def test_bytes_are_on_the_disk_before_the_name_is(tmp_path, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        call = getattr(os, name)
        monkeypatch.setattr(f"os.{name}", lambda *args, call=call, name=name: (calls.append(name), call(*args))[1])
    net().save(tmp_path / "g")
    assert calls == ["fsync", "replace", "fsync"]
