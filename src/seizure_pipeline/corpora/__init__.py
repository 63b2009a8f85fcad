"""Corpora: a folder or a bucket of recordings -> entries with patient, split, EDF and annotation file."""

from seizure_pipeline.corpora.entries import find_entries
from seizure_pipeline.corpora.folder import Folder
from seizure_pipeline.corpora.records import SPLITS, CorpusError, CorpusSettings, Entry
from seizure_pipeline.corpora.sample import sample_recordings
from seizure_pipeline.corpora.splits import assign_splits
from seizure_pipeline.corpora.table import RecordingRow, examine_entries, rows_from_table, table_from_rows

__all__ = [
    "SPLITS",
    "CorpusError",
    "CorpusSettings",
    "Entry",
    "Folder",
    "RecordingRow",
    "assign_splits",
    "examine_entries",
    "find_entries",
    "rows_from_table",
    "sample_recordings",
    "table_from_rows",
]
