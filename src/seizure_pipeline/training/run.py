"""One training run from a cache: who trains on what, under which name, and what is left behind."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from seizure_pipeline.cache import IndexRow, cache_fingerprint
from seizure_pipeline.cache.chains import chain_fingerprint
from seizure_pipeline.cache.index import accepted_of_split, check_chain
from seizure_pipeline.configuration import fingerprint
from seizure_pipeline.inference.traces import check_device
from seizure_pipeline.model.checkpoint import CONFIG_NAME
from seizure_pipeline.model.detector import Detector, count_parameters
from seizure_pipeline.model.settings import ModelSettings
from seizure_pipeline.montage import ELECTRODES, MontageSettings
from seizure_pipeline.scoring import PostProcessingSettings
from seizure_pipeline.signals import SignalSettings
from seizure_pipeline.training.batches import WindowSource
from seizure_pipeline.training.keeping import Bystander, Keeper
from seizure_pipeline.training.launch import train_together
from seizure_pipeline.training.loop import Reports, fit
from seizure_pipeline.training.opening import open_windows
from seizure_pipeline.training.resume import Predecessor, find_predecessor, write_recipe
from seizure_pipeline.training.sampling import draw_epoch
from seizure_pipeline.training.settings import TrainingSettings
from seizure_pipeline.training.team import ALONE, Team
from seizure_pipeline.training.validation import Validation, validation_layout
from seizure_pipeline.windows import WindowSettings

log = logging.getLogger(__name__)
TRAINING_VERSION = 3  # part of a run's name: raise it when the same recipe would train to other weights
NOT_IN_THE_NAME = frozenset(
    {"activation_checkpointing", "checkpoint_epochs", "checkpoint_minutes", "checkpoint_steps", "checkpoints_kept"}
    | {"collapse_patience", "device", "feeding", "log_every_steps", "may_differ", "nonfinite_skips_max", "on_nonfinite"}
    | {"devices", "threads"}
)


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
    """Fingerprint of a run: of its `run_facts`."""
    return fingerprint(run_facts(rows, recipe))


def run_facts(rows: list[IndexRow], recipe: Recipe) -> dict[str, Any]:
    """What makes a run another: the data, and the recipe but for what changes speed, memory or what is kept alone."""
    facts = {key: value.model_dump(mode="json") for key, value in vars(recipe).items()}
    facts["training"] = {key: value for key, value in facts["training"].items() if key not in NOT_IN_THE_NAME}
    return {**facts, "version": TRAINING_VERSION, "cache": cache_fingerprint(rows)}


def train_detector(cache: Path, rows: list[IndexRow], recipe: Recipe, models: Path, reports: Reports) -> TrainedDetector:
    """Train on split train, select on dev; a run of the same name is continued, or kept if it is finished.

    Several devices train in a process each; what the first of them reports is reported here.

    Raises CacheError for a split without recordings or seizures or for signals that other settings made, RuntimeError
    for a device that is not there, ValueError for a validation stride over the window's length or a run to resume from
    that differs in more than it may."""
    settings = recipe.training
    check_device(settings.device, model=recipe.model)
    if settings.devices == 1:
        return _train(cache, rows, recipe, models, reports, ALONE)
    return train_together(partial(_train, cache, rows, recipe, models), settings.device, settings.devices, reports)


def _train(cache: Path, rows: list[IndexRow], recipe: Recipe, models: Path, reports: Reports, team: Team) -> TrainedDetector:
    settings = recipe.training
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    check_chain(rows, chain_fingerprint(recipe.signals, recipe.montage))
    train, dev = accepted_of_split(rows, "train"), accepted_of_split(rows, "dev")
    layout = validation_layout(recipe.windows, settings)
    facts = run_facts(rows, recipe)
    name = fingerprint(facts)
    predecessor = _predecessor(models, facts, settings)
    if team.leads:
        write_recipe(models / name, facts)
    with open_windows(cache, train, recipe.windows, settings) as windows, open_windows(cache, dev, layout, settings) as held:
        baselines = models / name / "validation_baselines.json"
        validate = Validation(cache, dev, held, layout, settings, recipe.post_processing, baselines)
        keeper = (Keeper if team.leads else Bystander)(models / name, name, _facts(name, rows, recipe), settings)
        progress = fit(_model(windows, recipe), windows, validate, keeper, reports, predecessor, team)
    best = models / name / "best"
    sha256 = team.told(lambda: json.loads((best / CONFIG_NAME).read_text())["weights_sha256"])
    return TrainedDetector(name, best, sha256, cache_fingerprint(rows), progress.epoch, progress.best_epoch, progress.history)


def _predecessor(models: Path, facts: Mapping[str, Any], settings: TrainingSettings) -> Predecessor | None:
    if settings.resume_from is not None:
        return find_predecessor(models, settings.resume_from, facts, settings.may_differ)
    if settings.may_differ:
        raise ValueError("training.may_differ names what may differ from the run in training.resume_from, which is not given")
    return None


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
