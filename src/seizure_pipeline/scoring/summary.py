"""Everything that is reported of a set of traces, as one flat JSON-able mapping."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, median

from seizure_pipeline.scoring import names
from seizure_pipeline.scoring.bootstrap import BootstrapSettings, uncertainties
from seizure_pipeline.scoring.calibration import brier_score, expected_calibration_error
from seizure_pipeline.scoring.curve import (
    OperatingCurve,
    curve_of,
    operating_point,
    partial_area,
    sensitivity_at_optimistic,
)
from seizure_pipeline.scoring.detections import PostProcessingSettings, detect
from seizure_pipeline.scoring.evidence import Evidence
from seizure_pipeline.scoring.places import PlacedTraces, place
from seizure_pipeline.scoring.samples import auroc, average_precision, pooled_histogram, recording_histograms
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
    placed = place(traces)
    return _summary(placed, curve_of(placed, settings), settings)


def summarise(traces: Sequence[Trace], curve: OperatingCurve, settings: PostProcessingSettings) -> Summary:
    """As `evaluate`, for a curve that is already there."""
    return _summary(place(traces), curve, settings)


def with_intervals(summary: Summary, evidence: Evidence, settings: BootstrapSettings) -> Summary:
    """`summary` and, under `low_name` and `high_name`, the intervals over patients of those of its figures that have one.

    A figure of `own_curve_name` gets the interval of the figure that it is. `bootstrap_undefined_resamples` is the most
    in which any of these figures was undefined; where there is no interval both ends are None and `bootstrap_reason` says
    why.
    """
    found = {key: known for name, known in uncertainties(evidence, settings).items() for key in _keys(name) if key in summary}
    ends = {names.low_name(key): known.low for key, known in found.items()}
    ends |= {names.high_name(key): known.high for key, known in found.items()}
    reasons = sorted({known.reason for known in found.values() if known.reason is not None})
    return {
        **summary,
        **ends,
        "bootstrap_resamples": settings.resamples,
        "bootstrap_seed": settings.seed,
        "bootstrap_level": settings.level,
        "bootstrap_patients": len(evidence.patient_ids),
        "bootstrap_undefined_resamples": max((known.undefined_resamples for known in found.values()), default=0),
        "bootstrap_reason": "; ".join(reasons) or None,
    }


def _keys(name: str) -> tuple[str, str]:
    return name, names.own_curve_name(name)


def _summary(placed: PlacedTraces, curve: OperatingCurve, settings: PostProcessingSettings) -> Summary:
    traces = placed.traces
    summary: Summary = {"rule": RULE}
    for budget_per_24h in names.FALSE_ALARM_BUDGETS_PER_24H:
        summary |= _at_budget(traces, curve, settings, budget_per_24h)
    summary[names.PARTIAL_AREA] = partial_area(curve, names.PARTIAL_AREA_BUDGET_PER_24H)
    return summary | _over_tokens(placed) | _by_recording(placed) | _counts(traces, curve) | _trivial(traces)


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
        names.precision_name(budget_per_24h): 0.0 if point is None else point.precision,
        names.f1_name(budget_per_24h): 0.0 if point is None else point.f1,
        names.threshold_name(budget_per_24h): None if point is None else point.threshold,
        names.found_seizures_name(budget_per_24h): 0 if point is None else point.found_seizures,
        names.false_alarms_name(budget_per_24h): 0 if point is None else point.false_alarms,
        names.rate_name(budget_per_24h): 0.0 if point is None else point.false_alarms_per_24h,
    }


def _median_alarm_s(traces: Sequence[Trace], threshold: float, settings: PostProcessingSettings) -> float:
    durations_s = [d.offset_s - d.onset_s for trace in traces for d in detect(trace, threshold, settings)]
    return median(durations_s) if durations_s else settings.min_duration_s


def _over_tokens(placed: PlacedTraces) -> Summary:
    histogram = pooled_histogram(placed)
    rates_hz = {trace.rate_hz for trace in placed.traces}
    return {
        names.AUROC: auroc(histogram),
        names.AVERAGE_PRECISION: average_precision(histogram),
        names.CALIBRATION_ERROR: expected_calibration_error(histogram),
        names.BRIER_SCORE: brier_score(histogram),
        "label_rate_hz": rates_hz.pop() if len(rates_hz) == 1 else None,
        "seizure_time_share": float(histogram.seizure.sum() / (histogram.seizure + histogram.background).sum()),
    }


def _by_recording(placed: PlacedTraces) -> Summary:
    """Means over the recordings that have the figure, which takes tokens of both kinds (AUROC) or of seizures."""
    both = [(auroc(histogram), average_precision(histogram)) for histogram in recording_histograms(placed)]
    aurocs, precisions = ([figure for figure in each if figure is not None] for each in zip(*both, strict=True))
    return {
        names.AUROC_PER_RECORDING: fmean(aurocs) if aurocs else None,
        names.AVERAGE_PRECISION_PER_RECORDING: fmean(precisions) if precisions else None,
        "recordings_with_auroc": len(aurocs),
        "recordings_with_average_precision": len(precisions),
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
