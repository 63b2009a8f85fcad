"""Which recordings a corpus holds: one small interface over the layouts, and the split of every patient."""

from __future__ import annotations

import fnmatch
import logging
from collections import defaultdict

from seizure_pipeline.corpora import bids, chb_mit, siena, tusz
from seizure_pipeline.corpora.folder import Folder
from seizure_pipeline.corpora.records import CorpusError, CorpusSettings, Entry
from seizure_pipeline.corpora.splits import in_order

log = logging.getLogger(__name__)
LAYOUTS = {
    "synthetic": tusz.entries,
    "tusz": tusz.entries,
    "chb_mit": chb_mit.entries,
    "siena": siena.entries,
    "bids": bids.entries,
}


def find_entries(folder: Folder, settings: CorpusSettings) -> list[Entry]:
    """Every recording of the corpus, sorted by split and id; without a split where `assign_splits` draws it afterwards.

    Raises CorpusError for an empty corpus, a patient in two splits, a patient in no split, or two files of one id.
    """
    try:
        everything = folder.files()
    except FileNotFoundError as error:
        raise CorpusError(f"{error}; set where the corpus is by --params corpus_root=...") from error
    files = [file for file in everything if not _excluded(file.path, settings.exclude)]
    if len(files) < len(everything):
        log.info("%d files are left out by corpus.exclude", len(everything) - len(files))
    entries = LAYOUTS[settings.layout](files, settings)
    if not entries:
        raise CorpusError(f"{folder.url}: no EDF file in layout {settings.layout!r}; a corpus needs at least one recording")
    _check_patients(entries)
    return _with_unique_ids(in_order(entries))


def _excluded(path: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatch(path, pattern) for pattern in patterns)


def _check_patients(entries: list[Entry]) -> None:
    splits: dict[str, set[str]] = defaultdict(set)
    for entry in entries:
        splits[entry.patient_id].add(entry.split)
    for patient_id, found in sorted(splits.items()):
        if len(found) > 1:
            examples = [e.edf.path for e in entries if e.patient_id == patient_id]
            raise CorpusError(
                f"patient {patient_id} is in splits {sorted(found)} ({examples[0]} and {examples[-1]}); "
                "a patient belongs to one split"
            )


def _with_unique_ids(entries: list[Entry]) -> list[Entry]:
    seen: dict[str, str] = {}
    for entry in entries:
        other = seen.setdefault(entry.recording_id, entry.edf.path)
        if other != entry.edf.path:
            raise CorpusError(f"{entry.edf.path} and {other} both have id {entry.recording_id!r}; ids must be unique")
    return entries
