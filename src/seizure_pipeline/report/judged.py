"""What a report shows of a split: its recordings with their traces, and each event with how it was judged (any overlap)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seizure_pipeline.cache import IndexRow
from seizure_pipeline.scoring import PostProcessingSettings, ScoredRecording, Trace, detect
from seizure_pipeline.scoring.events import Interval, joined
from seizure_pipeline.scoring.ovlp import overlap
from seizure_pipeline.windows import RATE_HZ, TOKEN_RATE_HZ, Layout


@dataclass(frozen=True, slots=True)
class JudgedEvent:
    """A seizure or a detection in seconds of recorded time; `matched` if it overlaps an event of the other kind.

    `probability` is the mean over a detection, and the highest one during a seizure.
    """

    onset_s: float
    offset_s: float
    matched: bool
    probability: float

    @property
    def duration_s(self) -> float:
        """How long it lasts."""
        return self.offset_s - self.onset_s

    def pieces_s(self, layout: Layout) -> list[Interval]:
        """Where it lies in the file's clock: an onset and offset for each contiguous stretch that it has a part of.

        Events that touch at a gap in the file touch in recorded time and are one."""
        recorded_s = [
            (start / TOKEN_RATE_HZ, start / TOKEN_RATE_HZ + samples / RATE_HZ)
            for start, samples in zip(layout.token_starts, layout.stretch_samples, strict=True)
        ]
        parts_s = [(max(self.onset_s, begin_s), min(self.offset_s, end_s)) for begin_s, end_s in recorded_s]
        within_s = [part_s for part_s in parts_s if part_s[0] < part_s[1]]
        return [layout.file_clock_interval(*part_s) for part_s in within_s or [(self.onset_s, self.offset_s)]]


@dataclass(frozen=True, slots=True, eq=False)
class JudgedRecording:
    """A scored recording with its seizures (touching ones joined, as they are counted) and its detections."""

    row: IndexRow
    trace: Trace
    seizures: tuple[JudgedEvent, ...]
    detections: tuple[JudgedEvent, ...]

    @property
    def eventful(self) -> bool:
        """Whether there is a seizure or a detection."""
        return bool(self.seizures or self.detections)

    @property
    def scored(self) -> ScoredRecording:
        """The recording as any rule scores it."""
        found = [(event.onset_s, event.offset_s) for event in self.detections]
        trace = self.trace
        return ScoredRecording(trace.recording_id, trace.patient_id, trace.duration_s, trace.reference, found)


def by_patient(recordings: Sequence[JudgedRecording]) -> dict[str, list[JudgedRecording]]:
    """Recordings by patient, both in the order of their names."""
    found: dict[str, list[JudgedRecording]] = {}
    for recording in sorted(recordings, key=lambda each: (each.row.patient_id, each.row.recording_id)):
        found.setdefault(recording.row.patient_id, []).append(recording)
    return found


def judge(row: IndexRow, trace: Trace, threshold: float | None, settings: PostProcessingSettings) -> JudgedRecording:
    """A recording with its events at `threshold`; without one nothing is detected."""
    found = [] if threshold is None else detect(trace, threshold, settings)
    seizures = joined(trace.reference)
    alarms = joined([(detection.onset_s, detection.offset_s) for detection in found])
    return JudgedRecording(
        row=row,
        trace=trace,
        seizures=tuple(JudgedEvent(*each, _overlaps(each, alarms), float(_within(trace, each).max())) for each in seizures),
        detections=tuple(JudgedEvent(*each, _overlaps(each, seizures), float(_within(trace, each).mean())) for each in alarms),
    )


def _within(trace: Trace, event: Interval) -> NDArray[np.float32]:
    """Probabilities of the tokens that an event touches, of one at least."""
    first = min(int(event[0] * trace.rate_hz), len(trace.probability) - 1)
    return trace.probability[first : max(math.ceil(event[1] * trace.rate_hz), first + 1)]


def _overlaps(event: Interval, others: Sequence[Interval]) -> bool:
    return any(overlap(event, other) for other in others)
