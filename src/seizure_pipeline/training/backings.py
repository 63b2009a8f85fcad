"""From signals on disk to int16 windows on the device: all signals kept there, or a ring of buffers filled ahead of use."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import pairwise
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seizure_pipeline.announcements import stop_if_asked
from seizure_pipeline.progress import ProgressMeter
from seizure_pipeline.training.stored import Signals, StoredSignal, read_values
from seizure_pipeline.training.table import WindowTable

STAGING_VALUES = 1 << 24  # 32 MB: a piece on its way to the device while the next is read


class Backing(Protocol):
    """Hands out windows in the order asked for."""

    def feed(self, rows: WindowTable, batches: Sequence[slice]) -> Iterator[Tensor]:
        """Windows int16 (B, C, T) on the device of each batch of `rows` in turn, good until the next is asked for.

        What lies past a window's valid samples is not set."""

    def close(self) -> None:
        """End every thread."""


class Resident:
    """All signals on the device as one row of int16; windows are cut there, in one operation a batch."""

    def __init__(self, stored: Sequence[StoredSignal], samples: int, device: torch.device) -> None:
        self._samples, self._channels = samples, stored[0].channels
        length = [signal.samples for signal in stored]
        values = [signal.values for signal in stored]
        self._length = torch.tensor(length, device=device)
        self._start = torch.tensor(np.cumsum([0, *values])[:-1], device=device)
        self._values = torch.empty(sum(values) + samples, dtype=torch.int16, device=device)  # the last window may be padded
        self._values[-samples:] = 0
        _load(stored, self._values)

    def feed(self, rows: WindowTable, batches: Sequence[slice]) -> Iterator[Tensor]:
        """Windows int16 (B, C, T) on the device of each batch of `rows` in turn."""
        device = self._values.device
        recording = torch.from_numpy(rows.recording).to(device).long()
        first = torch.from_numpy(rows.first_sample).to(device) + self._start[recording]
        length = self._length[recording]
        channel_C = torch.arange(self._channels, device=device)
        every_start = self._values.unfold(0, self._samples, 1)  # a view: row n holds the values from n on
        for part in batches:
            start_BC = first[part, None] + length[part, None] * channel_C
            yield every_start[start_BC]

    def close(self) -> None:
        """Give the device's memory back."""
        self._values = self._values[:0].clone()


def _load(stored: Sequence[StoredSignal], values: Tensor) -> None:
    """Copy all signals, end to end, to the start of `values`; to a GPU through two pinned buffers in turn."""
    on_gpu = values.is_cuda
    size = min(STAGING_VALUES, max(signal.values for signal in stored))
    staging = [torch.empty(size, dtype=torch.int16, pin_memory=on_gpu) for _ in range(2)]
    copied = [_event() for _ in range(2)] if on_gpu else []
    at = turn = 0
    with ProgressMeter("loading signals", len(stored), "recordings") as meter:
        for signal in stored:
            for first in range(0, signal.values, size):
                count = min(size, signal.values - first)
                piece = staging[turn][:count]
                if on_gpu:
                    copied[turn].synchronize()
                read_values(signal, first, piece.numpy())
                values[at : at + count].copy_(piece, non_blocking=on_gpu)
                if on_gpu:
                    copied[turn].record()
                at, turn = at + count, 1 - turn
            meter.advance()
            stop_if_asked()


class Ring:
    """Reused buffers, pinned for a GPU, that threads fill `ahead` batches before use; the batches keep their order."""

    def __init__(self, signals: Signals, channels: int, samples: int, device: torch.device, threads: int, ahead: int) -> None:
        self._signals, self._shape, self._device = signals, (channels, samples), device
        self._threads, self._ahead = threads, ahead
        self._idle: list[_Slot] = []  # kept between feeds: fresh pages cost more than the copies into them
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="gather")

    def feed(self, rows: WindowTable, batches: Sequence[slice]) -> Iterator[Tensor]:
        """Windows int16 (B, C, T) on the device of each batch of `rows` in turn, good until the next is asked for."""
        largest = max((part.stop - part.start for part in batches), default=0)
        slots = [self._slot(largest) for _ in range(min(self._ahead, len(batches)))]
        filling = deque(self._fill(slot, rows, part) for slot, part in zip(slots, batches, strict=False))
        try:
            for number, part in enumerate(batches):
                for filled in filling[0]:
                    filled.result()
                slot = slots[number % len(slots)]
                yield slot.on_device(part.stop - part.start)
                filling.popleft()
                if number + len(slots) < len(batches):
                    filling.append(self._fill(slot, rows, batches[number + len(slots)]))
        finally:
            unfinished = [filled for fillings in filling for filled in fillings if not filled.cancel()]
            wait(unfinished)
            self._idle.extend(slots)

    def close(self) -> None:
        """End every thread, and what they had not begun."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _slot(self, size: int) -> _Slot:
        slot = self._idle.pop() if self._idle else None
        return slot if slot is not None and slot.size >= size else _Slot((size, *self._shape), self._device)

    def _fill(self, slot: _Slot, rows: WindowTable, part: slice) -> list[Future[None]]:
        size = part.stop - part.start
        edges = [size * number // self._threads for number in range(self._threads + 1)]
        pieces = [slice(first, last) for first, last in pairwise(edges) if last > first]
        return [self._pool.submit(self._gather, slot, rows, part.start, piece) for piece in pieces]

    def _gather(self, slot: _Slot, rows: WindowTable, start: int, piece: slice) -> None:
        slot.wait_until_free()
        for place in range(piece.start, piece.stop):
            row = start + place
            out_CT = slot.array_BCT[place, :, : rows.valid_samples[row]]
            self._signals.copy(int(rows.recording[row]), int(rows.first_sample[row]), out_CT)


class _Slot:
    """One buffer of a ring; on a GPU it is free again once its copy has arrived there."""

    def __init__(self, shape: tuple[int, int, int], device: torch.device) -> None:
        self._device, self.size = device, shape[0]
        self._raw_BCT = torch.empty(shape, dtype=torch.int16, pin_memory=device.type == "cuda")
        self._copied = _event() if device.type == "cuda" else None
        self.array_BCT: NDArray[np.int16] = self._raw_BCT.numpy()

    def wait_until_free(self) -> None:
        """Wait for the copy that is under way."""
        if self._copied is not None:
            self._copied.synchronize()

    def on_device(self, size: int) -> Tensor:
        """The first `size` windows, on the device."""
        if self._copied is None:
            return self._raw_BCT[:size]
        windows_BCT = self._raw_BCT[:size].to(self._device, non_blocking=True)
        self._copied.record()
        return windows_BCT


def _event() -> torch.cuda.Event:
    """A mark in the device's queue; who waits for it sleeps."""
    return torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
