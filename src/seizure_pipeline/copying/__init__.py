"""Copies of a corpus or a cache between two places: parallel, resumable, checked, and deleting nothing."""

from seizure_pipeline.copying.populate import CopiedFile, populate, table_of_copies
from seizure_pipeline.copying.settings import PopulateSettings

__all__ = ["CopiedFile", "PopulateSettings", "populate", "table_of_copies"]
