"""The cache: one NPZ of standardised 19-electrode signal per recording, and an index that says what each holds."""

from seizure_pipeline.cache.build import PreparationSettings, build_cache
from seizure_pipeline.cache.facts import Origin, SignalFacts, Source
from seizure_pipeline.cache.index import CacheError, IndexRow, cache_fingerprint, rows_from_table, table_from_rows
from seizure_pipeline.cache.prepare import Prepared, prepare
from seizure_pipeline.cache.store import CachedSignal, locate_row, open_row, open_signal, write_signal
from seizure_pipeline.cache.verify import Problem, VerifySettings, verify_cache

__all__ = [
    "CacheError",
    "CachedSignal",
    "IndexRow",
    "Origin",
    "PreparationSettings",
    "Prepared",
    "Problem",
    "SignalFacts",
    "Source",
    "VerifySettings",
    "build_cache",
    "cache_fingerprint",
    "locate_row",
    "open_row",
    "open_signal",
    "prepare",
    "rows_from_table",
    "table_from_rows",
    "verify_cache",
    "write_signal",
]
