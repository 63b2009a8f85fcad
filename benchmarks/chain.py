"""EDF to cached file, the whole chain on an hour (32 channels, 400 Hz): ours against the way it is commonly written.

usage: python benchmarks/chain.py       (writes to a temporary folder; one thread a process)

Common way: pyedflib, resample_poly, sosfiltfilt, z-score, overlapping float32 windows of 60 s every 10 s, np.savez or
np.savez_compressed. Both take the 19 electrodes of the file. Ours and np.savez: medians of five interleaved rounds; the
compressed form is one run. Then hours of EEG per second with one process and with two, medians of three rounds.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyedflib
import torch
from made_files import write_edf
from scipy import signal

from seizure_pipeline.cache.chains import chain_fingerprint
from seizure_pipeline.cache.facts import Origin, Source
from seizure_pipeline.cache.fill import Job, fill
from seizure_pipeline.corpora.listing import facts_of
from seizure_pipeline.montage import MontageSettings
from seizure_pipeline.recordings import open_recording
from seizure_pipeline.signals import SignalSettings

RATE_HZ, ROUNDS, FILES = 400, 5, 12


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        edf, out = Path(folder) / "hour.edf", Path(folder)
        write_edf(edf, 32, RATE_HZ, 3600)
        ways: dict[str, Callable[[], Path]] = {
            "ours": lambda: ours(edf, out / "ours.npz"),
            "common": lambda: common(edf, out / "common.npz", np.savez),
        }
        ours(edf, out / "ours.npz")
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, way in ways.items():
                (out / f"{name}.npz").unlink(missing_ok=True)
                times[name].append(_seconds(way))
        compressed_s = _seconds(lambda: common(edf, out / "compressed.npz", np.savez_compressed))
        median_s = {name: statistics.median(values) for name, values in times.items()} | {"compressed": compressed_s}
        for name, taken_s in median_s.items():
            n_bytes = (out / f"{name}.npz").stat().st_size
            ratio, size = taken_s / median_s["ours"], n_bytes / (out / "ours.npz").stat().st_size
            print(f"{name:<12}{1000 * taken_s:>8.0f} ms {ratio:>6.1f}x {n_bytes / 1e6:>7.1f} MB {size:>6.1f}x")
        _print_scaling(edf, out)


def ours(edf: Path, target: Path) -> Path:
    """What windowing does with one file: check sums of the EDF and of the signal, meta data, synchronised to the disk."""
    listed = facts_of(edf, edf.name)
    source = Source(listed.path, listed.size_bytes, listed.token, open_recording(edf).header_sha256)
    origin = Origin(edf.stem, chain_fingerprint(SignalSettings(), MontageSettings()), source, ())
    made = fill(Job(edf, True, target, origin, SignalSettings(), MontageSettings()))
    assert not isinstance(made, str), made
    return target


def common(edf: Path, target: Path, save: Callable[..., None]) -> Path:
    """The same hour as it is commonly prepared."""
    with pyedflib.EdfReader(str(edf)) as file:
        x_CT = np.stack([file.readSignal(channel) for channel in range(19)])
    x_CT = signal.resample_poly(x_CT, 16, 25, axis=1)
    band = signal.butter(4, (0.5, 120), btype="bandpass", fs=256, output="sos")
    notch = signal.tf2sos(*signal.iirnotch(60, 30, fs=256))
    x_CT = signal.sosfiltfilt(np.vstack([band, notch]), x_CT, axis=1)
    z_CT = ((x_CT - x_CT.mean(axis=1, keepdims=True)) / x_CT.std(axis=1, keepdims=True)).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(z_CT, 60 * 256, axis=1)[:, :: 10 * 256].transpose(1, 0, 2)
    save(target, windows=windows)
    return target


def _print_scaling(edf: Path, out: Path) -> None:
    """Pools of one process each, all warm before the clock starts: importing torch takes longer than a file."""
    with ProcessPoolExecutor(1, get_context("spawn")) as one, ProcessPoolExecutor(1, get_context("spawn")) as other:
        for pool in (one, other):
            pool.submit(_one_of_many, edf, out / "warm.npz").result()
        rates: dict[int, list[float]] = {1: [], 2: []}
        for _ in range(3):
            for pools in ([one], [one, other]):
                os.sync()
                began = time.perf_counter()
                work = [pools[k % len(pools)].submit(_one_of_many, edf, out / f"{k}.npz") for k in range(FILES)]
                for done in work:
                    done.result()
                rates[len(pools)].append(FILES / (time.perf_counter() - began))
    single, double = (statistics.median(rates[processes]) for processes in (1, 2))
    print(f"{single:.2f} hours of EEG a second with one process, {double:.2f} with two: {double / single:.2f}x")


def _one_of_many(edf: Path, target: Path) -> None:
    torch.set_num_threads(1)
    ours(edf, target)


def _seconds(work: Callable[[], object]) -> float:
    """Wall time from an idle disk: ours waits for its own file to be on it, and must not wait for somebody else's."""
    os.sync()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
