"""A step that is not finite changes no weight, is kept whole, and can be done again from what was kept alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from test_training import MODEL, RECIPE, TRAINING, Cache, cache, recipe_with, train
from torch import Tensor

from seizure_pipeline.cli import cli
from seizure_pipeline.model.detector import Detector
from seizure_pipeline.training import update
from seizure_pipeline.training.diverged import TrainingDiverged
from seizure_pipeline.training.nonfinite import NotFinite, Step, gradient, keep_step, reproduce
from seizure_pipeline.training.opening import open_windows
from seizure_pipeline.training.run import TrainedDetector
from seizure_pipeline.training.settings import OptimizerSettings
from seizure_pipeline.training.team import ALONE
from seizure_pipeline.windows import TOKEN_RATE_HZ, Kind, lay_windows

__all__ = ["cache"]
EXPLODING = recipe_with(checkpoint_steps=100, optimizer=OptimizerSettings(learning_rate=1e30))


def kept_steps(models: Path) -> list[Path]:
    return sorted(models.rglob("nonfinite/step_*"))


def breaking_at(calls: set[int]) -> Callable[..., Tensor]:
    """The loss of training, which is NaN at the calls of these numbers, from 0 on."""
    token_loss, seen = update.token_loss, iter(range(1 << 30))

    def loss(*arguments: object) -> Tensor:
        value = token_loss(*arguments)  # type: ignore[arg-type]
        return value * float("nan") if next(seen) in calls else value

    return loss


def test_a_kept_step_gives_the_same_numbers_bit_for_bit_with_dropout(cache: Cache, tmp_path: Path) -> None:
    rows = [row for row in cache[1] if row.split == "train"]
    torch.manual_seed(1)
    model = Detector(MODEL.model_copy(update={"tcn_dropout": 0.4, "graph_dropout": 0.4})).train()
    with open_windows(cache[0], rows, RECIPE.windows, TRAINING) as windows:
        batch = next(windows.batches(np.arange(2), 2))
        step = Step.begin(7, 1e-3, batch)
        numbers = gradient(model, model, batch, TRAINING)
        others = gradient(model, model, batch, TRAINING)
        folder = keep_step(tmp_path, model, step, TRAINING, ALONE, NotFinite("loss is nan"))
    torch.manual_seed(99)
    assert numbers != others
    assert reproduce(folder) == numbers
    facts = json.loads((folder / "step.json").read_text())
    assert [window["recording_id"] for window in facts["windows"]] == list(batch.recording_ids)
    laid = lay_windows(rows[0].layout, RECIPE.windows)
    assert [window["start_s"] for window in facts["windows"]] == [window.first_token / TOKEN_RATE_HZ for window in laid[:2]]


@pytest.mark.parametrize("is_compiled", [True, False])
def test_finite_numbers_of_a_step_that_ran_compiled_are_said_to_prove_nothing(
    is_compiled: bool, cache: Cache, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [row for row in cache[1] if row.split == "train"]
    settings = TRAINING.model_copy(update={"compile": is_compiled})
    with open_windows(cache[0], rows, RECIPE.windows, TRAINING) as windows:
        step = Step.begin(0, 1e-3, next(windows.batches(np.arange(2), 2)))
        folder = keep_step(tmp_path, Detector(MODEL), step, settings, ALONE, NotFinite("loss is nan"))
    reproduce(folder)
    assert any("does not prove" in line for line in caplog.messages) == is_compiled


@pytest.mark.parametrize(("value", "found"), [("3e38", "inf"), ("-3e38", "inf"), ("inf", "nan"), ("nan", "nan")])
def test_what_is_found_again_is_the_same_value(value: str, found: str, cache: Cache, tmp_path: Path) -> None:
    rows = [row for row in cache[1] if row.split == "train"]
    model = Detector(MODEL)
    with torch.no_grad():
        model.head.logit.bias.fill_(float(value))
    with open_windows(cache[0], rows, RECIPE.windows, TRAINING) as windows:
        batch = next(windows.batches(np.flatnonzero(windows.kinds != Kind.BACKGROUND)[:2], 2))
        step = Step.begin(0, 1e-3, batch)
        with pytest.raises(NotFinite, match=f"^loss is {found}, recordings ") as first:
            gradient(model, model, batch, TRAINING)
        folder = keep_step(tmp_path, model, step, TRAINING, ALONE, first.value)
    with pytest.raises(TrainingDiverged) as again:
        reproduce(folder)
    assert str(again.value) == f"{first.value} again at step 0"


def test_the_command_of_the_message_comes_to_the_same_number(cache: Cache, tmp_path: Path) -> None:
    with pytest.raises(TrainingDiverged, match=r"^[^`]* at step \d+, [^`]*`kedro reproduce-step ") as raised:
        train(cache, tmp_path, EXPLODING)
    (folder,) = kept_steps(tmp_path)
    assert f"`kedro reproduce-step {folder}` does it again" in str(raised.value)
    found = str(raised.value).partition(" at step")[0]
    with pytest.raises(TrainingDiverged) as again:
        reproduce(folder)
    assert str(again.value).startswith(found)
    typed = CliRunner().invoke(cli, ["reproduce-step", str(folder)])
    assert (typed.exit_code, typed.output.startswith(f"Error: TrainingDiverged: {found}")) == (1, True)


def test_numbers_that_break_the_graph_are_kept_too(cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from seizure_pipeline.model import electrode_graph

    pair_similarity = electrode_graph.pair_similarity
    with monkeypatch.context() as broken:
        broken.setattr(electrode_graph, "pair_similarity", lambda features: pair_similarity(features) * float("nan"))
        with pytest.raises(TrainingDiverged, match=r"linalg\.eigh"):
            train(cache, tmp_path)
        with pytest.raises(TrainingDiverged, match=r"linalg\.eigh: .* again at step 0"):
            reproduce(kept_steps(tmp_path)[0])
    typed = CliRunner().invoke(cli, ["reproduce-step", str(kept_steps(tmp_path)[0])])
    assert (typed.exit_code, typed.output.endswith("both are finite here\n")) == (0, True)


def skipping(cache: Cache, models: Path, calls: set[int], most: int, monkeypatch: pytest.MonkeyPatch) -> TrainedDetector:
    with monkeypatch.context() as broken:
        broken.setattr(update, "token_loss", breaking_at(calls))
        return train(cache, models, recipe_with(on_nonfinite="skip", nonfinite_skips_max=most, log_every_steps=1))


def test_skipped_updates_are_counted_reported_and_kept(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    trained = skipping(cache, tmp_path, {0, 2}, 2, monkeypatch)
    assert [path.name for path in kept_steps(tmp_path)] == ["step_0", "step_2"]
    assert [epoch["nonfinite_skips"] for epoch in trained.history] == [2.0, 2.0]
    assert all(abs(epoch["train_loss"] or 0) < 10 for epoch in trained.history)
    told = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert [line.partition("number ")[2][:14] for line in told] == ["1 of at most 2", "2 of at most 2"]


def test_one_skip_more_than_allowed_stops(cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TrainingDiverged, match=r"at step 2, .* 2 updates were left out, .* allows no more"):
        skipping(cache, tmp_path, {0, 1, 2}, 2, monkeypatch)
    assert len(kept_steps(tmp_path)) == 3


def test_a_skipped_update_leaves_weights_as_they_were(cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Tensor] = []

    def watched(network: Detector, *arguments: object) -> Tensor:
        seen.append(torch.cat([weight.detach().flatten() for weight in network.parameters()]))
        return accumulate(network, *arguments)  # type: ignore[arg-type]

    accumulate = update.accumulate_gradients
    monkeypatch.setattr("seizure_pipeline.training.nonfinite.accumulate_gradients", watched)
    skipping(cache, tmp_path, {1}, 1, monkeypatch)
    assert torch.equal(seen[1], seen[2])
    assert not torch.equal(seen[0], seen[1])


def test_what_was_not_kept_whole_is_refused(tmp_path: Path) -> None:
    (tmp_path / "step.json").write_text("{}")
    with pytest.raises(ValueError, match=r"not a step that was kept whole, .*step\.safetensors"):
        reproduce(tmp_path)
