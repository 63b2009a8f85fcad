"""From the cache's index to a source of windows."""

from __future__ import annotations

from pathlib import Path

from seizure_pipeline.cache import IndexRow, locate_row
from seizure_pipeline.progress import follow
from seizure_pipeline.training.batches import LabelledWindows, WindowSource
from seizure_pipeline.training.settings import TrainingSettings
from seizure_pipeline.training.stored import StoredSignal
from seizure_pipeline.training.table import lay_labels, lay_table, rotate_labels
from seizure_pipeline.windows import WindowSettings


def open_windows(cache: Path, rows: list[IndexRow], settings: WindowSettings, training: TrainingSettings) -> WindowSource:
    """Every window of the recordings `rows` with its labels, or with meaningless ones where `shuffled_labels` asks so.

    Raises CacheError for a file that does not hold what the index says."""
    windows = label_windows(rows, settings, training.seed if training.shuffled_labels else None)
    stored = [locate(cache, row) for row in follow(rows, "opening signals", len(rows), "recordings")]
    return WindowSource(windows, stored, settings, training.feeding, training.device)


def label_windows(rows: list[IndexRow], settings: WindowSettings, shuffle_seed: int | None = None) -> LabelledWindows:
    """Where every window of the recordings lies, and the labels; a control with `shuffle_seed` must train to chance."""
    layouts = [row.layout for row in rows]
    ictal = lay_labels(layouts, [row.seizures for row in rows])
    if shuffle_seed is not None:
        ictal = rotate_labels(ictal, layouts, shuffle_seed)
    return LabelledWindows(lay_table(layouts, settings), ictal, tuple(row.recording_id for row in rows))


def locate(cache: Path, row: IndexRow) -> StoredSignal:
    """Where the samples of a cached recording lie; raises CacheError if they are not those that the index knows."""
    member, step_sd = locate_row(cache, row)
    channels, samples = member.shape
    return StoredSignal(cache / row.file, member.offset, channels, samples, step_sd)
