"""The kernel_check pipeline."""

from seizure_pipeline.pipelines.kernel_check.pipeline import create_pipeline

__all__ = ["create_pipeline"]
