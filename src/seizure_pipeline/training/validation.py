"""What a model is worth on the dev recordings while it trains: the same rules and names as the final evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seizure_pipeline.cache import IndexRow, open_row
from seizure_pipeline.inference.scored import trace_of
from seizure_pipeline.inference.settings import InferenceSettings
from seizure_pipeline.inference.traces import probability_trace
from seizure_pipeline.model.detector import Detector
from seizure_pipeline.progress import follow
from seizure_pipeline.scoring import FALSE_ALARM_BUDGETS_PER_24H, PostProcessingSettings, evaluate, names
from seizure_pipeline.windows import WindowSettings

METRICS = (*map(names.sensitivity_name, FALSE_ALARM_BUDGETS_PER_24H), names.AUROC, names.AVERAGE_PRECISION)


@dataclass(frozen=True)
class Validation:
    """Call it with a model for its metrics by name on the recordings `rows`."""

    cache: Path
    rows: list[IndexRow]
    windows: WindowSettings
    inference: InferenceSettings
    post_processing: PostProcessingSettings

    def __call__(self, model: Detector) -> Mapping[str, float | None]:
        """Sensitivities at the false-alarm budgets, AUROC and average precision.

        Raises FloatingPointError for a recording whose probabilities are no numbers."""
        traces = []
        for row in follow(self.rows, "validating", len(self.rows), "recordings"):
            signal = open_row(self.cache, row)
            probability_L = probability_trace(model, signal, self.windows, self.inference)
            if not np.isfinite(probability_L).all():
                raise FloatingPointError(f"probabilities of {row.recording_id} are not finite")
            traces.append(trace_of(row, probability_L))
        summary = evaluate(traces, self.post_processing)
        return {name: _number(summary[name]) for name in METRICS}


def _number(value: float | str | None) -> float | None:
    return None if value is None else float(value)
