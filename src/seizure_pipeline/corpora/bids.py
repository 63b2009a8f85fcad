"""BIDS and SzCORE trees: name_eeg.edf or .bdf (or name.edf) with name_events.tsv beside; splits by patient."""

from __future__ import annotations

import logging
import re
from pathlib import PurePosixPath

from seizure_pipeline.corpora.folder import FileFacts
from seizure_pipeline.corpora.records import CorpusError, CorpusSettings, Entry
from seizure_pipeline.corpora.splits import listed_split, warn_of_absent

log = logging.getLogger(__name__)
SUFFIXES = (".edf", ".bdf")
OTHER_MODALITIES = ("_ecg", "_emg", "_mov", "_motion", "_eog", "_ieeg", "_physio")  # EDF files that hold no scalp EEG


def entries(files: list[FileFacts], settings: CorpusSettings) -> list[Entry]:
    """Entries of all EDF and BDF files; raises CorpusError for a path without patient or a patient in no split's list."""
    by_path = {file.path: file for file in files}
    recordings = [file for file in files if file.path.lower().endswith(SUFFIXES)]
    eeg = [file for file in recordings if not PurePosixPath(file.path).stem.endswith(OTHER_MODALITIES)]
    if len(eeg) < len(recordings):
        log.info("%d files of other modalities (%s) are left out", len(recordings) - len(eeg), ", ".join(OTHER_MODALITIES))
    found = [_entry(file, settings, by_path) for file in eeg]
    warn_of_absent(found, settings)
    return found


def _entry(file: FileFacts, settings: CorpusSettings, by_path: dict[str, FileFacts]) -> Entry:
    path = PurePosixPath(file.path)
    stem = path.stem.removesuffix("_eeg")
    patient_id = _patient(file.path, settings.patient_pattern)
    return Entry(
        recording_id=stem,
        patient_id=patient_id,
        split=listed_split(patient_id, file.path, settings),
        edf=file,
        annotation=by_path.get(str(path.with_name(f"{stem}_events.tsv"))),
        form="events_tsv",
    )


def _patient(path: str, pattern: str) -> str:
    match = re.search(pattern, path)
    if match is None:
        raise CorpusError(f"{path}: no patient found by corpus.patient_pattern {pattern!r} (its first group)")
    return match.group(1)
