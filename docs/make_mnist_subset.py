"""Write the embedded part of MNIST: python docs/make_mnist_subset.py FOLDER_OF_THE_FOUR_FULL_FILES.

Of each digit, 600 training and 100 test images are taken at even distances and keep their order. The first of each
would be a biased part, since the files aren't well mixed: by nearest neighbor among the 6,000, 92.5 % of the first
5,000 test images and 96.2 % of the others are told right.
"""

import gzip
import struct
import sys
from pathlib import Path

import numpy as np

from minigraph.datasets.idx import read_idx

TARGET = Path(__file__).parents[1] / "minigraph" / "datasets" / "mnist"


def main(source: Path) -> None:
    """Read the full files in `source`, write the four small ones into the package."""
    for part, count in (("train", 600), ("t10k", 100)):
        names = f"{part}-images-idx3-ubyte.gz", f"{part}-labels-idx1-ubyte.gz"
        images, labels = read_idx(source / names[0], axes=3), read_idx(source / names[1], axes=1)
        kept = np.sort(np.concatenate([evenly(np.flatnonzero(labels == digit), count) for digit in range(10)]))
        for name, array in zip(names, (images[kept], labels[kept]), strict=True):
            header = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
            (TARGET / name).write_bytes(gzip.compress(header + array.tobytes(), 9, mtime=0))
            print(f"{name}: {array.shape}, {(TARGET / name).stat().st_size} bytes")


def evenly(indices: np.ndarray, count: int) -> np.ndarray:
    """`count` of the indices, at even distances, the first included."""
    return indices[np.arange(count) * len(indices) // count]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
