"""Time-aligned event scoring (NEDC v6 TAES, label SEIZ): shares of a seizure, not whole events.

Seizures are taken in order. One that is unused and strictly overlaps some detection takes every unused detection near it
(by whole seconds, ends included), one after the other. With d the seizure's length, a detection h on seizure r has

    early   hit = (h.stop - r.start) / d    false alarm = min(1, (r.start - h.start) / d)
    late    hit = (r.stop - h.start) / d    false alarm = min(1, (h.stop - r.stop) / d)
    cover   hit = 1                         false alarm = min(1, (h.stop - r.stop + r.start - h.start) / d)
    inside  hit = (h.stop - h.start) / d    false alarm = 0

and a miss of 1 - hit. If the detection lasts to the seizure's end, it uses up every later seizure near it, each a miss of
1; if not, the seizure uses up every later detection near it: its hit is added to the hits and taken from the misses, its
false alarm added. What is left unused counts 1 each. A detection that is near without overlapping has a negative hit.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate

from seizure_pipeline.scoring.events import Counts, Interval, ScoredRecording, ScoringError, joined, nedc_time_s
from seizure_pipeline.scoring.ovlp import overlap


def count_time_aligned(recording: ScoredRecording) -> Counts:
    """Shares of one recording's seizures hit and missed, and false alarms; looks only at events that may be near.

    Raises ScoringError for a detected seizure of no length, by which NEDC would divide.
    """
    seizures, alarms = joined(recording.reference), joined(recording.detections)
    alarm_start = [int(start_s) for start_s, _ in alarms]
    latest_alarm_stop = list(accumulate([int(stop_s) for _, stop_s in alarms], max))
    seizure_start = [int(start_s) for start_s, _ in seizures]
    tally = _Tally(recording, seizures, alarms)
    for i, (start_s, stop_s) in enumerate(seizures):
        first, end = bisect_left(latest_alarm_stop, int(start_s)), bisect_right(alarm_start, int(stop_s))
        if tally.seizure_used[i] or not any(overlap(seizures[i], alarm) for alarm in alarms[first:end]):
            continue
        for j in range(first, end):
            if not tally.alarm_used[j] and near(seizures[i], alarms[j]):
                later_seizures = range(i + 1, bisect_right(seizure_start, int(alarms[j][1])))
                tally.align(i, j, later_seizures, range(j + 1, end))
    return tally.counts()


def count_time_aligned_reference(recording: ScoredRecording) -> Counts:
    """The same, looking at every event: what `count_time_aligned` is held against."""
    seizures, alarms = joined(recording.reference), joined(recording.detections)
    tally = _Tally(recording, seizures, alarms)
    for i, seizure in enumerate(seizures):
        if tally.seizure_used[i] or not any(overlap(seizure, alarm) for alarm in alarms):
            continue
        for j, alarm in enumerate(alarms):
            if not tally.alarm_used[j] and near(seizure, alarm):
                tally.align(i, j, range(i + 1, len(seizures)), range(j + 1, len(alarms)))
    return tally.counts()


def near(seizure: Interval, alarm: Interval) -> bool:
    """Whether the two share a whole second, its ends included."""
    return int(seizure[0]) <= int(alarm[1]) and int(alarm[0]) <= int(seizure[1])


def hit_and_false_alarm(seizure: Interval, alarm: Interval) -> tuple[float, float]:
    """Share of the seizure that a detection hits, and its false alarm in lengths of the seizure, at most 1."""
    length_s = seizure[1] - seizure[0]
    before_s, after_s = seizure[0] - alarm[0], alarm[1] - seizure[1]
    if before_s >= 0 and after_s >= 0:
        return 1.0, min(1.0, (after_s + before_s) / length_s)
    if before_s >= 0:
        return (alarm[1] - seizure[0]) / length_s, min(1.0, before_s / length_s)
    if after_s >= 0:
        return (seizure[1] - alarm[0]) / length_s, min(1.0, after_s / length_s)
    return (alarm[1] - alarm[0]) / length_s, 0.0


class _Tally:
    """Sums so far and which events are used."""

    def __init__(self, recording: ScoredRecording, seizures: list[Interval], alarms: list[Interval]) -> None:
        self._recording, self._seizures, self._alarms = recording, seizures, alarms
        self.seizure_used, self.alarm_used = [False] * len(seizures), [False] * len(alarms)
        self._hits = self._misses = self._false_alarms = 0.0

    def align(self, i: int, j: int, later_seizures: range, later_alarms: range) -> None:
        """Take detection j for seizure i, and with it whichever later events the two use up."""
        seizure, alarm = self._seizures[i], self._alarms[j]
        self._misses += 1.0
        self._add_hit(seizure, j)
        self.seizure_used[i] = True
        if alarm[1] >= seizure[1]:
            for k in later_seizures:
                if near(self._seizures[k], alarm):
                    self.seizure_used[k] = True
                    self._misses += 1.0
        else:
            for k in later_alarms:
                if near(seizure, self._alarms[k]):
                    self._add_hit(seizure, k)

    def counts(self) -> Counts:
        """The sums, with 1 for each event left unused."""
        return Counts(
            tp=self._hits,
            fn=self._misses + self.seizure_used.count(False),
            fp=self._false_alarms + self.alarm_used.count(False),
            reference_count=len(self._seizures),
            duration_s=nedc_time_s(self._recording.duration_s),
        )

    def _add_hit(self, seizure: Interval, j: int) -> None:
        if seizure[0] == seizure[1]:
            where = f"{self._recording.recording_id}, reference: event {seizure[0]} to {seizure[1]} s"
            raise ScoringError(f"{where}; taes divides by the length of a detected seizure, which is 0")
        hit, false_alarm = hit_and_false_alarm(seizure, self._alarms[j])
        self.alarm_used[j] = True
        self._hits += hit
        self._misses -= hit
        self._false_alarms += false_alarm
