"""Safetensors files: written wholly or not at all, and read only where all of the header is right."""

from __future__ import annotations

import errno
import json
import math
import os
import re
import secrets
import sys
import weakref
import zlib
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save as serialized

from ..errors import FileError
from ..layers.axes import MOST_AXES
from ..param import Array

KINDS: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("float64"),
    "F32": np.dtype("float32"),
    "F16": np.dtype("float16"),
    "I64": np.dtype("int64"),
    "I32": np.dtype("int32"),
    "I16": np.dtype("int16"),
    "I8": np.dtype("int8"),
    "U64": np.dtype("uint64"),
    "U32": np.dtype("uint32"),
    "U16": np.dtype("uint16"),
    "U8": np.dtype("uint8"),
    "BOOL": np.dtype("bool"),
}
"""The dtypes of the format that numpy has, too."""

MOST = 100_000_000
"""So many bytes of a header are read by the format's programs."""

SEAL = "crc32"
"""The key of checksums in the texts of a file."""

WIRING = "minigraph"
"""The key of the wiring in a file's metadata."""


def write(
    path: str | Path, tensors: Mapping[str, Array], texts: Mapping[str, Mapping[str, Any]], family: str | None = None
) -> Path:
    """Write arrays and, as JSON with checksums, texts into a file as `store` does, and return its path."""
    rows = {
        name: np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(array.shape)
        for name, array in tensors.items()
    }
    sums = {name: zlib.crc32(row.reshape(-1).view(np.uint8).data) for name, row in rows.items()}
    data = serialized(rows, {key: _sealed(text, sums if key == WIRING else {}) for key, text in texts.items()})
    if int.from_bytes(data[:8], "little") > MOST:
        raise FileError(
            f"{str(path)!r} can't be written: names and wiring take more than the {MOST:,} bytes of a header"
        )
    return store(path, data, family)


def store(path: str | Path, data: bytes, family: str | None = None) -> Path:
    """Write bytes into a file wholly or not at all, and return its path.

    Whatever happens, the old file or the new one is there. The bytes go into a temporary file beside it, to the disk,
    and then into its place. The file keeps its permissions; where the path is a symbolic link, what it points to is
    replaced. The temporary file goes by the name of a `family` of files, if one is given. Raises OSError where the disk
    says no.
    """
    path = Path(path)
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "There is a folder", str(path))
    temporary = target.with_name(_temporary(family or target.name, secrets.token_hex(4)))
    try:
        with open(temporary, "xb") as file:
            if target.exists():
                os.chmod(temporary, target.stat().st_mode & 0o7777)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as fault:
        if os.path.lexists(temporary):
            os.unlink(temporary)
        if isinstance(fault, OSError):
            raise OSError(fault.errno, fault.strerror, str(path)) from fault
        raise
    _settle(target.parent)
    return path


def _temporary(name: str, token: str) -> str:
    if len(name) > 50:  # there is to be room for the rest, and no other file of a name that begins so
        name = f"{name[:33]}-{blake2b(os.fsencode(name), digest_size=8).hexdigest()}"
    return f".{name}.{token}.part"


def remove_leftovers(folder: Path, family: str) -> None:
    """Remove temporary files of a family, left there by processes that were killed while they wrote."""
    before, after = _temporary(family, "/").split("/")
    form = re.compile(f"{re.escape(before)}[0-9a-f]{{8}}{re.escape(after)}")
    for left in folder.iterdir():
        if form.fullmatch(left.name):
            left.unlink(missing_ok=True)


def _settle(folder: Path) -> None:
    """Have the disk take note of a new name in a folder, where the system can."""
    if os.name != "posix":
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as fault:
        if fault.errno not in (errno.EACCES, errno.EINVAL, errno.ENOTSUP):  # no reading of it, no fsync of folders
            raise


