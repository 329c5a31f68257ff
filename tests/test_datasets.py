import gzip
import os
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from minigraph.datasets import Mnist, mnist, one_hot
from minigraph.errors import DatasetError

EMBEDDED = Path(__file__).parents[1] / "minigraph" / "datasets" / "mnist"
FULL = os.environ.get("MINIGRAPH_DATA")
needs_full = pytest.mark.skipif(not FULL, reason="MINIGRAPH_DATA doesn't name the folder of the four full MNIST files")

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


@pytest.fixture(scope="module")
def embedded():
    return mnist()


# --- the embedded part


def test_embedded_shapes_and_ranges(embedded):
    x_train, y_train, x_test, y_test = embedded
    assert (x_train.shape, y_train.shape, x_test.shape, y_test.shape) == ((6000, 784), (6000,), (1000, 784), (1000,))
    assert (x_train.dtype, x_test.dtype, y_train.dtype, y_test.dtype) == (np.float32, np.float32, np.int64, np.int64)
    for x in (x_train, x_test):
        assert (x.min(), x.max()) == (0, 1)
        np.testing.assert_array_equal(x * 255, np.round(x * 255))


def test_embedded_is_balanced_and_mixed(embedded):
    assert np.bincount(embedded.y_train).tolist() == [600] * 10
    assert np.bincount(embedded.y_test).tolist() == [100] * 10
    for y in (embedded.y_train, embedded.y_test):
        assert min(len(set(batch)) for batch in y.reshape(-1, 50)) >= 8


def test_embedded_images_are_upright(embedded):
    images = embedded.x_train.reshape(-1, 28, 28)
    ones, sevens = images[embedded.y_train == 1], images[embedded.y_train == 7]
    rows, columns = ones.mean(axis=0).sum(axis=1), ones.mean(axis=0).sum(axis=0)
    assert (rows > 1).sum() > 1.5 * (columns > 1).sum()
    assert sevens[:, :14].sum() > 1.2 * sevens[:, 14:].sum()


def test_embedded_labels_belong_to_the_images(embedded):
    means = np.stack([embedded.x_train[embedded.y_train == digit].mean(axis=0) for digit in range(10)])
    distances = ((embedded.x_test[:, None] - means) ** 2).sum(axis=2)
    assert (distances.argmin(axis=1) == embedded.y_test).mean() > 0.78


def test_embedded_training_and_test_images_differ(embedded):
    assert len({row.tobytes() for x in (embedded.x_train, embedded.x_test) for row in x}) == 7000


def test_embedded_files_are_small_reproducible_and_licensed():
    files = {path.name: path.read_bytes() for path in EMBEDDED.iterdir()}
    packed = [f"{name}.gz" for name in (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)]
    assert sorted(files) == sorted([*packed, "LICENSE"])
    assert sum(map(len, files.values())) <= 1_300_000
    for name in packed:
        assert files[name][3:8] == bytes(5), f"{name} has a file name or a time in its gzip header"
    notice = files["LICENSE"].decode()
    for part in ("LeCun", "Cortes", "Burges", "yann.lecun.com/exdb/mnist", "licenses/by-sa/3.0", "reduced set"):
        assert part in notice


def test_calls_share_no_arrays():
    first, second = mnist(EMBEDDED), mnist(str(EMBEDDED))
    first.x_train[:] = 7
    assert second.x_train.max() == 1


def test_import_reads_no_data():
    script = """
import sys
opened = []
sys.addaudithook(lambda event, args: event == "open" and opened.append(str(args[0])))
from minigraph import datasets
imported = [name for name in opened if "ubyte" in name]
datasets.mnist()
print(len(imported), len([name for name in opened if "ubyte" in name]))
"""
    root = Path(__file__).parents[1]
    ran = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["0", "4"]


# --- all of it


@needs_full
def test_full_files():
    full = mnist(FULL)
    assert (full.x_train.shape, full.x_test.shape) == ((60000, 784), (10000, 784))
    assert np.bincount(full.y_train).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(full.y_test).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@needs_full
def test_embedded_part_is_of_the_full_files_in_their_order(embedded):
    full = mnist(FULL)
    for x, y, x_full, y_full in ((*embedded[:2], *full[:2]), (*embedded[2:], *full[2:])):
        places = {row.tobytes(): place for place, row in enumerate(x_full)}
        found = [places[row.tobytes()] for row in x]
        assert found == sorted(set(found))
        np.testing.assert_array_equal(y_full[found], y)
        assert found[-1] - found[0] > 0.99 * len(x_full)


# --- files of one's own: a small sound set, and one row a fault


def idx(array, code=8, sizes=None):
    sizes = array.shape if sizes is None else sizes
    return struct.pack(f">4B{len(sizes)}I", 0, 0, code, len(sizes), *sizes) + array.tobytes()


RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (12, 28, 28), np.uint8)
LABELS = np.arange(12, dtype=np.uint8) % 10
SMALL = {
    TRAIN_IMAGES: idx(IMAGES),
    TRAIN_LABELS: idx(LABELS),
    TEST_IMAGES: idx(IMAGES[:5]),
    TEST_LABELS: idx(LABELS[:5]),
}


def write(folder, files):
    for name, data in files.items():
        (folder / name).write_bytes(data)


@pytest.mark.parametrize("packed", [(), (TRAIN_IMAGES, TEST_LABELS), tuple(SMALL)], ids=["plain", "mixed", "gzip"])
def test_reads_plain_and_gzip(tmp_path, packed):
    write(tmp_path, {f"{n}.gz" if n in packed else n: gzip.compress(d) if n in packed else d for n, d in SMALL.items()})
    read = mnist(tmp_path)
    assert isinstance(read, Mnist)
    # division in float64, then rounded: another way to the same float32
    np.testing.assert_array_equal(read.x_train, (IMAGES.reshape(12, 784) / 255.0).astype(np.float32))
    np.testing.assert_array_equal(read.x_test, read.x_train[:5])
    assert read.y_train.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    assert read.y_test.tolist() == [0, 1, 2, 3, 4]


def test_plain_file_goes_before_gzip(tmp_path):
    write(tmp_path, {**SMALL, f"{TRAIN_LABELS}.gz": gzip.compress(idx(LABELS[::-1]))})
    assert mnist(tmp_path).y_train[0] == 0


SOUND = SMALL[TEST_IMAGES]  # 16 bytes of header, 3920 of pixels
PACKED = gzip.compress(SOUND, mtime=0)
HUGE = (2**32 - 1,) * 3

FAULTS = {
    "missing": (TRAIN_LABELS, None, f"has no file {TRAIN_LABELS} and no {TRAIN_LABELS}.gz"),
    "no bytes": (TEST_IMAGES, b"", "truncated: expected a header of 16 bytes, got 0"),
    "half a magic number": (TEST_IMAGES, SOUND[:2], "truncated: expected a header of 16 bytes, got 2"),
    "half a header": (TEST_IMAGES, SOUND[:9], "truncated: expected a header of 16 bytes, got 9"),
    "one byte short": (TEST_IMAGES, SOUND[:-1], "truncated: its header promises 5 x 28 x 28 = 3920 bytes, got 3919"),
    "header only": (TRAIN_LABELS, idx(LABELS)[:8], "truncated: its header promises 12 = 12 bytes, got 0"),
    "one byte over": (TEST_IMAGES, SOUND + b"\0", "too long: more bytes follow the 5 x 28 x 28 = 3920"),
    "labels for images": (TEST_IMAGES, idx(LABELS), "magic number: .* starts with 00 00 08 03, got 00 00 08 01"),
    "images for labels": (TEST_LABELS, SOUND, "magic number: .* starts with 00 00 08 01, got 00 00 08 03"),
    "text": (TRAIN_IMAGES, b"<!doctype html>", "wrong magic number: .* got 3c 21 64 6f$"),
    "floats": (TEST_IMAGES, idx(IMAGES, code=13), "IDX type 0x0d, takes 0x08 .* 00 00 08 03, got 00 00 0d 03"),
    "little-endian": (TEST_LABELS, b"\x01\x08\0\0\x05\0\0\0\0\1\2\3\4", "magic number: .* got 01 08 00 00"),
    "gzip without .gz": (TEST_IMAGES, PACKED, "magic number: .* got 1f 8b 08 00: it is gzip, let its name end in .gz"),
    "huge sizes": (TEST_IMAGES, idx(IMAGES, sizes=HUGE), r"truncated: its header promises .* = \d{29} bytes, got 9408"),
    "huge sizes and a zero": (TEST_IMAGES, idx(IMAGES[:0], sizes=(0, *HUGE[1:])), "is empty: its header states 0 x 42"),
    "no images": (TEST_IMAGES, idx(IMAGES[:0]), "is empty: its header states 0 x 28 x 28 elements"),
    "no labels": (TEST_LABELS, idx(LABELS[:0]), "is empty: its header states 0 elements"),
    "27 columns": (TEST_IMAGES, idx(IMAGES[:5, :, 1:]), "holds images of 28 x 27 pixels, MNIST's are 28 x 28"),
    "transposed axes": (TEST_IMAGES, idx(IMAGES[:5].T), "holds images of 28 x 5 pixels"),
    "fewer labels": (TEST_LABELS, idx(LABELS[:4]), f"holds 4 labels, but .*{TEST_IMAGES} holds 5 images"),
    "more labels": (TRAIN_LABELS, idx(RNG.integers(0, 10, 13, np.uint8)), "holds 13 labels, but .* holds 12 images"),
    "label 10": (TEST_LABELS, idx(LABELS[:5] + 6), "takes labels from 0 to 9, got 10 at index 4"),
    ".gz isn't gzip": (f"{TEST_IMAGES}.gz", SOUND, "is not sound gzip: Not a gzipped file"),
    "empty .gz": (f"{TEST_IMAGES}.gz", b"", "truncated: expected a header of 16 bytes, got 0"),
    "gzip cut in its data": (f"{TEST_IMAGES}.gz", PACKED[:900], "truncated: its gzip stream stops before the end"),
    "gzip cut in its checksum": (f"{TEST_IMAGES}.gz", PACKED[:-5], "truncated: its gzip stream stops before the end"),
    "wrong checksum": (
        f"{TEST_IMAGES}.gz",
        PACKED[:-8] + bytes(4) + PACKED[-4:],
        "is not sound gzip: CRC check failed",
    ),
    "damaged gzip": (f"{TEST_IMAGES}.gz", PACKED[:10] + b"\xff" * 99 + PACKED[109:], "is not sound gzip: Error -3"),
    "garbage after gzip": (f"{TEST_IMAGES}.gz", PACKED + b"garbage", "is not sound gzip: Not a gzipped file"),
    "short in gzip": (f"{TEST_IMAGES}.gz", gzip.compress(SOUND[:-1]), "truncated: its header promises .* got 3919"),
    "over in gzip": (f"{TEST_IMAGES}.gz", gzip.compress(SOUND + b"\0"), "too long: more bytes follow the 5 x 28 x 28"),
}


