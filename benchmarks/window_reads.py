"""Random reads of 60 s windows: the cache as it is, against np.load of stored and of overlapping float32 windows.

usage: python benchmarks/window_reads.py      (writes to a temporary folder; prints windows per second and ratios)
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from seizure_pipeline.cache import open_signal, write_signal
from seizure_pipeline.cache.prepare import Prepared
from seizure_pipeline.windows import Layout, WindowSettings, lay_windows

HOURS = 1
SECONDS = 3600 * HOURS
SETTINGS = WindowSettings()
READS = 200


def main() -> None:
    signal = np.random.default_rng(0).integers(-3000, 3000, (19, SECONDS * 256), dtype=np.int16)
    layout = Layout((signal.shape[1],), (0.0,))
    windows = lay_windows(layout, SETTINGS)
    with tempfile.TemporaryDirectory() as folder:
        mapped, overlapping = Path(folder) / "mapped.npz", Path(folder) / "overlapping.npz"
        ones = np.ones(19)
        write_signal(mapped, Prepared(signal, layout, 0.001, ones, ones, 0, ()), {"fingerprint": "benchmark"})
        cut = np.lib.stride_tricks.sliding_window_view(signal, 15360, axis=1)[:, ::2560].transpose(1, 0, 2)
        np.savez(overlapping, windows=cut.astype(np.float32) * 0.001)
        cached = open_signal(mapped)
        chosen = np.random.default_rng(1).integers(0, len(windows), READS)
        results = {
            "np.load of overlapping float32 windows, one per read": _rate(lambda k: _load(overlapping, k), chosen[:5]),
            "np.load of the continuous int16 signal, one per read": _rate(lambda k: _slice(mapped, k), chosen[:10]),
            "mapped cache": _rate(lambda k: cached.window(windows[k], SETTINGS), chosen),
        }
        slowest = min(results.values())
        for name, rate in results.items():
            print(f"{name:<56}{rate:>10.1f} windows/s {rate / slowest:>8.1f}x")
        sizes = [path.stat().st_size / 1e6 for path in (overlapping, mapped)]
        print(f"size of {HOURS} h: overlapping float32 {sizes[0]:.0f} MB, cache {sizes[1]:.0f} MB ({sizes[0] / sizes[1]:.1f}x)")


def _load(path: Path, number: int) -> np.ndarray:
    with np.load(path) as file:
        return file["windows"][number]


def _slice(path: Path, number: int) -> np.ndarray:
    with np.load(path) as file:
        return file["signal"][:, number * 2560 : number * 2560 + 15360].astype(np.float32)


def _rate(read: Callable[[int], np.ndarray], numbers: np.ndarray) -> float:
    read(int(numbers[0]))
    began = time.perf_counter()
    for number in numbers:
        read(int(number))
    return len(numbers) / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
