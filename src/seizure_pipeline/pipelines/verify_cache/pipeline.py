"""Cache, index and a fresh listing of the corpus -> a table of what is wrong; a failed run if anything is in it."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from seizure_pipeline.pipelines.ingestion.nodes import list_recordings
from seizure_pipeline.pipelines.verify_cache.nodes import list_problems, refuse_problems


def create_pipeline() -> Pipeline:
    """Build the verify_cache pipeline."""
    listing = ["corpus", "params:corpus", "params:montage", "examined"]
    settings = ["params:windowing", "params:montage", "window_cache", "params:verify"]
    return Pipeline(
        [
            Node(list_recordings, listing, "listed_recordings", name="list_recordings_now", tags="data"),
            Node(
                list_problems,
                ["corpus", "listed_recordings", "window_index", *settings],
                "cache_problems",
                name="list_problems",
                tags="data",
            ),
            Node(refuse_problems, "cache_problems", None, name="refuse_problems"),
        ]
    )
