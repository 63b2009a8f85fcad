"""Alignment of label sequences (NEDC v6 DPALIGN, label SEIZ): the order of events counts, their times do not.

Both sides become strings of seizures and the background between them. They are aligned at least cost, an insertion, a
deletion and a substitution costing 1 each; among equals, looked at from the end, substitution comes before insertion
before deletion. Hits are seizures aligned with seizures, misses are seizures deleted or substituted, false alarms are
seizures inserted (substituted ones are not).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seizure_pipeline.scoring.events import Counts, Interval, ScoredRecording, joined, nedc_time_s
from seizure_pipeline.scoring.nedc import segments


@dataclass(frozen=True, slots=True)
class _Labels:
    """A string in which seizure and background alternate."""

    seizures: int
    starts_in_seizure: bool
    ends_in_seizure: bool

    @property
    def length(self) -> int:
        return 2 * self.seizures + 1 - self.starts_in_seizure - self.ends_in_seizure


def count_aligned(recording: ScoredRecording) -> Counts:
    """Seizures of one recording hit, missed and inserted.

    Labels alternate, so the shorter string is part of the longer one and everything in it is hit. Two strings of one
    length that start differently are shifted by one: the last detected label is inserted and the first true one
    deleted; below three labels substituting all of them costs no more and comes first.
    """
    duration_s = nedc_time_s(recording.duration_s)
    truth, claim = _labels(recording.reference, duration_s), _labels(recording.detections, duration_s)
    hit = min(truth.seizures, claim.seizures)
    if truth.length != claim.length or truth.starts_in_seizure == claim.starts_in_seizure:
        return Counts(hit, truth.seizures - hit, claim.seizures - hit, truth.seizures, duration_s)
    if truth.length <= 2:
        return Counts(0, truth.seizures, 0, truth.seizures, duration_s)
    deleted, inserted = int(truth.starts_in_seizure), int(claim.ends_in_seizure)
    return Counts(truth.seizures - deleted, deleted, inserted, truth.seizures, duration_s)


def count_aligned_reference(recording: ScoredRecording) -> Counts:
    """The same by the table of all partial alignments: what `count_aligned` is held against."""
    truth = [segment.seizure for segment in segments(recording.reference, recording.duration_s)]
    claim = [segment.seizure for segment in segments(recording.detections, recording.duration_s)]
    cost, i, j = _costs(truth, claim), len(truth), len(claim)
    tp = fn = fp = 0
    while i > 0 or j > 0:
        if i > 0 and j > 0 and cost[i][j] == cost[i - 1][j - 1] + (truth[i - 1] != claim[j - 1]):
            i, j = i - 1, j - 1
            tp += truth[i] and claim[j]
            fn += truth[i] and not claim[j]
        elif j > 0 and cost[i][j] == cost[i][j - 1] + 1:
            j -= 1
            fp += claim[j]
        else:
            i -= 1
            fn += truth[i]
    return Counts(tp, fn, fp, sum(truth), nedc_time_s(recording.duration_s))


def _labels(events: Sequence[Interval], duration_s: float) -> _Labels:
    seizures = joined(events)
    if not seizures:
        return _Labels(0, starts_in_seizure=False, ends_in_seizure=False)
    return _Labels(len(seizures), seizures[0][0] == 0, seizures[-1][1] == duration_s)


def _costs(truth: list[bool], claim: list[bool]) -> list[list[int]]:
    cost = [[i + j for j in range(len(claim) + 1)] for i in range(len(truth) + 1)]
    for i, true in enumerate(truth):
        for j, claimed in enumerate(claim):
            cost[i + 1][j + 1] = min(cost[i][j] + (true != claimed), cost[i + 1][j] + 1, cost[i][j + 1] + 1)
    return cost
