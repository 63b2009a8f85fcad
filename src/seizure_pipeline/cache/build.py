"""Filling the cache: every accepted recording through the chain, in worker processes, each kept unless it changed."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from seizure_pipeline.cache.index import CacheError, IndexRow
from seizure_pipeline.cache.prepare import prepare
from seizure_pipeline.cache.store import FORMAT, is_whole, layout_of, read_facts, write_signal
from seizure_pipeline.configuration import Settings, fingerprint
from seizure_pipeline.corpora import Folder, RecordingRow
from seizure_pipeline.corpora.table import named
from seizure_pipeline.montage import MontageError, MontageSettings
from seizure_pipeline.progress import ProgressMeter
from seizure_pipeline.recordings import RecordingError, open_recording
from seizure_pipeline.signals import SignalError, SignalSettings
from seizure_pipeline.windows import Kind, Layout, WindowSettings, kind_of, lay_windows, token_labels
from seizure_pipeline.workers import in_processes

log = logging.getLogger(__name__)
REFUSALS = (RecordingError, MontageError, SignalError)


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
    jobs = [(corpus, row, settings, montage, cache) for row in accepted]
    with ProgressMeter("caching recordings", len(accepted), "recordings") as meter:
        for row, was_kept in in_processes(cache_recording, jobs, settings.workers):
            done[row.recording_id] = row
            kept += was_kept
            meter.advance(note=row.recording_id)
    refused = [row for row in done.values() if not row.accepted]
    for row in refused:
        log.warning("refused: %s", row.reason)
    log.info("cache: %d unchanged and kept, %d prepared, %d refused", kept, len(done) - kept - len(refused), len(refused))
    return [done.get(row.recording_id) or IndexRow.refused(row, row.reason) for row in rows]


def chain_fingerprint(signals: SignalSettings, montage: MontageSettings) -> str:
    """Fingerprint of the settings that turn a file into a cached signal, and of the cache's format."""
    return fingerprint({"format": FORMAT, "signals": signals, "montage": montage})


def cache_recording(
    corpus: Folder, row: RecordingRow, settings: PreparationSettings, montage: MontageSettings, cache: Path
) -> tuple[IndexRow, bool]:
    """Cache one recording; returns its index row and whether the cached file was kept as it was."""
    path = cache / f"{row.recording_id}.npz"
    chain = chain_fingerprint(settings.signals, montage)
    wanted = fingerprint({"chain": chain, "file": [row.size_bytes, row.token, row.header_sha256]})
    facts = read_facts(path)
    if facts is not None and facts.get("fingerprint") == wanted and is_whole(path):
        return _index_row(row, facts, settings.windows), True
    try:
        _prepare_and_write(corpus, row, settings, montage, path, {"fingerprint": wanted, "chain": chain})
    except REFUSALS as refusal:
        return IndexRow.refused(row, named(row.path, refusal)), False
    written = read_facts(path)
    if written is None:
        raise CacheError(f"{path}: cannot be read back after writing")
    return _index_row(row, written, settings.windows), False


def _prepare_and_write(
    corpus: Folder,
    row: RecordingRow,
    settings: PreparationSettings,
    montage: MontageSettings,
    path: Path,
    marks: dict[str, str],
) -> None:
    with corpus.local(row.path) as edf:
        prepared = prepare(open_recording(edf), settings.signals, montage)
    write_signal(path, prepared, {**marks, "recording_id": row.recording_id})


def _index_row(row: RecordingRow, facts: dict[str, Any], windows: WindowSettings) -> IndexRow:
    layout = layout_of(facts)
    seizures = tuple(layout.recorded_interval(*seizure) for seizure in row.seizures)
    return IndexRow.accepted_from(row, facts, layout, seizures, count_kinds(layout, seizures, windows))


def count_kinds(layout: Layout, seizures: tuple[tuple[float, float], ...], windows: WindowSettings) -> dict[Kind, int]:
    """How many windows of each kind a recording has."""
    labels = token_labels(layout, seizures)
    kinds = []
    for window in lay_windows(layout, windows):
        first = layout.token_starts[window.stretch] + window.first_token
        kinds.append(kind_of(labels[first : first + window.valid_tokens], windows))
    return {kind: int(np.sum(np.asarray(kinds) == kind)) for kind in Kind}


def _check_writable(cache: Path) -> None:
    probe = cache / f".probe-{os.getpid()}"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
        for left_over in cache.glob(".*.part"):
            left_over.unlink()
    except OSError as error:
        raise CacheError(f"{cache}: the cache folder cannot be written ({error.strerror}); it must be writable") from error
