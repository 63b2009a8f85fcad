"""What is scored: recordings with true and detected events; checks on them and NEDC's preparation of event lists."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Interval = tuple[float, float]
END_TOLERANCE_S = 1e-3  # csv_bi rounds times and duration to 4 decimals, each on its own
GAP_DECIMALS = 4  # NEDC compares the end of an event with the start of the next after rounding to 4 decimals


class ScoringError(ValueError):
    """Input that cannot be scored; the message names the recording, the value and the rule."""


@dataclass(frozen=True, slots=True)
class ScoredRecording:
    """One recording's truth and detections as (onset, offset) in seconds from its start; checked when scored."""

    recording_id: str
    patient_id: str
    duration_s: float
    reference: Sequence[Interval]
    detections: Sequence[Interval]


def check_recordings(recordings: Sequence[ScoredRecording]) -> None:
    """Raise ScoringError for a duplicate recording id, a duration that is not positive or an impossible event."""
    seen: set[str] = set()
    for recording in recordings:
        if recording.recording_id in seen:
            raise ScoringError(f"{recording.recording_id}: given twice; a recording is scored once")
        seen.add(recording.recording_id)
        check_events(recording.reference, recording.duration_s, f"{recording.recording_id}, reference")
        check_events(recording.detections, recording.duration_s, f"{recording.recording_id}, detections")


def check_events(events: Sequence[Interval], duration_s: float, where: str) -> None:
    """Raise ScoringError, naming `where`, for an event that no recording of `duration_s` can hold.

    Unsorted, touching, overlapping, nested, duplicate and zero-length events are accepted: `joined` says what they
    mean.
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


def joined(events: Sequence[Interval]) -> list[Interval]:
    """Events sorted by start (then end), with each that starts where the one before it ends joined to it (NEDC).

    The comparison is with the event just before, after rounding to 4 decimals. Events that overlap stay separate, as in
    NEDC, where a filler of negative length comes between them.
    """
    result: list[Interval] = []
    for onset_s, offset_s in sorted((float(onset), float(offset)) for onset, offset in events):
        if result and round(result[-1][1], GAP_DECIMALS) == round(onset_s, GAP_DECIMALS):
            result[-1] = (result[-1][0], offset_s)
        else:
            result.append((onset_s, offset_s))
    return result
