"""BIDS and SzCORE trees: name_eeg.edf (or name.edf) with name_events.tsv beside; splits by explicit patient lists."""

from __future__ import annotations

import logging
import re
from pathlib import PurePosixPath

from seizure_pipeline.corpora.folder import FileFacts
from seizure_pipeline.corpora.records import CorpusError, CorpusSettings, Entry

log = logging.getLogger(__name__)


def entries(files: list[FileFacts], settings: CorpusSettings) -> list[Entry]:
    """Entries of all EDF files; raises CorpusError for a path without patient or a patient in no split's list."""
    by_path = {file.path: file for file in files}
    found = [_entry(file, settings, by_path) for file in files if file.path.lower().endswith(".edf")]
    listed = {patient for patients in settings.splits.values() for patient in patients}
    if absent := sorted(listed - {entry.patient_id for entry in found}):
        log.warning("corpus.splits lists patients without recordings: %s", ", ".join(absent))
    return found


def _entry(file: FileFacts, settings: CorpusSettings, by_path: dict[str, FileFacts]) -> Entry:
    path = PurePosixPath(file.path)
    stem = path.stem.removesuffix("_eeg")
    patient_id = _patient(file.path, settings.patient_pattern)
    return Entry(
        recording_id=stem,
        patient_id=patient_id,
        split=_split(patient_id, file.path, settings),
        edf=file,
        annotation=by_path.get(str(path.with_name(f"{stem}_events.tsv"))),
    )


def _patient(path: str, pattern: str) -> str:
    match = re.search(pattern, path)
    if match is None:
        raise CorpusError(f"{path}: no patient found by corpus.patient_pattern {pattern!r} (its first group)")
    return match.group(1)


def _split(patient_id: str, path: str, settings: CorpusSettings) -> str:
    found = [split for split, patients in settings.splits.items() if patient_id in patients]
    if len(found) != 1:
        raise CorpusError(f"{path}: patient {patient_id} is listed in splits {found}; corpus.splits must list it in one")
    return found[0]
