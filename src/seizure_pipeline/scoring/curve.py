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

from seizure_pipeline.scoring.counts import count_in_groups
from seizure_pipeline.scoring.detections import PostProcessingSettings
from seizure_pipeline.scoring.events import ScoringError, nedc_time_s
from seizure_pipeline.scoring.places import PlacedTraces, place
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

    @property
    def precision(self) -> float:
        """Found seizures over found seizures and false alarms (NEDC's)."""
        return self.found_seizures / max(self.found_seizures + self.false_alarms, 1)

    @property
    def f1(self) -> float:
        """Harmonic mean of sensitivity and precision, 0.0 where both are (NEDC's)."""
        return 2 * self.sensitivity * self.precision / ((self.sensitivity + self.precision) or 1.0)


def operating_curve(traces: Sequence[Trace], settings: PostProcessingSettings) -> OperatingCurve:
    """Counts at every distinct score of `traces`, post-processed by `settings` as in use.

    Raises ScoringError if a recording is given twice or if there is no seizure to find.
    """
    return curve_of(place(traces), settings)


def curve_of(placed: PlacedTraces, settings: PostProcessingSettings) -> OperatingCurve:
    """As `operating_curve`, for traces whose scores are placed already."""
    traces = placed.traces
    if not any(trace.reference for trace in traces):
        raise ScoringError(f"no seizure in the scored split ({len(traces)} recordings); sensitivity is undefined")
    counts = count_in_groups(placed, placed.scores[::-1].copy(), settings, [0] * len(traces))
    tp_K, fp_K = counts.tp[0].astype(np.int64), counts.fp[0].astype(np.int64)
    return OperatingCurve(counts.thresholds, tp_K, fp_K, int(counts.seizures[0]), sum(map(recorded_hours, traces)))


def recorded_hours(trace: Trace) -> float:
    """Recorded time as NEDC counts it."""
    return nedc_time_s(trace.duration_s) / S_PER_HOUR


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


def partial_area(curve: OperatingCurve, budget_per_24h: float) -> float:
    """Mean of `sensitivity_at` over all budgets from 0 to `budget_per_24h`; within 0 and 1.

    The area under the first-crossing branch, which is a step function of the budget (no interpolation), divided by the
    budget: the sum over thresholds of what each adds to the sensitivity times (budget - rate) / budget, where the rate
    is the highest so far and counts up to the budget.
    """
    highest_rate_K = np.maximum.accumulate(curve.false_alarms_per_24h)
    gain_K = np.diff(np.maximum.accumulate(curve.sensitivity), prepend=0.0)
    return float(np.sum(gain_K * np.maximum(budget_per_24h - highest_rate_K, 0.0)) / budget_per_24h)


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
