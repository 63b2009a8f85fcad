"""Nodes of outcome."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from seizure_pipeline import evaluation
from seizure_pipeline.experiments import recalls
from seizure_pipeline.scoring import Summary


def tell_outcome(
    metrics: Summary, operating_point: dict[str, Any], checkpoint: dict[str, Any], trace_index: pd.DataFrame, traces: Path
) -> dict[str, Any]:
    """Metrics with the recalls of both classes at the operating point, and the weights that they are of."""
    scored = evaluation.load_traces(traces, trace_index)[evaluation.MODEL]
    found = recalls(scored, operating_point["threshold"])
    return {"metrics": metrics | found, "weights_sha256": checkpoint["weights_sha256"]}
