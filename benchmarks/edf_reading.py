"""Reading an hour of EDF (32 channels, 400 Hz) to float32 microvolts: ours against pyedflib and edfio.

usage: python benchmarks/edf_reading.py       (writes to a temporary folder; median of five interleaved rounds)
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import edfio
import numpy as np
import pyedflib

from seizure_pipeline.recordings import open_recording

CHANNELS, RATE_HZ, SECONDS, ROUNDS = 32, 400, 3600, 5


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hour.edf"
        noise = np.random.default_rng(0).normal(0, 50, RATE_HZ * SECONDS)
        signals = [
            edfio.EdfSignal(
                np.roll(noise, 997 * k), RATE_HZ, label=f"C{k}", physical_dimension="uV", physical_range=(-800, 800)
            )
            for k in range(CHANNELS)
        ]
        edfio.Edf(signals).write(path)
        readers = {"pyedflib": _pyedflib, "edfio": _edfio, "ours": _ours}
        times: dict[str, list[float]] = {name: [] for name in readers}
        for _ in range(ROUNDS):
            for name, read in readers.items():
                began = time.perf_counter()
                read(path)
                times[name].append(time.perf_counter() - began)
        medians = {name: statistics.median(values) for name, values in times.items()}
        for name, median in medians.items():
            print(f"{name:<10}{1000 * median:>9.0f} ms {medians['pyedflib'] / median:>7.1f}x")


def _ours(path: Path) -> np.ndarray:
    return open_recording(path).read_uv(range(CHANNELS), 0)


def _edfio(path: Path) -> np.ndarray:
    return np.stack([signal.data.astype(np.float32) for signal in edfio.read_edf(path).signals])


def _pyedflib(path: Path) -> np.ndarray:
    with pyedflib.EdfReader(str(path)) as file:
        return np.stack([file.readSignal(k).astype(np.float32) for k in range(CHANNELS)])


if __name__ == "__main__":
    main()
