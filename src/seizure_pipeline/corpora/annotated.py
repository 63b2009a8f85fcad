"""The seizures of an entry: its annotation file read in its form and held against the recording."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from seizure_pipeline.annotations import (
    Annotation,
    AnnotationError,
    Seizures,
    parse_chb_mit_summary,
    parse_csv_bi,
    parse_events_tsv,
    parse_siena_list,
    parse_tusz_csv,
)
from seizure_pipeline.corpora.folder import FileFacts, Folder
from seizure_pipeline.corpora.records import AnnotationForm, Entry
from seizure_pipeline.corpora.refusals import reading
from seizure_pipeline.recordings import Recording

LENGTHS_AGREE_S = 1.0
ROWS_REACH_S = 1.0
STARTS_AGREE_S = 1
DAY_S = 86_400
ABOUT_MANY: tuple[AnnotationForm, ...] = ("chb_mit", "siena")  # one file about all recordings of a patient
PARSERS: dict[AnnotationForm, Callable[[bytes, str, tuple[str, ...]], Annotation]] = {
    "csv_bi": lambda raw, where, _: parse_csv_bi(raw, where),
    "csv": lambda raw, where, _: parse_tusz_csv(raw, where),
    "events_tsv": lambda raw, where, _: parse_events_tsv(raw, where),
    "chb_mit": lambda raw, where, names: parse_chb_mit_summary(raw, where, names[0]),
    "siena": lambda raw, where, names: parse_siena_list(raw, where, *names),
}


class AnnotationFiles:
    """The annotation files of a corpus; one that is about many recordings is fetched once. For use by many threads."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._kept: dict[str, bytes] = {}
        self._fetching = Lock()

    def said(self, entry: Entry) -> Annotation:
        """What an entry's annotation file says, not yet held against the recording.

        Raises AnnotationError where there is none, it is not understood, or it ends before the recording that it states;
        Unreadable where it cannot be opened."""
        if entry.annotation is None:
            raise AnnotationError(f"{entry.edf.path}: no annotation file beside it; unannotated is not seizure-free")
        where = entry.annotation.path
        said = PARSERS[entry.form](self._content(entry.annotation, entry.form), where, entry.names)
        _check_reach(said, where)
        return said

    def _content(self, file: FileFacts, form: AnnotationForm) -> bytes:
        if form not in ABOUT_MANY:
            return self._read(file)
        with self._fetching:
            if file.path not in self._kept:
                self._kept[file.path] = self._read(file)
        return self._kept[file.path]

    def _read(self, file: FileFacts) -> bytes:
        with reading(file.path):
            return self._folder.read_bytes(file)


def held_against(recording: Recording, said: Annotation, entry: Entry) -> Seizures:
    """The seizures of an entry in the file's clock, what is `said` of them held against the recording.

    Raises AnnotationError where the length or the start disagrees, or a seizure breaks a rule or lies in a gap."""
    where = entry.edf.path if entry.annotation is None else entry.annotation.path
    _check_length(said, recording, where)
    _check_start(said, recording, where)
    checked = said.seizures.checked(recording.span_s, where)
    _check_gaps(checked, recording, where)
    return checked


def _check_reach(said: Annotation, where: str) -> None:
    """Rows of seizure and background fill a recording: where the last are missing, seizures may be."""
    if said.reach_s is None or said.duration_s is None or said.reach_s >= said.duration_s - ROWS_REACH_S:
        return
    rule = f"rows of seizure or background go on to the end, give or take {ROWS_REACH_S:g} s: truncated"
    raise AnnotationError(f"{where}: the rows end at {said.reach_s} s of {said.duration_s} s; {rule}")


def _check_length(said: Annotation, recording: Recording, where: str) -> None:
    if said.duration_s is not None and abs(said.duration_s - recording.span_s) > LENGTHS_AGREE_S:
        raise AnnotationError(
            f"{where}: says the recording lasts {said.duration_s} s, the EDF {recording.span_s} s; "
            f"they must agree to {LENGTHS_AGREE_S:g} s"
        )


def _check_start(said: Annotation, recording: Recording, where: str) -> None:
    """Hold a list's clock against the EDF's: seizures that it counts from another start would lie elsewhere."""
    if said.start_s is None:
        return
    start_s = recording.clock_s
    if start_s is None:
        raise AnnotationError(
            f"{where}: says the recording starts at {_clock(said.start_s)}, the EDF's start is no clock time; "
            "seizures by the clock need one to be held against"
        )
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
