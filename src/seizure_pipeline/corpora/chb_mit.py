"""CHB-MIT layout: chbNN/*.edf with chbNN-summary.txt beside them; splits by patient.

Case chb21 is the girl of case chb01 one and a half years later (Shoeb 2009; PhysioNet, CHB-MIT 1.0.0), so both cases are
one patient, chb01, and stay in one split.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from seizure_pipeline.corpora.folder import FileFacts
from seizure_pipeline.corpora.records import CorpusError, CorpusSettings, Entry
from seizure_pipeline.corpora.splits import listed_split, warn_of_absent

SAME_PERSON = {"chb21": "chb01"}
CASE = re.compile(r"chb\d{2}", re.ASCII)


def entries(files: list[FileFacts], settings: CorpusSettings) -> list[Entry]:
    """Entries of all EDF files; CorpusError for one that does not lie in a case's folder, or whose patient is in no list.

    A recording that its case's summary does not list has no annotation and is refused when it is examined."""
    by_path = {file.path: file for file in files}
    found = [_entry(file, by_path, settings) for file in files if file.path.lower().endswith(".edf")]
    warn_of_absent(found, settings)
    return found


def _entry(file: FileFacts, by_path: dict[str, FileFacts], settings: CorpusSettings) -> Entry:
    path = PurePosixPath(file.path)
    case = path.parent.name
    if not CASE.fullmatch(case):
        rule = "a recording lies in its case's folder chbNN; corpus.exclude leaves out what is not meant"
        raise CorpusError(f"{file.path}: lies in folder {case!r}; {rule}")
    patient_id = SAME_PERSON.get(case, case)
    return Entry(
        recording_id=path.stem,
        patient_id=patient_id,
        split=listed_split(patient_id, file.path, settings),
        edf=file,
        annotation=by_path.get(str(path.with_name(f"{case}-summary.txt"))),
        form="chb_mit",
        names=(path.name,),
    )
