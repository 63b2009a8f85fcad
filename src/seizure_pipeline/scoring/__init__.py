"""Scores anybody's detections: matching rules, the curve over all thresholds, and the figures reported.

Axes: L tokens of a trace, C contiguous stretches, K thresholds (the highest first), S distinct scores,
R reference events, P patients, B resamples of patients.
"""

from seizure_pipeline.scoring.bootstrap import (
    BootstrapSettings,
    Difference,
    Uncertainty,
    paired_differences,
    uncertainties,
)
from seizure_pipeline.scoring.calibration import Reliability, Temperature, calibration_summary, fit_temperature, reliability
from seizure_pipeline.scoring.curve import (
    OperatingCurve,
    OperatingPoint,
    operating_curve,
    operating_point,
    partial_area,
    sensitivity_at,
    sensitivity_at_optimistic,
)
from seizure_pipeline.scoring.detections import Detection, PostProcessingSettings, detect, detected, score_at
from seizure_pipeline.scoring.events import ScoredRecording, ScoringError
from seizure_pipeline.scoring.evidence import Evidence, FrozenThreshold, gather_evidence
from seizure_pipeline.scoring.latency import SeizureOutcome, latency_summary, latency_table, seizure_outcomes
from seizure_pipeline.scoring.names import FALSE_ALARM_BUDGETS_PER_24H, sensitivity_name
from seizure_pipeline.scoring.rules import RULES, PatientMean, Score, score
from seizure_pipeline.scoring.summary import Summary, evaluate, summarise, with_intervals
from seizure_pipeline.scoring.traces import Trace, resolve
from seizure_pipeline.scoring.tuning import TriedSetting, Tuned, TuningSettings, tune

__all__ = [
    "FALSE_ALARM_BUDGETS_PER_24H",
    "RULES",
    "BootstrapSettings",
    "Detection",
    "Difference",
    "Evidence",
    "FrozenThreshold",
    "OperatingCurve",
    "OperatingPoint",
    "PatientMean",
    "PostProcessingSettings",
    "Reliability",
    "Score",
    "ScoredRecording",
    "ScoringError",
    "SeizureOutcome",
    "Summary",
    "Temperature",
    "Trace",
    "TriedSetting",
    "Tuned",
    "TuningSettings",
    "Uncertainty",
    "calibration_summary",
    "detect",
    "detected",
    "evaluate",
    "fit_temperature",
    "gather_evidence",
    "latency_summary",
    "latency_table",
    "operating_curve",
    "operating_point",
    "paired_differences",
    "partial_area",
    "reliability",
    "resolve",
    "score",
    "score_at",
    "seizure_outcomes",
    "sensitivity_at",
    "sensitivity_at_optimistic",
    "sensitivity_name",
    "summarise",
    "tune",
    "uncertainties",
    "with_intervals",
]
