"""Reading an hour of EDF (32 channels, 400 Hz) to float32 microvolts: ours, edfio and pyedflib against a plain read.

usage: python benchmarks/edf_reading.py       (writes to a temporary folder; median of seven interleaved rounds, warm)

Plain read: the file's bytes into prepared memory. Ours is timed into prepared memory, as the chain uses it, and into
fresh memory, as the other readers do.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import edfio
import numpy as np
import pyedflib
from made_files import write_edf

from seizure_pipeline.recordings import open_recording

CHANNELS, RATE_HZ, SECONDS, ROUNDS = 32, 400, 3600, 7


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hour.edf"
        write_edf(path, CHANNELS, RATE_HZ, SECONDS)
        plain = np.zeros(path.stat().st_size, np.uint8)
        prepared_CT = np.zeros((CHANNELS, RATE_HZ * SECONDS), np.float32)
        readers: dict[str, Callable[[], object]] = {
            "plain read": lambda: _plain(path, plain),
            "ours, prepared memory": lambda: _ours(path, range(CHANNELS), prepared_CT),
            "ours, 19 channels": lambda: _ours(path, range(19), prepared_CT[:19]),
            "ours, fresh memory": lambda: open_recording(path).read_uv(range(CHANNELS), 0),
            "edfio": lambda: _edfio(path),
            "pyedflib": lambda: _pyedflib(path),
        }
        _edfio_agrees(path)
        times: dict[str, list[float]] = {name: [] for name in readers}
        for _ in range(ROUNDS):
            for name, read in readers.items():
                began = time.perf_counter()
                read()
                times[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(values) for name, values in times.items()}
    ours = medians["ours, prepared memory"]
    for name, median in medians.items():
        print(f"{name:<24}{1000 * median:>8.1f} ms {median / medians['plain read']:>7.1f}x plain {median / ours:>7.1f}x ours")


def _plain(path: Path, room: np.ndarray) -> None:
    with path.open("rb", buffering=0) as file:
        file.readinto(room.data)


def _ours(path: Path, channels: range, room_CT: np.ndarray) -> None:
    with open_recording(path).reading_uv(channels, 0) as reader:
        reader.read(0, reader.n_samples, room_CT)


def _edfio(path: Path) -> np.ndarray:
    return np.stack([signal.data.astype(np.float32) for signal in edfio.read_edf(path).signals])


def _pyedflib(path: Path) -> np.ndarray:
    with pyedflib.EdfReader(str(path)) as file:
        return np.stack([file.readSignal(k).astype(np.float32) for k in range(CHANNELS)])


def _edfio_agrees(path: Path) -> None:
    np.testing.assert_allclose(open_recording(path).read_uv(range(CHANNELS), 0), _edfio(path), atol=0.01)


if __name__ == "__main__":
    main()
