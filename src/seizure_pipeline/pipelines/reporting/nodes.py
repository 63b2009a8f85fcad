"""Nodes of reporting; what draws is imported when a node runs, so that start-up stays quick."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from seizure_pipeline.cache import PreparationSettings
from seizure_pipeline.corpora import CorpusSettings


def write_report(
    window_index: pd.DataFrame,
    window_cache: Path,
    trace_index: pd.DataFrame,
    traces: Path,
    baseline_index: pd.DataFrame,
    baseline_traces: Path,
    operating_point: dict[str, Any],
    comparison: pd.DataFrame,
    checkpoint: dict[str, Any],
    corpus: CorpusSettings,
    windowing: PreparationSettings,
) -> str:
    """All of an evaluation -> one HTML page of figures, tables and pieces of EEG."""
    from seizure_pipeline.report import Evaluated, evaluation_report

    return evaluation_report(
        Evaluated(
            window_index=window_index,
            window_cache=window_cache,
            trace_index=trace_index,
            traces=traces,
            baseline_index=baseline_index,
            baseline_traces=baseline_traces,
            operating_point=operating_point,
            comparison=comparison,
            checkpoint=checkpoint,
            corpus=corpus,
            windowing=windowing,
        )
    )
