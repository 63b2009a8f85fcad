"""The threshold that a detector is used with, chosen on dev alone."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from seizure_pipeline.evaluation.settings import EvaluationSettings
from seizure_pipeline.evaluation.traces import DEV
from seizure_pipeline.scoring import OperatingCurve, PostProcessingSettings, Trace, operating_point
from seizure_pipeline.scoring.tuning import TuningSettings, tune

log = logging.getLogger(__name__)


def operating_record(
    curve: OperatingCurve, settings: EvaluationSettings, post_processing: PostProcessingSettings, settings_tried: int = 1
) -> dict[str, Any]:
    """The threshold on dev's `curve` for the operating budget, with what it gave there and how many settings were tried.

    None and zeros where no threshold meets the budget."""
    budget = settings.operating_budget_per_24h
    point = operating_point(curve, budget)
    if point is None:
        log.warning("no threshold meets %g false alarms per 24 h on split %s: nothing to detect with", budget, DEV)
    return {
        "threshold": None if point is None else point.threshold,
        "budget_per_24h": budget,
        "split": DEV,
        "sensitivity": 0.0 if point is None else point.sensitivity,
        "false_alarms_per_24h": 0.0 if point is None else point.false_alarms_per_24h,
        "post_processing": post_processing.model_dump(mode="json"),
        "settings_tried": settings_tried,
    }


def post_processing_of(point: Mapping[str, Any]) -> PostProcessingSettings:
    """The post-processing that goes with an operating point's threshold."""
    return PostProcessingSettings(**point["post_processing"])


def chosen_post_processing(
    traces: Sequence[Trace], settings: EvaluationSettings, post_processing: PostProcessingSettings
) -> tuple[PostProcessingSettings, int]:
    """The post-processing to use, and how many settings were tried on dev's `traces` to find it: one without tuning."""
    if not settings.tune:
        return post_processing, 1
    tuned = tune(traces, settings.operating_budget_per_24h, TuningSettings())
    log.info("post-processing %s is the best of %d settings on split %s", tuned.best.settings, tuned.tried, DEV)
    return tuned.best.settings, tuned.tried
