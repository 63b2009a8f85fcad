"""Experiments: named trainings that differ in a few parameters, and what each came to beside the majority baseline."""

from seizure_pipeline.experiments.comparison import BASELINE, COLUMNS, compare, recalls, token_counts
from seizure_pipeline.experiments.results import Result, read_result, write_result
from seizure_pipeline.experiments.settings import ExperimentSettings, ExperimentsSettings, merged, nested

__all__ = [
    "BASELINE",
    "COLUMNS",
    "ExperimentSettings",
    "ExperimentsSettings",
    "Result",
    "compare",
    "merged",
    "nested",
    "read_result",
    "recalls",
    "token_counts",
    "write_result",
]
