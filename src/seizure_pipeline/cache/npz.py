"""NPZ files that numpy reads and that can be mapped: members stored, array data on a multiple of 4096 bytes.

np.load ignores `mmap_mode` for NPZ and inflates whole members; a mapped window costs microseconds instead (measured:
benchmarks/window_reads.py).
"""

from __future__ import annotations

import io
import os
import struct
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.lib import format as npy
from numpy.typing import DTypeLike, NDArray

from seizure_pipeline.cache.parts import FileState, new_part, state_of

ALIGNMENT_BYTES = 4096
LOCAL_HEADER_BYTES = 30
ALIGNMENT_FIELD = 0xD935  # the ZIP extra field that names padding for alignment
ZIP64_EXTRA_BYTES = 20
FLUSHED_BYTES = 4 << 20
"""Bytes after which the disk begins to write: it does so while the next are computed, and little is left to wait for."""
ZIP64_FROM_BYTES = 2_000_000_000  # below the size from which zipfile widens a member's header unasked, 2 GiB / 1.05


@dataclass(frozen=True, slots=True)
class Member:
    """Where an array lies in its file: the first byte of its data, its shape (C order) and its type."""

    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class NpzWriter:
    """A context that writes a mappable NPZ at `path`, atomically: a reader sees the old file or the whole new one.

    On success the file is synchronised and renamed, and `state` is its state; on an error nothing of it is left. An
    OSError, a full disk say, names `path`.
    """

    state: FileState

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        self._temporary, self._file = new_part(self._path)
        self._archive = zipfile.ZipFile(self._file, "w", zipfile.ZIP_STORED, allowZip64=True)
        self._flushed = 0
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is None:
                self._publish()
        except OSError as failure:
            error = failure
        finally:
            self._remove()
        if isinstance(error, OSError) and error.filename is None and error.errno is not None:
            raise OSError(error.errno, f"{error.strerror}, while writing", str(self._path)) from error
        if error is not None and kind is None:
            raise error

    def add(self, name: str, array: NDArray[Any]) -> None:
        """Write one array as member `name`."""
        array = np.ascontiguousarray(array)
        self.add_rows(name, array.shape, array.dtype, [array])

    def add_rows(self, name: str, shape: tuple[int, ...], dtype: DTypeLike, rows: Iterable[NDArray[Any]]) -> None:
        """Write an array of `shape` in C order from consecutive pieces, such as its rows, none kept in memory.

        Raises ValueError if a piece has another type or if they do not make up the shape."""
        dtype = np.dtype(dtype)
        header = npy_header(shape, dtype)
        data_bytes = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        member, large = self._member(f"{name}.npy", len(header), data_bytes)
        written = 0
        with self._archive.open(member, "w", force_zip64=large) as file:
            file.write(header)
            for row in rows:
                if row.dtype != dtype or written + row.nbytes > data_bytes:
                    break
                file.write(np.ascontiguousarray(row).reshape(-1).view(np.uint8).data)
                written += row.nbytes
                self._begin_flush()
            else:
                if written == data_bytes:
                    return
                row = np.empty(0, dtype)
        raise ValueError(
            f"{self._path}: member {name} is {dtype} {shape}, {data_bytes} bytes; "
            f"after {written} bytes its rows went on with {row.dtype} {row.shape}"
        )

    def _member(self, name: str, header_bytes: int, data_bytes: int) -> tuple[zipfile.ZipInfo, bool]:
        """A member whose data begin on the alignment, and whether it needs the wide header."""
        member = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
        member.external_attr = 0o644 << 16
        member.file_size = header_bytes + data_bytes
        large = member.file_size >= ZIP64_FROM_BYTES
        before = self._file.tell() + LOCAL_HEADER_BYTES + len(name.encode()) + (ZIP64_EXTRA_BYTES if large else 0)
        padding = -(before + 4 + header_bytes) % ALIGNMENT_BYTES
        member.extra = struct.pack("<HH", ALIGNMENT_FIELD, padding) + bytes(padding)
        return member, large

    def _begin_flush(self) -> None:
        """Let the disk write what has gathered, without waiting. Linux does so on this advice (mm/fadvise.c), and what is
        not yet on the disk when the advice comes stays in memory for the file's readers."""
        end = self._file.tell()
        if end - self._flushed >= FLUSHED_BYTES and hasattr(os, "posix_fadvise"):  # macOS has no such advice
            os.posix_fadvise(self._file.fileno(), self._flushed, end - self._flushed, os.POSIX_FADV_DONTNEED)
            self._flushed = end

    def _publish(self) -> None:
        self._archive.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self.state = state_of(self._file)
        os.replace(self._temporary, self._path)  # before it is closed: it is locked that long

    def _remove(self) -> None:
        with suppress(OSError):  # the archive's closing lines fail too on a full disk; the file goes anyway
            self._archive.close()
        with suppress(OSError):
            self._file.close()
        self._temporary.unlink(missing_ok=True)


def write_npz(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write `arrays` to `path` as a mappable NPZ, atomically: a reader sees the old file or the whole new one."""
    with NpzWriter(path) as writer:
        for name, array in arrays.items():
            writer.add(name, array)


def locate_member(path: Path, name: str) -> Member:
    """Where array `name` of an NPZ lies; raises ValueError if it is not stored plain, KeyError if it is missing."""
    with open(path, "rb") as file, zipfile.ZipFile(file) as archive:
        return member_of(archive, file, name)


def member_of(archive: zipfile.ZipFile, file: BinaryIO, name: str) -> Member:
    """`locate_member` in an archive that is open, and `file`, the file that it is read from."""
    member = archive.getinfo(f"{name}.npy")
    if member.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{file.name}: member {name} is compressed; only stored members can be mapped")
    file.seek(member.header_offset)
    name_bytes, extra_bytes = struct.unpack("<HH", file.read(LOCAL_HEADER_BYTES)[26:30])
    file.seek(name_bytes + extra_bytes, os.SEEK_CUR)
    npy.read_magic(file)
    shape, fortran, dtype = npy.read_array_header_1_0(file)
    if fortran:
        raise ValueError(f"{file.name}: member {name} is in Fortran order; arrays here are in C order")
    return Member(file.tell(), shape, dtype)


def map_member(path: Path, name: str) -> NDArray[Any]:
    """Array `name` of a file that `write_npz` wrote, mapped read-only; raises as `locate_member` does."""
    member = locate_member(path, name)
    return np.memmap(path, member.dtype, "r", member.offset, member.shape)


def npy_header(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    """The bytes that stand before the data of an array in C order; raises TypeError for one that holds references."""
    if dtype.hasobject:
        raise TypeError(f"arrays of {dtype} hold references, not values")
    header = io.BytesIO()
    facts = npy.header_data_from_array_1_0(np.empty(0, dtype))
    npy.write_array_header_1_0(header, {**facts, "shape": shape, "fortran_order": False})
    return header.getvalue()
