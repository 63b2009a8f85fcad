"""The table of recordings: every file looked at once, accepted with its facts or refused with its reason."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from seizure_pipeline.annotations import AnnotationError, Seizures, read_csv_bi, read_events_tsv
from seizure_pipeline.corpora.folder import Folder
from seizure_pipeline.corpora.records import CorpusError, Entry
from seizure_pipeline.montage import ElectrodeMap, MontageError, MontageSettings, electrode_map, unused_labels
from seizure_pipeline.progress import follow
from seizure_pipeline.recordings import Recording, RecordingError, open_recording
from seizure_pipeline.signals import SignalError, check_rate
from seizure_pipeline.tables import records_from_table, table_from_records

log = logging.getLogger(__name__)
REFUSALS = (RecordingError, AnnotationError, MontageError, SignalError, OSError)
READERS = 8


@dataclass(frozen=True, slots=True)
class RecordingRow:
    """One line of the table of recordings; seizures in seconds of the file's clock, `reason` empty where accepted."""

    recording_id: str
    patient_id: str
    split: str
    path: str
    status: str
    reason: str
    duration_s: float
    span_s: float
    rate_hz: float
    channels: tuple[str, ...]
    interpolated: tuple[str, ...]
    unused: tuple[str, ...]
    seizures: tuple[tuple[float, float], ...]
    size_bytes: int
    token: str
    header_sha256: str

    @classmethod
    def refused(cls, entry: Entry, reason: str) -> RecordingRow:
        """The row of a recording that takes no part."""
        return cls(
            **_entry_facts(entry),
            status="refused",
            reason=reason,
            duration_s=0.0,
            span_s=0.0,
            rate_hz=0.0,
            channels=(),
            interpolated=(),
            unused=(),
            seizures=(),
            header_sha256="",
        )

    @classmethod
    def accepted_from(
        cls,
        entry: Entry,
        recording: Recording,
        rate_hz: float,
        interpolated: tuple[str, ...],
        unused: tuple[str, ...],
        seizures: Seizures,
    ) -> RecordingRow:
        """The row of a recording that takes part."""
        return cls(
            **_entry_facts(entry),
            status="accepted",
            reason="",
            duration_s=recording.duration_s,
            span_s=recording.span_s,
            rate_hz=rate_hz,
            channels=recording.labels,
            interpolated=interpolated,
            unused=unused,
            seizures=tuple((seizure.onset_s, seizure.offset_s) for seizure in seizures),
            header_sha256=recording.header_sha256,
        )

    @property
    def accepted(self) -> bool:
        """Whether the recording takes part."""
        return self.status == "accepted"


def _entry_facts(entry: Entry) -> dict[str, Any]:
    return {
        "recording_id": entry.recording_id,
        "patient_id": entry.patient_id,
        "split": entry.split,
        "path": entry.edf.path,
        "size_bytes": entry.edf.size_bytes,
        "token": entry.edf.token,
    }


def examine_entries(folder: Folder, entries: list[Entry], montage: MontageSettings) -> list[RecordingRow]:
    """One row per entry; raises CorpusError if not one is accepted or none of the accepted has a seizure."""
    with ThreadPoolExecutor(READERS) as pool:
        examined = pool.map(lambda entry: examine(folder, entry, montage), entries)
        rows = list(follow(examined, "examining recordings", len(entries), "recordings"))
    for row in rows:
        if not row.accepted:
            log.warning("refused: %s", row.reason)
    if not any(row.accepted for row in rows):
        raise CorpusError(f"{folder.url}: all {len(rows)} recordings are refused, the first because: {rows[0].reason}")
    if not any(row.seizures for row in rows if row.accepted):
        raise CorpusError(f"{folder.url}: no seizure in {len(rows)} recordings; a detector needs seizures to learn from")
    return rows


def examine(folder: Folder, entry: Entry, montage: MontageSettings) -> RecordingRow:
    """The row of one entry: header, channels and annotation read and held against the rules."""
    try:
        with folder.local(entry.edf.path) as path:
            recording = open_recording(path)
        unused = unused_labels(recording.labels)
        mapped = mapped_electrodes(recording.labels, montage)
        recording.check_channels(mapped.channels)
        rate_hz = recording.rates_hz[mapped.channels[0]]
        check_rate(rate_hz)
        seizures = read_seizures(folder, entry, recording)
    except REFUSALS as refusal:
        return RecordingRow.refused(entry, named(entry.edf.path, refusal))
    return RecordingRow.accepted_from(entry, recording, rate_hz, mapped.interpolated, unused, seizures)


def read_seizures(folder: Folder, entry: Entry, recording: Recording) -> Seizures:
    """Seizures of an entry in the file's clock, held against the recording's length.

    Raises AnnotationError where the file is missing, its length disagrees, or a seizure breaks a rule or lies in a gap.
    """
    if entry.annotation is None:
        raise AnnotationError(f"{entry.edf.path}: no annotation file beside it; unannotated is not seizure-free")
    with folder.local(entry.annotation.path) as path:
        read = read_csv_bi if path.suffix == ".csv_bi" else read_events_tsv
        seizures, annotated_s = read(path)
    if annotated_s is not None and abs(annotated_s - recording.span_s) > 1.0:
        raise AnnotationError(
            f"{entry.annotation.path}: says the recording lasts {annotated_s} s, the EDF {recording.span_s} s; "
            "they must agree to 1 s"
        )
    checked = seizures.checked(recording.span_s, entry.annotation.path)
    for seizure in checked:
        if not any(s.start_s < seizure.offset_s and seizure.onset_s < s.start_s + s.duration_s for s in recording.stretches):
            raise AnnotationError(
                f"{entry.annotation.path}: seizure {seizure.onset_s}-{seizure.offset_s} s lies in a gap of the "
                "recording; a seizure must be recorded at least in part"
            )
    return checked


def mapped_electrodes(labels: tuple[str, ...], montage: MontageSettings) -> ElectrodeMap:
    """`electrode_map`, its refusal naming the labels that are no electrode it knows."""
    try:
        return electrode_map(labels, montage)
    except MontageError as refusal:
        unknown = unused_labels(labels)
        named_labels = f"; labels that name no known electrode: {', '.join(unknown)}" if unknown else ""
        raise MontageError(f"{refusal}{named_labels}") from refusal


def named(path: str, refusal: Exception) -> str:
    """Reason of a refusal that begins with the recording's path in the corpus, wherever the file lay when it was read."""
    message = str(refusal)
    name = PurePosixPath(path).name
    if name in message.split(":", maxsplit=1)[0]:
        return f"{path}:{message.split(':', 1)[1]}"
    return message if name.removesuffix(".edf") in message else f"{path}: {message}"


def table_from_rows(rows: list[RecordingRow]) -> pd.DataFrame:
    """The rows as a table, one column per field."""
    return table_from_records(rows, RecordingRow)


def rows_from_table(table: pd.DataFrame) -> list[RecordingRow]:
    """Undoes `table_from_rows`."""
    return records_from_table(table, RecordingRow)
