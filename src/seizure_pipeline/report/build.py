"""From the datasets of an evaluation to its report."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from seizure_pipeline import evaluation
from seizure_pipeline.cache import PreparationSettings, rows_from_table
from seizure_pipeline.corpora import CorpusSettings
from seizure_pipeline.report.page import Provenance, render
from seizure_pipeline.report.split import Detector, SplitSource, report_of
from seizure_pipeline.scoring import Trace
from seizure_pipeline.scoring.bootstrap import BootstrapSettings
from seizure_pipeline.scoring.calibration import Temperature, fit_temperature
from seizure_pipeline.scoring.samples import score_histogram

SHOWN_FIRST = (evaluation.EVAL, evaluation.DEV)  # what was held out is what counts


@dataclass(frozen=True)
class Evaluated:
    """The datasets of an evaluation under their names in the catalog, and the settings of corpus and signals."""

    window_index: pd.DataFrame
    window_cache: Path
    trace_index: pd.DataFrame
    traces: Path
    baseline_index: pd.DataFrame
    baseline_traces: Path
    operating_point: dict[str, Any]
    comparison: pd.DataFrame
    checkpoint: dict[str, Any]
    corpus: CorpusSettings
    windowing: PreparationSettings


def evaluation_report(evaluated: Evaluated) -> str:
    """The HTML of an evaluation: every split that has recordings, the held-out one first."""
    bootstrap = BootstrapSettings()
    reports = [report_of(source) for source in _sources(evaluated, bootstrap)]
    provenance = Provenance(
        checkpoint=evaluated.checkpoint,
        operating_point=evaluated.operating_point,
        layout=evaluated.corpus.layout,
        signals=_signals(evaluated.windowing),
        bootstrap=bootstrap,
        made=datetime.now(UTC).date(),
    )
    return render(provenance, reports)


def _sources(evaluated: Evaluated, bootstrap: BootstrapSettings) -> Iterator[SplitSource]:
    index, point = evaluated.trace_index, evaluated.operating_point
    lost = [row for row in rows_from_table(evaluated.window_index) if not row.accepted]
    temperature = _temperature(evaluation.model_traces(evaluated.traces, index, evaluation.DEV))
    for split in SHOWN_FIRST:
        traces = evaluation.model_traces(evaluated.traces, index, split)
        if traces:
            yield SplitSource(
                split=split,
                rows=evaluation.trace_rows(index[index["split"] == split]),
                refused=[row for row in lost if row.split == split],
                model=Detector(evaluation.MODEL, traces, point["threshold"]),
                one_feature=_one_feature(evaluated, split),
                post_processing=evaluation.post_processing_of(point),
                bootstrap=bootstrap,
                temperature=temperature,
                layout=evaluated.corpus.layout,
                cache=evaluated.window_cache,
            )


def _one_feature(evaluated: Evaluated, split: str) -> Detector:
    """The best one-feature detector on dev, with its threshold from there."""
    name = evaluation.best_one_feature(evaluated.comparison)
    (threshold,) = evaluated.comparison.query("detector == @name")["threshold"].to_list()
    traces = evaluation.load_traces(evaluated.baseline_traces, evaluated.baseline_index, split)[name]
    return Detector(name, traces, None if threshold is None or math.isnan(threshold) else threshold)


def _temperature(traces: list[Trace]) -> Temperature:
    return fit_temperature(score_histogram(traces))


def _signals(windowing: PreparationSettings) -> str:
    signals = windowing.signals
    notch = "no notch" if signals.notch_hz is None else f"notch {signals.notch_hz:g} Hz"
    return f"{signals.band_low_hz:g} to {signals.band_high_hz:g} Hz, {notch}"
