"""Checkpoint and recordings of dev and eval -> traces -> metrics, baselines and pictures.

`score_traces` sees dev alone and chooses the operating point; everything about eval is scored with that as it is.
Nodes tagged `gpu` and `data` read the cache, those without need traces and tables alone.
"""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from seizure_pipeline.pipelines.evaluation.nodes import (
    compare,
    compute_baselines,
    compute_traces,
    count_by_patient,
    draw_curve,
    draw_pages,
    draw_report,
    score_held_out,
    score_traces,
)

TRACE_INPUTS = [
    "window_index",
    "window_cache",
    "checkpoint",
    "models",
    "traces",
    "params:inference",
    "params:evaluation",
]
BASELINE_INPUTS = ["window_index", "window_cache", "baseline_traces", "params:evaluation"]
SCORE_INPUTS = ["trace_index", "traces", "checkpoint", "params:evaluation", "params:post_processing"]
HELD_OUT_INPUTS = ["trace_index", "traces", "operating_point"]
COMPARE_INPUTS = ["metrics", "eval_metrics", "operating_point", "baseline_index", "baseline_traces"]
CURVE_INPUTS = ["trace_index", "traces", "baseline_index", "baseline_traces", "operating_point"]
PAGE_INPUTS = ["trace_index", "traces", "window_cache", "operating_point", "params:evaluation"]


def create_pipeline() -> Pipeline:
    """Build the evaluation pipeline."""
    return Pipeline(
        [
            Node(compute_traces, TRACE_INPUTS, "trace_index", name="compute_traces", tags="gpu"),
            Node(compute_baselines, BASELINE_INPUTS, "baseline_index", name="compute_baselines", tags="data"),
            Node(score_traces, SCORE_INPUTS, ["metrics", "operating_point"], name="score_traces", tags="pure"),
            Node(score_held_out, HELD_OUT_INPUTS, "eval_metrics", name="score_held_out", tags="pure"),
            Node(count_by_patient, HELD_OUT_INPUTS, "patient_counts", name="count_by_patient", tags="pure"),
            Node(compare, COMPARE_INPUTS, "comparison", name="compare", tags="pure"),
            Node(draw_curve, CURVE_INPUTS, ["operating_curve_picture", "operating_curve_plot"], name="draw_curve", tags="pure"),
            Node(
                draw_report,
                ["comparison", "training_history", "metrics"],
                ["comparison_picture", "history_picture"],
                name="draw_report",
                tags="pure",
            ),
            Node(draw_pages, PAGE_INPUTS, "trace_pages", name="draw_pages", tags=["pure", "data"]),
        ]
    )
