"""The populate_cache pipeline."""

from seizure_pipeline.pipelines.populate_cache.pipeline import create_pipeline

__all__ = ["create_pipeline"]
