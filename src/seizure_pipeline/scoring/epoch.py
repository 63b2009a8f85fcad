"""Scoring by samples each quarter of a second (NEDC v6 EPOCH, label SEIZ).

Samples lie at 0.125 + 0.25 k seconds up to the end of the recording. A sample has the label of the first segment, in
NEDC's order, with start <= t <= stop. So a sample at an event's very start still belongs to the background before it, one
at the very end to the event: seizure is the union of (start, stop].
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from seizure_pipeline.scoring.events import Counts, Interval, ScoredRecording, joined, nedc_time_s
from seizure_pipeline.scoring.nedc import Segment, segments
from seizure_pipeline.scoring.spans import Span, common_size, size, union

STEP_S, FIRST_S = 0.25, 0.125  # powers of two: times of samples, and samples until a time, are exact


def count_samples(recording: ScoredRecording) -> Counts:
    """Samples of one recording, by the ends of its events."""
    duration_s = nedc_time_s(recording.duration_s)
    seizure, alarm = _samples(recording.reference, duration_s), _samples(recording.detections, duration_s)
    tp, reference = common_size(seizure, alarm), size(seizure)
    return Counts(tp, reference - tp, size(alarm) - tp, reference, duration_s)


def count_samples_reference(recording: ScoredRecording) -> Counts:
    """The same, sample by sample and segment by segment: what `count_samples` is held against."""
    truth = segments(recording.reference, recording.duration_s)
    claim = segments(recording.detections, recording.duration_s)
    duration_s, tp, fn, fp, k = nedc_time_s(recording.duration_s), 0, 0, 0, 0
    while FIRST_S + STEP_S * k <= duration_s:
        true, claimed = (_label_at(FIRST_S + STEP_S * k, side) for side in (truth, claim))
        tp += true and claimed
        fn += true and not claimed
        fp += claimed and not true
        k += 1
    return Counts(tp, fn, fp, tp + fn, duration_s)


def _samples(events: Sequence[Interval], duration_s: float) -> list[Span]:
    return union(
        [(_samples_until(start_s), _samples_until(stop_s)) for start_s, stop_s in joined(events)], _samples_until(duration_s)
    )


def _samples_until(time_s: float) -> int:
    return math.floor((time_s - FIRST_S) / STEP_S) + 1


def _label_at(time_s: float, side: list[Segment]) -> bool:
    return next(segment.seizure for segment in side if segment.start_s <= time_s <= segment.stop_s)
