"""Probability traces of a split, made once and kept, and what they are worth beside one-feature detectors."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field

from seizure_pipeline.baselines import one_feature_traces
from seizure_pipeline.cache import IndexRow, open_row, rows_from_table, table_from_rows
from seizure_pipeline.cache.index import accepted_of_split
from seizure_pipeline.cache.kept import NumberArrays, keep_traces, read_kept
from seizure_pipeline.configuration import Settings
from seizure_pipeline.inference.scored import trace_of
from seizure_pipeline.scoring import (
    FALSE_ALARM_BUDGETS_PER_24H,
    PostProcessingSettings,
    ScoringError,
    Summary,
    Trace,
    evaluate,
    names,
    operating_curve,
    operating_point,
)

log = logging.getLogger(__name__)
BASELINES_VERSION = 1
MODEL = "model"
SPLIT = "dev"  # where the threshold is chosen; it must never be chosen on eval
TRACE = "trace_fingerprint"


class EvaluationSettings(Settings):
    """What is scored and shown.

    `operating_budget_per_24h` is the false-alarm budget whose threshold is kept for detection; `allow_refused` scores a
    split that lost recordings; `pages` is how many recordings get a picture.
    """

    allow_refused: bool = False
    operating_budget_per_24h: float = Field(10.0, gt=0)
    pages: int = Field(8, ge=0)


def scored_rows(rows: list[IndexRow], settings: EvaluationSettings) -> list[IndexRow]:
    """The recordings of the scored split; raises ScoringError if it lost any, unless that is allowed."""
    lost = [row for row in rows if row.split == SPLIT and not row.accepted]
    if lost and not settings.allow_refused:
        reasons = "; ".join(row.reason for row in lost)
        raise ScoringError(
            f"split {SPLIT} lost {len(lost)} recordings, so its figures would not be those of the corpus "
            f"(evaluation.allow_refused: true scores the rest): {reasons}"
        )
    return accepted_of_split(rows, SPLIT)


def keep_baseline_traces(cache: Path, rows: list[IndexRow], folder: Path) -> list[str]:
    """Write the traces of the one-feature detectors of every row below `folder`; unchanged ones are kept."""

    def trace(row: IndexRow) -> NumberArrays:
        cached = open_row(cache, row)
        signal_CT = cached.signal.astype(np.float32) * np.float32(cached.step_sd)
        return one_feature_traces(signal_CT, cached.layout.sample_starts)

    return keep_traces(rows, folder, trace, {"baselines": BASELINES_VERSION}, "one-feature traces")


def trace_table(rows: list[IndexRow], marks: list[str]) -> pd.DataFrame:
    """The index of the traces of `rows`, each with the fingerprint of its file."""
    return table_from_rows(rows).assign(**{TRACE: marks})


def load_traces(folder: Path, table: pd.DataFrame) -> dict[str, list[Trace]]:
    """Traces by detector name; `table` is `trace_table`'s. Raises CacheError if other traces lie there."""
    found: dict[str, list[Trace]] = {}
    for row, mark in zip(trace_rows(table), table[TRACE], strict=True):
        for name, probability_L in read_kept(folder, row, mark).items():
            found.setdefault(name, []).append(trace_of(row, probability_L))
    return found


def trace_rows(table: pd.DataFrame) -> list[IndexRow]:
    """The recordings of a `trace_table`."""
    return rows_from_table(table.drop(columns=TRACE))


def operating_record(
    traces: list[Trace], settings: EvaluationSettings, post_processing: PostProcessingSettings
) -> dict[str, Any]:
    """The threshold for the operating budget with what it gave; None and zeros where no threshold meets the budget."""
    budget = settings.operating_budget_per_24h
    point = operating_point(operating_curve(traces, post_processing), budget)
    if point is None:
        log.warning("no threshold meets %g false alarms per 24 h on split %s: nothing to detect with", budget, SPLIT)
    return {
        "threshold": None if point is None else point.threshold,
        "budget_per_24h": budget,
        "split": SPLIT,
        "sensitivity": 0.0 if point is None else point.sensitivity,
        "false_alarms_per_24h": 0.0 if point is None else point.false_alarms_per_24h,
        "post_processing": post_processing.model_dump(mode="json"),
    }


def comparison(summary: Summary, baselines: dict[str, list[Trace]], post_processing: PostProcessingSettings) -> pd.DataFrame:
    """The model, the one-feature detectors and the trivial ones, a row each, by the same rules."""
    columns = [names.AUROC, names.AVERAGE_PRECISION, *map(names.sensitivity_name, FALSE_ALARM_BUDGETS_PER_24H)]
    rows = [{"detector": MODEL, **{name: summary[name] for name in columns}}]
    for name, traces in baselines.items():
        figures = evaluate(traces, post_processing)
        rows.append({"detector": name, **{column: figures[column] for column in columns}})
    chance = {names.sensitivity_name(b): summary[names.chance_sensitivity_name(b)] for b in FALSE_ALARM_BUDGETS_PER_24H}
    share = summary["seizure_time_share"]
    rows.append({"detector": "chance by duration", names.AUROC: 0.5, names.AVERAGE_PRECISION: share, **chance})
    undecided = {names.AUROC: 0.5, names.AVERAGE_PRECISION: share}
    rows += [{"detector": name, **undecided, **_trivial(summary, name)} for name in ("never", "always")]
    return pd.DataFrame(rows, columns=["detector", *columns])


def _trivial(summary: Summary, name: str) -> dict[str, float]:
    """Sensitivity of a detector with one operating point, at each budget that this point meets."""
    rate, sensitivity = (float(summary[f"{name}_{what}"] or 0) for what in ("false_alarms_per_24h", "sensitivity"))
    return {names.sensitivity_name(b): sensitivity if rate <= b else 0.0 for b in FALSE_ALARM_BUDGETS_PER_24H}
