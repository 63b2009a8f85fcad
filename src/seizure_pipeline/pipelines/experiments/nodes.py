"""Nodes of experiments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import pandas as pd
from matplotlib.figure import Figure

from seizure_pipeline import cache, evaluation, tracking
from seizure_pipeline.configuration import code_fingerprint, fingerprint
from seizure_pipeline.corpora import CorpusSettings, RecordingRow
from seizure_pipeline.corpora.sample import sample_recordings
from seizure_pipeline.experiments import ExperimentsSettings, Result, compare
from seizure_pipeline.experiments.settings import SAMPLE
from seizure_pipeline.figures.experiments import experiments_figure
from seizure_pipeline.pipelines.experiments.plan import handed_over, keep_record
from seizure_pipeline.pipelines.experiments.side_by_side import SideBySide

ROOMS_OF_A_RESULT = (
    *("windows", "signals", "model", "training", "inference", "scoring", "baselines", "evaluation"),
    *("experiments", "pipelines/outcome"),
)


def share_index(window_index: pd.DataFrame, settings: ExperimentsSettings) -> dict[str, pd.DataFrame]:
    """The index for each experiment: the whole one, or a sample of its recordings where it overrides their number.

    Recordings of eval are in none: experiments are compared and chosen from, which is for dev alone."""
    seen = window_index[window_index["split"] != evaluation.EVAL].reset_index(drop=True)
    rows = cache.rows_from_table(seen)
    shared = {}
    for name, overrides in settings.chosen().items():
        if SAMPLE in overrides:
            sampled = sample_recordings(  # reads of a row nothing that an index does not hold
                cast("list[RecordingRow]", rows), CorpusSettings(max_recordings=overrides[SAMPLE])
            )
            shared[name] = cache.table_from_rows(cast("list[cache.IndexRow]", sampled))
        else:
            shared[name] = seen
    return shared


def run_experiments(
    indexes: Mapping[str, Callable[[], pd.DataFrame]], folder: Path, settings: ExperimentsSettings
) -> list[dict[str, Any]]:
    """Train and evaluate every experiment in a process of its own; finished and unchanged ones are kept."""
    plan, parent = handed_over(), tracking.open_run()
    keep_record(folder, plan, parent)
    code = code_fingerprint(*ROOMS_OF_A_RESULT)
    made_from = {
        each.name: fingerprint(
            {
                "code": code,
                "parameters": each.parameters,
                "cache": cache.cache_fingerprint(cache.rows_from_table(indexes[each.name]())),
            }
        )
        for each in plan.experiments
    }
    return [asdict(result) for result in SideBySide(plan, folder, parent, made_from, settings.budget_usd).run()]


def compare_experiments(results: list[dict[str, Any]]) -> tuple[pd.DataFrame, Figure]:
    """Results -> the table and its picture."""
    table = compare([Result(**result) for result in results])
    return table, experiments_figure(table)
