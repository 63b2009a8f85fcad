"""The table of recordings: one row per recording of a corpus, accepted with its facts or refused with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from seizure_pipeline.annotations import Seizures
from seizure_pipeline.corpora.records import Entry
from seizure_pipeline.recordings import Recording
from seizure_pipeline.tables import records_from_table, table_from_records


@dataclass(frozen=True, slots=True)
class RecordingRow:
    """One line of the table of recordings; seizures in seconds of the file's clock, `reason` empty where accepted.

    `lists_seizures` says whether the annotation file, taken alone, gives the recording a seizure: by it patients are
    divided, so that a refused EDF moves nobody to another split. `seizure_types` are as in an Annotation."""

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
    lists_seizures: bool
    size_bytes: int
    token: str
    header_sha256: str
    seizure_types: tuple[str, ...] = ()

    @classmethod
    def refused(cls, entry: Entry, reason: str, lists_seizures: bool = False) -> RecordingRow:
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
            lists_seizures=lists_seizures,
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
        seizure_types: tuple[str, ...],
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
            lists_seizures=bool(seizures),
            header_sha256=recording.header_sha256,
            seizure_types=seizure_types,
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


def table_from_rows(rows: list[RecordingRow]) -> pd.DataFrame:
    """The rows as a table, one column per field."""
    return table_from_records(rows, RecordingRow)


def rows_from_table(table: pd.DataFrame) -> list[RecordingRow]:
    """Undoes `table_from_rows`."""
    return records_from_table(table, RecordingRow)
