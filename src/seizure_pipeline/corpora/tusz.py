"""TUSZ v2 layout: edf/{train,dev,eval}/patient/session/montage/patient_session_token.edf with .csv_bi beside."""

from __future__ import annotations

from pathlib import PurePosixPath

from seizure_pipeline.corpora.folder import FileFacts
from seizure_pipeline.corpora.records import SPLITS, CorpusSettings, Entry


def entries(files: list[FileFacts], settings: CorpusSettings) -> list[Entry]:
    """Entries of all EDF files that stand below a folder named train, dev or eval; the patient is the stem up to `_`."""
    by_path = {file.path: file for file in files}
    return [
        _entry(file, split, by_path)
        for file in files
        if file.path.lower().endswith(".edf") and (split := _split(file.path)) is not None
    ]


def _split(path: str) -> str | None:
    return next((part for part in PurePosixPath(path).parts[:-1] if part in SPLITS), None)


def _entry(file: FileFacts, split: str, by_path: dict[str, FileFacts]) -> Entry:
    path = PurePosixPath(file.path)
    return Entry(
        recording_id=path.stem,
        patient_id=path.stem.split("_")[0],
        split=split,
        edf=file,
        annotation=by_path.get(str(path.with_suffix(".csv_bi"))),
    )
