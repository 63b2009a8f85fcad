"""The training loop: fetch, forward, loss, backward, step, report; validation and checkpoints are calls."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from seizure_pipeline.announcements import Stopped, signals_ask_to_stop, stop_if_asked
from seizure_pipeline.model.compiling import compiled
from seizure_pipeline.model.detector import Detector, parameter_groups
from seizure_pipeline.progress import ProgressMeter
from seizure_pipeline.scoring.names import AUROC, sensitivity_name
from seizure_pipeline.training.average import Average
from seizure_pipeline.training.batches import Batch, WindowSource
from seizure_pipeline.training.collapse import heed_collapse, judged
from seizure_pipeline.training.diverged import told_where_it_diverges
from seizure_pipeline.training.keeping import Keeper
from seizure_pipeline.training.nonfinite import NotFinite, Step, gradient, leave_out
from seizure_pipeline.training.recompute import recompute_activations
from seizure_pipeline.training.resume import Predecessor
from seizure_pipeline.training.sampling import draw_epoch
from seizure_pipeline.training.schedule import scheduled_rate
from seizure_pipeline.training.settings import TrainingSettings
from seizure_pipeline.training.state import Progress, Sums, Trained
from seizure_pipeline.training.team import Team

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
    """What a training run works on."""

    model: Detector
    optimizer: torch.optim.AdamW
    average: Average | None
    windows: WindowSource
    settings: TrainingSettings
    keeper: Keeper
    team: Team
    network: Callable[[Tensor], Tensor]

    @property
    def trained(self) -> Trained:
        """What a state holds of it."""
        return Trained(self.model, self.optimizer, self.average.model if self.average else None)

    @property
    def shown(self) -> Detector:
        """The network that is validated and kept: the average where there is one."""
        return self.average.model if self.average else self.model


def fit(
    model: Detector,
    windows: WindowSource,
    validate: Validate,
    keeper: Keeper,
    reports: Reports,
    predecessor: Predecessor | None,
    team: Team,
) -> Progress:
    """Train `model` on `windows` until early stopping or the last epoch.

    Continues the run of `keeper` where it was killed, else goes on from its `predecessor`. Raises TrainingDiverged before an
    update that is not finite or after one that breaks validation, TrainingCollapsed after epochs that collapsed (see
    `collapse`), RuntimeError where the device's memory does not suffice, Stopped after the state is saved where this process
    is asked to stop, by a signal too."""
    run = _run(model, windows, keeper, team)
    with team.in_turn():
        progress = _first_progress(run, predecessor)
    _say_where(run, progress)
    _report_again(progress, reports)
    heed_collapse(progress.history[progress.taken_over :], run.settings.collapse_patience)
    with signals_ask_to_stop():
        while not progress.finished:
            with _saved_where_it_stops(run, progress):
                with _ways_out_of_memory(run.settings):
                    _train_epoch(run, progress, reports)
                with told_where_it_diverges("validation failed", progress.step - 1, _last_rate(run, progress)):
                    validation = team.told(lambda: validate(run.shown))
            _close_epoch(run, progress, validation, reports)
    return progress


def _run(model: Detector, windows: WindowSource, keeper: Keeper, team: Team) -> Run:
    settings = keeper.settings
    optimizer = torch.optim.AdamW(parameter_groups(model, settings.optimizer.weight_decay), lr=settings.optimizer.learning_rate)
    average = None if settings.ema_decay is None else Average(model, settings.ema_decay)
    if settings.activation_checkpointing:
        recompute_activations(model)
    network = team.wrap(model)
    if settings.compile:
        network = compiled(network, settings.windows_at_once, settings.deterministic)
    return Run(model, optimizer, average, windows, settings, keeper, team, network)


def _first_progress(run: Run, predecessor: Predecessor | None) -> Progress:
    found = run.keeper.load(run.trained)
    if found is not None and found.history and not found.step_in_epoch and not run.keeper.has_weights_of(found):
        run.keeper.keep_weights(run.shown, found, _score(found.history[-1]))  # killed between the state and its checkpoints
    if found is not None or predecessor is None:
        return found or Progress()
    progress = predecessor.hand_over(run.keeper, run.trained)
    progress.finished = _is_over(progress, run.settings)
    run.keeper.save(run.trained, progress)
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
        log.info("run %s is finished and unchanged: its %d epochs are kept", run.keeper.name, progress.epoch)
    elif progress.step:
        log.info("run %s continues at epoch %d, step %d", run.keeper.name, progress.epoch + 1, progress.step_in_epoch)


def _train_epoch(run: Run, progress: Progress, reports: Reports) -> None:
    settings = run.settings
    order = draw_epoch(run.windows.kinds, settings.sampling, settings.seed, progress.epoch)
    steps = -(-order.size // settings.batch_size)
    run.model.train()
    run.windows.open()  # once a run, and no part of its windows per second
    title, later = f"epoch {progress.epoch + 1} of {settings.epochs}", steps * (settings.epochs - progress.epoch - 1)
    with ProgressMeter(title, steps, "steps", progress.step_in_epoch, later=later) as meter:
        began_s = time.monotonic()  # before a batch is fetched: waiting for windows is part of a step
        for batch in run.windows.batches(order, settings.batch_size, progress.step_in_epoch, run.team.share):
            rate = _rate(settings, progress, steps)
            taken = _step(run, batch, rate, progress)
            windows = min(settings.batch_size, order.size - settings.batch_size * progress.step_in_epoch)
            _count(progress, windows, taken, time.monotonic() - began_s)
            if progress.step % settings.log_every_steps == 0 and progress.lately.windows:
                _log_step(progress, rate, reports)
            if progress.step_in_epoch < steps and run.keeper.is_due(progress.step_in_epoch):
                run.keeper.save(run.trained, progress)
            meter.advance(note=f"loss {progress.means()['train_loss']:.4f}")
            stop_if_asked()
            began_s = time.monotonic()


@contextmanager
def _saved_where_it_stops(run: Run, progress: Progress) -> Iterator[None]:
    """Save the state where training or validation stops because it was asked to: at most a recording's traces are lost."""
    try:
        yield
    except Stopped:
        run.keeper.save(run.trained, progress)
        raise


