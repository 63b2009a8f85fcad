"""What a GPU's memory and the way to it can carry, in 60 s windows per second, and ways to cut windows there."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

CHANNELS, WINDOW, BATCH = 19, 60 * 256, 64
WINDOW_BYTES = 2 * CHANNELS * WINDOW
MOVED_BYTES = 5 * WINDOW_BYTES  # cut: int16 read and written; scaled: int16 read, float32 written


def print_limits(resident: float, ring: float) -> None:
    """The limits, and the share of them that `resident` and `ring` windows per second are."""
    there = torch.empty(1 << 29, dtype=torch.int16, device="cuda")
    copy = torch.empty_like(there)
    here = torch.empty(BATCH * CHANNELS * WINDOW, dtype=torch.int16, pin_memory=True)
    memory = 2 * there.nbytes / _seconds(lambda: copy.copy_(there))
    way = here.nbytes / _seconds(lambda: there[: here.numel()].copy_(here, non_blocking=True))
    print(f"device memory {memory / 1e9:.0f} GB/s; resident moves {resident * MOVED_BYTES / memory:.0%} of that")
    print(f"pinned to device {way / 1e9:.1f} GB/s; the ring moves {ring * WINDOW_BYTES / way:.0%} of that")


def print_cuts(recordings: int, samples: int) -> None:
    """Ways to cut a batch out of signals on the GPU, in windows per second: ours first."""
    values = torch.randint(-3000, 3000, (recordings * CHANNELS * samples,), dtype=torch.int16, device="cuda")
    every_start, sample_T = values.unfold(0, WINDOW, 1), torch.arange(WINDOW, device="cuda")
    recording_B = torch.randint(recordings, (BATCH, 1), device="cuda")
    first_B = torch.randint(samples - WINDOW, (BATCH, 1), device="cuda")
    start_BC = (recording_B * CHANNELS + torch.arange(CHANNELS, device="cuda")) * samples + first_B
    ways = {
        "rows of an unfolded view": lambda: every_start[start_BC],
        "index_select of an unfolded view": lambda: every_start.index_select(0, start_BC.flatten()),
        "an index for every sample": lambda: values[start_BC[..., None] + sample_T],
    }
    for name, cut in ways.items():
        print(f"cut by {name:<34}{BATCH / _seconds(cut):>10.0f} windows/s")


def _seconds(work: Callable[[], object]) -> float:
    times = []
    for _ in range(10):
        torch.cuda.synchronize()
        began = time.perf_counter()
        work()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return statistics.median(times)
