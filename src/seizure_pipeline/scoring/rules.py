"""Scores of whole collections: each rule by its name, pooled over recordings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from seizure_pipeline.scoring.events import ScoredRecording, check_recordings
from seizure_pipeline.scoring.ovlp import count_overlaps

HOURS_PER_DAY = 24.0
S_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Score:
    """Pooled counts and the figures that follow from them.

    `hours` counts all recorded time, seizure-free recordings too. `None` stands where a figure is undefined; rule
    `ovlp` follows NEDC, which takes a ratio of nothing to nothing as 0.0, so there only the rate over no recorded time
    is None.
    """

    rule: str
    tp: float
    fn: float
    fp: float
    reference_count: float
    sensitivity: float | None
    precision: float | None
    f1: float | None
    false_alarms_per_24h: float | None
    hours: float


def score(recordings: Sequence[ScoredRecording], rule: str = "ovlp") -> Score:
    """Score `recordings` by `rule`, pooled.

    Raises ScoringError for input that cannot be scored and ValueError for a rule that is not known.
    """
    if rule not in RULES:
        raise ValueError(f"rule {rule!r} is not known; known rules: {', '.join(RULES)}")
    check_recordings(recordings)
    return RULES[rule](recordings)


def _score_ovlp(recordings: Sequence[ScoredRecording]) -> Score:
    counts = [count_overlaps(recording.reference, recording.detections) for recording in recordings]
    tp, fn, fp = sum(c.tp for c in counts), sum(c.fn for c in counts), sum(c.fp for c in counts)
    sensitivity, precision = _ratio(tp, tp + fn), _ratio(tp, tp + fp)
    duration_s = sum(recording.duration_s for recording in recordings)
    return Score(
        rule="ovlp",
        tp=float(tp),
        fn=float(fn),
        fp=float(fp),
        reference_count=float(tp + fn),
        sensitivity=sensitivity,
        precision=precision,
        f1=_ratio(2 * sensitivity * precision, sensitivity + precision),
        false_alarms_per_24h=fp / duration_s * HOURS_PER_DAY * S_PER_HOUR if duration_s > 0 else None,
        hours=duration_s / S_PER_HOUR,
    )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0  # 0/0 is 0.0 in NEDC


RULES: dict[str, Callable[[Sequence[ScoredRecording]], Score]] = {"ovlp": _score_ovlp}
