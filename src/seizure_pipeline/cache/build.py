"""Filling the cache: every accepted recording through the chain, in worker processes, each kept unless it changed."""

from __future__ import annotations

import logging
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from seizure_pipeline.annotations import AnnotationError
from seizure_pipeline.cache.index import CacheError, IndexRow
from seizure_pipeline.cache.prepare import prepare
from seizure_pipeline.cache.store import FORMAT, layout_of, read_facts, write_signal
from seizure_pipeline.configuration import Settings, fingerprint
from seizure_pipeline.corpora import Folder, RecordingRow
from seizure_pipeline.montage import MontageError, MontageSettings
from seizure_pipeline.progress import ProgressMeter
from seizure_pipeline.recordings import RecordingError, open_recording
from seizure_pipeline.signals import SignalError, SignalSettings
from seizure_pipeline.windows import Kind, Layout, WindowSettings, kind_of, lay_windows, token_labels

log = logging.getLogger(__name__)
REFUSALS = (RecordingError, AnnotationError, MontageError, SignalError)


class PreparationSettings(Settings):
    """Everything that shapes the cache, and how many worker processes fill it."""

    signals: SignalSettings = SignalSettings()
    windows: WindowSettings = WindowSettings()
    workers: int = Field(2, ge=1)


def build_cache(
    corpus: Folder, rows: list[RecordingRow], settings: PreparationSettings, montage: MontageSettings, cache: Path
) -> list[IndexRow]:
    """Cache every accepted row and return the index, in the rows' order; what is unchanged is kept.

    Raises CacheError if `cache` cannot be written."""
    _check_writable(cache)
    accepted = [row for row in rows if row.accepted]
    done: dict[str, IndexRow] = {}
    kept = 0
    with (
        ProcessPoolExecutor(settings.workers, mp_context=get_context("spawn")) as pool,
        ProgressMeter("caching recordings", len(accepted), "recordings") as meter,
    ):
        jobs = {pool.submit(cache_recording, corpus, row, settings, montage, cache): row for row in accepted}
        for job in as_completed(jobs):
            row = jobs[job]
            done[row.recording_id], was_kept = job.result()
            kept += was_kept
            meter.advance(note=row.recording_id)
    log.info("cache: %d recordings unchanged and kept, %d prepared", kept, len(accepted) - kept)
    index = [done.get(row.recording_id) or _refused(row, row.reason) for row in rows]
    for entry in index:
        if not entry.accepted:
            log.warning("refused: %s", entry.reason)
    return index


def recording_fingerprint(row: RecordingRow, signals: SignalSettings, montage: MontageSettings) -> str:
    """Fingerprint of what a cached signal is made from: the file, the chain's settings and the format."""
    return fingerprint(
        {
            "format": FORMAT,
            "file": [row.size_bytes, row.token, row.header_sha256],
            "signals": signals,
            "montage": montage,
        }
    )


def cache_recording(
    corpus: Folder, row: RecordingRow, settings: PreparationSettings, montage: MontageSettings, cache: Path
) -> tuple[IndexRow, bool]:
    """Cache one recording; returns its index row and whether the cached file was kept as it was."""
    path = cache / f"{row.recording_id}.npz"
    wanted = recording_fingerprint(row, settings.signals, montage)
    facts = read_facts(path)
    kept = facts is not None and facts.get("fingerprint") == wanted
    if not kept:
        try:
            facts = _prepare_and_write(corpus, row, settings, montage, path, wanted)
        except REFUSALS as refusal:
            return _refused(row, str(refusal)), False
    assert facts is not None
    return _index_row(row, facts, settings.windows), kept


def _prepare_and_write(
    corpus: Folder, row: RecordingRow, settings: PreparationSettings, montage: MontageSettings, path: Path, wanted: str
) -> dict[str, Any]:
    with corpus.local(row.path) as edf:
        recording = open_recording(edf)
        prepared = prepare(recording, settings.signals, montage)
    facts = {"fingerprint": wanted, "recording_id": row.recording_id, "size_bytes": row.size_bytes}
    write_signal(path, prepared, facts)
    written = read_facts(path)
    if written is None:
        raise CacheError(f"{path}: cannot be read back after writing")
    return written


def _index_row(row: RecordingRow, facts: dict[str, Any], windows: WindowSettings) -> IndexRow:
    layout = layout_of(facts)
    seizures = tuple((layout.recorded_s(onset), layout.recorded_s(offset)) for onset, offset in row.seizures)
    counts = count_kinds(layout, seizures, windows)
    return replace(
        _refused(row, ""),
        status="accepted",
        fingerprint=fingerprint({"signal": facts["fingerprint"], "seizures": seizures, "windows": windows}),
        duration_s=layout.duration_s,
        stretch_samples=layout.stretch_samples,
        stretch_start_s=layout.stretch_start_s,
        seizures=seizures,
        interpolated=tuple(facts["interpolated"]),
        clipped_samples=facts["clipped_samples"],
        background_windows=counts[Kind.BACKGROUND],
        partial_windows=counts[Kind.PARTIAL],
        full_windows=counts[Kind.FULL],
    )


def count_kinds(layout: Layout, seizures: tuple[tuple[float, float], ...], windows: WindowSettings) -> dict[Kind, int]:
    """How many windows of each kind a recording has."""
    labels = token_labels(layout, seizures)
    kinds = []
    for window in lay_windows(layout, windows):
        first = layout.token_starts[window.stretch] + window.first_token
        kinds.append(kind_of(labels[first : first + window.valid_tokens], windows))
    return {kind: int(np.sum(np.asarray(kinds) == kind)) for kind in Kind}


def _refused(row: RecordingRow, reason: str) -> IndexRow:
    return IndexRow(
        recording_id=row.recording_id,
        patient_id=row.patient_id,
        split=row.split,
        status="refused",
        reason=reason,
        file=f"{row.recording_id}.npz",
        fingerprint="",
        duration_s=0.0,
        stretch_samples=(),
        stretch_start_s=(),
        seizures=(),
        interpolated=(),
        clipped_samples=0,
        background_windows=0,
        partial_windows=0,
        full_windows=0,
    )


def _check_writable(cache: Path) -> None:
    probe = cache / f".probe-{os.getpid()}"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise CacheError(f"{cache}: the cache folder cannot be written ({error.strerror}); it must be writable") from error
