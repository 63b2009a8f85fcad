"""On one GPU, too, a training that is stopped and goes on ends as one that nobody disturbed, bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from test_announcements import at_step, curves, stop_when
from test_training import Cache, Recipe, cache, recipe_with, train
from torch._inductor.utils import fresh_cache

from seizure_pipeline import announcements
from seizure_pipeline.announcements import Stopped
from seizure_pipeline.model.settings import ModelSettings
from seizure_pipeline.training.run import TrainedDetector

__all__ = ["cache"]
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


def full_size(**changes: object) -> Recipe:
    recipe = recipe_with(device="cuda", precision="bfloat16", ema_decay=0.9, accumulate_steps=2, **changes)
    return Recipe(**{**vars(recipe), "model": ModelSettings()})


@pytest.mark.parametrize("compiled", [False, True], ids=["as it is", "compiled"])
def test_a_stopped_training_goes_on_bit_for_bit(compiled: bool, cache: Cache, tmp_path: Path) -> None:
    recipe = full_size(compile=compiled)
    whole = train(cache, tmp_path / "whole", recipe)
    stop_when(at_step(2, 2))
    with pytest.raises(Stopped):
        train(cache, tmp_path / "stopped", recipe)
    announcements.forget()
    continued = train(cache, tmp_path / "stopped", recipe)
    check_equal(continued, whole)


def test_a_training_compiled_anew_ends_bit_for_bit_the_same(cache: Cache, tmp_path: Path) -> None:
    runs = []
    for folder in ("here", "on another machine"):
        torch.compiler.reset()
        with fresh_cache():
            runs.append(train(cache, tmp_path / folder, full_size(compile=True)))
    check_equal(*runs)


def check_equal(one: TrainedDetector, other: TrainedDetector) -> None:
    """The same curves and weights, to the bit."""
    assert curves(one) == curves(other)
    for file in ("last", "best"):
        ours, theirs = (load_file(run.folder.parent / file / "weights.safetensors") for run in (one, other))
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
