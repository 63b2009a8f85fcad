"""The pipelines by name; `__default__` goes from the corpus to the figure."""

from __future__ import annotations

from kedro.framework.project import find_pipelines
from kedro.pipeline import Pipeline

DEFAULT = ("ingestion", "windowing", "training", "evaluation", "reporting")


def register_pipelines() -> dict[str, Pipeline]:
    """Every package below `pipelines`, and those from the corpus to the report as `__default__`."""
    pipelines: dict[str, Pipeline] = find_pipelines(raise_errors=True)
    chosen = [pipelines[name] for name in DEFAULT if name in pipelines]
    return {**pipelines, "__default__": sum(chosen, Pipeline([]))}
