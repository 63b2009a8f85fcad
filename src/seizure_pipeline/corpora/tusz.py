"""TUSZ v2 layout: edf/{train,dev,eval}/patient/session/montage/patient_session_token.edf, annotations beside it."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import PurePosixPath

from seizure_pipeline.corpora.folder import FileFacts
from seizure_pipeline.corpora.records import SPLITS, CorpusError, CorpusSettings, Entry

log = logging.getLogger(__name__)
MONTAGES = ("01_tcp_ar", "02_tcp_le", "03_tcp_ar_a", "04_tcp_le_a")  # average or linked ears; _a lacks A1 and A2


def entries(files: list[FileFacts], settings: CorpusSettings) -> list[Entry]:
    """Entries of all EDF files; the patient is the stem up to `_`. CorpusError for one outside train, dev and eval.

    A file in a folder that is none of TUSZ's montages, or in another patient's folder, is refused by name."""
    by_path = {file.path: file for file in files}
    found = [file for file in files if file.path.lower().endswith(".edf")]
    montages = Counter(PurePosixPath(file.path).parent.name for file in found)
    log.info("montage folders: %s", ", ".join(f"{name} {count}" for name, count in sorted(montages.items())))
    return [_entry(file, by_path, settings) for file in found]


def _entry(file: FileFacts, by_path: dict[str, FileFacts], settings: CorpusSettings) -> Entry:
    path = PurePosixPath(file.path)
    patient_id = path.stem.split("_")[0]
    return Entry(
        recording_id=path.stem,
        patient_id=patient_id,
        split=_split(path),
        edf=file,
        annotation=by_path.get(str(path.with_suffix(f".{settings.annotations}"))),
        form=settings.annotations,
        problem=_problem(path, patient_id),
    )


def _split(path: PurePosixPath) -> str:
    found = next((part for part in path.parts[:-1] if part in SPLITS), None)
    if found is None:
        raise CorpusError(f"{path}: below none of the folders {SPLITS}; corpus.exclude leaves out what is not meant")
    return found


def _problem(path: PurePosixPath, patient_id: str) -> str:
    patient, _session, montage = ("", "", "", *path.parts)[-4:-1]
    if montage not in MONTAGES:
        return f"{path}: lies in folder {montage!r}; a recording lies in its montage's, {', '.join(MONTAGES)}"
    if patient != patient_id:
        return f"{path}: lies in the folder of patient {patient!r}; its name says {patient_id!r}, they must agree"
    return ""
