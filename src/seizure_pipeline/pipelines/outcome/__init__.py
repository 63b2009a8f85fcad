"""The outcome pipeline."""

from seizure_pipeline.pipelines.outcome.pipeline import create_pipeline

__all__ = ["create_pipeline"]
