"""Learning rate over a run: linear warm-up, then a cosine to zero, or steps down where validation no longer improves."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from seizure_pipeline.training.settings import OptimizerSettings


def learning_rate(step: int, total_steps: int, peak: float, warmup_fraction: float) -> float:
    """Learning rate of optimizer step `step` (from 0) of `total_steps`."""
    warmup_steps = round(warmup_fraction * total_steps)
    if step < warmup_steps:
        return _warming(step, warmup_steps, peak)
    done = (step - warmup_steps) / max(total_steps - warmup_steps, 1)
    return peak * 0.5 * (1 + math.cos(math.pi * done))


def scheduled_rate(step: int, total_steps: int, scores: Iterable[Any], settings: OptimizerSettings) -> float:
    """Learning rate of step `step` (from 0) of `total_steps` by the schedule, after epochs validated with `scores`."""
    if settings.schedule == "cosine":
        return learning_rate(step, total_steps, settings.learning_rate, settings.warmup_fraction)
    warmup_steps = round(settings.warmup_fraction * total_steps)
    if step < warmup_steps:
        return _warming(step, warmup_steps, settings.learning_rate)
    return settings.learning_rate * settings.plateau_factor ** reductions(scores, settings.plateau_epochs)


def reductions(scores: Iterable[Any], patience: int) -> int:
    """How often more than `patience` scores came in a row without a new highest, counted anew after each time."""
    best, waited, count = None, 0, 0
    for score in scores:
        is_better = best is None or score > best
        best, waited = (score, 0) if is_better else (best, waited + 1)
        if waited > patience:
            count, waited = count + 1, 0
    return count


def _warming(step: int, warmup_steps: int, peak: float) -> float:
    return peak * (step + 1) / warmup_steps
