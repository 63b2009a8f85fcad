"""TUSZ v2 layout: edf/{train,dev,eval}/patient/session/montage/patient_session_token.edf with .csv_bi beside."""

from __future__ import annotations

from pathlib import PurePosixPath

from seizure_pipeline.corpora.folder import FileFacts
from seizure_pipeline.corpora.records import SPLITS, CorpusError, CorpusSettings, Entry


def entries(files: list[FileFacts], settings: CorpusSettings) -> list[Entry]:
    """Entries of all EDF files; the patient is the stem up to `_`. CorpusError for one outside train, dev and eval."""
    by_path = {file.path: file for file in files}
    return [_entry(file, _split(file.path), by_path) for file in files if file.path.lower().endswith(".edf")]


def _split(path: str) -> str:
    found = next((part for part in PurePosixPath(path).parts[:-1] if part in SPLITS), None)
    if found is None:
        raise CorpusError(f"{path}: below none of the folders {SPLITS}; corpus.exclude leaves out what is not meant")
    return found


def _entry(file: FileFacts, split: str, by_path: dict[str, FileFacts]) -> Entry:
    path = PurePosixPath(file.path)
    return Entry(
        recording_id=path.stem,
        patient_id=path.stem.split("_")[0],
        split=split,
        edf=file,
        annotation=by_path.get(str(path.with_suffix(".csv_bi"))),
    )
