"""Nodes of verify_cache."""

from __future__ import annotations

import logging
from pathlib import Path

import pandas as pd

from seizure_pipeline import cache, corpora
from seizure_pipeline.cache import CacheError, PreparationSettings, Problem, VerifySettings
from seizure_pipeline.cache.verify import LEFTOVER, SOURCE_CHANGED
from seizure_pipeline.corpora import Folder
from seizure_pipeline.montage import MontageSettings
from seizure_pipeline.tables import table_from_records

log = logging.getLogger(__name__)
PROBLEMS_TOLD = 20
REPAIR = "ingestion and windowing, run again, look into these files and make what is damaged anew"
REPAIR_SOURCE = (
    "a source with another check sum and its old date: put the right file back, or touch it if it was meant to change, "
    "and run them then"
)


def list_problems(
    corpus: Folder,
    listed_recordings: pd.DataFrame,
    window_index: pd.DataFrame,
    preparation: PreparationSettings,
    montage: MontageSettings,
    window_cache: Path,
    settings: VerifySettings,
) -> pd.DataFrame:
    """Every cached file, the index, the corpus as it is listed now -> a table of what is wrong."""
    problems = cache.verify_cache(
        corpus,
        corpora.rows_from_table(listed_recordings),
        cache.rows_from_table(window_index),
        preparation,
        montage,
        window_cache,
        settings,
    )
    return table_from_records(problems, Problem)


def refuse_problems(cache_problems: pd.DataFrame) -> None:
    """End the run where anything is wrong; raises CacheError that counts the problems by kind and says what to do.

    Leftovers are told, and are no reason to fail."""
    is_leftover = cache_problems["problem"] == LEFTOVER
    if is_leftover.any():
        log.warning(
            "cache: %d files of recordings that are no longer in the index; `kedro cache prune --leftovers` removes them",
            is_leftover.sum(),
        )
    cache_problems = cache_problems[~is_leftover]
    if cache_problems.empty:
        log.info("cache: every file, the index and the corpus agree")
        return
    for problem in cache_problems.head(PROBLEMS_TOLD).fillna("").itertuples():
        log.error("%s: %s is %s, expected %s", problem.file, problem.problem, problem.found, problem.expected)
    counts = cache_problems["problem"].value_counts().sort_index()
    summary = ", ".join(f"{count} x {problem}" for problem, count in counts.items())
    todo = f"{REPAIR}; {REPAIR_SOURCE}" if SOURCE_CHANGED in counts else REPAIR
    raise CacheError(
        f"{len(cache_problems)} problems in the cache ({summary}); the catalog's cache_problems lists them all; {todo}"
    )