class File:
    """A safetensors file, whose header was read and found right: names, shapes and dtypes go with its size.

    Raises FileError for what is no such file, OSError where it can't be read.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        if not self.path.is_file():
            self.path.stat()  # raises FileNotFoundError, with the path
            raise FileError(f"{str(path)!r} is no file")
        handle = os.open(self.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        close = weakref.finalize(self, os.close, handle)
        # not mapped into memory, where a file that is cut off meanwhile ends the process
        self._file = os.fdopen(handle, "rb", closefd=False)
        self.metadata: dict[str, str] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.dtypes: dict[str, np.dtype[Any]] = {}
        self._places: dict[str, int] = {}
        self._sums: dict[str, int] = {}
        try:
            self._read_header(os.fstat(handle).st_size)
        except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as fault:
            close()
            raise FileError(f"{str(path)!r} is no whole safetensors file: {short(str(fault))}") from None

    def _read_header(self, size: int) -> None:
        """Read names, shapes and dtypes; raises ValueError where they don't go with the file's size."""
        begin = self._file.read(8)
        length = int.from_bytes(begin, "little")
        if begin[:2] == b"PK":
            raise ValueError("it is a zip file: of .npz, g.load_weights takes dict(numpy.load(path))")
        if length > min(MOST, size - 8):
            raise ValueError(f"it has {size:,} bytes, its header would have {length:,}")
        text = self._file.read(length).decode()
        header = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number, parse_float=_no_number)
        self.metadata = header.pop("__metadata__", {})
        if not isinstance(self.metadata, dict) or not all(isinstance(text, str) for text in self.metadata.values()):
            raise ValueError("its metadata are no texts")
        end = 0
        for name, row in sorted(header.items(), key=lambda item: tuple(item[1]["data_offsets"])):
            kind, shape, (start, stop) = row["dtype"], row["shape"], row["data_offsets"]
            if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in (start, stop, *shape)):
                raise ValueError(f"the place of {name!r:.80} is no place")
            if kind not in KINDS:
                raise ValueError(f"{name!r:.80} has dtype {kind!r:.20}, which numpy doesn't have")
            fits = len(shape) <= MOST_AXES and math.prod(shape) * KINDS[kind].itemsize == stop - start
            if start != end or not fits:
                raise ValueError(f"{name!r:.80} isn't where its shape and the other arrays put it")
            self.shapes[name], self.dtypes[name], self._places[name] = tuple(shape), KINDS[kind], 8 + length + start
            end = stop
        if 8 + length + end != size:
            raise ValueError(f"it has {size:,} bytes, by its header {8 + length + end:,}")

    def __getitem__(self, name: str) -> Array:
        """The array of that name, which is read once; raises FileError where there is none, or none any more."""
        if name not in self._places:
            raise FileError(
                f"it refers to array {name!r:.80}, which {'is taken' if name in self.shapes else 'it lacks'}"
            )
        array = np.empty(self.shapes[name], self.dtypes[name])
        self._file.seek(self._places.pop(name))
        raw = array.reshape(-1).view(np.uint8)
        if self._file.readinto(raw.data) < array.nbytes:
            raise FileError("it became shorter while it was read")
        if name in self._sums and self._sums[name] != zlib.crc32(raw.data):
            raise FileError(f"array {name!r:.80} was damaged, by its checksum")
        if array.dtype == bool and (raw > 1).any():
            raise FileError(f"it has something else than true and false in {name!r:.80}")
        return array if sys.byteorder == "little" else array.byteswap(inplace=True)

    def text(self, key: str) -> Any:
        """A text of the file's metadata, as the JSON that it is; raises FileError where there is none."""
        if key not in self.metadata:
            raise FileError(f"it has no {key!r} in its metadata: weights alone go into a graph, g.load_weights(path)")
        found = json.loads(self.metadata[key], parse_constant=_no_number)
        seal = found.pop(SEAL, None) if isinstance(found, dict) else None
        if seal is not None:
            if seal["text"] != zlib.crc32(_dumped(found)):
                raise FileError(f"its text {key!r} was damaged, by its checksum")
            self._sums |= seal["arrays"]
        return found


def _sealed(text: Mapping[str, Any], sums: Mapping[str, int]) -> str:
    return _dumped({**text, SEAL: {"text": zlib.crc32(_dumped(text)), "arrays": sums}}).decode()


def _dumped(text: Any) -> bytes:
    return json.dumps(text, separators=(",", ":")).encode()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("it names something twice")
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"it has {text:.80} in the place of a whole number")


def short(text: str) -> str:
    """A message with what a file says in it, cut off where it gets long."""
    return text if len(text) <= 300 else f"{text[:300]}…"
