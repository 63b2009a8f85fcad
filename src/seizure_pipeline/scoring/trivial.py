"""What a detector must beat: never alarming, always alarming, and alarming at random times."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seizure_pipeline.scoring.events import ScoredRecording, joined
from seizure_pipeline.scoring.rules import HOURS_PER_DAY, S_PER_HOUR, Score, score
from seizure_pipeline.scoring.traces import Trace


def never(traces: Sequence[Trace | ScoredRecording], rule: str = "ovlp") -> Score:
    """Score of a detector that stays silent."""
    return score([_with_detections(trace, []) for trace in traces], rule)


def always(traces: Sequence[Trace | ScoredRecording], rule: str = "ovlp") -> Score:
    """Score of a detector that raises one alarm over the whole of every recording."""
    return score([_with_detections(trace, [(0.0, trace.duration_s)]) for trace in traces], rule)


def chance_sensitivity(seizure_durations_s: NDArray[np.float64], alarms_per_24h: float, alarm_duration_s: float) -> float:
    """Sensitivity expected of alarms of one duration d at random times (Poisson), at the rate of the budget.

    A seizure of length L is found if an alarm starts within the L + d seconds before its end, so with probability
    1 - exp(-rate (L + d)); this is the mean over seizures. Ends of recordings are not corrected for.
    0.0 without seizures.
    """
    if len(seizure_durations_s) == 0:
        return 0.0
    rate_per_s = alarms_per_24h / (HOURS_PER_DAY * S_PER_HOUR)
    return float(np.mean(-np.expm1(-rate_per_s * (seizure_durations_s + alarm_duration_s))))


def seizure_durations_s(traces: Sequence[Trace]) -> NDArray[np.float64]:
    """Duration of every reference event of `traces`."""
    return np.asarray([offset_s - onset_s for trace in traces for onset_s, offset_s in joined(trace.reference)])


def _with_detections(trace: Trace | ScoredRecording, detections: list[tuple[float, float]]) -> ScoredRecording:
    return ScoredRecording(trace.recording_id, trace.patient_id, trace.duration_s, trace.reference, detections)
