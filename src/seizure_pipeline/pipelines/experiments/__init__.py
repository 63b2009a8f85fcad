"""The experiments pipeline."""

from seizure_pipeline.pipelines.experiments.pipeline import create_pipeline

__all__ = ["create_pipeline"]
