"""Corpus -> table of recordings."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from seizure_pipeline.pipelines.ingestion.nodes import list_recordings


def create_pipeline() -> Pipeline:
    """Build the ingestion pipeline."""
    return Pipeline(
        [Node(list_recordings, ["corpus", "params:corpus", "params:montage"], "recordings", name="list_recordings")]
    )
