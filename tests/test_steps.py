"""Numbers within an epoch: what they are, and that each step is logged once, wherever a training breaks off and goes on."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from mlflow import MlflowClient
from test_training import Cache, cache, recipe_with, train
from torch import Tensor

from seizure_pipeline import tracking
from seizure_pipeline.mlflow_runs.run import MlflowRun
from seizure_pipeline.training import update
from seizure_pipeline.training.loop import Reports
from seizure_pipeline.training.schedule import learning_rate
from seizure_pipeline.training.settings import LossSettings

__all__ = ["cache"]
RECIPE = recipe_with(epochs=2, batch_size=3, checkpoint_steps=4, log_every_steps=3)
RUN = {"run_id": "2026-01-01T00.00.00.000Z", "pipeline_names": ["training"]}
Steps = list[tuple[int, dict[str, float]]]


class Killed(Exception):
    """What breaks a training off without a word."""


@pytest.fixture(autouse=True)
def _nobody_listens() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    tracking.forget()
    yield
    tracking.forget()
    signal.signal(signal.SIGTERM, before)


def steps_of(cache: Cache, models: Path, killed_at: int | None = None) -> Steps:
    """What a training reports of steps, in order; it is broken off after it reported step `killed_at`."""
    heard: Steps = []

    def hear(metrics: Mapping[str, float], step: int) -> None:
        heard.append((step, dict(metrics)))
        if step == killed_at:
            raise Killed

    try:
        train(cache, models, RECIPE, Reports(lambda metrics, epoch: None, hear))
    except Killed:
        assert killed_at is not None
    return heard


def timeless(steps: Steps) -> Steps:
    return [(step, {name: value for name, value in metrics.items() if name != "windows_per_s"}) for step, metrics in steps]


@pytest.fixture(scope="module")
def undisturbed(cache: Cache, tmp_path_factory: pytest.TempPathFactory) -> Steps:
    return steps_of(cache, tmp_path_factory.mktemp("undisturbed"))


def test_a_step_has_the_mean_over_the_windows_since_the_last_one_across_epochs_too(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token_loss, taken = update.token_loss, []

    def written_down(logits_BL: Tensor, ictal_BL: Tensor, valid_BL: Tensor, settings: LossSettings) -> Tensor:
        loss = token_loss(logits_BL, ictal_BL, valid_BL, settings)
        taken.append((loss.item(), len(logits_BL)))
        return loss

    monkeypatch.setattr(update, "token_loss", written_down)
    steps = steps_of(cache, tmp_path)
    assert [step for step, _ in steps] == list(range(3, len(taken) + 1, 3))
    assert len({windows for _, windows in taken}) == 2, "no batch is smaller than the others"
    for step, metrics in steps:
        losses, windows = zip(*taken[step - 3 : step], strict=True)
        assert metrics["train_loss"] == pytest.approx(np.average(losses, weights=windows), rel=1e-6)
        settings = RECIPE.training.optimizer
        rate = learning_rate(step - 1, len(taken), settings.learning_rate, settings.warmup_fraction)
        assert metrics["learning_rate"] == pytest.approx(rate)
        assert metrics["gradient_norm"] > 0
        assert metrics["windows_per_s"] > 0


@pytest.mark.parametrize("at", [3, 6, 9])
def test_a_training_that_was_killed_repeats_the_numbers_of_its_steps(
    at: int, undisturbed: Steps, cache: Cache, tmp_path: Path
) -> None:
    before = steps_of(cache, tmp_path, killed_at=at)
    after = steps_of(cache, tmp_path)
    assert timeless(before) == timeless(undisturbed)[: len(before)]
    assert timeless(after) == timeless(undisturbed)
    saved = [step for step, _ in before if step <= at - 1 - (at - 1) % 4]  # by the last state before it was killed
    assert after[: len(saved)] == before[: len(saved)], "what a state holds is what was reported, to the last bit"


def test_every_step_is_in_mlflow_once_beside_the_epochs_though_the_training_was_killed(
    undisturbed: Steps, cache: Cache, tmp_path: Path
) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    settings = {"tracking_uri": uri, "experiment": "steps", "registered_model": "m"}
    continued = None
    for at in (6, 9, None):
        run = MlflowRun(settings, RUN, {}, continued)
        tracking.listen(run.log_epoch, None, run.log_steps)
        broken_off = at

        def add(metrics: Mapping[str, float], step: int) -> None:
            reports.add(metrics, step)
            if step == broken_off:  # noqa: B023
                raise Killed

        try:
            with tracking.StepReports() as reports:
                train(cache, tmp_path / "models", RECIPE, Reports(tracking.report, add))
        except Killed:
            assert at is not None
        tracking.forget()
        run.close("FINISHED")
        continued = run.id
    history = {name: MlflowClient(uri).get_metric_history(run.id, name) for name in ("step/train_loss", "epoch/train_loss")}
    assert [(each.step, each.value) for each in sorted(history["step/train_loss"], key=lambda each: each.step)] == [
        (step, metrics["train_loss"]) for step, metrics in undisturbed
    ]
    assert sorted(each.step for each in history["epoch/train_loss"]) == [1, 2]


def test_no_step_waits_for_a_slow_record_and_each_is_told_once_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "PAUSE_S", 0.0)
    told: list[int] = []
    began, go_on = threading.Event(), threading.Event()

    def slow(points: Sequence[tracking.Point]) -> None:
        began.set()
        assert go_on.wait(10)
        told.extend(step for _, step in points)

    tracking.listen(lambda metrics, epoch: None, steps=slow)
    with tracking.StepReports() as reports:
        reports.add({"train_loss": 1.0}, 1)
        assert began.wait(10)
        for step in range(2, 100):
            reports.add({"train_loss": 1.0}, step)
        assert told == []
        go_on.set()
    assert told == list(range(1, 100))


@pytest.mark.parametrize("is_back", [True, False])
def test_steps_that_the_record_does_not_take_are_told_again_and_never_forgotten_in_silence(
    is_back: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tracking, "PAUSE_S", 0.0)
    told: list[int] = []
    refused = threading.Event()

    def refuse(points: Sequence[tracking.Point]) -> None:
        if refused.is_set() and is_back:
            told.extend(step for _, step in points)
            return
        refused.set()
        raise tracking.NotRecorded("the store is down")

    tracking.listen(lambda metrics, epoch: None, steps=refuse)

    def report() -> None:
        with tracking.StepReports() as reports:
            reports.add({}, 1)
            assert refused.wait(10)
            reports.add({}, 2)

    if is_back:
        report()
    else:
        with pytest.raises(tracking.NotRecorded, match="the store is down"):
            report()
    assert told == ([1, 2] if is_back else [])
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_a_thousand_numbers_and_more_are_logged_at_once(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    run = MlflowRun({"tracking_uri": uri, "experiment": "steps", "registered_model": "m"}, RUN, {})
    points = [({"a": float(step), "b": 0.5}, step) for step in range(1, 801)]
    run.log_steps(points)
    run.log_steps(points[-1:])
    run.close("FINISHED")
    history = MlflowClient(uri).get_metric_history(run.id, "step/a")
    assert sorted((each.step, each.value) for each in history) == [(step, float(step)) for step in range(1, 801)]


def test_the_state_of_a_long_run_holds_its_steps_exactly(tmp_path: Path) -> None:
    from seizure_pipeline.training.state import STEP_COLUMNS, Progress, Sums, Trained, load_state, save_state

    chance = np.random.default_rng(1)
    rows = [dict(zip(STEP_COLUMNS, (step, *chance.random(4).tolist()), strict=True)) for step in range(1, 20_001)]
    progress = Progress(epoch=3, step=20_000, loss_sum=0.1, windows=7, lately=Sums(0.3, 5, 0.7, 1.5), steps=rows)
    model = torch.nn.Linear(2, 2)
    trained = Trained(model, torch.optim.AdamW(model.parameters()))
    save_state(tmp_path / "state.safetensors", trained, progress, "run")
    assert load_state(tmp_path / "state.safetensors", trained, "run") == progress
