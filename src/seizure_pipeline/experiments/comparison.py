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
COLUMNS = ("experiment", "status", "mark", *FIGURES, "seizures", "hours", "usd", "overrides", "error")
CHANCE = 0.5  # mean recall of whatever decides without looking, the majority baseline among them
COLLAPSED, NO_THRESHOLD = "collapsed", "no threshold"
AUROC_OF_NOTHING = 0.55  # a constant has 0.5, a network that hardly left its start a little more


def token_counts(traces: Sequence[Trace], threshold: float | None) -> dict[str, int]:
    """Tokens of each class, and of the ictal ones those at or above the threshold, of the others those below it.

    Tokens as the traces hold them, before post-processing. Without a threshold nothing is ever called ictal."""
    limit = np.inf if threshold is None else threshold
    label_L = np.concatenate([token_labels(trace) for trace in traces])
    called_L = np.concatenate([trace.probability >= limit for trace in traces])
    return {
        "ictal_tokens": int(label_L.sum()),
        "ictal_tokens_found": int((called_L & label_L).sum()),
        "background_tokens": int((~label_L).sum()),
        "background_tokens_found": int((~called_L & ~label_L).sum()),
    }


def recalls(counts: Mapping[str, int]) -> dict[str, float | None]:
    """Of `token_counts`: the share of each class that is found; None for a class without tokens."""
    return {
        ICTAL: _share(counts["ictal_tokens_found"], counts["ictal_tokens"]),
        BACKGROUND: _share(counts["background_tokens_found"], counts["background_tokens"]),
    }


def compare(results: Sequence[Result]) -> pd.DataFrame:
    """A row (COLUMNS) for every experiment in its order, and the last for the majority baseline."""
    different = differences([result.overrides for result in results])
    rows = [_row(result, difference) for result, difference in zip(results, different, strict=True)]
    share = next((result.metrics["seizure_time_share"] for result in results if result.metrics), None)
    rows.append(dict(zip(("experiment", *FIGURES), (BASELINE, 0.0, CHANCE, share, 0.0, 1.0), strict=True)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def mark(metrics: Mapping[str, Any]) -> str:
    """What is said of a model that is no better than the majority baseline where it would be used; empty for a better one.

    COLLAPSED where one class is never found, or both together are found no better; so if one is absent. NO_THRESHOLD where
    that is because no threshold keeps within the budget of false alarms, though the network does tell the classes apart."""
    ictal, background = metrics[ICTAL] or 0.0, metrics[BACKGROUND] or 0.0
    if min(ictal, background) > 0 and (ictal + background) / 2 > CHANCE:
        return ""
    return NO_THRESHOLD if ictal == 0 and (metrics[AUROC] or 0.0) >= AUROC_OF_NOTHING else COLLAPSED


def differences(overrides: Sequence[Mapping[str, Any]]) -> list[str]:
    """What each experiment overrides that not all others override alike: `name=value, ...`."""
    names = list(dict.fromkeys(name for each in overrides for name in each))
    common = {name for name in names if all(name in each and each[name] == overrides[0][name] for each in overrides)}
    return [", ".join(f"{name}={value}" for name, value in each.items() if name not in common) for each in overrides]


def _row(result: Result, difference: str) -> dict[str, Any]:
    figures = {name: result.metrics.get(name) for name in (*FIGURES, "seizures")}
    facts = {"hours": result.hours, "usd": result.usd, "overrides": difference, "error": result.error}
    marked = mark(result.metrics) if result.status == FINISHED else ""
    return {"experiment": result.name, "status": result.status, "mark": marked, **figures, **facts}


def _share(found: int, of_all: int) -> float | None:
    return found / of_all if of_all else None
