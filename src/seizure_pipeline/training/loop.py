"""The training loop: fetch, forward, loss, backward, step, report; validation and checkpoints are calls."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from seizure_pipeline.announcements import Stopped, announce, stop_if_asked
from seizure_pipeline.model.checkpoint import save_checkpoint
from seizure_pipeline.model.detector import Detector, parameter_groups
from seizure_pipeline.progress import ProgressMeter
from seizure_pipeline.scoring.names import AUROC, sensitivity_name
from seizure_pipeline.training.batches import Batch, WindowSource
from seizure_pipeline.training.diverged import diverged, told_where_it_diverges
from seizure_pipeline.training.loss import token_loss
from seizure_pipeline.training.sampling import draw_epoch
from seizure_pipeline.training.schedule import learning_rate
from seizure_pipeline.training.settings import TrainingSettings
from seizure_pipeline.training.state import Progress, Sums, load_state, save_state

log = logging.getLogger(__name__)
EARLY_STOPPING = sensitivity_name(10.0)
Report = Callable[[Mapping[str, float | None], int], None]
Validate = Callable[[Detector], Mapping[str, float | None]]


@dataclass(frozen=True, slots=True)
class Reports:
    """Where a run's numbers go as they come: those of an epoch under its number, those within it under the steps so far.

    A run that continues reports all again that an earlier process reported."""

    epoch: Report
    step: Callable[[Mapping[str, float], int], None]


@dataclass
class Run:
    """What a training run works on; `folder` holds its state and its checkpoints `last` and `best`."""

    model: Detector
    optimizer: torch.optim.AdamW
    windows: WindowSource
    settings: TrainingSettings
    folder: Path
    name: str
    facts: dict[str, Any]

    @property
    def state_path(self) -> Path:
        """The file that a killed run continues from."""
        return self.folder / "state.safetensors"


def fit(
    model: Detector,
    windows: WindowSource,
    validate: Validate,
    settings: TrainingSettings,
    folder: Path,
    name: str,
    facts: dict[str, Any],
    reports: Reports,
) -> Progress:
    """Train `model` on `windows` until early stopping or the last epoch; continues run `name` where it was killed.

    `facts` go into the checkpoints' config. Raises TrainingDiverged before an update that is not finite or after one
    that breaks validation, RuntimeError
    where the device's memory does not suffice, Stopped after the state is saved where this process is asked to stop."""
    optimizer = torch.optim.AdamW(parameter_groups(model, settings.optimizer.weight_decay), lr=settings.optimizer.learning_rate)
    run = Run(model, optimizer, windows, settings, folder, name, facts)
    folder.mkdir(parents=True, exist_ok=True)
    progress = load_state(run.state_path, model, optimizer, name) or Progress()
    _say_where(run, progress)
    _report_again(progress, reports)
    while not progress.finished:
        with _saved_where_it_stops(run, progress):
            with _ways_out_of_memory(settings):
                _train_epoch(run, progress, reports)
            with told_where_it_diverges("validation failed", progress.step - 1, _last_rate(run, progress)):
                validation = validate(model)
        _close_epoch(run, progress, validation, reports)
    return progress


def _report_again(progress: Progress, reports: Reports) -> None:
    for epoch in progress.history:
        reports.epoch(epoch, int(epoch["epoch"] or 0))
    for step in progress.steps:
        reports.step(_numbers_of(step), int(step["step"]))


def _numbers_of(step: Mapping[str, float]) -> Mapping[str, float]:
    return {name: value for name, value in step.items() if name != "step"}


def _say_where(run: Run, progress: Progress) -> None:
    if progress.finished:
        log.info("run %s is finished and unchanged: its %d epochs are kept", run.name, progress.epoch)
    elif progress.step:
        log.info("run %s continues at epoch %d, step %d", run.name, progress.epoch + 1, progress.step_in_epoch)


