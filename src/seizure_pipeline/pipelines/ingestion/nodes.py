"""Nodes of ingestion."""

from __future__ import annotations

import pandas as pd

from seizure_pipeline.corpora import CorpusSettings, Folder, examine_entries, find_entries, table_from_rows
from seizure_pipeline.montage import MontageSettings


def list_recordings(corpus: Folder, settings: CorpusSettings, montage: MontageSettings) -> pd.DataFrame:
    """Corpus -> table of recordings, each accepted or refused with its reason."""
    return table_from_rows(examine_entries(corpus, find_entries(corpus, settings), montage))
