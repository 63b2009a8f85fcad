"""Cached signals as bytes of files: where each lies, and copying windows out of them, mapped or read."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

SAMPLE_BYTES = 2


@dataclass(frozen=True, slots=True)
class StoredSignal:
    """Samples int16 (channels, samples), one channel after the other, from byte `offset` of a file.

    One step of a sample is `step_sd` robust standard deviations."""

    path: Path
    offset: int
    channels: int
    samples: int
    step_sd: float

    @property
    def values(self) -> int:
        """Samples of all channels."""
        return self.channels * self.samples

    @property
    def size_bytes(self) -> int:
        """Bytes of all samples."""
        return self.values * SAMPLE_BYTES


class Signals(Protocol):
    """Where gather threads copy windows from."""

    def copy(self, recording: int, first: int, out_CT: NDArray[np.int16]) -> None:
        """Fill `out_CT` (its rows contiguous) with the samples of all channels from sample `first` on."""


class MappedSignals:
    """Signals mapped into memory, without an open descriptor each: the fastest once the files are in memory.

    A map keeps no descriptor here; np.memmap keeps one per file, and thousands of recordings pass a limit of 1,024."""

    def __init__(self, stored: Sequence[StoredSignal]) -> None:
        self._maps = [_mapped(signal) for signal in stored]

    def copy(self, recording: int, first: int, out_CT: NDArray[np.int16]) -> None:
        """Fill `out_CT` with the samples of all channels from sample `first` on."""
        np.copyto(out_CT, self._maps[recording][:, first : first + out_CT.shape[1]])


class FileSignals:
    """Signals read from their files a window at a time: no byte more than asked for comes from the disk.

    A map that is not in memory reads seven to ten times as much, by readahead. A file is opened for every window: among
    thousands, drawn at random, few would be met again while they are open."""

    def __init__(self, stored: Sequence[StoredSignal]) -> None:
        self._stored = stored
        self._stamps = [_stamp(os.stat(signal.path)) for signal in stored]

    def copy(self, recording: int, first: int, out_CT: NDArray[np.int16]) -> None:
        """Fill `out_CT` with the samples of all channels from sample `first` on; raises OSError for a file that changed."""
        signal = self._stored[recording]
        file = os.open(signal.path, os.O_RDONLY)
        try:
            if _stamp(os.fstat(file)) != self._stamps[recording]:
                raise OSError(f"{signal.path}: changed while its windows are read; it must stay as it is")
            rows = [signal.offset + (channel * signal.samples + first) * SAMPLE_BYTES for channel in range(signal.channels)]
            _announce(file, rows, out_CT[0].nbytes)
            for offset, row_T in zip(rows, out_CT, strict=True):
                _read(file, signal.path, offset, row_T)
        finally:
            os.close(file)


def read_values(signal: StoredSignal, first: int, out: NDArray[np.int16]) -> None:
    """Fill `out` with the file's values from value `first` on, channel after channel; raises OSError if it is cut short."""
    file = os.open(signal.path, os.O_RDONLY)
    try:
        _read(file, signal.path, signal.offset + first * SAMPLE_BYTES, out)
    finally:
        os.close(file)


def _mapped(signal: StoredSignal) -> NDArray[np.int16]:
    before, odd = divmod(signal.offset, SAMPLE_BYTES)
    end = signal.offset + signal.size_bytes
    if odd or end > signal.path.stat().st_size:  # a map past the end of a file kills the process when it is read
        raise OSError(
            f"{signal.path}: {signal.size_bytes} bytes from byte {signal.offset} on cannot be mapped; the file is short"
        )
    values = torch.from_file(str(signal.path), shared=False, size=before + signal.values, dtype=torch.int16)
    array: NDArray[np.int16] = values.numpy()[before:].reshape(signal.channels, signal.samples)
    return array


def _stamp(facts: os.stat_result) -> tuple[int, int, int]:
    """What is another number when a file is replaced or written to."""
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


def _announce(file: int, offsets: Sequence[int], size: int) -> None:
    """Have the system fetch these bytes, all channels at once, and none beyond them: twice the windows of a cold disk."""
    if sys.platform == "linux":
        for offset in offsets:
            os.posix_fadvise(file, offset, size, os.POSIX_FADV_WILLNEED)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)


def _read(file: int, path: Path, offset: int, out: NDArray[np.int16]) -> None:
    view = out.data.cast("B")
    done = 0
    while done < len(view):
        count = os.preadv(file, [view[done:]], offset + done)
        if not count:
            raise OSError(f"{path}: ends at byte {offset + done}, {len(view) - done} bytes too early")
        done += count
