"""Examining a corpus of many small recordings: the first time, and again with nothing changed.

usage: python benchmarks/examination.py [N]     (default 1000; writes N EDF and csv_bi files to a temporary folder)

Beside it what a user would write: pyedflib opens every header and pandas reads every annotation file, each time.
"""

from __future__ import annotations

import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyedflib
from edfio import Edf, EdfSignal

from seizure_pipeline.corpora import CorpusSettings, Folder, examine_entries, find_entries
from seizure_pipeline.montage import ELECTRODES, MontageSettings

ROUNDS = 3
ANNOTATION = """# version = csv_v1.0.0
# bname = {name}
# duration = 2.0000 secs
# montage_file = n/a
#
channel,start_time,stop_time,label,confidence
TERM,0.0000,1.0000,bckg,1.0000
TERM,1.0000,2.0000,seiz,1.0000
"""


def main() -> None:
    logging.disable(logging.WARNING)
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as folder:
        root, kept = Path(folder) / "corpus", Path(folder) / "kept"
        _write_corpus(root, n)
        times: dict[str, list[float]] = {"pyedflib and pandas": [], "first": [], "again": []}
        for _ in range(ROUNDS):
            _time(times["pyedflib and pandas"], lambda: _read_plainly(root))
            (kept / "examined.parquet").unlink(missing_ok=True)
            _time(times["first"], lambda: _examine(root, kept, n))
            _time(times["again"], lambda: _examine(root, kept, n))
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, median in medians.items():
        print(f"{name:<20}{n} recordings {median:>8.2f} s {medians['pyedflib and pandas'] / median:>7.1f}x")


def _time(times: list[float], work: Callable[[], None]) -> None:
    began = time.perf_counter()
    work()
    times.append(time.perf_counter() - began)


def _examine(root: Path, kept: Path, n: int) -> None:
    corpus = Folder(str(root))
    rows = examine_entries(corpus, find_entries(corpus, CorpusSettings()), MontageSettings(), kept)
    if len(rows) != n or not all(row.accepted for row in rows):
        raise SystemExit(f"{len(rows)} rows of {n}, or not all accepted: {rows[0].reason}")


def _read_plainly(root: Path) -> None:
    for path in root.rglob("*.edf"):
        with pyedflib.EdfReader(str(path)) as edf:
            _ = edf.getSignalLabels(), edf.getSampleFrequencies(), edf.getFileDuration()
        pd.read_csv(path.with_suffix(".csv_bi"), comment="#")


def _write_corpus(root: Path, n: int) -> None:
    noise = np.random.default_rng(0).integers(-1000, 1000, 512).astype(np.int16)
    edf = Edf(
        [
            EdfSignal.from_digital(
                noise, 256, label=f"EEG {name.upper()}-REF", physical_dimension="uV", physical_range=(-3277, 3277)
            )
            for name in ELECTRODES
        ]
    )
    edf.write(root.parent / "one.edf")
    content = (root.parent / "one.edf").read_bytes()
    for k in range(n):
        patient = f"aaaa{k // 10:04d}"
        folder = root / f"edf/train/{patient}/s001_2015/01_tcp_ar"
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{patient}_s001_t{k % 10:03d}"
        (folder / f"{name}.edf").write_bytes(content)
        (folder / f"{name}.csv_bi").write_text(ANNOTATION.format(name=name))


if __name__ == "__main__":
    main()
