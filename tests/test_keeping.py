"""What a run leaves: the averaged weights where there is an average, every few epochs' checkpoint, states by the clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from test_announcements import Heard, at_step, curves, heard, stop_when
from test_training import MODEL, Cache, cache, recipe_with, train

from seizure_pipeline import announcements
from seizure_pipeline.announcements import Stopped
from seizure_pipeline.model.checkpoint import load_checkpoint
from seizure_pipeline.model.detector import Detector
from seizure_pipeline.training import keeping
from seizure_pipeline.training.run import Recipe
from seizure_pipeline.training.validation import Validation

__all__ = ["cache", "heard"]


@pytest.fixture(autouse=True)
def _nobody_listens() -> Iterator[None]:
    yield
    announcements.forget()


def averaged(**changes: object) -> Recipe:
    """Settings with an average of the weights, and with dropout on."""
    model = MODEL.model_copy(update={"tcn_dropout": 0.3, "graph_dropout": 0.3})
    return Recipe(**{**vars(recipe_with(ema_decay=0.8, **changes)), "model": model})


def test_the_average_is_what_is_validated_and_kept_and_the_state_has_both(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[dict[str, torch.Tensor]] = []
    validate = Validation.__call__

    def seen(validation: Validation, model: Detector) -> object:
        shown.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return validate(validation, model)

    monkeypatch.setattr(Validation, "__call__", seen)
    trained = train(cache, tmp_path, averaged())
    state = load_file(tmp_path / trained.run / "state.safetensors")
    kept = load_checkpoint(tmp_path / trained.run / "last")[0].state_dict()
    for name, tensor in kept.items():
        assert torch.equal(tensor, state[f"average.{name}"])
        assert torch.equal(tensor, shown[-1][name])
    assert any(not torch.equal(tensor, state[f"model.{name}"]) for name, tensor in kept.items())


def test_a_stopped_run_with_an_average_dropout_and_parts_goes_on_bit_for_bit(cache: Cache, tmp_path: Path) -> None:
    recipe = averaged(accumulate_steps=2, activation_checkpointing=True)
    whole = train(cache, tmp_path / "whole", recipe)
    for epoch, step in ((1, 1), (1, 3), (2, 2)):
        stop_when(at_step(epoch, step))
        with pytest.raises(Stopped):
            train(cache, tmp_path / "stopped", recipe)
        announcements.forget()
    continued = train(cache, tmp_path / "stopped", recipe)
    ours, theirs = (load_file(run.folder.parent / "state.safetensors") for run in (whole, continued))
    assert {name for name in ours if not torch.equal(ours[name], theirs[name])} <= {"steps"}  # which hold windows_per_s
    assert curves(continued) == curves(whole)


def test_every_second_epoch_is_kept_and_only_the_newest_of_them(cache: Cache, tmp_path: Path) -> None:
    recipe = recipe_with(epochs=7, patience_epochs=7, checkpoint_epochs=2, checkpoints_kept=2)
    trained = train(cache, tmp_path, recipe)
    folder = tmp_path / trained.run
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == ["best", "epoch_00004", "epoch_00006", "last"]
    assert [load_checkpoint(folder / name)[1]["epoch"] for name in ("epoch_00004", "epoch_00006", "last")] == [4, 6, 7]


def test_a_state_is_saved_when_its_minutes_are_over_however_few_steps_that_are(
    heard: Heard, cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead_s = [0.0]
    monkeypatch.setattr(keeping, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + ahead_s[0]))
    announcements.listen(lambda _, facts: ahead_s.append(ahead_s.pop() + 20.0) if facts.get("unit") == "steps" else None)
    train(cache, tmp_path, recipe_with(epochs=1, batch_size=1, checkpoint_steps=1000, checkpoint_minutes=0.9))
    steps = max(facts["done"] for _, facts in heard if facts.get("unit") == "steps")
    saved = [facts["step"] for kind, facts in heard if kind == "checkpoint" and facts["path"].endswith("state.safetensors")]
    assert steps > 7
    assert saved == [*range(4, steps, 3), steps]  # a step takes its 20 s when it is announced, after its state could be due
