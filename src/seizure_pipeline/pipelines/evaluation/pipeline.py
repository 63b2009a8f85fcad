"""Checkpoint and dev recordings -> traces -> metrics, baselines and pictures.

Nodes tagged `gpu` and `data` read the cache, those without need traces and tables alone.
"""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from seizure_pipeline.pipelines.evaluation.nodes import (
    compare,
    compute_baselines,
    compute_traces,
    draw_curve,
    draw_pages,
    draw_report,
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
COMPARE_INPUTS = ["metrics", "baseline_index", "baseline_traces", "params:post_processing"]
CURVE_INPUTS = ["trace_index", "traces", "baseline_index", "baseline_traces", "params:post_processing"]
PAGE_INPUTS = [
    "trace_index",
    "traces",
    "window_cache",
    "operating_point",
    "params:evaluation",
    "params:post_processing",
]


def create_pipeline() -> Pipeline:
    """Build the evaluation pipeline."""
    return Pipeline(
        [
            Node(compute_traces, TRACE_INPUTS, "trace_index", name="compute_traces", tags="gpu"),
            Node(compute_baselines, BASELINE_INPUTS, "baseline_index", name="compute_baselines", tags="data"),
            Node(score_traces, SCORE_INPUTS, ["metrics", "operating_point"], name="score_traces", tags="pure"),
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
