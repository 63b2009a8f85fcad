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
from seizure_pipeline.scoring import PostProcessingSettings, Summary, detect, operating_curve, summarise
from seizure_pipeline.scoring.bootstrap import BootstrapSettings
from seizure_pipeline.scoring.evidence import gather_evidence
from seizure_pipeline.scoring.names import AUROC, sensitivity_name
from seizure_pipeline.scoring.summary import with_intervals
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
    """Checkpoint and recordings of dev and eval -> one probability trace each."""
    from seizure_pipeline.inference.kept_traces import keep_model_traces

    rows = evaluation.scored_rows(cache.rows_from_table(window_index), settings)
    folder, weights = models / checkpoint["folder"], checkpoint["weights_sha256"]
    marks = keep_model_traces(window_cache, rows, folder, weights, inference, traces)
    return evaluation.model_trace_table(rows, marks, inference.stride_s)


def compute_baselines(
    window_index: pd.DataFrame, window_cache: Path, baseline_traces: Path, settings: EvaluationSettings
) -> pd.DataFrame:
    """Recordings of dev and eval -> the traces of one-feature detectors."""
    rows = evaluation.scored_rows(cache.rows_from_table(window_index), settings)
    return evaluation.trace_table(rows, evaluation.keep_baseline_traces(window_cache, rows, baseline_traces))


def score_traces(
    trace_index: pd.DataFrame,
    traces: Path,
    checkpoint: dict[str, Any],
    settings: EvaluationSettings,
    post_processing: PostProcessingSettings,
) -> tuple[Summary, dict[str, Any]]:
    """Traces of dev -> metrics and the operating point that eval and detection will use."""
    scored = evaluation.model_traces(traces, trace_index, evaluation.DEV)
    used, tried = evaluation.chosen_post_processing(scored, settings, post_processing)
    curve = operating_curve(scored, used)
    metrics = with_intervals(summarise(scored, curve, used), gather_evidence(scored, used), BootstrapSettings())
    facts = {"split": evaluation.DEV, "run": checkpoint["run"], "settings_tried": tried}
    point = evaluation.operating_record(curve, settings, used, tried)
    made_by = {name: checkpoint[name] for name in ("run", "weights_sha256")}
    return metrics | facts, point | made_by | {"stride_s": evaluation.stride_of(trace_index)}


def score_held_out(trace_index: pd.DataFrame, traces: Path, operating_point: dict[str, Any]) -> dict[str, Any]:
    """Traces of eval and dev's operating point -> what that is worth on eval."""
    return evaluation.held_out_metrics(evaluation.model_traces(traces, trace_index, evaluation.EVAL), operating_point)


def compare(
    metrics: Summary,
    eval_metrics: dict[str, Any],
    operating_point: dict[str, Any],
    baseline_index: pd.DataFrame,
    baseline_traces: Path,
) -> pd.DataFrame:
    """Metrics of both splits -> the model beside its baselines."""
    baselines = {split: evaluation.load_traces(baseline_traces, baseline_index, split) for split in evaluation.SCORED}
    return evaluation.comparison(metrics, eval_metrics, operating_point, baselines)


def draw_curve(
    trace_index: pd.DataFrame,
    traces: Path,
    baseline_index: pd.DataFrame,
    baseline_traces: Path,
    operating_point: dict[str, Any],
) -> tuple[Figure, go.Figure]:
    """Traces of dev -> sensitivity against false alarms, as a picture and to hover over."""
    post_processing = evaluation.post_processing_of(operating_point)
    scored = evaluation.model_traces(traces, trace_index, evaluation.DEV)
    others = evaluation.load_traces(baseline_traces, baseline_index, evaluation.DEV)
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
) -> dict[str, Figure]:
    """Traces -> a page each for the recordings with most to see: seizures first, then the most false alarms."""
    rows = evaluation.trace_rows(trace_index)
    threshold, post_processing = operating_point["threshold"], evaluation.post_processing_of(operating_point)
    found = {
        trace.recording_id: (trace, [] if threshold is None else detect(trace, threshold, post_processing))
        for split in evaluation.SCORED
        for trace in evaluation.model_traces(traces, trace_index, split)
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


def count_by_patient(trace_index: pd.DataFrame, traces: Path, operating_point: dict[str, Any]) -> evaluation.Arrays:
    """Traces of both splits -> what this run can be compared with another one by."""
    scored = {split: evaluation.model_traces(traces, trace_index, split) for split in evaluation.SCORED}
    return evaluation.arrays_of(evaluation.count_patients(scored, operating_point))
