"""Everything that is reported of a set of traces, as one flat JSON-able mapping."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from seizure_pipeline.scoring import names
from seizure_pipeline.scoring.curve import OperatingCurve, operating_curve, operating_point, sensitivity_at_optimistic
from seizure_pipeline.scoring.detections import PostProcessingSettings, detect
from seizure_pipeline.scoring.samples import auroc, average_precision, expected_calibration_error, score_histogram
from seizure_pipeline.scoring.traces import Trace
from seizure_pipeline.scoring.trivial import always, chance_sensitivity, never, seizure_durations_s

RULE = (
    "any overlap (NEDC OVLP on SEIZ), pooled over recordings, all recorded hours counted; "
    "every distinct score is a threshold; first crossing, without interpolation"
)
Summary = dict[str, float | int | str | None]


def evaluate(traces: Sequence[Trace], settings: PostProcessingSettings) -> Summary:
    """Metrics by name (see `names`), counts and trivial baselines of `traces`; None where a figure is undefined.

    Thresholds are chosen on these very traces. Raises ScoringError if they hold no seizure.
    """
    return summarise(traces, operating_curve(traces, settings), settings)


def summarise(traces: Sequence[Trace], curve: OperatingCurve, settings: PostProcessingSettings) -> Summary:
    """As `evaluate`, for a curve that is already there."""
    summary: Summary = {"rule": RULE}
    for budget_per_24h in names.FALSE_ALARM_BUDGETS_PER_24H:
        summary |= _at_budget(traces, curve, settings, budget_per_24h)
    return summary | _over_tokens(traces) | _counts(traces, curve) | _trivial(traces)


def _at_budget(
    traces: Sequence[Trace], curve: OperatingCurve, settings: PostProcessingSettings, budget_per_24h: float
) -> Summary:
    point = operating_point(curve, budget_per_24h)
    alarm_s = settings.min_duration_s if point is None else _median_alarm_s(traces, point.threshold, settings)
    chance = chance_sensitivity(seizure_durations_s(traces), budget_per_24h, alarm_s)
    return {
        names.sensitivity_name(budget_per_24h): 0.0 if point is None else point.sensitivity,
        names.optimistic_sensitivity_name(budget_per_24h): sensitivity_at_optimistic(curve, budget_per_24h),
        names.chance_sensitivity_name(budget_per_24h): chance,
        names.threshold_name(budget_per_24h): None if point is None else point.threshold,
        names.found_seizures_name(budget_per_24h): 0 if point is None else point.found_seizures,
        names.false_alarms_name(budget_per_24h): 0 if point is None else point.false_alarms,
    }


def _median_alarm_s(traces: Sequence[Trace], threshold: float, settings: PostProcessingSettings) -> float:
    durations_s = [d.offset_s - d.onset_s for trace in traces for d in detect(trace, threshold, settings)]
    return median(durations_s) if durations_s else settings.min_duration_s


def _over_tokens(traces: Sequence[Trace]) -> Summary:
    histogram = score_histogram(traces)
    rates_hz = {trace.rate_hz for trace in traces}
    return {
        names.AUROC: auroc(histogram),
        names.AVERAGE_PRECISION: average_precision(histogram),
        names.CALIBRATION_ERROR: expected_calibration_error(histogram),
        "label_rate_hz": rates_hz.pop() if len(rates_hz) == 1 else None,
        "seizure_time_share": float(histogram.seizure.sum() / (histogram.seizure + histogram.background).sum()),
    }


def _counts(traces: Sequence[Trace], curve: OperatingCurve) -> Summary:
    return {
        "recordings": len(traces),
        "patients": len({trace.patient_id for trace in traces}),
        "seizures": curve.seizures,
        "hours": curve.hours,
        "thresholds_tried": len(curve.thresholds),
    }


def _trivial(traces: Sequence[Trace]) -> Summary:
    silent, loud = never(traces), always(traces)
    return {
        "never_sensitivity": silent.sensitivity,
        "never_false_alarms_per_24h": silent.false_alarms_per_24h,
        "always_sensitivity": loud.sensitivity,
        "always_false_alarms_per_24h": loud.false_alarms_per_24h,
    }