@pytest.mark.parametrize(("name", "data", "fault"), FAULTS.values(), ids=FAULTS)
def test_fault_is_named_with_its_file(tmp_path, name, data, fault):
    write(tmp_path, SMALL)
    (tmp_path / name.removesuffix(".gz")).unlink()
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(DatasetError, match=fault) as raised:
        mnist(tmp_path)
    assert str(tmp_path if data is None else tmp_path / name) in str(raised.value).split(", but ")[0]


def test_no_such_directory(tmp_path):
    for path in (tmp_path / "nowhere", Path(__file__)):
        with pytest.raises(DatasetError, match="there is no directory") as raised:
            mnist(path)
        assert str(path) in str(raised.value)


def test_unreadable_file(tmp_path, monkeypatch):
    write(tmp_path, SMALL)

    def refuse(self, *args, **kwargs):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DatasetError, match=f"{TRAIN_IMAGES} can't be read: Permission denied"):
        mnist(tmp_path)


@pytest.mark.parametrize(
    "file",
    [
        pytest.param((TEST_IMAGES, idx(IMAGES, sizes=HUGE)), id="sizes of 79 octillion bytes"),
        pytest.param((TEST_IMAGES, idx(IMAGES, sizes=(10**6, 28, 28))), id="sizes of 784 MB"),
        # 200 members of 1 MiB of zeros: 200 MiB in 200 KB
        pytest.param((f"{TEST_IMAGES}.gz", gzip.compress(SOUND) + 200 * gzip.compress(bytes(2**20))), id="gzip bomb"),
    ],
)
def test_damaged_file_takes_little_memory(tmp_path, file):
    name, data = file
    write(tmp_path, SMALL)
    (tmp_path / TEST_IMAGES).unlink()
    (tmp_path / name).write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(DatasetError):
            mnist(tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * 2**20


# --- labels


def test_one_hot():
    rows = one_hot([2, 0, 2], classes=3)
    assert rows.dtype == np.float32
    assert rows.tolist() == [[0, 0, 1], [1, 0, 0], [0, 0, 1]]
    assert one_hot(np.array([9], np.uint8)).argmax() == 9
    assert one_hot(np.zeros(0, int)).shape == (0, 10)


@pytest.mark.parametrize(
    ("labels", "classes", "fault"),
    [
        ([0, 10], 10, "takes labels from 0 to 9, got 10 at index 1"),
        ([3, -1], 10, "takes labels from 0 to 9, got -1 at index 1"),
        (np.array([0, 2**63], np.uint64), 10, "got 9223372036854775808 at index 1"),
        ([0, 3], 3, "takes labels from 0 to 2, got 3"),
        ([1.0, 2.0], 10, r"takes integer labels of shape \(n,\), got float64"),
        ([True], 10, "got bool"),
        ([[1], [2]], 10, r"of shape \(2, 1\)"),
        (3, 10, r"of shape \(\)"),
    ],
)
def test_one_hot_refuses(labels, classes, fault):
    with pytest.raises(DatasetError, match=fault):
        one_hot(labels, classes)
