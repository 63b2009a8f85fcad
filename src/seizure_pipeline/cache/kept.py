"""Traces of recordings, one NPZ each, kept as long as what they were made from is the same."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seizure_pipeline.announcements import stop_if_asked
from seizure_pipeline.cache.index import CacheError, IndexRow
from seizure_pipeline.cache.npz import write_npz
from seizure_pipeline.configuration import fingerprint
from seizure_pipeline.progress import ProgressMeter

log = logging.getLogger(__name__)
NumberArrays: TypeAlias = dict[str, NDArray[np.float32]]
MARK = "fingerprint"


def keep_traces(
    rows: list[IndexRow], folder: Path, make: Callable[[IndexRow], NumberArrays], made_from: dict[str, Any], title: str
) -> list[str]:
    """Write `make(row)` of every row below `folder`; a file made from the same signal and `made_from` is kept.

    Returns the fingerprint of each file, which `read_kept` wants to see again. Raises Stopped between two rows where this
    process is asked to stop."""
    folder.mkdir(parents=True, exist_ok=True)
    marks, kept = [], 0
    with ProgressMeter(title, len(rows), "recordings") as meter:
        for row in rows:
            path = folder / f"{row.recording_id}.npz"
            wanted = fingerprint({**made_from, "signal": row.fingerprint})
            if _fingerprint_of(path) == wanted:
                kept += 1
            else:
                write_npz(path, {**make(row), MARK: np.frombuffer(wanted.encode(), dtype=np.uint8)})
            marks.append(wanted)
            meter.advance(note=row.recording_id)
            stop_if_asked()
    log.info("%s: %d unchanged and kept, %d made", title, kept, len(rows) - kept)
    return marks


def read_kept(folder: Path, row: IndexRow, mark: str) -> NumberArrays:
    """What `keep_traces` left for a row under fingerprint `mark`; raises CacheError if something else lies there."""
    path = folder / f"{row.recording_id}.npz"
    if _fingerprint_of(path) != mark:
        raise CacheError(f"{path}: not the traces that were asked for; run the pipeline that makes them again")
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files if name != MARK}


def _fingerprint_of(path: Path) -> str | None:
    try:
        with np.load(path, allow_pickle=False) as file:
            return bytes(file[MARK]).decode()
    except (FileNotFoundError, zipfile.BadZipFile, KeyError, ValueError, EOFError):
        return None
