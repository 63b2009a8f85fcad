"""A corpus or a cache in one place -> the same in another; its node is tagged `data`."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from seizure_pipeline.pipelines.populate_cache.nodes import copy_files


def create_pipeline() -> Pipeline:
    """Build the populate_cache pipeline."""
    inputs = ["copy_from", "copy_to", "params:populate"]
    return Pipeline([Node(copy_files, inputs, "copied_files", name="copy_files", tags="data")])