def _train_epoch(run: Run, progress: Progress, reports: Reports) -> None:
    settings = run.settings
    order = draw_epoch(run.windows.kinds, settings.sampling, settings.seed, progress.epoch)
    steps = -(-order.size // settings.batch_size)
    run.model.train()
    run.windows.open()  # once a run, and no part of its windows per second
    with ProgressMeter(f"epoch {progress.epoch + 1} of {settings.epochs}", steps, "steps", progress.step_in_epoch) as meter:
        began_s = time.monotonic()  # before a batch is fetched: waiting for windows is part of a step
        for batch in run.windows.batches(order, settings.batch_size, progress.step_in_epoch):
            rate = _rate(settings, progress.step, steps)
            loss, norm = _step(run, batch, rate, progress.step)
            _count(progress, batch, loss, norm, time.monotonic() - began_s)
            if progress.step % settings.log_every_steps == 0:
                _log_step(progress, rate, reports)
            if progress.step_in_epoch % settings.checkpoint_steps == 0 and progress.step_in_epoch < steps:
                _save(run, progress)
            meter.advance(note=f"loss {progress.loss_sum / progress.windows:.4f}")
            stop_if_asked()
            began_s = time.monotonic()


@contextmanager
def _saved_where_it_stops(run: Run, progress: Progress) -> Iterator[None]:
    """Save the state where training or validation stops because it was asked to: at most a recording's traces are lost."""
    try:
        yield
    except Stopped:
        _save(run, progress)
        raise


def _save(run: Run, progress: Progress) -> None:
    save_state(run.state_path, run.model, run.optimizer, progress, run.name)
    announce("checkpoint", path=str(run.state_path), step=progress.step)


@contextmanager
def _ways_out_of_memory(settings: TrainingSettings) -> Iterator[None]:
    """Say what can be done where the device's memory does not suffice."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise RuntimeError(
            f"the device's memory does not hold the model's steps with batches of {settings.batch_size} windows beside the "
            f"signals; set training.feeding.kind: ring, which keeps signals off the device, or a smaller training.batch_size"
        ) from error


def _rate(settings: TrainingSettings, step: int, steps: int) -> float:
    return learning_rate(step, settings.epochs * steps, settings.optimizer.learning_rate, settings.optimizer.warmup_fraction)


def _last_rate(run: Run, progress: Progress) -> float:
    """The learning rate of the last step of an epoch."""
    return _rate(run.settings, progress.step - 1, progress.step_in_epoch)


def _step(run: Run, batch: Batch, rate: float, step: int) -> tuple[float, float]:
    device = run.settings.device
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    run.optimizer.zero_grad(set_to_none=True)
    recordings = sorted(set(batch.recording_ids))
    with told_where_it_diverges(f"the network fails on recordings {recordings}", step, rate):
        logits_BL = run.model(batch.window_BCT.to(device))
    loss = token_loss(logits_BL, batch.ictal_BL.to(device), batch.valid_BL.to(device), run.settings.loss)
    loss.backward()  # type: ignore[no-untyped-call]
    norm = nn.utils.clip_grad_norm_(run.model.parameters(), run.settings.optimizer.gradient_norm)
    values = dict(zip(("loss", "gradient norm"), torch.stack([loss.detach(), norm]).tolist(), strict=True))
    for name, value in values.items():  # read together: a step waits for the device once
        if not math.isfinite(value):
            raise diverged(f"{name} is {value}, recordings {recordings},", step, rate)
    run.optimizer.step()
    return values["loss"], values["gradient norm"]


def _count(progress: Progress, batch: Batch, loss: float, norm: float, took_s: float) -> None:
    progress.step += 1
    progress.step_in_epoch += 1
    for sums in (progress, progress.lately):
        sums.add(loss, norm, batch.window_BCT.shape[0], took_s)


def _log_step(progress: Progress, rate: float, reports: Reports) -> None:
    numbers = {**progress.lately.means(), "learning_rate": rate}
    progress.lately = Sums()
    progress.steps.append({"step": progress.step, **numbers})
    reports.step(numbers, progress.step)


def _close_epoch(run: Run, progress: Progress, validation: Mapping[str, float | None], reports: Reports) -> None:
    progress.epoch += 1
    record = {"epoch": progress.epoch, **progress.means(), "learning_rate": _last_rate(run, progress), **validation}
    progress.history.append(record)
    score = (_number(validation[EARLY_STOPPING]), _number(validation[AUROC]))
    _save_weights(run, progress, "last", score)
    if score > progress.best_score:
        progress.best_score, progress.best_epoch = score, progress.epoch
        _save_weights(run, progress, "best", score)
    waited = progress.epoch - progress.best_epoch
    progress.finished = progress.epoch >= run.settings.epochs or waited >= run.settings.patience_epochs
    progress.step_in_epoch = progress.windows = 0
    progress.loss_sum = progress.gradient_norm_sum = progress.training_s = 0.0
    _save(run, progress)
    reports.epoch(record, progress.epoch)
    shown = ("train_loss", AUROC, EARLY_STOPPING, "windows_per_s")
    facts = ", ".join(f"{name} {_number(record[name]):.4g}" for name in shown)
    log.info("epoch %d: %s; best is epoch %d", progress.epoch, facts, progress.best_epoch)


def _save_weights(run: Run, progress: Progress, name: str, score: tuple[float, float]) -> None:
    save_checkpoint(run.folder / name, run.model, {**run.facts, "epoch": progress.epoch, "score": list(score)})
    announce("checkpoint", path=str(run.folder / name), step=progress.step)


def _number(value: float | None) -> float:
    return -1.0 if value is None else float(value)
