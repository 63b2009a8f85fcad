"""Large corpora for benchmarks: a few recordings of noise under many names, which costs no disk."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from seizure_pipeline.corpora import CorpusSettings, Folder, RecordingRow, examine_entries, find_entries
from seizure_pipeline.montage import ELECTRODES, MontageSettings

RATE_HZ = 400
DIFFERENT = 4
ANNOTATION = """# version = csv_v1.0.0
# duration = {duration_s:.4f} secs
channel,start_time,stop_time,label,confidence
TERM,10.0000,30.0000,seiz,1.0000
TERM,30.0000,{duration_s:.4f},bckg,1.0000
"""


def write_linked_corpus(root: Path, recordings: int, duration_s: int) -> list[RecordingRow]:
    """A corpus in the tree of TUSZ, 19 electrodes at 400 Hz, one seizure each; returns it as ingestion lists it."""
    root.mkdir(parents=True)
    originals = [_write_edf(root / f".original{number}", number, duration_s) for number in range(DIFFERENT)]
    for number in range(recordings):
        name = f"p{number:05d}"
        folder = root / "edf/train" / name / "s001_2020/01_tcp_ar"
        folder.mkdir(parents=True)
        os.link(originals[number % DIFFERENT], folder / f"{name}_s001_t000.edf")
        (folder / f"{name}_s001_t000.csv_bi").write_text(ANNOTATION.format(duration_s=duration_s))
    for original in originals:
        original.unlink()
    corpus = Folder(str(root))
    return examine_entries(corpus, find_entries(corpus, CorpusSettings()), MontageSettings())


def _write_edf(path: Path, seed: int, duration_s: int) -> Path:
    """Noise that wanders like EEG does, as EDF with records of 1 s."""
    n = len(ELECTRODES)
    widths = (("EEG {}-REF", 16), ("", 80), ("uV", 8), ("-3276.8", 8), ("3276.7", 8), ("-32768", 8), ("32767", 8), ("", 80))
    head = ["0".ljust(8), "X X X X".ljust(80), "Startdate X X X X".ljust(80), "01.01.20", "00.00.00"]
    head += [str(256 * (1 + n)).ljust(8), " " * 44, str(duration_s).ljust(8), "1".ljust(8), str(n).ljust(4)]
    for text, width in widths:
        head += [text.format(name).ljust(width) for name in ELECTRODES]
    head += [str(RATE_HZ).ljust(8)] * n + [" " * 32] * n
    random = np.random.default_rng(seed)
    with open(path, "wb") as file:
        file.write("".join(head).encode("ascii"))
        for _ in range(duration_s):
            file.write(random.integers(-1000, 1000, (n, RATE_HZ), dtype="<i2").tobytes())
    return path
