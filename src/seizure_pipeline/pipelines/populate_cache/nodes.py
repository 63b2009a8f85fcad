"""Nodes of populate_cache."""

from __future__ import annotations

import pandas as pd

from seizure_pipeline import copying
from seizure_pipeline.copying import PopulateSettings
from seizure_pipeline.corpora import Folder


def copy_files(source: Folder, target: Folder, settings: PopulateSettings) -> pd.DataFrame:
    """Files of one place -> the same files in another, and the table of what was copied and what was kept."""
    return copying.table_of_copies(copying.populate(source, target, settings))
