"""The pipelines by name; `__default__` goes from the corpus to the figure."""

from __future__ import annotations

from kedro.framework.project import find_pipelines
from kedro.pipeline import Pipeline

DEFAULT = ("ingestion", "windowing", "training", "evaluation", "reporting")


def register_pipelines() -> dict[str, Pipeline]:
    """Those from the corpus to the report, together as `__default__` and each by its name in that order; then all others.

    kedro-viz offers them in this order."""
    found: dict[str, Pipeline] = find_pipelines(raise_errors=True)
    chosen = {name: found[name] for name in DEFAULT if name in found}
    others = {name: found[name] for name in sorted(found.keys() - chosen.keys() - {"__default__"})}
    return {"__default__": sum(chosen.values(), Pipeline([])), **chosen, **others}
