"""A trained model and one's own recordings -> detections, in files and in a picture."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from seizure_pipeline.pipelines.detection.nodes import detect_seizures

INPUTS = ["own_recordings", "checkpoint", "models", "operating_point", "params:inference", "params:detection", "detections"]


def create_pipeline() -> Pipeline:
    """Build the detection pipeline."""
    return Pipeline([Node(detect_seizures, INPUTS, "detection_table", name="detect_seizures")])
