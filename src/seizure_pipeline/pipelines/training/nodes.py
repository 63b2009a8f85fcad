"""Nodes of training; torch is imported when a node runs, so that start-up stays quick."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from seizure_pipeline import cache, tracking
from seizure_pipeline.cache import PreparationSettings
from seizure_pipeline.model.settings import ModelSettings
from seizure_pipeline.montage import MontageSettings
from seizure_pipeline.scoring import PostProcessingSettings
from seizure_pipeline.training.settings import TrainingSettings


def train(
    window_index: pd.DataFrame,
    window_cache: Path,
    models: Path,
    model: ModelSettings,
    settings: TrainingSettings,
    windowing: PreparationSettings,
    montage: MontageSettings,
    post_processing: PostProcessingSettings,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Cache -> record of the checkpoint and the history, one line an epoch."""
    from seizure_pipeline.training.loop import Reports
    from seizure_pipeline.training.run import Recipe, checkpoint_record, train_detector

    recipe = Recipe(model, settings, windowing.windows, windowing.signals, montage, post_processing)
    with tracking.StepReports() as steps:
        reports = Reports(epoch=tracking.report, step=steps.add)
        trained = train_detector(window_cache, cache.rows_from_table(window_index), recipe, models, reports)
    return checkpoint_record(trained, models), pd.DataFrame(trained.history)
