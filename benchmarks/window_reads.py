"""Random 60 s windows of the cache into a batch of 64, warm and cold, one thread: ours against np.load.

usage: python benchmarks/window_reads.py      (writes about 1.5 GB to a temporary folder; medians of interleaved rounds)

Ratios are to copying the same int16 bytes, window by window, from memory (warm), and to np.load of whole recordings.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from page_cache import drop_from_memory

from seizure_pipeline.cache.npz import locate_member, write_npz
from seizure_pipeline.training.stored import FileSignals, MappedSignals, Signals, StoredSignal

RECORDINGS, MINUTES, CHANNELS, RATE_HZ = 40, 20, 19, 256
SAMPLES, WINDOW, STRIDE = MINUTES * 60 * RATE_HZ, 60 * RATE_HZ, 10 * RATE_HZ
BATCH, WARM_UP_ROUNDS, WARM_ROUNDS, COLD_ROUNDS, OVERLAPPING = 64, 5, 15, 3, 4
READ_THREADS = 8
Place = tuple[int, int]
Read = Callable[[list[Place]], None]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stored, overlapping = _write_recordings(folder), _write_overlapping(folder)
        files = [*overlapping, *(signal.path for signal in stored)]
        _print("warm", _measure(_readers(stored, overlapping), WARM_ROUNDS))
        _print(f"cold, {drop_from_memory(files)}", _measure_cold(stored, overlapping, files))
        sizes = [path.stat().st_size / 1e6 for path in (overlapping[0], stored[0].path)]
        print(f"{MINUTES} min: overlapping float32 {sizes[0]:.0f} MB, cache {sizes[1]:.1f} MB, {sizes[0] / sizes[1]:.1f}x less")


def _readers(stored: list[StoredSignal], overlapping: list[Path]) -> dict[str, Read]:
    batch = np.ones((BATCH, CHANNELS, WINDOW), np.int16)  # written once: pages that are there already
    floats = np.ones((BATCH, CHANNELS, WINDOW), np.float32)
    held = np.random.default_rng(0).integers(-3000, 3000, (512, CHANNELS, WINDOW), dtype=np.int16)
    pool = ThreadPoolExecutor(READ_THREADS)

    def memcpy(places: list[Place]) -> None:
        for row, (recording, first) in enumerate(places):
            np.copyto(batch[row], held[(recording * 121 + first // STRIDE) % len(held)])

    def load_overlapping(places: list[Place]) -> None:
        for row, (recording, first) in enumerate(places):
            with np.load(overlapping[recording % OVERLAPPING]) as file:
                floats[row] = file["windows"][first // STRIDE]

    def load_whole(places: list[Place]) -> None:
        for row, (recording, first) in enumerate(places):
            with np.load(stored[recording].path) as file:
                batch[row] = file["signal"][:, first : first + WINDOW]

    def copy_from(signals: Signals, places: Sequence[Place], rows: range) -> None:
        for row in rows:
            signals.copy(*places[row], batch[row])

    def read_in_threads(places: list[Place]) -> None:
        parts = [range(start, len(places), READ_THREADS) for start in range(READ_THREADS)]
        list(pool.map(lambda rows: copy_from(read, places, rows), parts))

    mapped, read = MappedSignals(stored), FileSignals(stored)
    return {
        "memcpy": memcpy,
        "np.load of overlapping float32 windows": load_overlapping,
        "np.load of whole int16 recordings": load_whole,
        "cache, mapped": lambda places: copy_from(mapped, places, range(len(places))),
        "cache, read": lambda places: copy_from(read, places, range(len(places))),
        f"cache, read by {READ_THREADS} threads": read_in_threads,
    }


def _measure(readers: dict[str, Read], rounds: int) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in readers}
    for number in range(-WARM_UP_ROUNDS, rounds):
        for name, read in readers.items():
            took_s = _seconds_per_window(name, read, number + WARM_UP_ROUNDS)
            if number >= 0:
                times[name].append(took_s)
    return {name: 1 / statistics.median(values) for name, values in times.items()}


def _measure_cold(stored: list[StoredSignal], overlapping: list[Path], files: list[Path]) -> dict[str, float]:
    names = [name for name in _readers(stored, overlapping) if name != "memcpy"]
    times: dict[str, list[float]] = {name: [] for name in names}
    for number in range(COLD_ROUNDS):
        for name in names:
            drop_from_memory(files)  # while no map is open: mapped pages stay in memory
            times[name].append(_seconds_per_window(name, _readers(stored, overlapping)[name], number))
    return {name: 1 / statistics.median(values) for name, values in times.items()}


def _seconds_per_window(name: str, read: Read, seed: int) -> float:
    places = _places(8 if "np.load" in name else BATCH, seed)
    began = time.perf_counter()
    read(places)
    return (time.perf_counter() - began) / len(places)


def _print(label: str, rates: dict[str, float]) -> None:
    whole, memcpy = rates["np.load of whole int16 recordings"], rates.get("memcpy")
    print(label)
    for name, rate in rates.items():
        share = f"{rate / memcpy:>8.0%} of memcpy" if memcpy else ""
        print(f"  {name:<42}{rate:>9.0f} windows/s {rate / whole:>8.1f}x np.load {share}")


def _places(count: int, seed: int) -> list[Place]:
    generator = np.random.default_rng(seed)
    recordings = generator.integers(0, RECORDINGS, count)
    firsts = generator.integers(0, (SAMPLES - WINDOW) // STRIDE + 1, count) * STRIDE
    return list(zip(recordings.tolist(), firsts.tolist(), strict=True))


def _write_recordings(folder: Path) -> list[StoredSignal]:
    generator = np.random.default_rng(0)
    stored = []
    for number in range(RECORDINGS):
        path = folder / f"{number}.npz"
        write_npz(path, {"signal": generator.integers(-3000, 3000, (CHANNELS, SAMPLES), dtype=np.int16)})
        stored.append(StoredSignal(path, locate_member(path, "signal").offset, CHANNELS, SAMPLES, 0.001))
    return stored


def _write_overlapping(folder: Path) -> list[Path]:
    signal = np.random.default_rng(1).normal(size=(CHANNELS, SAMPLES)).astype(np.float32)
    cut = np.lib.stride_tricks.sliding_window_view(signal, WINDOW, axis=1)[:, ::STRIDE].transpose(1, 0, 2)
    paths = [folder / f"overlapping{number}.npz" for number in range(OVERLAPPING)]
    for path in paths:
        np.savez(path, windows=cut)
    return paths


if __name__ == "__main__":
    main()
