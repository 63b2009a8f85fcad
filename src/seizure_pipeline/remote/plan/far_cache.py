"""Whether what a far node reads lies over there: the cache as the index knows it, and any other folder at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from kedro.pipeline import Pipeline

from seizure_pipeline.cache import IndexRow, PreparationSettings, rows_from_table
from seizure_pipeline.cache.chains import chain_fingerprint
from seizure_pipeline.montage import MontageSettings
from seizure_pipeline.remote.backend import Backend
from seizure_pipeline.remote.files.staging import LARGEST_BYTES
from seizure_pipeline.remote.files.travel import Catalog, Dataset, Leaving
from seizure_pipeline.remote.plan.fitness import settings_of
from seizure_pipeline.remote.plan.sight import filled_by, fillers_of

CACHE, INDEX = "window_cache", "window_index"
FILL_CACHE = "run windowing with this environment, or populate_cache where the cache exists elsewhere"


def missing_over_there(pipeline: Pipeline, catalog: Catalog, leaving: Sequence[Leaving], backend: Backend) -> list[str]:
    """Folders that far nodes read, that no node of this run fills, and that are missing, incomplete or others over there.

    Raises LostContact or RemoteError as the backend does."""
    problems: list[str] = []
    seen: set[str] = set()
    for left in leaving:
        for dataset in left.of_kind("folder"):
            if dataset.name in seen or not dataset.there or not _is_only_read(left, dataset, pipeline, catalog):
                continue
            seen.add(dataset.name)
            files = backend.listing(dataset.there)
            problems += [f"{left.name}: {problem}" for problem in _folder_problems(dataset, files, pipeline, catalog)]
    return problems


def _is_only_read(left: Leaving, dataset: Dataset, pipeline: Pipeline, catalog: Catalog) -> bool:
    return left.name not in filled_by(dataset.name, catalog) and not fillers_of(dataset.name, pipeline, catalog)


def _folder_problems(dataset: Dataset, files: Mapping[str, int], pipeline: Pipeline, catalog: Catalog) -> list[str]:
    if dataset.name != CACHE or INDEX not in pipeline.inputs():
        nobody = f"{dataset.name}: nothing is over there in {dataset.there}"
        return [] if files else [f"{nobody}; run {', '.join(sorted(filled_by(dataset.name, catalog)))} with this environment"]
    index = Path(str(getattr(catalog.get(INDEX), "_filepath", "")))
    if not index.is_file() or index.stat().st_size > LARGEST_BYTES:
        return []  # told among the files to be carried
    preparation = settings_of(catalog, "windowing", PreparationSettings)
    chain = chain_fingerprint(preparation.signals, settings_of(catalog, "montage", MontageSettings))
    rows = rows_from_table(catalog.load(INDEX))
    return [f"{problem}; {FILL_CACHE}" for problem in cache_problems(rows, files, chain, dataset.there)]


def cache_problems(rows: Sequence[IndexRow], files: Mapping[str, int], chain: str, there: str) -> list[str]:
    """What about the cache `there`, its files with their bytes, is not as the index and the settings (`chain`) want it."""
    cached = [row for row in rows if row.accepted]
    if others := sorted({row.chain for row in cached} - {chain}):
        return [f"{INDEX} knows a cache of other settings ({', '.join(others)}), those of now have fingerprint {chain}"]
    missing = [row.file for row in cached if row.file not in files]
    if len(missing) == len(cached):
        folders = sorted({file.partition("/")[0] for file in files})
        return [f"{CACHE}: none of {len(cached)} recordings is in {there}/{chain}; there: {', '.join(folders) or 'nothing'}"]
    torn = [row for row in cached if row.file in files and files[row.file] != row.size_bytes]
    problems = []
    if missing:
        problems.append(f"{CACHE}: {len(missing)} of {len(cached)} recordings are not in {there}, the first {missing[0]}")
    if torn:
        first = torn[0]
        problems.append(
            f"{CACHE}: {len(torn)} of {len(cached)} recordings in {there} have another size, the first {first.file} "
            f"{files[first.file]} bytes, {INDEX} says {first.size_bytes}"
        )
    return problems
