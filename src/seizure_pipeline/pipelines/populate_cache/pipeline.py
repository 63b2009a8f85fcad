"""A corpus or a cache in one place -> the same in another."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from seizure_pipeline.pipelines.populate_cache.nodes import copy_files


def create_pipeline() -> Pipeline:
    """Build the populate_cache pipeline."""
    return Pipeline([Node(copy_files, ["copy_from", "copy_to", "params:populate"], "copied_files", name="copy_files")])
