"""Evaluation -> what one experiment came to, as `experiments` compares it; runs after training and evaluation."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from seizure_pipeline.pipelines.outcome.nodes import tell_outcome

INPUTS = ["metrics", "operating_point", "checkpoint", "trace_index", "traces", "comparison"]


def create_pipeline() -> Pipeline:
    """Build the outcome pipeline."""
    return Pipeline([Node(tell_outcome, INPUTS, "outcome", name="tell_outcome")])
