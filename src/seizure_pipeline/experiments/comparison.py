"""Experiments beside each other and beside the majority baseline, which calls everything background."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from seizure_pipeline.experiments.results import FINISHED, Result
from seizure_pipeline.scoring import Trace, sensitivity_name
from seizure_pipeline.scoring.names import AUROC, AVERAGE_PRECISION
from seizure_pipeline.scoring.samples import token_labels

BASELINE = "majority baseline"
ICTAL, BACKGROUND = "recall_ictal", "recall_background"
FIGURES = (sensitivity_name(10.0), AUROC, AVERAGE_PRECISION, ICTAL, BACKGROUND)
COLUMNS = ("experiment", "status", "collapsed", *FIGURES, "hours", "usd", "error")
CHANCE = 0.5  # mean recall of whatever decides without looking, the majority baseline among them


def recalls(traces: Sequence[Trace], threshold: float | None) -> dict[str, float | None]:
    """Share of the ictal tokens at or above the threshold and of the background tokens below it; None without such tokens.

    Tokens as the traces hold them, before post-processing. Without a threshold nothing is ever called ictal."""
    limit = np.inf if threshold is None else threshold
    label_L = np.concatenate([token_labels(trace) for trace in traces])
    called_L = np.concatenate([trace.probability >= limit for trace in traces])
    return {ICTAL: _share(called_L[label_L]), BACKGROUND: _share(~called_L[~label_L])}


def compare(results: Sequence[Result]) -> pd.DataFrame:
    """A row (COLUMNS) for every experiment in its order, and the last for the majority baseline."""
    rows = [_row(result) for result in results]
    share = next((result.metrics["seizure_time_share"] for result in results if result.metrics), None)
    rows.append(dict(zip(("experiment", *FIGURES), (BASELINE, 0.0, CHANCE, share, 0.0, 1.0), strict=True)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def is_collapsed(metrics: Mapping[str, Any]) -> bool:
    """Whether one class is never found, or both together no better than by the majority baseline; so if one is absent."""
    ictal, background = metrics[ICTAL] or 0.0, metrics[BACKGROUND] or 0.0
    return min(ictal, background) == 0 or (ictal + background) / 2 <= CHANCE


def _row(result: Result) -> dict[str, Any]:
    figures = {name: result.metrics.get(name) for name in FIGURES}
    collapsed = "collapsed" if result.status == FINISHED and is_collapsed(result.metrics) else ""
    facts = {"hours": result.hours, "usd": result.usd, "error": result.error}
    return {"experiment": result.name, "status": result.status, "collapsed": collapsed, **figures, **facts}


def _share(found: np.ndarray[Any, np.dtype[np.bool_]]) -> float | None:
    return float(found.mean()) if len(found) else None
