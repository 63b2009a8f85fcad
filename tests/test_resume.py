"""A run goes on from another one's state with what may differ, and what else differs is refused by name."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch
from made_models import SMALL
from safetensors.torch import load_file
from test_announcements import at_step, curves, stop_when
from test_training import RECIPE, Cache, cache, recipe_with, train

from seizure_pipeline import announcements
from seizure_pipeline.announcements import Stopped
from seizure_pipeline.model.checkpoint import load_checkpoint
from seizure_pipeline.training.run import Recipe, TrainedDetector
from seizure_pipeline.training.settings import OptimizerSettings, SamplingSettings

__all__ = ["cache"]
PLATEAU = OptimizerSettings(learning_rate=1e-3, schedule="plateau", warmup_fraction=0.0)  # as long a run as it likes


def shorter(**changes: object) -> Recipe:
    return recipe_with(epochs=1, patience_epochs=9, optimizer=PLATEAU, **changes)


def longer(run: str, *may_differ: str, **changes: object) -> Recipe:
    settings = {"epochs": 3, "patience_epochs": 9, "optimizer": PLATEAU, "resume_from": run, "may_differ": may_differ}
    return recipe_with(**{**settings, **changes})


def last(trained: TrainedDetector) -> dict[str, torch.Tensor]:
    return load_file(trained.folder.parent / "last" / "weights.safetensors")


@pytest.fixture(scope="module")
def one_epoch(cache: Cache, tmp_path_factory: pytest.TempPathFactory) -> TrainedDetector:
    """A run of one epoch that others go on from."""
    return train(cache, tmp_path_factory.mktemp("models"), shorter())


def test_a_run_that_is_let_go_on_becomes_the_longer_run_bit_for_bit(
    cache: Cache, one_epoch: TrainedDetector, tmp_path: Path
) -> None:
    whole = train(cache, tmp_path, recipe_with(epochs=3, patience_epochs=9, optimizer=PLATEAU))
    continued = train(cache, one_epoch.folder.parents[1], longer(one_epoch.run, "training.epochs"))
    assert continued.run not in (whole.run, one_epoch.run)
    assert curves(continued) == curves(whole)
    assert all(torch.equal(mine, last(whole)[name]) for name, mine in last(continued).items())
    assert continued.weights_sha256 == whole.weights_sha256


def test_what_may_not_differ_is_refused_with_both_values_before_anything_is_written(
    cache: Cache, one_epoch: TrainedDetector
) -> None:
    models = one_epoch.folder.parents[1]
    before = sorted(models.iterdir())
    recipe = longer(one_epoch.run, "training.sampling", seed=7)
    with pytest.raises(ValueError, match=r"training\.epochs is 3, was 1; training\.seed is 7, was 42; training\.may_differ"):
        train(cache, models, recipe)
    assert sorted(models.iterdir()) == before


def test_speed_memory_and_what_is_kept_may_always_differ(cache: Cache, one_epoch: TrainedDetector, tmp_path: Path) -> None:
    free = {"checkpoint_steps": 3, "checkpoint_epochs": 1, "activation_checkpointing": True, "threads": 1}
    continued = train(cache, one_epoch.folder.parents[1], longer(one_epoch.run, "training.epochs", epochs=2, **free))
    whole = train(cache, tmp_path, recipe_with(epochs=2, patience_epochs=9, optimizer=PLATEAU))
    assert all(torch.equal(mine, last(whole)[name]) for name, mine in last(continued).items())


def test_the_best_epoch_comes_along_when_none_after_it_is_better(cache: Cache, one_epoch: TrainedDetector) -> None:
    still = OptimizerSettings(**{**PLATEAU.model_dump(), "learning_rate": 1e-12})
    permitted = ("training.epochs", "training.optimizer.learning_rate")
    continued = train(cache, one_epoch.folder.parents[1], longer(one_epoch.run, *permitted, epochs=2, optimizer=still))
    assert continued.best_epoch == 1
    model, facts = load_checkpoint(continued.folder)
    theirs, _ = load_checkpoint(one_epoch.folder)
    assert facts["run"] == continued.run
    assert facts["epoch"] == 1
    assert all(torch.equal(mine, theirs.state_dict()[name]) for name, mine in model.state_dict().items())


def test_an_epoch_under_way_goes_on_or_begins_again_where_its_windows_would_be_others(
    cache: Cache, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    base = recipe_with(epochs=2)
    stop_when(at_step(2, 2))
    with pytest.raises(Stopped):
        train(cache, tmp_path, base)
    announcements.forget()
    (run,) = (path.name for path in tmp_path.iterdir())
    taken: list[int] = []
    announcements.listen(lambda _, facts: taken.append(facts["done"]) if facts.get("unit") == "steps" else None)
    train(cache, tmp_path, recipe_with(epochs=2, resume_from=run))
    assert taken[0] == 3
    taken.clear()
    other = SamplingSettings(max_partial=3)
    with caplog.at_level(logging.INFO):
        train(cache, tmp_path, recipe_with(epochs=2, resume_from=run, may_differ=("training.sampling",), sampling=other))
    announcements.forget()
    assert taken[0] == 1
    assert f"run {run} had 2 steps of epoch 2, which begins again" in caplog.text


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"resume_from": "0" * 16}, r"0{16}/recipe\.json: not there; training\.resume_from names a run"),
        ({"may_differ": ("training.epoch",)}, r"'training\.epoch' names no setting of a run, such as training\.epochs"),
        ({"resume_from": None, "may_differ": ("training.epochs",)}, r"the run in training\.resume_from, which is not given"),
    ],
)
def test_a_run_or_a_setting_that_is_not_there_is_named(
    changes: dict[str, object], told: str, cache: Cache, one_epoch: TrainedDetector
) -> None:
    with pytest.raises(ValueError, match=told):
        train(cache, one_epoch.folder.parents[1], longer(one_epoch.run, **changes))


def test_a_recipe_that_was_changed_is_not_trusted(cache: Cache, tmp_path: Path) -> None:
    first = train(cache, tmp_path, shorter())
    path = tmp_path / first.run / "recipe.json"
    recipe = json.loads(path.read_text())
    recipe["training"]["seed"] = 43
    path.write_text(json.dumps(recipe))
    with pytest.raises(ValueError, match=rf"its fingerprint is \w+, the rule is {first.run}: changed since"):
        train(cache, tmp_path, longer(first.run, "training.epochs"))


def test_a_network_of_another_shape_cannot_go_on(cache: Cache, one_epoch: TrainedDetector) -> None:
    wider = SMALL.model_copy(update={"pair_every": 60, "positions_every": 60, "head_features": 9})
    recipe = longer(one_epoch.run, "training.epochs", "model.head_features")
    with pytest.raises(ValueError, match=r"weights of another network \(.* size mismatch for head\.project\.weight"):
        train(cache, one_epoch.folder.parents[1], Recipe(**{**vars(RECIPE), "model": wider, "training": recipe.training}))
