"""The detection pipeline."""

from seizure_pipeline.pipelines.detection.pipeline import create_pipeline

__all__ = ["create_pipeline"]
