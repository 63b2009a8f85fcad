"""The examination of a corpus: every recording looked at once, accepted with its facts or refused with its reason."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from seizure_pipeline.annotations import AnnotationError, Seizures
from seizure_pipeline.corpora.annotated import AnnotationFiles, held_against
from seizure_pipeline.corpora.examined import keys_of, read_kept, write_kept
from seizure_pipeline.corpora.folder import Folder
from seizure_pipeline.corpora.records import CorpusError, Entry
from seizure_pipeline.corpora.refusals import Unreadable, log_refusals, named, reading
from seizure_pipeline.corpora.rows import RecordingRow, rows_from_table, table_from_rows
from seizure_pipeline.montage import ElectrodeMap, MontageError, MontageSettings, electrode_map, unused_labels
from seizure_pipeline.progress import follow
from seizure_pipeline.recordings import RecordingError, open_recording
from seizure_pipeline.signals import SignalError, check_rate

__all__ = ["RecordingRow", "examine", "examine_entries", "named", "rows_from_table", "table_from_rows"]
log = logging.getLogger(__name__)
RULES = (RecordingError, AnnotationError, MontageError, SignalError, Unreadable)
READERS_OF_A_DISK = 4  # headers are mostly Python: more threads help only where the disk is far away
READERS_OF_A_BUCKET = 32


def examine_entries(
    folder: Folder, entries: list[Entry], montage: MontageSettings, kept: Path | None = None
) -> list[RecordingRow]:
    """One row per entry; raises CorpusError if not one is accepted or none of the accepted has a seizure.

    In the folder `kept` the rows wait for the next examination, which then looks only at recordings with a changed EDF,
    annotation or setting. A recording whose file could not be read at all is looked at every time.
    """
    keys = keys_of(entries, montage, folder.url)
    known = {} if kept is None else read_kept(kept)
    rows = {key: _as_listed(known[key], entry) for key, entry in zip(keys, entries, strict=True) if key in known}
    waiting = {key: entry for key, entry in zip(keys, entries, strict=True) if key not in rows}
    if rows:
        log.info("%d recordings are as they were at the last examination", len(rows))
    lasting = set(rows)
    try:
        for key, (row, lasts) in zip(waiting, _examine_all(folder, list(waiting.values()), montage), strict=True):
            rows[key] = row
            if lasts:
                lasting.add(key)
    finally:  # what was examined before a network failed is not examined again
        if kept is not None and lasting != set(known):
            write_kept(kept, {key: rows[key] for key in keys if key in lasting})
    return _usable([rows[key] for key in keys], folder)


def _as_listed(row: RecordingRow, entry: Entry) -> RecordingRow:
    """A kept row with what the layout and the settings say today."""
    facts = (row.recording_id, row.patient_id, row.split)
    now = (entry.recording_id, entry.patient_id, entry.split)
    return row if facts == now else replace(row, recording_id=now[0], patient_id=now[1], split=now[2])


def _examine_all(folder: Folder, entries: Sequence[Entry], montage: MontageSettings) -> Iterator[tuple[RecordingRow, bool]]:
    """For each entry its row, and whether it lasts: what could not be read at all may be readable next time."""
    annotations = AnnotationFiles(folder)
    if not entries:
        return
    with ThreadPoolExecutor(READERS_OF_A_DISK if folder.is_local else READERS_OF_A_BUCKET) as pool:
        examined = pool.map(lambda entry: examine(folder, entry, montage, annotations), entries)
        yield from follow(examined, "examining recordings", len(entries), "recordings")


def _usable(rows: list[RecordingRow], folder: Folder) -> list[RecordingRow]:
    log_refusals([row.reason for row in rows if not row.accepted])
    if not any(row.accepted for row in rows):
        raise CorpusError(f"{folder.url}: all {len(rows)} recordings are refused, the first because: {rows[0].reason}")
    if not any(row.seizures for row in rows if row.accepted):
        raise CorpusError(f"{folder.url}: no seizure in {len(rows)} recordings; a detector needs seizures to learn from")
    return rows


def examine(folder: Folder, entry: Entry, montage: MontageSettings, annotations: AnnotationFiles) -> tuple[RecordingRow, bool]:
    """The row of one entry, its annotation, header and channels held against the rules; and whether the row lasts.

    Raises TransferError where this machine or the way to the file is at fault, and not the file."""
    if entry.problem:
        return RecordingRow.refused(entry, entry.problem), True
    listed = Seizures()
    try:
        said = annotations.said(entry)
        listed = said.seizures
        with reading(entry.edf.path), folder.local_header(entry.edf) as path:
            recording = open_recording(path)
        unused = _unused(recording.labels)
        mapped = mapped_electrodes(recording.labels, montage)
        recording.check_channels(mapped.channels)
        for rate_hz in recording.channels_by_rate(mapped.channels):
            check_rate(rate_hz)
        seizures = held_against(recording, said, entry)
    except RULES as refusal:
        row = RecordingRow.refused(entry, named(entry.edf.path, refusal), bool(listed))
        return row, not isinstance(refusal, Unreadable)
    lowest_hz = min(recording.rates_hz[channel] for channel in mapped.channels)
    row = RecordingRow.accepted_from(entry, recording, lowest_hz, mapped.interpolated, unused, seizures, said.types)
    return row, True


@lru_cache(maxsize=1024)  # a corpus has thousands of recordings and tens of lists of channels
def mapped_electrodes(labels: tuple[str, ...], montage: MontageSettings) -> ElectrodeMap:
    """`electrode_map`, its refusal naming the labels that are no electrode it knows."""
    try:
        return electrode_map(labels, montage)
    except MontageError as refusal:
        unknown = unused_labels(labels)
        named_labels = f"; labels that name no known electrode: {', '.join(unknown)}" if unknown else ""
        raise MontageError(f"{refusal}{named_labels}") from refusal


@lru_cache(maxsize=1024)
def _unused(labels: tuple[str, ...]) -> tuple[str, ...]:
    return unused_labels(labels)
