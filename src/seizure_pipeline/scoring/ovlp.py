"""Any-overlap scoring (NEDC v6 OVLP, label SEIZ).

A reference event is found if some detection has detection.stop > reference.start and detection.start < reference.stop
(touching is no overlap). A detection that overlaps no reference event is a false alarm. One detection may find several
seizures and several detections one; none of the extra ones counts anywhere.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate

from seizure_pipeline.scoring.events import Counts, Interval, ScoredRecording, joined, nedc_time_s


def count_overlaps(recording: ScoredRecording) -> Counts:
    """Events of one recording found, missed and falsely detected, in O(n log n)."""
    seizures, alarms = joined(recording.reference), joined(recording.detections)
    return _counts(
        recording, len(seizures), _how_many_overlap(seizures, alarms), len(alarms) - _how_many_overlap(alarms, seizures)
    )


def count_overlaps_reference(recording: ScoredRecording) -> Counts:
    """The same, every event against every other: what `count_overlaps` is held against."""
    seizures, alarms = joined(recording.reference), joined(recording.detections)
    found = [seizure for seizure in seizures if any(overlap(seizure, alarm) for alarm in alarms)]
    false = [alarm for alarm in alarms if not any(overlap(seizure, alarm) for seizure in seizures)]
    return _counts(recording, len(seizures), len(found), len(false))


def overlap(seizure: Interval, alarm: Interval) -> bool:
    """Whether the two share more than a point in time (strict; NEDC)."""
    return alarm[1] > seizure[0] and alarm[0] < seizure[1]


def _counts(recording: ScoredRecording, seizures: int, found: int, false_alarms: int) -> Counts:
    return Counts(found, seizures - found, false_alarms, seizures, nedc_time_s(recording.duration_s))


def _how_many_overlap(events: list[Interval], others: list[Interval]) -> int:
    # Of the others that start before the event ends, one overlaps it if the latest end among them lies after its start.
    if not events or not others:
        return 0
    start_s = [start_s for start_s, _ in others]
    latest_stop_s = list(accumulate([stop_s for _, stop_s in others], max))
    overlapping = 0
    for onset_s, offset_s in events:
        before = bisect_left(start_s, offset_s)
        overlapping += before > 0 and latest_stop_s[before - 1] > onset_s
    return overlapping
