"""Nodes of evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from matplotlib.figure import Figure

from seizure_pipeline import cache, evaluation
from seizure_pipeline.evaluation import EvaluationSettings
from seizure_pipeline.inference.settings import InferenceSettings
from seizure_pipeline.scoring import PostProcessingSettings, Summary, evaluate


def compute_traces(
    window_index: pd.DataFrame,
    window_cache: Path,
    checkpoint: dict[str, Any],
    models: Path,
    traces: Path,
    inference: InferenceSettings,
    settings: EvaluationSettings,
) -> pd.DataFrame:
    """Checkpoint and recordings of the scored split -> one probability trace each."""
    rows = evaluation.scored_rows(cache.rows_from_table(window_index), settings)
    evaluation.model_traces(window_cache, rows, models / checkpoint["folder"], inference, traces)
    return cache.table_from_rows(rows)


def compute_baselines(
    window_index: pd.DataFrame, window_cache: Path, baseline_traces: Path, settings: EvaluationSettings
) -> pd.DataFrame:
    """Recordings of the scored split -> the traces of one-feature detectors."""
    rows = evaluation.scored_rows(cache.rows_from_table(window_index), settings)
    evaluation.baseline_traces(window_cache, rows, baseline_traces)
    return cache.table_from_rows(rows)


def score_traces(
    trace_index: pd.DataFrame,
    traces: Path,
    checkpoint: dict[str, Any],
    settings: EvaluationSettings,
    post_processing: PostProcessingSettings,
) -> tuple[Summary, dict[str, Any]]:
    """Traces -> metrics and the operating point that detection will use."""
    scored = evaluation.load_traces(traces, cache.rows_from_table(trace_index))[evaluation.MODEL]
    metrics = evaluate(scored, post_processing) | {"split": settings.split, "run": checkpoint["run"]}
    point = evaluation.operating_record(scored, settings, post_processing)
    return metrics, point | {"run": checkpoint["run"], "weights_sha256": checkpoint["weights_sha256"]}


def compare(
    metrics: Summary, baseline_index: pd.DataFrame, baseline_traces: Path, post_processing: PostProcessingSettings
) -> pd.DataFrame:
    """Metrics -> the model beside its baselines."""
    scored = evaluation.load_traces(baseline_traces, cache.rows_from_table(baseline_index))
    return evaluation.comparison(metrics, scored, post_processing)
