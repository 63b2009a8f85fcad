"""What a frozen operating point is worth on recordings that had no part in choosing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from seizure_pipeline.evaluation.operating import post_processing_of
from seizure_pipeline.evaluation.traces import EVAL
from seizure_pipeline.scoring import (
    PostProcessingSettings,
    Score,
    ScoredRecording,
    Summary,
    Trace,
    detected,
    evaluate,
    names,
    score,
)
from seizure_pipeline.scoring.bootstrap import BootstrapSettings
from seizure_pipeline.scoring.curve import recorded_hours
from seizure_pipeline.scoring.evidence import FrozenThreshold, gather_evidence
from seizure_pipeline.scoring.rules import HOURS_PER_DAY, RULES
from seizure_pipeline.scoring.summary import with_intervals
from seizure_pipeline.scoring.trivial import always, chance_sensitivity, never, seizure_durations_s

FIGURES = ("sensitivity", "precision", "f1", "false_alarms_per_24h")
COUNTS = ("tp", "fn", "fp")
OVER_TOKENS = (
    names.AUROC,
    names.AVERAGE_PRECISION,
    names.AUROC_PER_RECORDING,
    names.AVERAGE_PRECISION_PER_RECORDING,
    names.CALIBRATION_ERROR,
    names.BRIER_SCORE,
)
OF_THE_SPLIT = ("recordings", "patients", "seizures", "hours", "label_rate_hz", "seizure_time_share")
TRIVIAL = tuple(f"{name}_{figure}" for name in ("never", "always") for figure in ("sensitivity", "false_alarms_per_24h"))
WITHOUT_THRESHOLD = (*OVER_TOKENS, *OF_THE_SPLIT, *TRIVIAL, "recordings_with_auroc", "recordings_with_average_precision")
BY_PATIENT = "by_patient"


def held_out_metrics(traces: Sequence[Trace], point: Mapping[str, Any]) -> dict[str, Any]:
    """Figures of the held-out `traces` at the operating point that dev gave; where there are none, only that they are none.

    `frozen_*` are at that point's threshold: by any overlap with its counts, and `frozen_RULE_*` by every other rule.
    Figures over tokens need no threshold. `own_curve_*` take thresholds from these traces themselves, as dev's figures
    do from dev, and are absent without a seizure. Each headline figure has its interval over patients beside it
    (`*_low`, `*_high`). `by_patient` has a record for each patient, by any overlap."""
    if not traces:
        return {"split": EVAL, "recordings": 0, "run": point["run"]}
    settings = post_processing_of(point)
    recordings = detected(traces, point["threshold"], settings)
    scores = {rule: score(recordings, rule) for rule in RULES}
    figures = {
        "split": EVAL,
        "run": point["run"],
        names.frozen_name("threshold"): point["threshold"],
        **_by_every_rule(scores),
        **_chance(traces, recordings, settings),
        **_of_the_traces_alone(traces, settings),
    }
    evidence = gather_evidence(traces, settings, FrozenThreshold(point["threshold"]))
    return {**with_intervals(figures, evidence, BootstrapSettings()), BY_PATIENT: _by_patient(recordings, scores["ovlp"])}


def frozen_figures(found: Score) -> dict[str, float | int | None]:
    """Counts and figures of a score by any overlap under their names at a frozen threshold."""
    counts = {"found_seizures": int(found.tp), "missed_seizures": int(found.fn), "false_alarms": int(found.fp)}
    return {names.frozen_name(name): value for name, value in {**counts, **_figures(found)}.items()}


def _figures(found: Score) -> dict[str, float | None]:
    """A score's figures; None for a sensitivity without seizures, where NEDC's 0.0 would read as all missed."""
    figures = {figure: getattr(found, figure) for figure in FIGURES}
    return figures if found.reference_count else figures | {"sensitivity": None}


def _over_patients(found: Score) -> dict[str, float | None]:
    mean = found.mean_over_patients()
    return {
        names.frozen_name("mean_sensitivity_over_patients", found.rule): mean.sensitivity,
        names.frozen_name("mean_false_alarms_per_24h_over_patients", found.rule): mean.false_alarms_per_24h,
    }


def _by_every_rule(scores: Mapping[str, Score]) -> dict[str, float | int | None]:
    figures = frozen_figures(scores["ovlp"])
    for rule, found in scores.items():
        counts = {} if rule == "ovlp" else {count: getattr(found, count) for count in COUNTS}
        figures |= {names.frozen_name(name, rule): value for name, value in {**counts, **_figures(found)}.items()}
        figures |= _over_patients(found)
    return figures


def _chance(traces: Sequence[Trace], recordings: Sequence[ScoredRecording], settings: PostProcessingSettings) -> Summary:
    """Sensitivity expected of alarms at random times, as many and as long as the detector raised."""
    durations_s = [offset_s - onset_s for recording in recordings for onset_s, offset_s in recording.detections]
    alarms_per_24h = len(durations_s) / sum(map(recorded_hours, traces)) * HOURS_PER_DAY
    alarm_s = median(durations_s) if durations_s else settings.min_duration_s
    seizures_s = seizure_durations_s(traces)
    sensitivity = chance_sensitivity(seizures_s, alarms_per_24h, alarm_s) if len(seizures_s) else None
    return {names.frozen_name("alarms_per_24h"): alarms_per_24h, names.frozen_name("chance_sensitivity"): sensitivity}


def _of_the_traces_alone(traces: Sequence[Trace], settings: PostProcessingSettings) -> Summary:
    """Figures that the operating point has no part in but by its post-processing."""
    if not any(trace.reference for trace in traces):
        return _without_seizures(traces)
    found = evaluate(traces, settings)
    return {name if name in WITHOUT_THRESHOLD else names.own_curve_name(name): value for name, value in found.items()}


def _without_seizures(traces: Sequence[Trace]) -> Summary:
    trivial = {"never": never(traces), "always": always(traces)}
    rates = {f"{name}_false_alarms_per_24h": found.false_alarms_per_24h for name, found in trivial.items()}
    counts: Summary = {
        "recordings": len(traces),
        "patients": len({trace.patient_id for trace in traces}),
        "seizures": 0,
        "hours": sum(map(recorded_hours, traces)),
        "seizure_time_share": 0.0,
    }
    return counts | dict.fromkeys((*OVER_TOKENS, "never_sensitivity", "always_sensitivity")) | rates


def _by_patient(recordings: Sequence[ScoredRecording], pooled: Score) -> list[dict[str, Any]]:
    by_patient = pooled.by_patient()
    counted = {patient: sum(each.patient_id == patient for each in recordings) for patient in by_patient}
    return [
        {
            "patient_id": patient,
            "recordings": counted[patient],
            "hours": found.hours,
            "seizures": int(found.reference_count),
            **frozen_figures(found),
        }
        for patient, found in by_patient.items()
    ]
