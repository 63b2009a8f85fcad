"""The table of recordings: every file looked at once, accepted with its facts or refused with its reason."""

from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from seizure_pipeline.annotations import AnnotationError, Seizures, read_csv_bi, read_events_tsv
from seizure_pipeline.corpora.folder import Folder
from seizure_pipeline.corpora.records import CorpusError, Entry
from seizure_pipeline.montage import MontageError, MontageSettings, electrode_map
from seizure_pipeline.progress import follow
from seizure_pipeline.recordings import Recording, RecordingError, open_recording
from seizure_pipeline.signals import SignalError, check_rate

log = logging.getLogger(__name__)
REFUSALS = (RecordingError, AnnotationError, MontageError, SignalError)
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
    seizures: tuple[tuple[float, float], ...]
    size_bytes: int
    token: str
    header_sha256: str

    @property
    def accepted(self) -> bool:
        """Whether the recording takes part."""
        return self.status == "accepted"


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
        mapped = electrode_map(recording.labels, montage)
        rate_hz = common_rate_hz(recording, mapped.channels, entry.edf.path)
        seizures = read_seizures(folder, entry, recording)
    except REFUSALS as refusal:
        return _row(entry, "refused", _named(entry.edf.path, str(refusal)))
    return _row(entry, "accepted", "", recording, rate_hz, mapped.interpolated, seizures)


def common_rate_hz(recording: Recording, channels: tuple[int, ...], name: str) -> float:
    """The sampling rate that all of `channels` share; raises RecordingError where they differ."""
    rates = {recording.rates_hz[channel] for channel in channels}
    if len(rates) > 1:
        raise RecordingError(f"{name}: EEG channels have sampling rates {sorted(rates)} Hz; they must share one")
    check_rate(min(rates))
    return min(rates)


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
        if recording.to_recorded_s(seizure.offset_s) <= recording.to_recorded_s(seizure.onset_s):
            raise AnnotationError(
                f"{entry.annotation.path}: seizure {seizure.onset_s}-{seizure.offset_s} s lies in a gap of the "
                "recording; a seizure must be recorded at least in part"
            )
    return checked


def _named(path: str, message: str) -> str:
    return message if Path(path).name in message else f"{path}: {message}"


def _row(
    entry: Entry,
    status: str,
    reason: str,
    recording: Recording | None = None,
    rate_hz: float = 0.0,
    interpolated: tuple[str, ...] = (),
    seizures: Seizures | None = None,
) -> RecordingRow:
    return RecordingRow(
        recording_id=entry.recording_id,
        patient_id=entry.patient_id,
        split=entry.split,
        path=entry.edf.path,
        status=status,
        reason=reason,
        duration_s=0.0 if recording is None else recording.duration_s,
        span_s=0.0 if recording is None else recording.span_s,
        rate_hz=rate_hz,
        channels=() if recording is None else recording.labels,
        interpolated=interpolated,
        seizures=tuple((s.onset_s, s.offset_s) for s in seizures or ()),
        size_bytes=entry.edf.size_bytes,
        token=entry.edf.token,
        header_sha256="" if recording is None else recording.header_sha256,
    )


LISTS = ("channels", "interpolated", "seizures")


def table_from_rows(rows: list[RecordingRow]) -> pd.DataFrame:
    """The rows as a table, one column per field, lists written as JSON."""
    names = [field.name for field in fields(RecordingRow)]
    table = pd.DataFrame([asdict(row) for row in rows], columns=names)
    for name in LISTS:
        table[name] = [json.dumps(value) for value in table[name]]
    return table


def rows_from_table(table: pd.DataFrame) -> list[RecordingRow]:
    """Undoes `table_from_rows`."""
    return [RecordingRow(**_typed(record)) for record in table.to_dict(orient="records")]


def _typed(record: dict[Any, Any]) -> dict[str, Any]:
    lists = {name: tuple(json.loads(record[name])) for name in LISTS}
    lists["seizures"] = tuple((float(onset), float(offset)) for onset, offset in lists["seizures"])
    return {**record, **lists}
