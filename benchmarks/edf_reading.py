"""Reading an hour of EDF (32 channels, 400 Hz) to float32 microvolts: ours, edfio and pyedflib against a plain read.

usage: python benchmarks/edf_reading.py       (writes to a temporary folder; median of seven interleaved rounds, warm)

Prepared memory: the result is written where pages are already there, as the chain does it; plain is the file's bytes so.
Fresh memory: the result is newly allocated; plain is np.fromfile. Like is compared to like.
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
        prepared: dict[str, Callable[[], object]] = {
            "plain": lambda: _plain(path, plain),
            "ours": lambda: _ours(path, range(CHANNELS), prepared_CT),
            "ours, 19 channels": lambda: _ours(path, range(19), prepared_CT[:19]),
            "edfio": lambda: _edfio_into(path, prepared_CT),
            "pyedflib": lambda: _pyedflib_into(path, prepared_CT),
        }
        fresh: dict[str, Callable[[], object]] = {
            "plain": lambda: np.fromfile(path, np.uint8),
            "ours": lambda: open_recording(path).read_uv(range(CHANNELS), 0),
            "edfio": lambda: _edfio(path),
            "pyedflib": lambda: _pyedflib(path),
        }
        _edfio_agrees(path)
        memories = {"prepared": prepared, "fresh": fresh}
        times = {(memory, name): list[float]() for memory, readers in memories.items() for name in readers}
        for _ in range(ROUNDS):
            for (memory, name), taken_s in times.items():
                began = time.perf_counter()
                memories[memory][name]()
                taken_s.append(time.perf_counter() - began)
    medians = {place: statistics.median(values) for place, values in times.items()}
    for (memory, name), median in medians.items():
        to_plain, to_ours = median / medians[memory, "plain"], median / medians[memory, "ours"]
        print(f"{memory:<10}{name:<20}{1000 * median:>8.1f} ms {to_plain:>7.1f}x plain {to_ours:>7.1f}x ours")


def _plain(path: Path, room: np.ndarray) -> None:
    with path.open("rb", buffering=0) as file:
        file.readinto(room.data)


def _ours(path: Path, channels: range, room_CT: np.ndarray) -> None:
    with open_recording(path).reading_uv(channels, 0) as reader:
        reader.read(0, reader.n_samples, room_CT)


def _edfio_into(path: Path, room_CT: np.ndarray) -> None:
    for signal, room_T in zip(edfio.read_edf(path).signals, room_CT, strict=True):
        room_T[:] = signal.data


def _pyedflib_into(path: Path, room_CT: np.ndarray) -> None:
    with pyedflib.EdfReader(str(path)) as file:
        for channel, room_T in enumerate(room_CT):
            room_T[:] = file.readSignal(channel)


def _edfio(path: Path) -> np.ndarray:
    return np.stack([signal.data.astype(np.float32) for signal in edfio.read_edf(path).signals])


def _pyedflib(path: Path) -> np.ndarray:
    with pyedflib.EdfReader(str(path)) as file:
        return np.stack([file.readSignal(k).astype(np.float32) for k in range(CHANNELS)])


def _edfio_agrees(path: Path) -> None:
    np.testing.assert_allclose(open_recording(path).read_uv(range(CHANNELS), 0), _edfio(path), atol=0.01)


if __name__ == "__main__":
    main()
