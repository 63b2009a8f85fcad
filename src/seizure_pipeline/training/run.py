"""One training run from a cache: who trains on what, under which name, and what is left behind."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from seizure_pipeline.cache import IndexRow, cache_fingerprint
from seizure_pipeline.cache.chains import chain_fingerprint
from seizure_pipeline.cache.index import accepted_of_split, check_chain
from seizure_pipeline.configuration import fingerprint
from seizure_pipeline.inference.settings import InferenceSettings
from seizure_pipeline.inference.traces import check_device
from seizure_pipeline.model.checkpoint import CONFIG_NAME
from seizure_pipeline.model.detector import Detector, count_parameters
from seizure_pipeline.model.settings import ModelSettings
from seizure_pipeline.montage import ELECTRODES, MontageSettings
from seizure_pipeline.scoring import PostProcessingSettings
from seizure_pipeline.signals import SignalSettings
from seizure_pipeline.training.batches import WindowSource
from seizure_pipeline.training.loop import Reports, fit
from seizure_pipeline.training.opening import open_windows
from seizure_pipeline.training.sampling import draw_epoch
from seizure_pipeline.training.settings import TrainingSettings
from seizure_pipeline.training.validation import Validation
from seizure_pipeline.windows import WindowSettings, lay_windows

log = logging.getLogger(__name__)
TRAINING_VERSION = 1  # part of a run's name: raise it when the same recipe would train to other weights


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a training run yields, apart from the data."""

    model: ModelSettings
    training: TrainingSettings
    windows: WindowSettings
    signals: SignalSettings
    montage: MontageSettings
    post_processing: PostProcessingSettings


@dataclass(frozen=True)
class TrainedDetector:
    """A finished run: `folder` holds the checkpoint of its best epoch; `history` has one record an epoch."""

    run: str
    folder: Path
    weights_sha256: str
    cache: str
    epochs: int
    best_epoch: int
    history: list[dict[str, float | None]]


def run_name(rows: list[IndexRow], recipe: Recipe) -> str:
    """Fingerprint of a run: the data, and the recipe but for device, feeding, threads and how often it is saved and logged."""
    facts = {key: value.model_dump(mode="json") for key, value in vars(recipe).items()}
    for key in ("checkpoint_steps", "device", "feeding", "log_every_steps", "threads"):
        del facts["training"][key]
    return fingerprint({**facts, "version": TRAINING_VERSION, "cache": cache_fingerprint(rows)})


def train_detector(cache: Path, rows: list[IndexRow], recipe: Recipe, models: Path, reports: Reports) -> TrainedDetector:
    """Train on split train, select on dev; a run of the same name is continued, or kept if it is finished.

    Raises CacheError for a split without recordings or seizures or for signals that other settings made, RuntimeError
    for a device that is not there, ValueError for a validation stride over the window's length."""
    settings = recipe.training
    check_device(settings.device)
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    check_chain(rows, chain_fingerprint(recipe.signals, recipe.montage))
    train, dev = accepted_of_split(rows, "train"), accepted_of_split(rows, "dev")
    validate = _validation(cache, dev, recipe)
    lay_windows(dev[0].layout, recipe.windows, validate.inference.stride_tokens)  # an impossible stride stops here
    name = run_name(rows, recipe)
    with open_windows(cache, train, recipe.windows, settings) as windows:
        progress = fit(
            model=_model(windows, recipe),
            windows=windows,
            validate=validate,
            settings=settings,
            folder=models / name,
            name=name,
            facts=_facts(name, rows, recipe),
            reports=reports,
        )
    best = models / name / "best"
    sha256 = json.loads((best / CONFIG_NAME).read_text())["weights_sha256"]
    return TrainedDetector(name, best, sha256, cache_fingerprint(rows), progress.epoch, progress.best_epoch, progress.history)


def _model(windows: WindowSource, recipe: Recipe) -> Detector:
    settings = recipe.training
    order = draw_epoch(windows.kinds, settings.sampling, settings.seed, 0)
    prior = windows.ictal_share(order)
    torch.manual_seed(settings.seed)
    model = Detector(recipe.model, prior).to(settings.device)
    counts = count_parameters(model)
    log.info("parameters: %s", ", ".join(f"{part} {count:,}" for part, count in counts.items()))
    log.info("an epoch has %d windows, %.1f %% of their time ictal", order.size, 100 * prior)
    return model


def _validation(cache: Path, dev: list[IndexRow], recipe: Recipe) -> Validation:
    settings = recipe.training
    inference = InferenceSettings(device=settings.device, batch_size=settings.batch_size, stride_s=settings.validation_stride_s)
    return Validation(cache, dev, recipe.windows, inference, recipe.post_processing)


def _facts(name: str, rows: list[IndexRow], recipe: Recipe) -> dict[str, Any]:
    return {
        "run": name,
        "cache": cache_fingerprint(rows),
        "electrodes": list(ELECTRODES),
        "chain": chain_fingerprint(recipe.signals, recipe.montage),
        "windows": recipe.windows.model_dump(mode="json"),
        "signals": recipe.signals.model_dump(mode="json"),
        "montage": recipe.montage.model_dump(mode="json"),
        "training": recipe.training.model_dump(mode="json"),
    }


def checkpoint_record(trained: TrainedDetector, models: Path) -> dict[str, Any]:
    """What later nodes need to find and trust the checkpoint: its folder below `models`, its hash, its run."""
    record = asdict(trained)
    del record["history"]
    return {**record, "folder": str(trained.folder.relative_to(models))}
