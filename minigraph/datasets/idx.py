"""The reader of IDX files, the format of MNIST."""

from __future__ import annotations

import gzip
import math
import struct
import sys
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import DatasetError

if TYPE_CHECKING:
    if sys.version_info >= (3, 11):
        from importlib.resources.abc import Traversable
    else:
        from importlib.abc import Traversable

File: TypeAlias = "Path | Traversable"

CHUNK = 1 << 20
UNSIGNED_BYTE = 8


def read_idx(file: File, axes: int) -> NDArray[np.uint8]:
    """The unsigned bytes in an IDX file of `axes` axes, in the shape that its header states.

    A file whose name ends in `.gz` is unpacked. The sizes in the header, which may be damaged, allocate nothing: memory
    grows with what is there, and reading stops one byte beyond what the header promises.

    Raises DatasetError, naming the file and the fault: unreadable, damaged gzip, wrong magic number or element type,
    truncated, bytes left over, no elements.
    """
    try:
        with file.open("rb") as raw:
            if not file.name.endswith(".gz"):
                return _parse(raw, file, axes)
            with gzip.GzipFile(fileobj=raw) as unpacked:
                return _parse(unpacked, file, axes)
    except EOFError as fault:
        raise DatasetError(f"{file} is truncated: its gzip stream stops before the end") from fault
    except (gzip.BadGzipFile, zlib.error) as fault:
        raise DatasetError(f"{file} is not sound gzip: {fault}") from fault
    except OSError as fault:
        raise DatasetError(f"{file} can't be read: {fault.strerror or fault}") from fault


def _parse(stream: IO[bytes] | gzip.GzipFile, file: File, axes: int) -> NDArray[np.uint8]:
    header = _read(stream, 4 + 4 * axes)
    expected = bytes([0, 0, UNSIGNED_BYTE, axes])
    magic = bytes(header[:4])
    if len(magic) == 4 and magic != expected:
        if magic[:2] == expected[:2] and magic[2] != UNSIGNED_BYTE:
            raise DatasetError(
                f"{file} has elements of IDX type 0x{magic[2]:02x}, takes 0x08 (unsigned bytes): "
                f"expected the magic number {expected.hex(' ')}, got {magic.hex(' ')}"
            )
        hint = ": it is gzip, let its name end in .gz" if magic.startswith(b"\x1f\x8b") else ""
        raise DatasetError(
            f"{file} has the wrong magic number: an IDX file of unsigned bytes with {axes} axes "
            f"starts with {expected.hex(' ')}, got {magic.hex(' ')}{hint}"
        )
    if len(header) < 4 + 4 * axes:
        raise DatasetError(f"{file} is truncated: expected a header of {4 + 4 * axes} bytes, got {len(header)}")

    shape: tuple[int, ...] = struct.unpack(f">{axes}I", header[4:])
    promised = math.prod(shape)
    sizes = " x ".join(map(str, shape))
    if promised == 0:
        raise DatasetError(f"{file} is empty: its header states {sizes} elements")
    data = _read(stream, promised + 1)
    if len(data) < promised:
        raise DatasetError(f"{file} is truncated: its header promises {sizes} = {promised} bytes, got {len(data)}")
    if len(data) > promised:
        raise DatasetError(f"{file} is too long: more bytes follow the {sizes} = {promised} that its header promises")
    return np.frombuffer(data, np.uint8).reshape(shape)


def _read(stream: IO[bytes] | gzip.GzipFile, size: int) -> bytearray:
    """At most `size` bytes, in pieces: `read(size)` allocates all of a size that a damaged header made up."""
    data = bytearray()
    while len(data) < size and (piece := stream.read(min(size - len(data), CHUNK))):
        data += piece
    return data
