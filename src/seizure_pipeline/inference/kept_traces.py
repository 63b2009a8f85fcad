"""Probability traces of recordings in the cache, kept as long as weights and signals are the same."""

from __future__ import annotations

from pathlib import Path

from seizure_pipeline.cache import IndexRow, open_row
from seizure_pipeline.cache.index import check_chain
from seizure_pipeline.cache.kept import NumberArrays, keep_traces
from seizure_pipeline.inference.settings import InferenceSettings
from seizure_pipeline.inference.traces import check_device, probability_trace
from seizure_pipeline.model.checkpoint import check_weights, load_checkpoint
from seizure_pipeline.windows import WindowSettings

MODEL = "model"
INFERENCE_VERSION = 1  # part of the fingerprint of traces: raise it when the same weights would give others


def keep_model_traces(
    cache: Path, rows: list[IndexRow], checkpoint: Path, weights_sha256: str, settings: InferenceSettings, folder: Path
) -> list[str]:
    """Write the probability trace of every row below `folder`; a trace of the same weights and signal is kept.

    Returns each file's fingerprint. Raises CheckpointError for other weights, CacheError for another signal chain."""
    model, facts = load_checkpoint(checkpoint)
    check_device(settings.device, model=model.settings)
    check_weights(checkpoint, weights_sha256)
    check_chain(rows, facts["chain"])
    windows = WindowSettings(**facts["windows"])
    model = model.to(settings.device)

    def make(row: IndexRow) -> NumberArrays:
        return {MODEL: probability_trace(model, open_row(cache, row), windows, settings)}

    made_from = {
        "version": INFERENCE_VERSION,
        "weights": weights_sha256,
        "stride_s": settings.stride_s,
        "windows": windows,
    }
    return keep_traces(rows, folder, make, made_from, "probability traces")
