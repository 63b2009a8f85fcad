"""Nodes of evaluation; what needs torch is imported when a node runs, so that start-up stays quick."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from matplotlib.figure import Figure

from seizure_pipeline import cache, evaluation
from seizure_pipeline.evaluation import EvaluationSettings
from seizure_pipeline.figures import (
    DetectorRow,
    baseline_figure,
    history_figure,
    operating_curve_figure,
    operating_curve_plotly,
)
from seizure_pipeline.inference.settings import InferenceSettings
from seizure_pipeline.pages import recording_page
from seizure_pipeline.scoring import PostProcessingSettings, Summary, detect, evaluate, operating_curve
from seizure_pipeline.scoring.names import AUROC, sensitivity_name
from seizure_pipeline.scoring.trivial import chance_sensitivity, seizure_durations_s


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
    from seizure_pipeline.inference.kept_traces import keep_model_traces

    rows = evaluation.scored_rows(cache.rows_from_table(window_index), settings)
    folder, weights = models / checkpoint["folder"], checkpoint["weights_sha256"]
    marks = keep_model_traces(window_cache, rows, folder, weights, inference, traces)
    return evaluation.trace_table(rows, marks)


def compute_baselines(
    window_index: pd.DataFrame, window_cache: Path, baseline_traces: Path, settings: EvaluationSettings
) -> pd.DataFrame:
    """Recordings of the scored split -> the traces of one-feature detectors."""
    rows = evaluation.scored_rows(cache.rows_from_table(window_index), settings)
    return evaluation.trace_table(rows, evaluation.keep_baseline_traces(window_cache, rows, baseline_traces))


def score_traces(
    trace_index: pd.DataFrame,
    traces: Path,
    checkpoint: dict[str, Any],
    settings: EvaluationSettings,
    post_processing: PostProcessingSettings,
) -> tuple[Summary, dict[str, Any]]:
    """Traces -> metrics and the operating point that detection will use."""
    scored = evaluation.load_traces(traces, trace_index)[evaluation.MODEL]
    metrics = evaluate(scored, post_processing) | {"split": evaluation.SPLIT, "run": checkpoint["run"]}
    point = evaluation.operating_record(scored, settings, post_processing)
    return metrics, point | {"run": checkpoint["run"], "weights_sha256": checkpoint["weights_sha256"]}


def compare(
    metrics: Summary, baseline_index: pd.DataFrame, baseline_traces: Path, post_processing: PostProcessingSettings
) -> pd.DataFrame:
    """Metrics -> the model beside its baselines."""
    scored = evaluation.load_traces(baseline_traces, baseline_index)
    return evaluation.comparison(metrics, scored, post_processing)


def draw_curve(
    trace_index: pd.DataFrame,
    traces: Path,
    baseline_index: pd.DataFrame,
    baseline_traces: Path,
    post_processing: PostProcessingSettings,
) -> tuple[Figure, go.Figure]:
    """Traces -> sensitivity against false alarms, as a picture and to hover over."""
    scored = evaluation.load_traces(traces, trace_index)[evaluation.MODEL]
    others = evaluation.load_traces(baseline_traces, baseline_index)
    curves = {name: operating_curve(found, post_processing) for name, found in others.items()}
    curve = operating_curve(scored, post_processing)
    chance = partial(_chance, seizure_durations_s(scored), post_processing.min_duration_s)
    picture = operating_curve_figure(curve, curves, chance=chance)
    return picture, operating_curve_plotly(curve, curves, chance=chance)


def _chance(durations_s: Any, alarm_s: float, alarms_per_24h: float) -> float:
    return chance_sensitivity(durations_s, alarms_per_24h, alarm_s)


def draw_report(comparison: pd.DataFrame, training_history: pd.DataFrame, metrics: Summary) -> tuple[Figure, Figure]:
    """Comparison and history -> their pictures."""
    rows = [
        DetectorRow(
            name=str(record["detector"]),
            auroc=_or_none(record[AUROC]),
            sensitivity_at_10fa=_or_none(record[sensitivity_name(10.0)]),
            is_model=record["detector"] == evaluation.MODEL,
        )
        for record in comparison.to_dict(orient="records")
    ]
    counts = (
        f"{metrics['seizures']} seizures in {metrics['hours']:.1f} h, {metrics['patients']} patients, split {metrics['split']}"
    )
    return baseline_figure(rows, counts), history_figure(training_history)


def _or_none(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)


def draw_pages(
    trace_index: pd.DataFrame,
    traces: Path,
    window_cache: Path,
    operating_point: dict[str, Any],
    settings: EvaluationSettings,
    post_processing: PostProcessingSettings,
) -> dict[str, Figure]:
    """Traces -> a page each for the recordings with most to see: seizures first, then the most false alarms."""
    rows = evaluation.trace_rows(trace_index)
    threshold = operating_point["threshold"]
    found = {
        trace.recording_id: (trace, [] if threshold is None else detect(trace, threshold, post_processing))
        for trace in evaluation.load_traces(traces, trace_index)[evaluation.MODEL]
    }
    most = sorted(rows, key=lambda row: (-len(row.seizures), -len(found[row.recording_id][1]), row.recording_id))
    figures = {}
    for row in most[: settings.pages]:
        trace, detections = found[row.recording_id]
        figures[f"{row.recording_id}.png"] = recording_page(
            cache.open_row(window_cache, row),
            trace.probability,
            threshold,
            [row.layout.file_clock_interval(*seizure) for seizure in row.seizures],
            [row.layout.file_clock_interval(d.onset_s, d.offset_s) for d in detections],
            f"{row.recording_id} (patient {row.patient_id}, {row.split})",
        )
    return figures
