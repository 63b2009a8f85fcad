"""An evaluation -> its report; the node reads the cache for its pieces of EEG."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from seizure_pipeline.pipelines.reporting.nodes import write_report

INPUTS = [
    "window_index",
    "window_cache",
    "trace_index",
    "traces",
    "baseline_index",
    "baseline_traces",
    "operating_point",
    "comparison",
    "checkpoint",
    "params:corpus",
    "params:windowing",
]


def create_pipeline() -> Pipeline:
    """Build the reporting pipeline."""
    return Pipeline([Node(write_report, INPUTS, "evaluation_report", name="write_report", tags=["pure", "data"])])
