"""SzCORE scoring as timescoring 0.0.7 does it: events with tolerance, and samples (Dan et al. 2024).

Events of either side less than 90 s apart become one, which ends where the last of them ends; one longer than 300 s is
cut into pieces of 300 s and a rest. On a grid of 10 Hz (halves round to even), each true piece is widened by 30 s before
and 60 s after, within the recording, and found if any detected sample lies in it. A detected piece without a sample in any
found and widened true piece is a false alarm. Windows of neighbouring pieces overlap, so one detection can find two.

Samples are whole seconds, rounded in the same way; the recording's length passes through the 10 Hz grid first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from seizure_pipeline.scoring.events import Counts, Interval, ScoredRecording, ordered
from seizure_pipeline.scoring.spans import Span, common_size, meeting, size, union

JOINED_BELOW_S, LONGEST_S = 90.0, 300.0
BEFORE_S, AFTER_S = 30.0, 60.0
EVENT_RATE_HZ = 10


def count_tolerant(recording: ScoredRecording) -> Counts:
    """Pieces of one recording's seizures found and missed, and detected pieces that are false, by their ends."""
    seizures, alarms = _pieces(recording.reference), _pieces(recording.detections)
    end = _end(recording)
    alarm_spans = _spans(alarms)
    found = meeting(_spans(_widened(seizures, end)), union(alarm_spans, end))
    false_alarms = len(alarms) - len(meeting(alarm_spans, found))
    return Counts(len(found), len(seizures) - len(found), false_alarms, len(seizures), end / EVENT_RATE_HZ)


def count_tolerant_reference(recording: ScoredRecording) -> Counts:
    """The same on masks, sample by sample: what `count_tolerant` is held against."""
    seizures, alarms = _pieces(recording.reference), _pieces(recording.detections)
    end = _end(recording)
    detected, in_found, tp = _mask(map(_span, alarms), end), [False] * end, 0
    for first, stop in map(_span, _widened(seizures, end)):
        if any(detected[first:stop]):
            tp += 1
            in_found[first:stop] = [True] * len(in_found[first:stop])
    fp = sum(not any(in_found[first:stop]) for first, stop in map(_span, alarms))
    return Counts(tp, len(seizures) - tp, fp, len(seizures), end / EVENT_RATE_HZ)


def count_seconds(recording: ScoredRecording) -> Counts:
    """Seconds of one recording, by the ends of its events."""
    end = round(_end(recording) / EVENT_RATE_HZ)
    seizure, alarm = union(_seconds(recording.reference), end), union(_seconds(recording.detections), end)
    tp, reference = common_size(seizure, alarm), size(seizure)
    return Counts(tp, reference - tp, size(alarm) - tp, reference, end)


def count_seconds_reference(recording: ScoredRecording) -> Counts:
    """The same on masks, second by second: what `count_seconds` is held against."""
    end = round(_end(recording) / EVENT_RATE_HZ)
    true, claimed = _mask(_seconds(recording.reference), end), _mask(_seconds(recording.detections), end)
    tp = sum(t and c for t, c in zip(true, claimed, strict=True))
    return Counts(tp, sum(true) - tp, sum(claimed) - tp, sum(true), end)


def _pieces(events: Sequence[Interval]) -> list[Interval]:
    result = []
    for onset_s, offset_s in _joined(ordered(events)):
        start_s = onset_s
        while offset_s - start_s > LONGEST_S:
            result.append((start_s, start_s + LONGEST_S))
            start_s += LONGEST_S
        result.append((start_s, offset_s))
    return result


def _joined(events: list[Interval]) -> list[Interval]:
    result: list[Interval] = []
    for onset_s, offset_s in events:
        if result and onset_s - result[-1][1] < JOINED_BELOW_S:
            result[-1] = (result[-1][0], offset_s)
        else:
            result.append((onset_s, offset_s))
    return result


def _widened(pieces: list[Interval], end: int) -> list[Interval]:
    return [(max(0.0, start_s - BEFORE_S), min(end / EVENT_RATE_HZ, stop_s + AFTER_S)) for start_s, stop_s in pieces]


def _end(recording: ScoredRecording) -> int:
    return round(float(recording.duration_s) * EVENT_RATE_HZ)


def _span(event: Interval) -> Span:
    return round(event[0] * EVENT_RATE_HZ), round(event[1] * EVENT_RATE_HZ)


def _spans(events: list[Interval]) -> list[Span]:
    return [span for span in map(_span, events) if span[0] < span[1]]


def _seconds(events: Sequence[Interval]) -> list[Span]:
    return [(round(onset_s), round(offset_s)) for onset_s, offset_s in events]


def _mask(spans: Iterable[Span], end: int) -> list[bool]:
    mask = [False] * end
    for first, stop in spans:
        mask[first:stop] = [True] * len(mask[first:stop])
    return mask