@contextmanager
def _ways_out_of_memory(settings: TrainingSettings) -> Iterator[None]:
    """Say what can be done where the device's memory does not suffice."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise RuntimeError(
            f"the device's memory does not hold the model's steps with batches of {settings.batch_size} windows beside the "
            f"signals; set training.feeding.kind: ring, which keeps signals off the device, "
            f"training.activation_checkpointing: true, a larger training.accumulate_steps, or a smaller training.batch_size"
        ) from error


def _rate(settings: TrainingSettings, progress: Progress, steps: int, ago: int = 0) -> float:
    """Learning rate at a place in the run, `ago` steps before the next; by place, for another run's steps may lie before it."""
    place = progress.epoch * steps + progress.step_in_epoch - ago
    return scheduled_rate(place, settings.epochs * steps, map(_score, progress.history), settings.optimizer)


def _last_rate(run: Run, progress: Progress) -> float:
    """The learning rate of the last step of an epoch."""
    return _rate(run.settings, progress, progress.step_in_epoch, ago=1)


def _step(run: Run, batch: Batch, rate: float, progress: Progress) -> tuple[float, float] | None:
    """Loss and gradient norm of the update; None where it was left out because they are not finite."""
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    run.team.reseed(run.settings.seed, progress.step)
    step = Step.begin(progress.step, rate, batch)
    try:
        taken = gradient(run.network, run.model, batch, run.settings, run.team)
    except NotFinite as error:
        leave_out(step, run.model, run.keeper, run.team, progress.nonfinite_skips, error)
        return None
    run.optimizer.step()
    if run.average is not None:
        run.average.add(run.model)
    return taken


def _count(progress: Progress, windows: int, taken: tuple[float, float] | None, took_s: float) -> None:
    progress.step += 1
    progress.step_in_epoch += 1
    progress.nonfinite_skips += taken is None
    for sums in (progress, progress.lately):
        sums.add(*(taken or (0.0, 0.0)), 0 if taken is None else windows, took_s)


def _log_step(progress: Progress, rate: float, reports: Reports) -> None:
    numbers = {**progress.lately.means(), "learning_rate": rate}
    progress.lately = Sums()
    progress.steps.append({"step": progress.step, **numbers})
    reports.step(numbers, progress.step)


def _close_epoch(run: Run, progress: Progress, validation: Mapping[str, float | None], reports: Reports) -> None:
    last_rate = _last_rate(run, progress)
    progress.epoch += 1
    trained = {**progress.means(), "learning_rate": last_rate, "nonfinite_skips": float(progress.nonfinite_skips)}
    record = {"epoch": progress.epoch, **trained, **judged(validation, progress.step)}
    progress.history.append(record)
    score = _score(record)
    if score > progress.best_score:
        progress.best_score, progress.best_epoch = score, progress.epoch
    progress.finished = _is_over(progress, run.settings)
    progress.begin_epoch()
    run.keeper.save(run.trained, progress)
    run.keeper.keep_weights(run.shown, progress, score)
    reports.epoch(record, progress.epoch)
    shown = ("train_loss", AUROC, EARLY_STOPPING, "windows_per_s")
    facts = ", ".join(f"{name} {_number(record[name]):.4g}" for name in shown)
    log.info("epoch %d: %s; best is epoch %d", progress.epoch, facts, progress.best_epoch)
    run.team.meet()  # whoever raises first ends all: the leading process has saved by now
    heed_collapse(progress.history[progress.taken_over :], run.settings.collapse_patience)


def _is_over(progress: Progress, settings: TrainingSettings) -> bool:
    waited = progress.epoch - max(progress.best_epoch, progress.taken_over)
    return progress.epoch >= settings.epochs or waited >= settings.patience_epochs


def _score(record: Mapping[str, float | None]) -> tuple[float, float]:
    """What epochs are compared by: the sensitivity at the budget, then the AUROC."""
    return _number(record[EARLY_STOPPING]), _number(record[AUROC])


def _number(value: float | None) -> float:
    return -1.0 if value is None else float(value)
