"""NEDC's CSV files: csv_bi, seizure or background over all channels, and csv, TUSZ's classes channel by channel."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from seizure_pipeline.annotations.seizures import Annotation, AnnotationError, Seizure, Seizures
from seizure_pipeline.annotations.text import (
    Confidences,
    numbered,
    read_text,
    seconds,
    with_confidences,
    writable,
    write_whole,
)

VERSION = "# version = csv_v1.0.0"
COLUMNS = "channel,start_time,stop_time,label,confidence"
DURATION = re.compile(r"# duration = (\S+) secs")
# TUH EEG's classes (annotation guidelines v39). Non-epileptic events, nesz, look like seizures and are none.
SEIZURE_LABELS = ("seiz", "fnsz", "gnsz", "spsz", "cpsz", "absz", "tnsz", "cnsz", "tcsz", "atsz", "mysz")
ARTEFACTS = ("eyem", "chew", "shiv", "musc", "elec")
OTHER_LABELS = (
    *("null", "bckg", "spsw", "gped", "pled", "eybl", "artf", "nesz", "intr", "slow"),
    *("elpp", "elst", "calb", "hphs", "trip", *ARTEFACTS, *map("_".join, combinations(ARTEFACTS, 2))),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a file: what a label says about a channel over a piece of time."""

    channel: str
    label: str
    event: Seizure
    where: str


def read_csv_bi(path: str | Path) -> tuple[Seizures, float]:
    """(seizures, recording length in s) of a csv_bi file; background rows are checked and left out.

    AnnotationError for a wrong first line, a missing length or column line, a channel other than TERM, a label other
    than seiz and bckg, or impossible times. The confidence is not used.
    """
    return _checked(*_csv_bi(read_text(path), str(path)), str(path))


def parse_csv_bi(text: str, where: str) -> Annotation:
    """`read_csv_bi` of a text that errors call `where`."""
    return Annotation(*_checked(*_csv_bi(text, where), where))


def read_tusz_csv(path: str | Path) -> tuple[Seizures, float]:
    """(seizures, recording length in s) of TUSZ's csv: the time in which any channel has a seizure of any class.

    AnnotationError as for csv_bi, with any channel, and for a label that TUH EEG does not know.
    """
    return _checked(*_tusz_csv(read_text(path), str(path)), str(path))


def parse_tusz_csv(text: str, where: str) -> Annotation:
    """`read_tusz_csv` of a text that errors call `where`."""
    return Annotation(*_checked(*_tusz_csv(text, where), where))


def write_csv_bi(
    path: str | Path, recording_id: str, seizures: Seizures, duration_s: float, confidences: Confidences = None
) -> None:
    """Write a csv_bi file: 4 decimals, one background row if there is no event, confidence 1 where none is given."""
    seizures = writable(seizures, duration_s, path)
    rows = [(event.onset_s, event.offset_s, "seiz", c) for event, c in with_confidences(seizures, confidences, path)]
    lines = [VERSION, f"# bname = {recording_id}", f"# duration = {duration_s:.4f} secs"]
    lines += ["# montage_file = n/a", "#", COLUMNS]
    for onset_s, offset_s, label, confidence in rows or [(0.0, duration_s, "bckg", None)]:
        lines.append(f"TERM,{onset_s:.4f},{offset_s:.4f},{label},{1.0 if confidence is None else confidence:.4f}")
    write_whole(Path(path), lines)


def _csv_bi(text: str, where: str) -> tuple[Seizures, float]:
    rows, duration_s = _rows(text, where)
    events = []
    for row in rows:
        if row.channel != "TERM":
            rule = "rows of a csv_bi file are about all channels, TERM"
            raise AnnotationError.of(row.where, f"channel {row.channel!r}", rule)
        if row.label not in ("seiz", "bckg"):
            raise AnnotationError.of(row.where, f"label {row.label!r}", "labels of a csv_bi file are seiz and bckg")
        row.event.checked(row.where)
        if row.label == "seiz":
            events.append(row.event)
    return Seizures(tuple(sorted(events))), duration_s


def _tusz_csv(text: str, where: str) -> tuple[Seizures, float]:
    rows, duration_s = _rows(text, where)
    events = []
    for row in rows:
        if row.label not in SEIZURE_LABELS and row.label not in OTHER_LABELS:
            rule = f"a label is one of TUH EEG's: seizures {', '.join(SEIZURE_LABELS)}; others {', '.join(OTHER_LABELS)}"
            raise AnnotationError.of(row.where, f"label {row.label!r}", rule)
        row.event.checked(row.where)
        if row.label in SEIZURE_LABELS:
            events.append(row.event)
    return Seizures.union(events), duration_s


def _checked(seizures: Seizures, duration_s: float, where: str) -> tuple[Seizures, float]:
    return seizures.checked(duration_s, where), duration_s


def _rows(text: str, where: str) -> tuple[list[Row], float]:
    lines = text.split("\n")
    if lines[0] != VERSION:
        raise AnnotationError.of(f"{where}, line 1", repr(lines[0]), f"the first line is {VERSION!r}")
    if COLUMNS not in lines:
        raise AnnotationError.of(where, "no line of column names", f"it is {COLUMNS!r}")
    head = lines.index(COLUMNS)
    duration_s = _duration_s(lines[:head], where)
    return [_row(line, f"{where}, line {number}") for number, line in numbered(lines, head + 1)], duration_s


def _duration_s(lines: list[str], where: str) -> float:
    for line_number, line in enumerate(lines, start=1):
        if found := DURATION.fullmatch(line.strip()):
            return float(seconds(found.group(1), "duration", f"{where}, line {line_number}"))
    raise AnnotationError.of(where, "no duration", "a line such as '# duration = 1289.0000 secs' precedes the columns")


def _row(line: str, where: str) -> Row:
    fields = line.split(",")
    if len(fields) != 5:
        raise AnnotationError.of(where, f"{len(fields)} fields in {line!r}", f"a row is {COLUMNS}")
    channel, onset, offset, label, _confidence = fields
    event = Seizure(float(seconds(onset, "start_time", where)), float(seconds(offset, "stop_time", where)))
    return Row(channel, label, event, where)
