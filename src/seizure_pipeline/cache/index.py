"""The cache's index: one row per recording of the corpus, with where it lies, what it holds or why it is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from seizure_pipeline.configuration import fingerprint
from seizure_pipeline.corpora import RecordingRow
from seizure_pipeline.tables import records_from_table, table_from_records
from seizure_pipeline.windows import Kind, Layout

Interval = tuple[float, float]


class CacheError(ValueError):
    """A cache that cannot serve what is asked; the message names the recording or folder and the rule."""


@dataclass(frozen=True, slots=True)
class IndexRow:
    """One recording in the cache; `seizures` in seconds of recorded time, gaps cut out, starts in the file's clock.

    `fingerprint` stands for the stored samples and the seizures, `chain` for the settings that made the samples."""

    recording_id: str
    patient_id: str
    split: str
    status: str
    reason: str
    file: str
    fingerprint: str
    chain: str
    duration_s: float
    stretch_samples: tuple[int, ...]
    stretch_start_s: tuple[float, ...]
    seizures: tuple[tuple[float, float], ...]
    interpolated: tuple[str, ...]
    clipped_samples: int
    background_windows: int
    partial_windows: int
    full_windows: int

    @classmethod
    def refused(cls, row: RecordingRow, reason: str) -> IndexRow:
        """The row of a recording that is not in the cache."""
        return cls(
            **_recording_facts(row),
            status="refused",
            reason=reason,
            fingerprint="",
            chain="",
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

    @classmethod
    def accepted_from(
        cls, row: RecordingRow, facts: dict[str, Any], layout: Layout, seizures: tuple[Interval, ...], kinds: dict[Kind, int]
    ) -> IndexRow:
        """The row of a cached recording, from the facts beside its signal."""
        return cls(
            **_recording_facts(row),
            status="accepted",
            reason="",
            fingerprint=fingerprint({"signal": facts["signal_sha256"], "seizures": seizures}),
            chain=facts["chain"],
            duration_s=layout.duration_s,
            stretch_samples=layout.stretch_samples,
            stretch_start_s=layout.stretch_start_s,
            seizures=seizures,
            interpolated=tuple(facts["interpolated"]),
            clipped_samples=facts["clipped_samples"],
            background_windows=kinds[Kind.BACKGROUND],
            partial_windows=kinds[Kind.PARTIAL],
            full_windows=kinds[Kind.FULL],
        )

    @property
    def accepted(self) -> bool:
        """Whether the recording takes part."""
        return self.status == "accepted"

    @property
    def layout(self) -> Layout:
        """Its contiguous stretches."""
        return Layout(self.stretch_samples, self.stretch_start_s)


def _recording_facts(row: RecordingRow) -> dict[str, Any]:
    return {
        "recording_id": row.recording_id,
        "patient_id": row.patient_id,
        "split": row.split,
        "file": f"{row.recording_id}.npz",
    }


def table_from_rows(rows: list[IndexRow]) -> pd.DataFrame:
    """The rows as a table, one column per field."""
    return table_from_records(rows, IndexRow)


def rows_from_table(table: pd.DataFrame) -> list[IndexRow]:
    """Undoes `table_from_rows`."""
    return records_from_table(table, IndexRow)


def cache_fingerprint(rows: list[IndexRow]) -> str:
    """Fingerprint of what a training run reads: signals and seizures of the accepted train and dev recordings."""
    read = [row for row in rows if row.accepted and row.split in ("train", "dev")]
    return fingerprint({row.recording_id: [row.fingerprint, row.split] for row in read})


def accepted_of_split(rows: list[IndexRow], split: str) -> list[IndexRow]:
    """The accepted recordings of a split; raises CacheError if it has none or none of them has a seizure."""
    chosen = [row for row in rows if row.split == split and row.accepted]
    if not chosen:
        raise CacheError(f"split {split!r} has no recording in the cache; it needs at least one")
    if not any(row.seizures for row in chosen):
        raise CacheError(f"split {split!r}: no seizure in its {len(chosen)} recordings; it needs at least one")
    return chosen


def check_chain(rows: list[IndexRow], chain: str) -> None:
    """Raise CacheError for a row whose samples another chain of settings made than `chain`."""
    for row in rows:
        if row.accepted and row.chain != chain:
            raise CacheError(
                f"{row.recording_id}: cached with signal settings {row.chain}, wanted are {chain}; run windowing again"
            )
