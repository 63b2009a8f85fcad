"""Which windows an epoch holds and in which order: a pure function of the kinds, the settings, the seed and the epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seizure_pipeline.cache import CacheError
from seizure_pipeline.training.settings import SamplingSettings
from seizure_pipeline.windows import Kind


def draw_epoch(kinds: NDArray[np.integer[Any]], settings: SamplingSettings, seed: int, epoch: int) -> NDArray[np.int64]:
    """Numbers of the windows of an epoch, shuffled; a new draw for every epoch, the same for the same seed.

    Raises CacheError where no window is partly ictal."""
    generator = np.random.default_rng([seed, epoch])
    partial, full, background = (np.flatnonzero(kinds == kind) for kind in (Kind.PARTIAL, Kind.FULL, Kind.BACKGROUND))
    if not partial.size:
        raise CacheError(f"none of {kinds.size} training windows is partly ictal; balanced sampling needs at least one")
    count = min(partial.size, settings.max_partial or partial.size)
    chosen = [
        _draw(generator, partial, count),
        _draw(generator, full, round(settings.full_per_partial * count)),
        _draw(generator, background, round(settings.background_per_partial * count)),
    ]
    return generator.permutation(np.concatenate(chosen))


def _draw(generator: np.random.Generator, members: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    return generator.choice(members, size=min(count, members.size), replace=False)
