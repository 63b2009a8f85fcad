"""The seizures of an entry: its annotation file read in its form and held against the recording."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from seizure_pipeline.annotations import (
    Annotation,
    AnnotationError,
    Seizures,
    decoded,
    parse_chb_mit_summary,
    parse_csv_bi,
    parse_events_tsv,
    parse_siena_list,
    parse_tusz_csv,
)
from seizure_pipeline.corpora.folder import FileFacts, Folder
from seizure_pipeline.corpora.records import AnnotationForm, Entry
from seizure_pipeline.recordings import Recording

LENGTHS_AGREE_S = 1.0
STARTS_AGREE_S = 1
DAY_S = 86_400
ABOUT_MANY: tuple[AnnotationForm, ...] = ("chb_mit", "siena")  # one file about all recordings of a patient
ENCODINGS: dict[AnnotationForm, str] = {"chb_mit": "latin-1", "siena": "latin-1"}  # nothing but ASCII is understood there
PARSERS: dict[AnnotationForm, Callable[[str, str, tuple[str, ...]], Annotation]] = {
    "csv_bi": lambda text, where, _: parse_csv_bi(text, where),
    "csv": lambda text, where, _: parse_tusz_csv(text, where),
    "events_tsv": lambda text, where, _: parse_events_tsv(text, where),
    "chb_mit": lambda text, where, names: parse_chb_mit_summary(text, where, names[0]),
    "siena": lambda text, where, names: parse_siena_list(text, where, *names),
}


class AnnotationFiles:
    """The annotation files of a corpus; one that is about many recordings is fetched once. For use by many threads."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._texts: dict[str, str] = {}
        self._fetching = Lock()

    def seizures(self, entry: Entry, recording: Recording) -> Seizures:
        """Seizures of an entry in the file's clock, held against the recording's length and start.

        Raises AnnotationError where the file is missing, its length or its start disagrees, or a seizure breaks a rule
        or lies in a gap.
        """
        if entry.annotation is None:
            raise AnnotationError(f"{entry.edf.path}: no annotation file beside it; unannotated is not seizure-free")
        where = entry.annotation.path
        said = PARSERS[entry.form](self._text(entry.annotation, entry.form), where, entry.names)
        _check_length(said, recording, where)
        _check_start(said, recording, where)
        checked = said.seizures.checked(recording.span_s, where)
        _check_gaps(checked, recording, where)
        return checked

    def _text(self, file: FileFacts, form: AnnotationForm) -> str:
        if form not in ABOUT_MANY:
            return decoded(self._folder.read_bytes(file), file.path)
        with self._fetching:
            if file.path not in self._texts:
                self._texts[file.path] = decoded(self._folder.read_bytes(file), file.path, ENCODINGS[form])
        return self._texts[file.path]


def _check_length(said: Annotation, recording: Recording, where: str) -> None:
    if said.duration_s is not None and abs(said.duration_s - recording.span_s) > LENGTHS_AGREE_S:
        raise AnnotationError(
            f"{where}: says the recording lasts {said.duration_s} s, the EDF {recording.span_s} s; "
            f"they must agree to {LENGTHS_AGREE_S:g} s"
        )


def _check_start(said: Annotation, recording: Recording, where: str) -> None:
    """Hold a list's clock against the EDF's: seizures that it counts from another start would lie elsewhere."""
    if said.start_s is None or recording.start is None:
        return
    start_s = 3600 * recording.start.hour + 60 * recording.start.minute + recording.start.second
    if STARTS_AGREE_S < (said.start_s - start_s) % DAY_S < DAY_S - STARTS_AGREE_S:
        raise AnnotationError(
            f"{where}: says the recording starts at {_clock(said.start_s)}, the EDF at {_clock(start_s)}; "
            f"they must agree to {STARTS_AGREE_S} s"
        )


def _check_gaps(seizures: Seizures, recording: Recording, where: str) -> None:
    for seizure in seizures:
        if not any(s.start_s < seizure.offset_s and seizure.onset_s < s.start_s + s.duration_s for s in recording.stretches):
            raise AnnotationError(
                f"{where}: seizure {seizure.onset_s}-{seizure.offset_s} s lies in a gap of the "
                "recording; a seizure must be recorded at least in part"
            )


def _clock(time_s: int) -> str:
    return f"{time_s // 3600:02d}.{time_s // 60 % 60:02d}.{time_s % 60:02d}"
