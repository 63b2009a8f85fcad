"""Nodes of outcome."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from seizure_pipeline import evaluation
from seizure_pipeline.experiments import recalls, token_counts
from seizure_pipeline.scoring import Summary


def tell_outcome(
    metrics: Summary,
    operating_point: dict[str, Any],
    checkpoint: dict[str, Any],
    trace_index: pd.DataFrame,
    traces: Path,
    comparison: pd.DataFrame,
) -> dict[str, Any]:
    """Metrics with the recalls of both classes at the operating point, the weights that they are of, and the baselines."""
    scored = evaluation.model_traces(traces, trace_index, evaluation.DEV)
    counts = token_counts(scored, operating_point["threshold"])
    others = comparison[comparison["detector"] != evaluation.MODEL]
    return {
        "metrics": metrics | recalls(counts),
        "weights_sha256": checkpoint["weights_sha256"],
        "counts": counts,
        "baselines": others.astype(object).where(others.notna(), None).to_dict(orient="records"),
    }
