"""Nodes of windowing; what draws is imported when a node draws, so that a run that draws nothing starts quickly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from seizure_pipeline import cache, corpora
from seizure_pipeline.cache import PreparationSettings
from seizure_pipeline.corpora import Folder, RecordingRow
from seizure_pipeline.montage import MontageSettings

MONTAGES_SHOWN = 4


def cache_recordings(
    corpus: Folder,
    recordings: pd.DataFrame,
    settings: PreparationSettings,
    montage: MontageSettings,
    window_cache: Path,
) -> pd.DataFrame:
    """Accepted recordings -> one NPZ each in the cache, and the index of what each holds."""
    rows = corpora.rows_from_table(recordings)
    return cache.table_from_rows(cache.build_cache(corpus, rows, settings, montage, window_cache))


def draw_montages(
    corpus: Folder, recordings: pd.DataFrame, window_index: pd.DataFrame, window_cache: Path, montage: MontageSettings
) -> dict[str, Any]:
    """A figure of what was recorded and what was cached for one recording of each montage, the commonest first."""
    from seizure_pipeline.pages import montage_page

    cached = {row.recording_id: window_cache / row.file for row in cache.rows_from_table(window_index) if row.accepted}
    rows = [row for row in corpora.rows_from_table(recordings) if row.recording_id in cached]
    by_channels: dict[tuple[str, ...], list[RecordingRow]] = {}
    for row in rows:
        by_channels.setdefault(row.channels, []).append(row)
    commonest = sorted(by_channels.values(), key=lambda group: (-len(group), group[0].recording_id))
    figures = {}
    for group in commonest[:MONTAGES_SHOWN]:
        with corpus.local(group[0].path) as edf:
            title = f"{group[0].recording_id}, as {len(group)} of {len(rows)} recordings"
            figures[f"{group[0].recording_id}.png"] = montage_page(edf, cached[group[0].recording_id], montage, title)
    return figures
