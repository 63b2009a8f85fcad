"""Rows of electrodes on their way to the cache: in memory, or in a scratch file where they would not fit."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

MEMORY_BYTES = 512 << 20
"""Rows that take more lie in a scratch file; 19 electrodes reach it after 7.7 hours."""
SPARE_BYTES = 128 << 20
"""Memory up to this size (1.9 hours) is kept for the next recording: the pages of fresh memory cost as much as mixing."""

Compute: TypeAlias = Callable[[NDArray[np.float32]], None]
"""compute(out_CT) writes a block of all rows to the array that it is given."""


class ElectrodeRows(Protocol):
    """float32 rows (C, T) that are filled block by block, then read one by one."""

    def put(self, first: int, n_samples: int, compute: Compute) -> None:
        """Write `n_samples` from `first` on, all rows."""

    def add(self, first: int, n_samples: int, compute: Compute) -> None:
        """Add to `n_samples` from `first` on, all rows."""

    def row(self, number: int, first: int, stop: int) -> NDArray[np.float32]:
        """Samples [first, stop) of one row."""


class RowsInMemory:
    """Rows in one array."""

    def __init__(self, rows_CT: NDArray[np.float32]) -> None:
        self._rows_CT = rows_CT

    def put(self, first: int, n_samples: int, compute: Compute) -> None:
        """Write `n_samples` from `first` on, all rows."""
        compute(self._rows_CT[:, first : first + n_samples])

    def add(self, first: int, n_samples: int, compute: Compute) -> None:
        """Add to `n_samples` from `first` on, all rows."""
        block_CT = np.empty((len(self._rows_CT), n_samples), dtype=np.float32)
        compute(block_CT)
        self._rows_CT[:, first : first + n_samples] += block_CT

    def row(self, number: int, first: int, stop: int) -> NDArray[np.float32]:
        """Samples [first, stop) of one row."""
        row_T: NDArray[np.float32] = self._rows_CT[number, first:stop]
        return row_T


class RowsOnDisk:
    """Rows in a scratch file, written and read plainly: pages of a map would count as resident memory."""

    def __init__(self, n_rows: int, n_samples: int, file: int, name: str) -> None:
        self._n_rows, self._n_samples, self._file, self._name = n_rows, n_samples, file, name

    def put(self, first: int, n_samples: int, compute: Compute) -> None:
        """Write `n_samples` from `first` on, all rows."""
        for number, row_T in enumerate(self._block(n_samples, compute)):
            self._write(number, first, row_T)

    def add(self, first: int, n_samples: int, compute: Compute) -> None:
        """Add to `n_samples` from `first` on, all rows."""
        for number, row_T in enumerate(self._block(n_samples, compute)):
            self._write(number, first, row_T + self._read(number, first, np.empty(len(row_T), np.float32)))

    def row(self, number: int, first: int, stop: int) -> NDArray[np.float32]:
        """Samples [first, stop) of one row."""
        return self._read(number, first, np.empty(stop - first, np.float32))

    def _block(self, n_samples: int, compute: Compute) -> NDArray[np.float32]:
        block_CT = np.empty((self._n_rows, n_samples), dtype=np.float32)
        compute(block_CT)
        return block_CT

    def _write(self, number: int, first: int, row_T: NDArray[np.float32]) -> None:
        rest = memoryview(np.ascontiguousarray(row_T).view(np.uint8).data)
        at = 4 * (number * self._n_samples + first)
        try:
            while rest:
                written = os.pwrite(self._file, rest, at)
                rest, at = rest[written:], at + written
        except OSError as error:
            raise OSError(
                error.errno, f"{error.strerror}, while writing the scratch file of a long recording", self._name
            ) from error

    def _read(self, number: int, first: int, out_T: NDArray[np.float32]) -> NDArray[np.float32]:
        rest = memoryview(out_T.view(np.uint8).data)
        at = 4 * (number * self._n_samples + first)
        while rest:
            n_read = os.preadv(self._file, [rest], at)
            if n_read == 0:
                raise OSError(f"{self._name}: the scratch file of a long recording was cut short at byte {at}")
            rest, at = rest[n_read:], at + n_read
        return out_T


_spare: list[NDArray[np.float32]] = []


def _take_room(n_values: int) -> NDArray[np.float32]:
    """Memory for `n_values` or more: what the last recording left, where that is enough."""
    try:
        spare = _spare.pop()  # nobody else can take the same
    except IndexError:
        return np.empty(n_values, dtype=np.float32)
    return spare if spare.size >= n_values else np.empty(n_values, dtype=np.float32)


@contextmanager
def electrode_rows(n_rows: int, n_samples: int, scratch: Path | None) -> Iterator[ElectrodeRows]:
    """Room for rows (n_rows, n_samples), beyond `MEMORY_BYTES` in a nameless file in the folder `scratch`.

    None is the system's folder for temporary files. The file has no name, so it goes with the process however that ends.
    """
    if 4 * n_rows * n_samples <= MEMORY_BYTES:
        room = _take_room(n_rows * n_samples)
        yield RowsInMemory(room[: n_rows * n_samples].reshape(n_rows, n_samples))
        if room.nbytes <= SPARE_BYTES:
            _spare[:] = [room]
        return
    folder = scratch if scratch is not None else Path(tempfile.gettempdir())
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        yield RowsOnDisk(n_rows, n_samples, file.fileno(), str(folder))
