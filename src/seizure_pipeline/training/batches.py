"""Which windows an epoch holds, in which order, and batches of them from the mapped cache."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seizure_pipeline.cache import CachedSignal, CacheError, IndexRow, open_signal
from seizure_pipeline.training.settings import SamplingSettings
from seizure_pipeline.windows import Kind, Window, WindowSettings, kind_of, lay_windows, token_labels

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Batch:
    """Windows with their labels: `window_BCT` in robust standard deviations, `ictal_BL` and `valid_BL` 0 or 1."""

    window_BCT: Tensor
    ictal_BL: Tensor
    valid_BL: Tensor
    recording_ids: tuple[str, ...]


class WindowSet:
    """Every window of some recordings, by kind, cut from the cache when asked for."""

    def __init__(self, cache: Path, rows: list[IndexRow], settings: WindowSettings) -> None:
        self.settings = settings
        self._rows = rows
        self._signals: list[CachedSignal] = [open_signal(cache / row.file) for row in rows]
        self._labels = [token_labels(row.layout, row.seizures) for row in rows]
        self.windows: list[tuple[int, Window]] = [
            (number, window) for number, row in enumerate(rows) for window in lay_windows(row.layout, settings)
        ]
        self.kinds = np.array([kind_of(self._window_labels(*place), settings) for place in self.windows])

    def shuffle_labels(self, seed: int) -> None:
        """Give every recording the labels of another, rotated in time: a control that must train to chance."""
        generator = np.random.default_rng(seed)
        pool = np.concatenate(self._labels)
        pool = np.roll(pool, int(generator.integers(pool.size)))
        ends = np.cumsum([labels.size for labels in self._labels])[:-1]
        order = generator.permutation(len(self._labels))
        pieces = np.split(pool, ends)
        rotated = np.concatenate([pieces[number] for number in order])
        self._labels = list(np.split(rotated, ends))
        self.kinds = np.array([kind_of(self._window_labels(*place), self.settings) for place in self.windows])

    def ictal_share(self, chosen: NDArray[np.int64]) -> float:
        """Share of ictal tokens among the valid tokens of the chosen windows."""
        labels = [self._window_labels(*self.windows[number]) for number in chosen]
        return float(np.concatenate(labels).mean())

    def batch(self, chosen: NDArray[np.int64]) -> Batch:
        """The chosen windows as tensors."""
        places = [self.windows[number] for number in chosen]
        length = self.settings.window_tokens
        ictal, valid = np.zeros((len(places), length), np.float32), np.zeros((len(places), length), np.float32)
        for row, place in enumerate(places):
            labels = self._window_labels(*place)
            ictal[row, : labels.size], valid[row, : labels.size] = labels, 1
        samples = np.stack([self._signals[number].window(window, self.settings) for number, window in places])
        return Batch(
            window_BCT=torch.from_numpy(samples),
            ictal_BL=torch.from_numpy(ictal),
            valid_BL=torch.from_numpy(valid),
            recording_ids=tuple(self._rows[number].recording_id for number, _ in places),
        )

    def _window_labels(self, number: int, window: Window) -> NDArray[np.bool_]:
        first = self._rows[number].layout.token_starts[window.stretch] + window.first_token
        return self._labels[number][first : first + window.valid_tokens]


def draw_epoch(kinds: NDArray[np.int64], settings: SamplingSettings, seed: int, epoch: int) -> NDArray[np.int64]:
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


def batches(windows: WindowSet, order: NDArray[np.int64], batch_size: int, first_step: int) -> Iterator[tuple[int, Batch]]:
    """(step within the epoch, batch) from `first_step` on; the last batch may be smaller."""
    for step in range(first_step, -(-order.size // batch_size)):
        yield step, windows.batch(order[step * batch_size : (step + 1) * batch_size])
