"""Events TSV files of BIDS and SzCORE, read and written."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

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


def read_events_tsv(path: str | Path) -> tuple[Seizures, float | None]:
    """(seizures, recording length in s or None) of the events TSV at `path`, as `parse_events_tsv` understands it."""
    found = parse_events_tsv(Path(path).read_bytes(), str(path))
    return found.seizures, found.duration_s


def parse_events_tsv(raw: bytes, where: str) -> Annotation:
    """What an events TSV that errors call `where` says; a seizure's eventType is `sz` or begins with `sz_`.

    The length is the first row's recordingDuration; without it the caller checks the events against the recording's.
    AnnotationError for a missing column, a row of the wrong width, no rows at all (a seizure-free recording has a
    `bckg` row), an eventType that is neither a seizure nor `bckg` or `impd`, or impossible times.
    """
    lines = decoded(raw, where).split("\n")
    names = lines[0].split("\t")
    missing = [name for name in NEEDED if name not in names]
    if missing:
        raise AnnotationError.of(f"{where}, line 1", f"{len(names)} columns", f"columns {', '.join(missing)} are needed")
    rows = [(f"{where}, line {k}", _row(line, names, f"{where}, line {k}")) for k, line in numbered(lines, 1)]
    if not rows:
        raise AnnotationError.of(where, "no rows", "a seizure-free recording has one bckg row")
    events = [_event(row, place) for place, row in rows if _is_seizure(row["eventType"], place)]
    seizures = Seizures(tuple(sorted(events)))
    place, first = rows[0]
    length = first.get("recordingDuration", "n/a")
    if length == "n/a":
        return Annotation(seizures)
    duration_s = float(seconds(length, "recordingDuration", place))
    return Annotation(seizures.checked(duration_s, where), duration_s)


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


def _row(line: str, names: list[str], where: str) -> dict[str, str]:
    fields = line.split("\t")
    if len(fields) != len(names):
        raise AnnotationError.of(where, f"{len(fields)} fields", f"a row has the {len(names)} columns of line 1")
    return dict(zip(names, fields, strict=True))


def _is_seizure(event_type: str, where: str) -> bool:
    if event_type == "sz" or event_type.startswith("sz_"):
        return True
    if event_type not in NO_SEIZURE_TYPES:
        rule = f"an eventType is sz, sz_..., or one of {', '.join(NO_SEIZURE_TYPES)}"
        raise AnnotationError.of(where, f"eventType {shown(event_type)}", rule)
    return False


def _event(row: dict[str, str], where: str) -> Seizure:
    onset_s, duration_s = (seconds(row[name], name, where) for name in ("onset", "duration"))
    return Seizure(float(onset_s), float(onset_s + duration_s)).checked(where)
