"""Scores anybody's detections: matching rules, the curve over all thresholds, and the figures reported.

Axes: L tokens of a trace, K thresholds or distinct scores, R reference events, A alarms, S stretches.
"""

from seizure_pipeline.scoring.curve import (
    OperatingCurve,
    OperatingPoint,
    operating_curve,
    operating_point,
    sensitivity_at,
    sensitivity_at_optimistic,
)
from seizure_pipeline.scoring.detections import Detection, PostProcessingSettings, detect, score_at
from seizure_pipeline.scoring.events import ScoredRecording, ScoringError
from seizure_pipeline.scoring.names import FALSE_ALARM_BUDGETS_PER_24H, sensitivity_name
from seizure_pipeline.scoring.rules import Score, score
from seizure_pipeline.scoring.summary import Summary, evaluate, summarise
from seizure_pipeline.scoring.traces import Trace, resolve

__all__ = [
    "FALSE_ALARM_BUDGETS_PER_24H",
    "Detection",
    "OperatingCurve",
    "OperatingPoint",
    "PostProcessingSettings",
    "Score",
    "ScoredRecording",
    "ScoringError",
    "Summary",
    "Trace",
    "detect",
    "evaluate",
    "operating_curve",
    "operating_point",
    "resolve",
    "score",
    "score_at",
    "sensitivity_at",
    "sensitivity_at_optimistic",
    "sensitivity_name",
    "summarise",
]
