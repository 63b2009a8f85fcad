"""Probability traces of recordings in the cache, kept as long as weights and signals are the same."""

from __future__ import annotations

import json
from pathlib import Path

from seizure_pipeline.cache import IndexRow, open_signal
from seizure_pipeline.cache.kept import NumberArrays, keep_traces
from seizure_pipeline.inference.settings import InferenceSettings
from seizure_pipeline.inference.traces import check_device, probability_trace
from seizure_pipeline.model.checkpoint import CONFIG_NAME, load_checkpoint
from seizure_pipeline.windows import WindowSettings

MODEL = "model"


def keep_model_traces(cache: Path, rows: list[IndexRow], checkpoint: Path, settings: InferenceSettings, folder: Path) -> None:
    """Write the probability trace of every row below `folder`; a trace of the same weights and signal is kept."""
    check_device(settings.device)
    model, facts = load_checkpoint(checkpoint)
    windows = WindowSettings(**facts["windows"])
    model = model.to(settings.device)
    weights = json.loads((checkpoint / CONFIG_NAME).read_text())["weights_sha256"]

    def make(row: IndexRow) -> NumberArrays:
        return {MODEL: probability_trace(model, open_signal(cache / row.file), windows, settings)}

    made_from = {"weights": weights, "stride_s": settings.stride_s, "windows": windows}
    keep_traces(rows, folder, make, made_from, "probability traces")
