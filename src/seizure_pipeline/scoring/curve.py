"""Sensitivity against false alarms over all thresholds, and the figure within a false-alarm budget.

NEDC OVLP on SEIZ, pooled over recordings, all recorded hours counted; every distinct score of the traces is a
threshold. The false-alarm rate is not monotone in the threshold (at low ones detections fuse), so a search by bisection
would miss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seizure_pipeline.scoring.detections import PostProcessingSettings, stretch_bounds, token_limits
from seizure_pipeline.scoring.events import ScoringError, joined
from seizure_pipeline.scoring.kernels import add_counts
from seizure_pipeline.scoring.rules import HOURS_PER_DAY, S_PER_HOUR
from seizure_pipeline.scoring.traces import Trace


@dataclass(frozen=True, slots=True, eq=False)
class OperatingCurve:
    """Counts at each of K thresholds, the highest first; `hours` is all recorded time."""

    thresholds: NDArray[np.float64]
    tp: NDArray[np.int64]
    fp: NDArray[np.int64]
    seizures: int
    hours: float

    @property
    def sensitivity(self) -> NDArray[np.float64]:
        """(K,) share of seizures found."""
        share_K: NDArray[np.float64] = self.tp / self.seizures
        return share_K

    @property
    def precision(self) -> NDArray[np.float64]:
        """(K,) found seizures over found seizures and false alarms (NEDC's); 0.0 where nothing was detected."""
        share_K: NDArray[np.float64] = self.tp / np.maximum(self.tp + self.fp, 1)
        return share_K

    @property
    def false_alarms_per_24h(self) -> NDArray[np.float64]:
        """(K,) false alarms per 24 recorded hours."""
        rate_K: NDArray[np.float64] = self.fp / self.hours * HOURS_PER_DAY
        return rate_K


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A threshold and what it gave on the traces that it was chosen on."""

    threshold: float
    sensitivity: float
    found_seizures: int
    false_alarms: int
    false_alarms_per_24h: float


def operating_curve(traces: Sequence[Trace], settings: PostProcessingSettings) -> OperatingCurve:
    """Counts at every distinct score of `traces`, post-processed by `settings` as in use.

    Traces from `resolve` have few enough distinct scores for this to be quick.
    Raises ScoringError if a recording is given twice or if there is no seizure to find.
    """
    _check(traces)
    thresholds_K = distinct_scores(traces)[::-1].astype(np.float64)
    tp_K, fp_K = np.zeros(len(thresholds_K), np.int64), np.zeros(len(thresholds_K), np.int64)
    seizures = 0
    for trace in traces:
        reference_R2 = np.asarray(joined(trace.reference), dtype=np.float64).reshape(-1, 2)
        onset_s_R, offset_s_R = np.ascontiguousarray(reference_R2.T)
        limits = token_limits(settings, trace.rate_hz)
        add_counts(
            np.ascontiguousarray(trace.probability), stretch_bounds(trace), float(trace.rate_hz),
            float(trace.duration_s), onset_s_R, offset_s_R,
            thresholds_K, settings.off_ratio * thresholds_K, limits.gap, limits.least, tp_K, fp_K,
        )  # fmt: skip
        seizures += len(reference_R2)
    hours = sum(trace.duration_s for trace in traces) / S_PER_HOUR
    return OperatingCurve(thresholds_K, tp_K, fp_K, seizures, hours)


def distinct_scores(traces: Sequence[Trace]) -> NDArray[np.float32]:
    """Every score that occurs in `traces`, ascending."""
    return np.unique(np.concatenate([np.unique(trace.probability) for trace in traces]))


def sensitivity_at(curve: OperatingCurve, budget_per_24h: float) -> float:
    """Share of seizures found within a false-alarm budget, by first crossing; 0.0 if no threshold meets the budget.

    Walks down from the highest threshold, stops before the first whose rate exceeds the budget, and takes the highest
    sensitivity met on the way, without interpolation.
    """
    point = operating_point(curve, budget_per_24h)
    return 0.0 if point is None else point.sensitivity


def sensitivity_at_optimistic(curve: OperatingCurve, budget_per_24h: float) -> float:
    """Highest sensitivity at any threshold within the budget; a detector that always alarms can reach 1.0 by it."""
    within_K = curve.false_alarms_per_24h <= budget_per_24h
    return float(curve.sensitivity[within_K].max(initial=0.0))


def operating_point(curve: OperatingCurve, budget_per_24h: float) -> OperatingPoint | None:
    """Highest threshold that reaches `sensitivity_at` on the first-crossing branch; None if the branch is empty."""
    exceeded_K = curve.false_alarms_per_24h > budget_per_24h
    branch = int(np.argmax(exceeded_K)) if exceeded_K.any() else len(exceeded_K)
    if branch == 0:
        return None
    k = int(np.argmax(curve.tp[:branch]))
    return OperatingPoint(
        threshold=float(curve.thresholds[k]),
        sensitivity=float(curve.sensitivity[k]),
        found_seizures=int(curve.tp[k]),
        false_alarms=int(curve.fp[k]),
        false_alarms_per_24h=float(curve.false_alarms_per_24h[k]),
    )


def _check(traces: Sequence[Trace]) -> None:
    ids = [trace.recording_id for trace in traces]
    if twice := sorted({name for name in ids if ids.count(name) > 1}) if len(set(ids)) < len(ids) else []:
        raise ScoringError(f"{', '.join(twice)}: given twice; a recording is scored once")
    if not any(trace.reference for trace in traces):
        raise ScoringError(f"no seizure in the scored split ({len(traces)} recordings); sensitivity is undefined")
