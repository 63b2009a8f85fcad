"""The windowing pipeline."""

from seizure_pipeline.pipelines.windowing.pipeline import create_pipeline

__all__ = ["create_pipeline"]
