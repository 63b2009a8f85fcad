"""Cache -> checkpoint and history; its node is tagged `gpu`."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from seizure_pipeline.pipelines.training.nodes import train

INPUTS = [
    "window_index",
    "window_cache",
    "models",
    "params:model",
    "params:training",
    "params:windowing",
    "params:montage",
    "params:post_processing",
]


def create_pipeline() -> Pipeline:
    """Build the training pipeline."""
    return Pipeline([Node(train, INPUTS, ["checkpoint", "training_history"], name="train", tags="gpu")])
