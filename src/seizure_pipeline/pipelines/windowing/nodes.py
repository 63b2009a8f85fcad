"""Nodes of windowing."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from seizure_pipeline import cache, corpora
from seizure_pipeline.cache import PreparationSettings
from seizure_pipeline.corpora import Folder
from seizure_pipeline.montage import MontageSettings


def cache_recordings(
    corpus: Folder, recordings: pd.DataFrame, settings: PreparationSettings, montage: MontageSettings, window_cache: Path
) -> pd.DataFrame:
    """Accepted recordings -> one NPZ each in the cache, and the index of what each holds."""
    rows = corpora.rows_from_table(recordings)
    return cache.table_from_rows(cache.build_cache(corpus, rows, settings, montage, window_cache))
