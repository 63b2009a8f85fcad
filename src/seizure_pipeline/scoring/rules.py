"""Scores of whole collections: each rule by its name, pooled over recordings."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from seizure_pipeline.scoring.dpalign import count_aligned
from seizure_pipeline.scoring.epoch import STEP_S, count_samples
from seizure_pipeline.scoring.events import Counts, ScoredRecording, check_recordings, pooled
from seizure_pipeline.scoring.ovlp import count_overlaps
from seizure_pipeline.scoring.szcore import count_seconds, count_tolerant
from seizure_pipeline.scoring.taes import count_time_aligned

HOURS_PER_DAY = 24.0
S_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Rule:
    """How one recording is counted, and what the public tool makes of the counts.

    `nothing_of_nothing` is its ratio of nothing to nothing: NEDC takes 0.0, timescoring NaN (None here). The rate of
    false alarms counts each of them as `false_alarm_weight`: NEDC takes samples times their length.
    """

    count: Callable[[ScoredRecording], Counts]
    nothing_of_nothing: float | None
    false_alarm_weight: float = 1.0


RULES: dict[str, Rule] = {
    "ovlp": Rule(count_overlaps, nothing_of_nothing=0.0),
    "taes": Rule(count_time_aligned, nothing_of_nothing=0.0),
    "epoch": Rule(count_samples, nothing_of_nothing=0.0, false_alarm_weight=STEP_S),
    "dpalign": Rule(count_aligned, nothing_of_nothing=0.0),
    "szcore_event": Rule(count_tolerant, nothing_of_nothing=None),
    "szcore_sample": Rule(count_seconds, nothing_of_nothing=None),
}


@dataclass(frozen=True, slots=True)
class PatientMean:
    """Means over patients, each weighing the same; None if no patient has the figure.

    The metrics are those of `Score.by_patient`, and beside each stands its standard deviation over patients (of the
    population, as szcore-evaluation gives it). A patient without the events that a metric divides by is left out of that
    metric's mean; so with NEDC's rules too, whose 0.0 is there no measurement. Counts and hours are means over all.
    """

    rule: str
    patients: int
    tp: float | None
    fn: float | None
    fp: float | None
    reference_count: float | None
    hours: float | None
    sensitivity: float | None
    sensitivity_std: float | None
    precision: float | None
    precision_std: float | None
    f1: float | None
    f1_std: float | None
    false_alarms_per_24h: float | None
    false_alarms_per_24h_std: float | None


@dataclass(frozen=True, slots=True)
class Score:
    """Pooled counts and the figures that follow from them.

    Counts are events, or samples: of 0.25 s for `epoch`, of 1 s for `szcore_sample`. `hours` counts all recorded time,
    seizure-free recordings too, as the rule measures it: NEDC at 4 decimals of a second, SzCORE on its 10 Hz or 1 Hz grid.
    `None` stands where a figure is undefined: the rate over no recorded time, and with SzCORE each ratio of nothing to
    nothing, which NEDC takes as 0.0. `precision` and `f1` of NEDC set seizures found beside detections that are false.
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
    counts_by_patient: Mapping[str, Counts] = field(repr=False)

    def by_patient(self) -> dict[str, Score]:
        """The score of each patient's own recordings, in the order in which patients came."""
        return {patient_id: _score(self.rule, {patient_id: counts}) for patient_id, counts in self.counts_by_patient.items()}

    def mean_over_patients(self) -> PatientMean:
        """Means of the patients' figures (szcore-evaluation's averages per subject)."""
        scores, counts = self.by_patient().values(), self.counts_by_patient.values()
        sensitivity, sensitivity_std = _spread([s.sensitivity for s in scores if s.tp + s.fn > 0])
        precision, precision_std = _spread([s.precision for s in scores if s.tp + s.fp > 0])
        f1, f1_std = _spread([s.f1 for s in scores if 2 * s.tp + s.fp + s.fn > 0])
        rate, rate_std = _spread([s.false_alarms_per_24h for s in scores])
        return PatientMean(
            rule=self.rule,
            patients=len(scores),
            tp=_spread([c.tp for c in counts])[0],
            fn=_spread([c.fn for c in counts])[0],
            fp=_spread([c.fp for c in counts])[0],
            reference_count=_spread([c.reference_count for c in counts])[0],
            hours=_spread([s.hours for s in scores])[0],
            sensitivity=sensitivity,
            sensitivity_std=sensitivity_std,
            precision=precision,
            precision_std=precision_std,
            f1=f1,
            f1_std=f1_std,
            false_alarms_per_24h=rate,
            false_alarms_per_24h_std=rate_std,
        )


def score(recordings: Sequence[ScoredRecording], rule: str = "ovlp") -> Score:
    """Score `recordings` by `rule`, pooled; `ScoredRecording` says what odd events mean.

    Rules: `ovlp`, `taes`, `epoch` and `dpalign` (NEDC v6.0.0, label SEIZ), `szcore_event` and `szcore_sample`
    (timescoring 0.0.7). Raises ScoringError for input that cannot be scored and ValueError for a rule that is not known.
    """
    if rule not in RULES:
        raise ValueError(f"rule {rule!r} is not known; known rules: {', '.join(RULES)}")
    check_recordings(recordings)
    counts: dict[str, list[Counts]] = {}
    for recording in recordings:
        counts.setdefault(recording.patient_id, []).append(RULES[rule].count(recording))
    return _score(rule, {patient_id: pooled(of_patient) for patient_id, of_patient in counts.items()})


def _score(rule: str, counts_by_patient: Mapping[str, Counts]) -> Score:
    total, nothing = pooled(list(counts_by_patient.values())), RULES[rule].nothing_of_nothing
    hours = total.duration_s / S_PER_HOUR
    false_alarms = total.fp * RULES[rule].false_alarm_weight
    return Score(
        rule=rule,
        tp=float(total.tp),
        fn=float(total.fn),
        fp=float(total.fp),
        reference_count=float(total.reference_count),
        sensitivity=_ratio(total.tp, total.tp + total.fn, nothing),
        precision=_ratio(total.tp, total.tp + total.fp, nothing),
        f1=_ratio(2 * total.tp, 2 * total.tp + total.fp + total.fn, nothing),
        false_alarms_per_24h=_ratio(false_alarms * HOURS_PER_DAY, hours, None),
        hours=hours,
        counts_by_patient=counts_by_patient,
    )


def _ratio(part: float, whole: float, nothing: float | None) -> float | None:
    return part / whole if whole != 0 else nothing


def _spread(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    defined = [value for value in values if value is not None]
    return (statistics.fmean(defined), statistics.pstdev(defined)) if defined else (None, None)
