"""Nodes of ingestion."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from seizure_pipeline.corpora import (
    CorpusSettings,
    Folder,
    assign_splits,
    examine_entries,
    find_entries,
    sample_recordings,
    table_from_rows,
)
from seizure_pipeline.montage import MontageSettings


def list_recordings(corpus: Folder, settings: CorpusSettings, montage: MontageSettings, examined: Path) -> pd.DataFrame:
    """Corpus -> table of recordings, each accepted or refused with its reason; what was examined before is kept.

    With `max_recordings` it holds a sample of them."""
    rows = examine_entries(corpus, find_entries(corpus, settings), montage, examined)
    return table_from_rows(sample_recordings(assign_splits(rows, settings), settings))
