"""MNIST, 28×28 gray images of handwritten digits."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DatasetError
from .idx import File, read_idx


class Mnist(NamedTuple):
    """Handwritten digits and their labels, to train and to test; unpacks into its four arrays.

    Images are rows (n, 784) of float32 from 0 (paper) to 1 (ink), each 28 rows of 28 pixels, the top row first:
    `x_train[i].reshape(28, 28)` is upright. Labels are (n,) int64, 0 to 9.
    """

    x_train: NDArray[np.float32]
    y_train: NDArray[np.int64]
    x_test: NDArray[np.float32]
    y_test: NDArray[np.int64]


def mnist(directory: str | os.PathLike[str] | None = None) -> Mnist:
    """The MNIST digits: the part that comes with the package, or all of them from the four IDX files in `directory`.

    The embedded part is 6,000 images to train and 1,000 to test, as many of each digit, spread evenly over the
    60,000 and 10,000 of the whole and in its order. `directory` holds `train-images-idx3-ubyte`,
    `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`, each so or gzipped with `.gz`
    behind the name (where both are there, the plain one is read). Every call reads anew and returns fresh arrays.

    MNIST is the work of Yann LeCun, Corinna Cortes and Christopher J.C. Burges, CC BY-SA 3.0: see `mnist/LICENSE`.

    Raises DatasetError, naming the file and the fault, where one is missing, damaged, or holds something else.
    """
    folder: File = files(__package__) / "mnist" if directory is None else Path(directory)
    if not folder.is_dir():
        raise DatasetError(
            f"there is no directory {folder}: mnist() takes the one that holds the four IDX files of MNIST"
        )
    return Mnist(*_part(folder, "train"), *_part(folder, "t10k"))


def one_hot(labels: ArrayLike, classes: int = 10) -> NDArray[np.float32]:
    """Labels (n,), integers from 0 to classes - 1, as rows (n, classes) of zeros with a one at the label.

    Raises DatasetError where labels aren't one axis of integers, or one is out of range.
    """
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise DatasetError(f"one_hot() takes integer labels of shape (n,), got {labels.dtype} of shape {labels.shape}")
    _check_range(labels, classes, "one_hot()")
    rows = np.zeros((len(labels), classes), np.float32)
    rows[np.arange(len(labels)), labels] = 1
    return rows


def _part(folder: File, part: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    images_file = _find(folder, f"{part}-images-idx3-ubyte")
    labels_file = _find(folder, f"{part}-labels-idx1-ubyte")
    images, labels = read_idx(images_file, axes=3), read_idx(labels_file, axes=1)
    n, height, width = images.shape
    if (height, width) != (28, 28):
        raise DatasetError(f"{images_file} holds images of {height} x {width} pixels, MNIST's are 28 x 28")
    if len(labels) != n:
        raise DatasetError(f"{labels_file} holds {len(labels)} labels, but {images_file} holds {n} images")
    _check_range(labels, 10, str(labels_file))
    pixels = images.reshape(n, 28 * 28)  # (n, 28, 28) -> (n, 784)
    return np.divide(pixels, 255, dtype=np.float32), labels.astype(np.int64)


def _find(folder: File, name: str) -> File:
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    raise DatasetError(f"{folder} has no file {name} and no {name}.gz")


def _check_range(labels: NDArray[np.integer[Any]], classes: int, place: str) -> None:
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(wrong):
        raise DatasetError(f"{place} takes labels from 0 to {classes - 1}, got {labels[wrong[0]]} at index {wrong[0]}")
