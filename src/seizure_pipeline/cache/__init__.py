"""The cache: one NPZ of standardised 19-electrode signal per recording, and an index that says what each holds."""

from seizure_pipeline.cache.build import PreparationSettings, build_cache
from seizure_pipeline.cache.index import CacheError, IndexRow, cache_fingerprint, rows_from_table, table_from_rows
from seizure_pipeline.cache.prepare import Prepared, prepare
from seizure_pipeline.cache.store import CachedSignal, open_signal, write_signal

__all__ = [
    "CacheError",
    "CachedSignal",
    "IndexRow",
    "PreparationSettings",
    "Prepared",
    "build_cache",
    "cache_fingerprint",
    "open_signal",
    "prepare",
    "rows_from_table",
    "table_from_rows",
    "write_signal",
]
