"""Siena layout: PNxx/*.edf with Seizures-list-PNxx.txt beside them; splits by patient."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import PurePosixPath

from seizure_pipeline.corpora.folder import FileFacts
from seizure_pipeline.corpora.records import CorpusError, CorpusSettings, Entry
from seizure_pipeline.corpora.splits import listed_split, warn_of_absent

PATIENT = re.compile(r"PN\d{2}", re.ASCII)


def entries(files: list[FileFacts], settings: CorpusSettings) -> list[Entry]:
    """Entries of all EDF files; CorpusError for one that does not lie in a patient's folder, or in no split's list."""
    by_path = {file.path: file for file in files}
    paths = [file for file in files if file.path.lower().endswith(".edf")]
    in_folder = Counter(PurePosixPath(file.path).parent for file in paths)
    found = [_entry(file, by_path, settings, in_folder[PurePosixPath(file.path).parent] == 1) for file in paths]
    warn_of_absent(found, settings)
    return found


def _entry(file: FileFacts, by_path: dict[str, FileFacts], settings: CorpusSettings, is_only_one: bool) -> Entry:
    path = PurePosixPath(file.path)
    patient_id = path.parent.name
    if not PATIENT.fullmatch(patient_id):
        rule = "a recording lies in its patient's folder PNxx; corpus.exclude leaves out what is not meant"
        raise CorpusError(f"{file.path}: lies in folder {patient_id!r}; {rule}")
    # the lists of PN01 and PN11 leave the number out of their only recording's name
    unnumbered = (f"{patient_id}-.edf", f"{patient_id}.edf") if is_only_one else ()
    return Entry(
        recording_id=path.stem,
        patient_id=patient_id,
        split=listed_split(patient_id, file.path, settings),
        edf=file,
        annotation=by_path.get(str(path.with_name(f"Seizures-list-{patient_id}.txt"))),
        form="siena",
        names=(path.name, *unnumbered),
    )
