"""What is scored: recordings with true and detected events; checks on them and NEDC's preparation of event lists."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Interval = tuple[float, float]
END_TOLERANCE_S = 1e-3  # csv_bi rounds times and duration to 4 decimals, each on its own
NEDC_DECIMALS = 4  # of a csv_bi file, NEDC's only input


class ScoringError(ValueError):
    """Input that cannot be scored; the message names the recording, the value and the rule."""


@dataclass(frozen=True, slots=True)
class ScoredRecording:
    """One recording's truth and detections as (onset, offset) in seconds from its start; checked when scored.

    What odd events mean. NEDC is rules `ovlp`, `taes`, `epoch` and `dpalign`; SzCORE is `szcore_event` and
    `szcore_sample`; sides are never mixed.

    - Unsorted: every rule sorts by onset, then offset, so the order of a list never matters.
    - Touching: one event in NEDC, by times rounded to 4 decimals. `szcore_event` joins whatever lies less than 90 s
      apart; samples do not tell.
    - Overlapping, nested and duplicate events of a side: in NEDC each stays an event of its own (background of negative
      length comes between them), but a sample of `epoch` counts once. `szcore_event` joins them, and the one event ends
      where the last listed one ends, so that a nested event shortens it. A second of `szcore_sample` counts once.
    - Zero length: an event like others. It overlaps what it lies strictly inside; it has no sample, so as a detection
      it is a false alarm of `szcore_event`. `taes` divides by a seizure's length: ScoringError if one of no length is
      detected.
    - Shorter than a sample: rounded as NEDC (4 decimals, then samples each 0.25 s) and timescoring (10 Hz or 1 Hz grid,
      halves to even) do it, possibly to nothing.
    - Past the end of the recording: up to 1 ms is rounding and is cut off where samples are counted; more is a
      ScoringError.
    - Negative times, an offset before its onset, NaN and infinity: ScoringError.
    """

    recording_id: str
    patient_id: str
    duration_s: float
    reference: Sequence[Interval]
    detections: Sequence[Interval]


@dataclass(frozen=True, slots=True)
class Counts:
    """What a rule counts in one recording or in several: events, or samples where the rule scores samples.

    `reference_count` is all there was to find; it is tp + fn unless events overlap within a side (TAES). `duration_s` is
    the recorded time as the rule measures it.
    """

    tp: float
    fn: float
    fp: float
    reference_count: float
    duration_s: float


def pooled(counts: Sequence[Counts]) -> Counts:
    """Sum over recordings."""
    return Counts(
        tp=sum(c.tp for c in counts),
        fn=sum(c.fn for c in counts),
        fp=sum(c.fp for c in counts),
        reference_count=sum(c.reference_count for c in counts),
        duration_s=sum(c.duration_s for c in counts),
    )


def check_recordings(recordings: Sequence[ScoredRecording]) -> None:
    """Raise ScoringError for a duplicate recording id, a duration that is not positive or an impossible event."""
    seen: set[str] = set()
    for recording in recordings:
        if recording.recording_id in seen:
            raise ScoringError(f"{recording.recording_id}: given twice; a recording is scored once")
        seen.add(recording.recording_id)
        if not (_possible(recording.reference, recording.duration_s) and _possible(recording.detections, recording.duration_s)):
            check_events(recording.reference, recording.duration_s, f"{recording.recording_id}, reference")
            check_events(recording.detections, recording.duration_s, f"{recording.recording_id}, detections")


def check_events(events: Sequence[Interval], duration_s: float, where: str) -> None:
    """Raise ScoringError, naming `where`, for an event that no recording of `duration_s` can hold.

    Unsorted, touching, overlapping, nested, duplicate and zero-length events are accepted: `ScoredRecording` says what
    they mean.
    """
    if not (math.isfinite(duration_s) and duration_s > 0):
        raise ScoringError(f"{where}: duration {duration_s} s; a duration is finite and positive")
    for onset_s, offset_s in events:
        event = f"{where}: event {onset_s} to {offset_s} s"
        if not (math.isfinite(onset_s) and math.isfinite(offset_s)):
            raise ScoringError(f"{event}; times are finite")
        if onset_s < 0:
            raise ScoringError(f"{event}; times are not negative")
        if offset_s < onset_s:
            raise ScoringError(f"{event}; an event does not end before it starts")
        if offset_s > duration_s + END_TOLERANCE_S:
            raise ScoringError(f"{event}; an event ends within the recording of {duration_s} s")


def _possible(events: Sequence[Interval], duration_s: float) -> bool:
    # The same conditions in one comparison an event, for lists without a fault; NaN fails every comparison.
    latest_s = duration_s + END_TOLERANCE_S
    for onset_s, offset_s in events:
        if not 0 <= onset_s <= offset_s <= latest_s:
            return False
    return 0 < duration_s < math.inf


def ordered(events: Sequence[Interval]) -> list[Interval]:
    """Events by onset, then offset, as plain floats."""
    return sorted([(float(onset_s), float(offset_s)) for onset_s, offset_s in events])


def joined(events: Sequence[Interval]) -> list[Interval]:
    """Events at 4 decimals, sorted, with each that starts where the one before it ends joined to it (NEDC).

    The comparison is with the event just before. Events that overlap stay separate, as in NEDC, where a filler of
    negative length comes between them.
    """
    result: list[Interval] = []
    if len(events) == 0:
        return result
    for onset_s, offset_s in sorted([(nedc_time_s(onset_s), nedc_time_s(offset_s)) for onset_s, offset_s in events]):
        if result and result[-1][1] == onset_s:
            result[-1] = (result[-1][0], offset_s)
        else:
            result.append((onset_s, offset_s))
    return result


def nedc_time_s(time_s: float) -> float:
    """`time_s` as a csv_bi file holds it and NEDC therefore scores it."""
    return round(float(time_s), NEDC_DECIMALS)
