"""The verify_cache pipeline."""

from seizure_pipeline.pipelines.verify_cache.pipeline import create_pipeline

__all__ = ["create_pipeline"]
