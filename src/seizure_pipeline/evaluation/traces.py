"""Traces of the scored splits, made once and kept: of the model and of the one-feature detectors."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from seizure_pipeline.baselines import cached_baselines
from seizure_pipeline.cache import IndexRow, open_row, rows_from_table, table_from_rows
from seizure_pipeline.cache.index import accepted_of_split
from seizure_pipeline.cache.kept import NumberArrays, keep_traces, read_kept
from seizure_pipeline.evaluation.settings import EvaluationSettings
from seizure_pipeline.inference.scored import trace_of
from seizure_pipeline.scoring import ScoringError, Trace

BASELINES_VERSION = 1
REASONS_TOLD = 3
MODEL = "model"
SCORED = DEV, EVAL = "dev", "eval"
"""What is chosen (epoch, threshold, post-processing) is chosen on the first; the second is only ever scored."""
TRACE, STRIDE = "trace_fingerprint", "stride_s"


def scored_rows(rows: list[IndexRow], settings: EvaluationSettings) -> list[IndexRow]:
    """The recordings of dev and then those of eval, of which there may be none.

    Raises ScoringError if either lost any, unless that is allowed, and CacheError for a dev without seizures."""
    lost = {split: [row for row in rows if row.split == split and not row.accepted] for split in SCORED}
    if any(lost.values()) and not settings.allow_refused:
        counts = " and ".join(f"split {split} lost {len(found)} recordings" for split, found in lost.items() if found)
        refused = [row.reason for found in lost.values() for row in found]
        rest = f"; and {len(refused) - REASONS_TOLD} more, all in the window index" if len(refused) > REASONS_TOLD else ""
        raise ScoringError(
            f"{counts}, so the figures would not be those of the corpus "
            f"(evaluation.allow_refused: true scores the rest): {'; '.join(refused[:REASONS_TOLD])}{rest}"
        )
    return [*accepted_of_split(rows, DEV), *(row for row in rows if row.split == EVAL and row.accepted)]


def keep_baseline_traces(cache: Path, rows: list[IndexRow], folder: Path) -> list[str]:
    """Write the traces of the one-feature detectors of every row below `folder`; unchanged ones are kept."""

    def trace(row: IndexRow) -> NumberArrays:
        return cached_baselines(open_row(cache, row))

    return keep_traces(rows, folder, trace, {"baselines": BASELINES_VERSION}, "one-feature traces")


def trace_table(rows: list[IndexRow], marks: list[str]) -> pd.DataFrame:
    """The index of the traces of `rows`, each with the fingerprint of its file."""
    return table_from_rows(rows).assign(**{TRACE: marks})


def model_trace_table(rows: list[IndexRow], marks: list[str], stride_s: float) -> pd.DataFrame:
    """The index of the model's traces of `rows`, with the spacing of the windows that they are the mean of."""
    return trace_table(rows, marks).assign(**{STRIDE: stride_s})


def trace_rows(table: pd.DataFrame) -> list[IndexRow]:
    """The recordings of a `trace_table`."""
    return rows_from_table(table.drop(columns=[TRACE, STRIDE], errors="ignore"))


def stride_of(table: pd.DataFrame) -> float:
    """The spacing in seconds of the windows behind the traces of a `model_trace_table`."""
    return float(table[STRIDE].iloc[0])


def load_traces(folder: Path, table: pd.DataFrame, split: str) -> dict[str, list[Trace]]:
    """Traces of one split by detector name; empty where `table`, which is `trace_table`'s, has no row of the split.

    Raises CacheError if other traces lie there."""
    chosen = table[table["split"] == split]
    found: dict[str, list[Trace]] = {}
    for row, mark in zip(trace_rows(chosen), chosen[TRACE], strict=True):
        for name, probability_L in read_kept(folder, row, mark).items():
            found.setdefault(name, []).append(trace_of(row, probability_L))
    return found


def model_traces(folder: Path, table: pd.DataFrame, split: str) -> list[Trace]:
    """The model's traces of one split."""
    return load_traces(folder, table, split).get(MODEL, [])
