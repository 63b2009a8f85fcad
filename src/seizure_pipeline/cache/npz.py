"""NPZ files that numpy reads and that can be mapped: members stored, array data on a multiple of 4096 bytes.

np.load ignores `mmap_mode` for NPZ and inflates whole members; a mapped window costs microseconds instead (measured:
benchmarks/window_reads.py).
"""

from __future__ import annotations

import io
import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

ALIGNMENT_BYTES = 4096
LOCAL_HEADER_BYTES = 30
ALIGNMENT_FIELD = 0xD935  # the ZIP extra field that names padding for alignment
ZIP64_EXTRA_BYTES = 20
ZIP64_FROM_BYTES = 0x7FFF0000


def write_npz(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write `arrays` to `path` as a mappable NPZ, atomically: a reader sees the old file or the whole new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(temporary, "wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
                for name, array in arrays.items():
                    _write_member(archive, f"{name}.npy", np.ascontiguousarray(array))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def map_member(path: Path, name: str) -> NDArray[Any]:
    """Array `name` of a file that `write_npz` wrote, mapped read-only; raises ValueError if it is not stored plain."""
    with zipfile.ZipFile(path) as archive, open(path, "rb") as file:
        member = archive.getinfo(f"{name}.npy")
        if member.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"{path}: member {name} is compressed; only stored members can be mapped")
        file.seek(member.header_offset)
        name_bytes, extra_bytes = struct.unpack("<HH", file.read(LOCAL_HEADER_BYTES)[26:30])
        file.seek(name_bytes + extra_bytes, os.SEEK_CUR)
        npy.read_magic(file)
        shape, fortran, dtype = npy.read_array_header_1_0(file)
        return np.memmap(path, dtype, "r", file.tell(), shape, "F" if fortran else "C")


def _write_member(archive: zipfile.ZipFile, name: str, array: NDArray[Any]) -> None:
    header = io.BytesIO()
    npy.write_array_header_1_0(header, npy.header_data_from_array_1_0(array))
    member = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    member.external_attr = 0o644 << 16
    size = header.tell() + array.nbytes
    large = size >= ZIP64_FROM_BYTES
    assert archive.fp is not None
    before = archive.fp.tell() + LOCAL_HEADER_BYTES + len(name) + (ZIP64_EXTRA_BYTES if large else 0) + 4 + header.tell()
    padding = -before % ALIGNMENT_BYTES
    member.extra = struct.pack("<HH", ALIGNMENT_FIELD, padding) + bytes(padding)
    member.file_size = size
    with archive.open(member, "w", force_zip64=large) as file:
        file.write(header.getvalue())
        file.write(array.reshape(-1).view(np.uint8).data)
