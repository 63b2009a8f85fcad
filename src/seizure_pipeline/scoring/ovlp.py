"""Any-overlap scoring (NEDC v6 OVLP, label SEIZ).

A reference event is found if some detection has detection.stop > reference.start and detection.start < reference.stop
(touching is no overlap). A detection that overlaps no reference event is a false alarm. One detection may find several
seizures and several detections one; none of the extra ones counts anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seizure_pipeline.scoring.events import Interval, joined


@dataclass(frozen=True, slots=True)
class OverlapCounts:
    """Seizures found, seizures missed and false alarms."""

    tp: int
    fn: int
    fp: int


def count_overlaps(reference: Sequence[Interval], detections: Sequence[Interval]) -> OverlapCounts:
    """Counts for one recording, in O(n log n)."""
    true_events, alarms = joined(reference), joined(detections)
    if not true_events or not alarms:
        return OverlapCounts(0, len(true_events), len(alarms))
    true_S2, alarm_A2 = np.asarray(true_events), np.asarray(alarms)
    tp = int(_overlaps_any(true_S2, alarm_A2).sum())
    fp = int((~_overlaps_any(alarm_A2, true_S2)).sum())
    return OverlapCounts(tp, len(true_events) - tp, fp)


def count_overlaps_reference(reference: Sequence[Interval], detections: Sequence[Interval]) -> OverlapCounts:
    """The same, every event against every other: what `count_overlaps` is held against."""
    true_events, alarms = joined(reference), joined(detections)
    found = [event for event in true_events if any(_overlap(event, alarm) for alarm in alarms)]
    false = [alarm for alarm in alarms if not any(_overlap(event, alarm) for event in true_events)]
    return OverlapCounts(len(found), len(true_events) - len(found), len(false))


def _overlaps_any(events_N2: NDArray[np.float64], others_M2: NDArray[np.float64]) -> NDArray[np.bool_]:
    # Of the others that start before the event ends, one overlaps it if the latest end among them lies after its start.
    starting_before_end_N = np.searchsorted(others_M2[:, 0], events_N2[:, 1], side="left")
    latest_end_M = np.maximum.accumulate(others_M2[:, 1])
    latest_end_N = latest_end_M[np.maximum(starting_before_end_N - 1, 0)]
    overlaps_N: NDArray[np.bool_] = (starting_before_end_N > 0) & (latest_end_N > events_N2[:, 0])
    return overlaps_N


def _overlap(event: Interval, alarm: Interval) -> bool:
    return alarm[1] > event[0] and alarm[0] < event[1]
