"""Corpus -> table of recordings; its node reads the whole corpus and is tagged `data`."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from seizure_pipeline.pipelines.ingestion.nodes import list_recordings


def create_pipeline() -> Pipeline:
    """Build the ingestion pipeline."""
    inputs = ["corpus", "params:corpus", "params:montage", "examined"]
    return Pipeline([Node(list_recordings, inputs, "recordings", name="list_recordings", tags="data")])
