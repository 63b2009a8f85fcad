"""The cache's index: one row per recording of the corpus, with where it lies, what it holds or why it is refused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from seizure_pipeline.cache.facts import Interval, SignalFacts
from seizure_pipeline.configuration import fingerprint
from seizure_pipeline.corpora import RecordingRow
from seizure_pipeline.tables import records_from_table, table_from_records
from seizure_pipeline.windows import Kind, Layout, WindowSettings, kind_of, starts, token_labels


class CacheError(ValueError):
    """A cache that cannot serve what is asked; the message names the recording or folder and the rule."""


@dataclass(frozen=True, slots=True)
class IndexRow:
    """One recording in the cache; `seizures` in seconds of recorded time, gaps cut out, starts in the file's clock.

    `file` is relative to the cache and `size_bytes` long; `fingerprint` stands for the stored samples and the seizures,
    `chain` for the settings that made the samples. `seizure_types` are as in the table of recordings; nothing that a
    detector is shown depends on them, so that they are in no fingerprint and in no cached file."""

    recording_id: str
    patient_id: str
    split: str
    status: str
    reason: str
    file: str
    size_bytes: int
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
    seizure_types: tuple[str, ...] = ()

    @classmethod
    def refused(cls, row: RecordingRow, reason: str) -> IndexRow:
        """The row of a recording that is not in the cache."""
        return cls(
            **_recording_facts(row),
            status="refused",
            reason=reason,
            file="",
            size_bytes=0,
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
    def accepted_from(cls, row: RecordingRow, facts: SignalFacts, size_bytes: int, windows: WindowSettings) -> IndexRow:
        """The row of a cached recording, from the facts beside its signal and the size of its file."""
        layout = facts.layout
        seizures = tuple(layout.recorded_interval(*seizure) for seizure in facts.origin.seizures)
        return cls(
            **_recording_facts(row),
            status="accepted",
            reason="",
            file=f"{facts.origin.chain}/{row.recording_id}.npz",
            size_bytes=size_bytes,
            fingerprint=signal_fingerprint(facts.signal_xxh3_128, seizures),
            chain=facts.origin.chain,
            duration_s=layout.duration_s,
            stretch_samples=layout.stretch_samples,
            stretch_start_s=layout.stretch_start_s,
            seizures=seizures,
            interpolated=facts.interpolated,
            clipped_samples=facts.clipped,
            **count_kinds(layout, seizures, windows),
            seizure_types=row.seizure_types,
        )

    def counted(self, windows: WindowSettings) -> IndexRow:
        """The same row with its windows counted by other settings."""
        return replace(self, **count_kinds(self.layout, self.seizures, windows)) if self.accepted else self

    def as_listed(self, row: RecordingRow) -> IndexRow:
        """The same row with what the table of recordings says today and no signal depends on: patient, split and types."""
        now = _recording_facts(row) | {"seizure_types": row.seizure_types if self.accepted else ()}
        return self if all(getattr(self, name) == value for name, value in now.items()) else replace(self, **now)

    @property
    def accepted(self) -> bool:
        """Whether the recording takes part."""
        return self.status == "accepted"

    @property
    def layout(self) -> Layout:
        """Its contiguous stretches."""
        return Layout(self.stretch_samples, self.stretch_start_s)


def _recording_facts(row: RecordingRow) -> dict[str, Any]:
    return {"recording_id": row.recording_id, "patient_id": row.patient_id, "split": row.split}


def signal_fingerprint(signal_xxh3_128: str, seizures: tuple[Interval, ...]) -> str:
    """Fingerprint of what a detector is shown: the stored samples and the seizures in recorded time."""
    return fingerprint({"signal": signal_xxh3_128, "seizures": seizures})


def count_kinds(layout: Layout, seizures: tuple[Interval, ...], windows: WindowSettings) -> dict[str, Any]:
    """How many windows of each kind a recording has, by the index's column; seizures in seconds of recorded time."""
    ictal_before = np.concatenate([[0], np.cumsum(token_labels(layout, seizures))])
    kinds, n_windows = [], 0
    for tokens, start in zip(layout.stretch_tokens, layout.token_starts, strict=True):
        first = start + np.asarray(starts(tokens, windows.window_tokens, windows.stride_tokens))
        valid = np.minimum(windows.window_tokens, start + tokens - first)
        ictal = ictal_before[first + valid] - ictal_before[first]
        some = ictal > 0
        kinds += [kind_of(np.asarray([share]), windows) for share in ictal[some] / valid[some]]
        n_windows += len(first)
    partial, full = kinds.count(Kind.PARTIAL), kinds.count(Kind.FULL)
    return {
        "background_windows": n_windows - partial - full,
        "partial_windows": partial,
        "full_windows": full,
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
