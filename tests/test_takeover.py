"""A run that goes on from another's state: its learning rate goes by its own place, its patience from the takeover."""

from __future__ import annotations

import pytest

from seizure_pipeline.training import loop
from seizure_pipeline.training.schedule import learning_rate
from seizure_pipeline.training.settings import TrainingSettings
from seizure_pipeline.training.state import Progress

SETTINGS = TrainingSettings(epochs=6, patience_epochs=2)


@pytest.mark.parametrize("steps_before", [20, 40, 999])
def test_the_rate_is_that_of_the_place_whatever_steps_the_other_run_took(steps_before: int) -> None:
    progress = Progress(epoch=2, step_in_epoch=3, step=steps_before + 3)
    peak, warmup = SETTINGS.optimizer.learning_rate, SETTINGS.optimizer.warmup_fraction
    assert loop._rate(SETTINGS, progress, 10) == learning_rate(23, 60, peak, warmup)
    assert loop._rate(SETTINGS, progress, 10, ago=1) == learning_rate(22, 60, peak, warmup)


def test_patience_is_counted_from_the_takeover() -> None:
    stopped_early = Progress(epoch=4, best_epoch=2)
    assert loop._is_over(stopped_early, SETTINGS)
    taken = Progress(epoch=4, best_epoch=2, taken_over=4)
    assert not loop._is_over(taken, SETTINGS)
    assert loop._is_over(Progress(epoch=6, best_epoch=6, taken_over=4), SETTINGS)
