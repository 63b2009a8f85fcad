"""Recordings -> cache of standardised signals and its index; nodes tagged `data` read corpus or cache."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from seizure_pipeline.pipelines.windowing.nodes import cache_recordings, draw_montages


def create_pipeline() -> Pipeline:
    """Build the windowing pipeline."""
    inputs = ["corpus", "recordings", "params:windowing", "params:montage", "window_cache"]
    return Pipeline(
        [
            Node(cache_recordings, inputs, "window_index", name="cache_recordings", tags="data"),
            Node(
                draw_montages,
                ["corpus", "recordings", "window_index", "window_cache", "params:montage"],
                "montage_pages",
                name="draw_montages",
                tags=["pure", "data"],
            ),
        ]
    )
