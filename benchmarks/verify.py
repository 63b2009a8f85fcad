"""Verifying a cache that is in memory, with one thread and with as many as the settings say, beside np.load of all of it.

np.load holds the signal against its CRC-32 in one thread; verifying holds it against an XXH3, reads the index and the
corpus's list beside it, and keeps nothing.

usage: python benchmarks/verify.py      (writes about 1 GB to a temporary folder; medians of interleaved rounds)
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from linked_corpus import write_linked_corpus

from seizure_pipeline.cache import IndexRow, PreparationSettings, VerifySettings, build_cache, verify_cache
from seizure_pipeline.corpora import Folder, RecordingRow
from seizure_pipeline.montage import MontageSettings

ROUNDS = 7
SHAPES = ((16, 3600), (300, 480))  # recordings and their seconds; 8 min is the mean of TUSZ


def main() -> None:
    for recordings, duration_s in SHAPES:
        with tempfile.TemporaryDirectory() as name:
            _compare(Path(name), write_linked_corpus(Path(name) / "corpus", recordings, duration_s), duration_s)


def _compare(folder: Path, rows: list[RecordingRow], duration_s: int) -> None:
    corpus, preparation, montage = Folder(str(folder / "corpus")), PreparationSettings(), MontageSettings()
    index = build_cache(corpus, rows, preparation, montage, folder / "cache")

    def verify(settings: VerifySettings) -> None:
        assert not verify_cache(corpus, rows, index, preparation, montage, folder / "cache", settings)

    one, several = VerifySettings(threads=1), VerifySettings()
    ways: dict[str, Callable[[], None]] = {
        "np.load": lambda: _load(folder / "cache", index),
        "1 thread": lambda: verify(one),
        f"{several.threads} threads": lambda: verify(several),
    }
    times_s: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, run in ways.items():
            begun = time.perf_counter()
            run()
            times_s[name].append(time.perf_counter() - begun)
    gigabytes = sum(row.size_bytes for row in index) / 1e9
    rates = {name: gigabytes / statistics.median(measured) for name, measured in times_s.items()}
    print(f"{len(rows)} x {duration_s} s, {gigabytes:.2f} GB: " + ", ".join(f"{name} {rates[name]:.2f} GB/s" for name in ways))
    ratios = ", ".join(f"{rates[name] / rates['np.load']:.1f}x with {name}" for name in ways if name != "np.load")
    print(f"verify_cache is as fast as np.load of everything {ratios}")


def _load(cache: Path, index: list[IndexRow]) -> None:
    for row in index:
        with np.load(cache / row.file, allow_pickle=False) as file:
            for name in file.files:
                file[name]


if __name__ == "__main__":
    main()
