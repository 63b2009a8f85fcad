"""Small corpora of noise in the tree of TUSZ, quick to write and to change, and what a cache of them holds."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from edf_files import edf, signal

from seizure_pipeline.cache import IndexRow, PreparationSettings, build_cache
from seizure_pipeline.corpora import CorpusSettings, Folder, RecordingRow, examine_entries, find_entries
from seizure_pipeline.montage import ELECTRODES, MontageSettings

ONE_PROCESS = PreparationSettings(workers=1)
ANNOTATION = """# version = csv_v1.0.0
# bname = {name}
# duration = {duration_s:.4f} secs
# montage_file = n/a
#
channel,start_time,stop_time,label,confidence
TERM,{onset_s:.4f},{offset_s:.4f},seiz,1.0000
TERM,{offset_s:.4f},{duration_s:.4f},bckg,1.0000
"""


def write_recording(
    root: Path, patient: str = "aa", seed: int = 3, duration_s: int = 20, flat_records: int = 0, seizure_s: float = 4.0
) -> Path:
    """One recording of noise, 19 electrodes at 256 Hz, with one seizure that begins at 14 s; returns its EDF."""
    noise = np.random.default_rng(seed).integers(-1000, 1000, (duration_s, 19 * 256), dtype="<i2")
    noise[:flat_records] = 0
    path = root / f"edf/train/{patient}/s001_2020/01_tcp_ar/{patient}_s001_t000.edf"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(edf([signal(label, 256) for label in ELECTRODES], [record.tobytes() for record in noise]))
    write_annotation(path, duration_s, seizure_s)
    return path


def write_annotation(recording: Path, duration_s: float = 20.0, seizure_s: float = 4.0) -> None:
    """The annotation beside a recording: one seizure of `seizure_s` from 14 s on."""
    text = ANNOTATION.format(name=recording.stem, duration_s=duration_s, onset_s=14.0, offset_s=14.0 + seizure_s)
    recording.with_suffix(".csv_bi").write_text(text)


def write_corpus(root: Path, recordings: int = 3, duration_s: int = 20) -> list[Path]:
    """A corpus of that many patients with one recording each; returns the EDF files."""
    return [write_recording(root, f"{chr(97 + n // 26)}{chr(97 + n % 26)}", n, duration_s) for n in range(recordings)]


def listed(root: Path) -> list[RecordingRow]:
    """The corpus as ingestion lists it now."""
    corpus = Folder(str(root))
    return examine_entries(corpus, find_entries(corpus, CorpusSettings()), MontageSettings())


def build(root: Path, cache: Path, settings: PreparationSettings = ONE_PROCESS) -> list[IndexRow]:
    """List the corpus and fill the cache."""
    return build_cache(Folder(str(root)), listed(root), settings, MontageSettings(), cache)


def contents(cache: Path) -> dict[str, str]:
    """Every cached recording by its path in the cache, with the check sum of its bytes."""
    return {
        str(path.relative_to(cache)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(cache.rglob("*.npz"))
    }


def identities(cache: Path) -> dict[str, tuple[int, int]]:
    """(inode, mtime) of every cached recording: a file that was written again has others."""
    facts = {path: path.stat() for path in sorted(cache.rglob("*.npz"))}
    return {str(path.relative_to(cache)): (each.st_ino, each.st_mtime_ns) for path, each in facts.items()}
