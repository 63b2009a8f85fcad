"""Learning rate over a run: linear warm-up, then a cosine to zero."""

from __future__ import annotations

import math


def learning_rate(step: int, total_steps: int, peak: float, warmup_fraction: float) -> float:
    """Learning rate of optimizer step `step` (from 0) of `total_steps`."""
    warmup_steps = round(warmup_fraction * total_steps)
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    done = (step - warmup_steps) / max(total_steps - warmup_steps, 1)
    return peak * 0.5 * (1 + math.cos(math.pi * done))
