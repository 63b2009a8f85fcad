"""Events TSV files of BIDS and SzCORE, read and written."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from seizure_pipeline.annotations.listed import ListedEvent, ListedEvents
from seizure_pipeline.annotations.seizures import Annotation, AnnotationError, Seizure, Seizures
from seizure_pipeline.annotations.text import (
    Confidences,
    decoded,
    numbered,
    seconds,
    shown,
    with_confidences,
    writable,
    write_whole,
)

COLUMNS = ("onset", "duration", "eventType", "confidence", "channels", "dateTime", "recordingDuration")
NEEDED = ("onset", "duration", "eventType")
NO_SEIZURE_TYPES = ("bckg", "impd")  # background; impedance measurement (SeizeIT2)
ANY_SEIZURE = "sz"  # a seizure of no type that the file tells


def read_events_tsv(path: str | Path) -> tuple[Seizures, float | None]:
    """(seizures, recording length in s or None) of the events TSV at `path`, as `parse_events_tsv` understands it."""
    found = parse_events_tsv(Path(path).read_bytes(), str(path))
    return found.seizures, found.duration_s


def parse_events_tsv(raw: bytes, where: str) -> Annotation:
    """What an events TSV that errors call `where` says; a seizure's eventType is `sz` or begins with `sz_`, and tells its type.

    The length is the first row's recordingDuration; without it the caller checks the events against the recording's.
    AnnotationError for a missing column, a row of the wrong width, no rows at all (a seizure-free recording has a
    `bckg` row), an eventType that is neither a seizure nor `bckg` or `impd`, or impossible times.
    """
    rows = _rows(raw, where)
    if not rows:
        raise AnnotationError.of(where, "no rows", "a seizure-free recording has one bckg row")
    type_at = {line: row["eventType"].removeprefix(ANY_SEIZURE).removeprefix("_") for line, row in rows}
    listed = sorted((event.checked(f"{where}, line {line}"), type_at[line]) for line, event in _events(rows, where))
    seizures, types = Seizures(tuple(event for event, _ in listed)), tuple(name for _, name in listed)
    duration_s = _duration_s(rows, where)
    checked = seizures if duration_s is None else seizures.checked(duration_s, where)
    return Annotation(checked, duration_s, types=types)


def list_events_tsv(raw: bytes, where: str) -> ListedEvents:
    """The seizure rows of an events TSV that errors call `where`, as they stand.

    AnnotationError as `parse_events_tsv`, but what timescoring defines is accepted: rows unsorted, touching, overlapping,
    nested, repeated or of no length; no rows at all are no events and no length."""
    rows = _rows(raw, where)
    listed = ListedEvents.of(_events(rows, where), _duration_s(rows, where), where)
    if listed.duration_s is not None:
        listed.within(listed.duration_s, where)
    return listed


def write_events_tsv(
    path: str | Path,
    seizures: Seizures,
    duration_s: float,
    confidences: Confidences = None,
    start: datetime | None = None,
) -> None:
    """Write an events TSV of `sz` rows with 4 decimals, or one `bckg` row; `start` is the recording's start."""
    seizures = writable(seizures, duration_s, path)
    clock = "n/a" if start is None else start.strftime("%Y-%m-%d %H:%M:%S")
    lines = ["\t".join(COLUMNS)]
    rows = [(event, "sz", c) for event, c in with_confidences(seizures, confidences, path)]
    for event, kind, confidence in rows or [(Seizure(0.0, round(duration_s, 4)), "bckg", None)]:
        length_s = event.offset_s - event.onset_s
        sure = "n/a" if confidence is None else f"{confidence:.4f}"
        fields = (f"{event.onset_s:.4f}", f"{length_s:.4f}", kind, sure, "n/a", clock, f"{duration_s:.4f}")
        lines.append("\t".join(fields))
    write_whole(Path(path), lines)


def _rows(raw: bytes, where: str) -> list[tuple[int, dict[str, str]]]:
    """(line number, field by column) of every row."""
    lines = decoded(raw, where).split("\n")
    names = lines[0].split("\t")
    if missing := [name for name in NEEDED if name not in names]:
        raise AnnotationError.of(f"{where}, line 1", f"{len(names)} columns", f"columns {', '.join(missing)} are needed")
    return [(number, _row(line, names, f"{where}, line {number}")) for number, line in numbered(lines, 1)]


def _row(line: str, names: list[str], where: str) -> dict[str, str]:
    fields = line.split("\t")
    if len(fields) != len(names):
        raise AnnotationError.of(where, f"{len(fields)} fields", f"a row has the {len(names)} columns of line 1")
    return dict(zip(names, fields, strict=True))


def _is_seizure(event_type: str, where: str) -> bool:
    if event_type == ANY_SEIZURE or event_type.startswith(f"{ANY_SEIZURE}_"):
        return True
    if event_type not in NO_SEIZURE_TYPES:
        rule = f"an eventType is sz, sz_..., or one of {', '.join(NO_SEIZURE_TYPES)}"
        raise AnnotationError.of(where, f"eventType {shown(event_type)}", rule)
    return False


def _events(rows: list[tuple[int, dict[str, str]]], where: str) -> list[ListedEvent]:
    """The seizure rows with their lines, not yet checked."""
    events = []
    for number, row in rows:
        place = f"{where}, line {number}"
        if _is_seizure(row["eventType"], place):
            onset_s, duration_s = (seconds(row[name], name, place) for name in ("onset", "duration"))
            events.append((number, Seizure(float(onset_s), float(onset_s + duration_s))))
    return events


def _duration_s(rows: list[tuple[int, dict[str, str]]], where: str) -> float | None:
    """The recording's length, the first row's recordingDuration; AnnotationError for a row that says another."""
    durations_s: list[float] = []
    for number, row in rows:
        length = row.get("recordingDuration", "n/a")
        if length == "n/a":
            if number == rows[0][0]:
                return None
            continue
        place = f"{where}, line {number}"
        durations_s.append(float(seconds(length, "recordingDuration", place)))
        if durations_s[-1] != durations_s[0]:
            rule = f"it is that of the first row, {durations_s[0]} s"
            raise AnnotationError.of(place, f"recordingDuration {durations_s[-1]} s", rule)
    return durations_s[0] if durations_s else None
