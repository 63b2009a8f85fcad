"""Pieces of EEG to look at: which false alarms and which missed seizures, and where each lies in its recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seizure_pipeline.cache import open_row
from seizure_pipeline.pages import cached_uv
from seizure_pipeline.report.judged import JudgedEvent, JudgedRecording
from seizure_pipeline.windows import RATE_HZ, Layout

EXCERPT_S = 30.0
LEAD_S = 5.0  # of EEG before the event


@dataclass(frozen=True, slots=True)
class Found:
    """An event of a recording."""

    recording: JudgedRecording
    event: JudgedEvent

    @property
    def file_clock_s(self) -> tuple[float, float]:
        """Onset and offset in the file's clock."""
        return self.recording.row.layout.file_clock_interval(self.event.onset_s, self.event.offset_s)


@dataclass(frozen=True, slots=True, eq=False)
class EegExcerpt:
    """Microvolts (C, T) at 256 Hz from `start_s` of the file's clock on."""

    start_s: float
    signal_uv_CT: NDArray[np.float32]

    @property
    def end_s(self) -> float:
        """Where it ends in the file's clock."""
        return self.start_s + float(self.signal_uv_CT.shape[1]) / RATE_HZ


def worst_false_alarms(recordings: Sequence[JudgedRecording]) -> list[Found]:
    """All false alarms, those first whose mean probability times duration is highest."""
    alarms = [Found(recording, event) for recording in recordings for event in recording.detections if not event.matched]
    return sorted(alarms, key=lambda found: -found.event.probability * found.event.duration_s)


def missed_seizures(recordings: Sequence[JudgedRecording]) -> list[Found]:
    """All missed seizures, the longest first."""
    missed = [Found(recording, event) for recording in recordings for event in recording.seizures if not event.matched]
    return sorted(missed, key=lambda found: -found.event.duration_s)


def eeg_around(found: Found, cache: Path) -> EegExcerpt:
    """`EXCERPT_S` of EEG from `LEAD_S` before the event on, less where the contiguous stretch is shorter.

    Raises CacheError if the file is not the one that the index knows."""
    row = found.recording.row
    open_row(cache, row)
    start_s, first, stop = excerpt_place(row.layout, found.file_clock_s[0])
    return EegExcerpt(start_s, cached_uv(cache / row.file, first, stop))


def excerpt_place(layout: Layout, onset_s: float) -> tuple[float, int, int]:
    """Where the excerpt starts in the file's clock, and its samples in the recording."""
    stretch = max(int(np.searchsorted(layout.stretch_start_s, onset_s, side="right")) - 1, 0)
    stretch_start_s, n_samples = layout.stretch_start_s[stretch], layout.stretch_samples[stretch]
    size = round(EXCERPT_S * RATE_HZ)
    wanted = round((onset_s - LEAD_S - stretch_start_s) * RATE_HZ)
    first = min(max(wanted, 0), max(n_samples - size, 0))
    begin = layout.sample_starts[stretch]
    return stretch_start_s + first / RATE_HZ, begin + first, begin + min(first + size, n_samples)
